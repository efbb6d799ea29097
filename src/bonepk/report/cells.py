"""How rows and summaries are put into words: shared by the text table, the terminal table and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.evidence import Row, Trial
from bonepk.study.outcomes.rows import SCORED_APART
from bonepk.study.predict import RowResult, TrialResult

__all__ = [
    "HEADERS",
    "USE_WORDS",
    "Line",
    "anchor",
    "citation_numbers",
    "decimals",
    "form_words",
    "interval_words",
    "line_of",
    "number",
    "others",
    "scored_lines",
    "shown_digits",
    "source_line",
]

USE_WORDS: Mapping[str, str] = {
    "calibration": "fitted",
    "prediction": "predicted, never fitted",
    "not_used": "not used",
    "unlisted": "not in the split",
}
"""What a use in the split is called."""

_SIGNED = {"percent_change", "annual_change", "difference", "annual_difference", "relative_difference"}
_SIGNED |= {"versus_premenopausal", "absolute_change", "absolute_difference"}


@dataclass(frozen=True)
class Line:
    """One row in words; `good` is None where nothing can be said."""

    month: str
    arm: str
    endpoint: str
    form: str
    observed: str
    predicted: str
    error: str
    mark: str
    citation: str
    note: str
    good: bool | None
    use: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of a table, in order."""
        return (
            self.month,
            self.endpoint,
            self.arm,
            self.observed,
            self.predicted,
            self.error,
            self.mark,
            self.citation,
        )


HEADERS = ("month", "endpoint", "arm", "observed", "predicted", "error", "", "source")
"""Headers of `Line.cells`."""


def number(value: float, signed: bool = False, digits: int = 1) -> str:
    """Write a number with some decimals, and a sign if it is a change."""
    rounded = round(value, digits) + 0.0  # no "-0.0"
    return f"{rounded:+.{digits}f}" if signed and rounded else f"{rounded:.{digits}f}"


def decimals(row: Row) -> int:
    """Decimals a value and its bounds were published with; at least one for a change of bone density."""
    values = [row.value, *((row.spread.low, row.spread.high) if row.spread else ())]
    given = max(len(f"{v:.6f}".rstrip("0").partition(".")[2]) for v in values)
    return max(given, 1 if row.endpoint.startswith("bmd_") and row.kind in _SIGNED else 0)


def citation_numbers(trial: Trial) -> dict[str, int]:
    """Give the citations of a trial their numbers, in the order of the file."""
    return {key: i + 1 for i, key in enumerate(trial.citations)}


def source_line(row: Row) -> str:
    """File and line a row stands in: ``abcsg-18.toml:53``."""
    return row.place.partition(" [")[0].replace("\\", "/").rpartition("/")[2]


def anchor(result: RowResult) -> str:
    """Name of a row on the validation page."""
    return f"{result.trial}-{source_line(result.row).rpartition(':')[2]}"


def interval_words(result: RowResult) -> str:
    """Write the interval a number is expected in as ``-1.2 to 3.4``; empty without one."""
    if result.low is None or result.high is None:
        return ""
    signed, digits = result.row.kind in _SIGNED, shown_digits(result.row)
    return f"{number(result.low, signed, digits)} to {number(result.high, signed, digits)}"


def shown_digits(row: Row) -> int:
    """Decimals a prediction is shown with."""
    return 0 if row.unit == "pmol/L" else 2 if row.unit in {"1", "%/year"} else 1


def form_words(row: Row) -> str:
    """Say how a number is expressed, if it is not simply a percent change from day 0."""
    since = f" since month {row.since:g}" if row.since else ""
    words = {
        "percent_change": f"change{since}" if since else "",
        "annual_change": f"per year{since}",
        "difference": f"difference{since}",
        "annual_difference": f"difference per year{since}",
        "relative_difference": "relative",
        "versus_premenopausal": "against premenopausal",
        "ratio": f"ratio to month {row.since:g}",
    }
    return words.get(row.kind, row.kind.replace("_", " "))


def line_of(result: RowResult, trial: Trial) -> Line:
    """Put a row and its prediction into words."""
    row = result.row
    signed = row.kind in _SIGNED
    digits = decimals(row)
    observed = number(row.value, signed, digits)
    if row.spread:
        kind = {"ci95": "", "se": " se", "sd": " sd", "range": " range"}[row.spread.type]
        observed += f" ({number(row.spread.low, signed, digits)} to {number(row.spread.high, signed, digits)}{kind})"
    shown = shown_digits(row)
    arm = trial.arm(row.arm).label if row.arm else "all arms"
    if row.versus:
        arm = f"{row.arm} - {row.versus}" if row.kind.endswith("difference") else f"{row.arm} / {row.versus}"
    note = "; ".join(part for part in (row.note, row.not_scored and f"not scored: {row.not_scored}") if part)
    label = ENDPOINTS[row.endpoint].label
    form = form_words(row)
    return Line(
        month="" if row.month is None else f"{row.month:g}",
        arm=arm,
        endpoint=f"{label}, {form}" if form else label,
        form=form,
        observed=observed,
        predicted="" if result.predicted is None else number(result.predicted, signed, shown),
        error="" if result.error is None or result.status else number(result.error, True, shown),
        mark=_mark(result),
        citation=f"[{citation_numbers(trial)[row.cite]}]" + (" recalled" if row.confidence == "memory" else ""),
        note=note,
        good=None if result.status else result.within,
        use=result.use,
    )


def _mark(result: RowResult) -> str:
    """Whether a scored prediction lies in its interval; for an event row, what it was used for."""
    if result.status == SCORED_APART:
        return {"calibration": "fitted", "prediction": "predicted"}.get(result.use, "")
    return {True: "in", False: "out", None: ""}[None if result.status else result.within]


def scored_lines(result: TrialResult) -> list[tuple[RowResult, Line]]:
    """Rows with a prediction, in words: scored ones first."""
    shown = [r for r in result.rows if r.predicted is not None]
    return [(r, line_of(r, result.trial)) for r in sorted(shown, key=lambda r: bool(r.status))]


def others(rows: Iterable[RowResult]) -> dict[str, list[RowResult]]:
    """Rows without a prediction, by reason."""
    found: dict[str, list[RowResult]] = {}
    for row in rows:
        if row.predicted is None:
            found.setdefault(row.status, []).append(row)
    return found
