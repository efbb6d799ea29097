"""Virtual trials: published trials run on virtual people, with their visits, dropout, adherence and rescue rules."""

from bonepk.study.virtual.conduct import Conduct, load_conduct, read_conduct
from bonepk.study.virtual.courses import STORED, Courses, Outcome, Policy, measured
from bonepk.study.virtual.power import Power, simulated_power
from bonepk.study.virtual.run import Followed
from bonepk.study.virtual.statistics import Estimate, ancova, difference_of, mean_of, people_needed, power_of
from bonepk.study.virtual.trial import VirtualRow, VirtualTrial, virtual_trial, virtual_trials

__all__ = [
    "STORED",
    "Conduct",
    "Courses",
    "Estimate",
    "Followed",
    "Outcome",
    "Policy",
    "Power",
    "VirtualRow",
    "VirtualTrial",
    "ancova",
    "difference_of",
    "load_conduct",
    "mean_of",
    "measured",
    "people_needed",
    "power_of",
    "read_conduct",
    "simulated_power",
    "virtual_trial",
    "virtual_trials",
]
