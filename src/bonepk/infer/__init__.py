"""Floor 4: calibration, identifiability, posterior and predictions with their uncertainty."""

from bonepk.infer.bands import predict
from bonepk.infer.fit import Fit
from bonepk.infer.free import Effect, Free, Prior
from bonepk.infer.identify import directions, profile
from bonepk.infer.loss import Loss
from bonepk.infer.posterior import sample
from bonepk.infer.predictor import Predictor
from bonepk.infer.problem import Problem, calibrate
from bonepk.infer.rows import Block, ErrorModel, Row

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
    "calibrate",
    "directions",
    "predict",
    "profile",
    "sample",
]
