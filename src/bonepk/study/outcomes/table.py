"""Published against simulated: fractures of every trial, and recurrence in bone, fitted and predicted apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bonepk.errors import DataError, Faults
from bonepk.model.toml_lines import read_toml
from bonepk.simulate.plan import Plan
from bonepk.study.fields import Fields
from bonepk.study.outcomes.constants import outcomes_folder

if TYPE_CHECKING:
    from bonepk.study.predict import RowResult

__all__ = ["Recurrence", "fracture_lines", "recurrence_lines", "recurrence_rows", "summary"]

_KINDS = {"ratios": {"hazard_ratio", "relative_risk"}, "levels": {"incidence", "event_rate", "count"}}
_USES = {"calibration": "fitted", "prediction": "predicted"}


@dataclass(frozen=True)
class Recurrence:
    """One published number on recurrence in bone, and how it is simulated.

    Attributes
    ----------
    study, what : str
    value : float
        A ratio of cumulative hazards, or the part recurred in %.
    low, high : float or None
        Interval of 95 %.
    use : {"calibration", "prediction"}
    confidence : {"verified", "memory"}
    month : float
    years : tuple of (float, float)
        Weight and years since the final menstrual period of each stratum.
    plan, versus : Plan
        For a part recurred, `versus` is not used.
    source, note : str
    """

    study: str
    what: str
    value: float
    low: float | None
    high: float | None
    use: str
    confidence: str
    month: float
    years: tuple[tuple[float, float], ...]
    plan: Plan
    versus: Plan
    ratio: bool
    source: str
    note: str


def recurrence_rows(path: str | Path | None = None) -> tuple[Recurrence, ...]:
    """Read ``validation/outcomes/recurrence.toml``.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    from bonepk.study.trial_text import read_plan

    data, lines = read_toml(Path(path) if path else outcomes_folder() / "recurrence.toml", error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)
    made = []
    for one in top.tables("rows", required=True):
        study, what = one.text("study", required=True), one.text("what", required=True)
        value = one.number("value", required=True)
        kind = one.choice("kind", ("ratio", "incidence"), "kind", required=True)
        bounds = one.numbers("ci95")
        use = one.choice("use", tuple(_USES), "use", required=True)
        confidence = one.choice("confidence", ("verified", "memory"), "confidence", required=True)
        month = one.number("month", required=True, low=0)
        weights, years = one.numbers("weights"), one.numbers("years_since_fmp", required=True)
        plan, versus = read_plan(one, "regimen"), read_plan(one, "versus")
        source, note = one.text("source", required=True), one.text("note")
        one.close()
        weights = weights or (1.0,)
        if len(weights) != len(years):
            faults.add(one.place(), f"{len(weights)} weights for {len(years)} strata", "expected one for each")
            continue
        low, high = bounds if len(bounds) == 2 else (None, None)
        strata = tuple(zip(weights, years, strict=True))
        ratio = kind == "ratio"
        made.append(
            Recurrence(
                study, what, value or 0.0, low, high, use, confidence, month or 0.0, strata, plan, versus, ratio,
                source, note,
            )
        )  # fmt: skip
    top.close()
    faults.raise_as(DataError)
    return tuple(made)


def simulate_recurrence(row: Recurrence) -> float:
    """Run the bone model with its module of recurrence in bone and express what the row reports."""
    from bonepk.model import load
    from bonepk.simulate.endpoints import months_to_times
    from bonepk.simulate.run import simulate

    model = load("aibl", drugs=sorted({*row.plan.drugs, *row.versus.drugs}), modules=["bone_metastasis"])
    times = months_to_times([0.0, row.month])

    def recurred(plan: Plan) -> float:
        total = 0.0
        for weight, years in row.years:
            run = simulate(model, plan, times=times, parameters={"years_since_fmp": years}, rtol=1e-6)
            total += weight * float(run["bone_metastasis.incidence"].values[-1])
        return total / sum(w for w, _ in row.years)

    mine = recurred(row.plan)
    return math.log1p(-mine) / math.log1p(-recurred(row.versus)) if row.ratio else 100 * mine


def recurrence_lines(rows: Iterable[Recurrence]) -> list[str]:
    """Write recurrence rows as a Markdown table, fitted first."""
    cells = []
    for row in sorted(rows, key=lambda r: r.use):
        digits = 2 if row.ratio else 1
        spread = "" if row.low is None else f" ({row.low:.{digits}f} to {row.high:.{digits}f})"
        got = f"{simulate_recurrence(row):.{digits}f}"
        recalled = " (recalled)" if row.confidence == "memory" else ""
        cells.append((_USES[row.use], row.study, row.what, f"{row.value:.{digits}f}{spread}{recalled}", got, row.note))
    return _markdown(("use", "study", "what", "published", "simulated", "note"), cells)


def fracture_lines(rows: Iterable[RowResult], use: str) -> list[str]:
    """Write fracture rows of one use (``calibration`` or ``prediction``) as a Markdown table."""
    from bonepk.study.endpoints import ENDPOINTS

    cells = []
    for result in rows:
        row = result.row
        if result.use != use or result.predicted is None:
            continue
        digits = 2 if row.unit == "1" else 1
        spread = "" if row.spread is None else f" ({row.spread.low:g} to {row.spread.high:g})"
        recalled = " (recalled)" if row.confidence == "memory" else ""
        arm = f"{row.arm} / {row.versus}" if row.versus else row.arm
        mark = {True: "in", False: "out", None: ""}[result.within]
        month = "" if row.month is None else f"{row.since:g} to {row.month:g}" if row.since else f"{row.month:g}"
        what = f"{ENDPOINTS[row.endpoint].label}, {row.kind.replace('_', ' ')}" + (f", {row.note}" if row.note else "")
        unit = {"1": "", "%": " %", "patients": " women", "events": " events"}.get(row.unit, " /100 y")
        published = f"{row.value:g}{spread}{unit}{recalled}"
        cells.append((result.trial, month, arm, what, published, f"{result.predicted:.{digits}f}{unit}", mark))
    return _markdown(("trial", "month", "arm", "what", "published", "simulated", ""), cells)


def summary(rows: Iterable[RowResult], use: str) -> str:
    """One line: how far simulated ratios and levels lie from published ones, as factors."""
    chosen = [r for r in rows if r.use == use and r.predicted is not None and r.row.confidence == "verified"]
    parts = []
    for label, kinds in (
        ("ratios", {"hazard_ratio", "relative_risk"}),
        ("levels", {"incidence", "event_rate", "count"}),
    ):
        logs = [math.log((r.predicted or 1.0) / r.row.value) for r in chosen if r.row.kind in kinds]
        if logs:
            typical = math.exp(math.sqrt(sum(x * x for x in logs) / len(logs)))
            parts.append(
                f"{label}: {len(logs)} rows, typical factor {typical:.2f}, mean {math.exp(sum(logs) / len(logs)):.2f}"
            )
    inside = [r.within for r in chosen if r.within is not None]
    parts.append(f"{sum(inside)} of {len(inside)} within their interval")
    return "; ".join(parts)


def _markdown(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in cells)]
