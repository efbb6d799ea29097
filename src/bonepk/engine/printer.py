"""Print a block of expressions as LLVM instructions, one per node of the shared graph.

The elementary functions, which are most of the work of a bone model, are called on several arguments at
a time: nodes are printed by levels of such calls, each level in packs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bonepk.engine.special import FUNCTIONS, LIBRARY, constant, vector_type
from bonepk.model.expr import Expr, topological

__all__ = ["PACK", "Block", "leaf_place", "print_block"]

PACK = {1: 4, 2: 4, 4: 8, 8: 16}
"""Numbers to an elementary-function call, by lanes: a vector of people's numbers, and two of them in vector code."""

_BINARY = {"add": "fadd contract", "sub": "fsub contract", "mul": "fmul contract", "div": "fdiv"}
_COMPARE = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_LOGIC = {"and": "and", "or": "or"}


class Block:
    """Instructions of one block and the functions they call.

    Attributes
    ----------
    lines : list of str
    calls : set of (str, int)
        Functions in use, with the numbers they take at once (1 for those of the C library).
    values : list of str
        LLVM names of the block's results.
    """

    def __init__(self, lanes: int, prefix: str = "x") -> None:
        self.lanes = lanes
        self.lines: list[str] = []
        self.calls: set[tuple[str, int]] = set()
        self.values: list[str] = []
        self._prefix = prefix
        self._count = 0

    def new(self, text: str) -> str:
        """Append an instruction and return the name of its result."""
        self._count += 1
        name = f"%{self._prefix}{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name


def leaf_place(name: str) -> tuple[str, int]:
    """Array letter and index of a canonical leaf (``h12`` gives ``("h", 12)``, ``t`` gives ``("t", 0)``)."""
    return (name[0], int(name[1:])) if len(name) > 1 else (name, 0)


def print_block(block: Block, roots: Sequence[Expr], leaf: Callable[[str, int], str]) -> list[str]:
    """Append the instructions that compute `roots` to `block`.

    Parameters
    ----------
    block : Block
    roots : sequence of Expr
    leaf : callable
        Gives the LLVM value of a leaf, e.g. ``leaf("y", 3)``; may append a load to the block.

    Returns
    -------
    list of str
        LLVM names (or constants) of the roots.
    """
    lanes = block.lanes
    kind = vector_type(lanes)
    test = "i1" if lanes == 1 else f"<{lanes} x i1>"
    suffix = "f64" if lanes == 1 else f"v{lanes}f64"
    zero = constant(0.0, lanes)
    value: dict[int, str] = {}
    truth: dict[int, str] = {}  # nodes known as a test, turned into 0.0 or 1.0 only where used as a number

    def number(node: Expr) -> str:
        if node.op == "sym":  # loaded anew at each use: an operand in memory costs no register
            return leaf(*leaf_place(node.name))
        if id(node) not in value:
            value[id(node)] = block.new(f"uitofp {test} {truth[id(node)]} to {kind}")
        return value[id(node)]

    def condition(node: Expr) -> str:
        if id(node) not in truth:
            truth[id(node)] = block.new(f"fcmp une {kind} {number(node)}, {zero}")
        return truth[id(node)]

    def emit(node: Expr) -> None:
        op = node.op
        if op == "num":
            value[id(node)] = constant(node.value, lanes)
        elif op in _COMPARE:
            a, b = map(number, node.args)
            truth[id(node)] = block.new(f"fcmp {_COMPARE[op]} {kind} {a}, {b}")
        elif op in _LOGIC:
            a, b = map(condition, node.args)
            truth[id(node)] = block.new(f"{_LOGIC[op]} {test} {a}, {b}")
        elif op == "not":
            ones = "true" if lanes == 1 else "splat (i1 true)"
            truth[id(node)] = block.new(f"xor {test} {condition(node.args[0])}, {ones}")
        elif op == "where":
            c = condition(node.args[0])
            a, b = map(number, node.args[1:])
            value[id(node)] = block.new(f"select {test} {c}, {kind} {a}, {kind} {b}")
        else:
            value[id(node)] = _arithmetic(block, op, [number(a) for a in node.args], kind, test, suffix)

    def ensure(wanted: Sequence[Expr]) -> None:
        """Emit nodes and what they need, unless that is done."""
        stack = [(node, False) for node in reversed(wanted)]
        while stack:
            node, ready = stack.pop()
            if node.op == "sym" or id(node) in value or id(node) in truth:
                continue
            if ready:
                emit(node)
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))

    for group in _packs(topological(roots), PACK[lanes] // lanes):
        args = [node.args[0] for node in group]
        ensure(args)
        if len(group) == 1:
            emit(group[0])
        else:
            value.update(zip(map(id, group), _together(block, group[0].op, [*map(number, args)]), strict=True))
    ensure(roots)
    return [number(r) for r in roots]


def _packs(order: Sequence[Expr], size: int) -> Iterator[list[Expr]]:
    """Give the elementary-function calls in packs that do not depend on each other, operands first."""
    depth: dict[int, int] = {}
    levels: dict[tuple[int, str], list[Expr]] = {}
    for node in order:
        depth[id(node)] = max((depth[id(a)] for a in node.args), default=0)
        if node.op in FUNCTIONS:
            depth[id(node)] += 1
            levels.setdefault((depth[id(node)], node.op), []).append(node)
    for _, calls in sorted(levels.items(), key=lambda item: item[0][0]):
        for at in range(0, len(calls), size):
            yield calls[at : at + size]


def _together(block: Block, op: str, args: list[str]) -> list[str]:
    """Call one elementary function on several numbers (scalar code) or two vectors (vector code) at once."""
    lanes, width = block.lanes, PACK[block.lanes]
    block.calls.add((op, width))
    kind, wide = vector_type(lanes), vector_type(width)
    if lanes > 1:
        places = [", ".join(f"i32 {i}" for i in range(part * lanes, (part + 1) * lanes)) for part in (0, 1)]
        vector = block.new(f"shufflevector {kind} {args[0]}, {kind} {args[1]}, <{width} x i32> <{', '.join(places)}>")
        vector = block.new(f"call {wide} @bonepk.{op}.{width}({wide} {vector})")
        return [block.new(f"shufflevector {wide} {vector}, {wide} poison, <{lanes} x i32> <{p}>") for p in places]
    vector = "poison"
    for lane in range(width):
        # spare places repeat the last number, so that they cannot be slow or signal
        vector = block.new(f"insertelement {wide} {vector}, double {args[min(lane, len(args) - 1)]}, i32 {lane}")
    vector = block.new(f"call {wide} @bonepk.{op}.{width}({wide} {vector})")
    return [block.new(f"extractelement {wide} {vector}, i32 {lane}") for lane in range(len(args))]


def _arithmetic(block: Block, op: str, args: list[str], kind: str, test: str, suffix: str) -> str:
    if op in _BINARY:
        return block.new(f"{_BINARY[op]} {kind} {args[0]}, {args[1]}")
    if op == "neg":
        return block.new(f"fneg {kind} {args[0]}")
    if op in ("abs", "sqrt"):
        name = "fabs" if op == "abs" else "sqrt"
        return block.new(f"call {kind} @llvm.{name}.{suffix}({kind} {args[0]})")
    if op in ("min", "max"):
        a, b = args
        second = block.new(f"fcmp {'olt' if op == 'min' else 'ogt'} {kind} {b}, {a}")
        return block.new(f"select {test} {second}, {kind} {b}, {kind} {a}")
    if op in FUNCTIONS:
        block.calls.add((op, block.lanes))
        return block.new(f"call {kind} @bonepk.{op}.{block.lanes}({kind} {args[0]})")
    if op in LIBRARY:
        block.calls.add((op, 1))
        if block.lanes == 1:
            return block.new(f"call double @bonepk.{op}({', '.join('double ' + a for a in args)})")
        out = "poison"
        for lane in range(block.lanes):
            one = [block.new(f"extractelement {kind} {a}, i32 {lane}") for a in args]
            got = block.new(f"call double @bonepk.{op}({', '.join('double ' + a for a in one)})")
            out = block.new(f"insertelement {kind} {out}, double {got}, i32 {lane}")
        return out
    raise ValueError(f"operator '{op}' has no machine code")
