"""Fractures from the course of bone: a hazard by site that follows age, bone density, turnover and risk factors.

``h = scale * rate(age) * gradient(age)^(t_reference - T) * factors * exp(gamma * (resorption/untreated - 1))``

T is the woman's T-score as her bone density changes, `untreated` the resorption of the bone model without any drug at
the same time since menopause. No drug enters: what a drug does to fractures is what it does to density and resorption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, NotFoundError, near
from bonepk.study.outcomes.constants import SITES, FractureConstants, Site, fracture_constants
from bonepk.study.outcomes.cumulative import (
    cumulative_hazard,
    event_months,
    incidence_beside_death,
    pooled_incidence,
)
from bonepk.study.outcomes.women import Women

if TYPE_CHECKING:
    import xarray as xr

    from bonepk.model.system import System

__all__ = ["EVENTS", "Bone", "Fractures", "Untreated", "bone_of", "fractures", "untreated"]

F8 = NDArray[np.float64]

EVENTS: Mapping[str, tuple[str, ...]] = {
    "fracture_hip": ("hip",),
    "fracture_vertebral": ("vertebral",),
    "fracture_nonvertebral": ("hip", "other"),
    "fracture_clinical": ("hip", "noticed", "other"),
    "fracture": ("hip", "noticed", "other"),
}
"""What counts as an event: sites by endpoint; ``noticed`` is the part of vertebral fractures that comes to notice."""

YEARS = "years_since_fmp"
NEEDED = ("resorption", "bmd_femoral_neck", "bmd_lumbar_spine")
"""Outputs of the bone model that fractures follow from."""

LONGEST_STEP = 2.0
"""Months between stored times, at most: turnover swings between doses, and the hazard with it."""

_BEFORE, _AFTER = -10.0, 55.0  # years since menopause between which the untreated course is stored


@dataclass(frozen=True, eq=False)
class Untreated:
    """Resorption of the bone model without any drug, by years since menopause.

    Attributes
    ----------
    years : ndarray, shape (times,)
        Rising.
    resorption : ndarray, shape (times,)
    years_since_fmp : float
        What the model has for day 0 unless a run says otherwise.
    """

    years: F8
    resorption: F8
    years_since_fmp: float = 10.0

    def at(self, years: F8) -> F8:
        """Resorption at some years since menopause; constant outside what is stored."""
        return np.asarray(np.interp(years, self.years, self.resorption), dtype=np.float64)


def untreated(model: System, parameters: Mapping[str, float] | None = None) -> Untreated:
    """Run the woman of a model through menopause without any drug.

    Parameters
    ----------
    model : System
        A core with `years_since_fmp`, with or without drugs; nothing is given.
    parameters : mapping of str to float, optional
        Values that replace the model's.

    Raises
    ------
    NotFoundError
        If the model has no `years_since_fmp`, or no output `resorption`.
    """
    from bonepk.simulate.run import simulate

    lacking = [n for n in (*NEEDED, YEARS) if n not in {*model.output_names, *model.values}]
    if lacking:
        raise NotFoundError(Fault(f"model '{model.name}'", f"no '{lacking[0]}'", "the fracture model follows from it"))
    years = np.concatenate([np.arange(_BEFORE, 10.0, 0.125), np.arange(10.0, _AFTER, 0.5)])
    days = (years - _BEFORE) * 365.25
    run = simulate(model, times=days.tolist(), parameters={**(parameters or {}), YEARS: _BEFORE}, rtol=1e-6)
    usual = {**model.values, **(parameters or {})}[YEARS]
    return Untreated(years, np.asarray(run["resorption"].values, dtype=np.float64), float(usual))


@dataclass(frozen=True, eq=False)
class Bone:
    """What the fracture model reads of a course.

    Attributes
    ----------
    months : ndarray, shape (times,)
        From day 0, rising.
    excess : ndarray, shape (courses, times)
        Resorption over that of the untreated woman, less 1.
    relative : mapping of str to ndarray, shape (courses, times)
        Bone density of femoral neck and lumbar spine over that on day 0.
    """

    months: F8
    excess: F8
    relative: Mapping[str, F8]


def bone_of(months: F8, values: Mapping[str, F8], years_since_fmp: F8 | float, reference: Untreated) -> Bone:
    """Take from courses of the bone model what the fracture model reads.

    Parameters
    ----------
    months : ndarray, shape (times,)
        From day 0, whose bone density the T-scores belong to.
    values : mapping of str to ndarray, shape (courses, times)
        Outputs `resorption`, `bmd_femoral_neck` and `bmd_lumbar_spine`.
    years_since_fmp : float or ndarray, shape (courses,)
        On day 0.
    reference : Untreated
        From `untreated`.

    Raises
    ------
    DataError
        If an output is missing, or the first month is not 0.
    """
    for name in NEEDED:
        if name not in values:
            raise DataError(Fault("courses", f"no output '{name}'", "the fracture model follows from it"))
    if months[0] != 0:
        raise DataError(Fault("courses", f"first month {months[0]:g}", "expected 0: T-scores are those of day 0"))
    years = np.atleast_1d(np.asarray(years_since_fmp, dtype=np.float64))[:, None] + months / 12
    levels = {n: np.atleast_2d(np.asarray(values[n], dtype=np.float64)) for n in NEEDED}
    excess = levels["resorption"] / reference.at(years) - 1
    relative = {n.removeprefix("bmd_"): v / v[:, :1] for n, v in levels.items() if n != "resorption"}
    return Bone(months, excess, relative)


@dataclass(frozen=True, eq=False)
class Fractures:
    """Hazards of fracture of a group of women.

    Attributes
    ----------
    women : Women
    months : ndarray, shape (times,)
    hazards : mapping of str to ndarray, shape (women, times)
        Per year, by site (`SITES`).
    turnover : ndarray, shape (women or 1, times)
        Turnover factor of the spine, 1 in an untreated woman.
    constants : FractureConstants
    """

    women: Women
    months: F8
    hazards: Mapping[str, F8]
    turnover: F8
    constants: FractureConstants

    def hazard(self, event: str) -> F8:
        """Hazard per year of an endpoint of `EVENTS`, shape (women, times).

        Raises
        ------
        NotFoundError
            If the endpoint is not known.
        """
        if event not in EVENTS:
            raise NotFoundError(
                Fault("fractures", f"unknown event '{event}'", near(event, EVENTS) or ", ".join(EVENTS))
            )
        noticed = self.constants.spine_share
        parts = [noticed * self.hazards["vertebral"] if s == "noticed" else self.hazards[s] for s in EVENTS[event]]
        return np.asarray(sum(parts[1:], parts[0]), dtype=np.float64)

    def cumulative(self, event: str) -> F8:
        """Cumulative hazard of an endpoint from day 0, shape (women, times)."""
        return cumulative_hazard(self.months, self.hazard(event))

    def incidence(self, event: str) -> F8:
        """Share of the group with the event, other events apart, shape (times,)."""
        return pooled_incidence(self.cumulative(event), self.women.weights)

    def incidence_beside_death(self, event: str) -> F8:
        """Share of the group with the event before death from other causes, shape (times,)."""
        death = self.constants.death.cumulative(self.women.age[:, None], self.months / 12)
        each = incidence_beside_death(self.cumulative(event), death)
        return np.asarray(self.women.weights @ each / self.women.weights.sum(), dtype=np.float64)

    @cached_property
    def _single(self) -> F8:
        """Cumulative intensity of vertebral events that break one vertebra only."""
        alone = np.exp(-self.constants.vertebrae.value * self.turnover)
        return cumulative_hazard(self.months, self.hazards["vertebral"] * alone)

    def several_vertebrae(self, since: int, until: int) -> float:
        """Share of the women free of vertebral fracture at one stored month with several broken vertebrae by another.

        An event breaks 1 + Poisson(`vertebrae` * turnover factor) vertebrae; later events add to it.

        Parameters
        ----------
        since, until : int
            Places in `months`.
        """
        total = self.cumulative("fracture_vertebral")
        left = self.women.weights * np.exp(-total[:, since])
        added = total[:, until] - total[:, since]
        one = self._single[:, until] - self._single[:, since]
        return float(left @ (1 - np.exp(-added) * (1 + one)) / left.sum())

    def months_of_events(self, rng: np.random.Generator | Mapping[str, F8]) -> dict[str, F8]:
        """Draw the month of each woman's first fracture at every site.

        Parameters
        ----------
        rng : Generator, or mapping of str to ndarray
            A generator; or numbers between 0 and 1 for each woman, by site.

        Returns
        -------
        dict of str to ndarray, shape (women,)
            By site; inf for none by the last month.
        """
        drawn = {s: rng.random(len(self.women)) for s in SITES} if isinstance(rng, np.random.Generator) else rng
        return {s: event_months(self.months, self.hazards[s], drawn[s]) for s in SITES}

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Share of the group with each event, dimension ``month``; `_beside_death` with death competing."""
        import xarray as xr

        made = {}
        for event in EVENTS:
            note = {"units": "1", "long_name": event.replace("_", " ")}
            made[event] = ("month", self.incidence(event), note)
            made[f"{event}_beside_death"] = ("month", self.incidence_beside_death(event), note)
        return xr.Dataset(made, {"month": ("month", self.months, {"units": "month"})})


def fractures(bone: Bone, women: Women, constants: FractureConstants | None = None) -> Fractures:
    """Work out the hazards of fracture of women along courses of bone.

    Parameters
    ----------
    bone : Bone
        One course for all women, or one for each.
    women : Women
    constants : FractureConstants, optional
        By default those that come with bonepk.

    Returns
    -------
    Fractures

    Raises
    ------
    DataError
        If there are several courses, and not one for each woman.
    """
    numbers = fracture_constants() if constants is None else constants
    if len(bone.excess) not in {1, len(women)}:
        raise DataError(
            Fault("fractures", f"{len(bone.excess)} courses for {len(women)} women", "expected one, or one for each")
        )
    age = women.age[:, None] + bone.months / 12
    hazards = {n: _hazard(site, bone, women, age, numbers) for n, site in numbers.sites.items()}
    turnover = np.exp(numbers.sites["vertebral"].gamma.value * bone.excess)
    return Fractures(women, bone.months, hazards, turnover, numbers)


def _hazard(site: Site, bone: Bone, women: Women, age: F8, numbers: FractureConstants) -> F8:
    from bonepk.study.people.reference import bmd_of, t_of

    bmd = bmd_of(women.t_scores[site.bmd], site.bmd, women.device)[:, None] * bone.relative[site.bmd]
    lower = site.t_reference - t_of(bmd, site.bmd, women.device)
    log = _line(age, site.ages, site.log_rate) + lower * np.interp(age, site.ages, site.log_gradient)
    log = log + np.log(site.scale.value) + site.gamma.value * bone.excess
    for factor, share in women.factors.items():
        log = log + np.log1p(share[:, None] * (numbers.relative_risk(factor, site.name, age) - 1))
    if site.name == "hip":
        log = log + np.log(numbers.bmi_hip) * (women.bmi[:, None] - 25.0)
    return np.asarray(np.exp(log), dtype=np.float64)


def _line(x: F8, knots: F8, values: F8) -> F8:
    """Straight lines between knots, the outer ones continued."""
    slope = np.diff(values) / np.diff(knots)
    place = np.clip(np.searchsorted(knots, x) - 1, 0, len(slope) - 1)
    return np.asarray(values[place] + slope[place] * (x - knots[place]), dtype=np.float64)
