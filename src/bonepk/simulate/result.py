"""Results as xarray: values with units and labels, and all it takes to make them again.

Attributes are numbers and strings only, so that a result goes to netCDF as it is; what has a
shape (doses, parameters) is JSON in a string.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bonepk.engine.integrate import Trace
from bonepk.model.system import System
from bonepk.simulate.calendar import MONTH, per_day
from bonepk.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["attributes", "dataset", "labelled"]


def attributes(system: System, about: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a result: model, version, and `about` with mappings and lists as JSON."""
    out: dict[str, Any] = {
        "model": system.name,
        "title": system.title,
        "components": ", ".join(system.components),
        "model_hash": system.hash,
        "bonepk_version": __version__,
        "time_unit": system.time_unit,
        "month": f"{MONTH} days",
    }
    for name, value in about.items():
        out[name] = value if isinstance(value, (str, int, float)) else json.dumps(value)
    return out


def labelled(
    system: System, dimension: str, outputs: NDArray[np.float64], states: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Name the columns of outputs, and of states if given, with units and labels.

    An output that has the name of a state stands for it: it is the state as its author reports it.
    """
    columns: dict[str, Any] = {}
    for j, output in enumerate(system.outputs):
        notes = {"units": output.unit, "long_name": output.label or output.name}
        columns[output.name] = (dimension, outputs[:, j], notes)
    for j, state in enumerate(system.states):
        if states is not None and state.name not in columns:
            notes = {"units": state.unit, "long_name": state.label or state.name}
            columns[state.name] = (dimension, states[:, j], notes)
    return columns


def dataset(system: System, trace: Trace, states: bool, about: Mapping[str, Any]) -> xr.Dataset:
    """Label what a run recorded.

    Parameters
    ----------
    system : System
    trace : Trace
    states : bool
        Keep the states too.
    about : mapping
        For the attributes.

    Returns
    -------
    xarray.Dataset
    """
    import pandas as pd
    import xarray as xr

    columns = labelled(system, "time", trace.outputs, trace.y if states else None)
    # as an index, because of a bare array xarray asks whether it is pint's, which takes importing pint
    time = ("time", pd.Index(trace.t), {"units": system.time_unit, "long_name": "time since the start of the study"})
    months = trace.t / (per_day(system.time_unit) * MONTH)
    month = ("time", months, {"units": "month", "long_name": "months since the start of the study"})
    return xr.Dataset(columns, coords={"time": time, "month": month}, attrs=attributes(system, about))
