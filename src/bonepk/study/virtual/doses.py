"""From an arm's plan to what each person really gets, and from there to a timeline.

A bisphosphonate infusion of less than a day is given at once: bone cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bonepk.engine import Compiled, Kind, Timeline
from bonepk.errors import Faults, RegimenError
from bonepk.model.expr import evaluate, substitute
from bonepk.model.system import TIME, System
from bonepk.simulate.calendar import MONTH
from bonepk.simulate.plan import Plan
from bonepk.simulate.regimen import find_route, regimen_of
from bonepk.study.people.people import People
from bonepk.study.virtual.conduct import Conduct

__all__ = ["Doses", "Schedule", "arriving", "schedule_of", "taken", "timeline_of"]

F8 = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """A course in the units of the model: `amount` a dose, at `days`; `spread` evenly, or dose by dose."""

    drug: str
    route: int
    state: int
    amount: float
    days: tuple[float, ...]
    interval: float
    end: float
    spread: bool


@dataclass(frozen=True)
class Schedule:
    """A plan in the terms of a model: courses of doses, and (day, input, value) of switches."""

    courses: tuple[Course, ...]
    switches: tuple[tuple[float, int, float], ...]


@dataclass
class Doses:
    """What one person gets; days and amounts in the units of the model's states."""

    bolus: list[tuple[float, int, float]] = field(default_factory=list)
    steady: list[tuple[float, float, int, float]] = field(default_factory=list)
    switches: tuple[tuple[float, int, float], ...] = ()
    given: dict[str, int] = field(default_factory=dict)


def schedule_of(system: System, plan: Plan) -> Schedule:
    """Look a plan up in a model.

    Raises
    ------
    RegimenError
        If the plan does not fit, or a route of it has a lag or a duration of its own.
    """
    regimen = regimen_of(system, plan, [], {})
    faults = Faults()
    states = {name: i for i, name in enumerate(system.state_names)}
    courses = []
    for row in regimen.table:
        drug = str(row["drug"])
        number = find_route(system, drug, str(row["route"]), f"dose of '{drug}'", faults)
        if number is None:
            continue
        route = system.routes[number]
        lag = evaluate(substitute([route.lag], system.definitions), {**system.values, TIME: 0.0})[0]
        if lag or route.duration is not None or route.rate is not None:
            faults.add(f"dose of '{drug}'", "a route with a lag, rate or duration of its own", "one without")
        doses, start, interval = int(str(row["doses"])), float(str(row["start_day"])), float(str(row["interval_days"]))
        spread = bool(row["spread"])
        length = float(str(row["over_days"]))
        if not spread and length > 1:
            faults.add(f"dose of '{drug}'", f"an infusion over {length:g} days", "at most one day")
        days = (start,) if spread else tuple((start + interval * np.arange(doses)).tolist())
        amount = float(str(row["amount"])) * route.scale
        end = start + (length if spread else max(interval * doses, 1.0))
        courses.append(Course(drug, number, states[route.into], amount, days, interval, end, spread))
    faults.raise_as(RegimenError)
    inputs = {name: i for i, name in enumerate(system.input_names)}
    switches: list[tuple[float, int, float]] = []
    for part in plan.switches:
        switches.append((part.start, inputs[part.name], part.value))
        if np.isfinite(part.stop):
            switches.append((part.stop, inputs[part.name], system.values[part.name]))
    return Schedule(tuple(courses), tuple(sorted(switches)))


def taken(
    system: System, compiled: Compiled, people: People, table: F8, schedules: Sequence[Schedule], conduct: Conduct
) -> list[Doses]:
    """Work out what people really take of what was planned for them.

    Parameters
    ----------
    system : System
    compiled : Compiled
    people : People
    table : ndarray, shape (people, n_vector)
        Their parameter vectors.
    schedules : sequence of Schedule
        One a person.
    conduct : Conduct

    Returns
    -------
    list of Doses
        One a person.
    """
    drugs = {c.drug for s in {id(s): s for s in schedules}.values() for c in s.courses}
    stop = {d: np.full(len(people), np.inf) for d in drugs}
    for rule in conduct.persistence:
        for drug in drugs & set(rule.drugs):
            months = rule.stopped.months(people.uniforms(f"persistence {drug}")[:, 0])
            stop[drug] = np.minimum(stop[drug], months * MONTH)
    habits = {drug: a for a in conduct.adherence for drug in drugs & set(a.drugs)}
    most = max((len(c.days) for s in schedules for c in s.courses), default=1)
    missed, delay, part = {}, {}, {}
    for drug, how in habits.items():
        draws = people.uniforms(f"adherence {drug}", 3 * most + 1)
        missed[drug] = draws[:, :most] < how.missed
        wait = -np.log(draws[:, most : 2 * most]) * how.late_days
        delay[drug] = np.where(draws[:, 2 * most : 3 * most] < how.late, wait, 0.0)
        part[drug] = _part(how.taken, how.taken_sd, draws[:, -1])
    share = arriving(system, compiled, table)
    made = []
    for i, schedule in enumerate(schedules):
        doses = Doses(switches=schedule.switches)
        for course in schedule.courses:
            drug = course.drug
            scale = course.amount * share[course.route][i] * (part[drug][i] if drug in habits else 1.0)
            first = course.days[0]
            ends = min(course.end, max(first, 0.0) + float(stop[drug][i]))
            if course.spread:
                if ends > first:
                    doses.steady.append((first, ends, course.state, scale / course.interval))
                continue
            late = 0.0
            for k, day in enumerate(course.days):
                if drug in habits and k:  # the first dose is given at the start of the trial
                    late += float(delay[drug][i, k])
                    if missed[drug][i, k]:
                        continue
                if day + late >= ends:
                    break
                doses.bolus.append((day + late, course.state, scale))
                doses.given[drug] = doses.given.get(drug, 0) + 1
        made.append(doses)
    return made


def _part(typical: float, sd: float, uniform: F8) -> F8:
    from scipy.special import expit, logit, ndtri

    if typical >= 1:
        return np.ones(len(uniform))
    return np.asarray(expit(logit(typical) + sd * ndtri(uniform)), dtype=np.float64)


def arriving(system: System, compiled: Compiled, table: F8) -> list[F8]:
    """Part of a dose that arrives by each route, shape (people,) each."""
    env: dict[str, object] = {name: table[:, j] for j, name in enumerate(compiled.layout.vector_names)}
    env = {**system.values, **env, TIME: 0.0}
    found = []
    for route in system.routes:
        value = evaluate(substitute([route.bioavailability], system.definitions), env)[0]
        found.append(np.broadcast_to(np.asarray(value, dtype=np.float64), (len(table),)))
    return found


def timeline_of(
    doses: Doses,
    start: float,
    records: Sequence[float],
    unit: float,
    state: Sequence[float] | None = None,
    constants: Mapping[int, float] | None = None,
) -> Timeline:
    """Timeline of one person.

    Parameters
    ----------
    doses : Doses
    start : float
        Day on which the run starts.
    records : sequence of float
        Days to store, rising; what happens on the same day comes after.
    unit : float
        Model time in a day.
    state : sequence of float, optional
        State to start from; what happened before `start` is then taken as done.
    constants : mapping of int to float, optional
        Values of inputs before they are switched.

    Returns
    -------
    Timeline
    """
    ops: list[tuple[float, int, int, int, float]] = []  # day, order within it, kind, index, value
    now: dict[int, float] = dict(constants or {})
    for day, index, value in doses.switches:
        if state is not None and day < start:
            now[index] = value
        else:
            ops.append((day, 1, Kind.INPUT, index, value))
    head = [(start, -3, int(Kind.INPUT), index, value) for index, value in now.items()]
    if state is not None:
        head += [(start, -2, int(Kind.SET), j, value) for j, value in enumerate(state)]
    for day, index, amount in doses.bolus:
        if state is None or day >= start:
            ops.append((day, 2, Kind.ADD, index, amount))
    changes: dict[int, set[float]] = {}
    for first, last, index, _ in doses.steady:
        changes.setdefault(index, set()).update(t for t in (max(first, start), last) if t >= start)
    for index, days in changes.items():
        for day in days:
            total = sum(r for a, b, j, r in doses.steady if j == index and a <= day < b)
            ops.append((day, 2, Kind.RATE, index, total / unit))
    ops += [(day, 0, Kind.RECORD, row, 0.0) for row, day in enumerate(records)]
    ops.sort(key=lambda op: (op[0], op[1]))
    last = records[-1]
    packed = np.array(head + [op for op in ops if op[0] <= last], dtype=np.float64).reshape(-1, 5)
    return Timeline(
        start=start * unit,
        time=packed[:, 0] * unit,
        kind=packed[:, 2].astype(np.int32),
        index=packed[:, 3].astype(np.int32),
        value=packed[:, 4],
        slope=np.zeros(len(packed)),
        rows=len(records),
    )
