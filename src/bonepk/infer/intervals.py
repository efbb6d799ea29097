"""Intervals for the numbers and courses of a trial, from a parameter set alone: no refit, no live fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bonepk.model.sets import ParameterSet
from bonepk.study.evidence import Trial

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RowInterval", "TrialIntervals", "trial_intervals"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class RowInterval:
    """Where a published number is expected, in the unit of its row.

    Attributes
    ----------
    low, high : float
        Of the predictive interval: parameters, spread between trials, model error and sampling together.
    sd_parameter, sd_trial, sd_model, sd_sampling : float
        Standard deviation each of the four contributes.
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
    level: float = 0.9
    draws: int = 0
    skipped: int = 0
    parameters: str = ""
    note: str = ""


def trial_intervals(
    trial: str | Path | Trial,
    model: str | Path = "aibl",
    parameters: ParameterSet | str | Path | None = None,
    draws: int = 100,
    seed: int = 0,
    level: float = 0.9,
    progress: Progress | None = None,
) -> TrialIntervals:
    """Predictive intervals for every published number of a trial, and bands for the courses of its arms.

    Parameters
    ----------
    trial : str, Path or Trial
        A name from `trial_names`, the path of a trial file, or a trial. A trial that was fitted is treated as new.
    model : str or Path
        A core.
    parameters : ParameterSet, str or Path, optional
        The set; by default the one the core names under ``fit``.
    draws : int
    seed : int
    level : float
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    TrialIntervals
        Without rows and courses if the set has neither draws nor covariance; `note` says so.
    """
    raise NotImplementedError
