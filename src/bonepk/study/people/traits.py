"""What is known of a person: names, units, and what is possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Faults
from bonepk.study.people.reference import SITES

__all__ = ["DERIVED", "DRAWN", "FLAGS", "TRAITS", "Trait", "check_traits", "cockcroft_gault", "derived"]

F8 = NDArray[np.float64]

_SHOWN = 20  # people named in one message


@dataclass(frozen=True)
class Trait:
    """One thing known of a person; outside `low` to `high` nobody lives."""

    name: str
    label: str
    unit: str
    low: float
    high: float


def _flag(name: str, label: str) -> Trait:
    return Trait(name, label, "0 or 1", 0, 1)


_FLAGS = (
    _flag("prior_fracture", "fracture after 50 without much force"),
    _flag("parental_hip_fracture", "hip fracture of a parent"),
    _flag("smoking", "smokes"),
    _flag("alcohol", "three or more units of alcohol a day"),
    _flag("glucocorticoids", "oral glucocorticoids for three months or more"),
    _flag("rheumatoid_arthritis", "rheumatoid arthritis"),
    _flag("prior_chemotherapy", "chemotherapy before"),
    _flag("prior_tamoxifen", "tamoxifen before"),
)
_DRAWN = (
    Trait("age", "age", "year", 18, 110),
    Trait("age_at_menopause", "age at the final menstrual period", "year", 20, 65),
    Trait("bmi", "body mass index", "kg/m2", 12, 80),
    Trait("height", "height", "m", 1.2, 2.1),
    Trait("creatinine", "serum creatinine", "mg/dL", 0.2, 12),
    Trait("vitamin_d", "serum 25-hydroxyvitamin D", "ng/mL", 2, 200),
    *(Trait(f"t_score_{s}", f"T-score, {s.replace('_', ' ')}", "1", -7, 6) for s in SITES),
    *_FLAGS,
)
_DERIVED = (
    Trait("years_since_menopause", "years since the final menstrual period", "year", -45, 60),
    Trait("weight", "weight", "kg", 25, 250),
    Trait("creatinine_clearance", "creatinine clearance, Cockcroft-Gault", "mL/min", 3, 350),
    *(Trait(f"bmd_{s}", f"BMD, {s.replace('_', ' ')}", "g/cm2", 0.1, 2.5) for s in SITES),
    *(Trait(f"measured_t_score_{s}", f"measured T-score, {s.replace('_', ' ')}", "1", -8, 7) for s in SITES),
)

TRAITS: dict[str, Trait] = {t.name: t for t in (*_DRAWN, *_DERIVED)}
"""All traits by name."""

DRAWN = tuple(t.name for t in _DRAWN)
"""Traits that a population describes."""

DERIVED = tuple(t.name for t in _DERIVED)
"""Traits that follow from others (a measured T-score also from the error of the scan)."""

FLAGS = tuple(t.name for t in _FLAGS)
"""Traits that are 0 or 1."""


def cockcroft_gault(age: F8, weight: F8, creatinine: F8) -> F8:
    """Creatinine clearance of women.

    Parameters
    ----------
    age : ndarray
        Years.
    weight : ndarray
        kg.
    creatinine : ndarray
        Serum creatinine in mg/dL.

    Returns
    -------
    ndarray
        mL/min.

    Notes
    -----
    Cockcroft and Gault 1976 Nephron 16:31: (140 - age) weight/(72 creatinine), times 0.85 in women.
    """
    return np.asarray(0.85 * (140.0 - age) * weight / (72.0 * creatinine), dtype=np.float64)


def derived(traits: Mapping[str, F8], device: str) -> dict[str, F8]:
    """Work out years since menopause, weight, creatinine clearance and bone density from the other traits."""
    from bonepk.study.people.reference import bmd_of

    weight = traits["bmi"] * traits["height"] ** 2
    return {
        "years_since_menopause": traits["age"] - traits["age_at_menopause"],
        "weight": weight,
        "creatinine_clearance": cockcroft_gault(traits["age"], weight, traits["creatinine"]),
        **{f"bmd_{s}": bmd_of(traits[f"t_score_{s}"], s, device) for s in SITES},
    }


def check_traits(traits: Mapping[str, F8], place: str = "people") -> None:
    """Refuse people who cannot exist, all at once.

    Parameters
    ----------
    traits : mapping of str to ndarray, shape (people,)
    place : str
        What the people are, for messages.

    Raises
    ------
    DataError
        Naming for each person every trait that is outside what is possible, and traits that do not fit together.
    """
    faults = Faults()
    size = max((len(v) for v in traits.values()), default=0)
    wrong: dict[int, list[tuple[str, str, str]]] = {}

    def note(who: NDArray[np.bool_], what: str, found: F8, expected: str, *also: F8) -> None:
        for i in np.flatnonzero(who).tolist():
            shown = what.format(*(f"{a[i]:.4g}" for a in also))
            wrong.setdefault(i, []).append((shown, f"{found[i]:.4g}", expected))

    for name, values in traits.items():
        if len(values) != size:
            faults.add(place, f"'{name}' has {len(values)} values", f"{size}, as the other traits")
            continue
        trait = TRAITS[name]
        outside = ~np.isfinite(values) | (values < trait.low) | (values > trait.high)
        unit = "" if trait.unit in {"1", "0 or 1"} else f" {trait.unit}"
        note(outside, trait.label, values, f"between {trait.low:g} and {trait.high:g}{unit}")
        if name in FLAGS:
            note(~outside & (values != 0) & (values != 1), trait.label, values, "0 or 1")
    faults.raise_as(DataError)
    if {"age", "years_since_menopause"} <= traits.keys():
        age, years = traits["age"], traits["years_since_menopause"]
        at, low = age - years, TRAITS["age_at_menopause"].low
        words = "age {} and {} years past menopause, so menopause at"
        note(at < low, words, at, f"menopause at {low:g} years or later", age, years)
    if {"bmi", "weight", "height"} <= traits.keys():
        implied = traits["weight"] / traits["height"] ** 2
        apart = np.abs(implied / traits["bmi"] - 1) > 0.02  # two per cent: values typed with few digits
        expected = "one of the three left out, or all of them in agreement"
        note(apart, "BMI {} with weight and height that give", implied, expected, traits["bmi"])
    for i in sorted(wrong)[:_SHOWN]:
        for what, found, expected in wrong[i]:
            faults.add(f"{place}, person {i + 1}", f"{what} {found}", expected)
    if len(wrong) > _SHOWN:
        faults.add(place, f"{len(wrong) - _SHOWN} further people are impossible", "", "correct these first")
    faults.raise_as(DataError)
