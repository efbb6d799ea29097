"""Floor 0: model text, expressions, units, composition and checks.

What a user needs most is here by name; rooms that are rarely needed are read on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bonepk.model.library import ModelInfo, load, models
from bonepk.model.parse import parse_expression
from bonepk.model.sets import ParameterSet
from bonepk.model.system import System

_ROOMS = {
    "check": "checks",
    "check_model": "checks",
    "list_text": "describe",
    "read_set": "sets",
    "save_set": "sets",
    "show": "describe",
    "to_sympy": "symbolic",
}

if TYPE_CHECKING:
    from bonepk.model.checks import check, check_model
    from bonepk.model.describe import list_text, show
    from bonepk.model.sets import read_set, save_set
    from bonepk.model.symbolic import to_sympy

__all__ = [
    "ModelInfo",
    "ParameterSet",
    "System",
    "check",
    "check_model",
    "list_text",
    "load",
    "models",
    "parse_expression",
    "read_set",
    "save_set",
    "show",
    "to_sympy",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'bonepk.model' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"bonepk.model.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value
