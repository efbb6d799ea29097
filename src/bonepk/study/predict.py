"""Running trials: each arm simulated once, every published number beside what the model says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Fault, NotFoundError, SolverError, near
from bonepk.model import System, load
from bonepk.model.sets import ParameterSet
from bonepk.simulate.endpoints import months_to_times
from bonepk.simulate.run import simulate
from bonepk.study.arms import YEARS, Cohort, check_arms, cohorts, drugs_of, treatment
from bonepk.study.classes import treatment_class
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.evidence import Arm, Row, Trial, load_trial, trial_names
from bonepk.study.outcomes.fracture import NEEDED, untreated
from bonepk.study.outcomes.rows import TrialEvents, event_rows, month_of
from bonepk.study.split import Split, check_split, read_split

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ArmRun",
    "RowResult",
    "TrialResult",
    "Validation",
    "express",
    "months_of",
    "needed_arms",
    "predict_trial",
    "run_arm",
    "validate",
]

F8 = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
Parameters = ParameterSet | str | Path | Mapping[str, float | str] | None

RTOL = 1e-6  # against 1e-9: endpoints move by less than 0.001 percentage points
_OUTPUTS = tuple(dict.fromkeys([*(e.output for e in ENDPOINTS.values() if e.output), *NEEDED]))


@dataclass(frozen=True, eq=False)
class ArmRun:
    """The simulated courses of one arm.

    Attributes
    ----------
    arm : Arm
    months : ndarray, shape (times,)
        Months since day 0.
    weights : ndarray, shape (cohorts,)
    values : mapping of str to ndarray, shape (cohorts, times)
        Level of each output, in the model's unit.
    failure : str
        Why there are no courses, or empty.
    years : ndarray, shape (cohorts,)
        Years since the final menstrual period on day 0; fractures need them.
    """

    arm: Arm
    months: F8
    weights: F8
    values: Mapping[str, F8]
    failure: str = ""
    years: F8 = field(default_factory=lambda: np.zeros(0))

    def level(self, output: str, month: float) -> float:
        """Mean level of the cohorts at a stored month."""
        return float(self.weights @ self.values[output][:, self._at(month)])

    def change(self, output: str, month: float, since: float = 0.0) -> float:
        """Mean of the cohorts' percent changes between two stored months."""
        values = self.values[output]
        return float(self.weights @ (100.0 * (values[:, self._at(month)] / values[:, self._at(since)] - 1.0)))

    def _at(self, month: float) -> int:
        return int(np.abs(self.months - month).argmin())


@dataclass(frozen=True)
class RowResult:
    """One published number and its prediction.

    `predicted` is in the unit of the row, None if there is none; `status` says why, or why the row is not scored, and
    is empty for a scored row. `use` is that of the split, `treatment` what was given, `treatment_class` the class
    summaries are given by. `low` and `high` bound the interval a published number is expected in, in the unit of the
    row; None where no uncertainty was asked for or is known.
    """

    trial: str
    row: Row
    use: str
    treatment: str
    predicted: float | None
    status: str = ""
    treatment_class: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def error(self) -> float | None:
        """Predicted minus observed, in the unit of the row."""
        return None if self.predicted is None else self.predicted - self.row.value

    @property
    def points(self) -> float | None:
        """The error of a scored row in percentage points; that of a yearly rate is summed over its years."""
        if self.error is None or self.status:
            return None
        scale = 100.0 if self.row.kind == "ratio" else 1.0
        if self.row.kind in {"annual_change", "annual_difference"} and self.row.month is not None:
            scale = (self.row.month - self.row.since) / 12
        return self.error * scale

    @property
    def within(self) -> bool | None:
        """Whether the prediction lies within the interval of the mean; None without such an interval."""
        spread = self.row.spread
        if self.predicted is None or spread is None or not spread.of_mean:
            return None
        return spread.low <= self.predicted <= spread.high

    @property
    def covered(self) -> bool | None:
        """Whether the published number lies within the interval it is expected in; None without one."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.row.value <= self.high


@dataclass(frozen=True, eq=False)
class TrialResult:
    """A trial run through a model: rows in the order of the file, and the courses of its arms."""

    trial: Trial
    rows: tuple[RowResult, ...]
    arms: tuple[ArmRun, ...]
    use: str
    model: str
    model_hash: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def courses(self) -> xr.Dataset:
        """Percent change from day 0 of every output, dimensions (arm, month)."""
        return self._dataset(
            lambda run, name: run.weights @ (100 * (run.values[name] / run.values[name][:, :1] - 1)), "%"
        )

    @cached_property
    def levels(self) -> xr.Dataset:
        """Level of every output, dimensions (arm, month)."""
        return self._dataset(lambda run, name: run.weights @ run.values[name], "")

    def _dataset(self, course: Callable[[ArmRun, str], F8], unit: str) -> xr.Dataset:
        import xarray as xr

        runs = [r for r in self.arms if not r.failure]
        names = list(runs[0].values) if runs else []
        columns = {}
        for name in names:
            notes = {"long_name": ENDPOINTS[name].label if name in ENDPOINTS else name}
            notes["units"] = unit or self.labels.get(name, "1")
            columns[name] = (("arm", "month"), np.array([course(r, name) for r in runs]), notes)
        month = runs[0].months if runs else np.zeros(0)
        coords = {"arm": [r.arm.name for r in runs], "month": ("month", month, {"units": "month"})}
        return xr.Dataset(
            columns, coords, {"trial": self.trial.name, "model": self.model, "model_hash": self.model_hash}
        )


@dataclass(frozen=True, eq=False)
class Validation:
    """Several trials run through one model, with the split they belong to."""

    trials: tuple[TrialResult, ...]
    split: Split
    model: str

    @property
    def rows(self) -> tuple[RowResult, ...]:
        """Rows of all trials, in order."""
        return tuple(row for result in self.trials for row in result.rows)


def predict_trial(
    name: str | Path | Trial,
    model: str | Path | System = "aibl",
    parameters: Parameters = None,
    progress: Progress | None = None,
    split: Split | None = None,
) -> TrialResult:
    """Simulate the arms of a trial and set every published number beside its prediction.

    Parameters
    ----------
    name : str, Path or Trial
        A name from `trial_names`, the path of a trial file, or a trial.
    model : str, Path or System
        A core, loaded with the drugs of the trial; or a system that has them.
    parameters : ParameterSet, str, Path or mapping, optional
        Passed to `bonepk.load`.
    progress : callable, optional
        Called with (done, total, what) before each cohort and at the end.
    split : Split, optional
        By default the one that comes with bonepk.

    Returns
    -------
    TrialResult

    Raises
    ------
    NotFoundError
        If trial, model, drug or parameter is not known.
    DataError
        If the trial file is faulty.
    RegimenError
        If an arm does not fit the model.
    """
    trial = name if isinstance(name, Trial) else load_trial(name)
    split = read_split() if split is None else split
    arms = needed_arms(trial)
    system = model if isinstance(model, System) else load(model, drugs=drugs_of(trial, arms), parameters=parameters)
    check_arms(trial, system)
    months = months_of(trial)
    tell = progress or _silent
    work = [(arm, cohorts(trial, arm)) for arm in arms]
    total = sum(len(parts) for _, parts in work)
    runs, done = [], 0
    for arm, parts in work:
        tell(done, total, f"{trial.name}: {arm.label}")
        runs.append(run_arm(system, arm, parts, months))
        done += len(parts)
    tell(total, total, trial.name)
    by_name = {run.arm.name: run for run in runs}
    rows = [_result(trial, row, by_name, split, system) for row in trial.rows]
    for place, found in trial_events(trial, by_name, system).results().items():
        k = [row.place for row in trial.rows].index(place)
        rows[k] = replace(rows[k], use=found.use, predicted=found.predicted, status=found.status)
    units = {o.name: o.unit for o in system.outputs}
    use = split.use.get(trial.name, "unlisted")
    return TrialResult(trial, tuple(rows), tuple(runs), use, system.name, system.hash, units)


def validate(
    names: Iterable[str] | None = None,
    model: str | Path = "aibl",
    parameters: Parameters = None,
    progress: Progress | None = None,
) -> Validation:
    """Run trials through a model; see `bonepk.study.score.scores` for the summary.

    Parameters
    ----------
    names : iterable of str, optional
        By default every trial that comes with bonepk.
    model, parameters
        As for `predict_trial`.
    progress : callable, optional
        Called with (done, total, what), counted in trials.

    Returns
    -------
    Validation

    Raises
    ------
    NotFoundError, DataError, RegimenError
        As `predict_trial`; and if the split and the trials do not fit together. A solver that stops does not end the
        validation: the rows of that arm say so.
    """
    split = read_split()
    every = {name: load_trial(name) for name in trial_names()}
    check_split(split, every)
    chosen = list(every) if names is None else list(names)
    for name in chosen:
        if name not in every:
            raise NotFoundError(Fault("trial", f"unknown trial '{name}'", near(name, every)))
    tell = progress or _silent
    results = []
    for i, name in enumerate(chosen):
        tell(i, len(chosen), name)
        results.append(predict_trial(every[name], model, parameters, split=split))
    tell(len(chosen), len(chosen), "done")
    return Validation(tuple(results), split, results[0].model if results else str(model))


def _silent(done: int, total: int, what: str) -> None:
    pass


def needed_arms(trial: Trial) -> list[Arm]:
    """Arms that some row needs."""
    rows = [*(row for row in trial.rows if not row.obstacle), *event_rows(trial)]
    wanted = {name for row in rows for name in (row.arm, row.versus)}
    able = [a for a in trial.arms if not a.not_simulated]
    return [a for a in able if a.name in wanted]


def months_of(trial: Trial) -> F8:
    """Months of the whole trial, with every time that a row needs."""
    rows = [row for row in trial.rows if not row.obstacle]
    exact = {m for row in rows for m in (row.month, row.since) if m is not None}
    exact |= {m for row in event_rows(trial) for m in (month_of(trial, row), row.since) if m is not None}
    end = max(exact, default=0.0)
    return np.unique(np.concatenate([np.arange(0.0, max(end, 12.0) + 0.25, 0.5), np.array(sorted(exact))]))


def run_arm(system: System, arm: Arm, parts: Sequence[Cohort], months: F8) -> ArmRun:
    """Simulate the cohorts of an arm once, storing every month asked for.

    Parameters
    ----------
    system : System
        With the drugs of the cohorts.
    arm : Arm
    parts : sequence of Cohort
        From `bonepk.study.cohorts`.
    months : ndarray, shape (times,)
        Rising, from 0.

    Returns
    -------
    ArmRun
        With `failure` set if the solver stopped.
    """
    weights = np.array([c.weight for c in parts])
    years = np.array([c.parameters[YEARS] for c in parts])
    names = [n for n in _OUTPUTS if n in system.output_names]
    values: dict[str, list[F8]] = {n: [] for n in names}
    times = months_to_times(months.tolist(), time_unit=system.time_unit)
    for cohort in parts:
        try:
            run = simulate(system, cohort.plan, times=times, parameters=cohort.parameters, rtol=RTOL)
        except SolverError as error:
            return ArmRun(arm, months, weights, {}, f"{cohort.label or arm.label}: {error}")
        for n in names:
            values[n].append(np.asarray(run[n].values, dtype=np.float64))
    return ArmRun(arm, months, weights, {n: np.array(v) for n, v in values.items()}, years=years)


def _result(trial: Trial, row: Row, runs: Mapping[str, ArmRun], split: Split, system: System) -> RowResult:
    use = split.of(trial.name, row)
    arm = trial.arm(row.arm) if row.arm else None
    group = treatment(trial, arm, row.month) if arm else ""
    coarse = treatment_class(trial, arm, row.month) if arm else ""
    status = row.obstacle
    for name in (row.arm, row.versus):
        if name and not status and (why := trial.arm(name).not_simulated):
            status = f"not simulated: {why}"
        if name and not status and runs[name].failure:
            status = f"not simulated: {runs[name].failure}"
    output = ENDPOINTS[row.endpoint].output
    units = {o.name: o.unit for o in system.outputs}
    if not status and output not in units:
        status = f"model '{system.name}' has no output '{output}'"
    if not status and row.kind == "level" and row.unit != units[output]:
        status = f"the model gives '{output}' in [{units[output]}]"
    if status:
        return RowResult(trial.name, row, use, group, None, status, coarse)
    predicted = express(row, runs)
    status = row.not_scored and f"not scored: {row.not_scored}"
    return RowResult(trial.name, row, use, group, predicted, status, coarse)


def trial_events(trial: Trial, runs: Mapping[str, ArmRun], system: System) -> TrialEvents:
    """Fractures along the courses of a trial's arms; none where the model or a failed run cannot give them."""
    able = {n: r for n, r in runs.items() if not r.failure}
    can = event_rows(trial) and set(NEEDED) <= set(system.output_names) and YEARS in system.values
    return TrialEvents(trial, able if can else {}, untreated(system) if can else None)


def fracture_courses(trial: Trial, model: str | System = "aibl", parameters: Parameters = None) -> TrialEvents:
    """Simulate the arms that a trial's fracture rows need.

    Parameters
    ----------
    trial : Trial
    model, parameters
        As for `predict_trial`.

    Raises
    ------
    SolverError
        If an arm cannot be simulated.
    """
    names = {name for row in event_rows(trial) for name in (row.arm, row.versus) if name}
    arms = [a for a in trial.arms if a.name in names]
    system = model if isinstance(model, System) else load(model, drugs=drugs_of(trial, arms), parameters=parameters)
    runs = {a.name: run_arm(system, a, cohorts(trial, a), months_of(trial)) for a in arms}
    for run in runs.values():
        if run.failure:
            raise SolverError(Fault(f"trial '{trial.name}'", run.failure))
    return trial_events(trial, runs, system)


def express(row: Row, runs: Mapping[str, ArmRun]) -> float:
    """Express simulated courses as the publication expressed its number.

    Parameters
    ----------
    row : Row
        One that can be predicted (no `obstacle`).
    runs : mapping of str to ArmRun
        By name of arm; they hold the row's months.

    Returns
    -------
    float
        In the unit of the row.
    """
    output = ENDPOINTS[row.endpoint].output
    month = row.month or 0.0
    run = runs[row.arm]
    years = (month - row.since) / 12
    if row.kind in {"percent_change", "annual_change"}:
        return run.change(output, month, row.since) / (years if row.kind == "annual_change" else 1.0)
    if row.kind == "ratio":
        return run.level(output, month) / run.level(output, row.since)
    if row.kind == "level":
        return run.level(output, month)
    if row.kind == "versus_premenopausal":  # outputs are relative to the young baseline
        return 100.0 * (run.level(output, month) - 1.0)
    mine, other = run.change(output, month, row.since), runs[row.versus].change(output, month, row.since)
    if row.kind == "relative_difference":
        return 100.0 * ((1 + mine / 100) / (1 + other / 100) - 1)
    return (mine - other) / (years if row.kind == "annual_difference" else 1.0)
