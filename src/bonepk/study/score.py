"""Summary errors of predictions: root mean square, mean absolute and mean error, by any grouping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bonepk.errors import Fault, NotFoundError, near
from bonepk.study.endpoints import ENDPOINTS, family_of
from bonepk.study.predict import RowResult

__all__ = ["FAMILIES", "GROUPS", "Score", "counts", "scores", "worst"]


@dataclass(frozen=True)
class Score:
    """Errors of the scored rows of a group, in percentage points.

    Attributes
    ----------
    group : tuple of str
        One entry for each grouping asked for.
    n : int
        Scored rows.
    rmse, mae, bias : float
        Root mean square, mean absolute, and mean of predicted minus observed.
    intervals, within : int
        Rows with a published interval of the mean, and those whose prediction lies in it.
    bands, covered : int
        Rows with a predictive interval, and those whose published number lies in it.
    """

    group: tuple[str, ...]
    n: int
    rmse: float
    mae: float
    bias: float
    intervals: int
    within: int
    bands: int = 0
    covered: int = 0


def _measure(result: RowResult) -> str:
    name = result.row.endpoint
    if name.startswith("bmd_"):
        return "BMD"
    return "estradiol" if name == "estradiol" else "marker"


FAMILIES: dict[str, str] = {
    "bmd": "BMD",
    "bmd_between": "BMD against other women",
    "ctx": "CTX",
    "ctx_between": "CTX against other women",
    "ntx": "NTX",
    "ntx_between": "NTX against other women",
    "p1np": "P1NP",
    "p1np_between": "P1NP against other women",
    "bsap": "BSAP",
    "bsap_between": "BSAP against other women",
    "estradiol": "estradiol",
}
"""What a family of rows is called, in the order of tables."""


def _family(result: RowResult) -> str:
    family = family_of(result.row.endpoint, result.row.kind)
    return FAMILIES.get(family, family)


GROUPS: dict[str, Callable[[RowResult], str]] = {
    "use": lambda r: r.use,
    "measure": _measure,
    "family": _family,
    "class": lambda r: r.treatment_class,
    "endpoint": lambda r: ENDPOINTS[r.row.endpoint].label,
    "treatment": lambda r: r.treatment,
    "confidence": lambda r: r.row.confidence,
    "trial": lambda r: r.trial,
}
"""What rows can be grouped by."""


def scores(
    rows: Iterable[RowResult], by: Sequence[str] = ("use", "measure"), confidence: str | None = None
) -> tuple[Score, ...]:
    """Summary errors by group, in alphabetical order of the groups.

    Parameters
    ----------
    rows : iterable of RowResult
        For example `Validation.rows`.
    by : sequence of str
        Names from `GROUPS`.
    confidence : {"verified", "memory"}, optional
        Only rows of this confidence.

    Raises
    ------
    NotFoundError
        If a grouping is not known.
    """
    for name in by:
        if name not in GROUPS:
            raise NotFoundError(Fault("scores", f"unknown grouping '{name}'", near(name, GROUPS) or ", ".join(GROUPS)))
    groups: dict[tuple[str, ...], list[RowResult]] = {}
    for row in rows:
        if row.points is not None and confidence in {None, row.row.confidence}:
            groups.setdefault(tuple(GROUPS[name](row) for name in by), []).append(row)
    return tuple(_score(group, members) for group, members in sorted(groups.items()))


def _score(group: tuple[str, ...], members: list[RowResult]) -> Score:
    errors = [r.points for r in members if r.points is not None]
    n = len(errors)
    inside = [r.within for r in members if r.within is not None]
    covered = [r.covered for r in members if r.covered is not None]
    return Score(
        group,
        n,
        rmse=math.sqrt(sum(e * e for e in errors) / n),
        mae=sum(abs(e) for e in errors) / n,
        bias=sum(errors) / n,
        intervals=len(inside),
        within=sum(inside),
        bands=len(covered),
        covered=sum(covered),
    )


def worst(rows: Iterable[RowResult], n: int = 10, measure: str | None = None) -> tuple[RowResult, ...]:
    """Scored rows with the largest absolute error in percentage points, largest first."""
    scored = [r for r in rows if r.points is not None and measure in {None, _measure(r)}]
    return tuple(sorted(scored, key=lambda r: -abs(r.points or 0.0))[:n])


def counts(rows: Iterable[RowResult]) -> dict[str, int]:
    """How many rows are scored, and how many are not, by the first words of the reason."""
    found: dict[str, int] = {"scored": 0}
    for row in rows:
        key = row.status.partition(":")[0] if row.status else "scored"
        found[key] = found.get(key, 0) + 1
    return found
