"""A fit: values with their uncertainty, where every search ended, and what the data could not tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import NotFoundError, near
from bonepk.infer.descent import Descent
from bonepk.infer.objective import Objective, Point
from bonepk.infer.rows import Row
from bonepk.infer.variance import covariance_of

__all__ = ["Fit", "RowFit"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RowFit:
    """One observed number beside its prediction."""

    block: str
    row: Row
    predicted: float
    standardised: float
    """Whitened residual: in standard deviations, after what the earlier rows of the block have told."""

    @property
    def error(self) -> float:
        """Prediction minus observation."""
        return self.predicted - self.row.value


@dataclass(frozen=True)
class Fit:
    """The result of `calibrate`.

    Attributes
    ----------
    title : str
    key : str
        Hash of the problem: model, evidence, settings, versions.
    seed : int
    objective : Objective
        With the standard deviations as estimated.
    point : Point
        Residuals and derivatives at the best fit.
    best : Descent
    ends : tuple of Descent or None
        Where each start ended; None where it could not be solved.
    settled : bool
        The estimated standard deviations no longer changed.
    """

    title: str
    key: str
    seed: int
    objective: Objective
    point: Point
    best: Descent
    ends: tuple[Descent | None, ...]
    settled: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fitted parameters."""
        return tuple(p.name for p in self.objective.free)

    @property
    def z(self) -> FloatArray:
        """Fitted parameters on their transformed scale."""
        return self.best.x[: self.objective.n_free]

    @property
    def values(self) -> dict[str, float]:
        """Fitted parameters in their own units."""
        return self.objective.values(self.best.x)

    @property
    def shifts(self) -> dict[str, dict[str, float]]:
        """Shift of each effect in each block, on its scale."""
        made: dict[str, dict[str, float]] = {e.name: {} for e in self.objective.effects}
        for b, (block, k) in zip(self.best.x[self.objective.n_free :], self.objective.shifts, strict=True):
            made[self.objective.effects[k].name][block] = float(b)
        return made

    @cached_property
    def joint_covariance(self) -> FloatArray:
        """Laplace covariance of parameters (transformed) and shifts."""
        return covariance_of(self.objective.information(self.point))

    @property
    def covariance(self) -> FloatArray:
        """Laplace covariance of the parameters on their transformed scale, shifts averaged over."""
        n = self.objective.n_free
        return self.joint_covariance[:n, :n]

    @property
    def correlation(self) -> FloatArray:
        """Correlation of the parameters on their transformed scale."""
        sd = np.sqrt(np.diag(self.covariance))
        return np.asarray(self.covariance / np.outer(sd, sd))

    def interval(self, name: str, level: float = 0.9) -> tuple[float, float]:
        """Laplace interval of a parameter in its own unit, cut at its bounds.

        Raises
        ------
        NotFoundError
            If the parameter was not fitted.
        """
        from scipy.stats import norm

        if name not in self.names:
            raise NotFoundError(f"fit: no fitted parameter '{name}'; {near(name, self.names)}")
        i = self.names.index(name)
        p = self.objective.free[i]
        reach = float(norm.ppf(0.5 + level / 2)) * math.sqrt(self.covariance[i, i])
        low, high = p.bounds
        return p.outward(max(self.z[i] - reach, low)), p.outward(min(self.z[i] + reach, high))

    def draw(self, n: int, rng: np.random.Generator | int) -> FloatArray:
        """Draws of the parameters from the Laplace approximation, in their own units.

        Draws outside the bounds are drawn again, at most a hundred times; what is still outside is moved to the bound.

        Returns
        -------
        ndarray, shape (n, parameters)
        """
        return self.outward(self.draw_unknowns(n, rng)[:, : self.objective.n_free])

    def draw_unknowns(self, n: int, rng: np.random.Generator | int) -> FloatArray:
        """Draws of parameters (transformed) and shifts together, shape (n, unknowns)."""
        random = np.random.default_rng(rng)
        value, vector = np.linalg.eigh(self.joint_covariance)
        root = vector * np.sqrt(np.maximum(value, 0.0))
        low, high = self.objective.bounds
        made = self.best.x + random.standard_normal((n, value.size)) @ root.T
        for _ in range(100):
            outside = np.any((made < low) | (made > high), axis=1)
            if not outside.any():
                break
            made[outside] = self.best.x + random.standard_normal((int(outside.sum()), value.size)) @ root.T
        return np.asarray(np.clip(made, low, high))

    def outward(self, z: FloatArray) -> FloatArray:
        """Transform parameters to their own units, shape (n, parameters)."""
        return np.array([[p.outward(float(v)) for p, v in zip(self.objective.free, row, strict=True)] for row in z])

    @cached_property
    def rows(self) -> tuple[RowFit, ...]:
        """Every observed number beside its prediction (shifts included)."""
        made, at = [], 0
        for block in self.objective.predictor.blocks:
            for row in block.rows:
                made.append(RowFit(block.name, row, float(self.point.predictions[at]), float(self.point.raw[at])))
                at += 1
        return tuple(made)

    def quality(self) -> Mapping[str, tuple[int, float, float]]:
        """Count rows, with root mean square and mean absolute error by family; a yearly rate counts all its years."""
        made = {}
        for family in dict.fromkeys(r.row.kin for r in self.rows):
            errors = np.array([r.error * r.row.per for r in self.rows if r.row.kin == family])
            made[family] = (errors.size, float(np.sqrt(np.mean(errors**2))), float(np.mean(np.abs(errors))))
        return made

    @property
    def at_bounds(self) -> tuple[str, ...]:
        """Parameters that ended at a bound (within 0.1 % of its width)."""
        found = []
        for p, z in zip(self.objective.free, self.z, strict=True):
            low, high = p.bounds
            width = (high - low) * 1e-3 if math.isfinite(low) else 0.0
            if z - low < width or high - z < width:
                found.append(p.name)
        return tuple(found)

    @property
    def agreeing(self) -> int:
        """Number of starts that ended within 0.5 % of the lowest cost of all starts."""
        costs = [d.cost for d in self.ends if d is not None]
        return sum(c <= min(costs) * 1.005 + 1e-9 for c in costs)
