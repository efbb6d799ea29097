"""Draws from the posterior by an ensemble sampler (emcee, extra ``infer``): for small problems, or to check Laplace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, MissingExtraError
from bonepk.infer.fit import Fit
from bonepk.infer.search import Progress

__all__ = ["Posterior", "sample"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """Draws of parameters and shifts.

    Attributes
    ----------
    unknowns : ndarray, shape (draws, unknowns)
        Parameters on their transformed scale, then shifts.
    values : ndarray, shape (draws, parameters)
        Parameters in their own units.
    names : tuple of str
    acceptance : float
        Share of moves taken; 0.2 to 0.5 is healthy.
    effective : float
        Draws divided by the longest autocorrelation time: fewer than a few hundred do not carry an interval.
    """

    unknowns: FloatArray
    values: FloatArray
    names: tuple[str, ...]
    acceptance: float
    effective: float


def sample(
    fit: Fit,
    *,
    steps: int = 2000,
    discard: int = 500,
    walkers: int | None = None,
    rng: np.random.Generator | int = 0,
    progress: Progress | None = None,
) -> Posterior:
    """Draw from the posterior, starting from the Laplace approximation.

    The prior is the one of the fit: normal on the transformed scale, and flat on it within the bounds for a parameter
    without one. Standard deviations of shifts and model errors are held at their estimates.

    Parameters
    ----------
    steps, discard : int
        Steps of each walker, and how many at the beginning are left out.
    walkers : int, optional
        At least twice the number of unknowns, which is the default (rounded up to 8 or more).

    Raises
    ------
    MissingExtraError
        If emcee is not installed.
    """
    try:
        import emcee
    except ImportError:
        raise MissingExtraError(
            Fault("posterior", "emcee is not installed", cure="pip install 'bonepk[infer]'")
        ) from None
    if not 0 <= discard < steps:
        raise DataError(Fault("posterior", f"discard = {discard} of {steps} steps", "expected fewer than the steps"))
    objective = fit.objective
    low, high = objective.bounds
    random = np.random.default_rng(rng)
    count = walkers or max(8, 2 * objective.size + 2)

    def log_posterior(x: FloatArray) -> float:
        if np.any(x < low) or np.any(x > high):
            return -np.inf
        residuals = objective.residuals(x)
        return float(-0.5 * residuals @ residuals) if np.all(np.isfinite(residuals)) else -np.inf

    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.1), (emcee.moves.StretchMove(), 0.1)]
    sampler = emcee.EnsembleSampler(count, objective.size, log_posterior, moves=moves)
    # emcee keeps numpy's old generator; seeding it from ours makes the draws follow `rng`
    state = np.random.RandomState(random.integers(2**32)).get_state()
    begin = emcee.State(fit.draw_unknowns(count, random), random_state=state)
    for step, _ in enumerate(sampler.sample(begin, iterations=steps)):
        if progress is not None:
            progress(step + 1, steps, "posterior")
    unknowns = np.asarray(sampler.get_chain(discard=discard, flat=True))
    length = float(np.max(sampler.get_autocorr_time(discard=discard, tol=0)))
    return Posterior(
        unknowns=unknowns,
        values=fit.outward(unknowns[:, : objective.n_free]),
        names=fit.names,
        acceptance=float(np.mean(sampler.acceptance_fraction)),
        effective=unknowns.shape[0] / max(length, 1.0),
    )
