"""Part of a predictor's rows, or other values for parameters that are not fitted: a predictor again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bonepk.infer.predictor import Differentiable, Predictor, differences
from bonepk.infer.rows import Block

__all__ = ["View", "only"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """A predictor seen with other weights of its rows and other values of its parameters.

    Attributes
    ----------
    whole : Predictor
    weights : mapping of str to tuple of float
        By block, a weight for each of its rows in place of the row's own; 0 leaves a row out. Blocks that are not
        named keep theirs.
    fixed : mapping of str to float
        Values in place of the defaults.
    """

    whole: Predictor
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def kept(self) -> dict[str, tuple[int, ...]]:
        """Places of the rows that are left, in their block of the whole; blocks without any are not named."""
        made = {}
        for b in self.whole.blocks:
            weights = self.weights.get(b.name)
            at = tuple(i for i in range(len(b.rows)) if weights is None or weights[i] > 0)
            if at:
                made[b.name] = at
        return made

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks with the rows that are left, in the order of the whole."""
        made = []
        for b in self.whole.blocks:
            if b.name not in self.kept:
                continue
            rows, weights = b.rows, self.weights.get(b.name)
            if weights is not None:
                rows = tuple(replace(rows[i], weight=weights[i]) for i in self.kept[b.name])
            made.append(Block(b.name, rows))
        return tuple(made)

    @cached_property
    def defaults(self) -> dict[str, float]:
        """Those of the whole, under the fixed values."""
        return {**self.whole.defaults, **self.fixed}

    @property
    def fingerprint(self) -> str:
        """That of the whole, the weights and the fixed values."""
        return f"{self.whole.fingerprint} {sorted(self.weights.items())} {sorted(self.fixed.items())}"

    def uses(self, block: str, name: str) -> bool:
        """Ask the whole."""
        return self.whole.uses(block, name)

    def predict(self, block: str, values: Mapping[str, float]) -> FloatArray:
        """Ask the whole, for the rows that are left."""
        return self.whole.predict(block, {**self.fixed, **values})[list(self.kept[block])]

    def jacobian(self, block: str, values: Mapping[str, float], names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Ask the whole, or take differences if it has no derivatives."""
        every = {**self.fixed, **values}
        if isinstance(self.whole, Differentiable):
            base, slopes = self.whole.jacobian(block, every, names)
        else:
            base, slopes = differences(self.whole, block, every, names)
        at = list(self.kept[block])
        return base[at], slopes[at]


def only(whole: Predictor, names: Collection[str]) -> View:
    """See some blocks of a predictor."""
    return View(whole, {b.name: (0.0,) * len(b.rows) for b in whole.blocks if b.name not in names})
