"""Many runs at once in machine code: Rodas5P on lane groups, threads over people.

The loop, its sparse algebra and the model are one piece of native code, made once and kept on disk.
It never holds the interpreter lock, so plain threads use all processors.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.compiled import Compiled
from bonepk.engine.driver import driver_text
from bonepk.engine.jit import Loaded, vector_lanes
from bonepk.engine.lanes import ARGUMENTS, FAILED, Driver
from bonepk.engine.lower import Program
from bonepk.engine.stepper import plan, stepper_text
from bonepk.engine.timeline import Kind, Timeline
from bonepk.errors import Fault, SolverError

__all__ = ["FRACTION", "BatchResult", "Native", "Work", "distinct", "integrate_batch"]

F8 = NDArray[np.float64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

FRACTION = 1e-2  # absolute tolerance as a part of rtol times a state's size; as in `flow`


@dataclass(frozen=True, eq=False)
class BatchResult:
    """Records of a batch of runs, person after person.

    Attributes
    ----------
    first : ndarray of int64, shape (people + 1,)
        Rows ``first[i]:first[i+1]`` of the arrays below belong to person i.
    t : ndarray, shape (rows,)
    y : ndarray, shape (rows, n)
    outputs : ndarray, shape (rows, n_outputs), or None
    status : ndarray of int32, shape (people,)
        0 is a finished run; any other number is a key of `REASONS`. Rows after the stop are nan.
    stopped : ndarray, shape (people,)
        Time at which each run ended.
    last : ndarray, shape (people, n)
        State at the end of each run.
    steps, rejected : ndarray of int64, shape (people,)
        Step attempts, and how many of them were rejected.
    """

    first: I8
    t: F8
    y: F8
    outputs: F8 | None
    status: I4
    stopped: F8
    last: F8
    steps: I8
    rejected: I8

    def __len__(self) -> int:
        return len(self.status)

    @property
    def block(self) -> tuple[F8, F8, F8 | None]:
        """``t, y, outputs`` with a leading axis of people, where all have the same number of rows."""
        counts = np.diff(self.first)
        if len(set(counts.tolist())) > 1:
            raise ValueError("people have different numbers of rows; use 'first'")
        shape = (len(self), int(counts[0]) if len(counts) else 0)
        out = None if self.outputs is None else self.outputs.reshape(*shape, self.outputs.shape[-1])
        return self.t.reshape(shape), self.y.reshape(*shape, self.y.shape[-1]), out

    def check(self, compiled: Compiled, p: F8, time_unit: str = "day") -> None:
        """Raise for all people whose run stopped early.

        Raises
        ------
        SolverError
            One fault a person: when, why, and the first state whose derivative is not finite.
        """
        faults = [self.fault(i, compiled, p, time_unit) for i in np.flatnonzero(self.status).tolist()]
        if faults:
            raise SolverError(faults)

    def fault(self, person: int, compiled: Compiled, p: F8, time_unit: str = "day") -> Fault:
        """Describe why one person's run stopped."""
        y, when = self.last[person], float(self.stopped[person])
        parameters = np.atleast_2d(p)[person if np.ndim(p) > 1 else 0]
        dy = compiled.rhs(when, y, compiled.prepare(parameters))
        broken = np.flatnonzero(~np.isfinite(dy))
        found = FAILED[int(self.status[person])]
        if len(broken):
            i = int(broken[0])
            found = f"derivative of '{compiled.state_names[i]}' is {dy[i]:.3g} (state {y[i]:.4g})"
        return Fault(f"person {person}: solver stopped at {time_unit} {when:.6g}", found, "", "try method='LSODA'")


def batch_text(program: Program, lanes: int) -> str:
    """LLVM text of the whole batch integrator of a program."""
    from bonepk.engine.llvm import functions_text, person_text

    _, space = plan(program, lanes)
    steps, calls = stepper_text(program, lanes)
    person, more = person_text(program)
    run = driver_text(Driver(program.layout, space, len(program.outputs)))
    return "\n".join([functions_text(calls | more), person, steps, run])


@dataclass(frozen=True, eq=False)
class Native:
    """A loaded batch loop and the size of its workspace."""

    loaded: Loaded
    run: Any
    workspace: int


def _native(compiled: Compiled, lanes: int) -> Native:
    from bonepk.engine import cache

    def make() -> tuple[str, dict[str, object]]:
        _, space = plan(compiled.program, lanes)
        return batch_text(compiled.program, lanes), {"workspace": space.places["end"]}

    known = compiled.native
    if lanes not in known:
        key = cache.code_key(compiled.system, compiled.linear_inputs, "batch", str(lanes))
        loaded, notes = cache.object_code(key, ["run"], make, ["workspace"])
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(loaded.addresses["run"])
        known[lanes] = Native(loaded, run, int(str(notes["workspace"])))
    made: Native = known[lanes]
    return made


def integrate_batch(
    compiled: Compiled,
    parameters: F8,
    timelines: Timeline | Sequence[Timeline],
    *,
    rtol: float = 1e-6,
    atol: float | F8 | None = None,
    max_step: float = np.inf,
    max_steps: int = 1_000_000,
    workers: int | None = None,
    lanes: int | None = None,
    outputs: bool = True,
) -> BatchResult:
    """Run many people in machine code.

    Parameters
    ----------
    compiled : Compiled
        Made with ``backend="llvm"`` (or "auto" where llvmlite is installed).
    parameters : ndarray, shape (people, n_vector) or (n_vector,)
        Parameter vectors, one a person (see `Compiled.parameter_vector`).
    timelines : Timeline or sequence of Timeline
        One for all or one a person; equal objects are stored once. STEADY operations must have been
        resolved (`bonepk.engine.periodic.resolve`).
    rtol : float
        Relative tolerance of a step.
    atol : float or ndarray of shape (n,), optional
        Absolute tolerance in the states' units; by default ``rtol/100`` of the largest amount each
        state has had so far.
    max_step : float
        Longest step, in model time.
    max_steps : int
        Most step attempts of one person.
    workers : int, optional
        Threads; all processors by default. Results do not depend on it.
    lanes : int, optional
        People computed side by side in one vector; by default what suits the processor, or 1 for a
        single person.
    outputs : bool
        Whether to compute outputs at the records.

    Returns
    -------
    BatchResult
        With a status a person; nobody's failure touches anyone else.

    Raises
    ------
    SolverError
        If the compiled code has no native form, or a timeline holds unresolved steady states.
    """
    if compiled.backend != "llvm":
        raise SolverError(Fault("integrate_batch", "needs machine code", "", "compile with backend='llvm'"))
    table = np.ascontiguousarray(np.atleast_2d(parameters), dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != compiled.n_vector:
        raise ValueError(f"parameters have shape {table.shape}; expected (people, {compiled.n_vector})")
    given = [timelines] if isinstance(timelines, Timeline) else list(timelines)
    people = max(len(table), len(given))
    if len(table) not in (1, people) or len(given) not in (1, people):
        raise ValueError(f"{len(table)} parameter vectors and {len(given)} timelines do not match")
    table = np.ascontiguousarray(np.broadcast_to(table, (people, compiled.n_vector)))
    lines, chosen = distinct(given, people)
    for line in lines:
        line.check(compiled.n, compiled.n_inputs)
        if (line.kind == Kind.STEADY).any():
            raise SolverError(Fault("timeline", "has steady-state operations", "", "resolve them first"))
    lanes = lanes or (1 if people == 1 else vector_lanes())
    work = Work(compiled, table, lines, chosen, outputs)
    work.scalars(rtol, 0.0 if atol is not None else rtol * FRACTION, max_step, max_steps)
    work.absolute(np.zeros(compiled.n) if atol is None else np.broadcast_to(np.asarray(atol, float), (compiled.n,)))
    work.go(_native(compiled, lanes), lanes, workers or os.cpu_count() or 1)
    return work.result


def distinct(given: list[Timeline], people: int) -> tuple[list[Timeline], I8]:
    """Drop repeated timelines; returns those left and the number of each person's."""
    lines: list[Timeline] = []
    known: dict[int, int] = {}
    chosen = np.zeros(people, dtype=np.int64)
    for i, line in enumerate(given):
        if id(line) not in known:
            known[id(line)] = len(lines)
            lines.append(line)
        chosen[i] = known[id(line)]
    return lines, chosen


class Work:
    """Arrays of one batch, and the slots that point at them."""

    def __init__(self, compiled: Compiled, table: F8, lines: list[Timeline], chosen: I8, outputs: bool) -> None:
        people = len(table)
        counts = np.array([line.rows for line in lines], dtype=np.int64)[chosen]
        first = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        rows = int(first[-1])
        self.arrays: dict[str, NDArray[Any]] = {
            "params": table,
            "chosen": chosen,
            "op_first": np.concatenate(([0], np.cumsum([len(line.time) for line in lines]))).astype(np.int64),
            "start": np.array([line.start for line in lines], dtype=np.float64),
            "row_first": first,
            "t_out": np.full(rows, np.nan),
            "y_out": np.full((rows, compiled.n), np.nan),
            "status": np.full(people, -1, dtype=np.int32),
            "stop_time": np.full(people, np.nan),
            "y_end": np.full((people, compiled.n), np.nan),
            "counts": np.zeros((people, 2), dtype=np.int64),
        }
        for name in ("time", "kind", "index", "value", "slope"):
            self.arrays[f"op_{name}"] = np.ascontiguousarray(np.concatenate([getattr(line, name) for line in lines]))
        if outputs:
            self.arrays["out"] = np.full((rows, compiled.n_outputs), np.nan)
        self.slots = np.zeros(len(ARGUMENTS), dtype=np.int64)
        for name, array in self.arrays.items():
            self._put(name, array.ctypes.data)
        self.people = people
        self._private: dict[str, int] = {}

    def _put(self, name: str, value: int) -> None:
        self.slots[ARGUMENTS.index(name)] = value

    def scalars(self, rtol: float, part: float, max_step: float, max_steps: int) -> None:
        """Fill the slots that hold numbers."""
        for name, value in (("rtol", rtol), ("part", part), ("max_step", max_step)):
            self.slots.view(np.float64)[ARGUMENTS.index(name)] = value
        self._put("max_steps", max_steps)

    def absolute(self, atol: F8) -> None:
        """Set the absolute tolerances."""
        self.add("atol", np.ascontiguousarray(atol, dtype=np.float64))

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Point a slot at an array."""
        self.arrays[name] = array
        self._put(name, array.ctypes.data)

    def number(self, name: str, value: int) -> None:
        """Put a whole number into a slot."""
        self._put(name, value)

    def own(self, name: str, size: int) -> None:
        """Ask for an array of numbers that every thread has for itself."""
        self._private[name] = size

    def go(self, native: Native, lanes: int, workers: int) -> None:
        """Run everyone, in pieces that keep all threads busy to the end."""
        piece = max(lanes * 4, -(-self.people // (workers * 8)))
        starts = range(0, self.people, piece)

        def run(begin: int) -> None:
            slots = self.slots.copy()
            kept = []
            for name, size in {"ws": native.workspace, **self._private}.items():
                space = np.empty(size + 16)
                kept.append(space)
                slots[ARGUMENTS.index(name)] = -(-space.ctypes.data // 64) * 64
            slots[ARGUMENTS.index("first")] = begin
            slots[ARGUMENTS.index("last")] = min(begin + piece, self.people)
            native.run(slots.ctypes.data)

        if workers == 1 or len(starts) == 1:
            for begin in starts:
                run(begin)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(run, starts))

    @property
    def result(self) -> BatchResult:
        """What came out."""
        a = self.arrays
        return BatchResult(
            first=a["row_first"],
            t=a["t_out"],
            y=a["y_out"],
            outputs=a.get("out"),
            status=a["status"],
            stopped=a["stop_time"],
            last=a["y_end"],
            steps=a["counts"][:, 0],
            rejected=a["counts"][:, 1],
        )
