"""Leaving trials out: how well the fit predicts numbers it has not seen, and whether its intervals hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bonepk.infer.bands import predict
from bonepk.infer.descent import Tolerance, descend
from bonepk.infer.fit import Fit
from bonepk.infer.search import Progress
from bonepk.infer.view import only

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["leave_out"]


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
        objective = replace(fit.objective, predictor=only(whole, every - frozenset(group)))
        start = np.concatenate([fit.z, fit.best.x[[at[pair] for pair in objective.shifts]]])
        ended = descend(objective, start, tolerance=Tolerance(cost=1e-3))
        less = replace(fit, objective=objective, best=ended, point=objective.point(ended.x))
        yield predict(less, only(whole, group), draws=0)
