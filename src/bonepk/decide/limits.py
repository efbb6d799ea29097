"""Plans held against the limits on dosing of bone drugs, as data in ``validation/guidelines/dosing-limits.toml``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bonepk.decide.decision import Finding, find, look_up
from bonepk.decide.facts import Facts
from bonepk.decide.rules import Agent, Guideline
from bonepk.errors import DataError, Fault
from bonepk.simulate.calendar import MONTH, YEAR, in_words
from bonepk.simulate.plan import Course, Plan

__all__ = ["LIMITS", "Breach", "breaches", "fit_agent"]

LIMITS = "dosing-limits"
"""Name of the limits that come with bonepk."""

_ORAL = frozenset({"alendronate", "risedronate", "ibandronate", "clodronate"})
_HAND = 1.0  # days a date may be off its limit
_MG = {"mg": 1.0, "g": 1000.0, "ug": 1e-3, "mcg": 1e-3}
_AMOUNT = re.compile(r"\s*([0-9.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z]+)\s*\Z")


@dataclass(frozen=True)
class Breach:
    """One thing a plan does that a limit speaks of.

    Attributes
    ----------
    kind : {"breach", "caution", "needs"}
        Forbidden; allowed with care; or not to be judged before a fact is known.
    drug : str
    day : float
        When, in days from the start of the study.
    say : str
    needs : tuple of str
    cite, confidence : str
        Source of the limit, and whether it was read (``verified``) or recalled (``memory``).
    """

    kind: str
    drug: str
    day: float
    say: str
    needs: tuple[str, ...] = ()
    cite: str = ""
    confidence: str = ""

    def __str__(self) -> str:
        source = f" [{self.cite}, {self.confidence}]" if self.cite else ""
        return f"{self.kind}: {self.drug} at {in_words(round(self.day, 6))}: {self.say}{source}"


def breaches(
    plan: Plan, facts: Facts, *, until: float | None = None, limits: str | Path | Guideline = LIMITS
) -> tuple[Breach, ...]:
    """Hold a plan against the limits.

    Parameters
    ----------
    plan : Plan
    facts : Facts
        Her renal function, calcium, and bone drugs before day 0, taken to stay as they are.
    until : float, optional
        Day to which the plan is known to be complete: denosumab that ends well before it needs a follow-on drug. By
        default the end of the plan.
    limits : str, Path or Guideline

    Returns
    -------
    tuple of Breach
        In the order of their days; empty if nothing is to be said.

    Raises
    ------
    DataError
        If an amount is no mass.
    """
    rules = look_up(limits)
    found: list[Breach] = []
    for course in plan.courses:
        if course.drug == "zoledronate":
            found += _zoledronate(course, facts, rules)
        elif course.drug == "denosumab":
            found += _say(find(facts, rules, "denosumab 60 mg"), "denosumab", course.start, rules)
    found += _intervals(plan, facts, plan.end if until is None else until, rules)
    found += _years(plan, facts, rules)
    return tuple(sorted(dict.fromkeys(found), key=lambda b: (b.day, b.drug, b.kind)))


def fit_agent(
    agents: Sequence[Agent], facts: Facts, able: Sequence[str], limits: str | Path | Guideline = LIMITS
) -> tuple[Agent | None, tuple[str, ...]]:
    """Choose the first drug that the limits allow her, at the dose they allow.

    Parameters
    ----------
    agents : sequence of Agent
        In order of preference.
    facts : Facts
    able : sequence of str
        Drugs that can be given (those of a model).
    limits : str, Path or Guideline

    Returns
    -------
    agent : Agent or None
        None if none is left.
    notes : tuple of str
        What was passed over or changed and why, and what could not be judged.
    """
    rules = look_up(limits)
    notes: list[str] = []
    for agent in agents:
        if agent.drug not in able:
            notes.append(f"{agent.drug}: not in the model")
            continue
        finding = _dose_finding(agent.drug, milligrams(agent.dose), facts, rules)
        if finding is None:
            return agent, tuple(notes)
        if finding.outcome in {"never", "hold"}:
            notes.append(f"{agent.drug}: {finding.say} ({finding.because})")
            continue
        if finding.outcome == "open":
            notes.append(f"{agent.drug}: not held against its limits, {finding.say}")
        elif finding.outcome == "adjust":
            notes.append(f"{agent.drug}: {finding.dose} ({finding.because})")
            agent = replace(agent, dose=finding.dose)
        elif finding.outcome == "caution":
            notes.append(f"{agent.drug}: {finding.say} ({finding.because})")
        return agent, tuple(notes)
    return None, tuple(notes)


def _dose_finding(drug: str, amount: float, facts: Facts, rules: Guideline) -> Finding | None:
    """Ask the limits about one dose; None if they do not speak of the drug."""
    if drug == "denosumab":
        return find(facts, rules, "denosumab 60 mg")
    if drug != "zoledronate":
        return None
    label = "zoledronate 4 mg" if amount <= rules.limits["oncology_dose"].value else "zoledronate 5 mg"
    return find(facts, rules, label)


def _zoledronate(course: Course, facts: Facts, rules: Guideline) -> list[Breach]:
    amount = milligrams(course.amount)
    finding = _dose_finding("zoledronate", amount, facts, rules)
    found: list[Breach] = []
    if finding is not None and finding.outcome == "adjust":
        if amount > milligrams(finding.dose) + 1e-9:
            say = f"{amount:g} mg, at most {finding.dose}: {finding.because}"
            found.append(_breach("breach", "zoledronate", course.start, say, finding))
    elif finding is not None:
        found += _say(finding, "zoledronate", course.start, rules)
    if facts.creatinine is not None or facts.zoledronate_held:
        found += _say(find(facts, rules, "creatinine"), "zoledronate", course.start, rules)
    return found


def _say(finding: Finding, drug: str, day: float, rules: Guideline) -> list[Breach]:
    if finding.outcome == "open":
        return [Breach("needs", drug, day, f"{rules.title.lower()}: {finding.say}", finding.needs)]
    if finding.outcome in {"never", "hold"}:
        return [_breach("breach", drug, day, f"{finding.say}: {finding.because}", finding)]
    if finding.outcome in {"caution", "reassess"}:
        return [_breach("caution", drug, day, f"{finding.say}: {finding.because}", finding)]
    return []


def _breach(kind: str, drug: str, day: float, say: str, finding: Finding) -> Breach:
    cite = finding.citation.key if finding.citation else ""
    return Breach(kind, drug, day, say, (), cite, finding.confidence)


def _intervals(plan: Plan, facts: Facts, until: float, rules: Guideline) -> list[Breach]:
    """Denosumab given late, or ended with nothing after it."""
    courses = plan.of("denosumab").courses
    if not courses:
        return []
    most, after = rules.limits["denosumab_interval"], rules.limits["denosumab_follow_on"]
    days = np.unique(np.concatenate([c.times for c in courses])).tolist()
    if facts.months_since_denosumab is not None and facts.denosumab_years:
        days = [min(days[0], 0.0) - facts.months_since_denosumab * MONTH, *days]
    infusions = [d for c in plan.courses if c.drug == "zoledronate" for d in c.times.tolist()]
    others = [*infusions, *(c.start for c in plan.courses if c.drug in _ORAL)]
    ends = [*days[1:], math.inf]
    found = []
    for last, following in zip(days, ends, strict=True):
        cover = min([d for d in others if d >= last - _HAND], default=math.inf)
        covered = any(c.start <= last and c.end > last + after.value * MONTH for c in plan.courses if c.drug in _ORAL)
        next_day = min(following, cover)
        if covered or next_day <= last + most.value * MONTH + _HAND or until <= last + most.value * MONTH + _HAND:
            continue
        months = "nothing" if math.isinf(next_day) else f"nothing for {(next_day - last) / MONTH:.3g} months"
        say = f"{months} after an injection; at most {most.value:g} months, then another antiresorptive"
        found.append(Breach("breach", "denosumab", last + most.value * MONTH, say, (), most.cite, most.confidence))
    return found


def _years(plan: Plan, facts: Facts, rules: Guideline) -> list[Breach]:
    """Bisphosphonate for longer than the limits."""
    found = []
    for route, drugs, before in (
        ("oral", _ORAL, facts.oral_bisphosphonate_years),
        ("iv", frozenset({"zoledronate"}), facts.iv_bisphosphonate_years),
    ):
        courses = sorted((c for c in plan.courses if _route(c, drugs) == route), key=lambda c: c.start)
        taken = (before or 0.0) * YEAR
        for course in courses:
            for name, kind in ((f"{route}_reassess", "caution"), (f"{route}_most", "breach")):
                limit = rules.limits[name]
                left = limit.value * YEAR - taken
                if left < course.length - _HAND:
                    say = f"past {limit.value:g} years of bisphosphonate ({limit.note})"
                    day = course.start + max(left, 0.0)
                    found.append(Breach(kind, course.drug, day, say, (), limit.cite, limit.confidence))
            taken += course.length
    return found


def _route(course: Course, drugs: frozenset[str]) -> str:
    if course.drug not in drugs:
        return ""
    return "iv" if course.drug == "zoledronate" or course.route == "iv" else "oral"


def milligrams(amount: str | float) -> float:
    """Amount of a dose in mg; a bare number is in mg already.

    Raises
    ------
    DataError
        If the text is no mass.
    """
    if not isinstance(amount, str):
        return float(amount)
    match = _AMOUNT.match(amount)
    factor = _MG.get(match.group(2)) if match else None
    if match is None or factor is None:
        raise DataError(Fault(f"dose '{amount}'", "no mass", "such as '4 mg'"))
    return float(match.group(1)) * factor
