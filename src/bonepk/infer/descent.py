"""One search from one start: trust-region least squares, journaled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Fault, SolverError
from bonepk.infer.journal import Journal
from bonepk.infer.objective import Point

__all__ = ["Descent", "Minimised", "Tolerance", "descend"]

FloatArray = NDArray[np.float64]


class Minimised(Protocol):
    """A sum of squares within bounds."""

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of the unknowns."""
        ...

    def residuals(self, x: FloatArray) -> FloatArray:
        """Residuals at x, NaN where there is no solution."""
        ...

    def point(self, x: FloatArray) -> Point:
        """Residuals and Jacobian at x."""
        ...


@dataclass(frozen=True)
class Tolerance:
    """When a search has arrived.

    `cost` and `step` are relative changes of the cost and of the unknowns, `gradient` the largest scaled slope.
    """

    cost: float = 1e-7
    step: float = 1e-6
    gradient: float = 1e-7
    evaluations: int = 100


@dataclass(frozen=True)
class Descent:
    """Where one search ended.

    Attributes
    ----------
    x : ndarray
        The unknowns.
    cost : float
        Half the sum of squares.
    converged : bool
        Ended by a tolerance, not by the limit of evaluations.
    message : str
    evaluations : int
    trace : tuple of float
        Cost at each accepted step.
    """

    x: FloatArray
    cost: float
    converged: bool
    message: str
    evaluations: int
    trace: tuple[float, ...]


def descend(
    objective: Minimised,
    x0: FloatArray,
    *,
    journal: Journal | None = None,
    tolerance: Tolerance | None = None,
    tell: Callable[[int, float], None] | None = None,
) -> Descent:
    """Minimise from one start.

    Parameters
    ----------
    tell : callable, optional
        Called as ``tell(evaluations, cost)`` after each evaluation; it may raise to stop.

    Raises
    ------
    SolverError
        If there is no solution at the start.
    """
    from scipy.optimize import least_squares

    log = Journal(None, "") if journal is None else journal
    stop = tolerance or Tolerance()
    low, high = objective.bounds
    count = 0
    best = np.inf
    trace: list[float] = []

    def residuals(x: FloatArray) -> FloatArray:
        nonlocal count, best
        known = log.get("r", x)
        if known is None:
            known = [objective.residuals(x)]
            log.put("r", x, known)
        count += 1
        cost = float(known[0] @ known[0]) / 2
        if np.isfinite(cost):
            best = min(best, cost)
        elif count == 1:
            raise SolverError(Fault("start of the search", "a run fails there", cure="move 'start' or the bounds"))
        if tell is not None:
            tell(count, best)
        return known[0]

    def jacobian(x: FloatArray) -> FloatArray:
        known = log.get("p", x)
        if known is None:
            known = [objective.point(x).jacobian]
            log.put("p", x, known)
        trace.append(best)
        return known[0]

    inside = np.clip(x0, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
    found = least_squares(
        residuals,
        inside,
        jac=jacobian,
        bounds=(low, high),
        method="trf",
        x_scale="jac",
        ftol=stop.cost,
        xtol=stop.step,
        gtol=stop.gradient,
        max_nfev=stop.evaluations,
    )
    return Descent(
        np.asarray(found.x), float(found.cost), bool(found.status > 0), str(found.message), count, tuple(trace)
    )
