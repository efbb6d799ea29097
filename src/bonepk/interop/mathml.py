"""Expressions as MathML, in the part of it that SBML Level 3 Version 2 takes.

MathML tells truth values from numbers, model text does not. `explicit` writes an expression so
that the two never mix (a comparison used as a number becomes ``where(a < b, 1, 0)``); whoever
reads the file back gets that form, which has the same value.

Numbers are written without an exponent: a reader multiplies the parts of MathML's own exponent
notation, and the last digit would not survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from xml.sax.saxutils import escape

from bonepk.model.expr import ONE, ZERO, Expr, call, topological, where
from bonepk.model.operators import COMPARISONS, LOGIC
from bonepk.model.system import TIME

__all__ = ["EXTRA_FUNCTIONS", "digits", "explicit", "extra_functions_of", "mathml"]

_TRUTH = frozenset(COMPARISONS) | frozenset(LOGIC)
_TAGS = {
    "add": "plus",
    "sub": "minus",
    "neg": "minus",
    "mul": "times",
    "div": "divide",
    "pow": "power",
    "exp": "exp",
    "log": "ln",
    "sqrt": "root",
    "abs": "abs",
    "sin": "sin",
    "cos": "cos",
    "tanh": "tanh",
    "min": "min",
    "max": "max",
    "lt": "lt",
    "le": "leq",
    "gt": "gt",
    "ge": "geq",
    "eq": "eq",
    "ne": "neq",
    "and": "and",
    "or": "or",
    "not": "not",
}
_MATH = "http://www.w3.org/1998/Math/MathML"

EXTRA_FUNCTIONS = {
    "log1p": "bonepk_log1p",
    "expm1": "bonepk_expm1",
    "softplus": "bonepk_softplus",
    "expit": "bonepk_expit",
}
"""Functions MathML has not, and the function definition that stands for each."""


def _lambda(body: str) -> str:
    return f'<math xmlns="{_MATH}"><lambda><bvar><ci> x </ci></bvar>{body}</lambda></math>'


_X = "<ci> x </ci>"
_EXP_MINUS_ABS = f"<apply><exp/><apply><minus/><apply><abs/>{_X}</apply></apply></apply>"
_BODIES = {
    "log1p": f"<apply><ln/><apply><plus/><cn> 1 </cn>{_X}</apply></apply>",
    "expm1": f"<apply><minus/><apply><exp/>{_X}</apply><cn> 1 </cn></apply>",
    "softplus": f"<apply><plus/><apply><max/>{_X}<cn> 0 </cn></apply>"
    f"<apply><ln/><apply><plus/><cn> 1 </cn>{_EXP_MINUS_ABS}</apply></apply></apply>",
    "expit": f"<apply><divide/><cn> 1 </cn><apply><plus/><cn> 1 </cn>"
    f"<apply><exp/><apply><minus/>{_X}</apply></apply></apply></apply>",
}


def digits(value: float) -> str:
    """Write a number so that it reads back to the same number, without an exponent."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def extra_functions_of(exprs: list[Expr]) -> dict[str, str]:
    """Collect the function definitions that the expressions need: operator to MathML of its lambda."""
    used = {node.op for node in topological(exprs)}
    return {op: _lambda(_BODIES[op]) for op in EXTRA_FUNCTIONS if op in used}


def explicit(expr: Expr) -> Expr:
    """Return `expr` with every step between truth value and number written out."""
    numbers: dict[int, Expr] = {}
    truths: dict[int, Expr] = {}

    def as_number(node: Expr) -> Expr:
        return numbers[id(node)]

    def as_truth(node: Expr) -> Expr:
        found = truths.get(id(node))
        return found if found is not None else call("ne", numbers[id(node)], ZERO)

    for node in topological([expr]):
        if node.op in LOGIC:
            truths[id(node)] = call(node.op, *(as_truth(a) for a in node.args))
        elif node.op in COMPARISONS:
            truths[id(node)] = call(node.op, *(as_number(a) for a in node.args))
        elif node.op == "where":
            condition, yes, no = node.args
            numbers[id(node)] = where(as_truth(condition), as_number(yes), as_number(no))
        elif node.args:
            args = [as_number(a) for a in node.args]
            same = all(x is y for x, y in zip(args, node.args, strict=True))
            numbers[id(node)] = node if same else call(node.op, *args)
        else:
            numbers[id(node)] = node
        if id(node) in truths:
            numbers[id(node)] = where(truths[id(node)], ONE, ZERO)
    return numbers[id(expr)]


def mathml(expr: Expr, ids: Mapping[str, str], *, truth: bool = False) -> str:
    """Write an expression as a ``math`` element.

    Parameters
    ----------
    expr : Expr
    ids : mapping of str to str
        SBML identifier of each symbol; `TIME` without an entry is SBML's own time.
    truth : bool
        The place takes a truth value (an event's trigger).

    Returns
    -------
    str
    """
    form = explicit(expr)
    if truth:
        form = form.args[0] if _is_truth_as_number(form) else call("ne", form, ZERO)
    text: dict[int, str] = {}
    for node in topological([form]):
        text[id(node)] = _element(node, [text[id(a)] for a in node.args], ids)
    return f'<math xmlns="{_MATH}">{text[id(form)]}</math>'


def _is_truth_as_number(form: Expr) -> bool:
    return form.op == "where" and form.args[1] is ONE and form.args[2] is ZERO and form.args[0].op in _TRUTH


def _element(node: Expr, args: list[str], ids: Mapping[str, str]) -> str:
    match node.op:
        case "num":
            kind = ' type="integer"' if node.value == int(node.value) and abs(node.value) < 2**31 else ""
            return f"<cn{kind}> {digits(node.value)} </cn>"
        case "sym":
            if node.name == TIME and TIME not in ids:
                symbol = "http://www.sbml.org/sbml/symbols/time"
                return f'<csymbol encoding="text" definitionURL="{symbol}"> t </csymbol>'
            return f"<ci> {escape(ids[node.name])} </ci>"
        case "where":
            condition, yes, no = args
            return f"<piecewise><piece>{yes}{condition}</piece><otherwise>{no}</otherwise></piecewise>"
        case op if op in EXTRA_FUNCTIONS:
            return f"<apply><ci> {EXTRA_FUNCTIONS[op]} </ci>{args[0]}</apply>"
        case op:
            return f"<apply><{_TAGS[op]}/>{''.join(args)}</apply>"
