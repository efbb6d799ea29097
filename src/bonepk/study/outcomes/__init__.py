"""What happens to women, not to their bones alone: fractures from density and turnover, and how events are counted.

Joint pain and recurrence in bone are modules of the bone model: ``load("aibl", modules=["joint_pain"])``.
"""

from bonepk.study.outcomes.constants import FractureConstants, fracture_constants
from bonepk.study.outcomes.cumulative import (
    cumulative_hazard,
    event_months,
    incidence,
    incidence_beside_death,
    pooled_incidence,
)
from bonepk.study.outcomes.fracture import EVENTS, Bone, Fractures, Untreated, bone_of, fractures, untreated
from bonepk.study.outcomes.people import FractureOutcome
from bonepk.study.outcomes.risk import fracture_risk
from bonepk.study.outcomes.survival import HazardRatio, KaplanMeier, hazard_ratio, kaplan_meier, observed
from bonepk.study.outcomes.women import Group, Women, groups, one_woman, women_of

__all__ = [
    "EVENTS",
    "Bone",
    "FractureConstants",
    "FractureOutcome",
    "Fractures",
    "Group",
    "HazardRatio",
    "KaplanMeier",
    "Untreated",
    "Women",
    "bone_of",
    "cumulative_hazard",
    "event_months",
    "fracture_constants",
    "fracture_risk",
    "fractures",
    "groups",
    "hazard_ratio",
    "incidence",
    "incidence_beside_death",
    "kaplan_meier",
    "observed",
    "one_woman",
    "pooled_incidence",
    "untreated",
    "women_of",
]
