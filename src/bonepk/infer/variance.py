"""Standard deviations of shifts and of model errors, estimated from a fit (empirical Bayes).

Multiplicative updates whose fixed point is the restricted maximum of the Laplace marginal likelihood: for the shifts
Fellner and Schall's rule, ``sd^2 = sum(b^2) / (n - sum(var(b))/sd^2)``; for a model error with covariance ``s^2 C`` the
ratio of what its score sees, ``r' S^-1 C S^-1 r``, to what it expects, ``tr(P C)``.

Sources: Fellner 1986 Technometrics 28:51; Schall 1991 Biometrika 78:719; Wood and Fasiolo 2017 Biometrics 73:1071.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bonepk.infer.objective import Objective, Point
from bonepk.infer.rows import factors, model_covariance

__all__ = ["covariance_of", "update"]

FloatArray = NDArray[np.float64]


def covariance_of(information: FloatArray) -> FloatArray:
    """Inverse of a curvature; directions without curvature get a very large variance instead of an error."""
    value, vector = np.linalg.eigh(information)
    floor = max(float(value[-1]), 1.0) * 1e-12
    return np.asarray((vector / np.maximum(value, floor)) @ vector.T)


def update(objective: Objective, x: FloatArray, point: Point) -> tuple[Objective, float]:
    """One step of the standard deviations that are to be estimated.

    Returns
    -------
    objective : Objective
        With the new standard deviations.
    change : float
        Largest relative change of a standard deviation.
    """
    covariance = covariance_of(objective.information(point))
    effects, errors = list(objective.effects), dict(objective.errors)
    changes = [0.0]
    shifts = x[objective.n_free :]
    for k, effect in enumerate(objective.effects):
        mine = [j for j, (_, which) in enumerate(objective.shifts) if which == k]
        if not effect.estimate or len(mine) < 2:
            continue
        b = shifts[mine]
        used = sum(covariance[objective.n_free + j, objective.n_free + j] for j in mine) / effect.sd**2
        ratio = float(b @ b) / (max(len(mine) - used, 0.05 * len(mine)) * effect.sd**2)
        effects[k] = replace(effect, sd=effect.sd * _step(ratio))
        changes.append(abs(_step(ratio) - 1))
    scores = _error_scores(objective, point, covariance)
    for family, (seen, expected) in scores.items():
        step = _step(seen / expected)
        errors[family] = replace(errors[family], sd=errors[family].sd * step)
        changes.append(abs(step - 1))
    return replace(objective, effects=tuple(effects), errors=errors), max(changes)


def _step(ratio: float) -> float:
    # at most a factor of two at a time, so that one bad start does not run away
    return float(np.clip(np.sqrt(max(ratio, 0.0)), 0.5, 2.0))


def _error_scores(objective: Objective, point: Point, covariance: FloatArray) -> dict[str, tuple[float, float]]:
    wanted = [f for f, model in objective.errors.items() if model.estimate and model.sd > 0]
    scores = {f: [0.0, 0.0] for f in wanted}
    weight = objective.loss.weight(point.raw)
    at = 0
    for block in objective.predictor.blocks:
        n = len(block.rows)
        span = slice(at, at + n)
        at += n
        inverse = np.linalg.inv(factors(block.rows, dict(objective.errors), block.name))
        pull = inverse.T @ (np.sqrt(weight[span]) * point.raw[span])
        white = inverse @ point.slopes[span]
        for family in wanted:
            alone = {f: replace(m, sd=m.sd if f == family else 0.0) for f, m in objective.errors.items()}
            part = model_covariance(block.rows, alone)
            inner = inverse @ part @ inverse.T
            scores[family][0] += float(pull @ part @ pull) / objective.loss.consistency
            scores[family][1] += float(np.trace(inner) - np.trace(white.T @ inner @ white @ covariance))
    return {f: (seen, expected) for f, (seen, expected) in scores.items() if expected > 0}
