"""Operators and functions of the expression language: arity, scalar value, array value.

Scalar implementations fold constants; array implementations evaluate expressions and are
complex-safe, so that a complex step can check a derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["ARITHMETIC", "ARITY", "ARRAY", "COMPARISONS", "FUNCTIONS", "LOGIC", "SCALAR"]

# op -> number of arguments. "num" and "sym" are the leaves.
ARITHMETIC = {"add": 2, "sub": 2, "mul": 2, "div": 2, "pow": 2, "neg": 1}
COMPARISONS = {"lt": 2, "le": 2, "gt": 2, "ge": 2, "eq": 2, "ne": 2}
LOGIC = {"and": 2, "or": 2, "not": 1}
FUNCTIONS = {
    "exp": 1,
    "log": 1,
    "log1p": 1,
    "expm1": 1,
    "sqrt": 1,
    "abs": 1,
    "sin": 1,
    "cos": 1,
    "tanh": 1,
    "softplus": 1,  # log(1 + exp(x)), safe at both ends
    "expit": 1,  # 1/(1 + exp(-x)), safe at both ends
    "min": 2,
    "max": 2,
    "where": 3,  # where(condition, if_true, if_false)
}
ARITY = {**ARITHMETIC, **COMPARISONS, **LOGIC, **FUNCTIONS}


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


SCALAR: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "lt": lambda a, b: float(a < b),
    "le": lambda a, b: float(a <= b),
    "gt": lambda a, b: float(a > b),
    "ge": lambda a, b: float(a >= b),
    "eq": lambda a, b: float(a == b),
    "ne": lambda a, b: float(a != b),
    "and": lambda a, b: float(bool(a) and bool(b)),
    "or": lambda a, b: float(bool(a) or bool(b)),
    "not": lambda a: float(not a),
    "exp": math.exp,
    "log": math.log,
    "log1p": math.log1p,
    "expm1": math.expm1,
    "sqrt": math.sqrt,
    "abs": abs,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "softplus": _softplus,
    "expit": _expit,
    "min": min,
    "max": max,
    "where": lambda c, a, b: a if c else b,
}


def _re(x: Any) -> Any:
    return np.real(x)


def _number(truth: Any) -> Any:
    """Truth values as 1.0 and 0.0: NumPy's exp of a boolean has half precision, and it has no minus."""
    return np.multiply(truth, 1.0)


# complex-safe (for complex-step checks): comparisons look at the real part
ARRAY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "neg": np.negative,
    "lt": lambda a, b: _number(_re(a) < _re(b)),
    "le": lambda a, b: _number(_re(a) <= _re(b)),
    "gt": lambda a, b: _number(_re(a) > _re(b)),
    "ge": lambda a, b: _number(_re(a) >= _re(b)),
    "eq": lambda a, b: _number(_re(a) == _re(b)),
    "ne": lambda a, b: _number(_re(a) != _re(b)),
    "and": lambda a, b: _number(np.logical_and(_re(a), _re(b))),
    "or": lambda a, b: _number(np.logical_or(_re(a), _re(b))),
    "not": lambda a: _number(np.logical_not(_re(a))),
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": lambda x: np.where(_re(x) < 0, -x, x),
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "softplus": lambda x: np.where(_re(x) > 0, x, 0.0) + np.log1p(np.exp(np.where(_re(x) > 0, -x, x))),
    "expit": lambda x: np.where(
        _re(x) >= 0, 1.0 / (1.0 + np.exp(-_keep(x, _re(x) >= 0))), _sig_low(_keep(x, _re(x) < 0))
    ),
    "min": lambda a, b: np.where(_re(b) < _re(a), b, a),
    "max": lambda a, b: np.where(_re(b) > _re(a), b, a),
    "where": lambda c, a, b: np.where(_re(c) != 0, a, b),
}


def _keep(x: Any, mask: Any) -> Any:
    return np.where(mask, x, 0.0)


def _sig_low(x: Any) -> Any:
    e = np.exp(x)
    return e / (1.0 + e)
