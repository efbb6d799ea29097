"""Events of an SBML file, as far as equations or doses can say exactly the same.

- An event whose trigger depends on time alone and which sets a parameter, a compartment or a
  species that nothing else moves becomes an equation: ``where(t >= T, new, old)``.
- One that adds a constant amount to a state becomes a dose, or, like any that sets a state to
  something linear in it, equations of states that do not jump (`sbml_jumps`).
- Two events that set a flag to one value where a condition holds and to another where it does not
  become ``where(condition, one, other)``, if the flag starts as the condition says.

Anything else has a memory that neither equations nor doses have, and is refused by name. An
event fires when its trigger turns from false to true; a trigger that is true from the start does
not fire, unless the file says it was false before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from bonepk.interop.sbml_ast import RefusedError
from bonepk.interop.sbml_document import Event
from bonepk.interop.sbml_jumps import Change, Firing, jump, linear_in
from bonepk.interop.sbml_system import CLOCK, Draft, Part
from bonepk.model.expr import ONE, ZERO, Expr, call, derivative, substitute, sym, symbols_of, where

__all__ = ["Dose", "carry_events"]


@dataclass(frozen=True)
class Dose:
    """An amount, in the unit of its state, that an event adds at a time; both made of constants."""

    event: str
    state: str
    time: Expr
    amount: Expr
    label: str = ""


MINUS = -ONE
_NEGATED = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt", "eq": "ne", "ne": "eq"}


def normal(condition: Expr, negate: bool = False) -> Expr:
    """Write a condition with ``>`` and ``>=`` only, and ``not`` carried inside."""
    op, args = condition.op, condition.args
    if op == "not":
        return normal(args[0], not negate)
    if op in {"and", "or"}:
        joined = op if not negate else {"and": "or", "or": "and"}[op]
        return call(joined, *(normal(a, negate) for a in args))
    if op in _NEGATED:
        op = _NEGATED[op] if negate else op
        if op in {"lt", "le"}:
            return call({"lt": "gt", "le": "ge"}[op], args[1], args[0])
        return call(op, *args)
    return call("not", condition) if negate else condition


def _closed(condition: Expr) -> Expr:
    """Write the condition with every ``>=`` as ``>``, to compare conditions whatever they say at equality."""
    if condition.op in {"and", "or"}:
        return call(condition.op, *(_closed(a) for a in condition.args))
    return call("gt", *condition.args) if condition.op == "ge" else condition


class _Carrier:
    def __init__(self, draft: Draft, flags: str, doses: bool) -> None:
        self.draft, self.flags, self.as_doses = draft, flags, doses
        self.events = draft.document.events
        self.doses: list[Dose] = []
        self.changes: dict[str, list[Change]] = {}
        self.conditions: dict[str, list[tuple[Event, Expr, Expr]]] = {}
        self.known = draft.numbers()
        self.definitions = self._definitions()

    def _definitions(self) -> dict[str, Expr]:
        known: dict[str, Expr] = {}
        for part in self.draft.quantities:
            known[part.name] = substitute([part.expr], known)[0]
        return known

    def flat(self, expr: Expr) -> Expr:
        return substitute([expr], self.definitions)[0]

    def timed(self, expr: Expr) -> bool:
        return symbols_of([self.flat(expr)]) <= {*self.draft.constants, CLOCK}

    def value(self, expr: Expr) -> float:
        return self.draft.number(expr)

    def refuse(self, event: Event, why: str, cure: str = "") -> None:
        place = f"{self.draft.document.file}: event '{event.id}'"
        leave = f"without_events=['{event.id}'] loads the model without it"
        self.draft.faults.add(place, f"{why} cannot be carried", "", f"{cure}; or {leave}" if cure else leave)

    def run(self) -> list[Dose]:
        for event in self.events:
            try:
                if self.timed(event.trigger):
                    self._timed(event)
                else:
                    self._conditional(event)
            except RefusedError as refused:
                self.refuse(event, str(refused))
            except ValueError as problem:
                self.refuse(event, f"a value that is not finite ({problem})")
        for name, changes in self.changes.items():
            changes.sort(key=lambda c: c.at)
            try:
                self._switch(name, changes) if name in self.draft.switched else self._state(name, changes)
            except RefusedError as refused:
                self.refuse(next(e for e in self.events if e.id == changes[-1].event), str(refused))
        for name, pair in self.conditions.items():
            self._flag(name, pair)
        for name, first in self.draft.switched.items():  # left by events that never fire
            if name not in {q.name for q in self.draft.quantities} and not len(self.draft.faults):
                self._define(name, sym(first))
        return self.doses

    def _define(self, name: str, expr: Expr) -> None:
        symbol = self.draft.document.symbols[name]
        self.draft.quantities.append(Part(name, expr, symbol.unit, symbol.name))

    # events in time

    def _timed(self, event: Event) -> None:
        firings = [f for f in self._firings(event) if f is not None]
        if not firings:
            self.draft.remarks.append(f"event '{event.id}' never fires and was left out")
            return
        for firing in firings:
            moment = firing
            if event.delay is not None and event.delay is not ZERO:
                moment = self._delayed(event, firing)
            asked = firing.time if event.at_trigger else moment.time
            for name, value in event.assignments:
                value = substitute([self.flat(value)], {CLOCK: asked})[0]
                remembered = event.at_trigger and moment is not firing
                if remembered and not symbols_of([value]) <= self.draft.constants:
                    raise RefusedError(f"setting '{name}' after a delay to what something was when the delay began")
                if name in self.draft.rates or name in self.draft.switched:
                    change = Change(self.value(moment.time), moment, value, event.id)
                    self.changes.setdefault(name, []).append(change)
                else:
                    raise RefusedError(f"setting '{name}', whose amount is the state,")

    def _delayed(self, event: Event, firing: Firing) -> Firing:
        assert event.delay is not None
        delay = self.flat(event.delay)
        if not symbols_of([delay]) <= self.draft.constants:
            raise RefusedError("a delay that is not constant")
        if self.value(delay) < 0:
            raise RefusedError("a negative delay")
        if not event.persistent and firing.until is not None:
            raise RefusedError("a delayed event that its trigger may cancel")
        return replace(firing, time=firing.time + delay)

    def _firings(self, event: Event) -> list[Firing | None]:
        trigger = normal(self.flat(event.trigger))
        branches = _split(trigger, "or")
        spans = [self._span(branch) for branch in branches]
        out: list[Firing | None] = []
        windows: list[tuple[float, float]] = []
        for span in spans:
            if span is None:
                continue
            begin, end = self.value(span.time), float("inf")
            if span.until is not None:
                end = self.value(span.until)
            if not self.value(span.allowed) or end < begin or (end == begin and span.strict):
                continue
            windows.append((begin, end))
            out.append(self._from_start(event, span, begin, end))
        windows.sort()
        if any(later[0] <= sooner[1] for sooner, later in pairwise(windows)):
            raise RefusedError("a trigger of overlapping spans of time")
        return out

    def _span(self, condition: Expr) -> Firing | None:
        """Find the one span of time in which a condition without ``or`` holds; None if it holds from ever on."""
        begins: list[tuple[Expr, bool]] = []
        ends: list[Expr] = []
        allowed = ONE
        for part in _split(condition, "and"):
            if CLOCK not in symbols_of([part]):
                allowed = part if allowed is ONE else call("and", allowed, part)
                continue
            if part.op not in {"gt", "ge", "eq"}:
                raise RefusedError("a trigger that is no comparison with time")
            gap = part.args[0] - part.args[1]
            (slope,) = derivative([gap], CLOCK)
            if CLOCK in symbols_of([slope]) or not self.value(slope):
                raise RefusedError("a trigger that is not linear in time")
            (offset,) = substitute([gap], {CLOCK: ZERO})
            at = -offset if slope is ONE else offset if slope is MINUS else -offset / slope
            if part.op == "eq":
                begins.append((at, False))
                ends.append(at)
            elif self.value(slope) > 0:
                begins.append((at, part.op == "gt"))
            else:
                ends.append(at)
        if not begins:
            return None
        begins.sort(key=lambda b: self.value(b[0]))
        time, strict = begins[-1]
        if len(begins) > 1 and any(b[0].op != "num" for b in begins):
            raise RefusedError("a trigger with several beginnings")
        until = min(ends, key=self.value) if ends else None
        if until is not None and until is not time and "num" not in (until.op, time.op):
            self.draft.remarks.append("an event's window was taken to be open, as it is at the values of the file")
        return Firing(time, strict, allowed, until)

    def _from_start(self, event: Event, span: Firing, begin: float, end: float) -> Firing | None:
        """Account for a trigger that is true at time 0."""
        true_at_start = (begin < 0 or (begin == 0 and not span.strict)) and end >= 0
        if true_at_start:
            return None if event.starts else replace(span, time=ZERO, strict=False)
        if begin < 0:
            return None
        if span.time.op == "num":
            return span
        late = call("ge" if span.strict else "gt", span.time, ZERO)
        return replace(span, allowed=late if span.allowed is ONE else call("and", span.allowed, late))

    def _state(self, name: str, changes: list[Change]) -> None:
        parts = [(change, *linear_in(self.draft, name, change.value)) for change in changes]
        plain = all(
            factor is ONE
            and self.value(amount) >= 0
            and (change.firing.allowed is ONE or change.firing.time.op != "num")
            for change, factor, amount in parts
        )
        if not (plain and self.as_doses):
            jump(self.draft, name, changes)
            return
        labels = {e.id: e.name for e in self.events}
        for change, _, amount in parts:
            self.doses.append(Dose(change.event, name, change.firing.time, amount, labels[change.event]))

    def _switch(self, name: str, changes: list[Change]) -> None:
        if name in self.conditions:
            raise RefusedError(f"setting '{name}' both in time and by a condition")
        expr = previous = sym(self.draft.switched[name])
        for i, change in enumerate(changes):
            if i and change.at == changes[i - 1].at and change.value is not changes[i - 1].value:
                raise RefusedError(f"setting '{name}' at the same time as event '{changes[i - 1].event}'")
            (value,) = substitute([change.value], {name: previous})
            if not symbols_of([value]) <= self.draft.constants:
                raise RefusedError(f"setting '{name}' to a value that depends on states or other switches")
            expr = where(change.firing.reached, value, expr)
            previous = value
        if len(changes) > 1 and any(c.firing.time.op != "num" for c in changes):
            self.draft.remarks.append(f"switches of '{name}' keep the order they have at the values of the file")
        self._define(name, expr)

    # flags

    def _conditional(self, event: Event) -> None:
        if event.delay is not None and event.delay is not ZERO:
            raise RefusedError("a state-triggered event with a delay")
        memory = symbols_of([self.flat(event.trigger)]) & set(self.draft.switched)
        if memory:
            raise RefusedError(f"a trigger that depends on what events set ({', '.join(sorted(memory))})")
        for name, value in event.assignments:
            if name in self.draft.rates:
                raise RefusedError(f"a state-triggered event that sets state '{name}'")
            if name not in self.draft.switched:
                raise RefusedError(f"a state-triggered event that sets '{name}'")
            flat = self.flat(value)
            if not symbols_of([flat]) <= self.draft.constants:
                raise RefusedError(f"a state-triggered event that sets '{name}' to a changing value")
            self.conditions.setdefault(name, []).append((event, normal(event.trigger), flat))

    def _flag(self, name: str, items: list[tuple[Event, Expr, Expr]]) -> None:
        if name in self.changes:
            return
        events = [item[0] for item in items]
        if len(items) != 2 or _closed(normal(items[0][1], negate=True)) is not _closed(items[1][1]):
            for event in events:
                self.refuse(event, f"a state-triggered event on '{name}' without one other for the opposite condition")
            return
        (one, holds, yes), (other, fails, no) = items
        start = self.draft.start
        (first,) = substitute([self.flat(holds)], start)
        (second,) = substitute([self.flat(fails)], start)
        on, off = bool(self.value(first)), bool(self.value(second))
        now = self.value(self.draft.start[name])
        high, low = self.value(yes), self.value(no)
        fired = (on and not one.starts) or (off and not other.starts)
        expr = where(holds, yes, no)
        agrees = now == (high if on else low)
        if not agrees and now == (low if off else high):  # exactly at the border, where the two forms differ
            expr, agrees = where(fails, no, yes), True
        if not agrees and not fired and self.flags != "condition":
            event, shown = (one, high) if on else (other, low)
            why = (
                f"'{name}', which starts at {now:g} while the trigger is true from the start: it stays {now:g} until "
                f"the trigger has once been false, and this memory"
            )
            self.refuse(event, why, f"flags='condition' reads '{name}' as {shown:g} wherever the trigger holds")
            return
        self._define(name, expr)
        if agrees:
            self.draft.remarks.append(f"flag '{name}' became a condition, exact while it starts as that condition says")
        if not agrees and not fired:
            self.draft.remarks.append(f"flag '{name}' was read as what its condition says, from the start on")


def _split(condition: Expr, op: str) -> list[Expr]:
    if condition.op != op:
        return [condition]
    return [part for arg in condition.args for part in _split(arg, op)]


def carry_events(draft: Draft, flags: str = "as written", doses: bool = True) -> list[Dose]:
    """Put the events of a file into its equations, or into doses.

    Parameters
    ----------
    draft : Draft
        Extended with one quantity for each symbol that events set; events that cannot be carried
        go to its faults.
    flags : {"as written", "condition"}
        Whether a flag that does not start as its condition says is refused, or read as if it did.
    doses : bool
        Return what events add to states as doses; else it goes into the equations too.

    Returns
    -------
    list of Dose
    """
    return _Carrier(draft, flags, doses).run()
