"""Model text to expressions: a whitelist over Python's `ast`, safe on text from strangers.

Nothing is ever evaluated. The text is first cut into tokens, which bounds length, bracket
depth and the size of numbers before `ast.parse` sees anything; then only names, finite
numbers, ``+ - * / **``, comparisons, ``and or not`` and the listed functions are taken.
Whether a name exists is asked later, when files are composed.
"""

from __future__ import annotations

import ast
import keyword
import math
import re

from bonepk.errors import Faults, ModelTextError, near
from bonepk.model.expr import ONE, Expr, call, num, sym, where
from bonepk.model.operators import FUNCTIONS

__all__ = ["FUNCTION_NAMES", "MAX_DEPTH", "MAX_LENGTH", "MAX_NODES", "is_name", "parse_expression", "read_expression"]

MAX_LENGTH = 10_000
"""Characters of one expression."""
MAX_DEPTH = 200
"""Levels of nesting of one expression; a sum of n terms has n levels."""
MAX_NODES = 5_000
"""Names, numbers and operators of one expression."""
MAX_BRACKETS = 60
"""Brackets open at one time; Python's own parser gives up at 200."""

_COMPOSITE = {"log10": 1, "log2": 1, "hill": 3}
FUNCTION_NAMES = frozenset(FUNCTIONS) | frozenset(_COMPOSITE)
"""Every function that may be called in model text."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)"
    r"|(?P<op>\*\*|//|==|!=|<=|>=|->|:=|<<|>>|[-+*/(),<>])|(?P<other>\S))",
    re.ASCII,
)
_CURES = {
    "^": "write a power as **",
    "%": "there is no remainder operator",
    "=": "compare with ==; an expression cannot assign",
    ":=": "an expression cannot assign; give the value its own entry under [quantities]",
    "//": "divide with /",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "~": "write 'not'",
    "'": "strings have no place in an expression",
    '"': "strings have no place in an expression",
    "[": "lists and indices have no place in an expression",
    "{": "braces have no place in an expression; use ( )",
    "#": "put comments outside the string",
    "·": "multiply with *",
    "×": "multiply with *",
    "−": "type the minus sign of the keyboard",
}
_WORD_CURES = {
    "if": "write where(condition, if_true, if_false)",
    "else": "write where(condition, if_true, if_false)",
    "True": "write 1",
    "False": "write 0",
    "lambda": "functions cannot be defined in model text",
    "is": "compare with ==",
    "in": "compare with == and join with 'or'",
}
_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
_COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}


class _RefusedError(Exception):
    def __init__(self, found: str, cure: str = "") -> None:
        self.found, self.cure = found, cure


def is_name(text: str) -> bool:
    """Whether `text` can name a symbol: ASCII letters, digits and _, no keyword of the language."""
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("__")


def parse_expression(text: str, place: str = "") -> Expr:
    """Read one expression of model text.

    Parameters
    ----------
    text : str
        For example ``"Vmax*conc/(Km + conc)"``. A dot joins a component's name and a symbol
        (``denosumab.CL``).
    place : str, optional
        Where the text stands, for the message.

    Returns
    -------
    Expr

    Raises
    ------
    ModelTextError
        If the text is anything but a permitted expression, or exceeds a cap.
    """
    faults = Faults()
    found = read_expression(text, place, faults)
    faults.raise_as(ModelTextError)
    assert found is not None
    return found


def read_expression(text: str, place: str, faults: Faults) -> Expr | None:
    """Read one expression; None, with a fault noted, if it is not permitted."""
    try:
        _scan(text)
        return _build(text)
    except _RefusedError as refused:
        faults.add(place, refused.found, cure=refused.cure)
    return None


def _scan(text: str) -> None:
    """Refuse what must not reach `ast.parse`, with the column and the cure."""
    if len(text) > MAX_LENGTH:
        raise _RefusedError(
            f"expression of {len(text)} characters", f"at most {MAX_LENGTH}; split it into several [quantities]"
        )
    if not text.strip():
        raise _RefusedError("empty expression", "write a number or a formula")
    depth = 0
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        assert match is not None  # `other` takes any character
        column = match.start(match.lastgroup or 0) + 1
        token = match.group(match.lastgroup or 0)
        position = match.end()
        if match.lastgroup == "number":
            _check_number(token, text[position : position + 1], column)
        elif match.lastgroup == "name":
            for word in re.split(r"\s*\.\s*", token):
                _check_word(word, column)
        elif token == "(":
            depth += 1
            if depth > MAX_BRACKETS:
                raise _RefusedError(f"more than {MAX_BRACKETS} brackets open", "split it into several [quantities]")
        elif token == ")":
            depth -= 1
            if depth < 0:
                raise _RefusedError(f"')' at column {column} closes nothing", "remove it or open a bracket before it")
        elif match.lastgroup == "other" or token in _CURES or token in {"->", "<<", ">>"}:
            raise _RefusedError(
                f"{token!r} at column {column}", _CURES.get(token, "it has no meaning in an expression")
            )
    if depth:
        raise _RefusedError(f"{depth} bracket(s) not closed", "add ')'")


def _check_number(token: str, following: str, column: int) -> None:
    if following.isalnum() or following == "_":
        raise _RefusedError(f"'{token}{following}' at column {column}", "write products with *, as 2*x")
    if not math.isfinite(float(token)):
        shown = token if len(token) <= 20 else token[:17] + "..."
        raise _RefusedError(f"number {shown} at column {column} is too large", "numbers stay below 1.8e308")


def _check_word(word: str, column: int) -> None:
    if word.startswith("__"):
        raise _RefusedError(f"name '{word}' at column {column}", "names do not begin with two underscores")
    if keyword.iskeyword(word) and word not in {"and", "or", "not"}:
        raise _RefusedError(f"'{word}' at column {column}", _WORD_CURES.get(word, "it has no meaning in an expression"))


def _build(text: str) -> Expr:
    line = " ".join(text.split())
    try:
        tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        at = f" at column {error.offset}" if error.offset else ""
        raise _RefusedError(f"cannot read '{_short(line)}'{at}", "is an operator or a comma missing?") from None
    except (RecursionError, MemoryError, ValueError):
        raise _too_deep() from None
    counter = [0]
    try:
        return _convert(tree, 0, counter)
    except RecursionError:  # the caller's own stack may be nearly used up
        raise _too_deep() from None


def _too_deep() -> _RefusedError:
    return _RefusedError(f"nested more than {MAX_DEPTH} levels deep", "split it into several [quantities]")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _convert(node: ast.expr, depth: int, counter: list[int]) -> Expr:
    if depth > MAX_DEPTH:
        raise _too_deep()
    counter[0] += 1
    if counter[0] > MAX_NODES:
        raise _RefusedError(f"more than {MAX_NODES} names, numbers and operators", "split it into several [quantities]")
    try:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return num(value)
            case ast.Name(id=name):
                return _symbol(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                return sym(f"{owner}.{name}")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                a, b = _convert(left, depth + 1, counter), _convert(right, depth + 1, counter)
                return call(_BINARY[type(op)], a, b)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -_convert(operand, depth + 1, counter)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return _convert(operand, depth + 1, counter)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return call("not", _convert(operand, depth + 1, counter))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                a, b = _convert(left, depth + 1, counter), _convert(right, depth + 1, counter)
                return call(_COMPARE[type(op)], a, b)
            case ast.Compare(ops=[_, _, *_]):
                raise _RefusedError(f"chained comparison '{_short(ast.unparse(node))}'", "write 'a < b and b < c'")
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                total, *rest = (_convert(v, depth + 1, counter) for v in values)
                for item in rest:
                    total = call(word, total, item)
                return total
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return _call(name, [_convert(a, depth + 1, counter) for a in args])
            case ast.Call():
                raise _RefusedError(f"call of '{_short(ast.unparse(node.func))}'", "call one of the listed functions")
            case ast.Attribute():
                raise _RefusedError(f"'{_short(ast.unparse(node))}'", "a dot joins one component's name and one symbol")
            case _:
                raise _RefusedError(f"'{_short(ast.unparse(node))}' is not an arithmetic expression", _EXPECTED)
    except ValueError as error:  # constants without a finite value
        raise _RefusedError(str(error), "every constant must be a finite number") from None


_EXPECTED = "use names, numbers, + - * / **, comparisons, and/or/not and the listed functions"


def _symbol(name: str) -> Expr:
    if name == "pi":
        return num(math.pi)
    if name in FUNCTION_NAMES:
        raise _RefusedError(f"function '{name}' without arguments", f"write {name}(...)")
    return sym(name)


def _call(name: str, args: list[Expr]) -> Expr:
    if name not in FUNCTION_NAMES:
        cure = near(name, FUNCTION_NAMES) or f"known are {', '.join(sorted(FUNCTION_NAMES))}; products need a *"
        raise _RefusedError(f"unknown function '{name}'", cure)
    if name in {"min", "max"} and len(args) >= 2:
        total = args[0]
        for item in args[1:]:
            total = call(name, total, item)
        return total
    needed = _COMPOSITE.get(name) or FUNCTIONS[name]
    if len(args) != needed:
        more = " or more" if name in {"min", "max"} else ""
        raise _RefusedError(f"'{name}' with {len(args)} argument(s)", f"it takes {needed}{more}")
    if name == "where":
        return where(*args)
    if name == "hill":
        # in x/k, so that dimensions hold for any exponent and x = 0 stays finite
        power = (args[0] / args[1]) ** args[2]
        return power / (ONE + power)
    if name in {"log10", "log2"}:
        return call("log", args[0]) / num(math.log(10.0 if name == "log10" else 2.0))
    return call(name, *args)
