"""`virtual_trial`: a published trial run on virtual people, and what it says beside what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, Faults, NotFoundError, near
from bonepk.model import System, load
from bonepk.simulate.plan import Plan
from bonepk.study.arms import Cohort, check_arms, cohorts
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.evidence import Arm, Row, Trial, load_trial
from bonepk.study.people.balance import balance
from bonepk.study.people.people import People
from bonepk.study.people.population import Population, load_population
from bonepk.study.people.sample import sample_people
from bonepk.study.predict import Parameters
from bonepk.study.virtual.allocate import allocate
from bonepk.study.virtual.conduct import Conduct, load_conduct
from bonepk.study.virtual.courses import Courses, Outcome, Policy, measured
from bonepk.study.virtual.journal import PieceJournal
from bonepk.study.virtual.run import Followed, Job, Progress, follow
from bonepk.study.virtual.statistics import Estimate, ancova, difference_of, mean_of

__all__ = ["VirtualRow", "VirtualTrial", "virtual_trial", "virtual_trials"]

F8 = NDArray[np.float64]

_KINDS = ("percent_change", "difference")
_GRID = 6.0  # months between stored points; visits and published months are added
_OUTCOME_GRID = 1.0  # months; turnover swings between doses, and an outcome follows it


@dataclass(frozen=True)
class VirtualRow:
    """A published number beside that of the virtual trial.

    Attributes
    ----------
    row : Row
    virtual : Estimate
    published_sd : float or None
        Spread between women that the published interval implies, given how many were randomised; an upper bound where
        fewer were measured.
    """

    row: Row
    virtual: Estimate
    published_sd: float | None

    @property
    def error(self) -> float:
        """Virtual less published."""
        return self.virtual.value - self.row.value

    @property
    def within(self) -> bool | None:
        """Whether the virtual mean lies in the published interval of the mean; None without one."""
        spread = self.row.spread
        return None if spread is None or not spread.of_mean else spread.low <= self.virtual.value <= spread.high


@dataclass(frozen=True, eq=False)
class VirtualTrial:
    """A trial that was run on virtual people.

    Attributes
    ----------
    trial : Trial
        Arms, and what was published.
    conduct : Conduct
    arms : tuple of Arm
    people : People
    arm : ndarray of int64, shape (people,)
        Place of each person's arm in `arms`.
    followed : Followed
        Trajectories, events, drugs given.
    seed : int
    model, model_hash : str
    """

    trial: Trial
    conduct: Conduct
    arms: tuple[Arm, ...]
    people: People
    arm: NDArray[np.int64]
    followed: Followed
    seed: int
    model: str
    model_hash: str

    @property
    def courses(self) -> Courses:
        """Trajectories of everyone."""
        return self.followed.courses

    @property
    def failed(self) -> int:
        """People whose run stopped early; they are left out of every endpoint."""
        return int(np.count_nonzero(self.followed.status))

    def in_arm(self, name: str) -> NDArray[np.bool_]:
        """Mask of the people of an arm."""
        names = [a.name for a in self.arms]
        if name not in names:
            known = near(name, names) or f"one of {', '.join(names)}"
            raise NotFoundError(Fault(f"virtual trial '{self.conduct.name}'", f"unknown arm '{name}'", known))
        return np.asarray(self.arm == names.index(name))

    def changes(self, output: str, month: float, since: float = 0.0, true: bool = False) -> F8:
        """Percent change of each person; NaN for those lost before, or whose run failed.

        Parameters
        ----------
        output : str
            A stored output.
        month, since : float
            Stored months.
        true : bool
            Without errors of measurement.
        """
        courses = self.courses
        if true:
            found = courses.change(output, month, since)
        else:
            found = 100.0 * (measured(courses, output, month) / measured(courses, output, since) - 1.0)
        return np.where(courses.dropout < month, np.nan, found)

    def change(self, arm: str, output: str, month: float, since: float = 0.0, true: bool = False) -> Estimate:
        """Mean percent change of an arm with its interval; see `changes`."""
        who = self.in_arm(arm)
        return mean_of(self.changes(output, month, since, true)[who], self._weights(who))

    def difference(
        self, arm: str, versus: str, output: str, month: float, since: float = 0.0, true: bool = False
    ) -> Estimate:
        """Difference of the mean percent changes of two arms."""
        return difference_of(
            self.change(arm, output, month, since, true), self.change(versus, output, month, since, true)
        )

    def adjusted(self, arm: str, versus: str, output: str, month: float, traits: Sequence[str] = ()) -> Estimate:
        """Difference adjusted for the measured baseline, and for further traits."""
        mine, other = self.in_arm(arm), self.in_arm(versus)
        who = mine | other
        columns = [measured(self.courses, output, 0.0), *(self.people[t] for t in traits)]
        table = np.column_stack([c[who] for c in columns])
        return ancova(self.changes(output, month)[who], mine[who], table, self._weights(who))

    def event_share(self, arm: str, event: str, month: float) -> Estimate:
        """Percent of an arm with an event by a month, as if nobody had been lost."""
        if event not in self.followed.events:
            known = near(event, self.followed.events) or "run the trial with outcome="
            raise NotFoundError(Fault("virtual trial", f"no event '{event}'", known))
        who = self.in_arm(arm)
        return mean_of(100.0 * (self.followed.events[event][who] <= month).astype(np.float64), self._weights(who))

    def rescued_share(self, arm: str, month: float) -> Estimate:
        """Percent of an arm in whom a rescue or the policy started a drug by a month."""
        who = self.in_arm(arm)
        started = self.followed.rescued.min(axis=1, initial=np.inf)[who] <= month
        return mean_of(100.0 * started.astype(np.float64), self._weights(who))

    @cached_property
    def rows(self) -> tuple[VirtualRow, ...]:
        """Published changes and differences beside the virtual ones."""
        names = {a.name for a in self.arms}
        found = []
        for row in self.trial.rows:
            output = ENDPOINTS[row.endpoint].output
            if row.obstacle or row.kind not in _KINDS or row.month is None or output not in self.courses.values:
                continue
            if row.arm not in names or (row.versus and row.versus not in names) or row.month > self.courses.months[-1]:
                continue
            if row.kind == "difference":
                virtual = self.difference(row.arm, row.versus, output, row.month, row.since)
            else:
                virtual = self.change(row.arm, output, row.month, row.since)
            found.append(VirtualRow(row, virtual, self._implied(row)))
        return tuple(found)

    def _weights(self, who: NDArray[np.bool_]) -> F8 | None:
        """Weights of some people, or None where all are alike."""
        weights = self.people.weights[who]
        return None if len(weights) and np.ptp(weights) == 0 else weights

    def _implied(self, row: Row) -> float | None:
        if row.spread is None:
            return None
        half = (row.spread.high - row.spread.low) / 2
        if row.spread.type == "sd":
            return half
        if not row.spread.of_mean:
            return None
        se = half if row.spread.type == "se" else half / 1.96
        sizes = [row.n or self.trial.arm(row.arm).n]
        if row.versus:
            sizes = [self.trial.arm(name).n for name in (row.arm, row.versus)]
            if None in sizes and (row.n or self.trial.population.n):
                sizes = [int(row.n or self.trial.population.n or 2) // 2] * 2
        if any(n is None for n in sizes):
            return None
        return float(se / np.sqrt(sum(1 / n for n in sizes if n)))


def virtual_trials() -> tuple[str, ...]:
    """Names of the virtual trials that come with bonepk."""
    import tomllib

    from bonepk.study.people.population import population_folder, population_names

    texts = {n: (population_folder() / f"{n}.toml").read_text(encoding="utf-8") for n in population_names()}
    return tuple(name for name, text in texts.items() if "conduct" in tomllib.loads(text))


def virtual_trial(
    name: str | Path,
    people: int | None = None,
    seed: int = 1,
    *,
    model: str | Path | System = "aibl",
    parameters: Parameters = None,
    population: str | Path | Population | None = None,
    outcome: Outcome | None = None,
    policy: Policy | None = None,
    weighted: bool = True,
    workers: int | None = None,
    client: Any = None,
    progress: Progress | None = None,
    resume: str | Path | None = None,
    rtol: float = 1e-4,
) -> VirtualTrial:
    """Run a published trial on virtual people.

    Parameters
    ----------
    name : str or Path
        A name from `virtual_trials`, or a population file with a ``[conduct]``.
    people : int, optional
        By default as many as were randomised.
    seed : int
        The same seed gives the same numbers, whatever `workers` and `client` are and however often it was interrupted.
    model, parameters
        As for `bonepk.predict_trial`.
    population : str, Path or Population, optional
        Other people than those of the trial.
    outcome : Outcome, optional
        Reports events of each person, such as fractures; see `Outcome`.
    policy : Policy, optional
        Starts drugs at visits, as a guideline would; see `Policy`.
    weighted : bool
        Weight people to the baseline table of the population, if it has one.
    workers : int, optional
        Threads in this process; all processors by default. With `client` its workers are used instead.
    client : dask.distributed.Client, optional
        Spread the people over its workers (extra ``dask``).
    progress : callable, optional
        Called with (people done, people, what).
    resume : str or Path, optional
        Folder in which finished pieces are kept. A trial that was interrupted and is started again with the same folder
        goes on where it was.
    rtol : float
        Relative tolerance of the integrator. At 1e-4 a percent change is within 0.01 points of that at 1e-9.

    Returns
    -------
    VirtualTrial

    Raises
    ------
    NotFoundError, DataError, RegimenError
        If a name is unknown, a file faulty, or the trial does not fit the model.
    MissingExtraError, SolverError
        With `client`: dask.distributed is not installed, or workers keep dying over a piece.
    """
    conduct = load_conduct(name)
    who = load_population(name if population is None else population)
    trial = load_trial(conduct.trial)
    arms = tuple(a for a in trial.arms if not a.not_simulated)
    _check(conduct, arms, outcome)
    rescue_drugs = {r.drug for r in conduct.rescue}
    rescue_drugs |= {d for plan in (policy.starts if policy is not None else ()) for d in plan.drugs}
    parts = [_cohorts(trial, arm, conduct) for arm in arms]
    drugs = sorted(rescue_drugs | {d for cs in parts for c in cs for d in c.plan.drugs})
    system = model if isinstance(model, System) else load(model, drugs=drugs, parameters=parameters)
    check_arms(trial, system)
    group = sample_people(who, conduct.people if people is None else people, seed)
    if weighted:
        group = balance(group)
    arm = allocate(group, len(arms), conduct.allocation)
    plans: list[Plan] = []
    values: list[Mapping[str, float]] = []
    chosen = np.zeros(len(group), dtype=np.int64)
    lots = group.uniforms("cohort")[:, 0]
    for i, cs in enumerate(parts):
        bounds = np.cumsum([c.weight for c in cs])
        mine = arm == i
        chosen[mine] = len(plans) + np.minimum(np.searchsorted(bounds, lots[mine]), len(cs) - 1)
        plans += [c.plan for c in cs]
        values += [c.parameters for c in cs]
    job = Job(
        system=system,
        conduct=conduct,
        people=group,
        arm=arm,
        plan=chosen,
        plans=tuple(plans),
        values=tuple(values),
        arms=tuple(a.name for a in arms),
        months=_months(trial, conduct, _GRID if outcome is None else _OUTCOME_GRID),
        outcome=outcome,
        policy=policy,
        rtol=rtol,
    )
    followed = follow(job, workers, progress, PieceJournal(resume), client)
    return VirtualTrial(trial, conduct, arms, group, arm, followed, seed, system.name, system.hash)


def _cohorts(trial: Trial, arm: Arm, conduct: Conduct) -> tuple[Cohort, ...]:
    """Plans of an arm with their weights; an arm with a rescue does without the strata that stood for it."""
    from dataclasses import replace

    if any(arm.name in r.arms for r in conduct.rescue):
        arm = replace(arm, strata=())
    return cohorts(trial, arm)


def _months(trial: Trial, conduct: Conduct, step: float) -> F8:
    grid = np.arange(0.0, conduct.months + 1e-9, step)
    asked = [m for r in trial.rows if not r.obstacle and r.kind in _KINDS for m in (r.month, r.since) if m is not None]
    wanted = [*grid, *conduct.visits, conduct.months, *(m for m in asked if 0 <= m <= conduct.months)]
    return np.unique(np.array(wanted, dtype=np.float64))


def _check(conduct: Conduct, arms: Sequence[Arm], outcome: Outcome | None) -> None:
    faults = Faults()
    names = [a.name for a in arms]
    for rule in conduct.rescue:
        for name in rule.arms:
            if name not in names:
                cure = near(name, names) or f"one of {', '.join(names)}"
                faults.add(f"conduct of '{conduct.name}', rescue", f"unknown arm '{name}'", cure)
        if rule.events and not rule.sites and outcome is None:
            events = ", ".join(rule.events)
            faults.add(f"conduct of '{conduct.name}', rescue", f"waits for {events}", "an outcome", "give outcome=")
    faults.raise_as(DataError)
