"""Derivatives of what governs doses, of the start of the history and of the moments of switches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.timeline import Kind, Op
from bonepk.model.expr import Expr, evaluate, gradient, substitute
from bonepk.model.system import TIME, System
from bonepk.simulate.covariates import Track
from bonepk.simulate.cuts import crossings
from bonepk.simulate.entries import DoseValues, Entry
from bonepk.simulate.graded import Graded, slope_of

__all__ = ["GradedValues", "graded_start", "with_switches"]

F8 = NDArray[np.float64]

_CLOSE = 1e-12  # of the length of a run: beside a moment, for values just before and just after it


@functools.lru_cache(maxsize=256)
def _gradient(expr: Expr, names: tuple[str, ...]) -> dict[str, Expr]:
    return gradient([expr], names)[0]


def graded(expr: Expr, env: Mapping[str, float], slopes: Mapping[str, F8]) -> float:
    """Value of a flat expression with the derivatives that its symbols have."""
    parts = _gradient(expr, tuple(sorted(slopes)))
    plain = {name: float(v) for name, v in env.items()}
    value, *by = (float(v) for v in evaluate([expr, *parts.values()], plain))
    if not parts:
        return value
    return Graded(value, np.asarray(sum(d * slopes[name] for name, d in zip(parts, by, strict=True))))


class GradedValues(DoseValues):
    """Bioavailability, lag, duration and rate of an entry at a moment, with derivatives.

    `slopes` holds the derivatives of parameters and constant inputs.
    """

    def __init__(
        self,
        system: System,
        entries: Sequence[Entry],
        tracks: Sequence[Track],
        fixed: Mapping[str, float],
        slopes: Mapping[str, F8],
    ) -> None:
        super().__init__(system, entries, tracks, fixed)
        self._slopes = {n: s for n, s in slopes.items() if n not in {system.input_names[t.index] for t in tracks}}

    def at(self, entry: int, time: float, value: Callable[[Track], float]) -> tuple[float, float, float, float]:
        """As of `DoseValues.at`, with derivatives."""
        if entry in self._known and not self._moves[entry]:
            return self._known[entry]
        env, slopes = dict(self._fixed), dict(self._slopes)
        given = {TIME: time, **{self._names[t.index]: value(t) for t in self._tracks}}
        env |= given
        slopes |= {name: v.slope for name, v in given.items() if isinstance(v, Graded)}
        f, lag, duration, rate = (math.nan if x is None else graded(x, env, slopes) for x in self._flat[entry])
        self._known[entry] = (f, lag, duration, rate)
        return self._known[entry]


def graded_start(system: System, values: Mapping[str, float], slopes: Mapping[str, F8]) -> float:
    """Model time at which the initial state holds, with derivatives (`start_of` without)."""
    if system.history_start is None:
        return 0.0
    flat = substitute([system.history_start], system.definitions)[0]
    return graded(flat, {**system.values, **values, TIME: 0.0}, slopes)


def with_switches(
    system: System, ops: Sequence[Op], values: Mapping[str, float], slopes: Mapping[str, F8], start: float
) -> list[Op]:
    """Operations with cuts at the moments at which equations switch by themselves.

    A moment that has derivatives needs the flow just before and just after it: there the run is stopped
    a little sooner and the clock set a little later, and back, at no cost to the state.

    Parameters
    ----------
    system : System
    ops : sequence of Op
    values : mapping of str to float
        All parameters and inputs.
    slopes : mapping of str to ndarray
        Their derivatives.
    start : float
    """
    end = max((op.time for op in ops), default=start)
    found = (graded(x, values, slopes) for x in crossings(system))
    moments = sorted({m for m in found if math.isfinite(m) and start < m < end})
    if not moments:
        return list(ops)
    close = _CLOSE * max(abs(start), abs(end))
    out: list[Op] = []
    waiting = list(moments)
    running = 0.0  # a cut states once more what is being infused into the first state

    def cut(moment: float, following: float) -> None:
        if not np.any(slope_of(moment)):
            out.append(Op(float(moment), Kind.RATE, 0, running))
            return
        at, after = float(moment), float(moment) + close
        now = max(out[-1].time if out else start, start)
        if now < at - close:
            out.append(Op(at - close, Kind.RATE, 0, running))
            now = at - close
        out.append(Op(min(float(now), at - close), Kind.CLOCK))
        out.append(Op(Graded(after, np.asarray(slope_of(moment))), Kind.CLOCK))
        if following < after:
            out.append(Op(at, Kind.CLOCK))

    for op in ops:
        if op.kind == Kind.CLOCK:
            waiting = [m for m in moments if m > op.time]
        while waiting and waiting[0] < op.time:
            cut(waiting.pop(0), op.time)
        if op.kind == Kind.RESET or (op.kind == Kind.RATE and op.which == 0):
            running = op.value
        out.append(op)
    return out
