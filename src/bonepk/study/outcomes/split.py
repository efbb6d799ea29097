"""Which published fracture numbers were fitted, which are predicted, which are not compared, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bonepk.errors import DataError, Faults
from bonepk.model.toml_lines import read_toml
from bonepk.study.evidence import Row
from bonepk.study.fields import Fields
from bonepk.study.outcomes.constants import outcomes_folder

__all__ = ["OutcomeSplit", "Rule", "Subgroup", "outcome_split"]

_KEYS = ("endpoint", "kind", "arm", "cite", "note")


@dataclass(frozen=True)
class Rule:
    """Rows of a trial that match every given key; `se_log` is the error of its logarithm without an interval."""

    trial: str
    keys: Mapping[str, str]
    month: float | None
    why: str
    se_log: float | None = None

    def holds(self, trial: str, row: Row) -> bool:
        """Whether a row is meant."""
        said = trial == self.trial and all(getattr(row, k) == v for k, v in self.keys.items())
        return said and (self.month is None or self.month == row.month)


@dataclass(frozen=True)
class Subgroup:
    """Part of a trial's women by T-score; its rows are known by their note."""

    trial: str
    note: str
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class OutcomeSplit:
    """The file ``validation/outcomes/split.toml``."""

    rules: tuple[str, ...]
    fitted: tuple[Rule, ...]
    implied: tuple[Rule, ...]
    left_out: tuple[Rule, ...]
    subgroups: tuple[Subgroup, ...]

    def use(self, trial: str, row: Row) -> str:
        """``calibration`` for a row the constants were fitted to, or that restates one, else ``prediction``."""
        known = any(r.holds(trial, row) for r in (*self.fitted, *self.implied))
        return "calibration" if known else "prediction"

    def excluded(self, trial: str, row: Row) -> str:
        """Why a row is not compared, or an empty string."""
        return next((r.why for r in self.left_out if r.holds(trial, row)), "")

    def subgroup(self, trial: str, row: Row) -> Subgroup | None:
        """Part of the women that a row is about; None for all."""
        return next((s for s in self.subgroups if s.trial == trial and s.note == row.note), None)


@cache
def outcome_split(path: str | Path | None = None) -> OutcomeSplit:
    """Read the split of fracture numbers.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    data, lines = read_toml(Path(path) if path else outcomes_folder() / "split.toml", error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)
    rules = top.texts("rules")
    fitted = tuple(_rule(one) for one in top.tables("fitted", required=True))
    implied = tuple(_rule(one) for one in top.tables("implied"))
    left_out = tuple(_rule(one) for one in top.tables("left_out"))
    subgroups = []
    for one in top.tables("subgroups"):
        trial, note = one.text("trial", required=True), one.text("note", required=True)
        bounds = {}
        for site in ("femoral_neck", "lumbar_spine"):
            inner = one.table(f"t_{site}")
            low, high = inner.number("at_least"), inner.number("below")
            inner.close()
            if inner.data:
                bounds[site] = (float("-inf") if low is None else low, float("inf") if high is None else high)
        one.close()
        subgroups.append(Subgroup(trial, note, bounds))
    top.close()
    faults.raise_as(DataError)
    return OutcomeSplit(rules, fitted, implied, left_out, tuple(subgroups))


def _rule(one: Fields) -> Rule:
    trial, why = one.text("trial", required=True), one.text("why", required=True)
    keys = {k: one.text(k) for k in _KEYS if k in one.data}
    month, se = one.number("month"), one.number("se_log", low=1e-6)
    one.close()
    return Rule(trial, keys, month, why, se)
