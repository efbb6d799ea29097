"""The models and runs that are measured, and how error and time are taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np

import bonepk
from bonepk.engine import Compiled, Kind, Op, Timeline, compile_system
from bonepk.engine.batch import integrate_batch

MONTH = 30.4375


@cache
def peterson_riggs() -> tuple[Compiled, Timeline]:
    """Calcium and bone model, five years, denosumab 60 mg every six months six times, monthly records."""
    c = compile_system(bonepk.load("peterson_riggs2012"))
    depot = c.state_names.index("DENSC")
    ops = []
    for month in range(61):
        at = month * MONTH * 24
        ops.append(Op(at, Kind.RECORD, month))
        if month % 6 == 0 and month < 36:
            ops.append(Op(at, Kind.ADD, depot, 60e6 * 0.729))
    return c, Timeline.build(0.0, ops)


@cache
def flagship() -> tuple[Compiled, Timeline]:
    """The estrogen and bone model from its steady state, with doses and records as above."""
    c = compile_system(bonepk.load("aibl", drugs=["denosumab"]))
    depot = next(i for i, name in enumerate(c.state_names) if name.startswith("denosumab."))
    ops = []
    for month in range(61):
        ops.append(Op(month * MONTH, Kind.RECORD, month))
        if month % 6 == 0 and month < 36:
            ops.append(Op(month * MONTH, Kind.ADD, depot, 60e6))
    return c, Timeline.build(0.0, ops)


@cache
def reference(case: Callable[[], tuple[Compiled, Timeline]]) -> np.ndarray:
    """States at the records, at a tolerance far below any that is measured."""
    c, line = case()
    got = integrate_batch(c, c.parameter_vector(), line, rtol=1e-12, workers=1)
    got.check(c, c.parameter_vector())
    return got.y


def error(case: Callable[[], tuple[Compiled, Timeline]], y: np.ndarray) -> float:
    """Largest error of any state at any record, relative to the state's largest value."""
    true = reference(case)
    size = np.abs(true).max(axis=0)
    return float(np.max(np.abs(y - true) / np.where(size > 0, size, 1.0)))


def best(run: Callable[[], object], seconds: float = 2.0, clock: Callable[[], float] = time.process_time) -> float:
    """Shortest time of a call over about `seconds` of repeats.

    Processor time by default, which a busy machine disturbs least; wall time where threads are compared.
    """
    shortest, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = clock()
        run()
        shortest = min(shortest, clock() - start)
    return float(shortest)
