"""What the data can and cannot tell: directions of the curvature in words, and profile likelihoods."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import NotFoundError, SolverError, near
from bonepk.infer.descent import Tolerance, descend
from bonepk.infer.fit import Fit
from bonepk.infer.free import Free
from bonepk.infer.objective import Objective, Point
from bonepk.infer.search import Progress

__all__ = ["Direction", "Profile", "directions", "learned", "profile"]

FloatArray = NDArray[np.float64]

_TOLERANCE = Tolerance(cost=1e-5)  # of a rise that is read to two digits


@dataclass(frozen=True)
class Direction:
    """A combination of parameters, and how well it is known.

    Attributes
    ----------
    sd : float
        Standard deviation along it. The unit is a factor of e (log), one logit, or a quarter of the width between the
        bounds (identity).
    parts : tuple of (str, float)
        Parameters and their share of the unit vector, largest first.
    """

    sd: float
    parts: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        first = 1.0 if self.parts[0][1] > 0 else -1.0
        words = [f"{name} {'up' if share * first > 0 else 'down'}" for name, share in self.parts if abs(share) > 0.25]
        words = words or [self.parts[0][0]]
        together = f"{words[0]} alone" if len(words) == 1 else f"{', '.join(words[:-1])} with {words[-1]}"
        known = f"known within a factor of {math.exp(1.64 * self.sd):.3g}" if self.sd < 3 else "not known at all"
        return f"{together}: {known}"


def directions(fit: Fit) -> tuple[Direction, ...]:
    """Eigenvectors of the parameters' covariance, the least known first.

    Directions with an `sd` above about 0.3 are sloppy: prediction of these trials hardly changes along them.
    """
    scale = np.array([_unit(p) for p in fit.objective.free])
    value, vector = np.linalg.eigh(fit.covariance / np.outer(scale, scale))
    made = []
    for k in np.argsort(-value):
        shares = sorted(zip(fit.names, vector[:, k], strict=True), key=lambda pair: -abs(pair[1]))
        made.append(Direction(math.sqrt(max(value[k], 0.0)), tuple((n, float(s)) for n, s in shares)))
    return tuple(made)


def learned(fit: Fit) -> dict[str, float]:
    """Part of each prior's variance that the data removed (1: all from the data, 0: prior only).

    Parameters without a prior are left out.
    """
    made = {}
    for i, p in enumerate(fit.objective.free):
        if p.prior is not None:
            made[p.name] = float(1 - fit.covariance[i, i] / p.prior.sd**2)
    return made


def _unit(p: Free) -> float:
    return (p.high - p.low) / 4 if p.scale == "identity" else 1.0


@dataclass(frozen=True)
class Profile:
    """The best cost as a function of one parameter, all others refitted.

    Attributes
    ----------
    name : str
    values : ndarray
        Of the parameter, in its own unit, rising.
    rise : ndarray
        Rise of the sum of squares above the best fit; 3.84 marks the 95 % interval.
    interval : tuple of float
        95 % interval; NaN on a side where the rise stays below 3.84.
    """

    name: str
    values: FloatArray
    rise: FloatArray
    interval: tuple[float, float]


@dataclass(frozen=True)
class _Pinned:
    """An objective with one unknown held."""

    inner: Objective
    index: int
    value: float

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = self.inner.bounds
        return np.delete(low, self.index), np.delete(high, self.index)

    def full(self, x: FloatArray) -> FloatArray:
        return np.insert(x, self.index, self.value)

    def residuals(self, x: FloatArray) -> FloatArray:
        return self.inner.residuals(self.full(x))

    def point(self, x: FloatArray) -> Point:
        made = self.inner.point(self.full(x))
        return replace(made, jacobian=np.delete(made.jacobian, self.index, axis=1))


def profile(fit: Fit, name: str, points: int = 4, reach: float = 2.5, progress: Progress | None = None) -> Profile:
    """Profile likelihood of one parameter.

    Parameters
    ----------
    points : int
        Points on each side of the best fit.
    reach : float
        Standard deviations (of the Laplace approximation) to go on each side, within the bounds.

    Raises
    ------
    NotFoundError
        If the parameter was not fitted.
    """
    if name not in fit.names:
        raise NotFoundError(f"profile: no fitted parameter '{name}'; {near(name, fit.names)}")
    i = fit.names.index(name)
    p = fit.objective.free[i]
    low, high = p.bounds
    best, step = float(fit.z[i]), reach * math.sqrt(fit.covariance[i, i]) / points
    found = {best: 0.0}
    for side in (-1, 1):
        x = np.delete(fit.best.x, i)
        for k in range(1, points + 1):
            z = float(np.clip(best + side * k * step, low, high))
            if z in found:
                break
            if progress is not None:
                progress(len(found) - 1, 2 * points, f"profile of {name}")
            try:
                ended = descend(_Pinned(fit.objective, i, z), x, tolerance=_TOLERANCE)
            except SolverError:
                break
            x = ended.x
            found[z] = 2 * (ended.cost - fit.best.cost)
    at = np.array(sorted(found))
    rise = np.array([found[z] for z in at])
    edges = tuple(p.outward(z) if math.isfinite(z) else math.nan for z in _crossings(at, rise, best))
    return Profile(name, np.array([p.outward(float(z)) for z in at]), rise, (edges[0], edges[1]))


def _crossings(at: FloatArray, rise: FloatArray, best: float, level: float = 3.841) -> Sequence[float]:
    """Where the root of the rise, which is close to a straight line on each side, crosses the level."""
    edges = []
    for side in (-1, 1):
        mine = sorted(((abs(z - best), r) for z, r in zip(at, rise, strict=True) if side * (z - best) >= 0))
        edge = math.nan
        for (near_by, r0), (far, r1) in itertools.pairwise(mine):
            a, b = math.sqrt(max(r0, 0.0)), math.sqrt(max(r1, 0.0))
            if a < math.sqrt(level) <= b:
                edge = best + side * (near_by + (far - near_by) * (math.sqrt(level) - a) / (b - a))
                break
        edges.append(edge)
    return edges
