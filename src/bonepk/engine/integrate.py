"""Carry one run along its timeline: cut exactly at every operation, read off at every record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.compiled import Compiled
from bonepk.engine.flow import Field, Settings, advance
from bonepk.engine.periodic import resolve
from bonepk.engine.timeline import Kind, Timeline
from bonepk.errors import Fault, SolverError, near

__all__ = ["Trace", "integrate", "integrate_many"]

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trace:
    """What was recorded.

    Attributes
    ----------
    t : ndarray, shape (rows,)
        Model time of each row.
    y : ndarray, shape (rows, n)
        States.
    outputs : ndarray, shape (rows, n_outputs)
        Outputs, at the inputs that held when the row was recorded.
    inputs : ndarray, shape (rows, n_inputs)
    evaluations : int
        Right-hand sides computed (native engine: steps tried).
    """

    t: F8
    y: F8
    outputs: F8
    inputs: F8
    evaluations: int


def integrate(
    equations: Compiled,
    p: F8,
    timeline: Timeline,
    *,
    engine: str = "scipy",
    method: str = "LSODA",
    rtol: float = 1e-8,
    atol: float | F8 | None = None,
    max_step: float = np.inf,
    max_steps: int = 100_000,
    time_unit: str = "day",
) -> Trace:
    """Run a timeline.

    Parameters
    ----------
    equations : Compiled
        Compiled system.
    p : ndarray of float64
        Parameter vector; its inputs hold until the timeline changes them.
    timeline : Timeline
        What happens; `bonepk.engine.timeline` says what each operation means.
    engine : {"scipy", "native"}
        SciPy's integrators, or Rodas5P in machine code (see `bonepk.engine.batch`), which is many
        times faster where doses are frequent and needs llvmlite.
    method : {"LSODA", "BDF", "Radau"}
        SciPy integrator.
    rtol : float
    atol : float or ndarray, optional
        In state units; by default scaled to each state (see `bonepk.engine.flow`).
    max_step : float
        Longest step, in model time.
    max_steps : int
        Most steps between two records.
    time_unit : str
        For messages.

    Returns
    -------
    Trace

    Raises
    ------
    SolverError
        If a derivative is not finite, the method cannot go on, or a steady state does not exist.
    IndexError
        If the timeline names states or inputs that the system does not have.

    Notes
    -----
    Every operation that changes a state, an infusion or an input ends a segment exactly at its
    time, and the next segment starts the method afresh there, so no step reaches across it. Records
    do not end a segment. The first step of a segment is the method's own choice from the derivative
    just after the operation.
    """
    settings = Settings(method, rtol, atol, max_step, max_steps, time_unit)
    if engine != "scipy":
        return _native(equations, [p], [timeline], settings, engine, [""])[0]
    timeline.check(equations.n, len(equations.layout.inputs))
    timeline = resolve(equations, p, timeline, settings)
    field = Field(equations, p, settings)
    ops = timeline.ops()
    first = 0
    while first < len(ops) and ops[first].kind == Kind.INPUT and ops[first].time == timeline.start:
        op = ops[first]
        field.set_input(op.which, op.value, op.slope, op.time)
        first += 1
    now, y = timeline.start, field.initial(timeline.start)

    rows = timeline.rows
    t_out, y_out = np.empty(rows), np.empty((rows, equations.n))
    out, u_out = np.empty((rows, equations.n_outputs)), np.empty((rows, len(equations.layout.inputs)))
    waiting: list[tuple[float, int]] = []  # records since the last cut
    shown: list[int] = []  # rows recorded at the present inputs

    def move(end: float) -> None:
        nonlocal now, y
        y, at = advance(field, now, y, end, [time for time, _ in waiting])
        for (time, row), state in zip(waiting, at, strict=True):
            t_out[row], y_out[row], u_out[row] = time, state, field.inputs_at(time)
            shown.append(row)
        waiting.clear()
        now = end

    def show() -> None:
        if shown:
            out[shown] = equations.outputs(t_out[shown], y_out[shown], field.h)
            shown.clear()

    for op in ops[first:]:
        if op.kind == Kind.RECORD:
            waiting.append((op.time, op.which))
            continue
        if op.kind == Kind.CLOCK:
            move(waiting[-1][0] if waiting else now)
            now = op.time
            continue
        if op.time > now or waiting:
            move(op.time)
        match op.kind:
            case Kind.ADD:
                if not field.off[op.which]:
                    y[op.which] += op.value
            case Kind.SET:
                if not field.off[op.which]:
                    y[op.which] = op.value
            case Kind.RATE:
                field.rate[op.which] = op.value
            case Kind.INPUT:
                show()
                field.set_input(op.which, op.value, op.slope, op.time)
            case Kind.RESET:
                y = field.initial(now)
                field.rate[:] = 0.0
                field.off[:] = False
            case Kind.OFF:
                y[op.which] = 0.0
                field.off[op.which] = True
            case Kind.ON:
                field.off[op.which] = False
    if waiting:
        move(waiting[-1][0])
    show()
    return Trace(t_out, y_out, out, u_out, field.evaluations)


def integrate_many(
    equations: Compiled,
    ps: Sequence[F8],
    timelines: Sequence[Timeline],
    names: Sequence[str],
    *,
    engine: str = "scipy",
    method: str = "LSODA",
    rtol: float = 1e-8,
    atol: float | F8 | None = None,
    max_step: float = np.inf,
    max_steps: int = 100_000,
    time_unit: str = "day",
) -> list[Trace]:
    """Run several timelines; the native engine runs them side by side on all processors.

    Parameters
    ----------
    equations : Compiled
    ps : sequence of ndarray
        Parameter vector of each run.
    timelines : sequence of Timeline
    names : sequence of str
        What to call each run in a message.
    engine, method, rtol, atol, max_step, max_steps, time_unit
        As for `integrate`.

    Returns
    -------
    list of Trace

    Raises
    ------
    SolverError
        For every run that stopped early, with its name (SciPy: for the first of them).
    """
    settings = Settings(method, rtol, atol, max_step, max_steps, time_unit)
    if engine != "scipy":
        return _native(equations, ps, timelines, settings, engine, names)
    out = []
    for p, timeline, name in zip(ps, timelines, names, strict=True):
        with _named(name):
            out.append(
                integrate(
                    equations,
                    p,
                    timeline,
                    method=method,
                    rtol=rtol,
                    atol=atol,
                    max_step=max_step,
                    max_steps=max_steps,
                    time_unit=time_unit,
                )
            )
    return out


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say in a message which run it is about."""
    try:
        yield
    except SolverError as error:
        if not name:
            raise
        raise SolverError([replace(f, place=f"{name}, {f.place}") for f in error.faults]) from None


def _native(
    equations: Compiled,
    ps: Sequence[F8],
    timelines: Sequence[Timeline],
    settings: Settings,
    engine: str,
    names: Sequence[str],
) -> list[Trace]:
    from bonepk.engine.batch import integrate_batch

    if engine != "native":
        hint = near(engine, ("scipy", "native")) or "choose 'scipy' or 'native'"
        raise SolverError(Fault("engine", f"'{engine}' is not known", "", hint))
    s, ready = settings, []
    for p, timeline, name in zip(ps, timelines, names, strict=True):
        timeline.check(equations.n, len(equations.layout.inputs))
        with _named(name):
            ready.append(resolve(equations, p, timeline, settings))
    if not ready:
        return []
    # there the limit is for the whole run
    most = s.max_steps * (1 + max(len(line.time) for line in ready))
    result = integrate_batch(
        equations, np.vstack(ps), ready, rtol=s.rtol, atol=s.atol, max_step=s.max_step, max_steps=most
    )
    faults = []
    for i in np.flatnonzero(result.status).tolist():
        fault = result.fault(i, equations, ps[i], s.time_unit)
        place = fault.place.removeprefix(f"person {i}: ")
        faults.append(replace(fault, place=f"{names[i]}, {place}" if names[i] else place))
    if faults:
        raise SolverError(faults)
    out = []
    for i, line in enumerate(ready):
        rows = slice(int(result.first[i]), int(result.first[i + 1]))
        outputs = np.empty((line.rows, 0)) if result.outputs is None else result.outputs[rows]
        inputs = _inputs(Field(equations, ps[i], settings), line)
        out.append(Trace(result.t[rows], result.y[rows], outputs, inputs, int(result.steps[i])))
    return out


def _inputs(field: Field, timeline: Timeline) -> F8:
    """Read off the inputs at the records of a timeline, shape (rows, n_inputs)."""
    inputs = np.empty((timeline.rows, len(field.equations.layout.inputs)))
    for op in timeline.ops():
        if op.kind == Kind.INPUT:
            field.set_input(op.which, op.value, op.slope, op.time)
        elif op.kind == Kind.RECORD:
            inputs[op.which] = field.inputs_at(op.time)
    return inputs
