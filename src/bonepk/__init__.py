"""Bone, estrogen and drugs: symbolic models, compiled simulation, trials as data, decisions.

Everything a user needs is here by name and imported on first use, so that
``import bonepk`` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bonepk.version import __version__

_ROOMS = {
    "load": "bonepk.model",
    "models": "bonepk.model",
    "Facts": "bonepk.decide",
    "assess": "bonepk.decide",
    "compare": "bonepk.decide",
    "calibrate": "bonepk.infer",
    "load_problem": "bonepk.infer",
    "trial_intervals": "bonepk.infer",
    "validate_intervals": "bonepk.infer",
    "with_intervals": "bonepk.infer",
    "area": "bonepk.simulate.endpoints",
    "difference": "bonepk.simulate.endpoints",
    "months_to_times": "bonepk.simulate.endpoints",
    "nadir": "bonepk.simulate.endpoints",
    "peak": "bonepk.simulate.endpoints",
    "percent_change": "bonepk.simulate.endpoints",
    "t_score": "bonepk.simulate.endpoints",
    "time_below": "bonepk.simulate.endpoints",
    "value_at": "bonepk.simulate.endpoints",
    "Plan": "bonepk.simulate.plan",
    "daily": "bonepk.simulate.plan",
    "dose": "bonepk.simulate.plan",
    "every": "bonepk.simulate.plan",
    "infusion": "bonepk.simulate.plan",
    "switch": "bonepk.simulate.plan",
    "weekly": "bonepk.simulate.plan",
    "export": "bonepk.interop",
    "from_sbml": "bonepk.interop",
    "read_sbml": "bonepk.interop",
    "to_sbml": "bonepk.interop",
    "trial_figure": "bonepk.report",
    "trial_text": "bonepk.report",
    "validation_page": "bonepk.report",
    "virtual_figure": "bonepk.report",
    "virtual_text": "bonepk.report",
    "predict_trial": "bonepk.study",
    "validate": "bonepk.study",
    "people_from": "bonepk.study.people",
    "sample_people": "bonepk.study.people",
    "virtual_trial": "bonepk.study.virtual",
    "differentiate": "bonepk.simulate.differentiate",
    "differentiate_records": "bonepk.simulate.differentiate",
    "read_nonmem": "bonepk.simulate.nonmem",
    "simulate": "bonepk.simulate",
    "simulate_draws": "bonepk.simulate.draws",
    "simulate_many": "bonepk.simulate.ensemble",
    "simulate_records": "bonepk.simulate.nonmem",
}

if TYPE_CHECKING:
    from bonepk.decide import Facts as Facts
    from bonepk.decide import assess as assess
    from bonepk.decide import compare as compare
    from bonepk.infer import calibrate as calibrate
    from bonepk.infer import load_problem as load_problem
    from bonepk.infer import trial_intervals as trial_intervals
    from bonepk.infer import validate_intervals as validate_intervals
    from bonepk.infer import with_intervals as with_intervals
    from bonepk.interop import export as export
    from bonepk.interop import from_sbml as from_sbml
    from bonepk.interop import read_sbml as read_sbml
    from bonepk.interop import to_sbml as to_sbml
    from bonepk.model import load as load
    from bonepk.model import models as models
    from bonepk.report import trial_figure as trial_figure
    from bonepk.report import trial_text as trial_text
    from bonepk.report import validation_page as validation_page
    from bonepk.report import virtual_figure as virtual_figure
    from bonepk.report import virtual_text as virtual_text
    from bonepk.simulate.differentiate import differentiate as differentiate
    from bonepk.simulate.differentiate import differentiate_records as differentiate_records
    from bonepk.simulate.draws import simulate_draws as simulate_draws
    from bonepk.simulate.endpoints import area as area
    from bonepk.simulate.endpoints import difference as difference
    from bonepk.simulate.endpoints import months_to_times as months_to_times
    from bonepk.simulate.endpoints import nadir as nadir
    from bonepk.simulate.endpoints import peak as peak
    from bonepk.simulate.endpoints import percent_change as percent_change
    from bonepk.simulate.endpoints import t_score as t_score
    from bonepk.simulate.endpoints import time_below as time_below
    from bonepk.simulate.endpoints import value_at as value_at
    from bonepk.simulate.ensemble import simulate_many as simulate_many
    from bonepk.simulate.nonmem import read_nonmem as read_nonmem
    from bonepk.simulate.nonmem import simulate_records as simulate_records
    from bonepk.simulate.plan import Plan as Plan
    from bonepk.simulate.plan import daily as daily
    from bonepk.simulate.plan import dose as dose
    from bonepk.simulate.plan import every as every
    from bonepk.simulate.plan import infusion as infusion
    from bonepk.simulate.plan import switch as switch
    from bonepk.simulate.plan import weekly as weekly
    from bonepk.simulate.run import simulate as simulate
    from bonepk.study import predict_trial as predict_trial
    from bonepk.study import validate as validate
    from bonepk.study.people import people_from as people_from
    from bonepk.study.people import sample_people as sample_people
    from bonepk.study.virtual import virtual_trial as virtual_trial

__all__ = ["__version__", *sorted(_ROOMS)]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'bonepk' has no attribute '{name}'")
    room = importlib.import_module(_ROOMS[name])
    value = room if name == "simulate" else getattr(room, name)  # that floor is called like the function
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
