"""Predictions with their uncertainty: parameters, shifts between trials, model error and sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import SolverError
from bonepk.infer.fit import Fit
from bonepk.infer.loss import Loss
from bonepk.infer.objective import Objective
from bonepk.infer.predictor import Predictor
from bonepk.infer.rows import model_covariance, sampling_covariance
from bonepk.infer.search import Progress

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["predict"]

FloatArray = NDArray[np.float64]


def predict(
    fit: Fit,
    predictor: Predictor | None = None,
    *,
    draws: int = 200,
    level: float = 0.9,
    rng: np.random.Generator | int = 0,
    unknowns: FloatArray | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Predict rows with intervals.

    A block that was fitted keeps its fitted shifts; a new one gets shifts drawn from their distribution.

    Parameters
    ----------
    fit : Fit
    predictor : Predictor, optional
        Rows to predict; the fitted ones by default.
    draws : int
        Runs of every block, each with a draw of parameters and shifts; 0 uses the linearised model instead.
    level : float
        Of the interval a published number should fall into.
    rng : Generator or int
    unknowns : ndarray, optional
        Draws to use instead of the Laplace approximation's (from `sample`), shape (n, unknowns).

    Returns
    -------
    xarray.Dataset
        Dimension ``row`` with ``observed``, ``predicted`` (at the fitted values), ``low`` and ``high``, and the
        standard deviations ``sd_parameter``, ``sd_trial``, ``sd_model``, ``sd_sampling`` (the first two linearised).
    """
    import xarray as xr

    random = np.random.default_rng(rng)
    target = fit.objective if predictor is None else replace(fit.objective, predictor=predictor)
    mean, slopes, known = _centre(fit, target)
    rows = [(b.name, r) for b in target.predictor.blocks for r in b.rows]
    own = slopes[:, : target.n_free] @ _root(fit.covariance)
    spread = _shift_roots(fit, target, known)
    between = slopes[:, target.n_free :] @ spread
    noise = _noise_roots(target)
    if draws == 0:
        # parameters and fitted shifts are correlated: their joint covariance, not the sum of the two parts
        known_part = Loss().reach(level) ** 2 * _linear_variance(fit, target, slopes, known)
        reach = np.sqrt(known_part + target.loss.reach(level) ** 2 * np.sum(noise**2, axis=1))
        low, high = mean - reach, mean + reach
    else:
        made = _runs(fit, target, known, draws, random, unknowns, progress)
        made += target.loss.noise((made.shape[0], noise.shape[1]), random) @ noise.T
        low, high = np.quantile(made, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    sd_model, sd_sampling = _error_sds(target)
    columns = {
        "observed": [r.value for _, r in rows],
        "predicted": mean,
        "low": low,
        "high": high,
        "sd_parameter": np.sqrt(np.sum(own**2, axis=1)),
        "sd_trial": np.sqrt(np.sum(between**2, axis=1)),
        "sd_model": sd_model,
        "sd_sampling": sd_sampling,
    }
    labels = {
        "block": [name for name, _ in rows],
        "arm": [r.arm for _, r in rows],
        "versus": [r.versus for _, r in rows],
        "output": [r.output for _, r in rows],
        "family": [r.kin for _, r in rows],
        "month": [r.month for _, r in rows],
    }
    return xr.Dataset(
        {k: ("row", np.asarray(v, dtype=np.float64)) for k, v in columns.items()},
        coords={k: ("row", v) for k, v in labels.items()},
        attrs={"fit": fit.key, "level": level, "draws": draws},
    )


def _centre(fit: Fit, target: Objective) -> tuple[FloatArray, FloatArray, list[int]]:
    """Predictions and slopes at the fit, and for each shift its column in the fit (-1: a new block)."""
    at = {pair: fit.objective.n_free + j for j, pair in enumerate(fit.objective.shifts)}
    known = [at.get(pair, -1) for pair in target.shifts]
    x = np.concatenate([fit.z, [fit.best.x[c] if c >= 0 else 0.0 for c in known]])
    point = target.point(x)
    return point.predictions, point.slopes, known


def _root(covariance: FloatArray) -> FloatArray:
    value, vector = np.linalg.eigh(covariance)
    return np.asarray(vector * np.sqrt(np.maximum(value, 0.0)))


def _shift_roots(fit: Fit, target: Objective, known: list[int]) -> FloatArray:
    sds = [
        np.sqrt(fit.joint_covariance[c, c]) if c >= 0 else target.effects[k].sd
        for c, (_, k) in zip(known, target.shifts, strict=True)
    ]
    return np.diag(np.array(sds, dtype=np.float64))


def _linear_variance(fit: Fit, target: Objective, slopes: FloatArray, known: list[int]) -> FloatArray:
    joint = np.zeros((fit.objective.size, slopes.shape[1]))
    joint[: target.n_free, : target.n_free] = np.eye(target.n_free)
    fresh = np.zeros(len(known))
    for j, c in enumerate(known):
        if c >= 0:
            joint[c, target.n_free + j] = 1.0
        else:
            fresh[j] = target.effects[target.shifts[j][1]].sd ** 2
    moved = slopes @ joint.T
    return np.asarray(np.sum((moved @ fit.joint_covariance) * moved, axis=1) + slopes[:, target.n_free :] ** 2 @ fresh)


def _noise_roots(target: Objective) -> FloatArray:
    from scipy.linalg import block_diag

    errors = dict(target.errors)
    parts = [
        _root(sampling_covariance(b.rows, errors) + model_covariance(b.rows, errors)) for b in target.predictor.blocks
    ]
    return np.asarray(block_diag(*parts))


def _error_sds(target: Objective) -> tuple[FloatArray, FloatArray]:
    errors = dict(target.errors)
    blocks = target.predictor.blocks
    model = np.concatenate([np.sqrt(np.diag(model_covariance(b.rows, errors))) for b in blocks])
    sampling = np.concatenate([np.sqrt(np.diag(sampling_covariance(b.rows, errors))) for b in blocks])
    return model, sampling


def _runs(
    fit: Fit,
    target: Objective,
    known: list[int],
    draws: int,
    random: np.random.Generator,
    unknowns: FloatArray | None,
    progress: Progress | None,
) -> FloatArray:
    if unknowns is None:
        pool = fit.draw_unknowns(draws, random)
    else:
        pool = unknowns[random.choice(unknowns.shape[0], draws, replace=unknowns.shape[0] < draws)]
    made = []
    for i, drawn in enumerate(pool):
        shifts = [
            drawn[c] if c >= 0 else random.normal(0.0, target.effects[k].sd)
            for c, (_, k) in zip(known, target.shifts, strict=True)
        ]
        if progress is not None:
            progress(i, draws, "draws")
        try:
            made.append(target.predictions(np.concatenate([drawn[: target.n_free], shifts])))
        except SolverError:  # a draw from the tail of the approximation may have no solution
            continue
    if len(made) < 0.9 * draws:
        raise SolverError(f"predict: only {len(made)} of {draws} draws could be run; use draws=0 or tighter bounds")
    return np.array(made)
