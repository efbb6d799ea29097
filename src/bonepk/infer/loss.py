"""Robust losses of standardised residuals.

A fit by least squares minimises the sum of g(r)^2; here g(r) = sign(r) sqrt(rho(r)), so that any loss rho fits
into Gauss-Newton. All are r^2 near 0, so a residual of one standard deviation means the same in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, near
from bonepk.model.spreads import LOSSES

__all__ = ["LOSSES", "Loss"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """A loss and where it leaves the parabola.

    Attributes
    ----------
    name : {"linear", "soft_l1", "huber", "student_t"}
    width : float
        Residual at which the loss bends (``soft_l1``, ``huber``); degrees of freedom (``student_t``).
    """

    name: str = "linear"
    width: float = 2.0

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            cure = near(self.name, LOSSES) or "one of " + ", ".join(LOSSES)
            raise DataError(Fault("loss", f"unknown loss '{self.name}'", cure))
        if not self.width > 0:
            raise DataError(Fault("loss", f"width {self.width:g}", "expected more than 0"))

    def rho(self, r: FloatArray) -> FloatArray:
        """Loss of each residual."""
        c = self.width
        if self.name == "soft_l1":
            return 2 * c**2 * (np.sqrt(1 + (r / c) ** 2) - 1)
        if self.name == "huber":
            return np.where(np.abs(r) <= c, r**2, 2 * c * np.abs(r) - c**2)
        if self.name == "student_t":
            # scaled so that it is r^2 near 0; the t density's own factor would be (c + 1)/c
            return c * np.log1p(r**2 / c)
        return r**2

    def weight(self, r: FloatArray) -> FloatArray:
        """Differentiate the loss by r^2: 1 for a good residual, towards 0 for an outlier."""
        c = self.width
        if self.name == "soft_l1":
            return 1 / np.sqrt(1 + (r / c) ** 2)
        if self.name == "huber":
            return np.minimum(1.0, c / np.maximum(np.abs(r), c))
        if self.name == "student_t":
            return 1 / (1 + r**2 / c)
        return np.ones_like(r)

    @property
    def consistency(self) -> float:
        """Mean of weight times r^2 where residuals follow the distribution the loss stands for; 1 for least squares.

        That is the t distribution for ``student_t`` and the normal for the others, which only guard against outliers.
        """
        if self.name == "linear":
            return 1.0
        if self.name == "student_t":
            return self.width / (self.width + 1)
        node, mass = np.polynomial.hermite_e.hermegauss(60)
        return float(mass @ (self.weight(node) * node**2) / mass.sum())

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        """Draw standardised residuals: t for ``student_t``, else normal."""
        return rng.standard_t(self.width, shape) if self.name == "student_t" else rng.standard_normal(shape)

    def reach(self, level: float) -> float:
        """Half the width of a central interval of a standardised residual."""
        from scipy.stats import norm, t

        tail = 0.5 + level / 2
        return float(t.ppf(tail, self.width) if self.name == "student_t" else norm.ppf(tail))

    def bend(self, r: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return g(r) and its derivative."""
        if self.name == "linear":
            return r, np.ones_like(r)
        small = np.abs(r) < 1e-4  # sqrt(rho)/r loses its digits there, and tends to 1
        safe = np.where(small, 1.0, r)
        root = np.sqrt(self.rho(safe))
        value = np.where(small, r, np.sign(r) * root)
        slope = np.where(small, 1.0, self.weight(safe) * np.abs(safe) / root)
        return value, slope
