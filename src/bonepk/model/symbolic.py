"""A system handed over to SymPy, for everything a computer algebra system is good at; and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bonepk.model.expr import Expr, topological
from bonepk.model.operators import COMPARISONS, LOGIC
from bonepk.model.system import TIME, Parameter, System

__all__ = ["SymbolicSystem", "expressions_to_sympy", "latex_text", "to_sympy"]


@dataclass(frozen=True)
class SymbolicSystem:
    """A system in SymPy's terms; everything is a function of `symbols`.

    Attributes
    ----------
    symbols : mapping of name to sympy.Symbol
        States, parameters, inputs, definitions and ``t``, all real.
    definitions : mapping of name to sympy.Expr
        Derived values and quantities, each in terms of earlier ones.
    rates : mapping of state name to sympy.Expr
    initial : mapping of state name to sympy.Expr
    outputs : mapping of output name to sympy.Expr
    """

    symbols: Mapping[str, Any]
    definitions: Mapping[str, Any]
    rates: Mapping[str, Any]
    initial: Mapping[str, Any]
    outputs: Mapping[str, Any]


def to_sympy(system: System, *, flat: bool = False) -> SymbolicSystem:
    """Write a system in SymPy's terms.

    Parameters
    ----------
    system : System
    flat : bool, optional
        Substitute derived values and quantities everywhere.

    Returns
    -------
    SymbolicSystem
    """
    import sympy

    names = [TIME, *system.state_names, *system.parameter_names, *system.input_names, *system.definitions]
    symbols = {name: sympy.Symbol(name, real=True) for name in names}
    definitions = {d.name: d.expr for d in (*system.derived, *system.quantities)}
    groups: list[dict[str, Expr]] = [
        dict(system.definitions) if flat else definitions,
        dict(zip(system.state_names, system.flat_rates if flat else system.rates, strict=True)),
        dict(zip(system.state_names, system.flat_initial if flat else [s.initial for s in system.states], strict=True)),
        dict(zip(system.output_names, system.flat_outputs if flat else [o.expr for o in system.outputs], strict=True)),
    ]
    made = iter(expressions_to_sympy([e for group in groups for e in group.values()], symbols))
    converted = [{name: next(made) for name in group} for group in groups]
    return SymbolicSystem(symbols, *converted)


def expressions_to_sympy(exprs: Sequence[Expr], symbols: Mapping[str, Any] | None = None) -> list[Any]:
    """Convert expressions; symbols not in `symbols` become real ones."""
    import sympy

    known = dict(symbols or {})
    done: dict[int, Any] = {}

    def condition(node: Expr) -> Any:
        return done[id(node)] if node.op in COMPARISONS or node.op in LOGIC else sympy.Ne(done[id(node)], 0)

    def value(node: Expr) -> Any:
        """Return a truth value used as a number as 1 or 0."""
        truth = node.op in COMPARISONS or node.op in LOGIC
        return sympy.Piecewise((1, done[id(node)]), (0, True)) if truth else done[id(node)]

    plain = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "pow": lambda a, b: a**b,
        "neg": lambda a: -a,
        "exp": sympy.exp,
        "log": sympy.log,
        "log1p": lambda x: sympy.log(1 + x),
        "expm1": lambda x: sympy.exp(x) - 1,
        "sqrt": sympy.sqrt,
        "abs": sympy.Abs,
        "sin": sympy.sin,
        "cos": sympy.cos,
        "tanh": sympy.tanh,
        "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
        "expit": lambda x: 1 / (1 + sympy.exp(-x)),
        "min": sympy.Min,
        "max": sympy.Max,
    }
    relations = {"lt": sympy.Lt, "le": sympy.Le, "gt": sympy.Gt, "ge": sympy.Ge, "eq": sympy.Eq, "ne": sympy.Ne}
    joins = {"and": sympy.And, "or": sympy.Or, "not": sympy.Not}
    for node in topological(exprs):
        if node.op == "num":
            whole = node.value == int(node.value) and abs(node.value) < 1e15
            made = sympy.Integer(int(node.value)) if whole else sympy.Float(repr(node.value))
        elif node.op == "sym":
            made = known.setdefault(node.name, sympy.Symbol(node.name, real=True))
        elif node.op in relations:
            made = relations[node.op](*(value(a) for a in node.args))
        elif node.op in joins:
            made = joins[node.op](*(condition(a) for a in node.args))
        elif node.op == "where":
            made = sympy.Piecewise((value(node.args[1]), condition(node.args[0])), (value(node.args[2]), True))
        else:
            made = plain[node.op](*(value(a) for a in node.args))
        done[id(node)] = made
    return [value(e) for e in exprs]


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c) or (f"\\{c}" if c in "&%$#_{}" else c) for c in text)


_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "chi",
        "psi",
        "omega",
    ]
)


def _word_text(word: str) -> str:
    if word in _GREEK:
        return f"\\{word}"
    return word if len(word) == 1 else f"\\mathrm{{{word}}}".replace("_", r"\_")


def _symbol_text(name: str) -> str:
    """Upright words and Greek letters; what follows the first _ below, the file's name above."""
    owner, _, bare = name.rpartition(".")
    parts = re.fullmatch(r"([A-Za-z]+)_?(\w*)", bare)  # a name that begins with _ has nothing to hang on
    body = _word_text(bare)
    if parts and parts.group(2):
        body = f"{_word_text(parts.group(1))}_{{{_word_text(parts.group(2))}}}"
    return f"{{{{{body}}}^{{({_word_text(owner)})}}}}" if owner else body


def latex_text(system: System) -> str:
    """LaTeX of a model: definitions and equations in ``align*``, parameters as a table.

    The text is a fragment for a document with ``amsmath``, ``longtable`` and ``booktabs``.
    """
    import sympy

    symbolic = to_sympy(system)
    names = {symbol: _symbol_text(name) for name, symbol in symbolic.symbols.items()}

    def math(expr: Any) -> str:
        return str(sympy.latex(expr, symbol_names=names))

    def block(title: str, lines: list[str]) -> str:
        return f"\\subsection*{{{title}}}\n\\begin{{align*}}\n" + " \\\\\n".join(lines) + "\n\\end{align*}\n"

    rates = [f"\\frac{{d{_symbol_text(n)}}}{{dt}} &= {math(e)}" for n, e in symbolic.rates.items()]
    initial = [f"{_symbol_text(n)}(t_0) &= {math(e)}" for n, e in symbolic.initial.items()]
    definitions = [f"{_symbol_text(n)} &= {math(e)}" for n, e in symbolic.definitions.items()]
    outputs = [f"\\text{{{_escaped(n)}}} &= {math(e)}" for n, e in symbolic.outputs.items()]
    parts = [f"\\section*{{{_escaped(system.title)}}}\n"]
    for title, lines in (
        ("Equations", rates),
        ("Initial values", initial),
        ("Definitions", definitions),
        ("Outputs", outputs),
    ):
        if lines:
            parts.append(block(title, lines))
    if system.parameters:
        parts += ["\\subsection*{Parameters}", _TABLE_HEAD, *map(_parameter_row, system.parameters), _TABLE_FOOT]
    return "\n".join(parts)


_TABLE_HEAD = r"""\begin{longtable}{llllp{0.3\linewidth}}
\toprule
symbol & value & unit & meaning & source \\
\midrule"""
_TABLE_FOOT = "\\bottomrule\n\\end{longtable}\n"


def _parameter_row(p: Parameter) -> str:
    cells = [f"${_symbol_text(p.name)}$", f"{p.value:.10g}", *map(_escaped, (p.unit, p.label, p.source))]
    return " & ".join(cells) + r" \\"
