"""Event records to a timeline: the full dosing semantics of NONMEM, one run at a time.

The conventions, with the choices made where NONMEM's documentation is silent, are in
``docs/events.md``. In short: records act in file order; doses implied by ADDL or moved by a lag
act before all records at the same time; bioavailability scales the amount, and so the duration
of an infusion of given rate and the rate of one of given duration.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bonepk.engine.timeline import Kind, Op, Pattern, Timeline
from bonepk.errors import Fault, RegimenError
from bonepk.model.system import System
from bonepk.simulate.covariates import Track
from bonepk.simulate.cuts import cut_at, switch_times
from bonepk.simulate.entries import DoseValues, Entry
from bonepk.simulate.graded import placed, slope_of, total

__all__ = ["Record", "operations", "schedule"]

MODELLED_RATE = -1.0
MODELLED_DURATION = -2.0


class Record(NamedTuple):
    """One event record of one run.

    `time` is model time; `amount` and `rate` are in dose units of the entry. `switch` is the
    compartment an EVID 2 record (or an observation with negative CMT) turns: +state+1 on,
    -(state+1) off, 0 neither. `over` is the duration of the dose where the record itself says it
    (RATE -2). `row` is the row of the result to write, -1 for none. `source` is its number in the data,
    `course` that of the plan's course that the dose belongs to.
    """

    time: float
    evid: int = 0
    amount: float = 0.0
    rate: float = 0.0
    ii: float = 0.0
    addl: int = 0
    ss: int = 0
    entry: int = -1
    switch: int = 0
    over: float = math.nan
    row: int = -1
    source: int = 0
    course: int = -1


class _Dose(NamedTuple):
    """A dose as it enters: into which state, how much, at what rate (0: at once), for how long."""

    state: int
    amount: float
    rate: float
    duration: float
    lag: float


class _Scheduler:
    def __init__(
        self, system: System, records: Sequence[Record], entries: Sequence[Entry], values: DoseValues, start: float
    ) -> None:
        self.system = system
        self.records = records
        self.entries = entries
        self.values = values
        self.ops: list[Op] = []
        self.patterns: list[Pattern] = []
        self.now = start
        self.off: set[int] = set()
        self.running: dict[int, tuple[int, float]] = {}
        self.pending: list[tuple[float, int, int, _Dose | None]] = []  # time, 0 end / 1 dose, number, dose
        self.number = 0
        self.last = max((r.time for r in records), default=start)
        span = max((abs(r.time) for r in records), default=0.0)
        self.slack = 1e-12 * max(span, abs(start))
        self.marks: list[float] = []  # times of the records of this stretch of time, rising

    def op(self, kind: Kind, which: int = 0, value: float = 0.0, slope: float = 0.0) -> None:
        self.ops.append(Op(self.now, kind, which, value, slope))

    # what happens between records

    def on_mark(self, time: float) -> float:
        """Return the time of the record that a sum like 3*0.1 misses by rounding, else the time itself."""
        j = bisect.bisect_left(self.marks, time - self.slack)
        near = j < len(self.marks) and self.marks[j] <= time + self.slack
        return placed(float(self.marks[j]), time) if near else time

    def drain(self, until: float) -> None:
        """Let implied doses and ends of infusions up to a time happen."""
        while self.pending and self.pending[0][0] <= until + self.slack:
            time, _, number, dose = heapq.heappop(self.pending)
            # what misses a record by rounding belongs to it
            self.now = placed(until, time) if abs(time - until) <= self.slack else max(time, self.now)
            if dose is not None:
                self.enter(dose)
            elif number in self.running:
                state, _ = self.running.pop(number)
                self.set_rate(state)
        self.now = max(until, self.now)

    def later(self, time: float, dose: _Dose | None, number: int) -> None:
        heapq.heappush(self.pending, (time, 0 if dose is None else 1, number, dose))

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def set_rate(self, state: int) -> None:
        self.op(Kind.RATE, state, total(rate for s, rate in self.running.values() if s == state))

    def turn_on(self, state: int) -> None:
        if state in self.off:
            self.off.discard(state)
            self.op(Kind.ON, state)

    def enter(self, dose: _Dose) -> None:
        """Give a dose now, its lag being over."""
        self.turn_on(dose.state)
        if not dose.duration:
            if dose.amount or np.any(slope_of(dose.amount)):
                # a duration of 0 may have derivatives: half of it is a delay
                self.ops.append(Op(self.now + dose.duration / 2, Kind.ADD, dose.state, dose.amount))
        elif dose.rate or np.any(slope_of(dose.rate)):
            self.run(dose, self.now + dose.duration)
            self.set_rate(dose.state)

    def run(self, dose: _Dose, end: float) -> None:
        number = self.next_number()
        self.running[number] = (dose.state, dose.rate)
        self.later(end, None, number)

    def cancel(self, quiet: bool = False) -> None:
        """Stop running infusions and forget pending doses."""
        states = sorted({state for state, _ in self.running.values()})
        self.running.clear()
        self.pending.clear()
        if not quiet:
            for state in states:
                self.set_rate(state)

    # records

    def measure(self, record: Record, time: float, value: Callable[[Track], float]) -> _Dose:
        """Amount, rate and duration of a record's dose, were it given at a time."""
        entry = self.entries[record.entry]
        f, lag, duration, rate = self.values.at(record.entry, time, value)
        amount = record.amount * entry.scale * f
        place = f"record {record.source}" if record.source else f"dose at {time:.6g}"
        for name, number in (("bioavailability", f), ("lag", lag)):
            if not (math.isfinite(number) and number >= 0):
                raise RegimenError(Fault(place, f"{name} of '{entry.name}' is {number:.4g}", "a number not below 0"))
        if record.rate == MODELLED_DURATION:
            duration = record.over if not math.isnan(record.over) else duration
            if not (math.isfinite(duration) and duration >= 0):
                raise _missing(place, entry, "duration", duration)
            return _Dose(entry.state, amount, amount / duration if duration else 0.0, duration, lag)
        if record.rate:
            rate = record.rate * entry.scale if record.rate > 0 else rate
            if not (math.isfinite(rate) and rate > 0):
                raise _missing(place, entry, "rate", rate)
            return _Dose(entry.state, amount, rate, amount / rate, lag)
        return _Dose(entry.state, amount, 0.0, 0.0, lag)

    def give(self, place: int, span: tuple[int, int]) -> None:
        """Carry out a dose record, its steady state and its additional doses."""
        record = self.records[place]
        time = self.now
        dose = self.measure(record, time, lambda track: track.at_record(place))
        constant = record.ss and not record.ii
        if record.ss:
            self.turn_on(dose.state)
            if record.ss == 1:
                self.cancel()
            self.steady(record, dose)
        if not constant:
            if dose.lag:
                self.later(time + dose.lag, dose, self.next_number())
            else:
                self.now = time + dose.lag  # a lag of 0 may have derivatives
                self.enter(dose)
                self.now = time
        for n in range(1, record.addl + 1):
            nominal = self.on_mark(time + n * record.ii)
            if nominal > self.last + self.slack:
                break
            extra = self.measure(record, nominal, lambda track, at=nominal: track.at(at, span))  # type: ignore[misc]
            self.later(nominal + extra.lag, extra, self.next_number())

    def steady(self, record: Record, dose: _Dose) -> None:
        """Put in the steady state of a record and what its implied doses still have to give."""
        time, mode, scale = self.now, float(record.ss == 2), self.slack + 1e-12 * record.ii
        if not record.ii:
            rated = ((0.0, int(Kind.RATE), dose.state, dose.rate),) if dose.rate else ()
            self.patterns.append(Pattern(0.0, rated))
            self.op(Kind.STEADY, len(self.patterns) - 1, mode)
            if dose.lag and dose.rate:
                self.run(dose, time + dose.lag)
                self.set_rate(dose.state)
            return
        self.patterns.append(_pattern(record.ii, dose, scale))
        self.op(Kind.STEADY, len(self.patterns) - 1, mode)
        earliest = math.ceil((dose.duration + dose.lag) / record.ii) + 1
        for n in range(earliest, 0, -1):
            begin = time + dose.lag - n * record.ii
            end = begin + dose.duration
            if begin >= time - scale:
                self.later(begin if begin > time else placed(time, begin), dose, self.next_number())
            elif end > time + scale:
                self.run(dose, end)
            elif end >= time - scale and np.any(slope_of(end)):  # ends now, but for its derivatives
                self.run(dose, placed(time, end))
        self.set_rate(dose.state)
        self.drain(time)

    def act(self, place: int, span: tuple[int, int]) -> None:
        """Carry out one record."""
        record = self.records[place]
        if record.evid in (3, 4):
            # pending doses belong to the system that the reset ends, on a clock that may differ
            self.cancel(quiet=True)
            self.off.clear()
            self.op(Kind.RESET)
        if record.evid in (1, 4):
            self.give(place, span)
        if record.evid == 0 and record.row >= 0:
            self.op(Kind.RECORD, record.row)
        if record.switch > 0 and record.evid == 2:
            self.turn_on(record.switch - 1)
        elif record.switch < 0:
            state = -record.switch - 1
            if any(s == state for s, _ in self.running.values()):
                self.running = {k: v for k, v in self.running.items() if v[0] != state}
                self.set_rate(state)
            self.off.add(state)
            self.op(Kind.OFF, state)
        if record.evid != 0 and record.row >= 0:
            self.op(Kind.RECORD, record.row)


def _missing(place: str, entry: Entry, what: str, value: float) -> RegimenError:
    code = "-2" if what == "duration" else "-1"
    found = f"RATE {code} into '{entry.name}', whose {what} is {'not given' if math.isnan(value) else f'{value:.4g}'}"
    return RegimenError(Fault(place, found, f"a modelled {what}", f"give the route a {what}"))


def _pattern(period: float, dose: _Dose, slack: float) -> Pattern:
    """One period of endless doses, from the moment of the steady-state record on."""
    phase = dose.lag % period
    if period - phase <= slack or phase <= slack:
        phase = placed(0.0, phase)
    if not dose.duration:
        return Pattern(period, ((phase, int(Kind.ADD), dose.state, dose.amount),))
    whole, rest = divmod(dose.duration, period)
    if period - rest <= slack:
        whole, rest = whole + 1, placed(0.0, rest)
    if rest <= slack and not np.any(slope_of(rest)):
        return Pattern(period, ((0.0, int(Kind.RATE), dose.state, whole * dose.rate),))
    low, high = whole * dose.rate, (whole + 1) * dose.rate
    stop = phase + rest
    if abs(stop - period) <= slack:
        levels = [(0.0, low), (phase, high)]
        if np.any(slope_of(stop)):  # the end of an infusion moves on its own
            levels[:1] = [(0.0, high), (placed(0.0, stop - period), low)]
    elif stop > period:
        levels = [(0.0, high), (stop - period, low), (phase, high)]
    elif phase:
        levels = [(0.0, low), (phase, high), (stop, low)]
    else:
        levels = [(0.0, high), (stop, low)]
    return Pattern(period, tuple((at, int(Kind.RATE), dose.state, level) for at, level in levels))


def operations(
    system: System,
    records: Sequence[Record],
    tracks: Sequence[Track],
    values: DoseValues,
    entries: Sequence[Entry],
    begin: float,
) -> tuple[list[Op], list[Pattern]]:
    """Lay out the operations of one run and its steady-state patterns; `schedule` says what the arguments are."""
    s = _Scheduler(system, records, entries, values, begin)
    before: dict[int, list[tuple[int, float]]] = {}
    after: dict[int, list[tuple[int, float, float]]] = {}
    for track in tracks:
        s.op(Kind.INPUT, track.index, track.first)
        sooner, later = track.changes()
        for place, value in sooner.items():
            before.setdefault(place, []).append((track.index, value))
        for place, (value, slope) in later.items():
            after.setdefault(place, []).append((track.index, value, slope))
    times = np.array([r.time for r in records])
    breaks = (np.flatnonzero(np.diff(times) < 0) + 1).tolist() if len(records) else []
    bounds = list(zip([0, *breaks], [*breaks, len(records)], strict=True))
    for span in bounds:
        if span[0]:
            s.cancel(quiet=True)
            s.now = records[span[0]].time
            s.op(Kind.CLOCK)
        s.marks = [r.time for r in records[span[0] : span[1]]]
        s.last = max(s.marks, default=s.now)
        for place in range(*span):
            s.drain(records[place].time)
            for index, value in before.get(place, ()):
                s.op(Kind.INPUT, index, value)
            if place == 0 and any(track.before is None for track in tracks):
                s.op(Kind.RATE)  # no drug; so that inputs of later records at this time come after the initial state
            s.act(place, span)
            for index, value, slope in after.get(place, ()):
                s.op(Kind.INPUT, index, value, slope)
    return s.ops, s.patterns


def schedule(
    system: System,
    records: Sequence[Record],
    entries: Sequence[Entry],
    tracks: Sequence[Track] = (),
    parameters: Mapping[str, float] | None = None,
    start: float | None = None,
) -> Timeline:
    """Work out the timeline of one run.

    Parameters
    ----------
    system : System
    records : sequence of Record
        In file order; time may go back only at EVID 3 or 4.
    entries : sequence of Entry
        What the records' `entry` numbers mean.
    tracks : sequence of Track
        Inputs that change.
    parameters : mapping of str to float, optional
        Parameters and inputs that differ from the model's values.
    start : float, optional
        Model time of the initial state; by default the time of the first record.

    Returns
    -------
    Timeline

    Raises
    ------
    RegimenError
        If a lag, bioavailability, duration or rate is negative or not finite.
    """
    begin = start if start is not None else (records[0].time if records else 0.0)
    fixed = {**system.values, **(parameters or {})}
    values = DoseValues(system, entries, tracks, fixed)
    ops, patterns = operations(system, records, tracks, values, entries, begin)
    # the equations may switch by themselves, at times no record knows of
    last = max((op.time for op in ops), default=begin)
    return cut_at(Timeline.build(begin, ops, patterns), switch_times(system, fixed, begin, last))
