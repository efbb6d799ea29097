"""States that events set at given times, written as equations without events.

A state S that jumps is replaced by states that do not. Between jumps S is ``A*Z + B`` with
piecewise constant A and B: adding c makes it ``A*Z + (B + c)``, multiplying by f makes it
``f*A*Z + f*B``, and Z follows ``dS/dt / A``. Setting S to a value v that forgets what was there
begins a new state that starts at v and rests until then. S itself becomes a quantity with its
own name and meaning, so every other equation stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bonepk.interop.names import unused
from bonepk.interop.sbml_ast import RefusedError
from bonepk.interop.sbml_system import CLOCK, Draft, Part
from bonepk.model.expr import ONE, ZERO, Expr, call, derivative, substitute, sym, symbols_of, where

__all__ = ["Change", "Firing", "jump", "linear_in"]


@dataclass(frozen=True)
class Firing:
    """When an event fires: at `time` if `allowed`; `strict` where the trigger is false at that very moment."""

    time: Expr
    strict: bool = False
    allowed: Expr = ONE
    until: Expr | None = None

    @property
    def reached(self) -> Expr:
        """Condition that holds from the firing on."""
        late = call("gt" if self.strict else "ge", sym(CLOCK), self.time)
        return late if self.allowed is ONE else call("and", self.allowed, late)


@dataclass(frozen=True)
class Change:
    """One variable set by one firing; `at` is its time at the values of the file."""

    at: float
    firing: Firing
    value: Expr
    event: str


def linear_in(draft: Draft, name: str, value: Expr) -> tuple[Expr, Expr]:
    """Factor and summand of a value that is linear in `name`, both made of constants.

    Raises
    ------
    RefusedError
        If it is not.
    """
    (factor,) = derivative([value], name)
    if not symbols_of([factor]) <= draft.constants:
        raise RefusedError(f"setting state '{name}' to something that is not linear in it with constants")
    (summand,) = substitute([value], {name: ZERO})
    if not symbols_of([summand]) <= draft.constants:
        raise RefusedError(f"setting state '{name}' to a value that depends on other states or switches")
    if factor is not ZERO and not draft.number(factor):
        raise RefusedError(f"setting state '{name}' to a multiple of itself that is 0 at the values of the file")
    return factor, summand


def jump(draft: Draft, name: str, changes: Sequence[Change]) -> None:
    """Replace a state that events set by states that no event sets.

    Parameters
    ----------
    draft : Draft
        Changed in place.
    name : str
        The state.
    changes : sequence of Change
        By rising time.

    Raises
    ------
    RefusedError
        If two events set it to different things at one time, or a value is not linear in it.
    """
    steps = [(change, *linear_in(draft, name, change.value)) for change in changes]
    for (sooner, first, _), (later, second, _) in pairwise(steps):
        if sooner.at == later.at and not (first is ONE and second is ONE):
            raise RefusedError(f"setting '{name}' at the same time as event '{sooner.event}'")
    if len(changes) > 1 and any(c.firing.time.op != "num" for c in changes):
        draft.remarks.append(f"events on '{name}' keep the order they have at the values of the file")
    place = next(i for i, part in enumerate(draft.states) if part.name == name)
    whole, rate = draft.states.pop(place), draft.rates.pop(name)
    taken = {*draft.names, *draft.document.symbols, name}
    bases: list[tuple[Part, Expr, Expr, Expr]] = []  # state, its factor in time, from when it moves, until when

    def base(start: Expr, since: Expr) -> Expr:
        new = unused(f"{name}_before_events" if not bases else f"{name}_after_event", taken)
        taken.add(new)
        label = f"{whole.label or name}, without what events do to it"
        bases.append((Part(new, start, whole.unit, label), ONE, since, ZERO))
        return sym(new)

    state, factor, summand = base(whole.expr, ONE), ONE, ZERO
    value: Expr = state
    for change, f, c in steps:
        reached = change.firing.reached
        if f is ZERO:
            part, scale, since, _ = bases[-1]
            bases[-1] = (part, scale, since, reached)
            state, factor, summand = base(c, reached), ONE, ZERO
            value = where(reached, state, value)
            continue
        factor, summand = f * factor, f * summand + c
        value = where(reached, factor * state + summand, value)
        part, scale, since, until = bases[-1]
        bases[-1] = (part, where(reached, factor, scale), since, until)
    for part, scale, since, until in bases:
        moving = rate if scale is ONE else rate / scale
        if until is not ZERO:
            moving = where(until, ZERO, moving)
        if since is not ONE:
            moving = where(since, moving, ZERO)
        draft.states.append(part)
        draft.rates[part.name] = moving
    draft.quantities.append(Part(name, value, whole.unit, whole.label))
