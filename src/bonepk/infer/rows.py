"""Observed numbers, and how their errors hang together.

A row is a combination of hidden errors e(arm, output, month): a change is e at the month, a difference between
two arms e(arm) - e(versus), a yearly change e over the years. Two parts:

sampling
    who happened to be in the arm. Arms are independent; visits of one arm are correlated, the more the closer.
model
    what the model and the trial's approximations leave out. A share is common to all arms of the trial (and so
    cancels in a difference); visits are correlated too.

The size of a row's sampling error is its own standard error; the structure only gives the correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault

__all__ = ["Block", "ErrorModel", "Row", "factors", "model_covariance", "sampling_covariance"]

FloatArray = NDArray[np.float64]

_OWN = 0.02


@dataclass(frozen=True)
class Row:
    """One observed number of an arm or of a difference between arms.

    Attributes
    ----------
    output : str
        What was measured.
    value : float
    se : float
        Standard error of the mean, same unit (0: none beyond the model error).
    arm, versus : str
        `versus` is empty for a number of one arm.
    month : float
        When, in months (any unit of time works if all rows agree).
    since : float
        Start of the period a change is counted over.
    per : float
        What the change was divided by (years for a yearly change), else 1.
    weight : float
        Confidence in the number, up to 1: its variance is divided by this.
    family : str
        Rows of one family share one model error (``bmd``); empty: the output's name.
    label : str
        For reports.
    """

    output: str
    value: float
    se: float
    arm: str
    month: float
    versus: str = ""
    since: float = 0.0
    per: float = 1.0
    weight: float = 1.0
    family: str = ""
    label: str = ""

    @property
    def kin(self) -> str:
        """Family, or the output's name."""
        return self.family or self.output


@dataclass(frozen=True)
class Block:
    """Rows that share trial-level shifts and correlated errors: one trial, or one person."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class ErrorModel:
    """Sizes and correlations of the errors.

    Attributes
    ----------
    sd : float
        Model error of a number of one arm, in the unit of the rows.
    shared : float
        Share of the model error's variance common to all arms of a block (0 to 1).
    visits : float
        Correlation of two visits twelve months apart; it is ``visits ** (months/12)``.
    outputs : float
        Correlation between outputs of one family (spine and hip of the same women).
    estimate : bool
        Estimate `sd` from the fit.
    """

    sd: float = 0.0
    shared: float = 0.3
    visits: float = 0.7
    outputs: float = 0.3
    estimate: bool = False

    def __post_init__(self) -> None:
        for name in ("shared", "visits", "outputs"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(Fault("errors", f"{name} = {getattr(self, name):g}", "expected 0 to less than 1"))
        if not self.sd >= 0:
            raise DataError(Fault("errors", f"sd = {self.sd:g}", "expected 0 or more"))


def sampling_covariance(rows: Sequence[Row], models: dict[str, ErrorModel]) -> FloatArray:
    """Covariance of the sampling errors, shape (rows, rows)."""
    structure = _structure(rows, models, shared=False)
    scale = np.array([r.se for r in rows])
    size = np.sqrt(np.diag(structure))
    return structure * np.outer(scale / size, scale / size)


def model_covariance(rows: Sequence[Row], models: dict[str, ErrorModel]) -> FloatArray:
    """Covariance of the model errors, shape (rows, rows)."""
    scale = np.array([models[r.kin].sd for r in rows])
    return _structure(rows, models, shared=True) * np.outer(scale, scale)


def factors(rows: Sequence[Row], models: dict[str, ErrorModel], place: str) -> FloatArray:
    """Lower Cholesky factor of the covariance of the rows of one block.

    Raises
    ------
    DataError
        If a row has neither a standard error nor a model error.
    """
    total = sampling_covariance(rows, models) + model_covariance(rows, models)
    spread = np.diag(total).copy()
    if not np.all(spread > 0):
        bad = rows[int(np.argmin(spread))]
        raise DataError(
            Fault(place, f"row '{bad.label or bad.output}' has no standard error", cure="give se, or sd under [errors]")
        )
    # two arms and their difference say the same thing thrice, each rounded: a little of the variance is its own
    own = _OWN + np.array([1 / r.weight - 1 for r in rows])  # distrust belongs to one number, not to its neighbours
    total[np.diag_indices_from(total)] += own * spread
    return np.asarray(np.linalg.cholesky(total))


def _structure(rows: Sequence[Row], models: dict[str, ErrorModel], shared: bool) -> FloatArray:
    terms = [_terms(r) for r in rows]
    n = len(rows)
    made = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            if rows[i].kin != rows[j].kin:
                continue
            model = models[rows[i].kin]
            between = 1.0 if rows[i].output == rows[j].output else model.outputs
            total = 0.0
            for sign_i, arm_i, month_i in terms[i]:
                for sign_j, arm_j, month_j in terms[j]:
                    common = model.shared if shared else 0.0
                    arms = 1.0 if arm_i == arm_j else common
                    total += sign_i * sign_j * arms * model.visits ** (abs(month_i - month_j) / 12)
            made[i, j] = made[j, i] = total * between / (rows[i].per * rows[j].per)
    return made


def _terms(row: Row) -> list[tuple[float, str, float]]:
    terms = [(1.0, row.arm, row.month)]
    if row.versus:
        terms.append((-1.0, row.versus, row.month))
    if row.since:  # a change since day 0 has no error at its start: both visits are in its standard error
        terms += [(-sign, arm, row.since) for sign, arm, _ in terms]
    return terms
