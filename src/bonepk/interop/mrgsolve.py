"""A system as a model file of mrgsolve."""

from __future__ import annotations

import re

from bonepk.interop.code_text import C, Code, header, leaves, route_of
from bonepk.interop.names import C_WORDS, identifiers
from bonepk.model.expr import ONE, ZERO, num, symbols_of
from bonepk.model.system import TIME, System

__all__ = ["to_mrgsolve"]

_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    ID TIME EVID CMT AMT SS II ADDL RATE SOLVERTIME NEWIND THETA ETA EPS A CL_ DV self mrg R T F t pred DONE
    EXIT IPRED KA model_time start_of_time SIGMA OMEGA capture rate amt time evid cmt ss ii addl
    """,
    )
)


def to_mrgsolve(system: System, label: str = "") -> str:
    """Write a system for mrgsolve.

    Parameters
    ----------
    system : System
    label : str
        Name of the parameter set for the head of the text.

    Returns
    -------
    str
        TIME 0 is the moment at which the initial state holds: the start of the model's history if
        it has one. AMT is in the unit of the route into the compartment.

    Raises
    ------
    ModelTextError
        If several routes enter one state.
    """
    routes = route_of(system, "mrgsolve")
    outputs = {f"output {o.name}": o for o in system.outputs}
    own = [*system.parameter_names, *system.input_names, *(d.name for d in system.derived)]
    own += [*system.state_names, *(q.name for q in system.quantities)]
    ids = identifiers([*own, *outputs], {*C_WORDS, *_WORDS}, adapt=lambda text: text.removeprefix("output_"))
    ids[TIME] = "model_time"
    code = Code(C, ids)
    timed = TIME in symbols_of([*system.flat_rates, *system.flat_outputs])
    lines = [*header(system, "//", label), "", "[ PARAM ] @annotated"]
    lines += [
        f"{ids[name]} : {value!r} : {_about(text, unit)} // ({name})" for name, value, unit, text in leaves(system)
    ]
    lines += ["", "[ CMT ] @annotated"]
    lines += [f"{ids[s.name]} : {_about(s.label, s.unit)} // ({s.name})" for s in system.states]
    lines += ["", "[ MAIN ]"]
    for d in system.derived:
        lines += code.assign(f"double {ids[d.name]}", d.expr)
    if timed:
        begin = system.history_start if system.history_start is not None else ZERO
        lines += code.assign("double start_of_time", begin)
    for s in system.states:
        lines += code.assign(f"{ids[s.name]}_0", s.initial)
    for state, r in routes.items():
        name = ids[state]
        lines.append(f"// {r.name}: AMT in {r.unit}, state in its own unit")
        share = r.bioavailability if r.scale == 1 else num(r.scale) * r.bioavailability
        lines += [] if share is ONE else code.assign(f"F_{name}", share)
        lines += [] if r.lag is ZERO else code.assign(f"ALAG_{name}", r.lag)
        lines += [] if r.duration is None else code.assign(f"D_{name}", r.duration)
        lines += [] if r.rate is None else code.assign(f"R_{name}", r.rate)
    lines += ["", "[ ODE ]"]
    lines += ["double model_time = SOLVERTIME + start_of_time;"] if timed else []
    for q in system.quantities:
        lines += code.assign(f"double {ids[q.name]}", q.expr)
    for s, rate in zip(system.states, system.rates, strict=True):
        lines += code.assign(f"dxdt_{ids[s.name]}", rate)
    lines += ["", "[ TABLE ]"]
    lines += ["model_time = TIME + start_of_time;"] if timed else []
    for q in system.quantities:  # at the time of the record, not of the solver's last step
        lines += code.assign(ids[q.name], q.expr)
    for key, o in outputs.items():
        lines += code.assign(f"double {ids[key]}", o.expr)
    lines += ["", "[ CAPTURE ] @annotated"]
    lines += [f"{ids[key]} : {_about(o.label, o.unit)} // ({o.name})" for key, o in outputs.items()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _about(label: str, unit: str) -> str:
    """Label and unit as an annotated block has them: a colon would end the label, a bracket begin the unit."""
    plain = " ".join(label.translate({ord(c): " " for c in ":()"}).split()) or "-"
    return f"{plain} ({unit or '1'})"
