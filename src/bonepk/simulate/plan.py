"""Plans: who gets what when, as values that add, follow one another, stop and shift.

A `Plan` is a set of courses of doses and switches of inputs, in days from the start of the
study (day 0). It knows no model: names of drugs and routes and units of doses are checked when
the plan meets one (`bonepk.simulate.regimen`).

    every("denosumab", "60 mg", months=6, doses=6) + daily("letrozole", "2.5 mg", years=5)
    every("denosumab", "60 mg", months=6, doses=4).then(infusion("zoledronate", "5 mg", over="15 minutes"))
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bonepk.errors import Faults, RegimenError
from bonepk.simulate.calendar import MONTH, WEEK, YEAR, days_of, in_words
from bonepk.simulate.course import Course, Switch, doses_in, name_of, order_of, shifted, stopped

__all__ = ["Course", "Plan", "Switch", "daily", "dose", "every", "infusion", "switch", "weekly"]

Span = str | float
"""Days as a number, or text with a unit: ``"6 months"``."""


@dataclass(frozen=True)
class Plan:
    """Courses and switches; equal whatever order they were added in.

    Attributes
    ----------
    parts : tuple of Course or Switch
    """

    parts: tuple[Course | Switch, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(sorted(self.parts, key=order_of)))

    def __add__(self, other: Plan) -> Plan:
        """Both plans side by side, each at its own days."""
        return Plan(self.parts + other.parts) if isinstance(other, Plan) else NotImplemented

    def __radd__(self, other: object) -> Plan:
        """Let `sum` start from 0."""
        return self if other == 0 else NotImplemented

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __repr__(self) -> str:
        return "Plan(" + "; ".join(str(p) for p in self.parts) + ")"

    @property
    def courses(self) -> tuple[Course, ...]:
        """The courses of doses."""
        return tuple(p for p in self.parts if isinstance(p, Course))

    @property
    def switches(self) -> tuple[Switch, ...]:
        """The switches of inputs."""
        return tuple(p for p in self.parts if isinstance(p, Switch))

    @property
    def drugs(self) -> tuple[str, ...]:
        """Names of the drugs, in alphabetical order."""
        return tuple(sorted({c.drug for c in self.courses}))

    @property
    def start(self) -> float:
        """Day of the first dose or switch; 0 for an empty plan."""
        return min((p.start for p in self.parts), default=0.0)

    @property
    def end(self) -> float:
        """Day on which the last course ends (its last dose plus its interval); 0 for an empty plan."""
        return max((p.end for p in self.parts), default=0.0)

    def of(self, *names: str) -> Plan:
        """Return the parts for these drugs or inputs only."""
        return Plan(tuple(p for p in self.parts if name_of(p) in names))

    def shift(self, *, years: float = 0, months: float = 0, weeks: float = 0, days: float = 0) -> Plan:
        """Move everything by a span (negative: earlier)."""
        by = years * YEAR + months * MONTH + weeks * WEEK + days
        return Plan(tuple(shifted(p, by) for p in self.parts))

    def then(self, other: Plan, gap: Span = 0.0) -> Plan:
        """Let another plan follow: its day 0 is the end of this one plus a gap."""
        return self + other.shift(days=self.end + days_of(gap, "gap"))

    def stop(self, at: Span, *names: str) -> Plan:
        """Give nothing at or after a day; switches go back. With names, only these drugs or inputs.

        An infusion that has begun is finished; a spread course ends at the day itself.
        """
        day = days_of(at, "stop")
        kept = (stopped(p, day) if not names or name_of(p) in names else p for p in self.parts)
        return Plan(tuple(p for p in kept if p is not None))

    def restart(self, at: Span, *names: str, doses: int | None = None, until: Span | None = None) -> Plan:
        """Take up stopped courses again from a day: the doses that were cut, or as many as said.

        Raises
        ------
        RegimenError
            If nothing ended before that day, or nothing was cut and no length is given.
        """
        day = days_of(at, "restart")
        last: dict[tuple[str, str], Course] = {}
        for c in self.courses:
            if c.end <= day + 1e-9 or c.cut:
                last[c.drug, c.route] = c
        chosen = [c for c in last.values() if not names or c.drug in names]
        again: list[Course] = []
        for c in chosen:
            count = doses if doses is not None else c.cut
            if until is not None:
                count = doses_in(days_of(until, "until") - day, c.interval)
            if count:
                again.append(replace(c, start=day, doses=count, length=count * c.interval, cut=0))
        if not again:
            raise RegimenError(
                f"restart at {in_words(day)}: no stopped course to take up; stop one first, or give doses= or until="
            )
        done = {id(c) for c in chosen}
        before = tuple(replace(p, cut=0) if isinstance(p, Course) and id(p) in done else p for p in self.parts)
        return Plan(before + tuple(again))


def dose(drug: str, amount: str | float, at: Span = 0.0, *, route: str = "", over: Span = 0.0) -> Plan:
    """One dose.

    Parameters
    ----------
    drug : str
    amount : str or float
        ``"60 mg"``, or a number in the unit of the route.
    at : str or float
        Day, or text such as ``"6 months"``.
    route : str
        Needed only where a drug has several.
    over : str or float
        Time the dose is infused over.

    Returns
    -------
    Plan

    Raises
    ------
    RegimenError
        If an amount is negative or a span makes no sense.
    """
    return _course(drug, amount, at, 0.0, 1, route, over, False)


def infusion(drug: str, amount: str | float, over: Span, at: Span = 0.0, *, route: str = "") -> Plan:
    """One dose infused over a time; see `dose`."""
    return _course(drug, amount, at, 0.0, 1, route, over, False)


def every(
    drug: str,
    amount: str | float,
    *,
    months: float = 0,
    weeks: float = 0,
    days: float = 0,
    doses: int | None = None,
    years: float | None = None,
    until: Span | None = None,
    start: Span = 0.0,
    route: str = "",
    over: Span = 0.0,
    spread: bool = False,
) -> Plan:
    """Equal doses at equal intervals of `months`, `weeks` or `days`.

    Parameters
    ----------
    drug, amount, route, over
        As for `dose`.
    months, weeks, days : float
        The interval (their sum). A month is 30.4375 days.
    doses : int, optional
        How many doses; or
    years : float, optional
        for how long from `start`; or
    until : str or float, optional
        up to, and not including, which day.
    start : str or float
        Day of the first dose.
    spread : bool
        Give each dose evenly over its interval: for courses of years, where the hours after a
        tablet do not matter, this saves thousands of restarts of the solver.

    Returns
    -------
    Plan

    Raises
    ------
    RegimenError
        With everything that is wrong.
    """
    interval = months * MONTH + weeks * WEEK + days
    return _repeated(drug, amount, interval, doses, years, until, start, route, over, spread)


def daily(
    drug: str,
    amount: str | float,
    *,
    years: float | None = None,
    months: float | None = None,
    doses: int | None = None,
    until: Span | None = None,
    start: Span = 0.0,
    route: str = "",
    over: Span = 0.0,
    spread: bool = False,
) -> Plan:
    """Give a dose every day for `years`, `months`, a number of `doses`, or `until` a day; see `every`."""
    years = years if months is None else (years or 0.0) + months / 12
    return _repeated(drug, amount, 1.0, doses, years, until, start, route, over, spread)


def weekly(
    drug: str,
    amount: str | float,
    *,
    years: float | None = None,
    months: float | None = None,
    doses: int | None = None,
    until: Span | None = None,
    start: Span = 0.0,
    route: str = "",
    over: Span = 0.0,
    spread: bool = False,
) -> Plan:
    """Give a dose every 7 days for `years`, `months`, a number of `doses`, or `until` a day; see `every`."""
    years = years if months is None else (years or 0.0) + months / 12
    return _repeated(drug, amount, WEEK, doses, years, until, start, route, over, spread)


def switch(name: str, value: float = 1.0, *, start: Span = 0.0, stop: Span | None = None) -> Plan:
    """Set an input of the model from a day on, or for a while.

    Raises
    ------
    RegimenError
        If `stop` is not after `start`.
    """
    first = days_of(start, f"switch '{name}' start")
    last = math.inf if stop is None else days_of(stop, f"switch '{name}' stop")
    if last <= first:
        raise RegimenError(f"switch '{name}': stop at {in_words(last)} is not after start at {in_words(first)}")
    if not math.isfinite(value):
        raise RegimenError(f"switch '{name}': {value} is not a finite number")
    return Plan((Switch(name, float(value), first, last),))


def _repeated(
    drug: str,
    amount: str | float,
    interval: float,
    doses: int | None,
    years: float | None,
    until: Span | None,
    start: Span,
    route: str,
    over: Span,
    spread: bool,
) -> Plan:
    place = f"course of '{drug}'"
    faults = Faults()
    if not interval > 0:
        faults.add(place, f"interval of {interval:g} days", "an interval above 0", "give months=, weeks= or days=")
    said = [n for n, v in (("doses", doses), ("years", years), ("until", until)) if v is not None]
    if len(said) != 1:
        found = "no length" if not said else " and ".join(f"{n}=" for n in said) + " together"
        faults.add(place, found, "one of doses=, years= or until=")
    count = doses if doses is not None else 1
    if len(said) == 1 and interval > 0:
        if years is not None:
            count = doses_in(years * YEAR, interval)
        elif until is not None:
            count = doses_in(days_of(until, f"{place} until") - days_of(start, f"{place} start"), interval)
        if count < 1 or count != int(count):
            faults.add(place, f"{count} doses", "a whole number of at least 1", "check start and length")
    faults.raise_as(RegimenError)
    return _course(drug, amount, start, interval, int(count), route, over, spread)


def _course(
    drug: str, amount: str | float, at: Span, interval: float, doses: int, route: str, over: Span, spread: bool
) -> Plan:
    place = f"dose of '{drug}'"
    faults = Faults()
    start, lasts = 0.0, 0.0
    try:
        start = days_of(at, f"{place} start")
        lasts = days_of(over, f"{place} over")
    except RegimenError as error:
        faults.extend(error.faults)
    if not isinstance(amount, str) and not (math.isfinite(amount) and amount >= 0):
        faults.add(place, f"amount {amount}", "a number not below 0, or text such as '60 mg'")
    if isinstance(amount, str) and amount.strip().startswith("-"):
        faults.add(place, f"amount '{amount}'", "an amount not below 0")
    if lasts < 0:
        faults.add(place, f"infused over {in_words(lasts)}", "a time not below 0")
    if spread and lasts:
        faults.add(place, "spread=True together with over=", "one of them")
    faults.raise_as(RegimenError)
    course = Course(drug, amount, start, interval, doses, route, lasts, spread, doses * interval)
    return Plan((course,))
