"""Derivatives of runs by parameters, inputs, doses, switches and initial states.

One native run carries the derivatives along (`bonepk.engine.sensitivity`). What a parameter does to
doses before they enter (bioavailability, lag, duration, rate), to the start of the history, to steady
states and to the moments at which equations switch is worked out here and handed to that run as
derivatives of the values and times of its operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonepk.engine import Compiled
from bonepk.engine.sensitivity import integrate_sensitivity
from bonepk.errors import Faults, NotFoundError, SolverError, near
from bonepk.model.system import System
from bonepk.model.units import convert, read_quantity
from bonepk.simulate.calendar import per_day
from bonepk.simulate.directions import Direction, directions_of, dosed, switched
from bonepk.simulate.events import Record
from bonepk.simulate.graded_line import GradedLine, lay_out
from bonepk.simulate.nonmem import Runs, own_values
from bonepk.simulate.plan import Plan
from bonepk.simulate.regimen import regimen_of
from bonepk.simulate.result import attributes, labelled
from bonepk.simulate.run import begin_of, compiled_for, initial_of, overrides_of, times_of
from bonepk.simulate.slopes import graded_start

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["differentiate", "differentiate_records"]

F8 = NDArray[np.float64]


def differentiate(
    model: System,
    plan: Plan | None = None,
    *,
    by: Sequence[str],
    outputs: Sequence[str] | None = None,
    years: float | None = None,
    months: float | None = None,
    days: float | None = None,
    times: Iterable[float | str] | None = None,
    every: float | str | None = None,
    parameters: Mapping[str, float] | None = None,
    inputs: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
    states: bool = False,
    history: bool = True,
    rtol: float = 1e-8,
    atol: float | F8 | None = None,
    max_step: float = math.inf,
    max_steps: int = 1_000_000,
) -> xr.Dataset:
    """Run a model under a plan and differentiate every output at every stored time.

    Parameters
    ----------
    model : System
        From `bonepk.load`.
    plan : Plan, optional
    by : sequence of str
        Parameters (``"denosumab.F"``), constant inputs, and ``"dose:denosumab.amount"``,
        ``"dose:denosumab[2].time"``, ``"dose:zoledronate[1].duration"``, ``"switch:NAME[1].start"``,
        ``"initial:STATE"`` and their like; see `bonepk.simulate.directions`.
    outputs : sequence of str, optional
        Outputs to keep (with `states`, states too); by default all.
    years, months, days, times, every, parameters, inputs, initial, states, history
        As for `bonepk.simulate`.
    rtol, atol, max_step, max_steps
        Of the native engine. Derivatives are those of the computed run, to rounding; steps follow the run.

    Returns
    -------
    xarray.Dataset
        Each output over ``time``, in its unit, and beside it ``d_<output>`` over ``time`` and ``by``.
        Coordinate ``by_unit`` is the unit of each direction: that of the parameter, the model's time unit,
        or the unit in which the plan's first such dose is written.

    Raises
    ------
    NotFoundError
        If a name, dose or switch is not there.
    RegimenError
        If the plan does not fit the model, or no length is given.
    SolverError
        If the integration stops early, or llvmlite is missing.

    Notes
    -----
    Where a dose, switch or end of an infusion meets a stored time, the derivative by its time is the one of the
    side on which the order stays as it is: a plan's dose moves later, so that the stored value stays the one
    before it; an infusion's end moves earlier. Steps follow the run: where it is at rest (a dose of 0), give
    a `max_step` that suits what would happen.
    """
    plan = plan if plan is not None else Plan()
    values = overrides_of(model, parameters, inputs)
    unit = per_day(model.time_unit)
    grid = times_of(unit, plan, years, months, days, times, every)
    regimen = regimen_of(model, plan, grid.tolist(), values)
    begun = initial_of(model, initial)
    asked = directions_of(model, by)
    kept = _kept(model, outputs, states)
    units, sizes = _dose_units(model, plan, asked)
    faults = Faults()
    spans: dict[str, list[tuple[float, float, float]]] = {}
    for s in sorted(plan.switches, key=lambda s: (s.start, s.stop)):
        spans.setdefault(s.name, []).append((s.start * unit, s.stop * unit, s.value))

    def named(record: Record, name: str) -> bool:
        route = model.routes[record.entry]
        return name in (route.drug, route.name, route.name.rpartition(".")[2])

    ordered = _ordered(asked)
    moved = dosed(regimen.records, ordered, named, lambda r: sizes[r.course], faults)
    moved, tracks = switched(model, moved, regimen.tracks, spans, ordered, faults)
    faults.raise_as(NotFoundError)
    slopes = _slopes(ordered)
    given = {**model.values, **values}
    acting = [r.time for r in moved if r.row < 0]
    held = graded_start(model, given, slopes) if history else 0.0
    begin = begin_of(model, replace(regimen, first=min(acting, default=math.inf)), grid, held, history)
    compiled = compiled_for(model, backend="llvm")
    starts = _starts(model, ordered)
    line = lay_out(compiled, moved, regimen.entries, tracks, values, slopes, begin, len(ordered), begun, starts)
    p = compiled.parameter_vector(values)
    d = _run(compiled, p[None], [line], ordered, rtol, atol, max_step, max_steps, [""])
    columns = _columns(model, "time", d, kept, states, [ordered.index(a) for a in asked])
    import pandas as pd
    import xarray as xr

    about = {
        "plan": repr(plan),
        "doses": regimen.table,
        "parameters": {n: v for n, v in values.items() if n in model.parameter_names},
        "inputs": {n: v for n, v in values.items() if n in model.input_names},
        "initial": begun,
        "start": float(begin),
        "method": "Rodas5P (native)",
        "rtol": rtol,
    }
    coords = {
        "time": ("time", pd.Index(d.t), {"units": model.time_unit, "long_name": "time since the start of the study"}),
        "by": ("by", [a.text for a in asked]),
        "by_unit": ("by", units),
    }
    return xr.Dataset(columns, coords=coords, attrs=attributes(model, about))


def differentiate_records(
    runs: Runs,
    *,
    by: Sequence[str],
    outputs: Sequence[str] | None = None,
    parameters: Mapping[str, float] | Mapping[Any, Mapping[str, float]] | None = None,
    states: bool = True,
    rtol: float = 1e-8,
    atol: float | F8 | None = None,
    max_step: float = math.inf,
    max_steps: int = 1_000_000,
) -> xr.Dataset:
    """Differentiate the runs of every subject of a data set.

    Parameters
    ----------
    runs : Runs
        From `read_nonmem`.
    by : sequence of str
        As for `differentiate`; doses are named by route or state (or by no name) and counted within each
        subject, a record with ADDL as one. Amounts are in the unit of the route or state. Someone with
        fewer doses has derivative 0.
    outputs : sequence of str, optional
        Outputs and states to keep; by default all.
    parameters, states
        As for `simulate_records`.
    rtol, atol, max_step, max_steps
        As for `differentiate`.

    Returns
    -------
    xarray.Dataset
        Dimension ``record`` with the coordinates of `simulate_records`; each output, and ``d_<output>``
        over ``record`` and ``by``.

    Raises
    ------
    NotFoundError
        If a name is not in the model, or an input is a column of the data.
    SolverError
        If an integration stops early.

    Notes
    -----
    Derivatives are at fixed times of observation; covariates stay where they are when a dose moves.
    """
    import xarray as xr

    system = runs.system
    asked = directions_of(system, by, [e.name for e in runs.entries])
    faults = Faults()
    for a in asked:
        if a.kind == "switch" or (a.kind == "value" and a.name in runs.rules):
            faults.add(f"by '{a.text}'", "comes from a column of the data", "parameters, doses or constant inputs")
        elif a.kind == "initial":
            faults.add(f"by '{a.text}'", "a data set starts from the model's initial state", "", "differentiate a plan")
    faults.raise_as(NotFoundError)
    kept = _kept(system, outputs, states)
    ordered = _ordered(asked)
    slopes = _slopes(ordered)
    compiled = compiled_for(system, tuple(n for n, rule in runs.rules.items() if rule == "linear"), "llvm")
    lines, vectors = [], []
    for subject in runs.subjects:
        values = overrides_of(system, own_values(parameters, subject.id), None)
        records = dosed(subject.records, ordered, lambda r, name: runs.entries[r.entry].name == name, lambda _: 1.0)
        begin = records[0].time if records else 0.0
        lines.append(lay_out(compiled, records, runs.entries, subject.tracks, values, slopes, begin, len(ordered)))
        vectors.append(compiled.parameter_vector(values))
    labels = [f"ID {s.id}" for s in runs.subjects]
    d = _run(compiled, np.array(vectors), lines, ordered, rtol, atol, max_step, max_steps, labels)
    rows = np.concatenate([s.rows for s in runs.subjects])
    order = np.argsort(rows, kind="stable")
    d = _Derived(d.t[order], d.y[order], d.outputs[order], d.dy[order], d.doutputs[order])
    units = [_unit(system, a, "") for a in asked]
    columns = _columns(system, "record", d, kept, states, [ordered.index(a) for a in asked])
    coords = {
        "row": ("record", rows[order], {"long_name": "row of the data set, from 1"}),
        "id": ("record", np.array([s.id for s in runs.subjects for _ in s.rows])[order]),
        "time": ("record", d.t, {"units": system.time_unit}),
        "by": ("by", [a.text for a in asked]),
        "by_unit": ("by", units),
    }
    about = {"covariate_rules": dict(runs.rules), "method": "Rodas5P (native)", "rtol": rtol}
    return xr.Dataset(columns, coords=coords, attrs=attributes(system, about))


@dataclass(frozen=True, eq=False)
class _Derived:
    """Rows of one or more runs, and their derivatives with columns in the engine's order."""

    t: F8
    y: F8
    outputs: F8
    dy: F8
    doutputs: F8


def _ordered(asked: Sequence[Direction]) -> list[Direction]:
    """Parameters and inputs first, as the engine has them."""
    return sorted(asked, key=lambda d: d.kind != "value")


def _slopes(ordered: Sequence[Direction]) -> dict[str, F8]:
    unit = np.eye(len(ordered))
    return {d.name: unit[k] for k, d in enumerate(ordered) if d.kind == "value"}


def _starts(system: System, ordered: Sequence[Direction]) -> list[tuple[int, F8]]:
    """Find the states whose start is a direction, with its unit column."""
    unit = np.eye(len(ordered))
    return [(system.state_names.index(d.name), unit[k]) for k, d in enumerate(ordered) if d.kind == "initial"]


def _run(
    compiled: Compiled,
    p: F8,
    lines: Sequence[GradedLine],
    ordered: Sequence[Direction],
    rtol: float,
    atol: float | F8 | None,
    max_step: float,
    max_steps: int,
    labels: Sequence[str],
) -> _Derived:
    got = integrate_sensitivity(
        compiled,
        p,
        [line.timeline for line in lines],
        [d.name for d in ordered if d.kind == "value"],
        op_values=[line.values for line in lines],
        op_times=[line.times for line in lines] if any(line.times.any() for line in lines) else None,
        rtol=rtol,
        atol=atol,
        max_step=max_step,
        max_steps=max_steps,
    )
    faults = [got.run.fault(i, compiled, p, compiled.system.time_unit) for i in np.flatnonzero(got.run.status).tolist()]
    if faults:
        places = [int(i) for i in np.flatnonzero(got.run.status)]
        short = [f.place.partition(": ")[2] for f in faults]
        named = [f"{labels[i]}, {s}" if labels[i] else s for i, s in zip(places, short, strict=True)]
        raise SolverError([replace(f, place=place) for f, place in zip(faults, named, strict=True)])
    outputs = got.run.outputs if got.run.outputs is not None else np.empty((len(got.run.t), 0))
    return _Derived(got.run.t, got.run.y, outputs, got.dy, got.doutputs)


def _kept(system: System, outputs: Sequence[str] | None, states: bool) -> list[str]:
    known = [*system.output_names, *(n for n in system.state_names if states and n not in system.output_names)]
    if outputs is None:
        return known
    faults = Faults()
    given = [outputs] if isinstance(outputs, str) else list(outputs)
    for name in given:
        if name not in known:
            hint = "pass states=True" if name in system.state_names else near(name, known)
            faults.add(f"output '{name}'", f"not in model '{system.name}'", "", hint)
    faults.raise_as(NotFoundError)
    return given


def _unit(system: System, direction: Direction, dose: str) -> str:
    """Find the unit of what is differentiated by."""
    units = {q.name: q.unit for q in system.parameters} | {q.name: q.unit for q in system.inputs}
    if direction.kind == "value" or direction.what == "value":
        return units[direction.name]
    if direction.kind == "initial":
        return next(s.unit for s in system.states if s.name == direction.name)
    if direction.what in ("amount", "rate"):
        amount = dose or next((r.unit for r in system.routes if direction.name in (r.name, r.drug)), "")
        amount = amount or next((s.unit for s in system.states if s.name == direction.name), "dose unit")
        return amount if direction.what == "amount" else f"{amount}/{system.time_unit}"
    return system.time_unit


def _dose_units(system: System, plan: Plan, asked: Sequence[Direction]) -> tuple[list[str], list[float]]:
    """Find the unit of each direction, and of each course's dose how much of its record is one such unit."""
    written: dict[str, str] = {}
    sizes: list[float] = []
    for course in plan.courses:
        unit, size = "", 1.0
        routes = [r for r in system.routes if course.drug in (r.drug, r.name, r.name.rpartition(".")[2])]
        route = next((r for r in routes if course.route in ("", r.name, r.name.rpartition(".")[2])), None)
        if isinstance(course.amount, str) and route is not None:
            unit = read_quantity(course.amount.strip())[1]
            unit = route.unit if unit == "1" else unit
        elif route is not None:
            unit = route.unit
        if route is not None:
            unit = written.setdefault(course.drug, unit)
            size = convert(1.0, unit, route.unit, route.molar_mass)
        sizes.append(size * (course.length / course.interval if course.spread else 1.0))
    units = []
    for a in asked:
        own = written.get(a.name) or next((u for drug, u in written.items() if not a.name or drug in a.name), "")
        units.append(_unit(system, a, own))
    return units, sizes


def _columns(
    system: System, dimension: str, d: _Derived, kept: Sequence[str], states: bool, order: list[int]
) -> dict[str, Any]:
    """Label outputs (and states) with their derivatives, columns in the order asked for."""
    both = labelled(system, dimension, d.outputs, d.y if states else None)
    out: dict[str, Any] = {}
    for name in kept:
        _, values, notes = both[name]
        out[name] = (dimension, values, notes)
        if name in system.output_names:
            slopes = d.doutputs[:, system.output_names.index(name)]
        else:
            slopes = d.dy[:, system.state_names.index(name)]
        about = {"units": f"({notes['units']}) per by_unit", "long_name": f"derivative of {notes['long_name']}"}
        out[f"d_{name}"] = ((dimension, "by"), slopes[:, order], about)
    return out
