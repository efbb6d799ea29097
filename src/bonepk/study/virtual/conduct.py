"""How a trial was run, as a value: visits, allocation, dropout, how drugs were taken, and what the rules let happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Faults, near
from bonepk.model.toml_lines import read_toml
from bonepk.simulate.calendar import MONTH
from bonepk.study.fields import Fields
from bonepk.study.people.population import find_population
from bonepk.study.people.reference import SITES
from bonepk.study.people.traits import TRAITS
from bonepk.study.trial_text import known_drugs

__all__ = ["Adherence", "Allocation", "Conduct", "Curve", "Persistence", "Rescue", "load_conduct", "read_conduct"]

F8 = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Share of people with an event by some months; the hazard is even between them, and 0 after the last."""

    points: tuple[tuple[float, float], ...] = ()

    def months(self, uniform: F8) -> F8:
        """Month of the event from a number between 0 and 1; inf for people without one. Any shape."""
        if not self.points:
            return np.full(np.shape(uniform), np.inf)
        at = np.array([0.0, *(m for m, _ in self.points)])
        hazard = np.array([0.0, *(-np.log1p(-s) for _, s in self.points)])
        hazard += 1e-12 * np.arange(len(at))  # rises everywhere, so that a flat stretch is passed over
        need = -np.log(uniform)
        return np.asarray(np.where(need > hazard[-1], np.inf, np.interp(need, hazard, at)))


@dataclass(frozen=True)
class Allocation:
    """Permuted blocks within strata; `ratio` by arm in the order of the trial file."""

    ratio: tuple[int, ...] = ()
    block: int = 4
    strata: tuple[str, ...] = ()


@dataclass(frozen=True)
class Persistence:
    """Who stops a drug for good, in months from day 0 (or from its first dose, if that is later)."""

    drugs: tuple[str, ...]
    stopped: Curve


@dataclass(frozen=True)
class Adherence:
    """How well a drug is taken by those who have not stopped.

    Attributes
    ----------
    drugs : tuple of str
    missed : float
        Part of single doses that are never given; the next comes when it would have come.
    late : float
        Part of single doses given late; all that follow move with them.
    late_days : float
        Mean lateness of those, exponential.
    taken, taken_sd : float
        Part of a daily or weekly course that reaches the body: its typical value and, on the logit scale, its spread
        between people.
    """

    drugs: tuple[str, ...]
    missed: float = 0.0
    late: float = 0.0
    late_days: float = 0.0
    taken: float = 1.0
    taken_sd: float = 0.0


@dataclass(frozen=True)
class Rescue:
    """A drug that starts at a visit once a rule is met.

    The rule is met where the measured T-score of one of the sites is below a threshold, or after an event that outcomes
    report. An arm with a rescue does not use the strata of the trial file that stood for it.
    """

    arms: tuple[str, ...]
    drug: str
    dose: str
    interval: float
    until: float
    sites: tuple[str, ...] = ()
    t_below: float = -np.inf
    events: tuple[str, ...] = ()
    accepts: float = 1.0


@dataclass(frozen=True)
class Conduct:
    """How a trial is run.

    Attributes
    ----------
    name, population : str
        Name of the file, which describes both.
    trial : str
        Name of the published trial, which holds arms and results.
    people : int
        How many were randomised.
    months : float
        Length.
    visits : tuple of float
        Months at which bone density is measured, after baseline.
    """

    name: str
    trial: str
    people: int
    months: float
    visits: tuple[float, ...]
    allocation: Allocation = Allocation()
    dropout: Curve = Curve()
    persistence: tuple[Persistence, ...] = ()
    adherence: tuple[Adherence, ...] = ()
    rescue: tuple[Rescue, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def load_conduct(name: str | Path) -> Conduct:
    """Read how a trial is run, from the population file of that name.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If it has no ``[conduct]``, or is faulty.
    """
    return read_conduct(find_population(name))


def read_conduct(source: str | Path, *, file: str | None = None) -> Conduct:
    """Read the ``[conduct]`` of a population file, or of text if `file` names it.

    Raises
    ------
    DataError
        With every fault, each with file and line.
    """
    data, lines = read_toml(source, file=file, error=DataError)
    faults = Faults()
    name = Path(file or source).stem
    top = Fields(data, (), lines, faults)
    table = top.table("conduct", required=True)
    trial = table.text("trial") or name
    people = table.whole("people", required=True)
    months = table.number("months", required=True, low=1, high=480) or 1.0
    visits = _visits(table, months)
    allocation = _allocation(table.table("allocation")) if "allocation" in table.data else Allocation()
    notes: dict[str, str] = {}
    dropout = Curve()
    if "dropout" in table.data:
        one = table.table("dropout")
        dropout, notes["dropout"] = _curve(one, "shares"), _note(one)
        one.close()
    persistence = []
    for one in table.tables("persistence"):
        drugs = _names(one, "drugs", known_drugs(), "drug")
        persistence.append(Persistence(drugs, _curve(one, "stopped")))
        notes[f"persistence of {', '.join(drugs)}"] = _note(one)
        one.close()
    adherence = []
    for one in table.tables("adherence"):
        adherence.append(_adherence(one))
        notes[f"adherence to {', '.join(adherence[-1].drugs)}"] = _note(one)
        one.close()
    rescue = []
    for one in table.tables("rescue"):
        rescue.append(_rescue(one, months))
        notes[f"rescue with {rescue[-1].drug}"] = _note(one)
        one.close()
    table.close()
    faults.raise_as(DataError)
    return Conduct(
        name,
        trial,
        people or 1,
        months,
        visits,
        allocation,
        dropout,
        tuple(persistence),
        tuple(adherence),
        tuple(rescue),
        notes,
    )


def _note(one: Fields) -> str:
    source, note = one.text("source", required=True), one.text("note")
    if source == "assumed" and not note:
        one.faults.add(one.place(), "assumed without a 'note'", cure="say what it rests on")
    return f"{source}: {note}" if note else source


def _names(one: Fields, key: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    found = one.texts(key)
    for name in found:
        if name not in known:
            one.faults.add(
                one.place(key), f"unknown {what} '{name}'", near(name, known) or f"one of {', '.join(known)}"
            )
    if not found:
        one.faults.add(one.place(), f"no '{key}'", cure=f'add {key} = ["..."]')
    return found


def _pairs(one: Fields, key: str) -> list[tuple[float, float]]:
    value = one.raw(key)
    good = (
        isinstance(value, list)
        and value
        and all(isinstance(p, list) and len(p) == 2 and all(isinstance(x, (int, float)) for x in p) for p in value)
    )
    if not good:
        one.faults.add(one.place(key), f"found {value}", "pairs such as [[12, 0.05], [60, 0.2]]: month, share by then")
        return []
    return [(float(m), float(s)) for m, s in value or []]


def _curve(one: Fields, key: str) -> Curve:
    points = _pairs(one, key)
    months, shares = [m for m, _ in points], [s for _, s in points]
    rising = all(a < b for a, b in zip([0.0, *months], months, strict=False))
    if points and not (rising and all(a <= b for a, b in zip([0.0, *shares], [*shares, 0.999], strict=True))):
        one.faults.add(
            one.place(key), f"found {points}", "months above 0 that rise, and shares that do not fall, below 1"
        )
        return Curve()
    return Curve(tuple(points))


def _visits(table: Fields, months: float) -> tuple[float, ...]:
    value = table.raw("visits")
    good = isinstance(value, list) and value and all(isinstance(v, (int, float)) and 0 < v <= months for v in value)
    if not good or sorted(set(value or [])) != value:
        table.faults.add(table.place("visits"), f"found {value}", f"rising months above 0, up to {months:g}")
        return ()
    return tuple(float(v) for v in value or [])


def _allocation(one: Fields) -> Allocation:
    ratio = one.raw("ratio") or []
    if not (isinstance(ratio, list) and all(isinstance(r, int) and r > 0 for r in ratio)):
        one.faults.add(one.place("ratio"), f"found {ratio}", "whole numbers, one an arm")
        ratio = []
    block = one.whole("block") or max(4, 2 * sum(ratio))
    if ratio and block % sum(ratio):
        one.faults.add(one.place("block"), f"blocks of {block}", f"a multiple of {sum(ratio)}")
    strata = one.texts("strata")
    for name in strata:
        if name not in TRAITS:
            one.faults.add(one.place("strata"), f"unknown trait '{name}'", near(name, TRAITS))
    one.close()
    return Allocation(tuple(ratio), block, strata)


def _adherence(one: Fields) -> Adherence:
    def number(key: str, usual: float, high: float) -> float:
        value = one.number(key, low=0, high=high)
        return usual if value is None else value

    return Adherence(
        drugs=_names(one, "drugs", known_drugs(), "drug"),
        missed=number("missed", 0, 1),
        late=number("late", 0, 1),
        late_days=number("late_days", 0, 400),
        taken=number("taken", 1, 1),
        taken_sd=number("taken_sd", 0, 3),
    )


def _rescue(one: Fields, months: float) -> Rescue:
    arms = one.texts("arms")
    if not arms:
        one.faults.add(one.place(), "no 'arms'", cure='add arms = ["..."]')
    sites = _names(one, "sites", SITES, "site") if "sites" in one.data else ()
    threshold = one.number("t_below", low=-6, high=4)
    events = one.texts("events")
    if (threshold is None) != (not sites) or not (sites or events):
        one.faults.add(one.place(), "no rule", cure="give 'sites' with 't_below', or 'events', or all three")
    drug = one.choice("give", known_drugs(), "drug", required=True)
    dose = one.text("dose", required=True)
    interval = one.duration("every", required=True)
    until = one.duration("until")
    accepts = one.number("accepts", low=0, high=1)
    return Rescue(
        arms,
        drug,
        dose,
        interval or 1.0,
        months * MONTH if until is None else until,
        sites,
        -np.inf if threshold is None else threshold,
        events,
        1.0 if accepts is None else accepts,
    )
