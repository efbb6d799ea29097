"""The sum of squares a calibration minimises: data, priors and penalised trial-level shifts.

Unknowns x are the fitted parameters on their transformed scale, then the shifts b, block by block. Minus twice the log
posterior, up to a constant and with the loss in place of the normal density, is ``sum(residuals(x)**2)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import SolverError
from bonepk.infer.free import Effect, Free
from bonepk.infer.loss import Loss
from bonepk.infer.predictor import Differentiable, Predictor, differences
from bonepk.infer.rows import ErrorModel, factors

__all__ = ["TOGETHER", "Objective", "Point"]

FloatArray = NDArray[np.float64]

TOGETHER = "*"
"""Stands for the block of a shift that several blocks share."""


@dataclass(frozen=True)
class Point:
    """Residuals and their Jacobian at one point.

    Attributes
    ----------
    residuals : ndarray, shape (m,)
        Whitened and bent data residuals, then priors, then shifts; NaN where there is no solution.
    jacobian : ndarray, shape (m, n)
    predictions : ndarray, shape (rows,)
    slopes : ndarray, shape (rows, n)
        Derivatives of the predictions by the unknowns.
    raw : ndarray, shape (rows,)
        Whitened data residuals before the loss.
    """

    residuals: FloatArray
    jacobian: FloatArray
    predictions: FloatArray
    slopes: FloatArray
    raw: FloatArray


@dataclass(frozen=True)
class Objective:
    """Everything that is fixed during one search."""

    predictor: Predictor
    free: tuple[Free, ...]
    effects: tuple[Effect, ...] = ()
    errors: Mapping[str, ErrorModel] = field(default_factory=dict)
    loss: Loss = field(default_factory=Loss)

    def __post_init__(self) -> None:
        complete = {r.kin: ErrorModel(shared=0, visits=0, outputs=0) for b in self.predictor.blocks for r in b.rows}
        object.__setattr__(self, "errors", complete | dict(self.errors))

    @cached_property
    def shifts(self) -> tuple[tuple[str, int], ...]:
        """Block (or `TOGETHER`) and number of the effect of each shift, where it can change anything."""
        made: dict[tuple[str, int], None] = {}
        for block in self.predictor.blocks:
            for k, effect in enumerate(self.effects):
                if effect.together and block.name not in effect.together:
                    continue
                if any(self.predictor.uses(block.name, p) for p in effect.parameters):
                    made[TOGETHER if effect.together else block.name, k] = None
        return tuple(made)

    @property
    def n_free(self) -> int:
        """Number of fitted parameters."""
        return len(self.free)

    @property
    def size(self) -> int:
        """Number of unknowns: parameters and shifts."""
        return self.n_free + len(self.shifts)

    @cached_property
    def observed(self) -> FloatArray:
        """Observed values of all rows."""
        return np.array([r.value for b in self.predictor.blocks for r in b.rows])

    @cached_property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of the unknowns; shifts within six standard deviations."""
        pairs = [p.bounds for p in self.free]
        pairs += [(-6 * self.effects[k].sd, 6 * self.effects[k].sd) for _, k in self.shifts]
        low, high = np.array(pairs).T
        return low, high

    @cached_property
    def start(self) -> FloatArray:
        """The unknowns at the start values, without shifts."""
        return np.array([p.inward(p.start) for p in self.free] + [0.0] * len(self.shifts))

    @cached_property
    def _whiteners(self) -> tuple[FloatArray, ...]:
        errors = dict(self.errors)
        made = [factors(b.rows, errors, f"block '{b.name}'") for b in self.predictor.blocks]
        # blocks are small and well conditioned; a product costs far less than a call of LAPACK
        return tuple(np.asarray(np.linalg.inv(factor)) for factor in made)

    def values(self, x: FloatArray) -> dict[str, float]:
        """Fitted parameters in their own units, and those tied to them."""
        pairs = zip(self.free, x[: self.n_free], strict=True)
        return {name: p.outward(float(z)) for p, z in pairs for name in (p.name, *p.also)}

    def block_values(
        self, block: str, x: FloatArray
    ) -> tuple[dict[str, float], list[tuple[str, list[tuple[int, float]]]]]:
        """Values of a block, and for each name which unknowns move it and how fast."""
        values = self.values(x)
        chain = {name: [(i, p.slope(float(x[i])))] for i, p in enumerate(self.free) for name in (p.name, *p.also)}
        for j, (name, k) in enumerate(self.shifts):
            if name != block and not (name == TOGETHER and block in self.effects[k].together):
                continue
            effect, column = self.effects[k], self.n_free + j
            for p in effect.parameters:
                before = values.get(p, 0.0 if p.startswith("+") else self.predictor.defaults.get(p, 0.0))
                values[p], by_value, by_b = effect.apply(before, float(x[column]))
                chain[p] = [(i, s * by_value) for i, s in chain.get(p, [])] + [(column, by_b)]
        return values, list(chain.items())

    def predictions(self, x: FloatArray) -> FloatArray:
        """Predictions of all rows."""
        made = [self.predictor.predict(b.name, self.block_values(b.name, x)[0]) for b in self.predictor.blocks]
        return np.concatenate(made)

    def residuals(self, x: FloatArray) -> FloatArray:
        """Residuals at x; NaN where a run fails, which a search takes for a step too far."""
        try:
            predicted = self.predictions(x)
        except SolverError:
            return np.full(self.observed.size + self._n_prior + len(self.shifts), np.nan)
        return np.concatenate([self.loss.bend(self._whiten(predicted - self.observed))[0], *self._penalties(x)])

    def point(self, x: FloatArray) -> Point:
        """Residuals and Jacobian at x.

        Raises
        ------
        SolverError
            If a run fails.
        """
        predicted, slopes = [], []
        for block in self.predictor.blocks:
            values, chain = self.block_values(block.name, x)
            names = [name for name, _ in chain]
            if isinstance(self.predictor, Differentiable):
                base, by_value = self.predictor.jacobian(block.name, values, names)
            else:
                base, by_value = differences(self.predictor, block.name, values, names)
            slope = np.zeros((base.size, self.size))
            for column, (_, moves) in enumerate(chain):
                for i, factor in moves:
                    slope[:, i] += by_value[:, column] * factor
            predicted.append(base)
            slopes.append(slope)
        all_predicted, all_slopes = np.concatenate(predicted), np.concatenate(slopes)
        raw = self._whiten(all_predicted - self.observed)
        bent, bend = self.loss.bend(raw)
        jacobian = np.concatenate([self._whiten(all_slopes) * bend[:, None], self._penalty_slopes()])
        residuals = np.concatenate([bent, *self._penalties(x)])
        return Point(residuals, jacobian, all_predicted, all_slopes, raw)

    def information(self, point: Point, prior: bool = True) -> FloatArray:
        """Gauss-Newton curvature of half the sum of squares: the inverse of the Laplace covariance.

        Outliers count with the weight the loss gives them.
        """
        white = self._whiten(point.slopes)
        made = white.T @ (self.loss.weight(point.raw)[:, None] * white)
        penalties = self._penalty_slopes()
        if not prior:
            penalties = penalties[self._n_prior :]
        return np.asarray(made + penalties.T @ penalties)

    @property
    def _n_prior(self) -> int:
        return sum(p.prior is not None for p in self.free)

    def _penalties(self, x: FloatArray) -> Sequence[FloatArray]:
        priors = [
            (float(x[i]) - p.inward(p.prior.value)) / p.prior.sd for i, p in enumerate(self.free) if p.prior is not None
        ]
        shifts = [float(b) / self.effects[k].sd for b, (_, k) in zip(x[self.n_free :], self.shifts, strict=True)]
        return np.array(priors), np.array(shifts)

    def _penalty_slopes(self) -> FloatArray:
        rows = []
        for i, p in enumerate(self.free):
            if p.prior is not None:
                rows.append((i, 1 / p.prior.sd))
        rows += [(self.n_free + j, 1 / self.effects[k].sd) for j, (_, k) in enumerate(self.shifts)]
        made = np.zeros((len(rows), self.size))
        for row, (column, value) in enumerate(rows):
            made[row, column] = value
        return made

    def _whiten(self, values: FloatArray) -> FloatArray:
        made, at = [], 0
        for inverse in self._whiteners:
            n = inverse.shape[0]
            made.append(inverse @ values[at : at + n])
            at += n
        return np.concatenate(made)
