"""Floor 2½: other tools' formats.

Rooms are read on first use, so that nothing here costs time at start-up.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_ROOMS = {
    "Estimate": "petab_text",
    "Experiment": "petab_text",
    "Imported": "sbml_import",
    "Measurement": "petab_text",
    "export": "formats",
    "export_command": "formats",
    "from_sbml": "sbml_import",
    "import_model": "formats",
    "petab_files": "petab_text",
    "problem_files": "petab_text",
    "read_sbml": "sbml_import",
    "to_mrgsolve": "mrgsolve",
    "to_nonmem": "nonmem_model",
    "to_rxode2": "rxode2",
    "to_sbml": "sbml_write",
    "write_export": "formats",
    "write_petab": "petab_text",
}

if TYPE_CHECKING:
    from bonepk.interop.formats import export, export_command, import_model, write_export
    from bonepk.interop.mrgsolve import to_mrgsolve
    from bonepk.interop.nonmem_model import to_nonmem
    from bonepk.interop.petab_text import (
        Estimate,
        Experiment,
        Measurement,
        petab_files,
        problem_files,
        write_petab,
    )
    from bonepk.interop.rxode2 import to_rxode2
    from bonepk.interop.sbml_import import Imported, from_sbml, read_sbml
    from bonepk.interop.sbml_write import to_sbml

__all__ = [
    "Estimate",
    "Experiment",
    "Imported",
    "Measurement",
    "export",
    "export_command",
    "from_sbml",
    "import_model",
    "petab_files",
    "problem_files",
    "read_sbml",
    "to_mrgsolve",
    "to_nonmem",
    "to_rxode2",
    "to_sbml",
    "write_export",
    "write_petab",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'bonepk.interop' has no attribute '{name}'")
    return getattr(importlib.import_module(f"bonepk.interop.{_ROOMS[name]}"), name)
