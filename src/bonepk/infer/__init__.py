"""Floor 4: calibration, identifiability, posterior and predictions with their uncertainty."""

from bonepk.infer.bands import predict
from bonepk.infer.crossval import leave_out
from bonepk.infer.fit import Fit
from bonepk.infer.free import Effect, Free, Prior
from bonepk.infer.identify import directions, profile
from bonepk.infer.loss import Loss
from bonepk.infer.posterior import sample
from bonepk.infer.predictor import Predictor
from bonepk.infer.problem import Problem, calibrate
from bonepk.infer.problem_text import load_problem
from bonepk.infer.rows import Block, ErrorModel, Row
from bonepk.infer.save import fit_text, save
from bonepk.infer.table import Table
from bonepk.infer.trials import Trials

__all__ = [
    "Block",
    "Effect",
    "ErrorModel",
    "Fit",
    "Free",
    "Loss",
    "Predictor",
    "Prior",
    "Problem",
    "Row",
    "Table",
    "Trials",
    "calibrate",
    "directions",
    "fit_text",
    "leave_out",
    "load_problem",
    "predict",
    "profile",
    "sample",
    "save",
]
