"""From an arm on paper to what is simulated: cohorts with a plan and parameters each.

An arm may be a mixture: strata of the population (every arm has them) and strata of the arm itself. Every combination
is a cohort, simulated on its own; the arm's percent change is the weighted mean of its cohorts' percent changes, each
counted from the cohort's own day 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bonepk.errors import Fault, RegimenError, near
from bonepk.model.system import System
from bonepk.simulate.calendar import MONTH, YEAR
from bonepk.simulate.plan import Course, Plan
from bonepk.study.evidence import Arm, Stratum, Trial

__all__ = ["Cohort", "check_arms", "cohorts", "drugs_of", "exposure", "treatment"]

YEARS = "years_since_fmp"
"""Parameter of the core that places day 0 on a woman's life."""

_AROMATASE_INHIBITORS = {"letrozole", "anastrozole", "exemestane"}
_BISPHOSPHONATES = {"zoledronate", "alendronate", "risedronate", "ibandronate"}
_GNRH_AGONISTS = {"goserelin", "leuprolide"}
_ESTROGENS = {"estradiol", "conjugated_estrogens"}
_BEFORE = -3  # years since menopause up to which an untreated arm is called premenopausal
_EARLY = 10  # years since menopause up to which an untreated arm is called menopause
_GRACE = MONTH + 1  # days after the end of a course that a visit still counts as on it; a day for rounding


@dataclass(frozen=True)
class Cohort:
    """A part of an arm in which all women are alike.

    `parameters` replace the model's values; weights of an arm add up to 1.
    """

    weight: float
    label: str
    plan: Plan
    parameters: Mapping[str, float]


def cohorts(trial: Trial, arm: Arm) -> tuple[Cohort, ...]:
    """Every combination of the population's and the arm's strata.

    Years since the final menstrual period come from the arm's stratum if it has them, else from the population's
    stratum, the arm, or the population.
    """
    whole = (Stratum(1.0, ""),)
    made = []
    for outer in trial.population.strata or whole:
        for inner in arm.strata or whole:
            said = (inner, outer, arm, trial.population)
            years = next(s.years_since_fmp for s in said if s.years_since_fmp is not None)
            made.append(
                Cohort(
                    weight=outer.weight * inner.weight,
                    label="; ".join(label for label in (outer.label, inner.label) if label),
                    plan=trial.population.background + outer.plan + arm.plan + inner.plan,
                    parameters={YEARS: years, **trial.population.parameters, **outer.parameters, **inner.parameters},
                )
            )
    return tuple(made)


def drugs_of(trial: Trial, arms: Iterable[Arm] | None = None) -> tuple[str, ...]:
    """Drugs a model needs for these arms (by default all that can be simulated), in alphabetical order."""
    chosen = [a for a in trial.arms if not a.not_simulated] if arms is None else arms
    return tuple(sorted({d for arm in chosen for c in cohorts(trial, arm) for d in c.plan.drugs}))


def check_arms(trial: Trial, system: System) -> None:
    """Raise if a switch of the trial is no input of the model.

    Raises
    ------
    RegimenError
        With every unknown input.
    """
    faults: dict[str, Fault] = {}
    for arm in trial.arms:
        for cohort in () if arm.not_simulated else cohorts(trial, arm):
            for part in cohort.plan.switches:
                if part.name not in system.input_names:
                    cure = near(part.name, system.input_names) or f"inputs are {', '.join(system.input_names)}"
                    place = f"{trial.path} arm '{arm.name}'"
                    faults[part.name] = Fault(place, f"'{part.name}' is no input of '{system.name}'", cure)
    if faults:
        raise RegimenError(faults.values())


def treatment(trial: Trial, arm: Arm, month: float | None) -> str:
    """Class of treatment at a month, for summaries: ``aromatase inhibitor + denosumab``, ``after bisphosphonate``.

    It is that of the cohort with the largest weight.
    """
    cohort = max(cohorts(trial, arm), key=lambda c: c.weight)
    day = (0.0 if month is None else month) * MONTH
    now, before = _exposed(cohort, day)
    if now:
        return " + ".join(sorted(now))
    if before:
        return "after " + " + ".join(sorted(before))
    years = cohort.parameters[YEARS] + day / YEAR
    if years < _BEFORE:
        return "before menopause, no drug"
    return "menopause, no drug" if years <= _EARLY else "no drug"


def exposure(trial: Trial, arm: Arm, month: float | None) -> tuple[frozenset[str], frozenset[str]]:
    """Classes of treatment given by a month in any cohort of an arm, and those of them that have been stopped.

    A class is stopped if a cohort was given it and is given it no longer, whatever is given instead. A drug that is
    changed for another of its class is not.

    Returns
    -------
    given, stopped : frozenset of str
        Words of `treatment`: ``aromatase inhibitor``, ``denosumab``, ``ovarian suppression``.
    """
    day = (0.0 if month is None else month) * MONTH
    pairs = [_exposed(cohort, day) for cohort in cohorts(trial, arm)]
    given = frozenset(name for now, before in pairs for name in (*now, *before))
    return given, frozenset(name for now, before in pairs for name in before - now)


def _exposed(cohort: Cohort, day: float) -> tuple[set[str], set[str]]:
    """Classes a cohort is given on a day, and those with a course that has ended by then."""
    now: set[str] = set()
    before: set[str] = set()
    for course in cohort.plan.courses:
        if course.start <= day:
            (now if _lasts(course) >= day - _GRACE else before).add(_family(course.drug))
    for part in cohort.plan.switches:
        if part.name in {"ovarian_suppression", "oophorectomy"} and part.start <= day:
            name = "oophorectomy" if part.name == "oophorectomy" else "ovarian suppression"
            (now if part.stop >= day - _GRACE else before).add(name)
    return now, before


def _family(drug: str) -> str:
    if drug in _AROMATASE_INHIBITORS:
        return "aromatase inhibitor"
    if drug in _GNRH_AGONISTS:
        return "ovarian suppression"
    if drug in _ESTROGENS:
        return "estrogen"
    return "bisphosphonate" if drug in _BISPHOSPHONATES else drug


def _lasts(course: Course) -> float:
    """Day to which a course lasts; one infusion of a bisphosphonate counts for a year, one denosumab for six months."""
    alone = YEAR if course.drug in _BISPHOSPHONATES else 6 * MONTH if course.drug == "denosumab" else 0.0
    return course.start + max(course.length, alone if course.doses == 1 else 0.0)
