"""Published trials: what was observed, and what a model predicts for it."""

from bonepk.study.arms import Cohort, cohorts, drugs_of, treatment
from bonepk.study.evidence import Arm, Citation, Row, Spread, Trial, load_trial, trial_names
from bonepk.study.predict import ArmRun, RowResult, TrialResult, Validation, express, predict_trial, run_arm, validate
from bonepk.study.score import Score, counts, scores, worst
from bonepk.study.split import Split, read_split
from bonepk.study.trial_text import read_trial
from bonepk.study.trial_write import trial_toml

__all__ = [
    "Arm",
    "ArmRun",
    "Citation",
    "Cohort",
    "Row",
    "RowResult",
    "Score",
    "Split",
    "Spread",
    "Trial",
    "TrialResult",
    "Validation",
    "cohorts",
    "counts",
    "drugs_of",
    "express",
    "load_trial",
    "predict_trial",
    "read_split",
    "read_trial",
    "run_arm",
    "scores",
    "treatment",
    "trial_names",
    "trial_toml",
    "validate",
    "worst",
]
