"""What happens to one run, in order: flat arrays that every integrator executes alike.

A `Timeline` says when a run starts and lists operations. This text is the one place
where their meaning is written down; the SciPy driver and the native batch code both
follow it.

State of a run: time ``t``, states ``y``, inputs ``u`` (each a value with a slope), a total
infusion rate ``r`` per state, and an on/off flag per state. At the start ``t`` is `start`,
``u`` comes from the parameter vector, ``r`` is 0 and everything is on. Operations are carried
out strictly in array order. An operation at a later time first integrates

    dy/dt = f(t, y, u) + r    for states that are on,    dy/dt = 0    for states that are off

exactly up to its time. INPUT operations at `start` that come before any other operation are
applied *before* the initial state is evaluated, so initial values may depend on covariates.

======== ====== ========================== ======================================================
kind     code   index, value, slope        effect at its time
======== ====== ========================== ======================================================
ADD      0      state, amount              ``y[state] += amount``; nothing if the state is off
RATE     1      state, rate                ``r[state] = rate``: the new **total**, not a change, so
                                           that no rounding is left when the last infusion ends
INPUT    2      input, value, slope        from here on ``u[input] = value + slope*(t - time)``;
                                           a slope needs an input compiled as linear
RESET    3      -                          ``y`` = initial state at the present inputs, ``r = 0``,
                                           every state on
OFF      4      state                      ``y[state] = 0`` and the state is off; ``r`` is kept but
                                           has no effect while off
ON       5      state                      the state is on again (its amount stays as it is)
RECORD   6      row                        the present time and ``y`` go to this row of the result
STEADY   7      pattern, mode              ``y`` = the steady state of the pattern (mode 0) or
                                           ``y += `` that steady state (mode 1); see below
CLOCK    8      -                          ``t`` jumps to the operation's time without integration;
                                           the only operation whose time may go back
SET      9      state, amount              ``y[state] = amount``; nothing if the state is off
======== ====== ========================== ======================================================

Amounts and rates are in the state's own unit (bioavailability and unit conversion are inside).

Steady states. Pattern ``k`` has a period ``pattern_period[k]`` and entries
``pattern_first[k]:pattern_first[k+1]`` of the flat pattern arrays: ADD or RATE (a new total, as
above) at an offset in [0, period). Rates carry over from the end of a period to its start. The
steady state is the ``y`` at offset 0, *before* the entries there, that the period maps onto
itself, with inputs and time held at their values when the operation is met (slopes are taken as
0), present infusions left out, and states that are off held at 0. A period of 0 means a constant
infusion: ``y`` solves ``f(t, y, u) + r = 0`` with the pattern's RATE entries as ``r``. A steady
state depends on inputs and flags only, never on the present amounts, so it can be worked out
beforehand: `bonepk.engine.periodic.resolve` replaces every STEADY by SET or ADD operations, and
an integrator need not know STEADY at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "Op", "Pattern", "Timeline"]

F8 = NDArray[np.float64]
I4 = NDArray[np.int32]


class Kind(IntEnum):
    """Kinds of operation; the codes are part of the array layout."""

    ADD = 0
    RATE = 1
    INPUT = 2
    RESET = 3
    OFF = 4
    ON = 5
    RECORD = 6
    STEADY = 7
    CLOCK = 8
    SET = 9


class Op(NamedTuple):
    """One operation before it is packed into arrays."""

    time: float
    kind: int
    which: int = 0
    value: float = 0.0
    slope: float = 0.0


class Pattern(NamedTuple):
    """A repeating dose pattern; `entries` are (offset, ADD or RATE, state, value) by offset."""

    period: float
    entries: tuple[tuple[float, int, int, float], ...]


def _f8(values: Sequence[float] = ()) -> F8:
    return np.asarray(values, dtype=np.float64)


def _i4(values: Sequence[int] = ()) -> I4:
    return np.asarray(values, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class Timeline:
    """Start and operations of one run as flat arrays (layout and meaning: module text).

    Attributes
    ----------
    start : float
        Model time at which the initial state holds.
    time, value, slope : ndarray of float64, shape (m,)
    kind, index : ndarray of int32, shape (m,)
    rows : int
        Number of result rows; each is written by exactly one RECORD.
    pattern_period : ndarray of float64, shape (k,)
    pattern_first : ndarray of int32, shape (k + 1,)
    pattern_time, pattern_value : ndarray of float64, shape (e,)
    pattern_kind, pattern_index : ndarray of int32, shape (e,)

    Raises
    ------
    ValueError
        If arrays disagree in length, a number is not finite, time goes back other than at a
        CLOCK, or a result row is not written exactly once.
    """

    start: float
    time: F8 = field(default_factory=_f8)
    kind: I4 = field(default_factory=_i4)
    index: I4 = field(default_factory=_i4)
    value: F8 = field(default_factory=_f8)
    slope: F8 = field(default_factory=_f8)
    rows: int = 0
    pattern_period: F8 = field(default_factory=_f8)
    pattern_first: I4 = field(default_factory=lambda: _i4([0]))
    pattern_time: F8 = field(default_factory=_f8)
    pattern_kind: I4 = field(default_factory=_i4)
    pattern_index: I4 = field(default_factory=_i4)
    pattern_value: F8 = field(default_factory=_f8)

    def __post_init__(self) -> None:
        for name in ("time", "value", "slope", "pattern_period", "pattern_time", "pattern_value"):
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if array.ndim != 1 or not np.isfinite(array).all():
                raise ValueError(f"timeline '{name}' is not a vector of finite numbers")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name in ("kind", "index", "pattern_first", "pattern_kind", "pattern_index"):
            array_i = np.ascontiguousarray(getattr(self, name), dtype=np.int32)
            array_i.setflags(write=False)
            object.__setattr__(self, name, array_i)
        if not np.isfinite(self.start):
            raise ValueError(f"timeline starts at {self.start}; a finite time is needed")
        lengths = {len(getattr(self, n)) for n in ("time", "kind", "index", "value", "slope")}
        lengths_p = {len(getattr(self, n)) for n in ("pattern_time", "pattern_kind", "pattern_index", "pattern_value")}
        if len(lengths) > 1 or len(lengths_p) > 1 or len(self.pattern_first) != len(self.pattern_period) + 1:
            raise ValueError("timeline arrays disagree in length")
        before = np.concatenate(([self.start], self.time[:-1]))
        back = np.flatnonzero((self.time < before) & (self.kind != Kind.CLOCK))
        if len(back):
            i = int(back[0])
            raise ValueError(
                f"timeline operation {i} at {self.time[i]} comes after {before[i]}; only CLOCK may go back"
            )
        rows = np.sort(self.index[self.kind == Kind.RECORD])
        if not np.array_equal(rows, np.arange(self.rows)):
            raise ValueError(f"timeline needs one RECORD for each of its {self.rows} rows")

    @classmethod
    def build(cls, start: float, ops: Iterable[Op], patterns: Sequence[Pattern] = ()) -> Timeline:
        """Pack operations, in the order given, into arrays.

        Parameters
        ----------
        start : float
            Model time of the initial state.
        ops : iterable of Op
        patterns : sequence of Pattern
            What STEADY operations refer to by number.
        """
        packed = np.array([tuple(op) for op in ops], dtype=np.float64).reshape(-1, 5)
        kind = packed[:, 1].astype(np.int32)
        entries = [e for p in patterns for e in p.entries]
        return cls(
            start=float(start),
            time=packed[:, 0],
            kind=kind,
            index=packed[:, 2].astype(np.int32),
            value=packed[:, 3],
            slope=packed[:, 4],
            rows=int(np.count_nonzero(kind == Kind.RECORD)),
            pattern_period=_f8([p.period for p in patterns]),
            pattern_first=_i4(np.concatenate(([0], np.cumsum([len(p.entries) for p in patterns]))).tolist()),
            pattern_time=_f8([e[0] for e in entries]),
            pattern_kind=_i4([e[1] for e in entries]),
            pattern_index=_i4([e[2] for e in entries]),
            pattern_value=_f8([e[3] for e in entries]),
        )

    def pattern(self, number: int) -> Pattern:
        """One steady-state pattern, unpacked."""
        first, last = int(self.pattern_first[number]), int(self.pattern_first[number + 1])
        entries = tuple(
            (
                float(self.pattern_time[i]),
                int(self.pattern_kind[i]),
                int(self.pattern_index[i]),
                float(self.pattern_value[i]),
            )
            for i in range(first, last)
        )
        return Pattern(float(self.pattern_period[number]), entries)

    def ops(self) -> list[Op]:
        """Unpack the operations."""
        columns: list[list[Any]] = [getattr(self, n).tolist() for n in ("time", "kind", "index", "value", "slope")]
        return [Op(*row) for row in zip(*columns, strict=True)]

    def check(self, states: int, inputs: int) -> None:
        """Check that indices fit a model.

        Raises
        ------
        IndexError
            If an operation names a state, input or pattern the model or timeline does not have.
        """
        limits = {Kind.INPUT: inputs, Kind.STEADY: len(self.pattern_period)}
        limits |= dict.fromkeys((Kind.ADD, Kind.RATE, Kind.OFF, Kind.ON, Kind.SET), states)
        for kind, limit in limits.items():
            used = self.index[self.kind == kind]
            if len(used) and not 0 <= used.min() <= used.max() < limit:
                raise IndexError(f"{kind.name} index outside 0..{limit - 1}")
        if len(self.pattern_index) and not 0 <= self.pattern_index.min() <= self.pattern_index.max() < states:
            raise IndexError(f"pattern state outside 0..{states - 1}")
