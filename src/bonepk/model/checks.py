"""What every model file must pass, whoever wrote it.

Each check returns faults, and an empty list is a pass. Units were checked when the system was
composed; checks that need the engine (solvers, regimens) are tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import BonepkError, Fault, Faults, ModelTextError
from bonepk.model.component import Component
from bonepk.model.draws import differing
from bonepk.model.expr import Expr, call, derivative, evaluate, num, topological
from bonepk.model.library import components_of, find_set, load
from bonepk.model.schema import UNSOURCED
from bonepk.model.system import TIME, System
from bonepk.model.text import read_component_text
from bonepk.model.write import component_text

__all__ = [
    "COMPONENT_CHECKS",
    "SYSTEM_CHECKS",
    "check",
    "check_fit",
    "check_jacobian",
    "check_mass_balance",
    "check_model",
    "check_round_trip",
    "check_sources",
    "check_steady",
    "initial_values",
]

STEADY = 1e-9
"""Largest |d/dt| of a state at a claimed steady state, as a share of its turnover."""


def check_round_trip(component: Component) -> list[Fault]:
    """Check that writing the component and reading it back changes nothing."""
    place = component.file or component.name
    try:
        again = read_component_text(component_text(component), component.name)
    except ModelTextError as error:
        return [Fault(place, f"written text does not read back: {f}") for f in error.faults]
    if again == component:
        return []
    differing = [name for name in _FIELDS if getattr(again, name) != getattr(component, name)]
    return [Fault(place, f"changes when written and read back: {', '.join(differing)}")]


_FIELDS = [f for f in Component.__dataclass_fields__ if Component.__dataclass_fields__[f].compare]


def check_sources(system: System) -> list[Fault]:
    """Check that every parameter names a reference, or says fitted, assumed or fixed with a note."""
    faults = Faults()
    keys = {r.key for r in system.references}
    for p in system.parameters:
        place = f"{p.file}:{p.line} [parameters.{p.name}]"
        word = (p.source.split() or [""])[0].rstrip(",;:.")
        if word in UNSOURCED:
            if not p.note.strip():
                faults.add(place, f"source '{word}' without a note", cure="say from what or why")
        elif word not in keys:
            faults.add(place, f"source '{p.source}' names no reference", cure="add it to [references]")
    for r in system.references:
        if not r.text.strip():
            faults.add(f"reference '{r.key}'", "no text", cure="write authors, year and journal")
    return list(faults)


def initial_values(system: System) -> tuple[float, NDArray[np.float64]]:
    """Model time at which the initial state holds, and that state.

    Returns
    -------
    t0 : float
        In `system.time_unit`.
    y0 : ndarray, shape (n_states,)
        In the units of the states.
    """
    values = dict(system.values)
    start = 0.0 if system.history_start is None else float(evaluate([system.history_start], values)[0])
    return start, np.array([float(v) for v in evaluate(system.flat_initial, values)])


def check_steady(system: System) -> list[Fault]:
    """Check that a claimed steady state moves by less than `STEADY` of its turnover."""
    if not system.steady:
        return []
    t0, y0 = initial_values(system)
    environment = {**system.values, TIME: t0, **dict(zip(system.state_names, map(float, y0), strict=True))}
    rates = evaluate(system.flat_rates, environment)
    turnover = evaluate([_gross(rate) for rate in system.flat_rates], environment)
    faults = []
    for state, rate, gross in zip(system.states, rates, turnover, strict=True):
        if not abs(rate) <= STEADY * abs(gross):
            found = (
                f"d/dt = {float(rate):.3g} {state.unit}/{system.time_unit} at the start, turnover {float(gross):.3g}"
            )
            cure = "make the initial value an expression of the parameters, or drop 'steady'"
            faults.append(Fault(f"{system.name} [states.{state.name}]", found, f"less than {STEADY:g} of it", cure))
    return faults


def _gross(rate: Expr) -> Expr:
    """`rate` with every sum and difference taken over absolute values: what comes and goes."""
    made: dict[int, Expr] = {}
    for node in topological([rate]):
        a, b = ([made[id(x)] for x in node.args] + [num(0), num(0)])[:2]
        if node.op in {"add", "sub"}:
            made[id(node)] = a + b
        elif node.op == "mul":
            made[id(node)] = a * b
        elif node.op == "div":
            made[id(node)] = a / call("abs", node.args[1])
        elif node.op == "neg":
            made[id(node)] = a
        else:
            made[id(node)] = call("abs", node)
    return made[id(rate)]


def _random_point(system: System) -> dict[str, float]:
    """Parameters as given and a state off every special value, the same each time."""
    random = Random(system.structure_hash)
    t0, y0 = initial_values(system)
    scale = float(np.median(np.abs(y0[y0 != 0]))) if np.any(y0 != 0) else 1.0
    point = {**system.values, TIME: t0 * random.uniform(0.2, 0.8) + random.uniform(0.0, 1.0)}
    for name, value in zip(system.state_names, y0, strict=True):
        point[name] = float(value) * random.uniform(0.8, 1.25) if value else scale * random.uniform(0.05, 0.2)
    return point


def check_mass_balance(system: System) -> list[Fault]:
    """Check that transfers without a gain cancel: states change only by what enters and leaves."""
    moved = {end for f in system.fluxes for end in (f.source, f.target) if end}
    if not moved:
        return []
    net: list[Expr] = []
    for f in system.fluxes:
        gained = f.rate if f.gain is None else f.rate * f.gain
        if f.target and not f.source:
            net.append(gained)
        elif f.source and not f.target:
            net.append(-f.rate)
        elif f.gain is not None:
            net.append(gained - f.rate)
    rates = [r for s, r in zip(system.states, system.rates, strict=True) if s.name in moved]
    point = _random_point(system)
    point |= {
        n: float(v) for n, v in zip(system.definitions, evaluate([*system.definitions.values()], point), strict=True)
    }
    left, right = (np.array([float(v) for v in evaluate(x, point)]) for x in (rates, net))
    size = float(sum(abs(float(v)) for v in evaluate([f.rate for f in system.fluxes], point)))
    gap = abs(float(left.sum() - right.sum()))
    # the sums hold as many rounding errors as there are fluxes
    if not gap <= 1e-12 * max(size, 1e-300) * (len(system.fluxes) + 1):
        return [Fault(system.name, f"states gain {gap:.3g} more than enters", "transfers without gain carry mass over")]
    return []


def check_jacobian(system: System) -> list[Fault]:
    """Check symbolic derivatives of the rates against a complex step."""
    point = _random_point(system)
    names = system.state_names
    n = len(names)
    by_state = [derivative(system.flat_rates, name) for name in names]
    symbolic = np.array([[float(v) for v in evaluate(column, point)] for column in by_state]).T
    step = 1e-30
    shifted: dict[str, object] = dict(point)
    for j, name in enumerate(names):
        shifted[name] = point[name] + 1j * step * (np.arange(n) == j)
    numeric = np.array(
        [np.broadcast_to(np.imag(v) / step, (n,)) for v in evaluate(system.flat_rates, shifted)], dtype=float
    )
    size = np.maximum(np.abs(symbolic), np.abs(numeric))
    # powers and logarithms of complex numbers lose a few digits
    off = ~(np.abs(symbolic - numeric) <= 1e-9 * size + 1e-12 * np.max(size, axis=1, keepdims=True, initial=0.0))
    return [
        Fault(
            f"{system.name} [states.{names[i]}]",
            f"derivative by '{names[j]}' is {symbolic[i, j]:.10g}",
            f"a complex step gives {numeric[i, j]:.10g}",
        )
        for i, j in np.argwhere(off)
    ]


COMPONENT_CHECKS: tuple[Callable[[Component], list[Fault]], ...] = (check_round_trip,)
"""Checks of one file."""


def check_fit(system: System) -> list[Fault]:
    """Check that default values are those of the set the core names under ``fit``."""
    if not system.fit:
        return []
    place = f"{system.name} [fit]"
    try:
        chosen = find_set(system.fit)
        found = differing(system, chosen)
    except BonepkError as error:
        return [Fault(place, str(f)) for f in error.faults]
    cure = "put the fitted values into the files, or drop 'fit'"
    return [
        Fault(place, f"'{name}' is {value:.6g}; the set '{chosen.name}' has {fitted:.6g}", cure=cure)
        for name, (value, fitted) in found.items()
    ]


SYSTEM_CHECKS: tuple[Callable[[System], list[Fault]], ...] = (
    check_sources,
    check_steady,
    check_mass_balance,
    check_jacobian,
)
"""Checks of a composed system."""


def check(system: System) -> None:
    """Run every check of a composed system.

    Raises
    ------
    ModelTextError
        With everything that failed.
    """
    faults = Faults()
    for one in SYSTEM_CHECKS:
        faults.extend(one(system))
    faults.raise_as(ModelTextError)


def check_model(name: str | Path, drugs: Iterable[str | Path] = (), modules: Iterable[str | Path] = ()) -> System:
    """Run every check on the files of a model and on the system they make.

    Returns
    -------
    System

    Raises
    ------
    ModelTextError
        With everything that failed.
    """
    core, parts = components_of(name, drugs, modules)
    faults = Faults()
    for component in (core, *parts):
        for one in COMPONENT_CHECKS:
            faults.extend(one(component))
    faults.raise_as(ModelTextError)
    system = load(name, drugs, modules)
    check(system)
    faults.extend(check_fit(system))
    faults.raise_as(ModelTextError)
    return system
