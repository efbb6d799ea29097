"""One Rosenbrock step of a whole lane group as LLVM text.

Everything a group of people needs lies in one workspace of doubles; element ``i`` of lane ``l`` of
an array is at ``i*lanes + l``. All lanes take a step attempt together, each with its own time and
step length; what happens between attempts (accept, record, dose) is `driver`'s business. No
operation mixes lanes, so a person's numbers do not depend on who else is in the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bonepk.engine import tableau
from bonepk.engine.emit import Function
from bonepk.engine.lower import Program
from bonepk.engine.printer import Block, print_block
from bonepk.engine.sparse import Factorisation, factor_text, plan_factorisation, solve_text
from bonepk.engine.special import constant, vector_type
from bonepk.model.expr import Expr

__all__ = ["Workspace", "plan", "stepper_text"]


@dataclass(frozen=True)
class Workspace:
    """Where each array of a lane group lies, in doubles from the start of the workspace."""

    n: int
    hoisted: int
    vector: int
    entries: int
    factors: int
    lanes: int
    more: tuple[tuple[str, int], ...] = ()

    @property
    def padded(self) -> int:
        """Doubles of one state array: whole chunks, so that loops need no tail."""
        chunk = self.chunk
        return -(-self.n * self.lanes // chunk) * chunk

    @property
    def chunk(self) -> int:
        """Width of the vectors that the stage sums run on."""
        return 4 if self.lanes == 1 else self.lanes

    @cached_property
    def places(self) -> dict[str, int]:
        """Start of each array."""
        states = ["y", "new", "u", "f", "rate", "mask", "dfdt", "size", "atol"]
        sizes = dict.fromkeys(states, self.padded)
        sizes |= {f"k{s}": self.padded for s in range(tableau.STAGES)}
        sizes |= {"h": self.hoisted * self.lanes, "jac": self.entries * self.lanes, "lu": self.factors * self.lanes}
        sizes |= dict.fromkeys(("t", "now", "step", "lead", "err", "fac", "floor"), self.lanes)
        sizes |= {"p": self.vector * self.lanes, "hlane": self.hoisted * self.lanes}
        sizes |= {"ptmp": self.vector, "ytmp": self.n, "rtol": 1, "part": 1}
        sizes |= dict(self.more)
        places, at = {}, 0
        for name, size in sizes.items():
            places[name] = at
            at += -(-size // 8) * 8  # 64-byte steps keep vectors aligned
        places["end"] = at
        return places


class _Loads:
    def __init__(self, block: Block, kind: str) -> None:
        self._block, self._kind = block, kind

    def __call__(self, letter: str, index: int) -> str:
        at = self._block.new(f"getelementptr {self._kind}, ptr %{letter}, i64 {index}")
        return self._block.new(f"load {self._kind}, ptr {at}")


def _block_function(name: str, groups: dict[str, tuple[Expr, ...]], lanes: int) -> tuple[str, Block]:
    """Print a function of (t, y, h, one pointer a group) that stores each group's expressions in its array."""
    kind = vector_type(lanes)
    block = Block(lanes)
    values = print_block(block, [e for group in groups.values() for e in group], _Loads(block, kind))
    at = 0
    for target, group in groups.items():
        for i in range(len(group)):
            place = block.new(f"getelementptr {kind}, ptr %{target}, i64 {i}")
            block.lines.append(f"  store {kind} {values[at]}, ptr {place}")
            at += 1
    arguments = ", ".join(f"ptr noalias %{a}" for a in ("t", "y", "h", *groups))
    head = f"define internal void @{name}({arguments}) nounwind {{"
    return "\n".join([head, *block.lines, "  ret void", "}"]), block


def plan(program: Program, lanes: int, more: tuple[tuple[str, int], ...] = ()) -> tuple[Factorisation, Workspace]:
    """Elimination order and workspace of a program, with room for `more` arrays (name, numbers)."""
    layout = program.layout
    factorisation = plan_factorisation(layout.n, layout.rows, layout.cols)
    space = Workspace(
        layout.n, layout.hoisted, len(layout.vector_names), len(layout.rows), len(factorisation.slots), lanes, more
    )
    return factorisation, space


def stepper_text(program: Program, lanes: int) -> tuple[str, set[tuple[str, int]]]:
    """LLVM text of ``@step(ws)``: one step attempt of every lane from ``y`` at ``t`` over ``step``.

    Reads ``y, t, step, h, rate, mask, size, floor, atol, rtol, part``; leaves the stages in
    ``k0..k7``, the new state in ``new``, the error norm in ``err`` (nan if anything is not finite)
    and the factor for the next step length in ``fac``. Also returns the functions in use, with their lanes.
    """
    layout = program.layout
    factorisation, space = plan(program, lanes)
    moving = not layout.autonomous
    first = {"f": program.rhs, "jac": program.jacobian} | ({"dfdt": program.dfdt} if moving else {})
    linearise, block = _block_function("linearise", first, lanes)
    rhs, other = _block_function("rate_of_change", {"f": program.rhs}, lanes)
    parts = [linearise, rhs, factor_text(factorisation, layout.rows, layout.cols, lanes)]
    parts += [solve_text(factorisation, lanes), _step(space, moving)]
    return "\n".join(parts), block.calls | other.calls | {("exp", lanes), ("log", lanes)}


def _step(space: Workspace, moving: bool) -> str:
    lanes, chunk = space.lanes, space.chunk
    one, wide = vector_type(lanes), f"<{chunk} x double>"
    fn = Function("internal void @step(ptr noalias %ws)")
    place = {name: fn.at("%ws", at) for name, at in space.places.items()}
    time = fn.new(f"load {one}, ptr {place['t']}")
    h = fn.new(f"load {one}, ptr {place['step']}")
    inverse = fn.new(f"fdiv {one} {constant(1.0, lanes)}, {h}")
    lead = fn.new(f"fmul {one} {inverse}, {constant(1.0 / tableau.GAMMA, lanes)}")
    fn.do(f"store {one} {lead}, ptr {place['lead']}")
    extra = f", ptr {place['dfdt']}" if moving else ""
    fn.do(
        f"call void @linearise(ptr {place['t']}, ptr {place['y']}, ptr {place['h']}, ptr {place['f']},"
        f" ptr {place['jac']}{extra})"
    )
    fn.do(f"call void @factor(ptr {place['jac']}, ptr {place['mask']}, ptr {place['lead']}, ptr {place['lu']})")

    def spread(value: str) -> str:
        if lanes > 1:
            return value
        start = fn.new(f"insertelement {wide} poison, double {value}, i32 0")
        return fn.new(f"shufflevector {wide} {start}, {wide} poison, <{chunk} x i32> zeroinitializer")

    h_wide, inverse_wide = spread(h), spread(inverse)

    def number(value: float) -> str:
        return constant(value, chunk)

    def weighted(start: str, terms: list[tuple[str, str]], index: str) -> str:
        total = start
        for weight, array in terms:
            item = fn.new(f"load {wide}, ptr {fn.at(place[array], index)}")
            total = fn.new(f"fadd contract {wide} {total}, {fn.new(f'fmul contract {wide} {weight}, {item}')}")
        return total

    for s in range(tableau.STAGES):
        if s:
            same_time = s > 5  # stages six to eight all sit at the end of the step
            base, weights = ("u", [(f"k{s - 1}", 1.0)]) if same_time else (
                "y", [(f"k{j}", a) for j, a in enumerate(tableau.A[s])]
            )  # fmt: skip
            with fn.count(space.padded, step=chunk) as i:
                start = fn.new(f"load {wide}, ptr {fn.at(place[base], i)}")
                u = weighted(start, [(number(a), k) for k, a in weights], i)
                fn.do(f"store {wide} {u}, ptr {fn.at(place['u'], i)}")
            offset = fn.new(f"fmul {one} {h}, {constant(tableau.C[s], lanes)}")
            fn.do(f"store {one} {fn.new(f'fadd {one} {time}, {offset}')}, ptr {place['now']}")
            fn.do(
                f"call void @rate_of_change(ptr {place['now']}, ptr {place['u']}, ptr {place['h']}, ptr {place['f']})"
            )
        outside = [fn.new(f"fmul {wide} {inverse_wide}, {number(b)}") for b in tableau.B[s]]
        terms = [(w, f"k{j}") for j, w in enumerate(outside)]
        if moving and tableau.D[s]:
            terms.append((fn.new(f"fmul {wide} {h_wide}, {number(tableau.D[s])}"), "dfdt"))
        with fn.count(space.padded, step=chunk) as i:
            f = fn.new(f"load {wide}, ptr {fn.at(place['f'], i)}")
            f = fn.new(f"fadd {wide} {f}, {fn.new(f'load {wide}, ptr ' + fn.at(place['rate'], i))}")
            total = weighted(f, terms, i)
            mask = fn.new(f"load {wide}, ptr {fn.at(place['mask'], i)}")
            on = fn.new(f"fcmp une {wide} {mask}, zeroinitializer")
            total = fn.new(f"select <{chunk} x i1> {on}, {wide} {total}, {wide} zeroinitializer")
            fn.do(f"store {wide} {total}, ptr {fn.at(place[f'k{s}'], i)}")
        fn.do(f"call void @solve(ptr {place['lu']}, ptr {place[f'k{s}']})")
    _norm(fn, space, place)
    return fn.text()


def _norm(fn: Function, space: Workspace, place: dict[str, str]) -> None:
    """Write the new state, and the largest ratio of a state's error estimate to its tolerance.

    The largest, not the mean: at equal work it gave three to ten times less error on the bone models,
    whose quiet states outnumber the one that moves.
    """
    lanes = space.lanes
    one = vector_type(lanes)
    suffix = "f64" if lanes == 1 else f"v{lanes}f64"
    test = "i1" if lanes == 1 else f"<{lanes} x i1>"

    def load(name: str, index: str) -> str:
        return fn.new(f"load {one}, ptr {fn.new(f'getelementptr {one}, ptr {place[name]}, i64 {index}')}")

    def uniform(name: str) -> str:
        value = fn.new(f"load double, ptr {place[name]}")
        if lanes == 1:
            return value
        start = fn.new(f"insertelement {one} poison, double {value}, i32 0")
        return fn.new(f"shufflevector {one} {start}, {one} poison, <{lanes} x i32> zeroinitializer")

    def larger(a: str, b: str) -> str:
        return fn.new(f"select {test} {fn.new(f'fcmp ogt {one} {b}, {a}')}, {one} {b}, {one} {a}")

    rtol, part = uniform("rtol"), uniform("part")
    floor = fn.new(f"load {one}, ptr {place['floor']}")
    worst, broken = (fn.variable(one, constant(0.0, lanes)) for _ in range(2))
    with fn.count(space.n) as i:
        old, change = load("y", i), load(f"k{tableau.STAGES - 1}", i)
        new = fn.new(f"fadd {one} {load('u', i)}, {change}")
        fn.do(f"store {one} {new}, ptr {fn.new(f'getelementptr {one}, ptr ' + place['new'] + f', i64 {i}')}")
        sizes = [fn.new(f"call {one} @llvm.fabs.{suffix}({one} {x})") for x in (old, new)]
        allowed = fn.new(f"fmul {one} {rtol}, {larger(*sizes)}")
        kept = fn.new(f"fmul {one} {part}, {larger(load('size', i), floor)}")
        allowed = fn.new(f"fadd {one} {fn.new(f'fadd {one} {allowed}, {kept}')}, {load('atol', i)}")
        ratio = fn.new(f"fdiv {one} {change}, {allowed}")
        # a state that is 0 and stays 0 has no error, whatever its tolerance
        still = fn.new(f"fcmp oeq {one} {change}, {constant(0.0, lanes)}")
        ratio = fn.new(f"select {test} {still}, {one} {constant(0.0, lanes)}, {one} {ratio}")
        worst.set(larger(worst.get(), fn.new(f"call {one} @llvm.fabs.{suffix}({one} {ratio})")))
        # 0, or nan where the new state or its error is not finite
        for number in (new, ratio):
            broken.set(fn.new(f"fadd {one} {broken.get()}, {fn.new(f'fsub {one} {number}, {number}')}"))
    err = fn.new(f"fadd {one} {worst.get()}, {broken.get()}")
    fn.do(f"store {one} {err}, ptr {place['err']}")
    logarithm = fn.new(f"call {one} @bonepk.log.{lanes}({one} {larger(err, constant(1e-10, lanes))})")
    power = fn.new(f"fmul {one} {logarithm}, {constant(-1.0 / tableau.ORDER, lanes)}")
    factor = fn.new(f"call {one} @bonepk.exp.{lanes}({one} {power})")
    fn.do(f"store {one} {fn.new(f'fmul {one} {factor}, {constant(0.9, lanes)}')}, ptr {place['fac']}")
