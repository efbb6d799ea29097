"""A system as model text of rxode2."""

from __future__ import annotations

import re

from bonepk.interop.code_text import Code, R, header, leaves, route_of
from bonepk.interop.names import identifiers
from bonepk.model.expr import ONE, ZERO, num, symbols_of
from bonepk.model.system import TIME, System

__all__ = ["to_rxode2"]

_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    t time podo tlast tad tafd dosenum M_E M_PI pi if else ifelse while break f F alag lag dur rate ii evid
    amt ss cmt id newind rxFlag linCmt d dt print printf expit logit phi sum prod max min
    factorial gamma beta lbeta lgamma choose ceil floor round trunc abs sign first last diff lead
    transit mtime function in next repeat for TRUE FALSE NULL Inf NaN NA model_time start_of_time tlast0
    theta eta rxord probit probitInv logitInv dgamma norm unif softplus relu gelu elu selu swish prelu
    """,
    )
)


def to_rxode2(system: System, label: str = "") -> str:
    """Write a system for rxode2: the text for ``rxode2(model = "...")``.

    Parameters
    ----------
    system : System
    label : str
        Name of the parameter set for the head of the text.

    Returns
    -------
    str
        Time 0 is the moment at which the initial state holds: the start of the model's history if
        it has one. Doses are in the unit of the route into the compartment.

    Raises
    ------
    ModelTextError
        If several routes enter one state.
    """
    routes = route_of(system, "rxode2")
    outputs = {f"output {o.name}": o for o in system.outputs}
    own = [*system.parameter_names, *system.input_names, *(d.name for d in system.derived)]
    own += [*system.state_names, *(q.name for q in system.quantities)]
    ids = identifiers([*own, *outputs], _WORDS, adapt=lambda text: text.removeprefix("output_").lstrip("_"))
    ids[TIME] = "model_time"
    code = Code(R, ids)
    lines = header(system, "#", label)
    lines += ["", "# parameters and inputs: defaults, replaced by those given to rxSolve()"]
    lines += [f"{ids[name]} = {value!r}; # [{unit}] {text} ({name})" for name, value, unit, text in leaves(system)]
    lines += ["", "# derived"]
    for d in system.derived:
        lines += code.assign(ids[d.name], d.expr)
    if TIME in symbols_of([*system.flat_rates, *system.flat_outputs]):
        begin = system.history_start if system.history_start is not None else ZERO
        lines += [*code.assign("start_of_time", begin), "model_time = t + start_of_time;"]
    lines += ["", "# quantities"]
    for q in system.quantities:
        lines += code.assign(ids[q.name], q.expr)
    lines += ["", "# states"]
    for s, rate in zip(system.states, system.rates, strict=True):
        name = ids[s.name]
        lines.append(f"# {name} [{s.unit}] {s.label} ({s.name})")
        lines += code.assign(f"d/dt({name})", rate)
        lines += code.assign(f"{name}(0)", s.initial)
    for state, r in routes.items():
        name = ids[state]
        lines.append(f"# {r.name}: doses in {r.unit}")
        share = r.bioavailability if r.scale == 1 else num(r.scale) * r.bioavailability
        lines += [] if share is ONE else code.assign(f"f({name})", share)
        lines += [] if r.lag is ZERO else code.assign(f"alag({name})", r.lag)
        lines += [] if r.duration is None else code.assign(f"dur({name})", r.duration)
        lines += [] if r.rate is None else code.assign(f"rate({name})", r.rate)
    lines += ["", "# outputs"]
    for key, o in outputs.items():
        lines.append(f"# {ids[key]} [{o.unit}] {o.label} ({o.name})")
        lines += code.assign(ids[key], o.expr)
    return "\n".join(line.rstrip() for line in lines) + "\n"
