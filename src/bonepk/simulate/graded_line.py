"""A run laid out with the derivatives of its operations: what a native run with derivatives is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.engine import Compiled
from bonepk.engine.timeline import Kind, Op, Timeline
from bonepk.simulate.covariates import Track
from bonepk.simulate.entries import Entry
from bonepk.simulate.events import Record, operations
from bonepk.simulate.graded import Graded, slope_of
from bonepk.simulate.slopes import GradedValues, with_switches
from bonepk.simulate.steady_slopes import graded_ops, packed

__all__ = ["GradedLine", "lay_out"]

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GradedLine:
    """A timeline with the derivatives of its operations.

    Attributes
    ----------
    timeline : Timeline
    values, times : ndarray, shape (operations, columns)
        d(value)/d(column) and d(time)/d(column) of each operation, columns in the engine's order.
    """

    timeline: Timeline
    values: F8
    times: F8


def lay_out(
    compiled: Compiled,
    records: Sequence[Record],
    entries: Sequence[Entry],
    tracks: Sequence[Track],
    values: Mapping[str, float],
    slopes: Mapping[str, F8],
    begin: float,
    columns: int,
    initial: Mapping[str, float] | None = None,
    starts: Sequence[tuple[int, F8]] = (),
) -> GradedLine:
    """Lay out one run with the derivatives of its operations.

    Parameters
    ----------
    compiled : Compiled
        Machine code of the model.
    records : sequence of Record
        Amounts and times may carry derivatives.
    entries, tracks : sequence
        As of `bonepk.simulate.events.schedule`.
    values : mapping of str to float
        Parameters and inputs that differ from the model's.
    slopes : mapping of str to ndarray of shape (columns,)
        Derivatives of parameters and constant inputs.
    begin : float
        Model time of the initial state; may carry derivatives.
    columns : int
        Length of every derivative.
    initial : mapping of str to float, optional
        States set at the start.
    starts : sequence of (int, ndarray), optional
        Numbers of states, and the derivatives of their values at the start.
    """
    system = compiled.system
    fixed = {**system.values, **values}
    graded = GradedValues(system, entries, tracks, fixed, slopes)
    ops, patterns = operations(system, records, tracks, graded, entries, begin)
    plain = not any(t.rule == "locf" and isinstance(t.first, Graded) for t in tracks)
    if plain:  # covariates of a data set stay where they are when a dose moves
        ops = [op._replace(time=float(op.time)) if op.kind == Kind.INPUT else op for op in ops]
    ops = with_switches(system, ops, fixed, slopes, float(begin))
    first = next((i for i, op in enumerate(ops) if op.kind != Kind.INPUT or op.time > begin), len(ops))
    opening = []
    if np.any(slope_of(begin)):  # a reset at the start takes away the flow of the time that was not run
        opening.append(Op(begin, Kind.RESET))
    opening += [Op(begin, Kind.SET, system.state_names.index(n), v) for n, v in (initial or {}).items()]
    opening += [Op(begin, Kind.ADD, state, Graded(0.0, slope)) for state, slope in starts]
    ops[first:first] = opening
    p = compiled.parameter_vector(dict(values))
    return GradedLine(*packed(begin, graded_ops(compiled, p, ops, patterns, slopes, columns), columns))
