"""What is known of one woman when a decision is made.

Every fact may be missing (None). A missing fact is never taken for a normal one: a rule that depends on it answers
that it needs it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from bonepk.decide.vocabulary import FACTS, Fact, Value
from bonepk.errors import DataError, Fault, Faults, near

if TYPE_CHECKING:
    from bonepk.study.people import People

__all__ = ["Facts", "complete", "contradiction", "facts_from_text", "facts_of"]


@dataclass(frozen=True)
class Facts:
    """One woman on the day of a decision; None is not known. Units and meaning stand in `FACTS`.

    Raises
    ------
    DataError
        With every value that is impossible, and every two that exclude each other.
    """

    age: float | None = None
    menopause: str | None = None
    age_at_menopause: float | None = None
    t_lumbar_spine: float | None = None
    t_total_hip: float | None = None
    t_femoral_neck: float | None = None
    loss_lumbar_spine: float | None = None
    loss_total_hip: float | None = None
    same_machine: bool | None = None
    dxa_available: bool | None = None
    bmi: float | None = None
    fragility_fracture: bool | None = None
    vertebral_fracture: bool | None = None
    hip_fracture: bool | None = None
    parental_hip_fracture: bool | None = None
    smoking: bool | None = None
    alcohol: float | None = None
    glucocorticoid_months: float | None = None
    secondary_osteoporosis: bool | None = None
    frax_major: float | None = None
    frax_hip: float | None = None
    high_fracture_risk: bool | None = None
    aromatase_inhibitor: bool | None = None
    tamoxifen: bool | None = None
    systemic_therapy: bool | None = None
    node_positive: bool | None = None
    recurrence_risk: str | None = None
    concern: str | None = None
    creatinine_clearance: float | None = None
    egfr: float | None = None
    creatinine: float | None = None
    creatinine_baseline: float | None = None
    creatinine_baseline_normal: bool | None = None
    zoledronate_held: bool | None = None
    hypocalcaemia: bool | None = None
    vitamin_d_deficient: bool | None = None
    oral_bisphosphonate_years: float | None = None
    iv_bisphosphonate_years: float | None = None
    poor_adherence: bool | None = None
    bmd_falling: bool | None = None
    denosumab_years: float | None = None
    months_since_denosumab: float | None = None
    stopping_denosumab: bool | None = None
    turnover_raised: bool | None = None

    def __post_init__(self) -> None:
        faults = Faults()
        for name, value in self.known.items():
            if problem := _misfit(FACTS[name], value):
                faults.add(f"fact '{name}'", f"{value!r}", problem)
        if not len(faults):
            for problem in _clashes(self.view):
                faults.add("facts", problem)
        faults.raise_as(DataError)

    @property
    def known(self) -> dict[str, Value]:
        """What is known, by name."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}

    @property
    def view(self) -> dict[str, Value]:
        """What is known and what follows from it; nan for what cannot be had (a T-score without DXA)."""
        known = self.known
        scores = [float(known[n]) for n in ("t_lumbar_spine", "t_total_hip", "t_femoral_neck") if n in known]
        losses = [float(known[n]) for n in ("loss_lumbar_spine", "loss_total_hip") if n in known]
        if scores:
            known["t_score"] = min(scores)
        known["follow_up"] = bool(losses)
        if losses:
            known["annual_loss"] = max(losses)
        if "creatinine" in known and "creatinine_baseline" in known:
            now, before = float(known["creatinine"]), float(known["creatinine_baseline"])
            known["creatinine_rise"] = now - before
            known["creatinine_excess"] = 100 * (now / before - 1)
        return complete(known)


def complete(view: Mapping[str, Value]) -> dict[str, Value]:
    """Add what one fact says of another: a T-score means that DXA can be had, no DXA that there is no T-score."""
    out = dict(view)
    if "t_score" in out:
        out.setdefault("dxa_available", True)
    elif out.get("dxa_available") is False:
        out["t_score"] = math.nan
    if "annual_loss" in out:
        out.setdefault("follow_up", True)
    elif out.get("follow_up") is False:
        out["annual_loss"] = math.nan
    return out


def contradiction(view: Mapping[str, Value]) -> str:
    """First thing in a view that cannot be, or an empty string."""
    return next(iter(_clashes(view)), "")


def _clashes(view: Mapping[str, Value]) -> list[str]:
    found = []

    def number(name: str) -> float:
        value = view.get(name)
        return math.nan if value is None or isinstance(value, str) else float(value)

    if number("age_at_menopause") > number("age"):
        found.append("menopause at an age she has not reached; check age and age_at_menopause")
    if view.get("menopause") == "before" and not math.isnan(number("age_at_menopause")):
        found.append("an age at menopause, and menopause 'before'; leave one out")
    if view.get("menopause") == "before" and number("age") > FACTS["age_at_menopause"].high:
        found.append(f"not past menopause at {number('age'):g} years")
    if view.get("dxa_available") is False and not math.isnan(number("t_score")):
        found.append("a T-score, and DXA that cannot be had; leave one out")
    if view.get("follow_up") is False and not math.isnan(number("annual_loss")):
        found.append("an annual loss without a second scan")
    if number("frax_hip") > number("frax_major"):
        found.append("FRAX for the hip above FRAX for all major fractures, which include the hip")
    if (number("creatinine_rise") > 0) is not (number("creatinine_excess") > 0) and not math.isnan(
        number("creatinine_rise") + number("creatinine_excess")
    ):
        found.append("creatinine both above and not above its baseline")
    return found


def _misfit(fact: Fact, value: object) -> str:
    """Say what is wrong with a value; empty if nothing."""
    if fact.kind == "flag":
        return "" if isinstance(value, bool) else "expected True or False"
    if fact.kind == "choice":
        if isinstance(value, str) and value in fact.choices:
            return ""
        hint = near(str(value), fact.choices)
        return f"expected one of {', '.join(fact.choices)}" + (f"; {hint}" if hint else "")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return f"expected a finite number, {fact.label} in {fact.unit}"
    if not fact.low <= value <= fact.high:
        return f"expected {fact.label} between {fact.low:g} and {fact.high:g} {fact.unit}; check the unit"
    return ""


def facts_from_text(words: Mapping[str, str | None]) -> Facts:
    """Make facts of words, as a command line has them: ``{"age": "62", "smoking": "no"}``.

    Parameters
    ----------
    words : mapping of str to str or None
        Names of `FACTS` (``-`` is read as ``_``); None and an empty text are not known. Flags are ``yes`` or ``no``.

    Raises
    ------
    DataError
        With every unknown name and every text that cannot be read.
    """
    faults = Faults()
    values: dict[str, Value] = {}
    for given, text in words.items():
        name = given.replace("-", "_")
        if name not in FACTS:
            faults.add(f"fact '{given}'", "not in the vocabulary", "", near(name, FACTS) or "see docs/guidelines.md")
        elif text is not None and text.strip():
            value = _read(FACTS[name], text.strip())
            if value is None:
                expected = {"number": f"a number, {FACTS[name].label} in {FACTS[name].unit}", "flag": "yes or no"}
                faults.add(f"fact '{given}'", f"found '{text}'", f"expected {expected[FACTS[name].kind]}")
            else:
                values[name] = value
    faults.raise_as(DataError)
    return Facts(**values)  # type: ignore[arg-type]


def _read(fact: Fact, text: str) -> Value | None:
    if fact.kind == "choice":
        return text
    if fact.kind == "flag":
        return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(text.lower())
    try:
        return float(text)
    except ValueError:
        return None


_SAME = ("age", "bmi", "creatinine_clearance", "age_at_menopause")
_SCORES = ("lumbar_spine", "total_hip", "femoral_neck")


def facts_of(people: People, place: int, *, measured: bool = True, **more: Value) -> Facts:
    """Facts of one virtual person, as her doctor would have them.

    Parameters
    ----------
    people : People
    place : int
        Place in the group.
    measured : bool
        T-scores as the scan shows them, with its error; else the true ones.
    **more
        What a population does not say (``aromatase_inhibitor=True``); these win.

    Notes
    -----
    Three months of glucocorticoids, which is what a population knows, may or may not be the six a guideline asks for:
    they are left unknown, and none is none. A person who does not smoke is taken never to have smoked, one without a
    fracture after 50 to have none of spine and hip.
    """
    if not 0 <= place < len(people):
        raise DataError(Fault("people", f"no person at place {place}", f"0 to {len(people) - 1}"))

    def flag(name: str) -> bool:
        return bool(people[name][place])

    prefix = "measured_t_score" if measured else "t_score"
    values: dict[str, Value] = {name: float(people[name][place]) for name in _SAME}
    values |= {f"t_{site}": float(people[f"{prefix}_{site}"][place]) for site in _SCORES}
    values |= {"fragility_fracture": flag("prior_fracture"), "parental_hip_fracture": flag("parental_hip_fracture")}
    values["smoking"] = flag("smoking")
    if not flag("prior_fracture"):
        values |= {"vertebral_fracture": False, "hip_fracture": False}
    if not flag("glucocorticoids"):
        values["glucocorticoid_months"] = 0.0
    if float(values["age_at_menopause"]) > float(values["age"]):
        del values["age_at_menopause"]
        values["menopause"] = "before"
    else:
        values["menopause"] = "natural"
    return Facts(**{**values, **more})  # type: ignore[arg-type]
