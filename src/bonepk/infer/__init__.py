"""Floor 4: calibration, identifiability, posterior and predictions with their uncertainty."""

from bonepk.infer.bands import predict
from bonepk.infer.crossval import leave_out
from bonepk.infer.fit import Fit
from bonepk.infer.free import Effect, Free, Prior
from bonepk.infer.identify import directions, profile
from bonepk.infer.intervals import RowInterval, TrialIntervals, trial_intervals, validate_intervals, with_intervals
from bonepk.infer.loss import Loss
from bonepk.infer.posterior import sample
from bonepk.infer.predictor import Predictor
from bonepk.infer.problem import Problem, calibrate
from bonepk.infer.problem_text import load_problem
from bonepk.infer.refit_table import refits_text, save_refits
from bonepk.infer.refits import Refit, RefitRow, Refits, Score, refit
from bonepk.infer.rows import Block, ErrorModel, Row
from bonepk.infer.save import fit_text, save
from bonepk.infer.table import Table
from bonepk.infer.trials import Trials
from bonepk.infer.variants import Chosen, Variant, from_set, with_memory
from bonepk.infer.variants_text import load_variants

__all__ = [
    "Block",
    "Chosen",
    "Effect",
    "ErrorModel",
    "Fit",
    "Free",
    "Loss",
    "Predictor",
    "Prior",
    "Problem",
    "Refit",
    "RefitRow",
    "Refits",
    "Row",
    "RowInterval",
    "Score",
    "Table",
    "TrialIntervals",
    "Trials",
    "Variant",
    "calibrate",
    "directions",
    "fit_text",
    "from_set",
    "leave_out",
    "load_problem",
    "load_variants",
    "predict",
    "profile",
    "refit",
    "refits_text",
    "sample",
    "save",
    "save_refits",
    "trial_intervals",
    "validate_intervals",
    "with_intervals",
    "with_memory",
]
