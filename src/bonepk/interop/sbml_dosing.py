"""A plan as SBML events: doses, infusions and switched inputs.

A course of many doses is one event with a counter, not one event a dose: it fires when the time of
the next dose is reached, and putting the counter up makes its trigger false again. An infusion is
a number of running infusions, raised and lowered by two such events, times a rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bonepk.errors import Fault, RegimenError
from bonepk.model.expr import ONE, ZERO, Expr, call, evaluate, num, substitute, sym, symbols_of
from bonepk.model.system import TIME, Route, System
from bonepk.simulate.calendar import per_day
from bonepk.simulate.plan import Course, Plan
from bonepk.simulate.regimen import regimen_of

__all__ = ["Dosing", "PlannedEvent", "dosing_of"]


@dataclass(frozen=True)
class PlannedEvent:
    """One event: when `trigger` turns true, each name takes its value. Higher `rank` goes first."""

    name: str
    trigger: Expr
    assignments: tuple[tuple[str, Expr], ...]
    rank: int = 0


@dataclass
class Dosing:
    """A plan in terms of a system.

    Attributes
    ----------
    start : Expr
        Model time at which the run begins.
    counters : list of str
        Extra variables, all 0 at the start.
    amounts : list of (str, float, str)
        Extra constants with their units: what one dose brings, how long it is infused.
    infused : dict of str to Expr
        Rate that running infusions add to a state.
    events : list of PlannedEvent
    """

    start: Expr = ZERO
    counters: list[str] = field(default_factory=list)
    amounts: list[tuple[str, float, str]] = field(default_factory=list)
    infused: dict[str, Expr] = field(default_factory=dict)
    events: list[PlannedEvent] = field(default_factory=list)


def dosing_of(system: System, plan: Plan | None) -> Dosing:
    """Work out the events of a plan.

    Raises
    ------
    RegimenError
        If the plan does not fit the system, or a lag or bioavailability depends on an input that
        the plan switches.
    """
    out = Dosing(_start(system))
    if not plan:
        return out
    regimen = regimen_of(system, plan, [], {})
    unit = per_day(system.time_unit)
    switched = {s.name for s in plan.switches}
    for number, (course, row) in enumerate(zip(plan.courses, regimen.table, strict=True), start=1):
        _course(system, out, number, course, _route(system, row), float(str(row["amount"])), unit, switched)
    _switches(system, out, plan, unit)
    if math.isfinite(regimen.first) and regimen.first < float(evaluate([out.start], {**system.values})[0]):
        out.start = num(regimen.first)
    return out


def _start(system: System) -> Expr:
    if system.history_start is None:
        return ZERO
    return substitute([system.history_start], system.definitions)[0]


def _route(system: System, row: Mapping[str, object]) -> Route:
    """Find the route that a line of the plan's table means; a closed model's routes may have no drug."""
    named = [r for r in system.routes if _bare(r) == row["route"]]
    return next((r for r in named if r.drug == row["drug"]), named[0])


def _bare(route: Route) -> str:
    return route.name.rpartition(".")[2]


def _course(
    system: System,
    out: Dosing,
    number: int,
    course: Course,
    route: Route,
    amount: float,
    unit: float,
    switched: set[str],
) -> None:
    timing = [x for x in (route.bioavailability, route.lag, route.duration, route.rate) if x is not None]
    moving = symbols_of(substitute(timing, system.definitions)) & {*switched, TIME}
    if moving:
        found = f"lag, bioavailability or duration depends on {', '.join(map(repr, sorted(moving)))}, which changes"
        raise RegimenError(Fault(f"doses of '{course.drug}' as SBML", found, "constants"))
    first = num(course.start * unit) + route.lag
    times, interval = course.doses, course.interval * unit
    lasts, share = course.over * unit, 1.0
    if course.spread:
        lasts, share = course.length * unit, course.length / course.interval
        times, interval = 1, 0.0
    state_unit = next(s.unit for s in system.states if s.name == route.into)
    given = _constant(out, f"amount {number}", amount * share * route.scale, state_unit) * route.bioavailability
    over = _constant(out, f"duration {number}", lasts, system.time_unit) if lasts else None
    if over is None and route.duration is not None:
        over = route.duration
    elif over is None and route.rate is not None:
        over = given / route.rate
    into = sym(route.into)
    if over is None:
        _repeat(out, f"dose {number}", first, interval, times, ((route.into, into + given),))
        return
    running = f"running {number}"
    out.counters.append(running)
    out.infused[route.into] = out.infused.get(route.into, ZERO) + sym(running) * (given / over)
    _repeat(out, f"begin {number}", first, interval, times, ((running, sym(running) + ONE),))
    _repeat(out, f"end {number}", first + over, interval, times, ((running, sym(running) - ONE),))


def _constant(out: Dosing, name: str, value: float, unit: str) -> Expr:
    out.amounts.append((name, value, unit))
    return sym(name)


def _repeat(
    out: Dosing, name: str, first: Expr, interval: float, times: int, assignments: tuple[tuple[str, Expr], ...]
) -> None:
    if times == 1:
        out.events.append(PlannedEvent(name, call("ge", sym(TIME), first), assignments))
        return
    counter = f"{name} count"
    out.counters.append(counter)
    due = call("ge", sym(TIME), first + num(interval) * sym(counter))
    trigger = call("and", due, call("lt", sym(counter), num(times)))
    out.events.append(PlannedEvent(name, trigger, (*assignments, (counter, sym(counter) + ONE))))


def _switches(system: System, out: Dosing, plan: Plan, unit: float) -> None:
    by_name: dict[str, list[tuple[float, float, float]]] = {}
    for s in plan.switches:
        by_name.setdefault(s.name, []).append((s.start, s.stop, s.value))
    number = 0
    for name, spans in by_name.items():
        spans.sort()
        for k, (start, stop, value) in enumerate(spans):
            number += 1
            following = spans[k + 1][0] if k + 1 < len(spans) else math.inf
            changes = [(f"switch {number}", start, value)]
            if stop < following:
                changes.append((f"switch {number} back", stop, system.values[name]))
            for label, day, new in changes:
                trigger = call("ge", sym(TIME), num(day * unit))
                out.events.append(PlannedEvent(label, trigger, ((name, num(new)),), rank=1))
