"""A plan meets a model: routes and units are looked up, doses become event records.

A stored time that coincides with a dose or a switch shows the state just *before* it, so that
day 0 is the baseline. Doses keep their order in the plan; switches come before doses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bonepk.errors import Faults, RegimenError, UnitsError, near
from bonepk.model.system import Route, System
from bonepk.model.units import convert, read_quantity
from bonepk.simulate.calendar import in_words, per_day
from bonepk.simulate.covariates import Track
from bonepk.simulate.entries import Entry, entries_of
from bonepk.simulate.events import MODELLED_DURATION, MODELLED_RATE, Record
from bonepk.simulate.plan import Course, Plan

__all__ = ["Regimen", "find_route", "regimen_of"]


@dataclass(frozen=True, eq=False)
class Regimen:
    """A plan in the terms of a model.

    Attributes
    ----------
    records : tuple of Record
        Doses, switches and stored times (model time), in order.
    entries : tuple of Entry
    tracks : tuple of Track
    first : float
        Model time of the first dose or switch; inf for an empty plan.
    table : tuple of dict
        One row a course: drug, route, amount and unit of one dose, first day, interval, doses,
        duration; what a result keeps.
    """

    records: tuple[Record, ...]
    entries: tuple[Entry, ...]
    tracks: tuple[Track, ...]
    first: float
    table: tuple[dict[str, object], ...]


def find_route(system: System, drug: str, route: str, place: str, faults: Faults) -> int | None:
    """Find the place of a drug's route among the system's routes, noting a fault if there is none.

    A closed model has no drugs; there the routes go by their own names.
    """
    of_drug = {r.drug: True for r in system.routes if r.drug}
    mine = [i for i, r in enumerate(system.routes) if r.drug == drug and drug]
    if not mine:
        mine = [i for i, r in enumerate(system.routes) if drug in (r.name, _bare(r))]
    if not mine:
        known = [*of_drug, *(_bare(r) for r in system.routes)]
        missing = f"'{system.name}' has no dosing route" if not system.routes else f"the model has {_listed(known)}"
        hint = near(drug, known) or "load the model with this drug"
        faults.add(place, f"drug '{drug}' is not in the model", missing, hint)
        return None
    if route:
        chosen = [i for i in mine if route in (system.routes[i].name, _bare(system.routes[i]))]
        if not chosen:
            names = [_bare(system.routes[i]) for i in mine]
            faults.add(place, f"'{drug}' has no route '{route}'", f"it has {_listed(names)}", near(route, names))
            return None
        return chosen[0]
    if len(mine) > 1:
        names = [_bare(system.routes[i]) for i in mine]
        faults.add(place, f"'{drug}' has {len(mine)} routes", "", f"say which: route={' or '.join(map(repr, names))}")
        return None
    return mine[0]


def _bare(route: Route) -> str:
    return route.name.rpartition(".")[2]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{n}'" for n in dict.fromkeys(names)) or "none"


def regimen_of(system: System, plan: Plan, times: Sequence[float], constants: Mapping[str, float]) -> Regimen:
    """Turn a plan and the times to store into event records.

    Parameters
    ----------
    system : System
    plan : Plan
    times : sequence of float
        Model times to store, rising; the i-th goes to row i.
    constants : mapping of str to float
        Inputs (and parameters) that differ from the model's values.

    Returns
    -------
    Regimen

    Raises
    ------
    RegimenError
        With every fault of the plan.
    """
    faults = Faults()
    units = per_day(system.time_unit)
    entries, _ = entries_of(system)
    events: list[tuple[float, int, Record, str, float]] = []  # time, order within it, record, input, value
    table: list[dict[str, object]] = []
    for k, course in enumerate(plan.courses):
        place = f"dose of '{course.drug}'" if course.doses == 1 else f"doses of '{course.drug}'"
        number = find_route(system, course.drug, course.route, place, faults)
        if number is None:
            continue
        route = system.routes[number]
        amount = _amount(course, route, place, faults)
        if amount is None:
            continue
        events += [(r.time, 2, r._replace(course=k), "", 0.0) for r in _doses(course, route, number, amount, units)]
        table.append(
            {
                "drug": course.drug,
                "route": _bare(route),
                "amount": amount,
                "unit": route.unit,
                "start_day": course.start,
                "interval_days": course.interval,
                "doses": course.doses,
                "over_days": course.length if course.spread else course.over,
                "spread": course.spread,
            }
        )
    for name, changes in _switches(system, plan, units, constants, faults).items():
        events += [(time, 1, Record(time, 2), name, value) for time, value in changes]
    faults.raise_as(RegimenError)
    first = min((e[0] for e in events), default=math.inf)
    events += [(time, 0, Record(time, row=row), "", 0.0) for row, time in enumerate(times)]
    events.sort(key=lambda e: e[:2])
    tracks = _tracks(system, constants, events)
    return Regimen(tuple(e[2] for e in events), tuple(entries), tracks, first, tuple(table))


def _amount(course: Course, route: Route, place: str, faults: Faults) -> float | None:
    """Amount of one dose in the route's unit."""
    if not isinstance(course.amount, str):
        return float(course.amount)
    text = course.amount.strip()
    try:
        value, unit = read_quantity(text)
        number = value if unit == "1" else convert(value, unit, route.unit, route.molar_mass)
    except UnitsError as error:
        for fault in error.faults:
            if "molar mass" in fault.found:
                found = f"{text} into '{route.into}' [{route.unit}] needs a molar mass"
                faults.add(place, found, "", "add molar_mass to the route")
            else:
                faults.add(place, f"amount '{text}': {fault.found}", fault.expected, fault.cure)
        return None
    if number < 0:
        faults.add(place, f"amount '{text}'", "an amount not below 0")
        return None
    return number


def _doses(course: Course, route: Route, number: int, amount: float, units: float) -> list[Record]:
    if course.spread:
        total = amount * course.length / course.interval
        length = course.length * units
        return [Record(course.start * units, 1, total, MODELLED_DURATION, entry=number, over=length)]
    rate, over = 0.0, math.nan
    if course.over:
        rate, over = MODELLED_DURATION, course.over * units
    elif route.duration is not None:
        rate = MODELLED_DURATION
    elif route.rate is not None:
        rate = MODELLED_RATE
    return [Record(day * units, 1, amount, rate, entry=number, over=over) for day in course.times.tolist()]


def _switches(
    system: System, plan: Plan, units: float, constants: Mapping[str, float], faults: Faults
) -> dict[str, list[tuple[float, float]]]:
    """Each switched input's changes, as (model time, value)."""
    spans: dict[str, list[tuple[float, float, float]]] = {}
    for s in plan.switches:
        if s.name not in system.input_names:
            expected = f"the model has {_listed(system.input_names)}"
            faults.add(f"switch '{s.name}'", "no such input", expected, near(s.name, system.input_names))
            continue
        spans.setdefault(s.name, []).append((s.start, s.stop, s.value))
    out: dict[str, list[tuple[float, float]]] = {}
    for name, parts in spans.items():
        parts.sort()
        usual = float(constants.get(name, system.values[name]))
        out[name] = []
        for k, (start, stop, value) in enumerate(parts):
            following = parts[k + 1][0] if k + 1 < len(parts) else math.inf
            if following < stop < math.inf:
                found = f"set to {value:g} until {in_words(stop)} and set again at {in_words(following)}"
                faults.add(f"switch '{name}'", found, "spans that do not overlap", "stop the first one earlier")
            out[name].append((start * units, value))
            if stop < following:
                out[name].append((stop * units, usual))
    return out


def _tracks(
    system: System, constants: Mapping[str, float], events: Sequence[tuple[float, int, Record, str, float]]
) -> tuple[Track, ...]:
    places: dict[str, list[int]] = {}
    for i, (_, _, _, name, _) in enumerate(events):
        if name:
            places.setdefault(name, []).append(i)
    return tuple(
        Track(
            system.input_names.index(name),
            "locf",
            np.array(at, dtype=np.int64),
            np.array([events[i][0] for i in at]),
            np.array([events[i][4] for i in at]),
            float(constants.get(name, system.values[name])),
        )
        for name, at in places.items()
    )
