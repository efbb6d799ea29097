"""Endpoints of a trial with intervals: means, differences, adjusted differences, and power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "ancova", "difference_of", "mean_of", "people_needed", "power_of"]

F8 = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference, with its standard error and 95 % interval.

    `sd` is the spread between people (pooled, for a difference), `n` the number of people (effective, if weighted).
    """

    value: float
    sd: float
    se: float
    n: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def mean_of(values: F8, weights: F8 | None = None) -> Estimate:
    """Weighted mean; the standard error is that of independent weighted people.

    Parameters
    ----------
    values : ndarray, shape (people,)
        NaN is left out.
    weights : ndarray, shape (people,), optional
    """
    good = np.isfinite(values)
    x = values[good]
    w = np.ones(len(x)) if weights is None else weights[good]
    if len(x) < 2 or w.sum() <= 0:
        return Estimate(float(x.mean()) if len(x) else np.nan, np.nan, np.nan, len(x), np.nan, np.nan)
    w = w / w.sum()
    n = 1 / float((w**2).sum())
    mean = float(w @ x)
    sd = float(np.sqrt((w @ (x - mean) ** 2) * n / (n - 1)))
    return _estimate(mean, sd, sd / np.sqrt(n), n, n - 1)


def difference_of(a: Estimate, b: Estimate) -> Estimate:
    """Difference of two independent means (Welch)."""
    va, vb = a.se**2, b.se**2
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1)) if va + vb > 0 else np.inf
    sd = np.sqrt(((a.n - 1) * a.sd**2 + (b.n - 1) * b.sd**2) / (a.n + b.n - 2))
    return _estimate(a.value - b.value, float(sd), float(np.sqrt(va + vb)), a.n + b.n, float(freedom))


def ancova(values: F8, treated: NDArray[np.bool_], covariates: F8, weights: F8 | None = None) -> Estimate:
    """Difference of treated less others, adjusted for covariates by least squares.

    Parameters
    ----------
    values : ndarray, shape (people,)
        NaN is left out.
    treated : ndarray of bool, shape (people,)
    covariates : ndarray, shape (people, k)
        Such as bone density at baseline; one that does not vary is ignored.
    weights : ndarray, shape (people,), optional
        With them the standard error is the sandwich that allows for them.

    Returns
    -------
    Estimate
        `sd` is the residual spread.

    Raises
    ------
    ValueError
        If there are not more people than coefficients.
    """
    good = np.isfinite(values) & np.isfinite(covariates).all(axis=1)
    y = values[good]
    z = covariates[good]
    z = z[:, z.std(axis=0) > 0]
    x = np.column_stack([np.ones(len(y)), treated[good].astype(np.float64), z - z.mean(axis=0)])
    freedom = len(y) - x.shape[1]
    if freedom < 1:
        raise ValueError(f"{len(y)} people for {x.shape[1]} coefficients; more people are needed")
    w = np.ones(len(y)) if weights is None else weights[good]
    bread = np.linalg.inv((x * w[:, None]).T @ x)
    beta = bread @ (x.T @ (w * y))
    rest = y - x @ beta
    sd = float(np.sqrt((w @ rest**2) / w.sum() * len(y) / freedom))
    if weights is None:
        se = sd * float(np.sqrt(bread[1, 1]))
    else:
        meat = (x * (w * rest)[:, None] ** 2).T @ x
        se = float(np.sqrt((bread @ meat @ bread)[1, 1] * len(y) / freedom))
    return _estimate(float(beta[1]), sd, se, float(w.sum() ** 2 / (w**2).sum()), freedom)


def power_of(difference: float, sd: float, n: float, ratio: float = 1.0, alpha: float = 0.05) -> float:
    """Power of a two-sided two-sample t test.

    Parameters
    ----------
    difference : float
        True difference of the means.
    sd : float
        Spread between people, in both arms.
    n : float
        People in the first arm.
    ratio : float
        People in the second arm over those in the first.
    alpha : float
        Level of the test.

    Returns
    -------
    float

    Notes
    -----
    Exact, by the non-central t distribution; the smaller tail is left out, which matters below a power of about 0.1.
    """
    from scipy.special import nctdtr, stdtrit

    m = ratio * n
    freedom = n + m - 2
    shift = abs(difference) / (sd * np.sqrt(1 / n + 1 / m))
    return float(1 - nctdtr(freedom, shift, stdtrit(freedom, 1 - alpha / 2)))


def people_needed(difference: float, sd: float, power: float = 0.9, alpha: float = 0.05) -> int:
    """People in each of two equal arms that give a power; see `power_of`.

    Raises
    ------
    ValueError
        If the difference is 0, or the power is not between alpha and 1.
    """
    if not difference or not alpha < power < 1:
        raise ValueError(
            f"difference {difference:g}, power {power:g}; a difference other than 0 and a power in ({alpha:g}, 1)"
        )
    low, high = 2, 4
    while power_of(difference, sd, high, alpha=alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(difference, sd, middle, alpha=alpha) >= power else (middle, high)
    return high if power_of(difference, sd, 2, alpha=alpha) < power else 2


def _estimate(value: float, sd: float, se: float, n: float, freedom: float) -> Estimate:
    from scipy.special import stdtrit

    reach = (1.959963984540054 if np.isinf(freedom) else float(stdtrit(max(freedom, 1), 0.975))) * se
    return Estimate(value, sd, float(se), n, value - reach, value + reach)
