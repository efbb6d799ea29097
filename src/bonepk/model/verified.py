"""How closely a published model agreed with independent trajectories when that was last tried.

The record, ``verified.json`` beside the model files, is written by a script of the tests
(``python tests/literature/verify.py --write``), never by hand. It names the hash of each model
at that time, so that a changed model is told apart from a verified one.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bonepk.model.library import ModelInfo
from bonepk.model.system import System

__all__ = ["RECORD_NAME", "Verified", "verified"]

RECORD_NAME = "verified.json"
"""File of the record, in the folder of the models it is about."""


@dataclass(frozen=True)
class Verified:
    """The last agreement of one model.

    Attributes
    ----------
    model : str
    hash : str
        Hash of the model that was run.
    states, parameters : int
        How many it has.
    trajectories : int
        How many trajectories it was run against.
    max_relative_error : float
        Largest difference, over the largest absolute value of its column.
    limit : float
        Difference at which the tests fail.
    """

    model: str
    hash: str
    states: int
    parameters: int
    trajectories: int
    max_relative_error: float
    limit: float

    def holds_for(self, system: System) -> bool:
        """Whether the model is still the one that was run, in every equation and value."""
        return system.hash == self.hash

    def __str__(self) -> str:
        runs = f"{self.trajectories} trajector{'y' if self.trajectories == 1 else 'ies'}"
        size = f"{self.states} states, {self.parameters} parameters"
        return f"{size}; agrees with {runs} to {self.max_relative_error:.1g}"


def verified(info: ModelInfo) -> Verified | None:
    """Look up the record of a model.

    Parameters
    ----------
    info : ModelInfo
        From `bonepk.models`.

    Returns
    -------
    Verified or None
        None if the model has no record.
    """
    path = info.path.parent / RECORD_NAME
    entry = _records(path).get(info.name) if path.is_file() else None
    if entry is None:
        return None
    kept = {name: entry[name] for name in Verified.__dataclass_fields__ if name != "model"}
    return Verified(model=info.name, **kept)


@functools.lru_cache(maxsize=8)
def _records(path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["models"]
    return found
