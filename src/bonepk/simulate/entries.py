"""Ways for doses into a model's states, and what governs a dose at the moment it is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bonepk.model.expr import ONE, ZERO, Expr, evaluate, substitute, symbols_of
from bonepk.model.system import TIME, System
from bonepk.simulate.covariates import Track

__all__ = ["DoseValues", "Entry", "entries_of"]


@dataclass(frozen=True)
class Entry:
    """A way for doses into a state.

    Attributes
    ----------
    name : str
    state : int
    scale : float
        State units in one dose unit.
    bioavailability, lag : Expr
    duration, rate : Expr, optional
        Modelled duration (time) and modelled rate (state units per time).
    """

    name: str
    state: int
    scale: float
    bioavailability: Expr
    lag: Expr
    duration: Expr | None = None
    rate: Expr | None = None


def entries_of(system: System) -> tuple[list[Entry], list[Entry]]:
    """Routes of a system as entries, and its bare states as entries without lag or bioavailability."""
    place = {name: i for i, name in enumerate(system.state_names)}
    routes = [
        Entry(r.name, place[r.into], r.scale, r.bioavailability, r.lag, r.duration, r.rate) for r in system.routes
    ]
    return routes, [Entry(name, i, 1.0, ONE, ZERO) for name, i in place.items()]


class DoseValues:
    """Bioavailability, lag, duration and rate of an entry at a moment; worked out once where constant."""

    def __init__(self, system: System, entries: Sequence[Entry], tracks: Sequence[Track], fixed: Mapping[str, float]):
        self._entries = entries
        self._tracks = tracks
        self._names = system.input_names
        self._fixed = fixed
        moving = {system.input_names[t.index] for t in tracks} | {TIME}
        self._flat: dict[int, list[Expr | None]] = {}
        self._moves: dict[int, bool] = {}
        self._known: dict[int, tuple[float, float, float, float]] = {}
        for i, e in enumerate(entries):
            given = (e.bioavailability, e.lag, e.duration, e.rate)
            flat = [None if x is None else substitute([x], system.definitions)[0] for x in given]
            self._flat[i] = flat
            self._moves[i] = bool(symbols_of([x for x in flat if x is not None]) & moving)

    def at(self, entry: int, time: float, value: Callable[[Track], float]) -> tuple[float, float, float, float]:
        """Return bioavailability, lag, duration and rate (nan where the entry has none).

        `value` gives each track's value at that moment.
        """
        if entry not in self._known or self._moves[entry]:
            env = dict(self._fixed)
            env[TIME] = time
            for track in self._tracks:
                env[self._names[track.index]] = value(track)
            flat = self._flat[entry]
            numbers = iter(evaluate([x for x in flat if x is not None], env))
            f, lag, duration, rate = (math.nan if x is None else float(next(numbers)) for x in flat)
            self._known[entry] = (f, lag, duration, rate)
        return self._known[entry]
