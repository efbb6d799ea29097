"""Bone density as a clinic reads it: T- and Z-scores, WHO classes, and whether a change is real.

Young-adult references by device stand in `bonepk.study.people.reference`. Every number here has a source and says
whether it was read (``verified``) or recalled (``memory``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bonepk.errors import DataError, Fault, Faults, NotFoundError, near
from bonepk.study.people.reference import SITES, t_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LSC_FACTOR",
    "WHO_CLASSES",
    "Change",
    "Conversion",
    "Precision",
    "convert",
    "judge_change",
    "least_significant_change",
    "precision",
    "t_score",
    "who_class",
    "z_score",
]

F8 = NDArray[np.float64]

LSC_FACTOR = 2.77
"""Least significant change over precision error at 95 %: 1.96 times the square root of 2 (ISCD, verified)."""

WHO_CLASSES = ("normal", "osteopenia", "osteoporosis", "severe osteoporosis")
"""Classes of the lowest T-score after menopause (WHO 1994, recalled)."""

_NORMAL, _OSTEOPOROSIS = -1.0, -2.5


@dataclass(frozen=True)
class Precision:
    """Short-term precision error of a site, as a coefficient of variation in percent."""

    kind: str
    site: str
    device: str
    cv: float
    source: str
    confidence: str

    @property
    def lsc(self) -> float:
        """Least significant change at 95 %, in percent."""
        return LSC_FACTOR * self.cv


_REVIEW = "Wilson and Smith, review of 57 studies, in vivo, https://studylib.net/doc/18187264"
_SIX = "six people six times, J Clin Densitom 6:159, doi:10.1385/JCD:6:2:159"
_ISCD = "ISCD official positions, lowest acceptable precision of a technologist"
_PRECISION = (
    Precision("review", "lumbar_spine", "hologic", 1.08, _REVIEW, "verified"),
    Precision("review", "lumbar_spine", "lunar", 1.22, _REVIEW, "verified"),
    Precision("review", "femoral_neck", "hologic", 1.50, _REVIEW, "verified"),
    Precision("review", "femoral_neck", "lunar", 1.97, _REVIEW, "verified"),
    Precision("review", "total_hip", "hologic", 1.3, _REVIEW + ", all devices", "verified"),
    Precision("review", "total_hip", "lunar", 1.3, _REVIEW + ", all devices", "verified"),
    Precision("best", "lumbar_spine", "any", 1.04, _SIX, "verified"),
    Precision("best", "total_hip", "any", 0.65, _SIX, "verified"),
    Precision("best", "femoral_neck", "any", 1.66, _SIX, "verified"),
    Precision("acceptable", "lumbar_spine", "any", 1.9, _ISCD, "memory"),
    Precision("acceptable", "total_hip", "any", 1.8, _ISCD, "memory"),
    Precision("acceptable", "femoral_neck", "any", 2.5, _ISCD, "memory"),
)


@dataclass(frozen=True)
class Conversion:
    """A published line from one device's g/cm2 to another's scale: ``slope*bmd + offset``."""

    site: str
    of: str
    to: str
    slope: float
    offset: float
    source: str
    confidence: str


_COPY = "read in a copy, https://micrornaassay.com/?p=8669"
_CONVERSIONS = (
    Conversion("lumbar_spine", "lunar", "hologic", 0.906, -0.025, f"Genant 1994, {_COPY}", "verified"),
    Conversion("total_hip", "lunar", "standardised", 0.979, -0.031, f"Hui 1997, {_COPY}", "verified"),
)


@dataclass(frozen=True)
class _Band:
    """Mean and spread of BMD of women of some ages, in g/cm2."""

    low: float
    high: float
    mean: float
    sd: float


_NHANES = "NHANES women, all ethnicities, Hologic, as printed in doi:10.3389/fendo.2026.1748490, table 3 (verified)"
_BANDS = {
    "lumbar_spine": (
        _Band(21, 31, 1.064, 0.106),
        _Band(51, 61, 0.993, 0.141),
        _Band(61, 71, 0.952, 0.142),
        _Band(71, 81, 0.902, 0.167),
    ),
    "total_hip": (_Band(21, 31, 0.971, 0.114),),
}


def t_score(bmd: ArrayLike, site: str, device: str = "hologic") -> F8:
    """Count standard deviations from the mean of young women.

    Parameters
    ----------
    bmd : float or ndarray
        g/cm2, measured on `device`.
    site : str
        One of `bonepk.study.people.SITES`.
    device : str
        ``hologic``, ``lunar``; or ``nhanes``, a reference group on Hologic.

    Returns
    -------
    ndarray
        ``(bmd - mean)/sd`` with `bonepk.study.people.reference`, which names the source.

    Raises
    ------
    NotFoundError
        If there is no reference for site and device.
    DataError
        If a density is not one a scan can show.
    """
    values = np.asarray(bmd, dtype=np.float64)
    if not (np.isfinite(values) & (values > 0) & (values < 3)).all():
        raise DataError(Fault("bmd", "not a bone density", "above 0 and below 3 g/cm2", "check the unit"))
    return t_of(values, site, device)


def z_score(bmd: float, site: str, age: float) -> float:
    """Count standard deviations from the mean of women of the same age, on Hologic.

    Raises
    ------
    NotFoundError
        If no reference was found for that site and age. Only decades that were read are answered: spine 21 to 30 and
        51 to 80 years, total hip 21 to 30.
    """
    t_score(bmd, site)
    for band in _BANDS.get(site, ()):
        if band.low <= age < band.high:
            return (bmd - band.mean) / band.sd
    have = ", ".join(f"{b.low:g} to {b.high - 1:g}" for b in _BANDS.get(site, ())) or "none"
    raise NotFoundError(Fault(f"Z-score, {site}", f"no reference for {age:g} years", f"ages with one: {have}", _NHANES))


def who_class(
    scores: Mapping[str, float] | Sequence[float], *, menopause: bool = True, fragility_fracture: bool = False
) -> str:
    """WHO class of the lowest T-score.

    Parameters
    ----------
    scores : mapping or sequence of float
        T-scores of the sites measured.
    menopause : bool
        Whether she is past menopause; the classes are not for women before it.
    fragility_fracture : bool

    Returns
    -------
    str
        One of `WHO_CLASSES`. Osteoporosis is -2.5 or lower, osteopenia from there to below -1.0.

    Raises
    ------
    DataError
        If there is no T-score, one is not finite, or she is not past menopause.
    """
    values = list(scores.values() if isinstance(scores, Mapping) else scores)
    faults = Faults()
    if not values or not all(math.isfinite(v) for v in values):
        faults.add("WHO class", f"T-scores {values}", "at least one, all finite")
    if not menopause:
        faults.add("WHO class", "a woman before menopause", "the classes are for women past it", "use her Z-score")
    faults.raise_as(DataError)
    lowest = min(values)
    if lowest <= _OSTEOPOROSIS:
        return "severe osteoporosis" if fragility_fracture else "osteoporosis"
    return "normal" if lowest >= _NORMAL else "osteopenia"


def convert(bmd: ArrayLike, site: str, of: str, to: str) -> F8:
    """Bone density on another scale, where a line has been published.

    Raises
    ------
    NotFoundError
        If none was found; T-scores of each device's own reference can be compared instead.
    """
    for line in _CONVERSIONS:
        if (line.site, line.of, line.to) == (site, of, to):
            return line.slope * np.asarray(bmd, dtype=np.float64) + line.offset
    known = "; ".join(f"{c.site} {c.of} to {c.to}" for c in _CONVERSIONS)
    raise NotFoundError(Fault(f"conversion of {site}", f"none from {of} to {to}", f"there are: {known}"))


def precision(site: str, device: str = "hologic", kind: str = "review") -> Precision:
    """Look up a precision error.

    Parameters
    ----------
    site : str
    device : str
        Only a ``review`` differs by device.
    kind : {"review", "best", "acceptable"}
        The mean of 57 studies; six people six times in good hands; or what a technologist may not fall short of.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    for row in _PRECISION:
        if row.kind == kind and row.site == site and row.device in {device, "any"}:
            return row
    kinds = tuple(dict.fromkeys(r.kind for r in _PRECISION))
    cure = (near(kind, kinds) if kind not in kinds else near(site, SITES)) or f"one of {', '.join(kinds)}"
    raise NotFoundError(Fault("precision", f"none of kind '{kind}' for {site} on {device}", "", cure))


def least_significant_change(cv: float) -> float:
    """Smallest change between two scans that is more than their error, in percent at 95 %: ``2.77*cv``.

    Raises
    ------
    DataError
        If the precision error is not a number from 0 to 20 %.
    """
    if not 0 <= cv <= 20:
        raise DataError(Fault("precision error", f"{cv:g} %", "from 0 to 20 %"))
    return LSC_FACTOR * cv


@dataclass(frozen=True)
class Change:
    """What two scans say.

    Attributes
    ----------
    percent : float
        Change of BMD.
    lsc : float
        Least significant change, in percent.
    real : bool or None
        Whether the change is at least the least significant one; None if the scans cannot be compared.
    why : str
    """

    percent: float
    lsc: float
    real: bool | None
    why: str


def judge_change(before: float, after: float, cv: float, *, same_machine: bool = True) -> Change:
    """Say whether a change of BMD is more than the error of the scans.

    Parameters
    ----------
    before, after : float
        g/cm2.
    cv : float
        Precision error in percent.
    same_machine : bool
        Scans of two machines cannot be judged: their precision does not hold between them.

    Raises
    ------
    DataError
        If a density is not one a scan can show.
    """
    t_score([before, after], "lumbar_spine")
    percent, lsc = 100 * (after / before - 1), least_significant_change(cv)
    if not same_machine:
        return Change(percent, lsc, None, "scans of two machines cannot be compared")
    real = abs(percent) >= lsc
    return Change(percent, lsc, real, f"{abs(percent):.1f} % {'reaches' if real else 'is within'} {lsc:.1f} %")
