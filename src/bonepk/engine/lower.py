"""From a symbolic system to straight-line code: flatten, differentiate, hoist, simplify.

The result is a `Program`: tuples of expressions over the canonical leaves ``t`` (time),
``y0, y1, ...`` (states), ``p0, p1, ...`` (parameters, then inputs) and ``h0, h1, ...``
(hoisted values). Everything that depends on parameters and inputs alone is computed once, by
the `prepare` block, so that right-hand side, Jacobian and outputs read it from ``h``.

Rewrites, all exact up to rounding:

- products and quotients are regrouped so that their parameter-only part is one hoisted factor;
- small integer powers become multiplications, half powers square roots;
- any other power becomes ``exp(g*log|x|)`` with the logarithm shared, and gives what ``pow``
  gives also at 0 and for negative bases (the sign is the hoisted ``pow(-1, g)``);
- ``x**(g - 1)``, which differentiation makes, is ``x**g / x`` where ``x**g`` is there anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bonepk.model.expr import ONE, ZERO, Expr, call, gradient, num, substitute, sym, topological, where
from bonepk.model.system import TIME, System

__all__ = ["Layout", "Program", "Symbolic", "differentiate", "lower", "lower_blocks", "symbolic"]

_TINY_LOG = num(-1e300)  # stands for log(0) in a power: exp(g * it) is 0, 1 or inf as pow would give
_SMALL = 8


_TAIL = ("@slope", "@since")


@dataclass(frozen=True)
class Layout:
    """What the arrays around a system's code mean.

    Attributes
    ----------
    states, outputs, parameters, inputs : tuple of str
        Names, in the order of the arrays.
    linear : tuple of (int, int, int)
        For each input that may change linearly in time: its place in ``p``, the place of its
        slope and the place of the time the slope counts from.
    hoisted : int
        Length of ``h``.
    rows, cols : tuple of int
        Places of the Jacobian's non-zero entries, by row.
    autonomous : bool
        True if no right-hand side uses time.
    """

    states: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]
    inputs: tuple[str, ...]
    linear: tuple[tuple[int, int, int], ...]
    hoisted: int
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    autonomous: bool

    @property
    def n(self) -> int:
        """Number of states."""
        return len(self.states)

    @property
    def vector_names(self) -> tuple[str, ...]:
        """Names along the parameter vector: parameters, inputs, then slopes and the times they count from."""
        tail = [f"{self.inputs[i - len(self.parameters)]}{part}" for i, _, _ in self.linear for part in _TAIL]
        return (*self.parameters, *self.inputs, *tail)


@dataclass(frozen=True)
class Program:
    """Straight-line code of a system (leaves: see the module text).

    Attributes
    ----------
    layout : Layout
    prepare, initial : tuple of Expr
        In ``p`` only.
    rhs, dfdt : tuple of Expr, length n
        Right-hand sides and their derivatives by time.
    jacobian : tuple of Expr
        Non-zero entries of d(rhs)/dy at ``layout.rows``, ``layout.cols``.
    outputs : tuple of Expr
    """

    layout: Layout
    prepare: tuple[Expr, ...]
    initial: tuple[Expr, ...]
    rhs: tuple[Expr, ...]
    jacobian: tuple[Expr, ...]
    dfdt: tuple[Expr, ...]
    outputs: tuple[Expr, ...]


@dataclass(frozen=True)
class Symbolic:
    """A system's equations over the canonical leaves, not yet rewritten."""

    system: System
    linear: tuple[tuple[int, int, int], ...]
    rhs: list[Expr]
    outputs: list[Expr]
    initial: list[Expr]

    def layout(self, hoisted: int, rows: tuple[int, ...], cols: tuple[int, ...], autonomous: bool) -> Layout:
        """Name the arrays around code made from these equations."""
        s = self.system
        names = (s.state_names, s.output_names, s.parameter_names, s.input_names)
        return Layout(*names, self.linear, hoisted, rows, cols, autonomous)


def symbolic(system: System, linear_inputs: Sequence[str] = ()) -> Symbolic:
    """Write a system over the canonical leaves.

    Raises
    ------
    ValueError
        If a name in `linear_inputs` is no input of the system, or an expression uses a name
        that the system does not define.
    """
    inputs = system.input_names
    unknown = sorted(set(linear_inputs) - set(inputs))
    if unknown:
        raise ValueError(f"linear_inputs: unknown input(s) {', '.join(map(repr, unknown))}; known: {', '.join(inputs)}")
    names = [*system.parameter_names, *inputs]
    leaf = {name: sym(f"p{i}") for i, name in enumerate(names)}
    still = dict(leaf)
    linear: list[tuple[int, int, int]] = []
    for name in (i for i in inputs if i in set(linear_inputs)):
        place, slope, since = names.index(name), len(names) + 2 * len(linear), len(names) + 2 * len(linear) + 1
        linear.append((place, slope, since))
        leaf[name] = leaf[name] + sym(f"p{slope}") * (sym("t") - sym(f"p{since}"))
    states = {name: sym(f"y{i}") for i, name in enumerate(system.state_names)}
    everything = {TIME: sym("t"), **leaf, **states}
    rhs = substitute(system.flat_rates, everything)
    outputs = substitute(system.flat_outputs, everything)
    initial = substitute(system.flat_initial, still)
    n = len(states)
    _check_names([*rhs, *outputs], system, set(_leaf_names(n, len(names) + 2 * len(linear))))
    _check_names(initial, system, {f"p{i}" for i in range(len(names))})
    return Symbolic(system, tuple(linear), rhs, outputs, initial)


def differentiate(rhs: Sequence[Expr]) -> tuple[list[tuple[int, int, Expr]], list[Expr]]:
    """Find the non-zero Jacobian entries (row, column, value), by row, and the derivatives by time."""
    n = len(rhs)
    by_row = gradient(rhs, [f"y{i}" for i in range(n)] + ["t"])
    entries = [(i, j, row[f"y{j}"]) for i, row in enumerate(by_row) for j in range(n) if f"y{j}" in row]
    return entries, [row.get("t", ZERO) for row in by_row]


def lower(system: System, linear_inputs: Sequence[str] = ()) -> Program:
    """Lower a system to straight-line code.

    Parameters
    ----------
    system : System
    linear_inputs : sequence of str
        Inputs for which the code takes ``value + slope*(t - since)``; any other input is
        constant between changes.

    Returns
    -------
    Program

    Raises
    ------
    ValueError
        As of `symbolic`.
    """
    raw = symbolic(system, linear_inputs)
    entries, dfdt = differentiate(raw.rhs)
    blocks = [raw.rhs, [e for _, _, e in entries], dfdt, raw.outputs]
    (rhs, jacobian, dfdt_b, outputs), prepare = lower_blocks(blocks)
    rows, cols = tuple(i for i, _, _ in entries), tuple(j for _, j, _ in entries)
    layout = raw.layout(len(prepare), rows, cols, all(d is ZERO for d in dfdt_b))
    return Program(layout, prepare, tuple(raw.initial), rhs, jacobian, dfdt_b, outputs)


def _leaf_names(n: int, n_parameters: int) -> list[str]:
    """Names of the leaves of time, states and parameters."""
    return ["t", *(f"y{i}" for i in range(n)), *(f"p{i}" for i in range(n_parameters))]


def _check_names(exprs: Iterable[Expr], system: System, known: set[str]) -> None:
    strange = sorted({e.name for e in topological(exprs) if e.op == "sym"} - known)
    if strange:
        raise ValueError(f"system '{system.name}': undefined name(s) {', '.join(map(repr, strange))}")


def lower_blocks(
    blocks: Sequence[Sequence[Expr]], varying: str = "tyq", slot: str = "h"
) -> tuple[tuple[tuple[Expr, ...], ...], tuple[Expr, ...]]:
    """Rewrite blocks of expressions and hoist what depends on no varying leaf.

    Parameters
    ----------
    blocks : sequence of sequence of Expr
    varying : str
        First letters of the leaves that vary; by default time, states and stages (``q*``).
    slot : str
        Letter of the leaves that stand for hoisted values.

    Returns
    -------
    blocks : tuple of tuple of Expr
        The same blocks in varying leaves and slots.
    prepare : tuple of Expr
        The hoisted values, in the other leaves; entry i is leaf ``<slot><i>``.
    """
    flat = [e for block in blocks for e in block]
    flat = _split_powers(_regroup(flat, varying), varying)
    flat, prepare = _hoist(flat, varying, slot)
    done: list[tuple[Expr, ...]] = []
    at = 0
    for block in blocks:
        done.append(tuple(flat[at : at + len(block)]))
        at += len(block)
    return tuple(done), prepare


def _varying(order: Iterable[Expr], letters: str) -> set[int]:
    """Ids of nodes that depend on a leaf whose name starts with one of `letters`."""
    out: set[int] = set()
    for node in order:
        if node.op == "sym":
            if node.name[0] in letters:
                out.add(id(node))
        elif any(id(a) in out for a in node.args):
            out.add(id(node))
    return out


def _regroup(roots: Sequence[Expr], letters: str) -> list[Expr]:
    """Products as (parameter-only factor) * (varying numerators) / (varying denominators).

    A divisor used more than once becomes one shared reciprocal.
    """
    order = topological(roots)
    varying = _varying(order, letters)
    uses: dict[int, int] = {}
    divisor: dict[int, int] = {}
    for node in order:
        for a in node.args:
            uses[id(a)] = uses.get(id(a), 0) + 1
        if node.op == "div":
            divisor[id(node.args[1])] = divisor.get(id(node.args[1]), 0) + 1
    for root in roots:
        uses[id(root)] = uses.get(id(root), 0) + 1
    inner = {
        id(a)
        for node in order
        if node.op in ("mul", "div", "neg")
        for a in node.args
        if a.op in ("mul", "div") and uses[id(a)] == 1 and id(a) in varying
    }
    new: dict[int, Expr] = {}
    for node in order:
        if id(node) in inner:
            continue  # written out inside its only user
        if node.op in ("mul", "div") and id(node) in varying:
            new[id(node)] = _product(node, inner, varying, divisor, new)
        elif node.op == "neg" and id(node.args[0]) in inner:
            new[id(node)] = -_product(node.args[0], inner, varying, divisor, new)
        elif node.args:
            new[id(node)] = call(node.op, *(new[id(a)] for a in node.args))
        else:
            new[id(node)] = node
    return [new[id(r)] for r in roots]


def _product(node: Expr, inner: set[int], varying: set[int], divisor: dict[int, int], new: dict[int, Expr]) -> Expr:
    still_up, still_down, up, down = ONE, ONE, ONE, ONE
    stack: list[tuple[Expr, bool]] = [(node, False)]
    while stack:
        item, below = stack.pop()
        if item is node or id(item) in inner:
            a, b = item.args
            stack.append((b, below != (item.op == "div")))
            stack.append((a, below))
            continue
        value = new[id(item)]
        if id(item) not in varying:
            still_up, still_down = (still_up, still_down * value) if below else (still_up * value, still_down)
        elif not below:
            up = up * value
        elif divisor.get(id(item), 0) > 1:
            up = up * (ONE / value)
        else:
            down = down * value
    factor = still_up / still_down
    return factor * (up if down is ONE else up / down)


def _split_powers(roots: Sequence[Expr], letters: str) -> list[Expr]:
    order = topological(roots)
    varying = _varying(order, letters)
    powers = {(id(e.args[0]), id(e.args[1])) for e in order if e.op == "pow"}
    new: dict[int, Expr] = {}
    for node in order:
        if not node.args:
            new[id(node)] = node
            continue
        args = [new[id(a)] for a in node.args]
        if node.op == "pow" and id(node) in varying:
            new[id(node)] = _power(node, args, powers, varying)
        else:
            new[id(node)] = call(node.op, *args)
    return [new[id(r)] for r in roots]


def _power(node: Expr, args: list[Expr], powers: set[tuple[int, int]], varying: set[int]) -> Expr:
    x, g = args
    if g.op == "num":
        if g.value == int(g.value) and abs(g.value) <= _SMALL:
            whole = _repeated(x, abs(int(g.value)))
            return whole if g.value > 0 else ONE / whole
        if abs(g.value) == 0.5:
            root = call("sqrt", x)
            return root if g.value > 0 else ONE / root
    base, exponent = node.args
    if id(exponent) in varying:
        # the sign of a negative base cannot be hoisted: only a fixed positive base is split
        if base.op == "num" and base.value > 0:
            return call("exp", g * call("log", x))
        return call("pow", x, g)
    lifted = _raised(exponent)
    if lifted is not None and (id(base), id(lifted)) in powers and not _plain(lifted):
        at_zero = call("pow", ZERO, g) if g.op != "num" else num(0.0) if g.value > 0 else ONE / call("abs", x)
        return where(call("eq", x, ZERO), at_zero, _exp_log(x, g + ONE if g.op == "num" else g.args[0]) / x)
    return _exp_log(x, g)


def _plain(g: Expr) -> bool:
    """Exponents that are not written with a logarithm."""
    return g.op == "num" and ((g.value == int(g.value) and abs(g.value) <= _SMALL) or abs(g.value) == 0.5)


def _raised(g: Expr) -> Expr | None:
    """Find g + 1 where g is written as something minus one."""
    if g.op == "num":
        return num(g.value + 1.0)
    return g.args[0] if g.op == "sub" and g.args[1] is ONE else None


def _exp_log(x: Expr, g: Expr) -> Expr:
    size = call("exp", g * call("max", call("log", call("abs", x)), _TINY_LOG))
    if g.op == "num":
        if g.value != int(g.value):
            # a negative base to a broken power has no real value
            return where(call("lt", x, ZERO), call("log", x), size)
        return where(call("lt", x, ZERO), -size, size) if g.value % 2 else size
    return where(call("lt", x, ZERO), call("pow", num(-1.0), g), ONE) * size


def _repeated(x: Expr, n: int) -> Expr:
    out: Expr | None = None
    while n:
        if n & 1:
            out = x if out is None else out * x
        x, n = x * x, n >> 1
    return ONE if out is None else out


def _hoist(roots: Sequence[Expr], letters: str, slot: str) -> tuple[list[Expr], tuple[Expr, ...]]:
    order = topological(roots)
    varying = _varying(order, letters)
    slots: dict[int, int] = {}
    prepare: list[Expr] = []

    def lifted(node: Expr) -> Expr:
        if node.op == "num":
            return node
        if id(node) not in slots:
            slots[id(node)] = len(prepare)
            prepare.append(node)
        return sym(f"{slot}{slots[id(node)]}")

    new: dict[int, Expr] = {}
    for node in order:
        if id(node) not in varying:
            continue
        args = [new[id(a)] if id(a) in varying else lifted(a) for a in node.args]
        new[id(node)] = call(node.op, *args) if node.args else node
    return [new[id(r)] if id(r) in varying else lifted(r) for r in roots], tuple(prepare)
