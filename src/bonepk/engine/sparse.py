"""Sparse LU of a fixed pattern, worked out once and printed without loops.

Pivots stay on the diagonal, in Markowitz order (least fill first). For ``W = c I - J`` of a
Rosenbrock step this is what chemical kinetics codes have done for decades: a pivot can only vanish
where the step is far too long for the accuracy asked, and the step's error estimate (or a nan)
then rejects it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bonepk.engine.printer import Block
from bonepk.engine.special import constant, vector_type

__all__ = ["Factorisation", "factor_text", "plan_factorisation", "solve_text"]


@dataclass(frozen=True)
class Factorisation:
    """Elimination order and the pattern of the factors.

    Attributes
    ----------
    order : tuple of int
        Pivot of each step.
    slots : dict of (int, int) to int
        Place of each entry of the factors (original row and column numbers).
    lower, upper : tuple of tuple of int
        For each step: rows with an entry below the pivot, columns with one to its right.
    """

    n: int
    order: tuple[int, ...]
    slots: dict[tuple[int, int], int]
    lower: tuple[tuple[int, ...], ...]
    upper: tuple[tuple[int, ...], ...]


def plan_factorisation(n: int, rows: Sequence[int], cols: Sequence[int]) -> Factorisation:
    """Choose a Markowitz order on the diagonal for a pattern (the diagonal is added)."""
    row: list[set[int]] = [{i} for i in range(n)]
    col: list[set[int]] = [{i} for i in range(n)]
    for i, j in zip(rows, cols, strict=True):
        row[i].add(j)
        col[j].add(i)
    entries = {(i, j) for i in range(n) for j in row[i]}
    left = set(range(n))
    order, lower, upper = [], [], []
    while left:
        pivot = min(left, key=lambda k: ((len(row[k]) - 1) * (len(col[k]) - 1), k))
        below = tuple(sorted(col[pivot] - {pivot}))
        right = tuple(sorted(row[pivot] - {pivot}))
        for i in below:
            for j in right:
                entries.add((i, j))
                row[i].add(j)
                col[j].add(i)
        for i in below:
            row[i].discard(pivot)
        for j in right:
            col[j].discard(pivot)
        left.discard(pivot)
        order.append(pivot)
        lower.append(below)
        upper.append(right)
    slots = {place: k for k, place in enumerate(sorted(entries))}
    return Factorisation(n, tuple(order), slots, tuple(lower), tuple(upper))


def factor_text(plan: Factorisation, rows: Sequence[int], cols: Sequence[int], lanes: int) -> str:
    """LLVM text of ``@factor(jac, mask, lead, lu)``: LU of ``lead*I - mask*J``.

    ``jac`` holds the entries at `rows`, `cols`; ``mask`` is 0 for a state that is off (its row of J
    counts as zero) and 1 otherwise; ``lead`` is one number a lane; diagonal places of ``lu`` receive
    reciprocal pivots.
    """
    kind = vector_type(lanes)
    block = Block(lanes)
    zero, one = constant(0.0, lanes), constant(1.0, lanes)
    test = "i1" if lanes == 1 else f"<{lanes} x i1>"
    lead = block.new(f"load {kind}, ptr %lead")
    value: dict[tuple[int, int], str] = {}
    on: dict[int, str] = {}
    for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
        if i not in on:
            mask = block.new(f"load {kind}, ptr {block.new(f'getelementptr {kind}, ptr %mask, i64 {i}')}")
            on[i] = block.new(f"fcmp une {kind} {mask}, {zero}")
        entry = block.new(f"load {kind}, ptr {block.new(f'getelementptr {kind}, ptr %jac, i64 {k}')}")
        entry = block.new(f"select {test} {on[i]}, {kind} {entry}, {kind} {zero}")
        start = lead if i == j else zero
        value[i, j] = block.new(f"fsub {kind} {start}, {entry}")
    for i in range(plan.n):
        value.setdefault((i, i), lead)

    def keep(place: tuple[int, int], what: str) -> None:
        at = block.new(f"getelementptr {kind}, ptr %lu, i64 {plan.slots[place]}")
        block.lines.append(f"  store {kind} {what}, ptr {at}")

    for pivot, below, right in zip(plan.order, plan.lower, plan.upper, strict=True):
        inverse = block.new(f"fdiv {kind} {one}, {value[pivot, pivot]}")
        keep((pivot, pivot), inverse)
        for j in right:
            keep((pivot, j), value[pivot, j])
        for i in below:
            part = block.new(f"fmul {kind} {value[i, pivot]}, {inverse}")
            keep((i, pivot), part)
            for j in right:
                product = block.new(f"fmul contract {kind} {part}, {value[pivot, j]}")
                old = value.get((i, j))
                if old is None:
                    value[i, j] = block.new(f"fneg {kind} {product}")
                else:
                    value[i, j] = block.new(f"fsub contract {kind} {old}, {product}")
    head = "define internal void @factor(ptr noalias %jac, ptr noalias %mask, ptr noalias %lead, ptr noalias %lu)"
    return "\n".join([head + " nounwind {", *block.lines, "  ret void", "}"])


def solve_text(plan: Factorisation, lanes: int) -> str:
    """LLVM text of ``@solve(lu, b)``: b becomes the solution."""
    kind = vector_type(lanes)
    block = Block(lanes)

    def entry(i: int, j: int) -> str:
        at = block.new(f"getelementptr {kind}, ptr %lu, i64 {plan.slots[i, j]}")
        return block.new(f"load {kind}, ptr {at}")

    at = [block.new(f"getelementptr {kind}, ptr %b, i64 {i}") for i in range(plan.n)]
    x = [block.new(f"load {kind}, ptr {at[i]}") for i in range(plan.n)]
    for pivot, below in zip(plan.order, plan.lower, strict=True):
        for i in below:
            product = block.new(f"fmul contract {kind} {entry(i, pivot)}, {x[pivot]}")
            x[i] = block.new(f"fsub contract {kind} {x[i]}, {product}")
    for pivot, right in zip(reversed(plan.order), reversed(plan.upper), strict=True):
        for j in right:
            product = block.new(f"fmul contract {kind} {entry(pivot, j)}, {x[j]}")
            x[pivot] = block.new(f"fsub contract {kind} {x[pivot]}, {product}")
        x[pivot] = block.new(f"fmul {kind} {x[pivot]}, {entry(pivot, pivot)}")
    for i in range(plan.n):
        block.lines.append(f"  store {kind} {x[i]}, ptr {at[i]}")
    head = "define internal void @solve(ptr noalias %lu, ptr noalias %b) nounwind {"
    return "\n".join([head, *block.lines, "  ret void", "}"])
