"""Leaving trials out: how well the fit predicts numbers it has not seen, and whether its intervals hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.infer.bands import predict
from bonepk.infer.descent import Tolerance, descend
from bonepk.infer.fit import Fit
from bonepk.infer.predictor import Differentiable, Predictor, differences
from bonepk.infer.rows import Block
from bonepk.infer.search import Progress

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Part", "leave_out"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Some blocks of a predictor."""

    whole: Predictor
    names: frozenset[str]

    @property
    def blocks(self) -> Sequence[Block]:
        """The chosen blocks, in the order of the whole."""
        return [b for b in self.whole.blocks if b.name in self.names]

    @property
    def defaults(self) -> Mapping[str, float]:
        """Those of the whole."""
        return self.whole.defaults

    @property
    def fingerprint(self) -> str:
        """That of the whole, and the names."""
        return f"{self.whole.fingerprint} {sorted(self.names)}"

    def uses(self, block: str, name: str) -> bool:
        """Ask the whole."""
        return self.whole.uses(block, name)

    def predict(self, block: str, values: Mapping[str, float]) -> FloatArray:
        """Ask the whole."""
        return self.whole.predict(block, values)

    def jacobian(self, block: str, values: Mapping[str, float], names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Ask the whole, or take differences if it has no derivatives."""
        if isinstance(self.whole, Differentiable):
            return self.whole.jacobian(block, values, names)
        return differences(self.whole, block, values, names)


def leave_out(fit: Fit, groups: Sequence[Sequence[str]] | None = None, progress: Progress | None = None) -> xr.Dataset:
    """Refit without each group of blocks, and predict it.

    Standard deviations of shifts and model errors are those of the whole fit. The search begins at the whole fit and
    stops when the cost changes by less than a thousandth.

    Parameters
    ----------
    groups : sequence of sequences of str, optional
        Blocks to leave out together (all trials of a class of drug, trials that share women); each block alone by
        default.

    Returns
    -------
    xarray.Dataset
        As from `predict`, with linearised intervals for a new trial, rows in the order of `groups`.
    """
    import xarray as xr

    made = list(_each(fit, groups or [[b.name] for b in fit.objective.predictor.blocks], progress))
    return xr.concat(made, dim="row", combine_attrs="override")


def _each(fit: Fit, groups: Sequence[Sequence[str]], progress: Progress | None) -> Iterator[xr.Dataset]:
    whole = fit.objective.predictor
    every = frozenset(b.name for b in whole.blocks)
    at = {pair: fit.objective.n_free + j for j, pair in enumerate(fit.objective.shifts)}
    for number, group in enumerate(groups):
        if progress is not None:
            progress(number, len(groups), f"without {', '.join(group)}")
        objective = replace(fit.objective, predictor=Part(whole, every - frozenset(group)))
        start = np.concatenate([fit.z, fit.best.x[[at[pair] for pair in objective.shifts]]])
        ended = descend(objective, start, tolerance=Tolerance(cost=1e-3))
        less = replace(fit, objective=objective, best=ended, point=objective.point(ended.x))
        yield predict(less, Part(whole, frozenset(group)), draws=0)
