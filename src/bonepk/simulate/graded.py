"""Numbers that carry their derivatives: what the events of a run are counted in when it is differentiated.

A `Graded` is a float and acts as one wherever it is compared or looked up, so a schedule laid out with
graded amounts and times has the same operations in the same order as without. Sums, products and
remainders carry the derivatives along.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Graded", "placed", "slope_of", "total"]

F8 = NDArray[np.float64]


class Graded(float):
    """A number with its derivatives.

    Attributes
    ----------
    slope : ndarray, shape (columns,)
        Derivative by each column.
    """

    __slots__ = ("slope",)

    slope: F8

    def __new__(cls, value: float, slope: F8) -> Graded:
        """Make a number with its derivatives."""
        made = super().__new__(cls, value)
        made.slope = slope
        return made

    def __add__(self, other: float) -> Graded:
        return Graded(float(self) + float(other), self.slope + slope_of(other))

    __radd__ = __add__

    def __sub__(self, other: float) -> Graded:
        return Graded(float(self) - float(other), self.slope - slope_of(other))

    def __rsub__(self, other: float) -> Graded:
        return Graded(float(other) - float(self), slope_of(other) - self.slope)

    def __mul__(self, other: float) -> Graded:
        return Graded(float(self) * float(other), self.slope * float(other) + float(self) * slope_of(other))

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Graded:
        ratio = float(self) / float(other)
        return Graded(ratio, (self.slope - ratio * slope_of(other)) / float(other))

    def __rtruediv__(self, other: float) -> Graded:
        ratio = float(other) / float(self)
        return Graded(ratio, (slope_of(other) - ratio * self.slope) / float(self))

    def __neg__(self) -> Graded:
        return Graded(-float(self), -self.slope)

    def __mod__(self, other: float) -> Graded:
        whole = float(self) // float(other)
        return Graded(float(self) % float(other), self.slope - whole * slope_of(other))

    def __divmod__(self, other: float) -> tuple[float, float]:
        return float(self) // float(other), self % other


def slope_of(number: float) -> F8 | float:
    """Return the derivatives of a number, 0 for a plain one."""
    return number.slope if isinstance(number, Graded) else 0.0


def placed(value: float, like: float) -> float:
    """Return a value, with the derivatives of a number that differs from it by rounding only."""
    return Graded(value, like.slope) if isinstance(like, Graded) else value


def total(numbers: Iterable[float]) -> float:
    """Sum without rounding error, derivatives carried along."""
    given = list(numbers)
    slopes = [n.slope for n in given if isinstance(n, Graded)]
    exact = math.fsum(given)
    return Graded(exact, np.sum(slopes, axis=0)) if slopes else exact
