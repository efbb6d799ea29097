"""What calibration asks of a model: predictions for the rows of a block, given parameter values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, near
from bonepk.infer.rows import Block

__all__ = [
    "DERIVATIVES",
    "Classified",
    "Differentiable",
    "Predictor",
    "RowClass",
    "Sourced",
    "check_derivatives",
    "differences",
    "in_one_batch",
    "slopes_as",
]

FloatArray = NDArray[np.float64]

DERIVATIVES = ("differences", "exact")
"""Where a predictor that runs a model takes its derivatives from; the first is what it does unless told."""


class Predictor(Protocol):
    """Rows to be met, and a function from parameter values to predictions.

    It must be picklable (workers get a copy) and give the same numbers for the same values.
    """

    @property
    def blocks(self) -> Sequence[Block]:
        """Trials (or persons) with their rows."""
        ...

    @property
    def defaults(self) -> Mapping[str, float]:
        """Value of every parameter that may be fitted or shifted."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of model and evidence: what a saved fit names."""
        ...

    def predict(self, block: str, values: Mapping[str, float]) -> FloatArray:
        """Predictions for the rows of a block, shape (rows,).

        `values` holds the fitted and shifted parameters only; a name starting with ``+`` is added to what an arm
        sets itself. Raises `SolverError` where there is no solution.
        """
        ...

    def uses(self, block: str, name: str) -> bool:
        """Whether a parameter can change the predictions of a block."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """A predictor that knows its own derivatives."""

    def jacobian(self, block: str, values: Mapping[str, float], names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Predictions, shape (rows,), and derivatives by `names` in their own units, shape (rows, names)."""
        ...


@dataclass(frozen=True)
class RowClass:
    """What a row says about whom, so that rows can be chosen by it.

    Attributes
    ----------
    treatment : str
        Class of treatment at the row's month, as summaries have it (``stopped: denosumab``).
    given, stopped : frozenset of str
        Classes given by then in any cohort of the arms the row compares, and those of them that were stopped.
    recalled : bool
        Recalled, not read.
    """

    treatment: str
    given: frozenset[str]
    stopped: frozenset[str]
    recalled: bool


@runtime_checkable
class Classified(Protocol):
    """A predictor that knows what its rows are about."""

    def classes(self, block: str) -> Sequence[RowClass]:
        """One for each row of a block."""
        ...


@runtime_checkable
class Sourced(Protocol):
    """A predictor that runs a model of the library, so that its fit can be saved as a parameter set."""

    @property
    def model_name(self) -> str:
        """Name of the core."""
        ...

    @property
    def model_hash(self) -> str:
        """Hash of the model text."""
        ...

    @property
    def evidence_hash(self) -> str:
        """Hash of the data."""
        ...

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of every parameter."""
        ...


def check_derivatives(word: str) -> None:
    """Raise if a word is none of `DERIVATIVES`.

    Raises
    ------
    DataError
    """
    if word not in DERIVATIVES:
        cure = near(word, DERIVATIVES) or "one of " + ", ".join(DERIVATIVES)
        raise DataError(Fault("derivatives", f"unknown derivatives '{word}'", cure=cure))


def differences(
    predictor: Predictor, block: str, values: Mapping[str, float], names: Sequence[str], step: float = 1e-4
) -> tuple[FloatArray, FloatArray]:
    """Predictions and their derivatives by forward differences.

    Parameters
    ----------
    step : float
        Relative to the value (absolute for a value of 0). With runs good to 1e-8 a derivative is good to about
        1e-3, enough for Gauss-Newton; the minimum itself does not depend on it.
    """
    base = predictor.predict(block, values)
    made = np.zeros((base.size, len(names)))
    for k, name in enumerate(names):
        if not predictor.uses(block, name):
            continue
        h = step * (abs(values[name]) or 1.0)
        made[:, k] = (predictor.predict(block, {**values, name: values[name] + h}) - base) / h
    return base, made


def in_one_batch(
    run: Callable[[Sequence[Mapping[str, float]]], FloatArray],
    values: Mapping[str, float],
    names: Sequence[str],
    used: Sequence[str],
    step: float = 1e-3,
) -> tuple[FloatArray, FloatArray]:
    """Predictions and forward differences from one call of a function that runs many values side by side.

    Runs side by side share the sizes of their steps, so the error of a difference is far below that of a run, and
    `step` can be large enough for rounding not to matter. `used` are the names that can change anything.
    """
    sizes = [step * (abs(values[n]) or 1.0) for n in used]
    made = run([values, *({**values, n: values[n] + h} for n, h in zip(used, sizes, strict=True))])
    slopes = np.zeros((made.shape[1], len(names)))
    for k, (name, h) in enumerate(zip(used, sizes, strict=True)):
        slopes[:, names.index(name)] = (made[k + 1] - made[0]) / h
    return made[0], slopes


def slopes_as(
    derivatives: str,
    exact: Callable[[], tuple[FloatArray, FloatArray]],
    run: Callable[[Sequence[Mapping[str, float]]], FloatArray],
    values: Mapping[str, float],
    names: Sequence[str],
    used: Sequence[str],
) -> tuple[FloatArray, FloatArray]:
    """Predictions and derivatives, exact or by differences, as a word of `DERIVATIVES` says.

    `exact` gives both for `names`; the other arguments are as of `in_one_batch`. A name that has an exact derivative
    that is not finite is differenced: so it is where a dose, an initial state or an output has none, such as a square
    root at 0.
    """
    if derivatives != "exact" or not used:
        return in_one_batch(run, values, names, used)
    with np.errstate(invalid="ignore"):  # what is not finite is differenced
        base, slopes = exact()
    broken = np.flatnonzero(~np.isfinite(slopes).all(axis=0))
    if not broken.size:
        return base, slopes
    slopes = slopes.copy()
    slopes[:, broken] = in_one_batch(run, values, names, [names[i] for i in broken.tolist()])[1][:, broken]
    return base, slopes
