"""Systems for the engine's tests, built without model text."""

from __future__ import annotations

from bonepk.model.expr import Expr, call, num, sym, where
from bonepk.model.system import Input, Output, Parameter, State, System

_FUNCTIONS = ("exp", "log", "log1p", "expm1", "sqrt", "abs", "sin", "cos", "tanh", "softplus", "expit", "min", "max")


def make(states, parameters=None, inputs=None, outputs=None, name="test"):
    """System from ``{state: (initial, rate)}`` and plain dictionaries; expressions as Python text."""
    parameters, inputs, outputs = parameters or {}, inputs or {}, outputs or {}
    space = {key: sym(key) for key in [*states, *parameters, *inputs, "t"]}
    for function in _FUNCTIONS:
        space[function] = lambda *a, f=function: call(f, *a)
    space |= {"where": where, "lt": lambda a, b: call("lt", a, b), "ge": lambda a, b: call("ge", a, b)}

    def read(text) -> Expr:
        if isinstance(text, Expr):
            return text
        found = eval(text, {"__builtins__": {}}, space) if isinstance(text, str) else text
        return found if isinstance(found, Expr) else num(found)

    return System(
        name=name,
        title=name,
        time_unit="day",
        states=tuple(State(key, "1", read(start)) for key, (start, _) in states.items()),
        parameters=tuple(Parameter(key, value, "1", "assumed") for key, value in parameters.items()),
        inputs=tuple(Input(key, value, "1") for key, value in inputs.items()),
        derived=(),
        quantities=(),
        rates=tuple(read(rate) for _, rate in states.values()),
        fluxes=(),
        routes=(),
        outputs=tuple(Output(key, read(text), "1") for key, text in outputs.items()),
    )


def turnover():
    """A drug with saturable loss driving a turnover response through powers; stiff, not linear."""
    return make(
        {
            "depot": (0.0, "-ka*depot"),
            "central": (0.0, "ka*depot - (CL/V)*central - vmax*central/(km*V + central)"),
            "cell": ("kin/kout", "kin*(1 - imax/(1 + (ic50/max(central/V, 1e-9))**hill)) - kout*cell*food"),
            "slow": ("1.0", "kslow*((cell/(kin/kout))**power - slow)"),
            "fast": ("1.0", "kfast*(slow - fast)"),
        },
        {
            "ka": 0.3, "CL": 0.07, "V": 3.0, "vmax": 0.9, "km": 0.2, "kin": 12.0, "kout": 0.4, "imax": 0.9,
            "ic50": 0.4, "hill": 1.7, "kslow": 0.01, "power": -0.35, "kfast": 800.0,
        },
        {"food": 1.0},
        {"conc": "central/V", "change": "100*(slow - 1)", "hour": "24*t"},
        name="turnover",
    )  # fmt: skip
