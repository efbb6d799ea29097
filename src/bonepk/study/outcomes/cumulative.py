"""Hazards along a course: cumulated, turned into shares of women, and drawn from.

One rule throughout: between two stored months the logarithm of a hazard is a straight line. The integral over such a
step is exact, positive, and of second order where the hazard is smooth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cumulative_hazard", "event_months", "incidence", "incidence_beside_death", "pooled_incidence"]

F8 = NDArray[np.float64]

_MONTHS = 12.0


def _relative_step(x: F8) -> F8:
    """``expm1(x)/x``, 1 at 0."""
    small = np.abs(x) < 1e-8
    return np.where(small, 1.0 + x / 2, np.expm1(x) / np.where(small, 1.0, x))


def cumulative_hazard(months: F8, hazard: F8) -> F8:
    """Integrate a hazard from the first month on.

    Parameters
    ----------
    months : ndarray, shape (times,)
        Rising.
    hazard : ndarray, shape (..., times)
        Per year, positive.

    Returns
    -------
    ndarray, shape (..., times)
        0 at the first month. Exact for a hazard whose logarithm is linear between months: a step adds
        ``h0 * dt * expm1(x)/x`` with ``x = log(h1/h0)``.

    Raises
    ------
    ValueError
        If a hazard is not a positive finite number.
    """
    if not (np.isfinite(hazard).all() and (hazard > 0).all()):
        raise ValueError("hazard: found a value that is not positive and finite")
    x = np.diff(np.log(hazard), axis=-1)
    steps = hazard[..., :-1] * np.diff(months) / _MONTHS * _relative_step(x)
    made = np.zeros(hazard.shape)
    np.cumsum(steps, axis=-1, out=made[..., 1:])
    return made


def incidence(cumulative: F8) -> F8:
    """Share of women with the event, other events apart: what a Kaplan-Meier curve estimates."""
    return np.asarray(-np.expm1(-cumulative), dtype=np.float64)


def pooled_incidence(cumulative: F8, weights: F8) -> F8:
    """Share of a group with the event, shape (times,): the mean over its women.

    Parameters
    ----------
    cumulative : ndarray, shape (women, times)
    weights : ndarray, shape (women,)
        Any scale.
    """
    return np.asarray(weights @ incidence(cumulative) / weights.sum(), dtype=np.float64)


def incidence_beside_death(cumulative: F8, death: F8) -> F8:
    """Share of women with the event before death.

    Parameters
    ----------
    cumulative, death : ndarray, shape (..., times)
        Cumulative hazards of the event and of death from other causes.

    Returns
    -------
    ndarray, shape (..., times)
        Within a step the two hazards are taken as proportional, so a step adds
        ``S * dA/(dA + dD) * (1 - exp(-(dA + dD)))``.
    """
    events, both = np.diff(cumulative, axis=-1), np.diff(cumulative + death, axis=-1)
    alive = np.exp(-(cumulative + death))[..., :-1]
    made = np.zeros(np.broadcast(cumulative, death).shape)
    np.cumsum(alive * events * _relative_step(-both), axis=-1, out=made[..., 1:])
    return made


def event_months(months: F8, hazard: F8, uniforms: F8) -> F8:
    """Draw the month of the first event of each woman by inverting her cumulative hazard.

    Parameters
    ----------
    months : ndarray, shape (times,)
    hazard : ndarray, shape (women, times)
        Per year, positive.
    uniforms : ndarray, shape (women,)
        Numbers between 0 and 1.

    Returns
    -------
    ndarray, shape (women,)
        inf for a woman without an event by the last month. A month depends on the hazard before it only.
    """
    total = cumulative_hazard(months, hazard)
    wanted = -np.log1p(-np.asarray(uniforms, dtype=np.float64))
    made = np.full(len(wanted), np.inf)
    hit = wanted < total[:, -1]
    if not hit.any():
        return made
    who = np.flatnonzero(hit)
    step = (total[who] <= wanted[who, None]).sum(axis=1) - 1
    start, span = months[step], np.diff(months)[step]
    h0, h1 = hazard[who, step], hazard[who, step + 1]
    left = (wanted[who] - total[who, step]) / (h0 * span / _MONTHS)
    x = np.log(h1 / h0)
    flat = np.abs(x) < 1e-8
    part = np.where(flat, left * (1 - x * left / 2), np.log1p(np.where(flat, 0.0, left * x)) / np.where(flat, 1.0, x))
    made[who] = start + span * np.clip(part, 0.0, 1.0)
    return made
