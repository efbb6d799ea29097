"""What a run may be differentiated by: the words, and which records and switches they move.

======================================== ===========================================================
word                                     derivative by
======================================== ===========================================================
``CL``, ``denosumab.F``                  a parameter
``calcium_vitamin_d``                    the constant value of an input, wherever no switch sets it
``dose:denosumab.amount``                the amount of every dose of a drug (or route), all alike
``dose:denosumab[3].amount``             the amount of its third dose, counted from 1 in time
``dose:denosumab.time``, ``[3].time``    the time of every dose together, or of the third
``dose:zoledronate[1].duration``         how long a dose with a duration of its own is infused
``dose:iv[1].rate``                      the rate of a dose with a rate of its own (data sets)
``dose.time``, ``dose[2].amount``        the same of doses of any drug
``switch:NAME[1].start``, ``.stop``,     the time or value of a switch (without a number, of all its
``.value``                               spans)
``initial:STATE``                        a state at the start of the run
======================================== ===========================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Faults, NotFoundError, near
from bonepk.model.system import System
from bonepk.simulate.covariates import Track
from bonepk.simulate.events import MODELLED_DURATION, Record
from bonepk.simulate.graded import Graded, slope_of

__all__ = ["Direction", "GradedTrack", "directions_of", "dosed", "switched"]

F8 = NDArray[np.float64]

_WORDS = {"dose": ("amount", "time", "duration", "rate"), "switch": ("start", "stop", "value"), "initial": ("",)}
_WORD = re.compile(r"(dose|switch|initial)(?::([^\[\]]+?))?(?:\[([0-9]+)\])?(?:\.([a-z]+))?")


@dataclass(frozen=True)
class Direction:
    """One thing to differentiate by.

    Attributes
    ----------
    text : str
        As it was asked for.
    kind : {"value", "dose", "switch", "initial"}
    name : str
        Parameter or input, drug or route (empty: any), switched input, state.
    number : int
        Which dose or switch, from 1; 0 for all.
    what : str
        What of a dose or switch.
    """

    text: str
    kind: str
    name: str
    number: int = 0
    what: str = ""


def directions_of(system: System, by: Sequence[str], doses: Sequence[str] | None = None) -> tuple[Direction, ...]:
    """Read what to differentiate by.

    Parameters
    ----------
    system : System
    by : sequence of str
        Words of the module's table.
    doses : sequence of str, optional
        Names that doses go by; by default the model's drugs and routes.

    Raises
    ------
    NotFoundError
        With every word that means nothing in this model.
    """
    faults = Faults()
    known = (*system.parameter_names, *system.input_names)
    given = [by] if isinstance(by, str) else list(by)
    if not given:
        faults.add("by", "is empty", "names of parameters, inputs, doses or switches")
    ways = doses if doses is not None else [x for r in system.routes for x in (r.drug, r.name, _bare(r.name)) if x]
    out: list[Direction] = []
    for text in given:
        place = f"by '{text}'"
        if any(d.text == text for d in out):
            faults.add(place, "is given twice", "each once")
        if text in known:
            out.append(Direction(text, "value", text))
            continue
        match = _WORD.fullmatch(text)
        if match is None:
            cure = near(text, known) or "or a dose such as 'dose:drug[1].amount'"
            faults.add(place, f"no parameter or input of '{system.name}'", "", cure)
            continue
        kind, name, number, what = match[1], match[2] or "", match[3], match[4] or ""
        if kind == "initial" and what:  # a qualified state: 'initial:drug.central'
            name, what = f"{name}.{what}", ""
        if what not in _WORDS[kind]:
            faults.add(place, f"'{what}' of a {kind}", f"one of {', '.join(_WORDS[kind])}", near(what, _WORDS[kind]))
        names = {"dose": ways, "switch": system.input_names, "initial": system.state_names}[kind]
        if name not in names and not (kind == "dose" and not name):
            faults.add(place, f"no {kind} '{name}' in '{system.name}'", "", near(name, names))
        if number is not None and (int(number) < 1 or kind == "initial"):
            faults.add(place, f"number {number}", "a number of doses or switches, from 1")
        out.append(Direction(text, kind, name, int(number or 0), what))
    faults.raise_as(NotFoundError)
    return tuple(out)


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def _moved(value: float, columns: int, column: int, by: float = 1.0) -> Graded:
    slope = np.zeros(columns)
    slope[column] = by
    return Graded(float(value), slope + slope_of(value))


def dosed(
    records: Sequence[Record],
    directions: Sequence[Direction],
    named: Callable[[Record, str], bool],
    size: Callable[[Record], float],
    faults: Faults | None = None,
) -> tuple[Record, ...]:
    """Let records' doses carry the derivatives asked for.

    Parameters
    ----------
    records : sequence of Record
    directions : sequence of Direction
        All of them; a direction's place is its column.
    named : callable
        Whether a dose record goes by a name.
    size : callable
        How much of a dose record's amount belongs to one unit of its dose.
    faults : Faults, optional
        Notes doses that are not there; without it they are passed over.
    """
    out = list(records)
    for column, d in enumerate(directions):
        if d.kind != "dose":
            continue
        places = [i for i, r in enumerate(records) if r.evid in (1, 4) and (not d.name or named(r, d.name))]
        if d.number > len(places) and faults is not None:
            faults.add(f"by '{d.text}'", f"there are {len(places)} such doses", f"a number up to {len(places)}")
        chosen = places if not d.number else places[d.number - 1 : d.number]
        for i in chosen:
            r, n = out[i], len(directions)
            if d.what == "amount":
                out[i] = r._replace(amount=_moved(r.amount, n, column, size(r)))
            elif d.what == "time":
                out[i] = r._replace(time=_moved(r.time, n, column))
            elif d.what == "duration" and r.rate == MODELLED_DURATION and not math.isnan(r.over):
                out[i] = r._replace(over=_moved(r.over, n, column))
            elif d.what == "rate" and r.rate > 0:
                out[i] = r._replace(rate=_moved(r.rate, n, column, size(r)))
            elif faults is not None:
                faults.add(
                    f"by '{d.text}'", f"the dose at {r.time:.6g} says no {d.what}", "", "choose others by number"
                )
    return tuple(out)


@dataclass(frozen=True, eq=False)
class GradedTrack(Track):
    """Switches of one input whose values carry derivatives.

    Attributes
    ----------
    graded : tuple of float
        The values, before the first record and from each record on.
    """

    graded: tuple[float, ...] = ()

    @property
    def first(self) -> float:
        """Value at the start of the run."""
        return self.graded[0]

    def at_record(self, record: int) -> float:
        """Return the value at a record (given by its place in the run)."""
        return self.graded[int(np.searchsorted(self.records, record, side="right"))]

    def at(self, time: float, span: tuple[int, int]) -> float:
        """Return the value at a time between records."""
        del span  # a plan has one stretch of time
        return self.graded[int(np.searchsorted(self.times, time, side="right"))]

    def changes(self) -> tuple[dict[int, float], dict[int, tuple[float, float]]]:
        """Return what to set just before each record; also where only the derivatives change."""
        return dict(zip(self.records.tolist(), self.graded[1:], strict=True)), {}


def switched(
    system: System,
    records: Sequence[Record],
    tracks: Sequence[Track],
    spans: Mapping[str, Sequence[tuple[float, float, float]]],
    directions: Sequence[Direction],
    faults: Faults,
) -> tuple[tuple[Record, ...], tuple[Track, ...]]:
    """Let switch records and tracks carry the derivatives asked for.

    Parameters
    ----------
    system : System
    records : sequence of Record
    tracks : sequence of Track
        Of a plan: its switches, one track an input.
    spans : mapping of str to sequence of (float, float, float)
        Start, stop (model time) and value of each input's switches, in order.
    directions : sequence of Direction
        All of them; a direction's place is its column.
    faults : Faults
        Notes switches that are not there.
    """
    n = len(directions)
    moved = list(records)
    for d in directions:
        if d.kind == "switch" and d.number > len(spans.get(d.name, ())):
            faults.add(f"by '{d.text}'", f"the plan has {len(spans.get(d.name, ()))} such switches", "")
        elif d.kind == "switch" and not spans.get(d.name):
            faults.add(f"by '{d.text}'", "the plan has no such switch", "")
    out: list[Track] = []
    for track in tracks:
        name = system.input_names[track.index]
        mine = [(k, d) for k, d in enumerate(directions) if d.name == name and d.kind in ("value", "switch")]
        usual = Graded(track.first, np.zeros(n))
        for k, d in mine:
            if d.kind == "value":
                usual = usual + Graded(0.0, np.eye(n)[k])
        values: list[float] = [usual]
        places = iter(track.records.tolist())
        parts = spans[name]
        for j, (_, stop, value) in enumerate(parts):
            own = [(k, d) for k, d in mine if d.kind == "switch" and d.number in (0, j + 1)]
            following = parts[j + 1][0] if j + 1 < len(parts) else math.inf
            for moment in ("start", "stop") if stop < following else ("start",):
                place = next(places)
                for k, d in own:
                    if d.what == moment:
                        moved[place] = moved[place]._replace(time=_moved(moved[place].time, n, k))
                level: float = usual
                if moment == "start":
                    level = Graded(value, np.zeros(n))
                    for k, d in own:
                        if d.what == "value":
                            level = _moved(level, n, k)
                values.append(level)
            for _, d in own:
                if d.what == "stop" and not stop < following:
                    faults.add(f"by '{d.text}'", "that switch never goes back by itself", "", "choose its start")
        t = track
        out.append(GradedTrack(t.index, t.rule, t.records, t.times, t.values, t.before, tuple(values)))
    return tuple(moved), tuple(out)
