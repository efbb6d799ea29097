"""Symbolic expressions as a shared graph: every distinct subexpression exists once.

Nodes are interned, so structural equality is identity, common subexpressions
are found by construction, and differentiating a system of a few hundred nodes
takes milliseconds, where a computer algebra system takes seconds. `to_sympy`
(in `model.show`) hands a system over to SymPy for everything else.

An `Expr` is immutable and hashable. Build with Python operators on `num` and
`sym`, or with `call` for the functions in `FUNCTIONS`.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Union

import numpy as np

from bonepk.model.operators import ARITY, ARRAY, COMPARISONS, FUNCTIONS, SCALAR

__all__ = [
    "FUNCTIONS",
    "ONE",
    "ZERO",
    "Expr",
    "call",
    "derivative",
    "evaluate",
    "gradient",
    "num",
    "substitute",
    "sym",
    "symbols_of",
    "topological",
    "where",
]

Operand = Union["Expr", float, int]


class Expr:
    """One node of the shared expression graph.

    Attributes
    ----------
    op : str
        ``"num"``, ``"sym"`` or a key of the operator tables of this module.
    args : tuple of Expr
        Operands, empty for the leaves.
    value : float
        The number of a ``num`` leaf, else 0.
    name : str
        The name of a ``sym`` leaf, else "".
    """

    __slots__ = ("__weakref__", "args", "name", "op", "value")

    op: str
    args: tuple[Expr, ...]
    value: float
    name: str

    def __repr__(self) -> str:
        text = to_text(self)
        return f"<Expr {text if len(text) < 200 else text[:197] + '...'}>"

    def __str__(self) -> str:
        return to_text(self)

    def __reduce__(self) -> tuple[Callable[[tuple[Any, ...]], Expr], tuple[Any, ...]]:
        return (_rebuild, (_flat(self),))

    def __add__(self, other: Operand) -> Expr:
        return _add(self, _as(other))

    def __radd__(self, other: Operand) -> Expr:
        return _add(_as(other), self)

    def __sub__(self, other: Operand) -> Expr:
        return _sub(self, _as(other))

    def __rsub__(self, other: Operand) -> Expr:
        return _sub(_as(other), self)

    def __mul__(self, other: Operand) -> Expr:
        return _mul(self, _as(other))

    def __rmul__(self, other: Operand) -> Expr:
        return _mul(_as(other), self)

    def __truediv__(self, other: Operand) -> Expr:
        return _div(self, _as(other))

    def __rtruediv__(self, other: Operand) -> Expr:
        return _div(_as(other), self)

    def __pow__(self, other: Operand) -> Expr:
        return _pow(self, _as(other))

    def __rpow__(self, other: Operand) -> Expr:
        return _pow(_as(other), self)

    def __neg__(self) -> Expr:
        return _neg(self)


_TABLE: weakref.WeakValueDictionary[tuple[Any, ...], Expr] = weakref.WeakValueDictionary()
_LOCK = threading.Lock()


def _node(op: str, args: tuple[Expr, ...] = (), value: float = 0.0, name: str = "") -> Expr:
    # ids are stable while the operands live, and a node keeps its operands alive
    key = (op, tuple(map(id, args)), math.copysign(1.0, value), value, name)
    found = _TABLE.get(key)
    if found is None:
        with _LOCK:  # two threads must not make two nodes of one expression
            found = _TABLE.get(key)
            if found is None:
                found = Expr.__new__(Expr)
                found.op, found.args, found.value, found.name = op, args, value, name
                _TABLE[key] = found
    return found


def num(value: float) -> Expr:
    """Return the leaf of a finite number; ValueError for inf or nan."""
    value = float(value) + 0.0  # no negative zero: its text would read back as zero
    if not math.isfinite(value):
        raise ValueError(f"number {value} is not finite")
    return _node("num", value=value)


def sym(name: str) -> Expr:
    """Return the leaf of a named symbol."""
    return _node("sym", name=name)


ZERO = num(0.0)
ONE = num(1.0)
_TWO = num(2.0)


def _as(x: Operand) -> Expr:
    return x if isinstance(x, Expr) else num(x)


def _fold(op: str, *args: Expr) -> Expr | None:
    if any(a.op != "num" for a in args):
        return None
    try:
        value = SCALAR[op](*(a.value for a in args))
    except (OverflowError, ZeroDivisionError, ValueError):
        raise ValueError(
            f"constant expression '{op}' of {', '.join(repr(a.value) for a in args)} has no finite value"
        ) from None
    if isinstance(value, complex) or not math.isfinite(value):
        raise ValueError(f"constant expression '{op}' of {', '.join(repr(a.value) for a in args)} has no finite value")
    return num(value)


def _add(a: Expr, b: Expr) -> Expr:
    if a is ZERO:
        return b
    if b is ZERO:
        return a
    if b.op == "neg":
        return _sub(a, b.args[0])
    return _fold("add", a, b) or _node("add", (a, b))


def _sub(a: Expr, b: Expr) -> Expr:
    if b is ZERO:
        return a
    if a is ZERO:
        return _neg(b)
    if a is b:
        return ZERO
    if b.op == "neg":
        return _add(a, b.args[0])
    return _fold("sub", a, b) or _node("sub", (a, b))


def _mul(a: Expr, b: Expr) -> Expr:
    if a is ZERO or b is ZERO:
        return ZERO
    if a is ONE:
        return b
    if b is ONE:
        return a
    if a.op == "neg":
        return _neg(_mul(a.args[0], b))
    if b.op == "neg":
        return _neg(_mul(a, b.args[0]))
    return _fold("mul", a, b) or _node("mul", (a, b))


def _div(a: Expr, b: Expr) -> Expr:
    if b is ZERO:
        raise ValueError("division by the constant 0")
    if a is ZERO:
        return ZERO
    if b is ONE:
        return a
    if a.op == "neg":
        return _neg(_div(a.args[0], b))
    return _fold("div", a, b) or _node("div", (a, b))


def _neg(a: Expr) -> Expr:
    if a.op == "neg":
        return a.args[0]
    if a.op == "num":
        return num(-a.value) if a.value else ZERO
    return _node("neg", (a,))


def _pow(a: Expr, b: Expr) -> Expr:
    if b is ZERO:
        return ONE
    if b is ONE:
        return a
    return _fold("pow", a, b) or _node("pow", (a, b))


def where(condition: Expr, if_true: Operand, if_false: Operand) -> Expr:
    """`if_true` where `condition` is not zero, else `if_false`."""
    yes, no = _as(if_true), _as(if_false)
    if yes is no:
        return yes
    if condition.op == "num":
        return yes if condition.value else no
    return _node("where", (condition, yes, no))


def call(op: str, *args: Operand) -> Expr:
    """Apply any operator or function by its name.

    Raises
    ------
    KeyError
        If `op` is not a known operator.
    ValueError
        If the number of arguments is wrong or a constant result is not finite.
    """
    if len(args) != ARITY[op]:
        raise ValueError(f"'{op}' takes {ARITY[op]} argument(s), got {len(args)}")
    operands = tuple(_as(a) for a in args)
    if op in _BUILD:
        return _BUILD[op](*operands)
    return _fold(op, *operands) or _node(op, operands)


_BUILD: dict[str, Callable[..., Expr]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "pow": _pow,
    "where": where,
}


def topological(roots: Iterable[Expr]) -> list[Expr]:
    """Every node reachable from `roots`, operands before users, no recursion."""
    order: list[Expr] = []
    seen: set[int] = set()
    for root in roots:
        stack: list[tuple[Expr, bool]] = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in seen:
                continue
            if ready:
                seen.add(id(node))
                order.append(node)
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args) if id(a) not in seen)
    return order


def evaluate(exprs: Sequence[Expr], env: Mapping[str, Any]) -> list[Any]:
    """Numbers (float, complex or broadcasting arrays) of `exprs` under `env`.

    Raises
    ------
    KeyError
        If a symbol has no value in `env`.
    """
    value: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for node in topological(exprs):
            if node.op == "num":
                value[id(node)] = node.value
            elif node.op == "sym":
                value[id(node)] = env[node.name]
            else:
                value[id(node)] = ARRAY[node.op](*(value[id(a)] for a in node.args))
    return [value[id(e)] for e in exprs]


def symbols_of(exprs: Iterable[Expr]) -> set[str]:
    """Names of all symbols in `exprs`."""
    return {n.name for n in topological(exprs) if n.op == "sym"}


def substitute(exprs: Sequence[Expr], replacement: Mapping[str, Expr]) -> list[Expr]:
    """`exprs` with symbols replaced (once, not repeatedly)."""
    new: dict[int, Expr] = {}
    for node in topological(exprs):
        if node.op == "sym":
            new[id(node)] = replacement.get(node.name, node)
        elif node.args:
            args = tuple(new[id(a)] for a in node.args)
            same = all(x is y for x, y in zip(args, node.args, strict=True))
            new[id(node)] = node if same else call(node.op, *args)
        else:
            new[id(node)] = node
    return [new[id(e)] for e in exprs]


def _partials(node: Expr) -> tuple[Expr, ...]:
    """d(node)/d(arg) for each argument."""
    op, args = node.op, node.args
    a = args[0]
    b = args[1] if len(args) > 1 else ZERO
    match op:
        case "add":
            return (ONE, ONE)
        case "sub":
            return (ONE, -ONE)
        case "mul":
            return (b, a)
        case "div":
            return (ONE / b, -(node / b))
        case "neg":
            return (-ONE,)
        case "pow":
            da = b * a ** (b - ONE)
            # x**n with a symbolic n: x = 0 has no logarithm but also no slope in n
            db = ZERO if b.op == "num" else where(call("eq", a, ZERO), ZERO, node * call("log", a))
            return (da, db)
        case "exp":
            return (node,)
        case "log":
            return (ONE / a,)
        case "log1p":
            return (ONE / (ONE + a),)
        case "expm1":
            return (node + ONE,)
        case "sqrt":
            return (num(0.5) / node,)
        case "abs":
            return (where(call("lt", a, ZERO), -ONE, ONE),)
        case "sin":
            return (call("cos", a),)
        case "cos":
            return (-call("sin", a),)
        case "tanh":
            return (ONE - node * node,)
        case "softplus":
            return (call("expit", a),)
        case "expit":
            return (node * (ONE - node),)
        case "min":
            less = call("lt", b, a)
            return (where(less, ZERO, ONE), where(less, ONE, ZERO))
        case "max":
            more = call("gt", b, a)
            return (where(more, ZERO, ONE), where(more, ONE, ZERO))
        case "where":
            return (ZERO, where(a, ONE, ZERO), where(a, ZERO, ONE))
        case _:  # comparisons and logic are flat almost everywhere
            return tuple(ZERO for _ in args)


def derivative(exprs: Sequence[Expr], by: str) -> list[Expr]:
    """Forward-mode symbolic derivative of each of `exprs` by the symbol `by`."""
    d: dict[int, Expr] = {}
    for node in topological(exprs):
        if node.op == "sym":
            d[id(node)] = ONE if node.name == by else ZERO
        elif node.op == "num" or all(d[id(x)] is ZERO for x in node.args):
            d[id(node)] = ZERO
        elif node.op == "where":
            c, yes, no = node.args
            d[id(node)] = where(c, d[id(yes)], d[id(no)])
        else:
            total = ZERO
            for part, arg in zip(_partials(node), node.args, strict=True):
                da = d[id(arg)]
                if da is not ZERO:
                    total = total + (-da if part.op == "num" and part.value == -1.0 else part * da)
            d[id(node)] = total
    return [d[id(e)] for e in exprs]


def gradient(exprs: Sequence[Expr], by: Iterable[str]) -> list[dict[str, Expr]]:
    """Non-zero symbolic derivatives of each of `exprs` by all symbols in `by`, in one sweep.

    Forward mode with sparse rows: the cost follows the non-zeros, not the number of symbols.
    """
    wanted = set(by)
    rows: dict[int, dict[str, Expr]] = {}
    for node in topological(exprs):
        row: dict[str, Expr] = {}
        if node.op == "sym":
            if node.name in wanted:
                row[node.name] = ONE
        elif any(rows[id(a)] for a in node.args):
            if node.op == "where":
                c, yes, no = node.args
                for name in {**rows[id(yes)], **rows[id(no)]}:
                    row[name] = where(c, rows[id(yes)].get(name, ZERO), rows[id(no)].get(name, ZERO))
            else:
                for part, arg in zip(_partials(node), node.args, strict=True):
                    for name, da in rows[id(arg)].items():
                        term = -da if part.op == "num" and part.value == -1.0 else part * da
                        row[name] = row[name] + term if name in row else term
            row = {name: d for name, d in row.items() if d is not ZERO}
        rows[id(node)] = row
    return [rows[id(e)] for e in exprs]


_INFIX = {"add": " + ", "sub": " - ", "mul": "*", "div": "/", "pow": "**", "and": " and ", "or": " or "}
_INFIX |= {"lt": " < ", "le": " <= ", "gt": " > ", "ge": " >= ", "eq": " == ", "ne": " != "}
_LEVEL = {"or": 1, "and": 2, "not": 3, **dict.fromkeys(COMPARISONS, 4)}
_LEVEL |= {"add": 5, "sub": 5, "mul": 6, "div": 6, "neg": 7, "pow": 8}


def to_text(root: Expr) -> str:
    """Model text of an expression; reading it back gives the same node."""
    text: dict[int, tuple[str, int]] = {}
    for node in topological([root]):
        level = _LEVEL.get(node.op, 9)
        if node.op == "num":
            s = repr(int(node.value)) if node.value == int(node.value) and abs(node.value) < 1e15 else repr(node.value)
            level = 7 if node.value < 0 else 9
        elif node.op == "sym":
            s = node.name
        elif node.op == "neg":
            s = "-" + _wrap(text[id(node.args[0])], 7)
        elif node.op == "not":
            s = "not " + _wrap(text[id(node.args[0])], 3)
        elif node.op in _INFIX:
            left, right = (text[id(a)] for a in node.args)
            tight_left = level + 1 if node.op == "pow" or node.op in COMPARISONS else level
            # operators here are left-associative except **, whose right side may be another **
            tight_right = level if node.op == "pow" else level + 1
            s = _wrap(left, tight_left) + _INFIX[node.op] + _wrap(right, tight_right)
        else:
            s = f"{node.op}({', '.join(text[id(a)][0] for a in node.args)})"
        text[id(node)] = (s, level)
    return text[id(root)][0]


def _wrap(item: tuple[str, int], needed: int) -> str:
    return item[0] if item[1] >= needed else f"({item[0]})"


def _flat(root: Expr) -> tuple[Any, ...]:
    order = topological([root])
    where_is = {id(n): i for i, n in enumerate(order)}
    return tuple((n.op, tuple(where_is[id(a)] for a in n.args), n.value, n.name) for n in order)


def _rebuild(flat: tuple[Any, ...]) -> Expr:
    nodes: list[Expr] = []
    for op, args, value, name in flat:
        nodes.append(_node(op, tuple(nodes[i] for i in args), value, name))
    return nodes[-1]
