"""The numbers of the fracture model, read from ``validation/outcomes/fracture.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Faults
from bonepk.model.toml_lines import read_toml
from bonepk.study.evidence import evidence_folder
from bonepk.study.fields import Fields

__all__ = ["SITES", "Death", "Fitted", "FractureConstants", "Site", "fracture_constants", "outcomes_folder"]

F8 = NDArray[np.float64]

SITES = ("hip", "vertebral", "other")
"""Sites with a hazard of their own; vertebral counts what films show."""

_FACTOR_AGES = (50.0, 85.0)
_TABLE_YEARS = 10.0


@dataclass(frozen=True)
class Fitted:
    """A constant with its standard error (0 where it was not fitted)."""

    value: float
    se: float = 0.0
    source: str = ""


@dataclass(frozen=True)
class Site:
    """One site of fracture.

    Attributes
    ----------
    name, label : str
    bmd : {"femoral_neck", "lumbar_spine"}
        Where its T-score is read.
    ages : ndarray, shape (knots,)
        Years.
    log_rate : ndarray, shape (knots,)
        Log of the yearly hazard at `t_reference`, without risk factors, scale 1.
    log_gradient : ndarray, shape (knots,)
        Log of the ratio of hazards per lower T-score unit.
    t_reference : float
    gamma, scale : Fitted
        How the hazard follows resorption; level against the table.
    """

    name: str
    label: str
    bmd: str
    ages: F8
    log_rate: F8
    log_gradient: F8
    t_reference: float
    gamma: Fitted
    scale: Fitted


@dataclass(frozen=True)
class Death:
    """Other-cause mortality of women with breast cancer (PREDICT v2.1)."""

    a: float
    b: float
    c: float
    d: float
    e: float

    def cumulative(self, age: F8 | float, years: F8 | float) -> F8:
        """Cumulative hazard over some years from an age."""
        t = np.maximum(np.asarray(years, dtype=np.float64), 1e-12)
        base = np.exp(self.a + self.b * np.log(t) + self.c * np.sqrt(t))
        return np.asarray(base * np.exp(self.d * ((np.asarray(age) / 10) ** 2 - self.e)), dtype=np.float64)


@dataclass(frozen=True)
class FractureConstants:
    """Everything the fracture model is made of.

    Attributes
    ----------
    sites : mapping of str to Site
        By the names of `SITES`.
    death : Death
    factors : mapping of str to mapping of str to (float, float)
        Relative risk by risk factor and site, at 50 and at 85 years.
    bmi_hip : float
        Relative risk of hip fracture per kg/m2 above 25.
    spine_share : float
        Part of vertebral fractures that come to notice.
    vertebrae : Fitted
        Further vertebrae broken at one event, at the turnover of an untreated woman.
    oncology : Fitted
        Fractures counted in trials of adjuvant endocrine therapy, against hip, other and noticed vertebral ones.
    """

    sites: Mapping[str, Site]
    death: Death
    factors: Mapping[str, Mapping[str, tuple[float, float]]]
    bmi_hip: float
    spine_share: float
    vertebrae: Fitted
    oncology: Fitted

    def relative_risk(self, factor: str, site: str, age: F8) -> F8:
        """Relative risk of a factor; its logarithm is linear in age and constant outside 50 to 85 years."""
        ends = np.log(self.factors[factor][site])
        return np.asarray(np.exp(np.interp(age, _FACTOR_AGES, ends)), dtype=np.float64)


def outcomes_folder() -> Path:
    """Folder of the outcomes' numbers: constants, groups of women, the split."""
    return evidence_folder() / "outcomes"


@cache
def fracture_constants(path: str | Path | None = None) -> FractureConstants:
    """Read the constants of the fracture model.

    Parameters
    ----------
    path : str or Path, optional
        By default the file that comes with bonepk.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    data, lines = read_toml(Path(path) if path else outcomes_folder() / "fracture.toml", error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)
    top.text("title", required=True)
    sources = top.table("sources", required=True)
    known = tuple(sources.data)
    for key in known:
        one = sources.table(key)
        one.text("text", required=True)
        one.text("doi")
        one.choice("confidence", ("verified", "memory"), "confidence", required=True)
        one.close()
    table = top.table("ten_year", required=True)
    said = top.table("death", required=True)
    death = Death(*(said.number(k, required=True) or 0.0 for k in "abcde"))
    _source(said, known)
    said.close()
    clinical = top.table("clinical", required=True)
    factors = _factors(top.table("factors", required=True), known)
    body = top.table("body_mass", required=True)
    bmi = _fitted(body, "hip_per_unit", known)
    body.close()
    spine = _fitted(clinical, "spine_share", known)
    vertebrae, oncology = _fitted(clinical, "vertebrae", known), _fitted(clinical, "oncology", known)
    clinical.close()
    sites = _sites(table, top.table("sites", required=True), death, known)
    top.close()
    faults.raise_as(DataError)
    return FractureConstants(sites, death, factors, bmi.value, spine.value, vertebrae, oncology)


def _source(one: Fields, known: tuple[str, ...]) -> str:
    return one.choice("source", (*known, "fitted", "assumed", "fixed"), "source", required=True)


def _fitted(table: Fields, key: str, known: tuple[str, ...]) -> Fitted:
    one = table.table(key, required=True)
    value, se = one.number("value", required=True), one.number("se", low=0)
    source = _source(one, known)
    one.text("unit")
    note = one.text("note")
    if source in {"fitted", "assumed", "fixed"} and not note:
        one.faults.add(one.place(), f"source '{source}' without a note", "expected from what or why")
    one.close()
    return Fitted(value or 0.0, se or 0.0, source)


def _factors(table: Fields, known: tuple[str, ...]) -> dict[str, dict[str, tuple[float, float]]]:
    made: dict[str, dict[str, tuple[float, float]]] = {}
    for name in table.data:
        one = table.table(name)
        values = {}
        for site in SITES:
            both = one.numbers(site) if isinstance(one.data.get(site), list) else (one.number(site, required=True),) * 2
            if len(both) != 2 or None in both or min(v or 0.0 for v in both) <= 0:
                one.faults.add(one.place(site), "no relative risk", "expected a positive number, or two for 50 and 85")
                continue
            values[site] = (float(both[0] or 1.0), float(both[1] or 1.0))
        _source(one, known)
        one.text("note")
        one.close()
        made[name] = values
    return made


def _sites(table: Fields, sites: Fields, death: Death, known: tuple[str, ...]) -> dict[str, Site]:
    ages = np.array(table.numbers("ages"))
    columns = {k: np.array(table.numbers(k)) for k in ("hip_at_minus_1", "hip_at_minus_2", "hip_at_minus_3")}
    columns["major_at_minus_2"] = np.array(table.numbers("major_at_minus_2"))
    _source(table, known)
    fall = _fitted(table, "t_fall", known)
    share = table.table("spine_share", required=True)
    share_at = np.array(share.numbers("value"))
    share_ages = np.array(share.numbers("ages"))
    _source(share, known)
    share.text("note")
    share.close()
    table.close()
    read = {n: sites.table(n, required=True) for n in SITES}
    for one in read.values():
        one.text("label", required=True)
        one.choice("bmd", ("femoral_neck", "lumbar_spine"), "site of bone density", required=True)
    gradients = {n: _fitted(read[n], "gradient", known).value for n in ("vertebral", "other")}
    constants = {n: (_fitted(one, "gamma", known), _fitted(one, "scale", known)) for n, one in read.items()}
    for one in (sites, *read.values()):
        one.close()
    lengths = {len(ages), len(share_at), len(share_ages), *(len(c) for c in columns.values())}
    if len(lengths) > 1 or len(ages) < 2:
        table.faults.add(table.place(), "columns of different length", "expected one number for each age")
    if len(table.faults):
        return {}
    rates = {k: _hazard(c / 100, ages, death) for k, c in columns.items()}
    rest = rates["major_at_minus_2"] - rates["hip_at_minus_2"]
    spine = np.interp(ages, share_ages, share_at)
    levels = {"hip": rates["hip_at_minus_2"], "vertebral": spine * rest, "other": (1 - spine) * rest}
    slopes = {n: np.full(len(ages), np.log(g)) for n, g in gradients.items()}
    slopes["hip"] = np.log(rates["hip_at_minus_3"] / rates["hip_at_minus_1"]) / 2
    middle = _TABLE_YEARS / 2
    return {
        n: Site(
            n,
            str(one.data["label"]),
            str(one.data["bmd"]),
            ages + middle,
            np.log(levels[n]),
            slopes[n],
            -2.0 - fall.value * middle,
            *constants[n],
        )
        for n, one in read.items()
    }


def _hazard(probability: F8, ages: F8, death: Death) -> F8:
    """Constant yearly hazard that gives a ten-year probability beside a constant hazard of death."""
    from scipy.optimize import brentq

    die = death.cumulative(ages, _TABLE_YEARS) / _TABLE_YEARS

    def miss(h: float, p: float, d: float) -> float:
        return float(h / (h + d) * -np.expm1(-(h + d) * _TABLE_YEARS) - p)

    return np.array([brentq(miss, 1e-9, 2.0, args=(p, d), xtol=1e-12) for p, d in zip(probability, die, strict=True)])
