"""Decisions: bone density as a clinic reads it, guidelines as data, limits on dosing, and a clinic simulated.

Research software. Nothing here is medical advice.
"""

from bonepk.decide.decision import Decision, Finding, assess, compare, find
from bonepk.decide.dxa import (
    WHO_CLASSES,
    Change,
    Conversion,
    Precision,
    convert,
    judge_change,
    least_significant_change,
    precision,
    t_score,
    who_class,
    z_score,
)
from bonepk.decide.facts import Facts, facts_from_text, facts_of
from bonepk.decide.limits import Breach, breaches, fit_agent
from bonepk.decide.monitor import follow, start_months
from bonepk.decide.policy import Followed, Patient, Policy, Visit
from bonepk.decide.reach import Reached, reach
from bonepk.decide.rule_text import read_guideline
from bonepk.decide.rules import (
    OUTCOMES,
    Advice,
    Agent,
    Entry,
    Guideline,
    Limit,
    Topic,
    guideline_names,
    load_guideline,
)
from bonepk.decide.scans import scan_run
from bonepk.decide.vocabulary import DERIVED, FACTS, Fact
from bonepk.decide.words import comparison_text, decision_text, guideline_text, guidelines_text

__all__ = [
    "DERIVED",
    "FACTS",
    "OUTCOMES",
    "WHO_CLASSES",
    "Advice",
    "Agent",
    "Breach",
    "Change",
    "Conversion",
    "Decision",
    "Entry",
    "Fact",
    "Facts",
    "Finding",
    "Followed",
    "Guideline",
    "Limit",
    "Patient",
    "Policy",
    "Precision",
    "Reached",
    "Topic",
    "Visit",
    "assess",
    "breaches",
    "compare",
    "comparison_text",
    "convert",
    "decision_text",
    "facts_from_text",
    "facts_of",
    "find",
    "fit_agent",
    "follow",
    "guideline_names",
    "guideline_text",
    "guidelines_text",
    "judge_change",
    "least_significant_change",
    "load_guideline",
    "precision",
    "reach",
    "read_guideline",
    "scan_run",
    "start_months",
    "t_score",
    "who_class",
    "z_score",
]
