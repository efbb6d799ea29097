"""Refits of a problem under variants: what a part of the model, or a class of trials, is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, SolverError
from bonepk.infer.bands import predict
from bonepk.infer.fit import Fit
from bonepk.infer.objective import Objective
from bonepk.infer.pool import Progress, each
from bonepk.infer.predictor import Predictor
from bonepk.infer.problem import Problem, calibrate
from bonepk.infer.rows import Row
from bonepk.infer.trials import Trials
from bonepk.infer.variants import Variant, row_classes, varied
from bonepk.infer.view import View

__all__ = ["Refit", "RefitRow", "Refits", "Score", "refit"]

FloatArray = NDArray[np.float64]
Key = tuple[str, int]

FULL = Variant("full", "the full fit", spreads="estimated")
_LEVEL = 0.9


@dataclass(frozen=True)
class RefitRow:
    """One published number, predicted with and without.

    Attributes
    ----------
    part : {"fitted", "held", "predicted"}
        In the data of the refit; taken out of them by the variant; in no fit at all.
    block : str
    row : Row
    treatment : str
        Class of treatment, empty if unknown.
    full, predicted : float
        By the full fit and by the refit, each with the shifts it knows of this block.
    full_typical, typical : float
        Likewise without any shift.
    low, high : float
        90 % interval by the refit; NaN for fitted rows.
    rise : float
        What the row's misfit rises by, in units of log likelihood at the full fit's standard deviations; NaN unless
        fitted. Misfit is what the earlier rows of the block do not tell.
    """

    part: str
    block: str
    row: Row
    treatment: str
    full: float
    full_typical: float
    predicted: float
    typical: float
    low: float = math.nan
    high: float = math.nan
    rise: float = math.nan

    def error(self, by: str = "predicted") -> float:
        """Prediction minus observation; a yearly rate counts all its years."""
        return float((getattr(self, by) - self.row.value) * self.row.per)


@dataclass(frozen=True)
class Score:
    """Errors of some rows in their unit; `covered` is the share in its interval, NaN without intervals."""

    n: int
    rmse: float
    mae: float
    bias: float
    covered: float


@dataclass(frozen=True, eq=False)
class Refit:
    """A variant refitted.

    Attributes
    ----------
    variant : Variant
    fit : Fit or None
        None if it failed.
    change : float
        Cost of the refit minus that of the full fit on the same rows, in units of log likelihood (priors and shifts
        included), both at the full fit's standard deviations.
    rows : tuple of RefitRow
    failure : str
        Why there is no fit, or empty.
    """

    variant: Variant
    fit: Fit | None
    change: float
    rows: tuple[RefitRow, ...]
    failure: str = ""

    def families(self, part: str) -> tuple[str, ...]:
        """Families of the rows of a part, in order."""
        return tuple(dict.fromkeys(r.row.kin for r in self.rows if r.part == part))

    def treatments(self, part: str, family: str) -> tuple[str, ...]:
        """Classes of treatment of the rows of a part and family, in order."""
        return tuple(dict.fromkeys(r.treatment for r in self.rows if r.part == part and r.row.kin == family))

    def score(self, part: str, family: str, by: str = "predicted", treatment: str | None = None) -> Score | None:
        """Errors of the rows of a part and family; None if there are none.

        Parameters
        ----------
        part : {"fitted", "held", "predicted"}
        by : {"predicted", "typical", "full", "full_typical"}
            Whose predictions, as in `RefitRow`.
        treatment : str, optional
            Only rows of this class.
        """
        rows = [r for r in self.rows if r.part == part and r.row.kin == family and treatment in {None, r.treatment}]
        if not rows:
            return None
        errors = np.array([r.error(by) for r in rows])
        told = by == "predicted" and part != "fitted"
        return Score(
            n=errors.size,
            rmse=float(np.sqrt(np.mean(errors**2))),
            mae=float(np.mean(np.abs(errors))),
            bias=float(np.mean(errors)),
            covered=float(np.mean([r.low <= r.row.value <= r.high for r in rows])) if told else math.nan,
        )

    def worst(self, n: int = 3) -> tuple[RefitRow, ...]:
        """Fitted rows whose misfit rises most (by at least 0.1), the most first."""
        rising = [r for r in self.rows if r.rise >= 0.1]
        return tuple(sorted(rising, key=lambda r: -r.rise)[:n])


@dataclass(frozen=True, eq=False)
class Refits:
    """The full fit, and its variants in the order asked for."""

    title: str
    full: Refit
    variants: tuple[Refit, ...]


@dataclass(frozen=True)
class _Base:
    """What every refit needs."""

    problem: Problem
    full: Fit
    predicted: Predictor | None
    folder: Path | None
    fingerprint: str
    by_full: Mapping[Key, tuple[float, float]] = field(default_factory=dict)
    """Predictions of fitted rows by the full fit, with shifts and without."""
    ahead: Mapping[Key, tuple[float, float]] = field(default_factory=dict)
    """Likewise of rows of `predicted`."""


def refit(
    problem: Problem,
    variants: Sequence[Variant],
    *,
    full: Fit | None = None,
    predicted: Predictor | None = None,
    workers: int = 1,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Refits:
    """Fit a problem, and again under each variant.

    Parameters
    ----------
    problem : Problem
    variants : sequence of Variant
        From `load_variants`.
    full : Fit, optional
        The full fit; made by `calibrate` if it is not given.
    predicted : Predictor, optional
        Rows that no fit sees. By default, for trials of the use ``calibration``, those of the use ``prediction``.
    workers : int
        Processes: for the starts of the full fit, then for the variants. The numbers do not depend on it.
    folder : str or Path, optional
        Where journals are kept, a folder for each variant. Called again with it, finished refits are replayed and
        unfinished ones go on.
    progress : callable, optional
        Called as ``progress(done, total, what)``; it may raise to interrupt.

    Returns
    -------
    Refits
        A variant that cannot be solved says so and does not end the others.

    Raises
    ------
    DataError
        If variants have the same name, are at odds with the problem, or `full` is a fit of something else.
    SolverError
        If the full fit has no solution at its start.
    """
    names = [v.name for v in variants]
    if len(set(names)) < len(names) or FULL.name in names:
        raise DataError(
            Fault("variants", f"names {', '.join(names)}", f"expected all different and none '{FULL.name}'")
        )
    where = None if folder is None else Path(folder)
    if full is None:
        inner = None if where is None else where / FULL.name
        full = calibrate(problem, workers=workers, folder=inner, progress=_named(progress))
    elif full.objective.predictor.fingerprint != problem.predictor.fingerprint:
        raise DataError(Fault(problem.place, "the full fit is one of other data or another model", cure="fit it again"))
    predicted = _never_fitted(problem.predictor) if predicted is None else predicted
    for variant in variants:  # a faulty one ends here, not after hours
        varied(problem, variant, full)
    base = _Base(problem, full, predicted, where, problem.predictor.fingerprint)
    first = _assess(base, FULL, full, full.objective, full.best.x)
    base = replace(base, by_full=_by_key(first, "fitted"), ahead=_by_key(first, "predicted"))
    made = each(_refit, base, list(variants), workers=workers, progress=progress)
    return Refits(problem.title, first, tuple(_with_whole(one, problem.predictor) for one in made))


def _with_whole(one: Refit, whole: Predictor) -> Refit:
    """Let a refit that comes from a worker share the rows and the compiled model of this process."""
    if one.fit is None or not isinstance(view := one.fit.objective.predictor, View):
        return one
    objective = replace(one.fit.objective, predictor=replace(view, whole=whole))
    return replace(one, fit=replace(one.fit, objective=objective))


def _named(progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total, what: progress(done, total, f"full fit, {what}")


def _never_fitted(predictor: Predictor) -> Predictor | None:
    if not isinstance(predictor, Trials) or predictor.use != "calibration":
        return None
    other = replace(predictor, use="prediction", names=())
    try:
        _ = other.blocks
    except DataError:  # no such row
        return None
    return other


def _refit(base: _Base, variant: Variant, tell: Callable[[str], None]) -> Refit:
    if base.problem.predictor.fingerprint != base.fingerprint:  # a worker reads the model itself
        found, cure = "the model changed on disk meanwhile", "start again, in another folder"
        raise DataError(Fault(base.problem.place, found, cure=cure))
    problem = varied(base.problem, variant, base.full)
    folder = None if base.folder is None else base.folder / variant.name
    try:
        fit = calibrate(problem, folder=folder, progress=lambda *news: tell(f"{variant.name}: {news[2]}"))
        arrived = min((d for d in fit.ends if d is not None), key=lambda d: d.cost)
        return _assess(base, variant, fit, problem.objective, arrived.x)
    except SolverError as error:
        return Refit(variant, None, math.nan, (), str(error))


def _assess(base: _Base, variant: Variant, fit: Fit, held: Objective, at: FloatArray) -> Refit:
    """Set a fit beside the full one; `held` and `at` are where it ended at the full fit's standard deviations."""
    whole, weights = base.problem.predictor, variant.weights(base.problem.predictor)
    left = View(whole, weights, variant.fixed)
    counted = replace(base.full.objective, predictor=View(whole, weights))
    known = dict(zip(base.full.objective.shifts, base.full.best.x[base.full.objective.n_free :].tolist(), strict=True))
    before = counted.residuals(np.concatenate([base.full.z, [known[pair] for pair in counted.shifts]]))
    after = held.residuals(at)
    rise = (after[: held.observed.size] ** 2 - before[: held.observed.size] ** 2) / 2
    bare = _typical(fit, left)
    rows = [
        _row(base, left, "fitted", key, predicted=made, typical=typical, rise=up)
        for key, made, typical, up in zip(_keys(left), fit.point.predictions, bare, rise, strict=True)
    ]
    if weights:
        rows += _outside(base, fit, "held", View(whole, _others(whole, weights), variant.fixed))
    if base.predicted is not None:
        rows += _outside(base, fit, "predicted", View(base.predicted, {}, variant.fixed))
    return Refit(variant, fit, float(after @ after - before @ before) / 2, tuple(rows))


def _others(whole: Predictor, weights: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
    """Weights under which just the rows remain that `weights` leaves out."""
    made = {}
    for block in whole.blocks:
        mine = weights.get(block.name, (1.0,) * len(block.rows))
        made[block.name] = tuple(0.0 if w > 0 else r.weight for w, r in zip(mine, block.rows, strict=True))
    return made


def _outside(base: _Base, fit: Fit, part: str, target: View) -> list[RefitRow]:
    """Rows that the refit did not see, with intervals."""
    if not target.blocks:
        return []
    bands = predict(fit, target, draws=0, level=_LEVEL)
    columns = zip(
        _keys(target),
        bands.predicted.values,
        _typical(fit, target),
        bands.low.values,
        bands.high.values,
        strict=True,
    )
    return [
        _row(base, target, part, key, predicted=made, typical=typical, low=low, high=high)
        for key, made, typical, low, high in columns
    ]


def _typical(fit: Fit, target: View) -> FloatArray:
    """Predictions without any shift."""
    return np.concatenate([target.predict(b.name, fit.values) for b in target.blocks])


def _keys(view: View) -> Iterator[Key]:
    """Block and place in the whole of each row, in order."""
    return ((block, i) for block, places in view.kept.items() for i in places)


def _row(base: _Base, view: View, part: str, key: Key, **numbers: float) -> RefitRow:
    block, i = key
    row = next(b for b in view.whole.blocks if b.name == block).rows[i]
    about = row_classes(view.whole, block)[i]
    numbers = {name: float(value) for name, value in numbers.items()}
    found = base.ahead if part == "predicted" else base.by_full
    full, bare = found.get(key, (numbers["predicted"], numbers["typical"]))  # the full fit itself comes first
    return RefitRow(part, block, row, about.treatment, full, bare, **numbers)


def _by_key(first: Refit, part: str) -> dict[Key, tuple[float, float]]:
    """Predictions of the full fit, which has every row in order."""
    made: dict[Key, tuple[float, float]] = {}
    count: dict[str, int] = {}
    for r in first.rows:
        if r.part == part:
            made[r.block, count.setdefault(r.block, 0)] = (r.predicted, r.typical)
            count[r.block] += 1
    return made
