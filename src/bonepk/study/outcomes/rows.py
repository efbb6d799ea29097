"""Fracture rows of trials: what the fracture model says where a publication gives events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bonepk.study.evidence import Row, Trial
from bonepk.study.outcomes.constants import FractureConstants, fracture_constants
from bonepk.study.outcomes.cumulative import incidence
from bonepk.study.outcomes.fracture import EVENTS, NEEDED, Bone, Fractures, Untreated, bone_of, fractures
from bonepk.study.outcomes.split import outcome_split
from bonepk.study.outcomes.women import Women, groups

__all__ = ["SCORED_APART", "ArmEvents", "Foreseen", "TrialEvents", "event_obstacle", "event_rows", "month_of"]

F8 = NDArray[np.float64]

SCORED_APART = "an event: summarised in docs/outcomes.md"
"""Status of a fracture row that has a prediction; its error is no percentage point of bone."""

MULTIPLE = "fracture_multiple_vertebral"
_MULTIPLE = {"incidence", "event_rate", "prevalence"}
_TWO_ARMS = {"hazard_ratio", "relative_risk"}
_ONE = {"incidence", "event_rate", "count", *_TWO_ARMS}


@dataclass(frozen=True, eq=False)
class ArmEvents:
    """Fractures of an arm: its cohorts with their weights.

    Attributes
    ----------
    months : ndarray, shape (times,)
    cohorts : sequence of (float, Bone)
    women : Women
        The arm's women; every cohort is a share of them.
    constants : FractureConstants
    oncology : bool
        Whether fractures of any kind are counted as trials of adjuvant therapy do.
    """

    months: F8
    cohorts: Sequence[tuple[float, Bone]]
    women: Women
    constants: FractureConstants
    oncology: bool = False

    @cached_property
    def parts(self) -> tuple[tuple[float, Fractures], ...]:
        """Fractures of each cohort, with its weight."""
        return tuple((w, fractures(bone, self.women, self.constants)) for w, bone in self.cohorts)

    def scale(self, endpoint: str) -> float:
        """Give what the hazard of an endpoint is multiplied with: ascertainment."""
        return self.constants.oncology.value if self.oncology and endpoint in {"fracture", "fracture_clinical"} else 1.0

    def free(self, endpoint: str, month: float) -> float:
        """Share of the arm's women without the event by a stored month."""
        at = self._at(month)
        total = sum(w for w, _ in self.parts)
        share = 0.0
        for w, part in self.parts:
            each = 1 - incidence(self.scale(endpoint) * part.cumulative(endpoint)[:, at])
            share += w / total * float(np.average(each, weights=self.women.weights))
        return share

    def several(self, since: float, month: float) -> float:
        """Share of the women free of vertebral fracture at one month with several broken vertebrae by another."""
        places = self._at(since), self._at(month)
        free = [
            w * float(np.exp(-p.cumulative("fracture_vertebral")[:, places[0]]) @ self.women.weights)
            for w, p in self.parts
        ]
        each = [p.several_vertebrae(*places) for _, p in self.parts]
        return float(np.average(each, weights=free))

    def _at(self, month: float) -> int:
        return int(np.abs(self.months - month).argmin())


def event_rows(trial: Trial) -> tuple[Row, ...]:
    """Rows of a trial that the fracture model can speak to."""
    return tuple(row for row in trial.rows if not event_obstacle(trial, row))


def event_obstacle(trial: Trial, row: Row) -> str:
    """Why no fracture is predicted for a row, or an empty string."""
    if row.endpoint not in {*EVENTS, MULTIPLE} or trial.name not in groups():
        return "not predicted yet"
    if (row.kind == "prevalence" and row.endpoint != MULTIPLE) or (
        row.endpoint == MULTIPLE and row.kind not in _MULTIPLE
    ):
        return "not predicted yet"
    if why := outcome_split().excluded(trial.name, row):
        return f"not compared: {why}"
    if not row.arm:
        return "no single arm"
    if any(name and trial.arm(name).not_simulated for name in (row.arm, row.versus)):
        return f"not simulated: {trial.arm(row.arm).not_simulated or trial.arm(row.versus).not_simulated}"
    if row.kind == "count" and not (row.n or trial.arm(row.arm).n):
        return "the number of women is not stated"
    return "the time is not stated" if month_of(trial, row) is None else ""


def month_of(trial: Trial, row: Row) -> float | None:
    """Month of a row; a ratio without one holds for the longest follow-up that the trial's fracture rows state."""
    if row.month is not None or row.kind not in _TWO_ARMS:
        return row.month
    stated = [r.month for r in trial.rows if r.endpoint == row.endpoint and r.month is not None]
    return max(stated, default=None)


class Courses(Protocol):
    """Courses of the cohorts of an arm: `bonepk.study.predict.ArmRun`."""

    @property
    def months(self) -> F8: ...

    @property
    def weights(self) -> F8: ...

    @property
    def years(self) -> F8: ...

    @property
    def values(self) -> Mapping[str, F8]: ...


@dataclass(frozen=True)
class Foreseen:
    """What is said of a fracture row: its use, a prediction or None, and a status."""

    use: str
    predicted: float | None
    status: str


@dataclass(frozen=True, eq=False)
class TrialEvents:
    """Fractures of a trial.

    Attributes
    ----------
    trial : Trial
    arms : mapping of str to Courses
        Arms that were simulated, by name.
    reference : Untreated or None
        The woman without any drug; None if the model cannot give her.
    """

    trial: Trial
    arms: Mapping[str, Courses]
    reference: Untreated | None

    def results(self, constants: FractureConstants | None = None) -> dict[str, Foreseen]:
        """Every row that is predicted, or left out on purpose, by `Row.place`."""
        split, made = outcome_split(), {}
        for row in self.trial.rows:
            use, why = split.use(self.trial.name, row), event_obstacle(self.trial, row)
            if why.startswith("not compared"):
                made[row.place] = Foreseen(use, None, why)
            elif not why and self.reference is not None and {row.arm, row.versus} <= {*self.arms, ""}:
                made[row.place] = Foreseen(use, self.express(row, constants), SCORED_APART)
        return made

    def express(self, row: Row, constants: FractureConstants | None = None) -> float:
        """Express predicted fractures as the publication expressed its number.

        Parameters
        ----------
        row : Row
            One without an `event_obstacle`, of arms that were simulated.
        constants : FractureConstants, optional
            By default those that come with bonepk.

        Returns
        -------
        float
            In the unit of the row. A hazard ratio is that of the cumulative hazards of the two arms, each pooled over
            its women; a rate is that of first events among women free of one at `since`.
        """
        women = groups()[self.trial.name].women()
        part = outcome_split().subgroup(self.trial.name, row)
        for site, (low, high) in (part.bounds if part else {}).items():
            women = women.select((women.t_scores[site] >= low) & (women.t_scores[site] < high))
        month = month_of(self.trial, row) or 0.0
        mine = self._arm(row.arm, women, constants)
        if row.endpoint == MULTIPLE:
            return _multiple(row, mine, month)
        free = mine.free(row.endpoint, month)
        before = mine.free(row.endpoint, row.since)
        if row.kind == "incidence":
            return 100 * (1 - free / before)
        if row.kind == "count":
            return (row.n or self.trial.arm(row.arm).n or 0) * (1 - free / before)
        if row.kind == "event_rate":
            return 100 * math.log(before / free) / ((month - row.since) / 12)
        versus = self._arm(row.versus, women, constants)
        mine_free, other_free = free / before, versus.free(row.endpoint, month) / versus.free(row.endpoint, row.since)
        if row.kind == "hazard_ratio":
            return math.log(mine_free) / math.log(other_free)
        return (1 - mine_free) / (1 - other_free)

    def _arm(self, name: str, women: Women, constants: FractureConstants | None) -> ArmEvents:
        run = self.arms[name]
        assert self.reference is not None
        cohorts = []
        for k, weight in enumerate(run.weights):
            values = {n: run.values[n][k : k + 1] for n in NEEDED}
            cohorts.append((float(weight), bone_of(run.months, values, run.years[k : k + 1], self.reference)))
        oncology = groups()[self.trial.name].oncology
        return ArmEvents(run.months, cohorts, women, constants or fracture_constants(), oncology)


def _multiple(row: Row, mine: ArmEvents, month: float) -> float:
    several = mine.several(row.since, month)
    if row.kind == "incidence":
        return 100 * several
    if row.kind == "event_rate":
        return 100 * -math.log1p(-several) / ((month - row.since) / 12)
    any_one = 1 - mine.free("fracture_vertebral", month) / mine.free("fracture_vertebral", row.since)
    return 100 * several / any_one
