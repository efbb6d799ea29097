"""A piece of an ensemble: some people, from their values to arrays.

A piece knows nothing of threads, other processes or files, and what it computes for a person does
not depend on who else is in it. So an ensemble has the same numbers however it is cut up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.integrate import integrate
from bonepk.engine.lanes import FAILED
from bonepk.engine.timeline import Kind, Timeline
from bonepk.errors import Fault, RegimenError, SolverError
from bonepk.model.expr import evaluate, substitute, symbols_of
from bonepk.model.system import TIME, System
from bonepk.simulate.cuts import has_switches
from bonepk.simulate.plan import Plan
from bonepk.simulate.regimen import Regimen, regimen_of
from bonepk.simulate.run import begin_of, compiled_for, timeline_of

__all__ = ["STATUS", "Job", "Piece", "check_plans", "run_piece"]

F8 = NDArray[np.float64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

NOT_RUN, SCIPY_STOPPED, NOT_POSSIBLE = -1, 5, 6
STATUS = {
    NOT_RUN: "not run yet",
    0: "finished",
    **FAILED,
    SCIPY_STOPPED: "solver stopped",
    NOT_POSSIBLE: "dose or time not possible",
}
"""What a person's status means."""


@dataclass(frozen=True, eq=False)
class Job:
    """What is the same for everyone; small and picklable.

    Attributes
    ----------
    system : System
    plans : tuple of Plan
        Distinct ones.
    grid : ndarray, shape (times,)
        Model times to store.
    names : tuple of str
        Parameters and inputs that differ between people.
    common : mapping of str to float
        Those that replace the model's for everyone.
    initial : mapping of str to float
    history : bool
    variables : tuple of str
        Outputs and states to keep.
    engine : {"native", "scipy"}
    method : str
    rtol : float
    atol : float or tuple of float, optional
    max_step : float
    max_steps : int
    """

    system: System
    plans: tuple[Plan, ...]
    grid: F8
    names: tuple[str, ...]
    common: Mapping[str, float]
    initial: Mapping[str, float]
    history: bool
    variables: tuple[str, ...]
    engine: str
    method: str
    rtol: float
    atol: float | tuple[float, ...] | None
    max_step: float
    max_steps: int


@dataclass(frozen=True, eq=False)
class Piece:
    """What came out.

    Attributes
    ----------
    columns : mapping of str to ndarray, shape (people, times)
        The kept variables; nan from where a run stopped.
    status : ndarray of int32, shape (people,)
        Keys of `STATUS`.
    reason : list of str
        Why a run stopped; empty for a finished one.
    """

    columns: Mapping[str, F8]
    status: I4
    reason: list[str] = field(default_factory=list)


def check_plans(job: Job) -> list[Regimen]:
    """Lay every plan on the model once, so that a wrong one is known before anybody is simulated.

    Raises
    ------
    RegimenError
        If a plan does not fit the model.
    """
    return [regimen_of(job.system, plan, job.grid.tolist(), job.common) for plan in job.plans]


def run_piece(job: Job, values: F8, plan: I8, threads: int = 1) -> Piece:
    """Simulate some people.

    Parameters
    ----------
    job : Job
    values : ndarray, shape (people, names)
        What `Job.names` are for each.
    plan : ndarray of int64, shape (people,)
        Place of each one's plan in `Job.plans`.
    threads : int
        For the native engine.

    Returns
    -------
    Piece
    """
    compiled = compiled_for(job.system)
    people = len(values)
    table = np.tile(compiled.parameter_vector(job.common), (people, 1))
    table[:, [compiled.index(name) for name in job.names]] = values
    lines, reason = _timelines(job, compiled.system, values, plan)
    status = np.where([line is None for line in lines], NOT_POSSIBLE, 0).astype(np.int32)
    system = compiled.system
    outputs = {n: system.output_names.index(n) for n in job.variables if n in system.output_names}
    states = {n: system.state_names.index(n) for n in job.variables if n not in outputs}
    columns = {n: np.full((people, len(job.grid)), np.nan) for n in job.variables}
    atol = np.asarray(job.atol) if isinstance(job.atol, tuple) else job.atol

    def keep(who: int | list[int], y: F8, out: F8) -> None:
        for n, j in outputs.items():
            columns[n][who] = out[..., j]
        for n, j in states.items():
            columns[n][who] = y[..., j]

    ready = [i for i, line in enumerate(lines) if line is not None]
    if job.engine == "native" and ready:
        from bonepk.engine.batch import integrate_batch
        from bonepk.engine.jit import vector_lanes

        result = integrate_batch(
            compiled,
            table[ready],
            [line for line in lines if line is not None],
            rtol=job.rtol,
            atol=atol,
            max_step=job.max_step,
            max_steps=job.max_steps,
            workers=threads,
            lanes=vector_lanes(),  # by itself it would take other code for a piece of one person
        )
        _, y, out = result.block
        assert out is not None
        keep(ready, y, out)
        status[ready] = result.status
        for k in np.flatnonzero(result.status).tolist():
            fault = result.fault(k, compiled, table[ready], system.time_unit)
            reason[ready[k]] = _in_short(fault, f"person {k}: ")
    elif ready:
        for i in ready:
            line = lines[i]
            assert line is not None
            try:
                with np.errstate(all="ignore"):  # a run that leaves every bound is told by its status
                    trace = integrate(
                        compiled,
                        table[i],
                        line,
                        method=job.method,
                        rtol=job.rtol,
                        atol=atol,
                        max_step=job.max_step,
                        max_steps=job.max_steps,
                        time_unit=system.time_unit,
                    )
            except SolverError as error:
                status[i], reason[i] = SCIPY_STOPPED, _in_short(error.faults[0])
            else:
                keep(i, trace.y, trace.outputs)
    return Piece(columns, status, reason)


def _in_short(fault: Fault, prefix: str = "") -> str:
    """Where and why, without the cure."""
    return f"{fault.place.removeprefix(prefix)}: {fault.found}"


def _timelines(job: Job, system: System, values: F8, plan: I8) -> tuple[list[Timeline | None], list[str]]:
    """Timelines of some people, or None with a reason; the same object where nothing that differs matters.

    Where only the start of the history differs, as with years since menopause, one timeline is laid out for all
    and its start moved: a regimen of years takes longer to lay out than to integrate.
    """
    regimens: dict[tuple[object, ...], Regimen] = {}
    known: dict[tuple[object, ...], Timeline | str] = {}
    lines: list[Timeline | None] = []
    reason: list[str] = []
    shaping = [_shaping(job, system, p) for p in job.plans]
    starts = _starts(job, system, values)
    fixed = not has_switches(system)  # else the start decides which switches are in the run
    for row, number, start in zip(values.tolist(), plan.tolist(), starts, strict=True):
        switched, dosing = shaping[number]
        key = (number, *(row[j] for j in dosing), *(() if fixed else row))
        person = {**job.common, **dict(zip(job.names, row, strict=True))}
        try:
            first = (number, *(row[j] for j in switched))
            if first not in regimens:
                regimens[first] = regimen_of(system, job.plans[number], job.grid.tolist(), person)
            regimen = regimens[first]
            begin = begin_of(system, regimen, job.grid, start, job.history)
            if key not in known:
                known[key] = _laid_out(job, system, regimen, person, fixed)
            found = known[key]
            if fixed and isinstance(found, Timeline):
                moved = (key, begin)
                if moved not in known:
                    known[moved] = _begun(found, begin)
                found = known[moved]
        except RegimenError as error:
            found = _in_short(error.faults[0])
        lines.append(None if isinstance(found, str) else found)
        reason.append(found if isinstance(found, str) else "")
    return lines, reason


def _laid_out(job: Job, system: System, regimen: Regimen, person: Mapping[str, float], fixed: bool) -> Timeline | str:
    try:
        return timeline_of(system, regimen, job.grid, person, job.initial, job.history and not fixed)
    except RegimenError as error:
        return _in_short(error.faults[0])


def _begun(timeline: Timeline, begin: float) -> Timeline:
    """Let a timeline begin at another time, with what it sets first."""
    if begin == timeline.start:
        return timeline
    setting = np.isin(timeline.kind, (Kind.INPUT, Kind.SET)) & (timeline.time == timeline.start)
    leading = np.logical_and.accumulate(setting)
    return replace(timeline, start=begin, time=np.where(leading, begin, timeline.time))


def _starts(job: Job, system: System, values: F8) -> list[float]:
    """Start of each person's history, in model time."""
    if not job.history or system.history_start is None:
        return [0.0] * len(values)
    flat = substitute([system.history_start], system.definitions)
    fixed = {**system.values, **job.common, TIME: 0.0}
    each = [evaluate(flat, {**fixed, **dict(zip(job.names, row, strict=True))})[0] for row in values.tolist()]
    return [float(start) for start in each]


def _shaping(job: Job, system: System, plan: Plan) -> list[list[int]]:
    """Places in `Job.names` of what a regimen depends on (inputs that are switched), and of what its doses do."""
    switched = {s.name for s in plan.switches}
    given = [e for r in system.routes for e in (r.bioavailability, r.lag, r.duration, r.rate) if e is not None]
    symbols = symbols_of(substitute(given, system.definitions)) | switched
    return [[j for j, name in enumerate(job.names) if name in chosen] for chosen in (switched, symbols)]
