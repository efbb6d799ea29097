"""The words a rule can ask for: names, units, and what is possible."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["DERIVED", "FACTS", "VOCABULARY", "Fact", "Value"]

Value = float | bool | str


@dataclass(frozen=True)
class Fact:
    """One word of the vocabulary.

    Attributes
    ----------
    name, label : str
    unit : str
        ``"1"`` for flags and choices.
    kind : {"number", "flag", "choice"}
    low, high : float
        Outside these a number is a slip of the pen or of the unit.
    choices : tuple of str
    """

    name: str
    label: str
    unit: str
    kind: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()


def _number(name: str, label: str, unit: str, low: float, high: float) -> Fact:
    return Fact(name, label, unit, "number", low, high)


def _flag(name: str, label: str) -> Fact:
    return Fact(name, label, "1", "flag")


_BASE = (
    _number("age", "age", "year", 18, 110),
    Fact(
        "menopause",
        "menopause: not yet, natural, by suppression or removal of the ovaries, or by chemotherapy",
        "1",
        "choice",
        choices=("before", "natural", "suppressed", "chemotherapy"),
    ),
    _number("age_at_menopause", "age at menopause", "year", 20, 65),
    _number("t_lumbar_spine", "T-score, lumbar spine", "SD", -7, 6),
    _number("t_total_hip", "T-score, total hip", "SD", -7, 6),
    _number("t_femoral_neck", "T-score, femoral neck", "SD", -7, 6),
    _number("loss_lumbar_spine", "BMD lost since the scan before, lumbar spine", "%/year", -40, 40),
    _number("loss_total_hip", "BMD lost since the scan before, total hip", "%/year", -40, 40),
    _flag("same_machine", "both scans on the same machine"),
    _flag("dxa_available", "DXA can be had"),
    _number("bmi", "body mass index", "kg/m2", 12, 80),
    _flag("fragility_fracture", "fracture after 50 without much force"),
    _flag("vertebral_fracture", "vertebral fragility fracture"),
    _flag("hip_fracture", "hip fracture without much force"),
    _flag("parental_hip_fracture", "hip fracture in the family"),
    _flag("smoking", "smokes or has smoked"),
    _number("alcohol", "alcohol", "unit/day", 0, 50),
    _number("glucocorticoid_months", "oral glucocorticoids taken for", "month", 0, 900),
    _flag("secondary_osteoporosis", "disease that costs bone"),
    _number("frax_major", "FRAX, major osteoporotic fracture in 10 years", "%", 0, 100),
    _number("frax_hip", "FRAX, hip fracture in 10 years", "%", 0, 100),
    _flag("high_fracture_risk", "high risk of fracture in the judgement of her doctor"),
    _flag("aromatase_inhibitor", "on an aromatase inhibitor, or about to start"),
    _flag("tamoxifen", "on tamoxifen, or about to start"),
    _flag("systemic_therapy", "candidate for adjuvant systemic therapy"),
    _flag("node_positive", "node-positive breast cancer"),
    Fact("recurrence_risk", "risk of recurrence", "1", "choice", choices=("low", "intermediate", "high")),
    Fact(
        "concern", "what bone treatment is mainly meant to prevent", "1", "choice", choices=("fracture", "recurrence")
    ),
    _number("creatinine_clearance", "creatinine clearance, Cockcroft-Gault", "mL/min", 3, 350),
    _number("egfr", "estimated glomerular filtration rate", "mL/min/1.73m2", 3, 200),
    _number("creatinine", "serum creatinine", "mg/dL", 0.1, 20),
    _number("creatinine_baseline", "serum creatinine before zoledronate", "mg/dL", 0.1, 20),
    _flag("creatinine_baseline_normal", "creatinine before zoledronate was normal"),
    _flag("zoledronate_held", "zoledronate is on hold for creatinine"),
    _flag("hypocalcaemia", "low serum calcium, not corrected"),
    _flag("vitamin_d_deficient", "vitamin D deficiency, not corrected"),
    _number("oral_bisphosphonate_years", "oral bisphosphonate taken for", "year", 0, 40),
    _number("iv_bisphosphonate_years", "intravenous bisphosphonate taken for", "year", 0, 40),
    _flag("poor_adherence", "takes less of an oral drug than prescribed"),
    _flag("bmd_falling", "BMD falls on treatment"),
    _number("denosumab_years", "denosumab taken for", "year", 0, 30),
    _number("months_since_denosumab", "since the last denosumab injection", "month", 0, 600),
    _flag("stopping_denosumab", "denosumab is to end or has ended"),
    _flag("turnover_raised", "bone turnover markers raised after the follow-on drug"),
)
_DERIVED = (
    _number("t_score", "lowest T-score of the sites measured", "SD", -7, 6),
    _flag("follow_up", "a second scan gives an annual loss"),
    _number("annual_loss", "greatest annual loss of the sites measured twice", "%/year", -40, 40),
    _number("creatinine_rise", "rise of creatinine over its baseline", "mg/dL", -20, 20),
    _number("creatinine_excess", "creatinine over its baseline", "%", -100, 20000),
)

FACTS: dict[str, Fact] = {f.name: f for f in _BASE}
"""What can be said of a woman, by name."""

DERIVED: dict[str, Fact] = {f.name: f for f in _DERIVED}
"""What follows from the facts, by name."""

VOCABULARY: dict[str, Fact] = {**FACTS, **DERIVED}
"""Every name a rule may ask for."""
