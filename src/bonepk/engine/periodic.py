"""Steady states of repeated dosing and of constant infusion, with a certificate.

The state just before a dose that repeats every ``T`` is a fixed point of the period map ``P``.
It is found by Newton on ``P(y) - y`` with the map's derivative by differences: one step for a
linear system however long its half-life, where iterating the map would need thousands of
periods. A constant infusion is Newton on ``f(y) + r = 0``. Where Newton does not settle, the map
is followed for longer (or time runs) and Newton tried again; what never settles is an error naming the state.
The certificate is the length of the next Newton step relative to the size of the state, that is the
error itself and not the change over a period, which a long half-life makes small anywhere; for a
constant infusion it is the largest net flow relative to turnover.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.compiled import Compiled
from bonepk.engine.flow import Field, Settings, advance
from bonepk.engine.timeline import Kind, Op, Pattern, Timeline
from bonepk.errors import SolverError

__all__ = ["SteadyState", "constant_state", "periodic_state", "resolve"]

F8 = NDArray[np.float64]

_WARM_UP = (3, 25, 50, 100, 200)  # periods followed before each trial of Newton
_NEWTON = 25
_NOISE = 1e-6  # an error below this that shrinks no more is the integrator's own
_NEUTRAL = 1e-8  # a direction in which a period takes away less than this part is not eliminated
_FAR = 1e6
_MOST_PERIODS = 500


@dataclass(frozen=True)
class SteadyState:
    """A steady state and how far to trust it.

    Attributes
    ----------
    y : ndarray, shape (n,)
        The state just before the pattern's entries at offset 0.
    residual : float
        Certificate: relative distance to the fixed point, or largest net flow relative to turnover.
    periods : int
        Periods (or Newton steps, for a constant infusion) that were computed.
    """

    y: F8
    residual: float
    periods: int


def periodic_state(field: Field, pattern: Pattern, y0: F8, tolerance: float) -> SteadyState:
    """Find the fixed point of the period map of a repeating pattern.

    Parameters
    ----------
    field : Field
        With frozen time, inputs and flags as wanted; its infusion rates are overwritten.
    pattern : Pattern
        With a period above 0.
    y0 : ndarray, shape (n,)
        Where to start.
    tolerance : float
        Largest residual accepted.

    Raises
    ------
    SolverError
        If there is no steady state, or it is not found.
    """
    y, count = np.where(field.off, 0.0, y0), 0
    for periods in _WARM_UP:  # a start in the region of the answer
        for _ in range(periods):
            y, _ = _period(field, pattern, y)
        found, y, count = _newton(field, pattern, y, tolerance, count + periods)
        if found is not None:
            return found
    return _iterate(field, pattern, y, tolerance, count)


def _newton(field: Field, pattern: Pattern, y: F8, tolerance: float, count: int) -> tuple[SteadyState | None, F8, int]:
    """Newton on the period map from a state; where it gets to and the periods computed, if it does not settle."""
    after, size = _period(field, pattern, y)
    count += 1
    live = np.flatnonzero(size > 0)  # what nothing has reached by now stays exactly 0
    usual = size  # a step that goes a million times beyond it runs away from saturated elimination
    matrix: F8 | None = None
    last = math.inf
    for _ in range(_NEWTON):
        fresh = matrix is None
        if matrix is None:
            matrix = np.eye(len(live)) - _slope(field, pattern, y, after, size, live)
            count += len(live)
        change = (after - y)[live]
        step = _solve(matrix, change, size[live], _NEUTRAL)
        # how far the fixed point still is, and what of the change no step can undo
        error = float(np.max(np.abs(step) / size[live] + np.abs(change - matrix @ step) / usual[live], initial=0.0))
        if error <= tolerance or (error <= _NOISE and error > 0.5 * last):
            y = y.copy()
            y[live] += step
            return SteadyState(y, error, count), y, count
        last = error
        found = _shorter(field, pattern, y, after, size, live, step, usual * _FAR)
        if found is not None:
            count += 1
            slow = _gap(found[1], found[0], found[2]) > 0.1 * _gap(after, y, size)
            y, after, size = found
            matrix = None if slow else matrix
        elif fresh:
            break
        else:
            matrix = None
    return None, y, count


def _shorter(
    field: Field, pattern: Pattern, y: F8, after: F8, size: F8, live: NDArray[np.intp], step: F8, most: F8
) -> tuple[F8, F8, F8] | None:
    """Take as much of a Newton step as brings a state nearer to its image; None if none of it does."""
    now = _gap(after, y, size)
    for part in (1.0, 0.5, 0.25, 0.1, 0.02):
        trial = y.copy()
        trial[live] += part * step
        if (trial < np.minimum(y, 0.0) - 1e-9 * size).any() or (np.abs(trial) > most).any():
            continue  # amounts that were not negative stay so
        try:
            trial_after, trial_size = _period(field, pattern, trial)
        except SolverError:  # Newton left the region where the equations make sense
            continue
        if _gap(trial_after, trial, trial_size) < now:
            return trial, trial_after, trial_size
    return None


def _iterate(field: Field, pattern: Pattern, y: F8, tolerance: float, count: int) -> SteadyState:
    """Follow the map itself; its error is judged by how fast the changes shrink."""
    previous = math.inf
    after, size = y, np.abs(y)
    for _ in range(_MOST_PERIODS):
        y = after
        after, size = _period(field, pattern, y)
        count += 1
        change = _gap(after, y, size)
        shrink = change / previous if math.isfinite(previous) else 1.0
        if change == 0.0 or (shrink < 0.999 and change * shrink / (1.0 - shrink) <= tolerance):
            return SteadyState(after, change, count)
        previous = change
    worst = int(np.argmax(np.abs(after - y) / np.maximum(size, 1e-300)))
    raise field.error(
        field.frozen or 0.0,
        f"no steady state: '{field.equations.layout.states[worst]}' still changes by {(after - y)[worst]:.4g} in a "
        f"period of {pattern.period:.6g} after {count} periods",
        "check that every dosed state is eliminated, or give the doses one by one",
    )


def constant_state(field: Field, pattern: Pattern, y0: F8, tolerance: float) -> SteadyState:
    """Find the state at which a constant infusion balances elimination.

    Parameters and errors are those of `periodic_state`; the pattern's period is 0.
    """
    at = field.frozen or 0.0
    field.rate[:] = 0.0
    for _, kind, state, value in pattern.entries:
        if kind == Kind.RATE:
            field.rate[state] = value
    y = np.where(field.off, 0.0, y0)
    time = 1.0
    for steps in range(50):  # doubling up to 1e15 time units
        y, _ = advance(field, 0.0, y, time)  # let time bring it nearer, then try
        live = np.flatnonzero(field.size > 0)
        found = _balance(field, at, y, live, tolerance)
        if found is not None:
            return SteadyState(found[0], found[1], steps + found[2])
        time *= 2.0
    net = np.abs(field(at, y))[live] / np.maximum(field.size[live], 1e-300)
    worst = int(live[int(np.argmax(net))])
    raise field.error(
        at,
        f"no steady state of the constant infusion: '{field.equations.layout.states[worst]}' does not settle",
        "check that every infused state is eliminated faster than the infusion fills it",
    )


def _balance(field: Field, at: float, y: F8, live: NDArray[np.intp], tolerance: float) -> tuple[F8, float, int] | None:
    """Newton on f + r = 0 from `y`; None if it does not settle on a finite, non-negative balance."""
    low = np.minimum(y, 0.0) - 1e-9 * np.maximum(field.size, 1e-300)
    best, result = math.inf, None
    for step in range(_NEWTON):
        try:
            f = field(at, y)
        except SolverError:
            return None
        j = field.jacobian(at, y)
        turnover = np.abs(j) @ np.abs(y) + np.abs(field.rate)
        moving = live[turnover[live] > 0]
        residual = float(np.max(np.abs(f[moving]) / turnover[moving], initial=0.0))
        if residual < best:
            best, result = residual, (y.copy(), residual, step)
        elif best <= tolerance:
            break
        if residual <= 1e-15:
            break
        change = _solve(j[np.ix_(live, live)], -f[live], field.size[live])
        y = y.copy()
        y[live] += change
        if not np.isfinite(y).all() or (y < low).any():
            return None
    return result if best <= tolerance else None


def _period(field: Field, pattern: Pattern, y: F8) -> tuple[F8, F8]:
    """One period of the pattern from just before its entries at offset 0; also the largest of each state."""
    field.size[:] = 0.0
    field.rate[:] = 0.0
    for _, kind, state, value in pattern.entries:  # rates carry over from the period before
        if kind == Kind.RATE:
            field.rate[state] = value
    y, now = y.copy(), 0.0
    for offset, kind, state, value in pattern.entries:
        if offset > now:
            y, _ = advance(field, now, y, offset)
            now = offset
        if kind == Kind.RATE:
            field.rate[state] = value
        elif not field.off[state]:
            y[state] += value
    y, _ = advance(field, now, y, pattern.period)
    return y, field.size.copy()


def _solve(matrix: F8, right: F8, size: F8, smallest: float = 0.0) -> F8:
    """Solve for a change of state, scaled by size.

    What is conserved (left of singular values below `smallest`, or 1e-13 of the largest), such as a
    target bound and free together, does not change.
    """
    u, values, v = np.linalg.svd(matrix * size[None, :] / size[:, None])
    kept = values > max(smallest, 1e-13 * float(values.max(initial=0.0)))
    along = np.where(kept, (u.T @ (right / size)) / np.where(kept, values, 1.0), 0.0)
    change = v.T @ along
    if not kept.all():
        loose, free = u[:, ~kept], v[~kept].T
        change = change - free @ np.linalg.lstsq(loose.T @ free, loose.T @ change, rcond=1e-6)[0]
    return np.asarray(change * size)


def _gap(after: F8, before: F8, size: F8) -> float:
    return float(np.max(np.abs(after - before) / np.maximum(size, 1e-300), initial=0.0))


def _slope(field: Field, pattern: Pattern, y: F8, after: F8, size: F8, live: NDArray[np.intp]) -> F8:
    """Differentiate the period map by differences (the map is smooth at the integrator's tolerance)."""
    columns = np.empty((len(live), len(live)))
    for k, i in enumerate(live):
        step = 1e-4 * size[i]
        nudged = y.copy()
        nudged[i] += step
        columns[:, k] = (_period(field, pattern, nudged)[0] - after)[live] / step
    return columns


def resolve(equations: Compiled, p: F8, timeline: Timeline, settings: Settings) -> Timeline:
    """Replace every STEADY operation by SET (or ADD) operations with the steady state found.

    Parameters
    ----------
    equations : Compiled
    p : ndarray of float64
        Parameter vector at the start of the run.
    timeline : Timeline
    settings : Settings
        The relative tolerance is tightened to 1e-10 at most, as errors grow by half-life over period.

    Returns
    -------
    Timeline
        Without STEADY operations.

    Raises
    ------
    SolverError
        If a pattern has no steady state.
    """
    if not (timeline.kind == Kind.STEADY).any():
        return timeline
    tight = replace(settings, rtol=min(settings.rtol, 1e-10))
    tracker = Field(equations, p, tight)
    known: dict[tuple[object, ...], F8] = {}
    ops: list[Op] = []
    for op in timeline.ops():
        if op.kind == Kind.INPUT:
            tracker.set_input(op.which, op.value, op.slope, op.time)
        elif op.kind == Kind.RESET:
            tracker.off[:] = False
        elif op.kind in (Kind.OFF, Kind.ON):
            tracker.off[op.which] = op.kind == Kind.OFF
        if op.kind != Kind.STEADY:
            ops.append(op)
            continue
        pattern = timeline.pattern(op.which)
        inputs = tracker.inputs_at(op.time)
        key = (pattern, inputs.tobytes(), tracker.off.tobytes(), op.time)
        if key not in known:
            field = Field(equations, tracker.p, tight, frozen=op.time)
            for index, value in enumerate(inputs):
                field.set_input(index, float(value), 0.0, op.time)
            field.off[:] = tracker.off
            start = equations.initial(field.p)
            solve = periodic_state if pattern.period > 0 else constant_state
            known[key] = solve(field, pattern, start, 1e-9).y
        kind = Kind.ADD if op.value else Kind.SET
        ops += [Op(op.time, kind, i, float(v)) for i, v in enumerate(known[key]) if v or kind == Kind.SET]
    patterns: list[Pattern] = []
    return Timeline.build(timeline.start, ops, patterns)
