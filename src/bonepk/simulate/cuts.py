"""Moments at which equations themselves switch, such as ``where(t >= 20 and t < 80, dose, 0)``.

A solver that has grown its steps at a steady state would step over such a window without ever
evaluating the equations inside it. A run is therefore cut there, as it is at a dose.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

from bonepk.engine.timeline import Kind, Op, Timeline
from bonepk.model.expr import ZERO, Expr, derivative, evaluate, substitute, symbols_of, topological
from bonepk.model.operators import COMPARISONS
from bonepk.model.system import TIME, System

__all__ = ["crossings", "cut_at", "has_switches", "switch_times"]

_BENDS = frozenset({*COMPARISONS, "min", "max", "abs"})


@functools.lru_cache(maxsize=64)
def crossings(system: System) -> tuple[Expr, ...]:
    """Find the times, in parameters and inputs, at which one operand linear in time crosses another."""
    fixed = {*system.parameter_names, *system.input_names}
    found: list[Expr] = []
    for node in topological(system.flat_rates):
        if node.op not in _BENDS:
            continue
        names = symbols_of([node])
        if TIME not in names or not names <= fixed | {TIME}:
            continue
        gap = node.args[0] - node.args[1] if len(node.args) == 2 else node.args[0]
        slope = derivative([gap], TIME)[0]
        if slope is ZERO or TIME in symbols_of([slope]):
            continue
        found.append(-(substitute([gap], {TIME: ZERO})[0] / slope))
    return tuple(dict.fromkeys(found))


def has_switches(system: System) -> bool:
    """Whether the equations of a model switch or bend by themselves at some times."""
    return bool(crossings(system))


def switch_times(system: System, values: Mapping[str, float], start: float, end: float) -> list[float]:
    """Model times in (start, end) at which the right-hand side switches or bends by itself.

    Parameters
    ----------
    system : System
    values : mapping of str to float
        Parameters and inputs that differ from the system's.
    start, end : float

    Returns
    -------
    list of float
        Rising and distinct.
    """
    places = crossings(system)
    if not places:
        return []
    times = evaluate(places, {**system.values, **values})
    return sorted({float(t) for t in times if math.isfinite(t) and start < t < end})


def cut_at(timeline: Timeline, times: Sequence[float]) -> Timeline:
    """Timeline with cuts at more times; nothing else happens there.

    Parameters
    ----------
    timeline : Timeline
    times : sequence of float
        Rising.
    """
    if not len(times):
        return timeline
    ops: list[Op] = []
    waiting = list(times)
    running = 0.0  # a cut states once more what is being infused into the first state
    for op in timeline.ops():
        if op.kind == Kind.CLOCK:
            waiting = [t for t in times if t > op.time]
        while waiting and waiting[0] < op.time:
            ops.append(Op(waiting.pop(0), Kind.RATE, 0, running))
        if op.kind == Kind.RESET or (op.kind == Kind.RATE and op.which == 0):
            running = op.value
        ops.append(op)
    patterns = [timeline.pattern(i) for i in range(len(timeline.pattern_period))]
    return Timeline.build(timeline.start, ops, patterns)
