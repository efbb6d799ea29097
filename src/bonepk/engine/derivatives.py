"""The further derivatives of a system that sensitivities need, as straight-line code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bonepk.engine.lower import Program, differentiate, lower_blocks, symbolic
from bonepk.model.expr import ZERO, Expr, gradient, sym
from bonepk.model.system import System

__all__ = ["Entries", "TangentProgram", "lower_tangent"]

Entries = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class TangentProgram:
    """A program and the derivatives that sensitivities need, on common hoisted values.

    Attributes
    ----------
    program : Program
    chosen : tuple of int
        Places in the parameter vector of what is differentiated by.
    by_p, out_y, out_p, start_p : tuple of (int, int)
        Places (row, column) of the non-zero entries of df/dp, of the outputs' derivatives and of the
        initial state's; columns count states or `chosen`.
    bend_y, both_p : tuple of (int, int)
        The same of d[J k + f_t tau]/dy and of df/dp + d[J k + f_t tau]/dp.
    blocks : dict of str to tuple of Expr
        The entries. Those of ``bend_y`` and ``both_p`` are in leaves ``q<j>`` (the stage k, and tau as the
        last), and ``g<i>``, the entries of block ``bend``, which hold for the whole step.
    """

    program: Program
    chosen: tuple[int, ...]
    by_p: Entries
    out_y: Entries
    out_p: Entries
    start_p: Entries
    bend_y: Entries
    both_p: Entries
    blocks: dict[str, tuple[Expr, ...]]


def lower_tangent(system: System, linear_inputs: Sequence[str], names: Sequence[str]) -> TangentProgram:
    """Lower a system together with its derivatives by `names` (parameters or inputs)."""
    raw = symbolic(system, linear_inputs)
    n = len(raw.rhs)
    vector = (*system.parameter_names, *system.input_names)
    chosen = tuple(vector.index(name) for name in names)
    y, p = [f"y{i}" for i in range(n)], [f"p{i}" for i in chosen]
    entries, dfdt = differentiate(raw.rhs)

    def sparse(exprs: Sequence[Expr], by: Sequence[str]) -> tuple[Entries, list[Expr]]:
        rows = gradient(exprs, by)
        found = [(i, j, row[name]) for i, row in enumerate(rows) for j, name in enumerate(by) if name in row]
        return tuple((i, j) for i, j, _ in found), [e for _, _, e in found]

    by_p, by_p_e = sparse(raw.rhs, p)
    out_y, out_y_e = sparse(raw.outputs, y)
    out_p, out_p_e = sparse(raw.outputs, p)
    start_p, start_p_e = sparse(raw.initial, p)
    bent = [d * sym(f"q{n}") for d in dfdt]
    for i, j, e in entries:
        bent[i] = bent[i] + e * sym(f"q{j}")
    bend_y, bend_y_e = sparse(bent, y)
    bend_p, bend_p_e = sparse(bent, p)
    jac = [e for _, _, e in entries]
    groups = [raw.rhs, jac, dfdt, raw.outputs, by_p_e, bend_y_e, bend_p_e, out_y_e, out_p_e]
    lowered, prepare = lower_blocks(groups)
    layout = raw.layout(
        len(prepare), tuple(i for i, _, _ in entries), tuple(j for _, j, _ in entries), all(d is ZERO for d in dfdt)
    )
    program = Program(layout, prepare, tuple(raw.initial), lowered[0], lowered[1], lowered[2], lowered[3])
    # within a step only the stage changes: what depends on the step's start alone is made once
    both: dict[tuple[int, int], Expr] = {place: sym(f"f{k}") for k, place in enumerate(by_p)}
    for place, e in zip(bend_p, lowered[6], strict=True):
        both[place] = both.get(place, ZERO) + e
    both_p = tuple(sorted(both))
    (bend_y_q, both_p_q), step = lower_blocks([lowered[5], [both[place] for place in both_p]], "qf", "g")
    blocks = {"by_p": lowered[4], "bend": step, "bend_y": bend_y_q, "both_p": both_p_q}
    blocks |= {"out_y": lowered[7], "out_p": lowered[8], "start_p": tuple(start_p_e)}
    return TangentProgram(program, chosen, by_p, out_y, out_p, start_p, bend_y, both_p, blocks)
