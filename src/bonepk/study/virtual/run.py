"""Running people through a trial: pieces of the group side by side, rules looked at visit by visit.

Most people meet no rule. So each is first run to the end on what was planned. Whoever meets a rule at a visit is taken
up again at that visit, with the state she had, and run to the end on what she gets now; until nobody meets a rule. A
rule sees nothing behind its visit, so the order of work does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.batch import integrate_batch
from bonepk.errors import Fault, RegimenError
from bonepk.model.system import System
from bonepk.simulate.calendar import MONTH, per_day
from bonepk.simulate.cuts import switch_times
from bonepk.simulate.plan import Plan, every
from bonepk.simulate.run import compiled_for, start_of
from bonepk.study.arms import YEARS
from bonepk.study.people.people import People
from bonepk.study.people.reference import t_of
from bonepk.study.people.traits import TRAITS
from bonepk.study.virtual.conduct import Conduct
from bonepk.study.virtual.courses import STORED, Courses, Outcome, Policy, measured
from bonepk.study.virtual.doses import Doses, Schedule, arriving, schedule_of, taken, timeline_of
from bonepk.study.virtual.journal import PieceJournal
from bonepk.study.virtual.pieces import on_client, on_threads
from bonepk.version import __version__

__all__ = ["Followed", "Job", "follow"]

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Progress = Callable[[int, int, str], None]

_PIECE = 256  # people in a piece: small enough to lose little when interrupted; numbers do not depend on it
_NEVER = -1


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be run; picklable if outcome and policy are.

    Attributes
    ----------
    system : System
    conduct : Conduct
    people : People
    arm : ndarray of int64, shape (people,)
    plan : ndarray of int64, shape (people,)
        Place of each person's plan in `plans`.
    plans : tuple of Plan
    values : tuple of mapping
        Parameters that go with each plan.
    arms : tuple of str
        Names of the arms.
    months : ndarray, shape (times,)
        Months to store; visits are among them.
    outcome : Outcome, optional
    policy : Policy, optional
    rtol : float
    """

    system: System
    conduct: Conduct
    people: People
    arm: I8
    plan: I8
    plans: tuple[Plan, ...]
    values: tuple[Mapping[str, float], ...]
    arms: tuple[str, ...]
    months: F8
    outcome: Outcome | None = None
    policy: Policy | None = None
    rtol: float = 1e-4

    @property
    def starts(self) -> tuple[Plan, ...]:
        """What may start at a visit: the rescues of the conduct, then the plans of the policy."""
        rescues = (every(r.drug, r.dose, days=r.interval, until=max(r.until, r.interval)) for r in self.conduct.rescue)
        return (*rescues, *(self.policy.starts if self.policy is not None else ()))

    def select(self, places: I8) -> Job:
        """Take the job for some of the people."""
        return replace(self, people=self.people.select(places), arm=self.arm[places], plan=self.plan[places])


@dataclass(frozen=True, eq=False)
class Followed:
    """What came of a job.

    Attributes
    ----------
    courses : Courses
    rescued : ndarray, shape (people, rules)
        Month at which each rescue of the conduct, and each plan of the policy, started; inf if it did not.
    events : mapping of str to ndarray, shape (people,)
        Month of the first event of each kind; inf if there was none.
    given : mapping of str to ndarray of int64, shape (people,)
        Single doses given of each drug.
    status : ndarray of int32, shape (people,)
        0 for a finished run.
    attempts : int
        Steps the integrator took in all.
    """

    courses: Courses
    rescued: F8
    events: Mapping[str, F8]
    given: Mapping[str, I8]
    status: NDArray[np.int32]
    attempts: int


def follow(
    job: Job,
    workers: int | None = None,
    progress: Progress | None = None,
    resume: PieceJournal | None = None,
    client: Any = None,
) -> Followed:
    """Run a job.

    Parameters
    ----------
    job : Job
    workers : int, optional
        Threads; all processors by default. Numbers do not depend on it.
    progress : callable, optional
        Called with (people done, people, what).
    resume : PieceJournal, optional
        Holds what was done before.
    client : dask.distributed.Client, optional
        Its workers run the pieces, instead of threads.

    Returns
    -------
    Followed

    Raises
    ------
    RegimenError
        If a plan or a rescue does not fit the model.
    MissingExtraError, DataError, SolverError
        With `client`, as `bonepk.simulate.cluster.tasks_on`.
    """
    schedules = [schedule_of(job.system, plan) for plan in job.plans]
    start = _start(job)
    rescues = [schedule_of(job.system, plan) for plan in job.starts]
    unit = per_day(job.system.time_unit)
    last = float(job.months[-1]) * MONTH * unit
    if switch_times(job.system, {}, start * unit, last):
        found = f"'{job.system.name}' switches by itself at some times"
        raise RegimenError(Fault("virtual trial", found, "a model that changes only by doses and inputs"))
    size = len(job.people)
    bounds = [(a, min(a + _PIECE, size)) for a in range(0, size, _PIECE)]
    base = _hash_of(job)
    keys = [hashlib.sha256(f"{base} {number}".encode()).hexdigest() for number in range(len(bounds))]
    kept = resume or PieceJournal(None)

    def arguments(number: int) -> tuple[Any, ...]:
        return job.select(np.arange(*bounds[number])), schedules, rescues, start, unit

    tell = progress or (lambda *_: None)
    what = f"{job.conduct.name}: people"
    tell(0, size, what)
    compiled_for(job.system)  # once, before others ask for it at the same time
    if client is None:
        pieces = on_threads(_piece, arguments, keys, kept, workers)
    else:
        pieces = on_client(_piece, arguments, keys, kept, bounds, client)
    done: dict[int, dict[str, NDArray[np.generic]]] = {}
    finished = 0
    with closing(pieces):  # an interruption stops what is still under way
        for number, piece in pieces:
            done[number] = piece
            first, end = bounds[number]
            finished += end - first
            tell(finished, size, what)
    return _joined(job, [done[i] for i in range(len(bounds))])


def _start(job: Job) -> float:
    """Day at which everyone's run starts: early enough for whoever may ever take part, so it depends on nobody."""
    values = {YEARS: TRAITS["years_since_menopause"].high} if YEARS in job.system.parameter_names else {}
    start = start_of(job.system, values, True) / per_day(job.system.time_unit)
    return min(start, *(plan.start for plan in job.plans), 0.0)


def _hash_of(job: Job) -> str:
    """Hash of everything the numbers depend on, apart from the piece."""
    people = job.people
    digest = hashlib.sha256()
    for part in (
        __version__,
        job.system.hash,
        repr(job.conduct),
        repr(people.population),
        repr(people.key),
        repr(job.plans),
        repr([sorted(v.items()) for v in job.values]),
        repr(job.arms),
        repr(job.rtol),
        "" if job.outcome is None else job.outcome.name,
        "" if job.policy is None else f"{job.policy.name} {job.policy.starts!r}",
    ):
        digest.update(part.encode() + b"\0")
    for array in (people.number, job.arm, job.plan, job.months, *people.traits.values(), *people.deviates.values()):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _piece(
    job: Job, schedules: Sequence[Schedule], rescues: Sequence[Schedule], start: float, unit: float
) -> dict[str, NDArray[np.generic]]:
    people, arm, conduct = job.people, job.arm, job.conduct
    compiled = compiled_for(job.system)
    table = people.parameters(compiled)
    for i, values in enumerate(job.values):
        for name, value in values.items():
            if name != YEARS:
                table[job.plan == i, compiled.index(name)] = value
    doses = taken(job.system, compiled, people, table, [schedules[k] for k in job.plan], conduct)
    dropout = conduct.dropout.months(people.uniforms("dropout")[:, 0])
    days = job.months * MONTH
    names = [n for n in STORED if n in job.system.output_names]
    outputs = [job.system.output_names.index(n) for n in names]
    lines = [timeline_of(d, start, days.tolist(), unit) for d in doses]
    result = integrate_batch(compiled, table, lines, rtol=job.rtol, workers=1)
    _, y, out = result.block
    assert out is not None
    levels = {n: np.ascontiguousarray(out[:, :, k], dtype=np.float32) for n, k in zip(names, outputs, strict=True)}
    share = arriving(job.system, compiled, table)
    status, attempts = result.status.copy(), int(result.steps.sum())
    rescued = np.full((len(people), len(rescues)), np.inf)
    seen = np.zeros((len(people), len(rescues)), dtype=np.int64)  # visits each rule has been asked at

    while True:
        courses = Courses(people, arm, job.months, levels, dropout)
        events = {} if job.outcome is None else {n: np.asarray(v) for n, v in job.outcome(courses).items()}
        visit = _first_rule(job, courses, events, rescued, seen)
        who = np.flatnonzero(visit[:, 0] != _NEVER)
        if not len(who):
            break
        again = []
        for i in who.tolist():
            row, rule = int(visit[i, 0]), int(visit[i, 1])
            rescued[i, rule] = job.months[row]
            until = conduct.rescue[rule].until if rule < len(conduct.rescue) else np.inf
            _add(doses[i], rescues[rule], float(days[row]), until, [float(x[i]) for x in share])
            again.append(timeline_of(doses[i], days[row], days[row:].tolist(), unit, y[i, row].tolist()))
        part = integrate_batch(compiled, table[who], again, rtol=job.rtol, workers=1)
        attempts += int(part.steps.sum())
        for k, i in enumerate(who.tolist()):
            row = int(visit[i, 0])
            rows = slice(int(part.first[k]), int(part.first[k + 1]))
            y[i, row:] = part.y[rows]
            assert part.outputs is not None
            for n, place in zip(names, outputs, strict=True):
                levels[n][i, row:] = part.outputs[rows, place]
            status[i] = max(int(status[i]), int(part.status[k]))
    found: dict[str, NDArray[np.generic]] = {f"value {n}": v for n, v in levels.items()}
    found |= {f"event {n}": v for n, v in events.items()}
    drugs = sorted({c.drug for s in (*schedules, *rescues) for c in s.courses})
    found |= {f"given {d}": np.array([x.given.get(d, 0) for x in doses], dtype=np.int64) for d in drugs}
    found |= {"dropout": dropout, "rescued": rescued, "status": status, "attempts": np.array([attempts])}
    return found


def _first_rule(job: Job, courses: Courses, events: Mapping[str, F8], rescued: F8, seen: I8) -> NDArray[np.int64]:
    """First visit (its row) and rule that starts a drug for each person, or `_NEVER`; visits are asked once only."""
    conduct = job.conduct
    found = np.full((len(courses.people), 2), _NEVER, dtype=np.int64)
    for month in conduct.visits:
        row = courses.at(month)
        for number, rule in enumerate(conduct.rescue):
            in_arm = np.isin(courses.arm, [job.arms.index(a) for a in rule.arms])
            open_ = in_arm & np.isinf(rescued[:, number]) & (courses.dropout > month) & (found[:, 0] == _NEVER)
            open_ &= (seen[:, number] < row) & (month * MONTH < rule.until)
            met = np.zeros(len(open_), dtype=bool)
            for site in rule.sites:
                bmd = measured(courses, f"bmd_{site}", month)
                met |= t_of(bmd, site, courses.people.population.device) < rule.t_below
            for name in rule.events:
                met |= events[name] <= month if name in events else False
            accepted = courses.people.uniforms(f"rescue {number} month {month:g}")[:, 0] < rule.accepts
            start = open_ & met & accepted
            found[start] = (row, number)
            seen[open_, number] = row
        if job.policy is None:
            continue
        choice = np.asarray(job.policy(courses, month))
        for k in range(len(job.policy.starts)):
            number = len(conduct.rescue) + k
            open_ = np.isinf(rescued[:, number]) & (courses.dropout > month) & (found[:, 0] == _NEVER)
            open_ &= seen[:, number] < row
            found[open_ & (choice == k)] = (row, number)
            seen[open_, number] = row
    return found


def _add(doses: Doses, schedule: Schedule, day: float, until: float, share: Sequence[float]) -> None:
    """Give from a day on what a schedule says, with days counted from there."""
    for course in schedule.courses:
        amount = course.amount * share[course.route]
        if course.spread:
            first, last = day + course.days[0], min(day + course.end, until)
            if last > first:
                doses.steady.append((first, last, course.state, amount / course.interval))
            continue
        given = [day + at for at in course.days if day + at < until]
        doses.bolus += [(at, course.state, amount) for at in given]
        doses.given[course.drug] = doses.given.get(course.drug, 0) + len(given)


def _joined(job: Job, parts: Sequence[Mapping[str, NDArray[np.generic]]]) -> Followed:
    whole = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def group(word: str) -> dict[str, NDArray[np.generic]]:
        return {n.removeprefix(word): v for n, v in whole.items() if n.startswith(word)}

    values = {n: np.asarray(v, dtype=np.float32) for n, v in group("value ").items()}
    return Followed(
        Courses(job.people, job.arm, job.months, values, np.asarray(whole["dropout"], dtype=np.float64)),
        np.asarray(whole["rescued"], dtype=np.float64),
        {n: np.asarray(v, dtype=np.float64) for n, v in group("event ").items()},
        {n: np.asarray(v, dtype=np.int64) for n, v in group("given ").items()},
        np.asarray(whole["status"], dtype=np.int32),
        int(np.asarray(whole["attempts"], dtype=np.int64).sum()),
    )
