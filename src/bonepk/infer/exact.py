"""Arms whose courses carry derivatives, so that a published number differentiates as it is expressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bonepk.simulate.graded import Graded
from bonepk.study.predict import ArmRun

__all__ = ["GradedArm"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GradedArm(ArmRun):
    """The courses of one arm with their derivatives; `bonepk.study.predict.express` carries them to the number.

    Attributes
    ----------
    slopes : mapping of str to ndarray, shape (cohorts, times, columns)
        Derivatives of `values`.
    """

    slopes: Mapping[str, FloatArray] = field(default_factory=dict)

    def level(self, output: str, month: float) -> float:
        """As of `ArmRun.level`, with derivatives."""
        return Graded(super().level(output, month), self.weights @ self.slopes[output][:, self._at(month)])

    def change(self, output: str, month: float, since: float = 0.0) -> float:
        """As of `ArmRun.change`, with derivatives."""
        values, slopes, now, then = self.values[output], self.slopes[output], self._at(month), self._at(since)
        base = values[:, then, None]
        by = 100.0 * (slopes[:, now] - values[:, now, None] / base * slopes[:, then]) / base
        return Graded(super().change(output, month, since), self.weights @ by)
