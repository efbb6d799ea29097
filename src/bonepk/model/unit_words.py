"""Units as text: a small algebra of words, each with its dimensions and its size.

The plain metric words of pharmacometrics are known here, so that loading a model and converting
a dose need no units library; every other word is asked of pint once and remembered on disk.
pint sees single words only, never a whole text.
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache, lru_cache
from typing import Any, NamedTuple

from bonepk import diskcache
from bonepk.errors import Fault, UnitsError, near

__all__ = ["DIMENSIONLESS", "Unit", "divide", "multiply", "parse_unit", "power", "same", "same_dimension", "unit_text"]


class Unit(NamedTuple):
    """A product of powers of words.

    Attributes
    ----------
    words : tuple of (str, float)
        Words and exponents, sorted: how the unit is written.
    dims : tuple of (str, float)
        Base dimensions and exponents, sorted.
    scale : float
        Size in base units (m, kg, s, mol and so on).
    """

    words: tuple[tuple[str, float], ...]
    dims: tuple[tuple[str, float], ...]
    scale: float

    def __str__(self) -> str:
        return unit_text(self)


DIMENSIONLESS = Unit((), (), 1.0)

_PREFIX = {"k": 1e3, "": 1.0, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_LONG = {"kilo": 1e3, "": 1.0, "deci": 1e-1, "centi": 1e-2, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9, "pico": 1e-12}
_MASS, _AMOUNT, _LENGTH, _TIME = (("[mass]", 1.0),), (("[substance]", 1.0),), (("[length]", 1.0),), (("[time]", 1.0),)
_VOLUME = (("[length]", 3.0),)
_MOLAR = (("[length]", -3.0), ("[substance]", 1.0))
_DAY = 86400.0


def _plain() -> dict[str, tuple[float, tuple[tuple[str, float], ...]]]:
    table: dict[str, tuple[float, tuple[tuple[str, float], ...]]] = {"percent": (0.01, ())}
    short = (("g", 1e-3, _MASS), ("mol", 1.0, _AMOUNT), ("L", 1e-3, _VOLUME), ("M", 1e3, _MOLAR), ("m", 1.0, _LENGTH))
    for word, size, dims in (*short, ("l", 1e-3, _VOLUME)):
        for prefix, factor in _PREFIX.items():
            table[prefix + word] = (size * factor, dims)
    for long, factor in _LONG.items():
        for word, size, dims in (("gram", 1e-3, _MASS), ("mole", 1.0, _AMOUNT), ("meter", 1.0, _LENGTH)):
            table[long + word] = table[long + word + "s"] = (size * factor, dims)
        for word in ("liter", "litre"):
            table[long + word] = table[long + word + "s"] = (1e-3 * factor, _VOLUME)
    for words, size in (
        ("s sec second seconds", 1.0),
        ("min minute minutes", 60.0),
        ("h hr hour hours", 3600.0),
        ("d day days", _DAY),
        ("week weeks", 7 * _DAY),
        ("month months", 365.25 / 12 * _DAY),
        ("yr year years", 365.25 * _DAY),
    ):
        table |= dict.fromkeys(words.split(), (size, _TIME))
    table["cell"] = table["cells"] = (1.0, (("[cell]", 1.0),))
    # activity set by a reference preparation: never a mass or an amount
    table["IU"] = (1.0, (("[IU]", 1.0),))
    table["mIU"], table["uIU"], table["kIU"] = (1e-3, table["IU"][1]), (1e-6, table["IU"][1]), (1e3, table["IU"][1])
    return table


PLAIN = _plain()
"""Word to (size in base units, base dimensions)."""

_EXPECTED = "write words joined by * / and **, as 'mg/L', 'pmol/(L*day)' or '1'"


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit:
    """Read a unit.

    Parameters
    ----------
    text : str
        For example ``"mL/day"``, ``"1/(nM*h)"``, ``"%"``, ``"1"``.

    Raises
    ------
    UnitsError
        If a word is unknown or the text is no unit; without a place, which the caller adds.
    """
    plain = text.strip().replace("µ", "u").replace("μ", "u").replace("%", " percent ").replace("^", "**")
    if not plain:
        raise UnitsError(Fault("", "empty unit", cure="a pure number has unit '1'"))
    if len(plain) > 200 or not re.fullmatch(r"[A-Za-z0-9_*/(). +-]+", plain):
        raise UnitsError(Fault("", f"'{text[:60]}' is not a unit", cure=_EXPECTED))
    try:
        tree = ast.parse(" ".join(plain.split()), mode="eval").body
        unit = _convert(tree)
    except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError, ZeroDivisionError) as problem:
        if isinstance(problem, UnitsError):
            raise
        raise UnitsError(Fault("", f"'{text[:60]}' is not a unit", cure=_EXPECTED)) from None
    if not 0 < unit.scale < float("inf"):
        raise UnitsError(Fault("", f"unit '{text[:60]}' has no finite size"))
    return unit


def _convert(node: ast.expr) -> Unit:
    match node:
        case ast.Name(id=word):
            size, dims = _word(word)
            return Unit((("%" if word == "percent" else word, 1.0),), dims, size)
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and value > 0:
            text = f"{value:g}" if float(f"{value:g}") == value else repr(float(value))
            return DIMENSIONLESS if value == 1 else Unit(((text, 1.0),), (), float(value))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return multiply(_convert(left), _convert(right))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return divide(_convert(left), _convert(right))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return power(_convert(left), _exponent(right))
    raise ValueError


def _exponent(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if abs(value) <= 20:
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_exponent(operand)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _exponent(left) / _exponent(right)
    raise ValueError


def _word(word: str) -> tuple[float, tuple[tuple[str, float], ...]]:
    if word in PLAIN:
        return PLAIN[word]
    key = diskcache.key_of("unit word", word, _pint_version())
    if stored := diskcache.read("units", key):
        size, dims = json.loads(stored)
        return float(size), tuple((str(d), float(e)) for d, e in dims)
    size, dims = _ask_pint(word)
    diskcache.write("units", key, json.dumps([size, dims]).encode())
    return size, tuple(dims)


@cache
def _pint_version() -> str:
    from importlib.metadata import version

    return version("pint")


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def _ask_pint(word: str) -> tuple[float, list[tuple[str, float]]]:
    registry = _registry()
    try:
        one, two = registry.Quantity(1.0, word).to_base_units(), registry.Quantity(2.0, word).to_base_units()
    except Exception:
        cure = near(word, PLAIN) or "known are metric units and the words of pint; count people, cells or events in '1'"
        raise UnitsError(Fault("", f"unknown unit '{word}'", cure=cure)) from None
    if abs(two.magnitude - 2 * one.magnitude) > 1e-9 * abs(one.magnitude):
        raise UnitsError(Fault("", f"unit '{word}' has an offset or a logarithm", cure="use kelvin, or a plain ratio"))
    dims = sorted((str(d), float(e)) for d, e in dict(one.dimensionality).items())
    return float(one.magnitude), dims


def _merge(a: tuple[tuple[str, float], ...], b: tuple[tuple[str, float], ...], sign: float) -> Any:
    total = dict(a)
    for word, exponent in b:
        total[word] = total.get(word, 0.0) + sign * exponent
    return tuple(sorted((w, e) for w, e in total.items() if abs(e) > 1e-9))


@lru_cache(maxsize=16384)
def multiply(a: Unit, b: Unit) -> Unit:
    """Return the unit of a product."""
    return Unit(_merge(a.words, b.words, 1.0), _merge(a.dims, b.dims, 1.0), a.scale * b.scale)


@lru_cache(maxsize=16384)
def divide(a: Unit, b: Unit) -> Unit:
    """Return the unit of a ratio."""
    return Unit(_merge(a.words, b.words, -1.0), _merge(a.dims, b.dims, -1.0), a.scale / b.scale)


def power(a: Unit, exponent: float) -> Unit:
    """Return the unit of a power with a constant exponent."""
    if abs(exponent) < 1e-12:
        return DIMENSIONLESS
    words = tuple((w, e * exponent) for w, e in a.words)
    return Unit(words, tuple((d, e * exponent) for d, e in a.dims), a.scale**exponent)


def same_dimension(a: Unit, b: Unit) -> bool:
    """Whether two units measure the same kind of thing."""
    if a.dims == b.dims:
        return True
    left, right = dict(a.dims), dict(b.dims)
    return all(abs(left.get(d, 0.0) - right.get(d, 0.0)) < 1e-9 for d in {*left, *right})


def same(a: Unit, b: Unit) -> bool:
    """Whether two units are equal in dimension and in size."""
    return same_dimension(a, b) and abs(a.scale - b.scale) <= 1e-9 * max(a.scale, b.scale)


def unit_text(unit: Unit) -> str:
    """Write a unit so that `parse_unit` reads it back; a pure number is ``1``."""

    def factor(word: str, exponent: float) -> str:
        exponent = round(exponent, 9)
        return word if exponent == 1 else f"{word}**{exponent:g}"

    over = [factor(w, e) for w, e in unit.words if e > 0]
    under = [factor(w, -e) for w, e in unit.words if e < 0]
    top = "*".join(over) or "1"
    if not under:
        return top
    return f"{top}/{under[0]}" if len(under) == 1 else f"{top}/({'*'.join(under)})"
