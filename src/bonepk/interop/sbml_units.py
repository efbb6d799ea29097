"""Unit text to SBML unit definitions and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bonepk.errors import UnitsError
from bonepk.interop.names import plain, unused
from bonepk.model.unit_words import PLAIN, parse_unit, unit_text

__all__ = ["UnitTable", "definition_text", "kind_text"]

_KIND_OF = {
    "[mass]": ("kilogram", 1.0),
    "[substance]": ("mole", 1.0),
    "[length]": ("metre", 1.0),
    "[time]": ("second", 1.0),
    "[current]": ("ampere", 1.0),
    "[temperature]": ("kelvin", 1.0),
    "[luminosity]": ("candela", 1.0),
    "[cell]": ("item", 1.0),
    "[IU]": ("dimensionless", 1.0),  # SBML has no unit of activity; the annotation keeps the word
}
_SIMPLE = {
    (("[mass]", 1.0),): ("gram", 1e-3),
    (("[substance]", 1.0),): ("mole", 1.0),
    (("[length]", 1.0),): ("metre", 1.0),
    (("[length]", 3.0),): ("litre", 1e-3),
    (("[time]", 1.0),): ("second", 1.0),
    (("[cell]", 1.0),): ("item", 1.0),
    (("[IU]", 1.0),): ("dimensionless", 1.0),
    (): ("dimensionless", 1.0),
}
_MOLAR = (("[length]", -3.0), ("[substance]", 1.0))

Piece = tuple[str, float, float]
"""Kind, exponent, multiplier."""


@dataclass(frozen=True)
class UnitTable:
    """Unit definitions of one file.

    Attributes
    ----------
    ids : dict of str to str
        SBML unit of each unit text.
    xml : tuple of str
        The definitions, in order of first use.
    """

    ids: dict[str, str]
    xml: tuple[str, ...]

    @classmethod
    def of(cls, units: Iterable[str]) -> UnitTable:
        """Define every unit once; equal definitions under different texts keep their own names."""
        ids: dict[str, str] = {}
        xml: list[str] = []
        for text in units:
            if text in ids:
                continue
            pieces = _pieces(text)
            if not pieces:
                ids[text] = "dimensionless"
                continue
            name = text.replace("1/", "per_", 1) if text.startswith("1/") else text.replace("/", "_per_")
            name = plain(name.replace("**", "").replace("%", "percent").replace("*", "_")).replace("__", "_")
            name = unused(name.rstrip("_"), ["dimensionless", *_KINDS, *ids.values()])
            ids[text] = name
            rows = "".join(
                f'<unit kind="{kind}" exponent="{exponent:g}" scale="0" multiplier="{multiplier!r}"/>'
                for kind, exponent, multiplier in pieces
            )
            label = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
            xml.append(f'<unitDefinition id="{name}" name="{label}"><listOfUnits>{rows}</listOfUnits></unitDefinition>')
        return cls(ids, tuple(xml))


def _pieces(text: str) -> list[Piece]:
    """SBML units whose product a unit text is; empty for a pure number."""
    out: list[Piece] = []
    for word, exponent in parse_unit(text).words:
        plain_word = "percent" if word == "%" else word
        unit = parse_unit(plain_word)
        size = unit.scale
        if unit.dims in _SIMPLE:
            kind, base = _SIMPLE[unit.dims]
            out.append((kind, exponent, _tidy(size / base)))
        elif unit.dims == _MOLAR:
            out += [("mole", exponent, _tidy(size / 1e3)), ("litre", -exponent, 1.0)]
        else:
            out.append(("dimensionless", exponent, size))
            out += [(_KIND_OF[d][0], exponent * e, 1.0) for d, e in unit.dims]
    return out


def _tidy(x: float) -> float:
    return float(f"{x:.12g}")


_KINDS = [
    "ampere",
    "avogadro",
    "becquerel",
    "candela",
    "coulomb",
    "farad",
    "gram",
    "gray",
    "henry",
    "hertz",
    "item",
    "joule",
    "katal",
    "kelvin",
    "kilogram",
    "litre",
    "lumen",
    "lux",
    "metre",
    "mole",
    "newton",
    "ohm",
    "pascal",
    "radian",
    "second",
    "siemens",
    "sievert",
    "steradian",
    "tesla",
    "volt",
    "watt",
    "weber",
]
_WORD = {"litre": "L", "liter": "L", "metre": "m", "meter": "m", "mole": "mol", "gram": "g", "second": "s"}
_WORD |= {"dimensionless": "1", "item": "1", "radian": "1", "steradian": "1", "kilogram": "kg"}
_TIMES = {60.0: "min", 3600.0: "hour", 86400.0: "day", 604800.0: "week", 2629800.0: "month", 31557600.0: "year"}
_TIMES |= {31536000.0: "(365*day)", 2592000.0: "(30*day)"}


def kind_text(kind: str) -> str:
    """Give the unit text of one of SBML's own units, such as ``litre``."""
    word = _WORD.get(kind, kind)
    return word if _known(word) else "1"


def definition_text(definition: Any) -> str | None:
    """Give the unit text of a libSBML ``UnitDefinition``; None if bonepk has no words for it."""
    over: list[str] = []
    for i in range(definition.getNumUnits()):
        unit = definition.getUnit(i)
        kind = unit_kind(unit)
        exponent = float(unit.getExponentAsDouble())
        factor = float(unit.getMultiplier()) * 10.0 ** int(unit.getScale())
        word = _word(kind, factor)
        if word is None or not math.isfinite(exponent) or unit.getOffset():
            return None
        if word != "1" and exponent:
            over.append(word if exponent == 1 else f"{word}**{exponent:.12g}")
    text = "*".join(over) or "1"
    try:
        return unit_text(parse_unit(text))
    except UnitsError:
        return None


def unit_kind(unit: Any) -> str:
    """SBML's word for the kind of a libSBML ``Unit``."""
    import libsbml

    return str(libsbml.UnitKind_toString(unit.getKind()))


def _word(kind: str, factor: float) -> str | None:
    if not factor > 0 or not math.isfinite(factor):
        return None
    base = _WORD.get(kind, kind)
    if math.isclose(factor, 1.0, rel_tol=1e-12):
        return base if base == "1" or _known(base) else None
    if kind == "second":
        for size, name in _TIMES.items():
            if math.isclose(size, factor, rel_tol=1e-9):
                return name
    if kind in {"dimensionless", "item"}:
        return "percent" if math.isclose(factor, 0.01, rel_tol=1e-12) else _number(factor)
    if base == "kg":
        base, factor = "g", factor * 1e3
    if base in {"L", "m", "mol", "g", "s"}:
        for prefix in ("", "k", "d", "c", "m", "u", "n", "p", "f"):
            found = PLAIN.get(prefix + base)
            if found and math.isclose(found[0] / PLAIN[base][0], factor, rel_tol=1e-9):
                return prefix + base
    number = _number(factor)
    return f"({number}*{base})" if number and _known(base) else None


def _number(factor: float) -> str | None:
    text = f"{factor:g}"
    if not math.isclose(float(text), factor, rel_tol=1e-12):
        return None
    return format(float(text), "f").rstrip("0").rstrip(".") if "e" in text else text


def _known(word: str) -> bool:
    try:
        parse_unit(word)
    except UnitsError:
        return False
    return True
