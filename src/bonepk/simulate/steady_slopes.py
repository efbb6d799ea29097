"""Steady states and their derivatives, by implicit differentiation.

The steady state of a repeated dose is the fixed point of the period map, ``y* = P(y*, p)``, so

    (I - dP/dy) dy*/dp = dP/dp,

and one native run over one period, from y* on, gives both derivatives of P exactly. That of a constant
infusion solves ``f(y*, p) + r = 0``. Amounts that a model conserves (a total of bound and free) leave
the matrix singular; along them the steady state follows the initial state.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonepk.engine import Compiled
from bonepk.engine.flow import Field, Settings
from bonepk.engine.periodic import constant_state, periodic_state
from bonepk.engine.sensitivity import integrate_sensitivity
from bonepk.engine.timeline import Kind, Op, Pattern, Timeline
from bonepk.model.expr import evaluate, gradient, substitute, sym, symbols_of
from bonepk.model.system import TIME, Input, System
from bonepk.simulate.graded import Graded, slope_of
from bonepk.simulate.run import compiled_for

__all__ = ["graded_ops", "packed"]

F8 = NDArray[np.float64]

_HELD = "time held"  # no name that a model text can have
_FREE = 1e-8  # a direction of which a period takes away less than this part is conserved


@functools.lru_cache(maxsize=8)
def _held(system: System) -> System:
    """Make time an input, as steady states are those of time standing still."""
    still = {TIME: sym(_HELD)}
    quantities = tuple(replace(q, expr=substitute([q.expr], still)[0]) for q in system.quantities)
    rates = tuple(substitute(system.rates, still))
    inputs = (*system.inputs, Input(_HELD, 0.0, system.time_unit))
    return replace(system, quantities=quantities, rates=rates, inputs=inputs, outputs=())


def packed(start: float, ops: Sequence[Op], columns: int) -> tuple[Timeline, F8, F8]:
    """Timeline of graded operations, and the derivatives of their values and times, shape (ops, columns)."""
    values, times = np.zeros((len(ops), columns)), np.zeros((len(ops), columns))
    for i, op in enumerate(ops):
        values[i], times[i] = slope_of(op.value), slope_of(op.time)
    return Timeline.build(float(start), ops), values, times


@dataclass(frozen=True, eq=False)
class _Moment:
    """Equations at the moment of a steady state: inputs and flags as they are, time standing still."""

    compiled: Compiled
    p: F8
    names: tuple[str, ...]
    seeds: F8  # derivatives of the named parameters and inputs, shape (names, columns)
    off: NDArray[np.bool_]


def graded_ops(
    compiled: Compiled, p: F8, ops: Sequence[Op], patterns: Sequence[Pattern], slopes: Mapping[str, F8], columns: int
) -> list[Op]:
    """Replace every STEADY operation by SET (or ADD) operations that carry derivatives.

    Parameters
    ----------
    compiled : Compiled
    p : ndarray, shape (n_vector,)
    ops, patterns : sequence
        Graded, as of `bonepk.simulate.events.operations`.
    slopes : mapping of str to ndarray of shape (columns,)
        Derivatives of parameters and constant inputs.
    columns : int

    Raises
    ------
    SolverError
        If a pattern has no steady state.
    """
    tracker = Field(compiled, p, Settings(rtol=1e-10))
    names = (*compiled.layout.parameters, *compiled.layout.inputs)
    seeds = {n: np.asarray(s) for n, s in slopes.items()}
    out: list[Op] = []
    for op in ops:
        if op.kind == Kind.INPUT:
            tracker.set_input(op.which, float(op.value), op.slope, float(op.time))
            seeds[names[len(compiled.layout.parameters) + op.which]] = np.zeros(columns) + slope_of(op.value)
        elif op.kind == Kind.RESET:
            tracker.off[:] = False
        elif op.kind in (Kind.OFF, Kind.ON):
            tracker.off[op.which] = op.kind == Kind.OFF
        if op.kind != Kind.STEADY:
            out.append(op)
            continue
        moment = _moment(compiled, tracker, op.time, {n: s for n, s in seeds.items() if s.any()}, columns)
        y, dy = _steady(moment, patterns[op.which])
        kind = Kind.ADD if op.value else Kind.SET
        out += [Op(op.time, kind, i, Graded(float(v), dy[i])) for i, v in enumerate(y)]
    return out


def _moment(compiled: Compiled, tracker: Field, time: float, seeds: Mapping[str, F8], columns: int) -> _Moment:
    system = compiled.system
    values = dict(zip((*compiled.layout.parameters, *compiled.layout.inputs), tracker.p.tolist(), strict=False))
    values |= dict(zip(compiled.layout.inputs, tracker.inputs_at(float(time)).tolist(), strict=True))
    given = dict(seeds)
    if TIME in symbols_of(system.flat_rates):
        compiled = compiled_for(_held(system))
        values[_HELD] = float(time)
        given[_HELD] = np.zeros(columns) + slope_of(time)
    elif compiled.layout.linear:
        compiled = compiled_for(system)
    table = np.array(list(given.values())).reshape(len(given), columns)
    return _Moment(compiled, compiled.parameter_vector(values), tuple(given), table, tracker.off.copy())


def _steady(at: _Moment, pattern: Pattern) -> tuple[F8, F8]:
    field = Field(at.compiled, at.p, Settings(rtol=1e-11))
    field.off[:] = at.off
    field.frozen = 0.0
    plain = Pattern(pattern.period, tuple((float(t), k, i, float(v)) for t, k, i, v in pattern.entries))
    solve = periodic_state if pattern.period > 0 else constant_state
    y = solve(field, plain, at.compiled.initial(at.p), 1e-9).y
    matrix, right = (_period if pattern.period > 0 else _balance)(at, pattern, y)
    live = np.flatnonzero(~at.off)
    size = np.maximum(np.maximum(field.size, np.abs(y)), 1e-12 * max(float(field.size.max(initial=0.0)), 1e-300))
    scaled = (matrix * size[None, :] / size[:, None])[np.ix_(live, live)]
    aims = right[live] / size[live, None]
    left, held, _ = np.linalg.svd(scaled)
    loose = left[:, held < _FREE * max(1.0, float(held.max(initial=0.0)))]
    if loose.shape[1]:
        scaled = np.vstack([scaled, loose.T])
        aims = np.vstack([aims, loose.T @ (_initial(at)[live] / size[live, None])])
    dy = np.zeros((at.compiled.n, at.seeds.shape[1]))
    dy[live] = np.linalg.lstsq(scaled, aims, rcond=None)[0] * size[live, None]
    return y, dy


def _initial(at: _Moment) -> F8:
    """Differentiate the initial state."""
    system = at.compiled.system
    env = dict(zip((*system.parameter_names, *system.input_names), at.p.tolist(), strict=False))
    out = np.zeros((at.compiled.n, at.seeds.shape[1]))
    for i, row in enumerate(gradient(system.flat_initial, at.names)):
        for name, value in zip(row, evaluate(list(row.values()), env), strict=True):
            out[i] += float(value) * at.seeds[at.names.index(name)]
    return out


def _period(at: _Moment, pattern: Pattern, y: F8) -> tuple[F8, F8]:
    """``I - dP/dy`` and ``dP/dp`` at a steady state: columns for the state, then those asked for."""
    n, columns = at.compiled.n, at.seeds.shape[1]
    # the engine seeds names as unit columns; the columns asked for follow by the chain rule
    width = len(at.names) + n + columns
    after = len(at.names) + n

    def wide(number: float, first: int = -1) -> Graded:
        slope = np.zeros(width)
        slope[after:] = slope_of(number)
        if first >= 0:
            slope[first] = 1.0
        return Graded(float(number), slope)

    ops = [Op(0.0, Kind.OFF, int(i)) for i in np.flatnonzero(at.off)]
    ops += [Op(0.0, Kind.SET, i, wide(float(v), len(at.names) + i)) for i, v in enumerate(y)]
    # rates carry over from the period before
    last = {state: value for _, kind, state, value in pattern.entries if kind == Kind.RATE}
    ops += [Op(0.0, Kind.RATE, state, wide(value)) for state, value in last.items()]
    ops += [Op(wide(time), kind, state, wide(value)) for time, kind, state, value in pattern.entries]
    ops.append(Op(pattern.period, Kind.RECORD, 0))
    line, values, times = packed(0.0, ops, width)
    got = integrate_sensitivity(
        at.compiled, at.p, line, at.names, op_values=values, op_times=times, rtol=1e-10, workers=1
    )
    got.run.check(at.compiled, at.p)
    slope = got.dy[0]
    return np.eye(n) - slope[:, len(at.names) : after], slope[:, after:] + slope[:, : len(at.names)] @ at.seeds


def _balance(at: _Moment, pattern: Pattern, y: F8) -> tuple[F8, F8]:
    """``-df/dy`` and ``df/dp + dr/dp`` at the balance of a constant infusion."""
    system = at.compiled.system
    env = dict(zip((*system.parameter_names, *system.input_names), at.p.tolist(), strict=False))
    env |= dict(zip(system.state_names, y.tolist(), strict=True)) | {TIME: 0.0}
    right = np.zeros((at.compiled.n, at.seeds.shape[1]))
    for i, row in enumerate(gradient(system.flat_rates, at.names)):
        for name, value in zip(row, evaluate(list(row.values()), env), strict=True):
            right[i] += float(value) * at.seeds[at.names.index(name)]
    for _, kind, state, value in pattern.entries:
        if kind == Kind.RATE:
            right[state] += slope_of(value)
    right[at.off] = 0.0
    jacobian = at.compiled.jacobian(0.0, y, at.compiled.prepare(at.p))
    jacobian[at.off] = 0.0
    return -jacobian, right
