"""Expressions as program text of other tools.

A tool that cannot choose inside an expression gets ``IF`` statements before it, one temporary
variable for each choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bonepk.errors import Fault, ModelTextError
from bonepk.interop.mathml import explicit
from bonepk.model.expr import Expr, topological
from bonepk.model.operators import COMPARISONS
from bonepk.model.system import Route, System

__all__ = ["FORTRAN", "C", "Code", "Dialect", "R", "header", "leaves", "route_of"]

_LEVEL = {"or": 1, "and": 2, "not": 3, **dict.fromkeys(COMPARISONS, 4)}
_LEVEL |= {"add": 5, "sub": 5, "neg": 5, "mul": 6, "div": 6, "pow": 8}
_ATOM = 9
_C_SIGNS = {
    "lt": " < ",
    "le": " <= ",
    "gt": " > ",
    "ge": " >= ",
    "eq": " == ",
    "ne": " != ",
    "and": " && ",
    "or": " || ",
}
_DOTS = {"lt": " .LT. ", "le": " .LE. ", "gt": " .GT. ", "ge": " .GE. ", "eq": " .EQ. ", "ne": " .NE. "}
_DOTS |= {"and": " .AND. ", "or": " .OR. "}
_ARITHMETIC = {"add": " + ", "sub": " - ", "mul": "*", "div": "/"}


@dataclass(frozen=True)
class Dialect:
    """How a language writes things.

    Attributes
    ----------
    infix : mapping of str to str
        Sign between two operands; ``pow`` may be missing, then it is a function.
    functions : mapping of str to str
        Template of each function, with ``{0}``, ``{1}``, ``{2}`` for its arguments.
    negation : str
        Sign before a condition.
    choose : str
        Template of a choice inside an expression; empty if there is none.
    """

    infix: Mapping[str, str]
    functions: Mapping[str, str]
    negation: str
    choose: str = ""
    number: Callable[[float], str] = repr


_SAME = {name: f"{name}({{0}})" for name in ("exp", "log", "sqrt", "abs", "sin", "cos", "tanh", "log1p", "expm1")}
_C_FUNCTIONS = _SAME | {"abs": "fabs({0})", "min": "fmin({0}, {1})", "max": "fmax({0}, {1})", "pow": "pow({0}, {1})"}
_C_FUNCTIONS |= {"expit": "(1.0/(1.0 + exp(-({0}))))", "softplus": "(fmax({0}, 0.0) + log1p(exp(-fabs({0}))))"}
C = Dialect(_ARITHMETIC | _C_SIGNS, _C_FUNCTIONS, "!", "({0} ? {1} : {2})")

_R_FUNCTIONS = _SAME | {"min": "min({0}, {1})", "max": "max({0}, {1})"}
_R_FUNCTIONS |= {"expit": "(1.0/(1.0 + exp(-({0}))))", "softplus": "(max({0}, 0.0) + log1p(exp(-abs({0}))))"}
R = Dialect(_ARITHMETIC | _C_SIGNS | {"pow": "^"}, _R_FUNCTIONS, "!", "ifelse({0}, {1}, {2})")

_F_FUNCTIONS = {name: f"{name.upper()}({{0}})" for name in ("exp", "log", "sqrt", "abs", "sin", "cos", "tanh")}
_F_FUNCTIONS |= {"log1p": "LOG(1.0 + ({0}))", "expm1": "(EXP({0}) - 1.0)", "expit": "(1.0/(1.0 + EXP(-({0}))))"}
FORTRAN = Dialect(_ARITHMETIC | _DOTS | {"pow": "**"}, _F_FUNCTIONS, ".NOT. ")


@dataclass
class Code:
    """Writes assignments of one block.

    Attributes
    ----------
    dialect : Dialect
    names : mapping of str to str
        Identifier of each symbol.
    temporary : str
        Beginning of the names of temporary variables.
    count : int
        Temporaries so far; carry it from block to block to keep their names apart.
    """

    dialect: Dialect
    names: Mapping[str, str]
    temporary: str = "W"
    count: int = 0
    before: list[str] = field(default_factory=list)

    def assign(self, target: str, expr: Expr, end: str = ";") -> list[str]:
        """Return the lines that give `target` the value of `expr`."""
        self.before = []
        text = self.text(expr)
        return [*self.before, f"{target} = {text}{end}"]

    def text(self, expr: Expr) -> str:
        """Return the expression; statements it needs first are put into `before`."""
        parts: dict[int, tuple[str, int]] = {}
        form = explicit(expr)
        for node in topological([form]):
            parts[id(node)] = self._node(node, [parts[id(a)] for a in node.args])
        return parts[id(form)][0]

    def _node(self, node: Expr, args: Sequence[tuple[str, int]]) -> tuple[str, int]:
        op, d = node.op, self.dialect
        if op == "num":
            return d.number(node.value), 5 if node.value < 0 else _ATOM
        if op == "sym":
            return self.names[node.name], _ATOM
        if op == "neg":
            return "-" + _wrap(args[0], 6), 5
        if op == "not":
            return d.negation + _wrap(args[0], _ATOM), 3
        if op in d.infix:
            level = _LEVEL[op]
            left = level + 1 if op == "pow" or op in COMPARISONS else level
            return _wrap(args[0], left) + d.infix[op] + _wrap(args[1], level + 1), level
        bare = [text for text, _ in args]
        if op == "where":
            return (d.choose.format(*bare), _ATOM) if d.choose else self._branch(bare[0], bare[1], bare[2])
        if op in {"min", "max"} and op not in d.functions:
            less = d.infix["lt" if op == "min" else "gt"]
            return self._branch(_wrap(args[1], 5) + less + _wrap(args[0], 5), bare[1], bare[0])
        if op == "softplus" and op not in d.functions:
            return self._softplus(bare[0])
        return d.functions[op].format(*bare), _ATOM

    def _branch(self, condition: str, yes: str, no: str) -> tuple[str, int]:
        self.count += 1
        name = f"{self.temporary}{self.count}"
        self.before += [f"IF ({condition}) THEN", f"  {name} = {yes}", "ELSE", f"  {name} = {no}", "ENDIF"]
        return name, _ATOM

    def _softplus(self, x: str) -> tuple[str, int]:
        positive, _ = self._branch(f"({x}){self.dialect.infix['gt']}0.0", x, "0.0")
        return f"({positive} + LOG(1.0 + EXP(-ABS({x}))))", _ATOM


def _wrap(item: tuple[str, int], needed: int) -> str:
    return item[0] if item[1] >= needed else f"({item[0]})"


def header(system: System, comment: str, label: str = "") -> list[str]:
    """Say where a text comes from, in comment lines.

    Parameters
    ----------
    system : System
    comment : str
        What begins a comment.
    label : str
        Name of the parameter set, if it is not the model's own.
    """
    from bonepk.version import __version__

    lines = [f"{system.title}", f"model '{system.name}' of bonepk {__version__}, model hash {system.hash}"]
    lines += [f"equations hash {system.structure_hash}"]
    if len(system.components) > 1:
        lines.append(f"composed of {', '.join(system.components)}")
    lines.append(f"parameter set: {label or 'as in the model files'}")
    lines.append(f"time in {system.time_unit}; names that differ from bonepk's are given in the comments")
    lines += [f"source {r.key}: {r.text}" + (f", doi {r.doi}" if r.doi else "") for r in system.references]
    return [f"{comment} {' '.join(line.split())}" for line in lines]


def leaves(system: System) -> list[tuple[str, float, str, str]]:
    """List name, value, unit and label of every parameter and input."""
    rows = [(p.name, p.value, p.unit, p.label) for p in system.parameters]
    return rows + [(i.name, i.value, i.unit, i.label) for i in system.inputs]


def route_of(system: System, tool: str) -> dict[str, Route]:
    """Find the route into each dosed state.

    Raises
    ------
    ModelTextError
        If several routes enter one state: a data set of the tool tells compartments apart, not routes.
    """
    found: dict[str, Route] = {}
    for route in system.routes:
        first = found.setdefault(route.into, route)
        if first is not route:
            text = f"'{first.name}' and '{route.name}' both enter '{route.into}'"
            raise ModelTextError(Fault(f"{tool} export of '{system.name}'", text, "one route into a state"))
    return found
