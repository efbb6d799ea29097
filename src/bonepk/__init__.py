"""Bone, estrogen and drugs: symbolic models, compiled simulation, trials as data, decisions.

Everything a user needs is here by name and imported on first use, so that
``import bonepk`` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = {
    "load": "bonepk.model",
    "models": "bonepk.model",
}

if TYPE_CHECKING:
    from bonepk.model import load as load
    from bonepk.model import models as models

__all__ = ["__version__", *sorted(_ROOMS)]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'bonepk' has no attribute '{name}'")
    value = getattr(importlib.import_module(_ROOMS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
