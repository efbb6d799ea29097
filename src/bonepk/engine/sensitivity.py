"""Derivatives of a run by parameters, dose amounts and dose times, and of a flow by its start.

The columns ride along with one native run (`bonepk.engine.tangent`), so thirty of them cost a few
runs, not thirty, and they are exact derivatives of the computed numbers: an optimiser sees no noise.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.batch import FRACTION, BatchResult, Native, Work, distinct
from bonepk.engine.compiled import Compiled
from bonepk.engine.derivatives import TangentProgram, lower_tangent
from bonepk.engine.driver import driver_text
from bonepk.engine.lanes import Driver
from bonepk.engine.stepper import Workspace, plan, stepper_text
from bonepk.engine.tangent import COLUMNS, tangent_places, tangent_text
from bonepk.engine.timeline import Kind, Op, Timeline
from bonepk.errors import Fault, NotFoundError, SolverError, near

__all__ = ["SensitivityResult", "flow_map", "integrate_sensitivity"]

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SensitivityResult:
    """Runs and their derivatives.

    Attributes
    ----------
    run : BatchResult
        Times, states and outputs, as of `integrate_batch`.
    names : tuple of str
        Parameters or inputs of the first columns; further columns belong to the operations.
    dy : ndarray, shape (rows, n, columns)
        d(state)/d(column) at each record.
    doutputs : ndarray, shape (rows, n_outputs, columns)
    """

    run: BatchResult
    names: tuple[str, ...]
    dy: F8
    doutputs: F8


def _text(made: TangentProgram) -> tuple[str, Workspace]:
    from bonepk.engine.llvm import functions_text, person_text

    program = made.program
    factorisation, space = plan(program, 1, tuple(tangent_places(made).items()))
    driver = Driver(program.layout, space, len(program.outputs), tangent=True)
    steps, calls = stepper_text(program, 1)
    person, more = person_text(program)
    columns, yet = tangent_text(driver, made, factorisation)
    return "\n".join([functions_text(calls | more | yet), person, steps, columns, driver_text(driver)]), space


def _native(compiled: Compiled, names: tuple[str, ...]) -> Native:
    from bonepk.engine import cache

    def make() -> tuple[str, dict[str, object]]:
        text, space = _text(lower_tangent(compiled.system, compiled.linear_inputs, names))
        return text, {"workspace": space.places["end"]}

    if names not in compiled.native:
        key = cache.code_key(compiled.system, compiled.linear_inputs, "sensitivity", *names)
        loaded, notes = cache.object_code(key, ["run"], make, ["workspace"])
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(loaded.addresses["run"])
        compiled.native[names] = Native(loaded, run, int(str(notes["workspace"])))
    found: Native = compiled.native[names]
    return found


def integrate_sensitivity(
    compiled: Compiled,
    parameters: F8,
    timelines: Timeline | Sequence[Timeline],
    names: Sequence[str],
    *,
    op_values: F8 | Sequence[F8] | None = None,
    op_times: F8 | Sequence[F8] | None = None,
    rtol: float = 1e-6,
    atol: float | F8 | None = None,
    max_step: float = np.inf,
    max_steps: int = 1_000_000,
    workers: int | None = None,
) -> SensitivityResult:
    """Run people and differentiate their runs.

    Parameters
    ----------
    compiled : Compiled
        Machine code (``backend="llvm"``).
    parameters : ndarray, shape (people, n_vector) or (n_vector,)
    timelines : Timeline or sequence of Timeline
        As of `integrate_batch`; no STEADY operations.
    names : sequence of str
        Parameters or inputs to differentiate by: the first columns.
    op_values, op_times : ndarray of shape (operations, columns), or one a distinct timeline, optional
        d(value)/d(column) and d(time)/d(column) of each operation. ``columns`` is at least
        ``len(names)``; columns beyond the names belong to the operations alone. A dose that depends on
        a parameter (a bioavailability, a lag) has its derivative in that parameter's column.
    rtol, atol, max_step, max_steps, workers
        As of `integrate_batch`. Step lengths follow the run, not its derivatives.

    Returns
    -------
    SensitivityResult

    Raises
    ------
    NotFoundError
        If a name is no parameter or input.
    SolverError
        As of `integrate_batch`.
    """
    if compiled.backend != "llvm":
        raise SolverError(Fault("integrate_sensitivity", "needs machine code", "", "compile with backend='llvm'"))
    known = (*compiled.layout.parameters, *compiled.layout.inputs)
    for name in names:
        if name not in known:
            raise NotFoundError(Fault("sensitivity", f"no parameter or input '{name}'", "", near(name, known)))
    table = np.ascontiguousarray(np.atleast_2d(parameters), dtype=np.float64)
    if table.shape[1] != compiled.n_vector:
        raise ValueError(f"parameters have shape {table.shape}; expected (people, {compiled.n_vector})")
    given = [timelines] if isinstance(timelines, Timeline) else list(timelines)
    people = max(len(table), len(given))
    table = np.ascontiguousarray(np.broadcast_to(table, (people, compiled.n_vector)))
    lines, chosen = distinct(given, people)
    for line in lines:
        line.check(compiled.n, compiled.n_inputs)
        if (line.kind == Kind.STEADY).any():
            raise SolverError(Fault("timeline", "has steady-state operations", "", "resolve them first"))
    values, times = (_stacked(a, lines) for a in (op_values, op_times))
    columns = max(len(names), *(a.shape[1] for a in (values, times) if a is not None), 1)
    chunks = -(-columns // COLUMNS)
    work = Work(compiled, table, lines, chosen, outputs=True)
    work.scalars(rtol, 0.0 if atol is not None else rtol * FRACTION, max_step, max_steps)
    work.absolute(np.zeros(compiled.n) if atol is None else np.broadcast_to(np.asarray(atol, float), (compiled.n,)))
    rows = int(work.arrays["row_first"][-1])
    seeds = np.eye(max(1, len(names)), columns) if names else np.zeros((1, columns))
    work.add("seeds", _packed(seeds[None], chunks))
    for name, array in (("op_dvalue", values), ("op_dtime", times)):
        if array is not None:
            work.add(name, _packed(array[:, None, :], chunks))
    work.add("s_out", np.full((rows, chunks, compiled.n, COLUMNS), np.nan))
    work.add("dout", np.full((rows, chunks, compiled.n_outputs, COLUMNS), np.nan))
    per_run = chunks * COLUMNS * (12 * compiled.n + max(1, len(names)))
    work.own("tangent", per_run)
    work.number("chunks", chunks)
    work.go(_native(compiled, tuple(names)), 1, workers or os.cpu_count() or 1)

    def unpacked(name: str) -> F8:
        moved = work.arrays[name].transpose(0, 2, 1, 3)
        return np.ascontiguousarray(moved.reshape(moved.shape[0], moved.shape[1], chunks * COLUMNS)[:, :, :columns])

    return SensitivityResult(work.result, tuple(names), unpacked("s_out"), unpacked("dout"))


def _stacked(given: F8 | Sequence[F8] | None, lines: list[Timeline]) -> F8 | None:
    if given is None:
        return None
    arrays = [np.asarray(a, dtype=np.float64) for a in ([given] if isinstance(given, np.ndarray) else given)]
    if [a.shape[0] for a in arrays] != [len(line.time) for line in lines] or len({a.shape[1] for a in arrays}) > 1:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise ValueError(f"derivatives of operations have shape {shapes}; expected one row an operation")
    return np.concatenate(arrays)


def _packed(array: F8, chunks: int) -> F8:
    """Turn ``(a, b, columns)`` into ``(a, chunks, b, 8)``, filled up with zeros."""
    full = np.zeros((array.shape[0], array.shape[1], chunks * COLUMNS))
    full[:, :, : array.shape[2]] = array
    return np.ascontiguousarray(full.reshape(array.shape[0], array.shape[1], chunks, COLUMNS).transpose(0, 2, 1, 3))


def flow_map(
    compiled: Compiled,
    p: F8,
    y0: F8,
    duration: float,
    *,
    start: float = 0.0,
    ops: Sequence[Op] = (),
    rtol: float = 1e-9,
    atol: float | F8 | None = None,
) -> tuple[F8, F8]:
    """State after a time, and its derivative by the state at the start.

    Parameters
    ----------
    compiled : Compiled
    p : ndarray, shape (n_vector,)
    y0 : ndarray, shape (n,)
        State at `start`.
    duration : float
        Model time to pass.
    start : float
        Model time at the start.
    ops : sequence of Op
        What happens meanwhile, at model times in order, for instance the doses of one period.
    rtol, atol
        As of `integrate_batch`.

    Returns
    -------
    y : ndarray, shape (n,)
    slope : ndarray, shape (n, n)
        d(y)/d(y0).

    Raises
    ------
    SolverError
        If the run does not reach its end.
    """
    n = compiled.n
    setting = [Op(start, Kind.SET, i, float(v)) for i, v in enumerate(y0)]
    line = Timeline.build(start, [*setting, *ops, Op(start + duration, Kind.RECORD, 0)])
    values = np.zeros((len(line.time), n))
    values[:n] = np.eye(n)
    got = integrate_sensitivity(compiled, p, line, (), op_values=values, rtol=rtol, atol=atol, workers=1)
    got.run.check(compiled, p)
    return got.run.y[0], got.dy[0]
