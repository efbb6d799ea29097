"""Times to events: Kaplan-Meier curves and the hazard ratio of two arms.

Curves come from SciPy. The Cox ratio of one covariate is a Newton search in one dimension, kept here rather than taking
on a statistics package for it; the tests hold it to two of them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bonepk.errors import DataError, Fault, SolverError

__all__ = ["HazardRatio", "KaplanMeier", "hazard_ratio", "kaplan_meier", "observed"]

F8 = NDArray[np.float64]

_STEPS, _CLOSE = 50, 1e-10


@dataclass(frozen=True, eq=False)
class KaplanMeier:
    """A Kaplan-Meier curve of the part with the event.

    Attributes
    ----------
    months : ndarray, shape (steps,)
        Months at which someone had the event or was lost.
    incidence, low, high : ndarray, shape (steps,)
        Part with the event by then, with its interval (exponential Greenwood, in the log-log scale).
    """

    months: F8
    incidence: F8
    low: F8
    high: F8

    def at(self, month: float) -> tuple[float, float, float]:
        """Part with the event by a month, with its interval; 0 before the first step."""
        k = int(np.searchsorted(self.months, month, side="right")) - 1
        if k < 0:
            return 0.0, 0.0, 0.0
        return float(self.incidence[k]), float(self.low[k]), float(self.high[k])


@dataclass(frozen=True)
class HazardRatio:
    """Ratio of the hazards of two arms, with its interval; `se` is that of the logarithm."""

    value: float
    low: float
    high: float
    se: float
    events: int


def observed(event: ArrayLike, lost: ArrayLike) -> tuple[F8, NDArray[np.bool_]]:
    """Month until which each person was seen, and whether that was the event.

    Parameters
    ----------
    event, lost : array_like, shape (people,)
        Month of the event (inf for none), and of loss or the end of study. An event in the month of loss counts.
    """
    first, last = np.asarray(event, dtype=np.float64), np.asarray(lost, dtype=np.float64)
    return np.minimum(first, last), first <= last


def kaplan_meier(months: ArrayLike, events: ArrayLike, level: float = 0.95) -> KaplanMeier:
    """Estimate the part with the event under right censoring.

    Parameters
    ----------
    months : array_like, shape (people,)
        Month of the event or of loss.
    events : array_like of bool, shape (people,)
        Whether it was the event.
    level : float
        Of the interval.

    Raises
    ------
    DataError
        If there is nobody, or months and events do not fit together.
    """
    from scipy.stats import CensoredData, ecdf

    t, seen = _checked(months, events)
    curve = ecdf(CensoredData(uncensored=t[seen], right=t[~seen]))
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no interval where nobody or everybody had the event
        bounds = curve.cdf.confidence_interval(level, method="log-log")
    part = np.asarray(curve.cdf.probabilities, dtype=np.float64)
    low = np.nan_to_num(np.asarray(bounds.low.probabilities, dtype=np.float64), nan=0.0)
    high = np.asarray(bounds.high.probabilities, dtype=np.float64)
    return KaplanMeier(
        np.asarray(curve.cdf.quantiles, dtype=np.float64), part, low, np.where(np.isnan(high), part, high)
    )


def hazard_ratio(months: ArrayLike, events: ArrayLike, treated: ArrayLike, level: float = 0.95) -> HazardRatio:
    """Estimate the hazard of treated over untreated people: Cox regression on one covariate, ties as Efron.

    Parameters
    ----------
    months : array_like, shape (people,)
    events, treated : array_like of bool, shape (people,)
    level : float
        Of the interval (Wald).

    Raises
    ------
    DataError
        If there is nobody, the arrays do not fit together, or one arm has no event (the ratio is then 0 or infinite).
    SolverError
        If the search does not converge.
    """
    from scipy.special import ndtri

    t, seen = _checked(months, events)
    x = np.asarray(treated, dtype=np.float64)
    if x.shape != t.shape or not {0.0, 1.0} >= set(np.unique(x)):
        raise DataError(Fault("hazard ratio", "'treated' does not fit", "expected one truth value a person"))
    if not (seen & (x == 1)).any() or not (seen & (x == 0)).any():
        raise DataError(
            Fault("hazard ratio", "an arm without events", "expected events in both", "pool, or follow longer")
        )
    table = _risk_sets(t, seen, x)
    beta = 0.0
    for _ in range(_STEPS):
        slope, curvature = _score(beta, *table)
        step = slope / curvature
        beta += float(np.clip(step, -2.0, 2.0))
        if abs(step) < _CLOSE:
            break
    else:
        raise SolverError(Fault("hazard ratio", f"no convergence in {_STEPS} steps"))
    se = float(1 / np.sqrt(_score(beta, *table)[1]))
    wide = float(ndtri(0.5 + level / 2)) * se
    return HazardRatio(float(np.exp(beta)), float(np.exp(beta - wide)), float(np.exp(beta + wide)), se, int(seen.sum()))


def _checked(months: ArrayLike, events: ArrayLike) -> tuple[F8, NDArray[np.bool_]]:
    t, seen = np.asarray(months, dtype=np.float64), np.asarray(events, dtype=bool)
    if t.ndim != 1 or t.shape != seen.shape or not len(t):
        raise DataError(Fault("survival", f"{t.shape} months, {seen.shape} events", "expected one of each a person"))
    if not np.isfinite(t).all() or (t < 0).any():
        raise DataError(Fault("survival", "a month that is negative or not finite", cure="use observed(event, lost)"))
    return t, seen


def _risk_sets(t: F8, seen: NDArray[np.bool_], x: F8) -> tuple[F8, F8, F8]:
    """Flatten Efron's terms: at risk in both arms less a part of the tied events, one entry for each event."""
    rows = []
    times, counts = np.unique(t[seen], return_counts=True)
    rise = np.sort(t[x == 1])
    flat = np.sort(t[x == 0])
    for time, ties in zip(times, counts, strict=True):
        at_one, at_none = len(rise) - np.searchsorted(rise, time), len(flat) - np.searchsorted(flat, time)
        ones = float(x[seen & (t == time)].sum())
        part = np.arange(ties) / ties
        rows.append(np.column_stack([at_one - part * ones, at_none - part * (ties - ones), np.full(ties, ones / ties)]))
    every = np.concatenate(rows)
    return every[:, 0], every[:, 1], every[:, 2]


def _score(beta: float, at_one: F8, at_none: F8, ones: F8) -> tuple[float, float]:
    share = at_one * np.exp(beta) / (at_one * np.exp(beta) + at_none)
    return float((ones - share).sum()), float((share * (1 - share)).sum())
