"""Formulas of an SBML file, as libSBML's syntax trees, to expressions.

Everything MathML in SBML has is either carried exactly or refused by its name. Truth values are
numbers in model text (1 and 0), so nothing is lost in that direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import Any

from bonepk.interop.mathml import EXTRA_FUNCTIONS
from bonepk.model.expr import ONE, ZERO, Expr, call, num, sym, where
from bonepk.model.system import TIME

__all__ = ["Formulas", "RefusedError"]

_EXTRA = {name: op for op, name in EXTRA_FUNCTIONS.items()}
_AVOGADRO = 6.02214179e23  # the value the SBML specification fixes


class RefusedError(Exception):
    """A construct that has no exact counterpart; the text names it."""


def _log(base: Expr, x: Expr) -> Expr:
    if base.op == "num" and (base.value <= 0 or base.value == 1):
        raise RefusedError(f"logarithm to base {base.value:g}")
    return call("log", x) if base is num(math.e) else call("log", x) / call("log", base)


def _root(degree: Expr, x: Expr) -> Expr:
    if degree.op == "num" and degree.value == 2:
        return call("sqrt", x)
    return call("pow", x, ONE / degree)


def _half_exponentials(x: Expr) -> tuple[Expr, Expr]:
    return call("exp", x), call("exp", -x)


def _sinh(x: Expr) -> Expr:
    up, down = _half_exponentials(x)
    return (up - down) / num(2)


def _cosh(x: Expr) -> Expr:
    up, down = _half_exponentials(x)
    return (up + down) / num(2)


def _tan(x: Expr) -> Expr:
    return call("sin", x) / call("cos", x)


def _asinh(x: Expr) -> Expr:
    # log(x + sqrt(x^2 + 1)) for x >= 0, mirrored so that nothing cancels
    size = call("abs", x)
    return where(call("lt", x, ZERO), -ONE, ONE) * call("log", size + call("sqrt", size * size + ONE))


_ONE_ARGUMENT: dict[str, Callable[[Expr], Expr]] = {
    "abs": lambda x: call("abs", x),
    "exp": lambda x: call("exp", x),
    "ln": lambda x: call("log", x),
    "not": lambda x: call("not", x),
    "sin": lambda x: call("sin", x),
    "cos": lambda x: call("cos", x),
    "tan": _tan,
    "sec": lambda x: ONE / call("cos", x),
    "csc": lambda x: ONE / call("sin", x),
    "cot": lambda x: call("cos", x) / call("sin", x),
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": lambda x: call("tanh", x),
    "sech": lambda x: ONE / _cosh(x),
    "csch": lambda x: ONE / _sinh(x),
    "coth": lambda x: ONE / call("tanh", x),
    "arcsinh": _asinh,
    "arccosh": lambda x: call("log", x + call("sqrt", (x - ONE) * (x + ONE))),
    "arctanh": lambda x: (call("log1p", x) - call("log1p", -x)) / num(2),
}
# no counterpart unless the argument is a constant
_CONSTANT_ONLY: dict[str, Callable[..., float]] = {
    "floor": math.floor,
    "ceiling": math.ceil,
    "factorial": lambda x: math.gamma(x + 1) if x == int(x) else math.nan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "quotient": lambda a, b: math.trunc(a / b),
    "rem": math.fmod,
}
_RELATIONS = {"eq": "eq", "neq": "ne", "lt": "lt", "leq": "le", "gt": "gt", "geq": "ge"}


@dataclass
class Formulas:
    """Reads formulas of one model.

    Attributes
    ----------
    functions : mapping of str to libsbml.ASTNode
        Lambda of each function definition.
    """

    functions: Mapping[str, Any] = field(default_factory=dict)
    _tags: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import libsbml

        tags = {
            "AST_PLUS": "plus",
            "AST_MINUS": "minus",
            "AST_TIMES": "times",
            "AST_DIVIDE": "divide",
            "AST_POWER": "power",
            "AST_FUNCTION_POWER": "power",
            "AST_FUNCTION_LOG": "log",
            "AST_FUNCTION_ROOT": "root",
            "AST_FUNCTION_PIECEWISE": "piecewise",
            "AST_FUNCTION_DELAY": "delay",
            "AST_FUNCTION_RATE_OF": "rateOf",
            "AST_FUNCTION_MAX": "max",
            "AST_FUNCTION_MIN": "min",
            "AST_FUNCTION_REM": "rem",
            "AST_FUNCTION_QUOTIENT": "quotient",
            "AST_FUNCTION": "call",
            "AST_LOGICAL_AND": "and",
            "AST_LOGICAL_OR": "or",
            "AST_LOGICAL_XOR": "xor",
            "AST_LOGICAL_NOT": "not",
            "AST_LOGICAL_IMPLIES": "implies",
            "AST_LAMBDA": "lambda",
            "AST_INTEGER": "number",
            "AST_REAL": "number",
            "AST_REAL_E": "number",
            "AST_RATIONAL": "number",
            "AST_NAME": "name",
            "AST_NAME_TIME": "time",
            "AST_NAME_AVOGADRO": "avogadro",
            "AST_CONSTANT_E": "e",
            "AST_CONSTANT_PI": "pi",
            "AST_CONSTANT_TRUE": "true",
            "AST_CONSTANT_FALSE": "false",
        }
        for name in (*_ONE_ARGUMENT, *_CONSTANT_ONLY):
            tags.setdefault(f"AST_FUNCTION_{name.upper()}", name)
        tags |= {f"AST_RELATIONAL_{k.upper()}": k for k in _RELATIONS}
        self._tags = {getattr(libsbml, k): v for k, v in tags.items() if hasattr(libsbml, k)}

    def read(self, node: Any, local: Mapping[str, Expr] | None = None) -> Expr:
        """Turn a syntax tree into an expression.

        Parameters
        ----------
        node : libsbml.ASTNode
        local : mapping of str to Expr, optional
            What names of an inner scope stand for (local parameters, arguments).

        Returns
        -------
        Expr
            In the identifiers of the file; SBML's time is the symbol `TIME` with a dot before it,
            ``.t``, so that no identifier can be mistaken for it.

        Raises
        ------
        RefusedError
            If anything in it cannot be carried exactly.
        """
        if node is None:
            raise RefusedError("an empty formula")
        try:
            return self._read(node, dict(local or {}), ())
        except RecursionError:
            raise RefusedError("a formula nested too deeply") from None
        except (ValueError, ZeroDivisionError, OverflowError) as problem:
            raise RefusedError(f"a formula without a finite value ({problem})") from None

    def _read(self, node: Any, local: Mapping[str, Expr], inside: tuple[str, ...]) -> Expr:
        tag = self._tags.get(node.getType(), "")
        match tag:
            case "number":
                return _number(node)
            case "name":
                name = str(node.getName())
                return local[name] if name in local else sym(name)
            case "time":
                return sym("." + TIME)
            case "avogadro":
                return num(_AVOGADRO)
            case "e" | "pi":
                return num(math.e if tag == "e" else math.pi)
            case "true" | "false":
                return ONE if tag == "true" else ZERO
            case "delay" | "rateOf":
                raise RefusedError(f"'{tag}'")
            case "":
                raise RefusedError(f"'{node.getName() or node.getOperatorName() or 'unknown element'}'")
            case "call":
                return self._call(node, local, inside)
        args = [self._read(node.getChild(i), local, inside) for i in range(node.getNumChildren())]
        return _apply(tag, args)

    def _call(self, node: Any, local: Mapping[str, Expr], inside: tuple[str, ...]) -> Expr:
        name = str(node.getName())
        args = [self._read(node.getChild(i), local, inside) for i in range(node.getNumChildren())]
        if name in _EXTRA and len(args) == 1:
            return call(_EXTRA[name], args[0])
        body = self.functions.get(name)
        if body is None:
            raise RefusedError(f"unknown function '{name}'")
        if name in inside:
            raise RefusedError(f"function '{name}', which calls itself")
        count = body.getNumChildren() - 1
        if count != len(args):
            raise RefusedError(f"function '{name}' with {len(args)} argument(s) where it is defined with {count}")
        names = [str(body.getChild(i).getName()) for i in range(count)]
        if body.getChild(count) is None:
            raise RefusedError(f"function '{name}' without a body")
        return self._read(body.getChild(count), dict(zip(names, args, strict=True)), (*inside, name))


def _number(node: Any) -> Expr:
    import libsbml

    kind = node.getType()
    if kind == libsbml.AST_INTEGER:
        return num(float(node.getInteger()))
    if kind == libsbml.AST_RATIONAL:
        return num(node.getNumerator() / node.getDenominator())
    if kind == libsbml.AST_REAL_E:  # libSBML's own product of the two parts is off in the last digit
        return num(float(f"{node.getMantissa()!r}e{node.getExponent()}"))
    value = float(node.getReal())
    if not math.isfinite(value):
        raise RefusedError(f"the number {'notanumber' if math.isnan(value) else 'infinity'}")
    return num(value)


def _apply(tag: str, args: list[Expr]) -> Expr:
    if tag in _ONE_ARGUMENT and len(args) == 1:
        return _ONE_ARGUMENT[tag](args[0])
    if tag in _CONSTANT_ONLY:
        if any(a.op != "num" for a in args):
            raise RefusedError(f"'{tag}'")
        return num(_CONSTANT_ONLY[tag](*(a.value for a in args)))
    match tag, args:
        case "plus", _:
            return reduce(lambda a, b: a + b, args, ZERO)
        case "times", _:
            return reduce(lambda a, b: a * b, args, ONE)
        case "minus", [a]:
            return -a
        case "minus", [a, b]:
            return a - b
        case "divide", [a, b]:
            return a / b
        case "power", [a, b]:
            return a**b
        case "log", [base, x]:
            return _log(base, x)
        case "log", [x]:
            return _log(num(10), x)
        case "root", [x]:
            return call("sqrt", x)
        case "root", [degree, x]:
            return _root(degree, x)
        case (("min" | "max"), [first, *rest]):
            return reduce(lambda a, b: call(tag, a, b), rest, first)
        case "and", _:
            return _joined("and", args, ONE)
        case "or", _:
            return _joined("or", args, ZERO)
        case "xor", _:
            return reduce(lambda a, b: call("ne", _truth(a), _truth(b)), args, ZERO)
        case "implies", [a, b]:
            return call("or", call("not", a), b)
        case _ if tag in _RELATIONS and (len(args) == 2 or (len(args) > 2 and tag != "neq")):
            pairs = [call(_RELATIONS[tag], a, b) for a, b in pairwise(args)]
            return _joined("and", pairs, ONE)
        case "piecewise", _:
            return _piecewise(args)
    raise RefusedError(f"'{tag}' with {len(args)} argument(s)")


def _truth(x: Expr) -> Expr:
    return x if x.op in {*_RELATIONS.values(), "and", "or", "not"} else call("ne", x, ZERO)


def _joined(op: str, args: list[Expr], neutral: Expr) -> Expr:
    if not args:
        return neutral
    return reduce(lambda a, b: call(op, a, b), args)


def _piecewise(args: list[Expr]) -> Expr:
    """Pairs of value and condition, then the value where none holds."""
    if len(args) % 2:
        value = args[-1]
    elif args and args[-1].op == "num" and args[-1].value:  # the last condition is constantly true
        value = args[-2]
        args = [*args[:-2], value]
    else:
        raise RefusedError("'piecewise' without 'otherwise', which has no value where no condition holds")
    for i in range(len(args) - 3, -1, -2):
        value = where(args[i + 1], args[i], value)
    return value
