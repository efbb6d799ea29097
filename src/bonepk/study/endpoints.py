"""What a trial may report: endpoints, how a number is expressed, and what can be predicted."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ENDPOINTS", "KINDS", "Endpoint", "Kind", "family_of"]


@dataclass(frozen=True)
class Endpoint:
    """One thing a trial measures.

    `output` is the model output it is compared with; empty if no output predicts it yet.
    """

    name: str
    label: str
    output: str = ""
    note: str = ""


@dataclass(frozen=True)
class Kind:
    """How a published number is expressed.

    `units` are the units a row of this kind may carry; `computed` says that it follows from a simulated course;
    `two_arms` that it compares an arm with another (`versus`).
    """

    name: str
    units: tuple[str, ...]
    meaning: str
    computed: bool = False
    two_arms: bool = False


_ENDPOINTS = (
    Endpoint("bmd_lumbar_spine", "lumbar spine BMD", "bmd_lumbar_spine"),
    Endpoint("bmd_total_hip", "total hip BMD", "bmd_total_hip"),
    Endpoint("bmd_femoral_neck", "femoral neck BMD", "bmd_femoral_neck"),
    Endpoint("bmd_trochanter", "trochanter BMD", "bmd_trochanter"),
    Endpoint("bmd_radius", "distal third radius BMD"),
    Endpoint("bmd_distal_radius", "distal radius BMD"),
    Endpoint("bmd_total_body", "total body BMD", "bmd_total_body"),
    Endpoint("bmc_total_hip", "total hip bone mineral content, QCT"),
    Endpoint("vbmd_total_hip", "total hip volumetric BMD, QCT"),
    Endpoint("vbmd_lumbar_spine", "lumbar spine volumetric BMD, QCT"),
    Endpoint("t_score_lumbar_spine", "lumbar spine T-score"),
    Endpoint("ctx", "serum CTX", "ctx"),
    Endpoint("ntx", "urinary NTX", "ntx"),
    Endpoint("serum_ntx", "serum NTX", "serum_ntx"),
    Endpoint("p1np", "P1NP", "p1np"),
    Endpoint("bsap", "bone alkaline phosphatase", "bsap"),
    Endpoint("estradiol", "estradiol", "estradiol"),
    Endpoint("turnover_markers", "turnover markers, not named"),
    Endpoint("ctx_below_premenopausal", "women with CTX below the premenopausal range"),
    Endpoint("bmd_gain_retained", "part of the spine BMD gain retained"),
    Endpoint("osteoporosis_lumbar_spine", "osteoporosis at the lumbar spine"),
    Endpoint("osteoporosis_total_hip", "osteoporosis at the hip"),
    Endpoint("osteoporosis", "osteoporosis"),
    Endpoint("bone_drug_started", "women who started the bone drug"),
    Endpoint("fracture", "fracture, any or type not named"),
    Endpoint("fracture_clinical", "clinical fracture"),
    Endpoint("fracture_vertebral", "vertebral fracture"),
    Endpoint("fracture_multiple_vertebral", "multiple vertebral fractures"),
    Endpoint("fracture_nonvertebral", "nonvertebral fracture"),
    Endpoint("fracture_hip", "hip fracture"),
    Endpoint("fracture_wrist", "wrist fracture"),
    Endpoint("recurrence", "recurrence of breast cancer"),
    Endpoint("disease_free_survival", "disease-free survival"),
    Endpoint("overall_survival", "overall survival"),
)

_KINDS = (
    Kind("percent_change", ("%",), "change since day 0, or since month `since`", computed=True),
    Kind("annual_change", ("%/year",), "percent change since month `since`, per year", computed=True),
    Kind("difference", ("points",), "percent change of arm minus that of versus", computed=True, two_arms=True),
    Kind("annual_difference", ("points/year",), "the difference per year", computed=True, two_arms=True),
    Kind("relative_difference", ("%",), "level of arm against that of versus", computed=True, two_arms=True),
    Kind("ratio", ("1",), "level at `month` over level at `since`", computed=True),
    Kind("versus_premenopausal", ("%",), "how far the level lies from that before menopause", computed=True),
    Kind("level", ("pmol/L", "nmol/mmol"), "the level itself", computed=True),
    Kind("absolute_change", ("T-score", "g/cm2", "g/cm2/year", "nmol/mmol/year"), "change in the measure's own unit"),
    Kind("absolute_difference", ("T-score", "g/cm2"), "the same, arm minus versus", two_arms=True),
    Kind("hazard_ratio", ("1",), "hazard of arm over versus", two_arms=True),
    Kind("relative_risk", ("1",), "risk of arm over versus", two_arms=True),
    Kind("rate_ratio", ("1",), "event rate of arm over versus, or of one period over another"),
    Kind("odds_ratio", ("1",), "odds of arm over versus", two_arms=True),
    Kind("risk_reduction", ("%",), "relative change of the risk", two_arms=True),
    Kind("incidence", ("%",), "part of the women with the event by then"),
    Kind("event_free", ("%",), "part of the women without the event by then"),
    Kind("prevalence", ("%",), "part of the women in this state"),
    Kind("count", ("patients", "events"), "number with the event"),
    Kind("event_rate", ("per 100 person-years",), "events per person-time"),
)

ENDPOINTS: dict[str, Endpoint] = {e.name: e for e in _ENDPOINTS}
"""Known endpoints by name."""

KINDS: dict[str, Kind] = {k.name: k for k in _KINDS}
"""Known kinds of number by name."""


def family_of(endpoint: str, kind: str = "percent_change") -> str:
    """Rows of one family share a model error: every BMD site, NTX in urine and serum, else the endpoint itself.

    A level against that of other, premenopausal women is a family of its own (``bmd_between``): it carries the
    difference between two groups of women, many times what one woman changes.
    """
    family = "bmd" if endpoint.startswith("bmd_") else "ntx" if endpoint == "serum_ntx" else endpoint
    return f"{family}_between" if kind == "versus_premenopausal" else family
