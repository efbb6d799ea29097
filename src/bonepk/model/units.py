"""Units of expressions are checked when a model is composed; doses are converted here.

No unit object ever meets a right-hand side: expressions work on bare numbers, so units have to
agree in size as well as in dimension, and a conversion is a parameter with a unit of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bonepk.errors import Fault, Faults, UnitsError
from bonepk.model.expr import ZERO, Expr, to_text, topological
from bonepk.model.unit_words import (
    DIMENSIONLESS,
    Unit,
    divide,
    multiply,
    parse_unit,
    power,
    same,
    same_dimension,
    unit_text,
)

__all__ = ["Claim", "check_claims", "check_unit", "conversion", "convert", "read_quantity"]


@dataclass(frozen=True)
class Claim:
    """An expression that must come out in a unit.

    Parameters
    ----------
    place : str
        Where it stands.
    expr : Expr
        The expression, in qualified names.
    unit : str
        What it must come out in; empty to take what comes.
    name : str, optional
        Symbol that later claims know by this unit.
    or_number : bool, optional
        A pure number is accepted as well.
    """

    place: str
    expr: Expr
    unit: str
    name: str = ""
    or_number: bool = False


def check_unit(text: str, place: str, faults: Faults) -> Unit | None:
    """Read a unit; None, with a located fault, if it is none."""
    try:
        return parse_unit(text)
    except UnitsError as error:
        for fault in error.faults:
            faults.add(place, fault.found, fault.expected, fault.cure)
        return None


def check_claims(symbols: Mapping[str, str], claims: Sequence[Claim], faults: Faults) -> dict[str, str]:
    """Check the unit of every claim's expression.

    Parameters
    ----------
    symbols : mapping of name to unit text
        Symbols whose unit is stated: time, parameters, inputs, states, slots.
    claims : sequence of Claim
        In an order in which each uses only names stated or claimed before.
    faults : Faults
        Takes one located fault for each inconsistency.

    Returns
    -------
    dict
        Unit text of each named claim.
    """
    checker = _Checker(faults)
    for name, text in symbols.items():
        unit = check_unit(text, "", Faults())  # a word that is no unit was reported where it stands
        if unit is not None:
            checker.symbols[name] = unit
    found: dict[str, str] = {}
    for claim in claims:
        unit = checker.claim(claim)
        if claim.name and unit is not None:
            checker.symbols[claim.name] = unit
            found[claim.name] = unit_text(unit)
    return found


class _Bad:
    """Marks a node whose unit is unknown because a fault was found below it."""


_BAD = _Bad()
_ARGUMENT_FREE = {"exp", "log", "log1p", "expm1", "sin", "cos", "tanh", "softplus", "expit"}
_ALIKE = {"add": "adds", "sub": "subtracts", "min": "compares", "max": "compares"} | dict.fromkeys(
    ("lt", "le", "gt", "ge", "eq", "ne"), "compares"
)


class _Checker:
    """Units of the nodes seen so far. None stands for a literal 0, which fits any unit."""

    def __init__(self, faults: Faults) -> None:
        self.symbols: dict[str, Unit] = {}
        self.faults = faults
        self._known: dict[int, Unit | _Bad | None] = {}
        self._keep: list[Expr] = []  # ids stay valid while the nodes live
        self._place = ""

    def claim(self, claim: Claim) -> Unit | None:
        self._place = claim.place
        self._keep.append(claim.expr)
        for node in topological([claim.expr]):
            if id(node) not in self._known:
                self._known[id(node)] = self._node(node)
        got = self._known[id(claim.expr)]
        if not claim.unit:
            return DIMENSIONLESS if got is None else None if isinstance(got, _Bad) else got
        expected = check_unit(claim.unit, claim.place, self.faults)
        if expected is None or got is None or isinstance(got, _Bad):
            return expected
        if not same(got, expected) and not (claim.or_number and same(got, DIMENSIONLESS)):
            wanted = unit_text(expected) if expected.words else "a pure number"
            self._fault(f"'{_short(claim.expr)}' is in {_say(got)}", f"expected {wanted}", _cure(got, expected))
        return expected

    def _fault(self, found: str, expected: str, cure: str) -> _Bad:
        self.faults.add(self._place, found, expected, cure)
        return _BAD

    def _node(self, node: Expr) -> Unit | _Bad | None:
        if node is ZERO:
            return None
        if node.op == "num":
            return DIMENSIONLESS
        if node.op == "sym":
            return self.symbols.get(node.name, _BAD)
        units: list[Unit | None] = []
        for arg in node.args:
            unit = self._known[id(arg)]
            if isinstance(unit, _Bad):
                return _BAD
            units.append(unit)
        op = node.op
        if op in _ALIKE:
            both = self._alike(node, units[0], units[1], _ALIKE[op])
            comparison = op in {"lt", "le", "gt", "ge", "eq", "ne"}
            return DIMENSIONLESS if comparison and not isinstance(both, _Bad) else both
        if op in {"neg", "abs"}:
            return units[0]
        if op == "where":
            if isinstance(self._pure(node, units[0]), _Bad):
                return _BAD
            return self._alike(node, units[1], units[2], "chooses between")
        if op in _ARGUMENT_FREE or op in {"and", "or", "not"}:
            checked = [self._pure(node, u) for u in units]
            return _BAD if any(isinstance(c, _Bad) for c in checked) else DIMENSIONLESS
        first = units[0] or DIMENSIONLESS
        if op == "sqrt":
            return power(first, 0.5)
        if op == "pow":
            return self._power(node, first, units[1])
        return multiply(first, units[1] or DIMENSIONLESS) if op == "mul" else divide(first, units[1] or DIMENSIONLESS)

    def _alike(self, node: Expr, a: Unit | None, b: Unit | None, verb: str) -> Unit | _Bad | None:
        if a is None or b is None:
            return a if b is None else b
        if same(a, b):
            return a
        yes, no = node.args[-2:]
        literal = next((x for x in (yes, no) if x.op == "num"), None)
        if literal is not None:
            other = b if literal is yes else a
            cure = f"make {to_text(literal)} a parameter with unit '{unit_text(other)}'"
        else:
            cure = _cure(b, a)
        found = f"'{_short(node)}' {verb} {_say(a)} and {_say(b)}"
        return self._fault(found, "expected both in one unit", cure)

    def _pure(self, node: Expr, unit: Unit | None) -> Unit | _Bad | None:
        if unit is None or same(unit, DIMENSIONLESS):
            return unit
        cure = "divide by a reference in the same unit" if unit.dims else _cure(unit, DIMENSIONLESS)
        found = f"'{_short(node)}' has an argument in {_say(unit)}"
        return self._fault(found, f"'{node.op}' takes pure numbers", cure)

    def _power(self, node: Expr, base: Unit, exponent: Unit | None) -> Unit | _Bad:
        if exponent is not None and not same(exponent, DIMENSIONLESS):
            found = f"'{_short(node)}' has an exponent in {_say(exponent)}"
            return self._fault(found, "expected a pure number", "divide by a reference in the same unit")
        if node.args[1].op == "num":
            return power(base, node.args[1].value)
        if same(base, DIMENSIONLESS):
            return DIMENSIONLESS
        found = f"'{_short(node)}' raises {_say(base)} to a power that is not a constant"
        return self._fault(found, "expected a pure number below it", "divide it by a reference in the same unit first")


def _short(expr: Expr) -> str:
    text = to_text(expr) if len(topological([expr])) < 200 else expr.op
    return text if len(text) <= 70 else text[:67] + "..."


def _say(unit: Unit) -> str:
    return unit_text(unit) if unit.words else "a pure number"


def _cure(got: Unit, expected: Unit) -> str:
    """Say what turns a value in `got` into `expected`."""
    bridge = unit_text(divide(expected, got))
    if same_dimension(got, expected):
        return f"multiply by a parameter of value {got.scale / expected.scale:.10g} and unit '{bridge}'"
    difference = dict(divide(expected, got).dims)
    if difference.get("[mass]") == -difference.get("[substance]", 0.0) and len(difference) == 2:
        return f"bring in the molar mass, a parameter in g/mol (missing factor: {bridge})"
    return f"a factor in {bridge} is missing, or a unit is misstated"


_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*", re.DOTALL)


def read_quantity(text: str) -> tuple[float, str]:
    """Read a number with a unit.

    Parameters
    ----------
    text : str
        For example ``"60 mg"``; without a unit it is in ``"1"``.

    Returns
    -------
    value : float
    unit : str

    Raises
    ------
    UnitsError
        If there is no number, or it is not finite, or the unit is unknown.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitsError(Fault("", f"'{text[:60]}' is not a number with a unit", cure="write it as '60 mg'"))
    value, unit = float(match.group(1)), match.group(2) or "1"
    if not math.isfinite(value):
        raise UnitsError(Fault("", f"'{text[:60]}' is not finite"))
    parse_unit(unit)
    return value, unit


def convert(value: float, from_unit: str, to_unit: str, molar_mass: float | None = None) -> float:
    """Convert a number from one unit to another.

    Parameters
    ----------
    value : float
        Number in `from_unit`.
    from_unit, to_unit : str
        Units, for example ``"mg"`` and ``"nmol"``.
    molar_mass : float, optional
        Molar mass in g/mol, needed between mass and amount of substance.

    Returns
    -------
    float
        The number in `to_unit`.

    Raises
    ------
    UnitsError
        If a unit is unknown, dimensions differ, or a molar mass is needed.
    """
    return value * conversion(from_unit, to_unit, molar_mass)


def conversion(from_unit: str, to_unit: str, molar_mass: float | None = None) -> float:
    """Return the factor of `convert`: how many `to_unit` make one `from_unit`."""
    if from_unit == to_unit:
        parse_unit(from_unit)
        return 1.0
    start, goal = parse_unit(from_unit), parse_unit(to_unit)
    ratio = float(f"{start.scale / goal.scale:.15g}")  # mg into ng is 1e6 and not 999999.9999999998
    if same_dimension(start, goal):
        return ratio
    gap = dict(divide(goal, start).dims)
    moles = gap.get("[substance]", 0.0)
    if moles in {1.0, -1.0} and gap == {"[substance]": moles, "[mass]": -moles}:
        if molar_mass is None:
            found = f"{from_unit} into {to_unit} needs a molar mass"
            raise UnitsError(Fault("", found, cure="state molar_mass in g/mol"))
        if not (math.isfinite(molar_mass) and molar_mass > 0):
            raise UnitsError(Fault("", f"molar mass {molar_mass} g/mol", "expected a number above 0"))
        per_mole = molar_mass * 1e-3
        return ratio / per_mole if moles > 0 else ratio * per_mole
    cure = "an international unit is no mass; state the activity per mg" if "[IU]" in gap else ""
    raise UnitsError(Fault("", f"'{from_unit}' cannot become '{to_unit}'", "expected units of one dimension", cure))
