"""Courses of doses and switches of inputs: the parts a plan is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonepk.simulate.calendar import in_words

__all__ = ["Course", "Switch", "doses_in", "name_of", "order_of", "shifted", "stopped"]


@dataclass(frozen=True)
class Course:
    """Equal doses of one drug by one route at equal intervals.

    Attributes
    ----------
    drug : str
    amount : str or float
        ``"60 mg"``, or a number in the unit of the route.
    start : float
        Day of the first dose.
    interval : float
        Days between doses; 0 for a single dose.
    doses : int
    route : str
        Empty if the drug has one route only.
    over : float
        Days each dose is infused over; 0 for an instantaneous dose.
    spread : bool
        Each dose is given evenly over its interval, the whole course as one constant infusion.
    length : float
        Days the course lasts: ``doses * interval``, less where it was stopped.
    cut : int
        Doses that were planned and then stopped; `Plan.restart` gives them.
    """

    drug: str
    amount: str | float
    start: float = 0.0
    interval: float = 0.0
    doses: int = 1
    route: str = ""
    over: float = 0.0
    spread: bool = False
    length: float = 0.0
    cut: int = 0

    @property
    def times(self) -> NDArray[np.float64]:
        """Days of the doses, shape (doses,)."""
        return self.start + self.interval * np.arange(self.doses, dtype=np.float64)

    @property
    def end(self) -> float:
        """Day on which the next dose would be due (for one dose: the end of its infusion)."""
        return self.start + max(self.length, self.over if self.doses == 1 else 0.0)

    def __str__(self) -> str:
        amount = self.amount if isinstance(self.amount, str) else f"{self.amount:g}"
        route = f" {self.route}" if self.route else ""
        over = f" over {in_words(self.over)}" if self.over else ""
        when = f"at {in_words(self.start)}"
        if self.spread:
            span = in_words(self.length)
            return f"{self.drug}{route} {amount} spread evenly over each {in_words(self.interval)}, {when} for {span}"
        if self.doses == 1:
            return f"{self.drug}{route} {amount}{over} {when}"
        first = in_words(self.start)
        return f"{self.drug}{route} {amount}{over} every {in_words(self.interval)}, {self.doses} doses from {first}"


@dataclass(frozen=True)
class Switch:
    """An input set to a value from `start` on, back to what it was at `stop` (in days)."""

    name: str
    value: float
    start: float = 0.0
    stop: float = math.inf

    @property
    def end(self) -> float:
        """Day on which the switch goes back; its start if it never does."""
        return self.stop if math.isfinite(self.stop) else self.start

    def __str__(self) -> str:
        until = f" to {in_words(self.stop)}" if math.isfinite(self.stop) else " on"
        return f"{self.name} = {self.value:g} from {in_words(self.start)}{until}"


def name_of(part: Course | Switch) -> str:
    """Return the drug or input a part is about."""
    return part.drug if isinstance(part, Course) else part.name


def order_of(part: Course | Switch) -> tuple[object, ...]:
    """Return what to sort parts by, so that equal plans have their parts in equal order."""
    if isinstance(part, Switch):
        return (part.start, 0, part.name, "", str(part.value), part.stop, 0, 0.0, False, 0.0, 0)
    c = part
    amount = str(c.amount)
    return (c.start, 1, c.drug, c.route, amount, c.interval, c.doses, c.over, c.spread, c.length, c.cut)


def shifted(part: Course | Switch, by: float) -> Course | Switch:
    """Move a part by days."""
    if isinstance(part, Switch):
        return replace(part, start=part.start + by, stop=part.stop + by)
    return replace(part, start=part.start + by)


def stopped(part: Course | Switch, day: float) -> Course | Switch | None:
    """Return what is left of a part that stops at a day; None if it had not begun."""
    if part.start >= day:
        return None
    if isinstance(part, Switch):
        return replace(part, stop=min(part.stop, day))
    if part.end <= day or not part.interval:
        return part
    kept = doses_in(day - part.start, part.interval)
    if kept >= part.doses and not part.spread:
        return part
    length = day - part.start if part.spread else kept * part.interval
    return replace(part, doses=min(kept, part.doses), length=length, cut=part.cut + max(part.doses - kept, 0))


def doses_in(span: float, interval: float) -> int:
    """Count doses at 0, interval, ... before `span`; one on its end, within rounding, is not given."""
    return max(math.ceil(span / interval - 1e-9), 0) if interval > 0 else 0
