"""Intervals for the numbers and courses of a trial, from a parameter set alone: no refit, no live fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import SolverError
from bonepk.infer.drawn import SOURCES, DrawnTrial, drawn_trial
from bonepk.infer.loss import Loss
from bonepk.infer.published import TYPICAL, observation, percent_of
from bonepk.infer.rows import ErrorModel, model_covariance, sampling_covariance
from bonepk.model.library import find_set, load
from bonepk.model.sets import ParameterSet
from bonepk.model.system import System
from bonepk.study.arms import drugs_of
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.evidence import Row, Trial, load_trial
from bonepk.study.predict import ArmRun, TrialResult, express, needed_arms

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RowInterval", "TrialIntervals", "trial_intervals", "validate_intervals", "with_intervals"]

F8 = NDArray[np.float64]
Progress = Callable[[int, int, str], None]
Parameters = ParameterSet | str | Path | Mapping[str, float | str] | None

_CHANGES = {"percent_change", "relative_difference", "versus_premenopausal"}  # nothing falls by more than 100 %
_NOISE = 20  # errors drawn for each run: they are cheap, and smooth the ends of an interval


@dataclass(frozen=True)
class RowInterval:
    """Where a published number is expected, in the unit of its row.

    Attributes
    ----------
    low, high : float
        Of the predictive interval: parameters, spread between trials, model error and sampling together.
    sd_parameter, sd_trial, sd_model, sd_sampling : float
        Standard deviation each of the four contributes (the last two before the tails of the fit's loss).
    inside : bool
        Whether the published value lies in the interval.
    """

    low: float
    high: float
    sd_parameter: float
    sd_trial: float
    sd_model: float
    sd_sampling: float
    inside: bool


@dataclass(frozen=True, eq=False)
class TrialIntervals:
    """A trial run over draws of the parameters and shifts between trials.

    Attributes
    ----------
    trial : str
        Name of the trial.
    rows : mapping of int to RowInterval
        By the row's place in ``trial.rows``; only rows that are predicted from a course. Empty where nothing is
        known of the uncertainty.
    courses : xarray.Dataset or None
        Bands of the percent change from day 0 of every output: dimensions ``arm``, ``source`` (``parameters``,
        ``parameters and trials``), ``bound`` (``low``, ``median``, ``high``) and ``month``.
    differences : xarray.Dataset or None
        The same for differences between arms, in points; dimension ``pair`` with coordinates ``arm`` and ``versus``.
    drawn : DrawnTrial or None
        The courses of every draw, for bands of anything else.
    level : float
    draws, skipped : int
        Draws asked for, and those of them that could not be solved.
    parameters : str
        Name of the set.
    note : str
        What is not known, in one line; empty if everything is.
    """

    trial: str
    rows: Mapping[int, RowInterval] = field(default_factory=dict)
    courses: xr.Dataset | None = None
    differences: xr.Dataset | None = None
    drawn: DrawnTrial | None = None
    level: float = 0.9
    draws: int = 0
    skipped: int = 0
    parameters: str = ""
    note: str = ""


def trial_intervals(
    trial: str | Path | Trial,
    model: str | Path = "aibl",
    parameters: Parameters = None,
    draws: int = 100,
    seed: int = 0,
    level: float = 0.9,
    progress: Progress | None = None,
) -> TrialIntervals:
    """Predictive intervals for every published number of a trial, and bands for the courses of its arms.

    Every draw of the parameters is run without and with shifts between trials; each number is then expressed as the
    publication expresses it, draw by draw. Errors of the model and of sampling are drawn on top.

    Parameters
    ----------
    trial : str, Path or Trial
        A name from `trial_names`, the path of a trial file, or a trial. A trial that was fitted is treated as new.
    model : str or Path
        A core.
    parameters : ParameterSet, str or Path, optional
        The set; by default the one the core names under ``fit``. Values by name give no intervals.
    draws : int
    seed : int
        The same seed gives the same numbers.
    level : float
        Of the intervals and bands.
    progress : callable, optional
        Called with (runs done, runs, what); it may raise to interrupt.

    Returns
    -------
    TrialIntervals
        Without rows and courses if the set has neither draws nor covariance; `note` says so.

    Raises
    ------
    NotFoundError, DataError, RegimenError
        As `bonepk.study.predict_trial`.
    SolverError
        If more than a tenth of the draws cannot be solved.
    """
    trial = trial if isinstance(trial, Trial) else load_trial(trial)
    system = load(model, drugs=drugs_of(trial, needed_arms(trial)), parameters=parameters)
    chosen, note = _set_of(system, parameters)
    if chosen is None or not draws:
        return TrialIntervals(trial.name, level=level, note=note or "no draws asked for")
    if not needed_arms(trial):
        return TrialIntervals(trial.name, level=level, parameters=chosen.name)
    drawn = drawn_trial(trial, system, chosen, draws, seed, progress)
    courses, differences = _courses(trial, drawn, level)
    return TrialIntervals(
        trial=trial.name,
        rows=_rows(trial, system, chosen, drawn, seed, level),
        courses=courses,
        differences=differences,
        drawn=drawn,
        level=level,
        draws=draws,
        skipped=drawn.skipped,
        parameters=chosen.name,
        note=_missing(chosen),
    )


def validate_intervals(
    trials: Iterable[str | Path | Trial],
    model: str | Path = "aibl",
    parameters: Parameters = None,
    draws: int = 100,
    seed: int = 0,
    level: float = 0.9,
    progress: Progress | None = None,
) -> dict[str, TrialIntervals]:
    """Intervals of several trials by name, without the courses of every draw.

    Parameters
    ----------
    trials : iterable of str, Path or Trial
        Such as ``trial_names()``.
    model, parameters, draws, seed, level
        As for `trial_intervals`.
    progress : callable, optional
        Called with (done, total, what), counted in trials.

    Returns
    -------
    dict of str to TrialIntervals
        A trial whose draws cannot be solved has no rows; its `note` says why.
    """
    chosen = [t if isinstance(t, Trial) else load_trial(t) for t in trials]
    tell = progress or (lambda *_: None)
    made = {}
    for i, trial in enumerate(chosen):
        tell(i, len(chosen), trial.name)
        try:
            found = trial_intervals(trial, model, parameters, draws, seed, level)
        except SolverError as error:
            found = TrialIntervals(trial.name, level=level, draws=draws, note=str(error))
        made[trial.name] = replace(found, drawn=None)
    tell(len(chosen), len(chosen), "done")
    return made


def with_intervals(result: TrialResult, intervals: TrialIntervals) -> TrialResult:
    """Give the rows of a prediction their intervals (`low`, `high`, and with them `covered`)."""
    rows = [
        replace(row, low=found.low, high=found.high) if (found := intervals.rows.get(k)) else row
        for k, row in enumerate(result.rows)
    ]
    return replace(result, rows=tuple(rows))


def _set_of(system: System, parameters: Parameters) -> tuple[ParameterSet | None, str]:
    """Find the set intervals come from, or say why there is none."""
    if isinstance(parameters, Mapping):
        return None, "no intervals: values given by name say nothing of their uncertainty"
    if parameters is None and not system.fit:
        return None, f"no intervals: model '{system.name}' names no fit; give a parameter set"
    chosen = parameters if isinstance(parameters, ParameterSet) else find_set(parameters or system.fit)
    if not chosen.uncertain:
        return None, f"no intervals: set '{chosen.name}' has neither draws nor covariance"
    return chosen, ""


def _missing(chosen: ParameterSet) -> str:
    absent = [
        what for what, there in (("spread between trials", chosen.effects), ("model error", chosen.errors)) if not there
    ]
    return f"set '{chosen.name}' states no {' and no '.join(absent)}: intervals are too narrow" if absent else ""


def _predicted(trial: Trial, row: Row, system: System) -> bool:
    """Whether a course of the model predicts a row."""
    if row.obstacle or any(trial.arm(a).not_simulated for a in (row.arm, row.versus) if a):
        return False
    units = {o.name: o.unit for o in system.outputs}
    output = ENDPOINTS[row.endpoint].output
    return output in units and (row.kind != "level" or row.unit == units[output])


def _rows(
    trial: Trial, system: System, chosen: ParameterSet, drawn: DrawnTrial, seed: int, level: float
) -> dict[int, RowInterval]:
    able = [(k, row) for k, row in enumerate(trial.rows) if _predicted(trial, row, system)]
    if not able:
        return {}
    errors = {e.family: ErrorModel(e.sd, e.shared, e.visits, e.outputs) for e in chosen.errors}
    typical = {**TYPICAL, **{e.family: e.typical for e in chosen.errors if e.typical is not None}}
    seen = [observation(trial, row, typical) for _, row in able]
    errors = {r.kin: ErrorModel(shared=0, visits=0, outputs=0) for r in seen} | errors
    model, sampling = model_covariance(seen, errors), sampling_covariance(seen, errors)
    loss = Loss() if chosen.loss is None else Loss(chosen.loss.name, chosen.loss.width)
    value, vector = np.linalg.eigh(model + sampling)
    root = vector * np.sqrt(np.maximum(value, 0.0))
    plain, mixed = drawn.each(lambda runs: np.array([express(row, runs) for _, row in able]))
    # draws and errors come from generators of their own: neither moves when the other changes
    noise = loss.noise((len(mixed), _NOISE, len(able)), np.random.default_rng([seed, 1])) @ root.T
    unit = np.array([percent_of(row) for _, row in able])
    floor = np.array([-100.0 if row.kind in _CHANGES else -np.inf for _, row in able])
    made = np.maximum(mixed[:, None, :] + noise / unit, floor)
    low, high = np.quantile(made, [0.5 - level / 2, 0.5 + level / 2], axis=(0, 1))
    return {
        k: RowInterval(
            low=float(low[j]),
            high=float(high[j]),
            sd_parameter=float(np.std(plain[:, j])),
            sd_trial=float(np.std(mixed[:, j] - plain[:, j])),
            sd_model=float(np.sqrt(model[j, j]) / unit[j]),
            sd_sampling=float(np.sqrt(sampling[j, j]) / unit[j]),
            inside=bool(low[j] <= row.value <= high[j]),
        )
        for j, (k, row) in enumerate(able)
    }


def _change(run: ArmRun, output: str) -> F8:
    values = run.values[output]
    return np.asarray(run.weights @ (100.0 * (values / values[:, :1] - 1.0)))


def _courses(trial: Trial, drawn: DrawnTrial, level: float) -> tuple[xr.Dataset, xr.Dataset | None]:
    import xarray as xr

    arms = list(drawn.plain[0])
    pairs = list(dict.fromkeys((r.arm, r.versus) for r in trial.rows if r.arm in arms and r.versus in arms))
    if not pairs and len(arms) == 2:
        pairs = [(arms[0], arms[1])]
    at = [0.5 - level / 2, 0.5, 0.5 + level / 2]
    one, two = {}, {}
    for name in drawn.outputs:
        each = drawn.each(lambda runs, n=name: np.array([_change(run, n) for run in runs.values()]))  # type: ignore[misc]
        label = ENDPOINTS[name].label if name in ENDPOINTS else name
        about = {"long_name": label, "units": "%", "description": "change from day 0"}
        one[name] = (("bound", "source", "arm", "month"), np.quantile(each, at, axis=1), about)
        if pairs:
            mine, other = ([arms.index(pair[side]) for pair in pairs] for side in (0, 1))
            gaps = np.quantile(each[:, :, mine] - each[:, :, other], at, axis=1)
            about = {"long_name": label, "units": "points", "description": "change of arm minus that of versus"}
            two[name] = (("bound", "source", "pair", "month"), gaps, about)
    shared: dict[str, Any] = {
        "source": ("source", list(SOURCES), {"long_name": "what was drawn"}),
        "bound": ("bound", ["low", "median", "high"], {"level": level}),
        "month": ("month", drawn.months, {"units": "month", "long_name": "months since study start"}),
    }
    notes = {"trial": trial.name, "level": level}
    courses = xr.Dataset(one, {"arm": arms, **shared}, notes).transpose("arm", "source", "bound", "month")
    if not pairs:
        return courses, None
    named = {
        "pair": [f"{a} - {b}" for a, b in pairs],
        "arm": ("pair", [a for a, _ in pairs]),
        "versus": ("pair", [b for _, b in pairs]),
    }
    return courses, xr.Dataset(two, {**named, **shared}, notes).transpose("pair", "source", "bound", "month")
