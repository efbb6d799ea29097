"""The tables of a model file: which keys each takes, and the value each entry becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bonepk.model.component import RouteText, Slot
from bonepk.model.expr import num
from bonepk.model.parse import FUNCTION_NAMES
from bonepk.model.system import TIME, Flux, Input, Named, Output, Parameter, Reference, State

__all__ = [
    "EXPRESSIONS",
    "HEAD",
    "MAKERS",
    "MISSING",
    "NUMBERS",
    "ONLY_FOR",
    "RESERVED",
    "SYMBOL_TABLES",
    "TABLES",
    "UNSOURCED",
]

RESERVED = frozenset({TIME, "pi"}) | FUNCTION_NAMES
"""Names that mean something in every expression."""

HEAD: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "title": str,
    "time": str,
    "authors": list,
    "doi": str,
    "notes": str,
    "for": (str, list),
    "based_on": str,
    "modules": list,
    "steady": bool,
    "history": (str, int, float),
    "hidden_units": str,
    "fit": str,
}
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "references": (("text",), ("doi",), "text"),
    "parameters": (("value", "unit", "source"), ("label", "range", "note"), ""),
    "inputs": (("value", "unit"), ("label",), ""),
    "derived": (("expr",), ("unit", "label"), "expr"),
    "states": (("initial", "unit"), ("label", "nonnegative"), ""),
    "quantities": (("expr",), ("unit", "label"), "expr"),
    "fluxes": (("rate",), ("from", "to", "gain", "label"), ""),
    "rates": (("expr",), ("label",), "expr"),
    "slots": (("combine", "neutral", "unit"), ("label",), ""),
    "modifies": (("expr",), ("label",), "expr"),
    "routes": (("into",), ("unit", "bioavailability", "lag", "duration", "rate", "molar_mass", "drug", "label"), ""),
    "outputs": (("expr",), ("unit", "label"), "expr"),
}
"""Table to (required keys, optional keys, the key that a bare string or number stands for)."""
SYMBOL_TABLES = ("parameters", "inputs", "derived", "states", "quantities", "slots")
NUMBERS = {"value", "neutral", "molar_mass"}
EXPRESSIONS = {"expr", "initial", "rate", "gain", "bioavailability", "lag", "duration"}
UNSOURCED = {"fitted", "assumed", "fixed"}
ONLY_FOR = {
    "for": ("drug", "module", "template"),
    "steady": ("core", "literature"),
    "history": ("core", "literature"),
    "hidden_units": ("literature",),
    "fit": ("core", "literature"),
    "slots": ("core", "module"),
    "modifies": ("drug", "module", "template"),
}
MISSING = {
    ("parameters", "unit"): 'a pure number has unit = "1"',
    ("parameters", "source"): "name a key of [references], or fitted, assumed or fixed with a note",
    ("states", "initial"): "add initial = 0, or an expression of parameters",
    ("slots", "neutral"): "add neutral = 0 for a sum, 1 for a product",
    ("routes", "into"): "name the state that takes the dose",
}
_BLANK = num(0)


def _parameter(name: str, e: dict[str, Any], line: int, file: str) -> Parameter:
    low, high = e.get("range", (None, None))
    return Parameter(
        name=name,
        value=e.get("value", 0.0),
        unit=e.get("unit", "1"),
        source=e.get("source", ""),
        note=e.get("note", ""),
        label=e.get("label", ""),
        low=low,
        high=high,
        file=file,
        line=line,
    )


def _route(name: str, e: dict[str, Any], *_: object) -> RouteText:
    return RouteText(name, e.get("into", ""), **{k: v for k, v in e.items() if k != "into"})


def _named(name: str, e: dict[str, Any], *_: object) -> Named:
    return Named(name, e.get("expr", _BLANK), e.get("unit", ""), e.get("label", ""))


MAKERS: dict[str, Callable[[str, dict[str, Any], int, str], Any]] = {
    "references": lambda name, e, *_: Reference(name, e.get("text", ""), e.get("doi", "")),
    "parameters": _parameter,
    "inputs": lambda name, e, *_: Input(name, e.get("value", 0.0), e.get("unit", "1"), e.get("label", "")),
    "derived": _named,
    "states": lambda name, e, *_: State(
        name, e.get("unit", "1"), e.get("initial", _BLANK), e.get("label", ""), e.get("nonnegative", True)
    ),
    "quantities": _named,
    "fluxes": lambda name, e, *_: Flux(
        name, e.get("rate", _BLANK), e.get("from", ""), e.get("to", ""), e.get("gain"), e.get("label", "")
    ),
    "rates": _named,
    "slots": lambda name, e, *_: Slot(
        name, e.get("combine", "sum"), e.get("neutral", 0.0), e.get("unit", "1"), e.get("label", "")
    ),
    "modifies": _named,
    "routes": _route,
    "outputs": lambda name, e, *_: Output(name, e.get("expr", _BLANK), e.get("unit", ""), e.get("label", "")),
}
