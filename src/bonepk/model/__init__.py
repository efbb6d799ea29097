"""Floor 0: model text, expressions, units, composition and checks."""

from bonepk.model.library import load, models
from bonepk.model.parse import parse_expression
from bonepk.model.system import System

__all__ = ["System", "load", "models", "parse_expression"]
