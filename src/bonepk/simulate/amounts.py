"""Amounts of drug as text, in the unit a route takes.

Metric masses, moles and international units are converted here, without loading a unit
registry; a mass becomes moles (or the reverse) through the molar mass of the route.
"""

from __future__ import annotations

import math
import re

from bonepk.errors import Fault, UnitsError, near

__all__ = ["amount_in", "unit_factor"]

_PREFIXES = {"": 1.0, "k": 1e3, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "mc": 1e-6}
_PREFIXES |= {"n": 1e-9, "p": 1e-12, "f": 1e-15}
_KINDS = {"g": "mass", "mol": "substance", "IU": "activity", "U": "activity"}
_NAMES = {"gram": "g", "grams": "g", "milligram": "mg", "milligrams": "mg", "microgram": "ug", "micrograms": "ug"}
_NAMES |= {"nanogram": "ng", "nanograms": "ng", "mole": "mol", "moles": "mol", "international_unit": "IU"}
_AMOUNT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\s\d].*?)?\s*\Z")


def unit_factor(unit: str) -> tuple[str, float] | None:
    """Kind and size of a unit of amount: ``("mass", 1e-3)`` for mg; None if it is not known.

    Sizes are in g, mol and IU.
    """
    name = _NAMES.get(unit, unit)
    for base, kind in _KINDS.items():
        if name.endswith(base) and name[: -len(base)] in _PREFIXES:
            return kind, _PREFIXES[name[: -len(base)]]
    return None


def amount_in(amount: str | float, unit: str, place: str, molar_mass: float | None = None) -> float:
    """Amount as a number of `unit`.

    Parameters
    ----------
    amount : str or float
        ``"60 mg"``; a number, or text without a unit, is in `unit` already.
    unit : str
        Unit wanted.
    place : str
        For messages.
    molar_mass : float, optional
        g/mol.

    Returns
    -------
    float

    Raises
    ------
    UnitsError
        If the text is no amount, is negative, or cannot be converted.
    """
    if not isinstance(amount, str):
        return float(amount)
    match = _AMOUNT.match(amount)
    if match is None:
        raise UnitsError(Fault(place, f"'{amount}' is no amount", "a number and a unit, such as '60 mg'"))
    value, given = float(match.group(1)), match.group(2) or unit
    if not math.isfinite(value) or value < 0:
        raise UnitsError(Fault(place, f"amount '{amount}'", "an amount not below 0"))
    if given == unit:
        return value
    have, want = unit_factor(given), unit_factor(unit)
    if have is None and "/" in given:
        cure = f"multiply by the weight or area yourself and give the amount in {unit}"
        raise UnitsError(Fault(place, f"{amount} is an amount per something", f"an amount in {unit}", cure))
    if have is None:
        hint = near(given, ["g", "mg", "ug", "ng", "pg", "mol", "mmol", "umol", "nmol", "pmol", "IU"])
        raise UnitsError(Fault(place, f"unit '{given}' is not known", f"an amount that converts to {unit}", hint))
    if want is None:
        raise UnitsError(Fault(place, f"{amount} does not convert to {unit}", f"a number of {unit}"))
    if have[0] == want[0]:
        return value * (have[1] / want[1])
    if {have[0], want[0]} == {"mass", "substance"}:
        if not molar_mass:
            found = f"{amount} into [{unit}] needs a molar mass"
            raise UnitsError(Fault(place, found, "", "add molar_mass to the route"))
        grams_per = molar_mass if have[0] == "substance" else 1.0 / molar_mass
        return value * have[1] * grams_per / want[1]
    raise UnitsError(Fault(place, f"{amount} ({have[0]}) does not convert to {unit} ({want[0]})"))
