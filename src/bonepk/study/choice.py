"""Rows picked out by what they say: trial, arm, endpoint, month. The split, remarks and comparisons share it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bonepk.study.endpoints import ENDPOINTS, KINDS, family_of
from bonepk.study.evidence import Row, Trial
from bonepk.study.fields import Fields

__all__ = ["RowChoice", "choice_fields"]

_FAMILIES = tuple(dict.fromkeys(family_of(e.name) for e in ENDPOINTS.values() if e.output))
_NAMES = tuple(dict.fromkeys([*ENDPOINTS, *_FAMILIES]))


@dataclass(frozen=True, kw_only=True)
class RowChoice:
    """Rows of one trial that match every field that is given.

    `endpoint` may be a family: ``bmd`` for every site, ``ntx`` for urine and serum.
    """

    trial: str
    arm: str = ""
    versus: str = ""
    endpoint: str = ""
    kind: str = ""
    since: float | None = None
    month: float | None = None
    confidence: str = ""

    def holds_for(self, trial: str, row: Row) -> bool:
        """Whether a row of a trial is meant."""
        return (
            trial == self.trial
            and self.arm in {"", row.arm}
            and self.versus in {"", row.versus}
            and self.endpoint in {"", row.endpoint, family_of(row.endpoint)}
            and self.kind in {"", row.kind}
            and self.since in {None, row.since}
            and self.month in {None, row.month}
            and self.confidence in {"", row.confidence}
        )

    def matches(self, trial: Trial) -> bool:
        """Whether any row of the trial is meant."""
        return any(self.holds_for(trial.name, row) for row in trial.rows)


def choice_fields(table: Fields, trials: Collection[str]) -> dict[str, Any]:
    """Read the fields of a choice from a table of a file; faults go to the table's collection."""
    return {
        "trial": table.choice("trial", trials, "trial", required=True),
        "arm": table.text("arm"),
        "versus": table.text("versus"),
        "endpoint": table.choice("endpoint", _NAMES, "endpoint"),
        "kind": table.choice("kind", KINDS, "kind"),
        "since": table.number("since"),
        "month": table.number("month"),
        "confidence": table.choice("confidence", ("verified", "memory"), "confidence"),
    }
