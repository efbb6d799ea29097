"""Run a `Program` in plain Python and NumPy: the back end where llvmlite is missing.

Each block becomes the source of one Python function over the canonical leaves (never over
model text). Right-hand side and Jacobian run on Python floats, which is several times faster
than NumPy scalars; where Python raises (overflow, division by zero, a logarithm of zero) the
same code runs again on NumPy numbers and gives the IEEE result. Outputs run on whole columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.lower import Program
from bonepk.model.expr import Expr, topological

__all__ = ["NumpyFunctions"]

F8 = NDArray[np.float64]
I4 = NDArray[np.int32]

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=="}
_INFIX["ne"] = "!="


def _softplus(x: float) -> float:
    return (0.0 if x < 0 else x) + math.log1p(math.exp(-abs(x)))


def _expit(x: float) -> float:
    e = math.exp(-abs(x))
    return 1.0 / (1.0 + e) if x >= 0 else e / (1.0 + e)


_SCALAR: dict[str, Callable[..., Any]] = {
    "pow": math.pow,
    "and": lambda a, b: a != 0 and b != 0,
    "or": lambda a, b: a != 0 or b != 0,
    "not": lambda a: a == 0,
    "exp": math.exp,
    "log": math.log,
    "log1p": math.log1p,
    "expm1": math.expm1,
    "sqrt": math.sqrt,
    "abs": abs,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "softplus": _softplus,
    "expit": _expit,
    "min": min,
    "max": max,
    "where": lambda c, a, b: a if c != 0 else b,
}


def _expit_array(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


_ARRAY: dict[str, Callable[..., Any]] = {
    "pow": np.power,
    "and": lambda a, b: np.logical_and(a != 0, b != 0),
    "or": lambda a, b: np.logical_or(a != 0, b != 0),
    "not": lambda a: np.equal(a, 0),
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "softplus": lambda x: np.where(x < 0, 0.0, x) + np.log1p(np.exp(-np.abs(x))),
    "expit": _expit_array,
    "min": lambda a, b: np.where(b < a, b, a),
    "max": lambda a, b: np.where(b > a, b, a),
    "where": lambda c, a, b: np.where(c != 0, a, b),
}


def _source(roots: Sequence[Expr]) -> str:
    """Python source of ``block(t, y, h)`` that returns the roots as a list."""
    lines = ["def block(t, y, h):"]
    name: dict[int, str] = {}
    for node in topological(roots):
        if node.op == "num":
            # numpy numbers, not Python's, in the array run: 1/0 must be inf there
            name[id(node)] = f"number({node.value!r})"
        elif node.op == "sym":
            name[id(node)] = node.name if node.name == "t" else f"{node.name[0]}[{node.name[1:]}]"
        else:
            args = [name[id(a)] for a in node.args]
            if node.op in _INFIX:
                text = f"{args[0]} {_INFIX[node.op]} {args[1]}"
                text = f"number({text})" if node.op in ("lt", "le", "gt", "ge", "eq", "ne") else text
            elif node.op == "neg":
                text = f"-{args[0]}"
            else:
                text = f"f_{node.op}({', '.join(args)})"
                text = f"number({text})" if node.op in ("and", "or", "not") else text
            name[id(node)] = f"v{len(lines)}"
            lines.append(f"    {name[id(node)]} = {text}")
    lines.append(f"    return [{', '.join(name[id(r)] for r in roots)}]")
    return "\n".join(lines)


def _build(source: str, table: dict[str, Callable[..., Any]], number: Callable[[Any], Any]) -> Callable[..., list[Any]]:
    space: dict[str, Any] = {"__builtins__": {}, "number": number, **{f"f_{op}": f for op, f in table.items()}}
    exec(compile(source, "<bonepk block>", "exec"), space)
    block: Callable[..., list[Any]] = space["block"]
    return block


class _Block:
    """One block, run on Python floats where it can be and on NumPy numbers where it must."""

    def __init__(self, roots: Sequence[Expr]) -> None:
        source = _source(roots)
        self._fast = _build(source.replace("number(", "("), _SCALAR, float)
        self.array = _build(source, _ARRAY, lambda x: np.asarray(x, dtype=np.float64)[()])

    def __call__(self, t: float, y: F8, h: F8) -> list[Any]:
        try:
            return self._fast(float(t), y.tolist(), h.tolist())
        except (ArithmeticError, ValueError):
            with np.errstate(all="ignore"):
                return self.array(np.float64(t), y, h)


class NumpyFunctions:
    """The code of a `Program` as functions over arrays (contract: `bonepk.engine.compiled.Functions`)."""

    def __init__(self, program: Program) -> None:
        self._prepare = _Block([_p_as_h(e) for e in program.prepare])
        self._initial = _Block([_p_as_h(e) for e in program.initial])
        self._rhs = _Block(program.rhs)
        self._jacobian = _Block(program.jacobian)
        self._dfdt = _Block(program.dfdt)
        self._outputs = _Block(program.outputs)

    def prepare(self, p: F8, h: F8) -> None:
        """Write the hoisted values of the parameter vector `p` into `h`."""
        with np.errstate(all="ignore"):
            h[:] = self._prepare.array(0.0, (), p)

    def initial(self, p: F8, y: F8) -> None:
        """Write the initial state into `y`."""
        with np.errstate(all="ignore"):
            y[:] = self._initial.array(0.0, (), p)

    def rhs(self, t: float, y: F8, h: F8, rate: F8, dy: F8) -> None:
        """Write right-hand side plus `rate` into `dy`."""
        dy[:] = self._rhs(t, y, h)
        dy += rate

    def jacobian(self, t: float, y: F8, h: F8, out: F8, places: I4) -> None:
        """Write the non-zero Jacobian entries into ``out.ravel()[places]``."""
        out.reshape(-1)[places] = self._jacobian(t, y, h)

    def dfdt(self, t: float, y: F8, h: F8, out: F8) -> None:
        """Write the derivative of the right-hand side by time into `out`."""
        out[:] = self._dfdt(t, y, h)

    def outputs(self, t: F8, y: F8, h: F8, out: F8) -> None:
        """Write the outputs at each time into the rows of `out`."""
        with np.errstate(all="ignore"):
            for j, column in enumerate(self._outputs.array(t, y.T, h)):
                out[:, j] = column


def _p_as_h(root: Expr) -> Expr:
    from bonepk.model.expr import substitute, sym, symbols_of

    return substitute([root], {name: sym("h" + name[1:]) for name in symbols_of([root])})[0]
