"""Forward sensitivities of a native run as LLVM text: the derivative of the numerical method itself.

Beside a person's state ``y`` go columns ``S = dy/d(direction)``, eight to a vector. After each accepted
step the stage equations of the Rosenbrock method are differentiated (step lengths held): with
``W k_s = r_s`` they read

    W dk_s = J(u_s) du_s + f_p(u_s) dp + dr + sum_j (B[s][j]/h) dk_j + d[J k_s + h D_s f_t](y, p)

so every column costs two sparse products and one solve with factors that are there already, and the
result is the exact derivative of the computed solution. A direction is a parameter, an initial value,
a dose amount or a dose time: operations carry the derivatives of their value and of their time.

At an operation at time T: ``S+ = G (S- + f- dT) + dv - f+ dT``, where G is what the operation does to
the state (identity but for SET, OFF and RESET), dv the derivative of its value, and f- and f+ the time
derivatives before and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bonepk.engine import tableau
from bonepk.engine.derivatives import Entries, TangentProgram
from bonepk.engine.emit import Function
from bonepk.engine.lanes import Driver
from bonepk.engine.printer import Block, print_block
from bonepk.engine.sparse import Factorisation
from bonepk.engine.special import constant
from bonepk.engine.timeline import Kind
from bonepk.model.expr import Expr

__all__ = ["COLUMNS", "tangent_places", "tangent_text"]

COLUMNS = 8
"""Columns to a vector: two registers of most machines, so that one column's wait is another's work."""

_WIDE = f"<{COLUMNS} x double>"
_ARRAYS = ("s", "new", "du", "rate", *(f"k{j}" for j in range(tableau.STAGES)))


def tangent_places(plan: TangentProgram) -> dict[str, int]:
    """Extra workspace arrays (numbers each) that all columns share."""
    n, stages = plan.program.layout.n, tableau.STAGES
    sizes = {"q": n + 1, "before": n, "weights": stages * stages, "ju": stages * len(plan.program.jacobian)}
    sizes |= {name: stages * max(1, len(plan.blocks[name])) for name in ("bend_y", "both_p")}
    return sizes | {name: max(1, len(plan.blocks[name])) for name in ("by_p", "bend", "out_y", "out_p", "start_p")}


def _spread(new: Callable[[str], str], number: str) -> str:
    """One number in all places of a vector."""
    first = new(f"insertelement {_WIDE} poison, double {number}, i32 0")
    return new(f"shufflevector {_WIDE} {first}, {_WIDE} poison, <{COLUMNS} x i32> zeroinitializer")


class _Loads:
    def __init__(self, block: Block) -> None:
        self._block = block

    def __call__(self, letter: str, index: int) -> str:
        at = self._block.new(f"getelementptr double, ptr %{letter}, i64 {index}")
        return self._block.new(f"load double, ptr {at}")


def _matrices(name: str, inputs: str, groups: dict[str, tuple[Expr, ...]], guard: bool = False) -> tuple[str, Block]:
    """Print a function that stores entries; with `guard`, 0 for what is not finite.

    Second derivatives of x**g are infinite at x = 0 for g below 2; there x has no column yet, or the step
    is a first one after a dose, so that leaving the term out costs nothing but order at that one step.
    """
    block = Block(1)
    values = print_block(block, [e for g in groups.values() for e in g], _Loads(block))
    at = 0
    for target, group in groups.items():
        for i in range(len(group)):
            value = values[at]
            if guard:
                size = block.new(f"call double @llvm.fabs.f64(double {value})")
                fine = block.new(f"fcmp olt double {size}, {constant(1e300, 1)}")
                value = block.new(f"select i1 {fine}, double {value}, double {constant(0.0, 1)}")
            place = block.new(f"getelementptr double, ptr %{target}, i64 {i}")
            block.lines.append(f"  store double {value}, ptr {place}")
            at += 1
    arguments = ", ".join(f"ptr noalias %{a}" for a in (*inputs.split(), *groups))
    head = f"define internal void @{name}({arguments}) nounwind {{"
    return "\n".join([head, *block.lines, "  ret void", "}"]), block


def _products(name: str, rows: int, parts: Sequence[tuple[str, Entries, str]], start: Sequence[str]) -> str:
    """Print a function: ``out = sum of start arrays + sum of (sparse matrix) * (columns)``, eight columns at once.

    The columns of a parameter are zero in most chunks: products with ``p`` come last, parameter by
    parameter, each behind a test.
    """
    block = Block(COLUMNS)

    def load(array: str, index: int) -> str:
        at = block.new(f"getelementptr {_WIDE}, ptr %{array}, i64 {index}")
        return block.new(f"load {_WIDE}, ptr {at}, align 8")

    def store(value: str, index: int) -> None:
        at = block.new(f"getelementptr {_WIDE}, ptr %out, i64 {index}")
        block.lines.append(f"  store {_WIDE} {value}, ptr {at}, align 8")

    def plus(total: str, matrix: str, k: int, column: str) -> str:
        one = block.new(f"load double, ptr {block.new(f'getelementptr double, ptr %{matrix}, i64 {k}')}")
        product = block.new(f"fmul contract {_WIDE} {_spread(block.new, one)}, {column}")
        return block.new(f"fadd contract {_WIDE} {total}, {product}")

    by_row: list[list[tuple[str, int, str, int]]] = [[] for _ in range(rows)]
    by_column: dict[int, list[tuple[str, int, int]]] = {}
    for matrix, entries, columns in parts:
        for k, (i, j) in enumerate(entries):
            if columns == "p":
                by_column.setdefault(j, []).append((matrix, k, i))
            else:
                by_row[i].append((matrix, k, columns, j))
    for i, terms in enumerate(by_row):
        total = load(start[0], i) if start else constant(0.0, COLUMNS)
        for array in start[1:]:
            total = block.new(f"fadd {_WIDE} {total}, {load(array, i)}")
        for matrix, k, columns, j in terms:
            total = plus(total, matrix, k, load(columns, j))
        store(total, i)
    for j, uses in sorted(by_column.items()):
        column = load("p", j)
        bits = block.new(f"bitcast {_WIDE} {column} to i{64 * COLUMNS}")
        test = block.new(f"icmp ne i{64 * COLUMNS} {bits}, 0")
        block.lines += [f"  br i1 {test}, label %use{j}, label %skip{j}", f"use{j}:"]
        for matrix, k, i in uses:
            store(plus(load("out", i), matrix, k, column), i)
        block.lines += [f"  br label %skip{j}", f"skip{j}:"]
    names = list(dict.fromkeys([*start, *(m for m, _, _ in parts), *(c for _, _, c in parts)]))
    head = f"define internal void @{name}({', '.join(f'ptr %{a}' for a in names)}, ptr %out) nounwind {{"
    return "\n".join([head, *block.lines, "  ret void", "}"])


def _solve_columns(plan: Factorisation) -> str:
    """Print ``@solve_columns(lu, b)``: eight right-hand sides with one set of factors."""
    block = Block(COLUMNS)

    def entry(i: int, j: int) -> str:
        one = block.new(f"load double, ptr {block.new(f'getelementptr double, ptr %lu, i64 {plan.slots[i, j]}')}")
        return _spread(block.new, one)

    at = [block.new(f"getelementptr {_WIDE}, ptr %b, i64 {i}") for i in range(plan.n)]
    x = [block.new(f"load {_WIDE}, ptr {a}") for a in at]
    for pivot, below in zip(plan.order, plan.lower, strict=True):
        for i in below:
            product = block.new(f"fmul contract {_WIDE} {entry(i, pivot)}, {x[pivot]}")
            x[i] = block.new(f"fsub contract {_WIDE} {x[i]}, {product}")
    for pivot, right in zip(reversed(plan.order), reversed(plan.upper), strict=True):
        for j in right:
            product = block.new(f"fmul contract {_WIDE} {entry(pivot, j)}, {x[j]}")
            x[pivot] = block.new(f"fsub contract {_WIDE} {x[pivot]}, {product}")
        x[pivot] = block.new(f"fmul {_WIDE} {x[pivot]}, {entry(pivot, pivot)}")
    for i in range(plan.n):
        block.lines.append(f"  store {_WIDE} {x[i]}, ptr {at[i]}")
    return "\n".join(
        [
            "define internal void @solve_columns(ptr noalias %lu, ptr noalias %b) nounwind {",
            *block.lines,
            "  ret void",
            "}",
        ]
    )


class _Tangent:
    """Writes the control code; column arrays are ``[chunk][state][8]``."""

    def __init__(self, driver: Driver, plan: TangentProgram) -> None:
        self.d, self.plan, self.n, self.m = driver, plan, driver.n, driver.n_outputs

    def columns(self, fn: Function, name: str, chunk: str) -> str:
        """Start of a chunk's column array."""
        chunks, base = self.d.arg("chunks", "i64"), self.d.arg("tangent")
        if name == "p":
            skip = fn.i("mul", chunks, len(_ARRAYS) * self.n)
            return fn.at(base, fn.i("add", skip, fn.i("mul", chunk, max(1, len(self.plan.chosen)))), _WIDE)
        block = fn.i("add", fn.i("mul", chunks, _ARRAYS.index(name)), chunk)
        return fn.at(base, fn.i("mul", block, self.n), _WIDE)

    def of_op(self, fn: Function, name: str, chunk: str) -> str:
        """Load derivatives of an operation's value or time, or zeros where none were given."""
        given = self.d.arg(name)
        place = fn.i("add", fn.i("mul", "%op", self.d.arg("chunks", "i64")), chunk)
        missing = fn.new(f"icmp eq ptr {given}, null")
        # a null pointer is never read: the zeros of an unused slot of the columns stand in
        value = fn.variable(_WIDE, "zeroinitializer")
        with fn.when(fn.new(f"xor i1 {missing}, true")):
            value.set(fn.load(given, place, _WIDE))
        return value.get()


def tangent_text(
    driver: Driver, plan: TangentProgram, factorisation: Factorisation
) -> tuple[str, set[tuple[str, int]]]:
    """LLVM text of everything the driver calls for sensitivities, and the functions in use."""
    n = plan.program.layout.n
    made = [
        _matrices("stage_matrices", "t y h", {"ju": plan.program.jacobian, "by_p": plan.blocks["by_p"]}),
        _matrices("curvature", "t y h", {"bend": plan.blocks["bend"]}),
        _matrices("contract", "g f q", {k: plan.blocks[k] for k in ("bend_y", "both_p")}, guard=True),
        _matrices("start_slopes", "p", {"start_p": plan.blocks["start_p"]}),
        _matrices("row_slopes", "t y h", {k: plan.blocks[k] for k in ("out_y", "out_p")}),
    ]
    jac = tuple(zip(plan.program.layout.rows, plan.program.layout.cols, strict=True))
    right = [("ju", jac, "du"), ("bend_y", plan.bend_y, "s"), ("both_p", plan.both_p, "p")]
    parts = [text for text, _ in made]
    parts.append(_products("tangent_right", n, right, ("sum", "rate")))
    parts.append(_products("start_columns", n, [("start_p", plan.start_p, "p")], ()))
    parts.append(
        _products(
            "row_columns", len(plan.program.outputs), [("out_y", plan.out_y, "s"), ("out_p", plan.out_p, "p")], ()
        )
    )
    parts.append(_solve_columns(factorisation))
    tangent = _Tangent(driver, plan)
    parts += [write(tangent) for write in (_begin, _start, _flow, _shift, _jump, _stage_start, _step, _record, _commit)]
    parts += [_sums(n, s) for s in range(tableau.STAGES)]
    calls = {use for _, block in made for use in block.calls}
    return "\n".join(parts), calls


_HEAD = "ptr %a, ptr %lanes, i64 %lane"


def _begin(t: _Tangent) -> str:
    """Take the seeds of a new person; no rate has a derivative yet."""
    fn = t.d.open(f"internal void @tangent_begin({_HEAD})")
    width = max(1, len(t.plan.chosen))
    with fn.count(t.d.arg("chunks", "i64")) as c:
        target, seeds = t.columns(fn, "p", c), fn.at(t.d.arg("seeds"), fn.i("mul", c, width), _WIDE)
        with fn.count(width) as i:
            fn.store(fn.load(seeds, i, _WIDE), target, i, _WIDE)
        rate = t.columns(fn, "rate", c)
        with fn.count(t.n) as i:
            fn.store("zeroinitializer", rate, i, _WIDE)
    return fn.text()


def _start(t: _Tangent) -> str:
    """Columns of the initial state (parameters in ``%p``); rates have no derivative after a reset."""
    fn = t.d.open(f"internal void @tangent_start({_HEAD}, ptr %p)")
    matrix = t.d.place("start_p")
    fn.do(f"call void @start_slopes(ptr %p, ptr {matrix})")
    with fn.count(t.d.arg("chunks", "i64")) as c:
        fn.do(f"call void @start_columns(ptr {matrix}, ptr {t.columns(fn, 'p', c)}, ptr {t.columns(fn, 's', c)})")
        rate = t.columns(fn, "rate", c)
        with fn.count(t.n) as i:
            fn.store("zeroinitializer", rate, i, _WIDE)
    return fn.text()


def _flow(t: _Tangent) -> str:
    """Time derivative of the state as it is, into ``before``."""
    fn = t.d.open(f"internal void @tangent_flow({_HEAD})")
    d, out = t.d, t.d.place("before")
    fn.do("call void @refresh(ptr %a, ptr %lanes, i64 %lane)")
    fn.do(f"call void @rate_of_change(ptr {d.place('t')}, ptr {d.place('y')}, ptr {d.place('h')}, ptr {out})")
    with fn.count(t.n) as i:
        on = fn.f("une", fn.load(d.place("mask"), i), fn.num(0.0))
        total = fn.f("add", fn.load(out, i), fn.load(d.place("rate"), i))
        fn.store(fn.choose(on, total, fn.num(0.0)), out, i)
    return fn.text()


def _shift(t: _Tangent) -> str:
    """``S += sign * f * d(time of the operation)``, if the operation's time has derivatives."""
    fn = t.d.open(f"internal void @tangent_shift({_HEAD}, i64 %op, double %sign)")
    with fn.when(fn.new(f"icmp ne ptr {t.d.arg('op_dtime')}, null")):
        fn.do("call void @tangent_flow(ptr %a, ptr %lanes, i64 %lane)")
        flow = t.d.place("before")
        with fn.count(t.d.arg("chunks", "i64")) as c:
            moved, s = t.of_op(fn, "op_dtime", c), t.columns(fn, "s", c)
            with fn.count(t.n) as i:
                one = fn.f("mul", fn.load(flow, i), "%sign")
                wide = _spread(fn.new, one)
                change = fn.new(f"fmul {_WIDE} {wide}, {moved}")
                fn.store(fn.new(f"fadd {_WIDE} {fn.load(s, i, _WIDE)}, {change}"), s, i, _WIDE)
    return fn.text()


def _jump(t: _Tangent) -> str:
    """Do to the columns what an operation does to the state (RESET is `tangent_start`'s)."""
    fn = t.d.open(f"internal void @tangent_jump({_HEAD}, i64 %op)")
    kind = fn.load(t.d.arg("op_kind"), "%op", "i32")
    index = fn.new(f"sext i32 {fn.load(t.d.arg('op_index'), '%op', 'i32')} to i64")

    def case(which: Kind) -> str:
        return fn.new(f"icmp eq i32 {kind}, {int(which)}")

    with fn.count(t.d.arg("chunks", "i64")) as c:
        value, s = t.of_op(fn, "op_dvalue", c), t.columns(fn, "s", c)
        on = fn.variable("i1", "true")
        for which in (Kind.ADD, Kind.SET):
            with fn.when(case(which)):
                on.set(fn.f("une", fn.load(t.d.place("mask"), index), fn.num(0.0)))
                old = fn.load(s, index, _WIDE)
                new = fn.new(f"fadd {_WIDE} {old}, {value}") if which == Kind.ADD else value
                fn.store(fn.choose(on.get(), new, old, _WIDE), s, index, _WIDE)
        with fn.when(case(Kind.RATE)):
            fn.store(value, t.columns(fn, "rate", c), index, _WIDE)
        with fn.when(case(Kind.OFF)):
            fn.store("zeroinitializer", s, index, _WIDE)
        with fn.when(case(Kind.INPUT)):
            place = fn.i("add", index, len(t.d.layout.parameters))
            for k, which_p in enumerate(t.plan.chosen):
                with fn.when(fn.i("eq", place, which_p)):
                    fn.store(value, t.columns(fn, "p", c), k, _WIDE)
    return fn.text()


def _sum(fn: Function, start: str, terms: Sequence[tuple[str, str]], i: str, kind: str) -> str:
    total = start
    for weight, array in terms:
        product = fn.new(f"fmul contract {kind} {weight}, {fn.load(array, i, kind)}")
        total = fn.new(f"fadd contract {kind} {total}, {product}")
    return total


def _sums(n: int, s: int) -> str:
    """Print ``@tangent_sums_<s>(s, weights, k0.., du, sum)``: both sums over earlier stages, without loops.

    ``du`` keeps what it was for the stage before; the last two stages only add to it.
    """
    block = Block(COLUMNS)

    def load(array: str, index: int) -> str:
        at = block.new(f"getelementptr {_WIDE}, ptr %{array}, i64 {index}")
        return block.new(f"load {_WIDE}, ptr {at}, align 8")

    def store(value: str, array: str, index: int) -> None:
        at = block.new(f"getelementptr {_WIDE}, ptr %{array}, i64 {index}")
        block.lines.append(f"  store {_WIDE} {value}, ptr {at}, align 8")

    short = s > 5
    inside = {s - 1: 1.0} if short else dict(enumerate(tableau.A[s]))
    ones = [block.new(f"getelementptr double, ptr %weights, i64 {j}") for j in range(s)]
    weights = [_spread(block.new, block.new(f"load double, ptr {at}")) for at in ones]
    for i in range(n):
        du, total = load("du" if short else "s", i), constant(0.0, COLUMNS)
        for j in range(s):
            k = load(f"k{j}", i)
            total = block.new(f"fadd contract {_WIDE} {total}, {block.new(f'fmul contract {_WIDE} {weights[j]}, {k}')}")
            if inside.get(j) == 1.0:
                du = block.new(f"fadd {_WIDE} {du}, {k}")
            elif j in inside:
                part = block.new(f"fmul contract {_WIDE} {constant(inside[j], COLUMNS)}, {k}")
                du = block.new(f"fadd contract {_WIDE} {du}, {part}")
        store(du, "du", i)
        store(total, "sum", i)
    names = ", ".join(f"ptr %{a}" for a in ("s", "weights", *(f"k{j}" for j in range(s)), "du", "sum"))
    return "\n".join([f"define internal void @tangent_sums_{s}({names}) nounwind {{", *block.lines, "  ret void", "}"])


def _stage_start(t: _Tangent) -> str:
    """Matrices of all stages of the step that was just accepted."""
    fn = t.d.open(f"internal void @tangent_matrices({_HEAD})")
    at = {name: t.d.place(name) for name in t.d.space.places if name != "end"}
    h, time = fn.load(at["step"], 0), fn.load(at["t"], 0)
    fn.do(f"call void @curvature(ptr {at['t']}, ptr {at['y']}, ptr {at['h']}, ptr {at['bend']})")
    sizes = tangent_places(t.plan)
    for s in range(tableau.STAGES):
        with fn.count(t.n) as i:
            terms = [(fn.num(a), at[f"k{j}"]) for j, a in enumerate(tableau.A[s])]
            fn.store(_sum(fn, fn.load(at["y"], i), terms, i, "double"), at["u"], i)
            fn.store(fn.load(at[f"k{s}"], i), at["q"], i)
        fn.store(fn.f("mul", h, fn.num(tableau.D[s])), at["q"], t.n)
        fn.store(fn.f("add", time, fn.f("mul", h, fn.num(tableau.C[s]))), at["now"], 0)
        own = {name: fn.at(at[name], s * (sizes[name] // tableau.STAGES)) for name in ("ju", "bend_y", "both_p")}
        used = [at["now"], at["u"], at["h"], own["ju"], at["by_p"]]
        fn.do(f"call void @stage_matrices({', '.join(f'ptr {x}' for x in used)})")
        used = [at["bend"], at["by_p"], at["q"], own["bend_y"], own["both_p"]]
        fn.do(f"call void @contract({', '.join(f'ptr {x}' for x in used)})")
    return fn.text()


def _step(t: _Tangent) -> str:
    """Carry the columns over the step that was just accepted (factors and stages are still there).

    Chunk by chunk through all stages, so that a chunk stays in the nearest cache.
    """
    fn = t.d.open(f"internal void @tangent_step({_HEAD})")
    d, n = t.d, t.n
    fn.do("call void @tangent_matrices(ptr %a, ptr %lanes, i64 %lane)")
    at = {name: d.place(name) for name in ("step", "ju", "bend_y", "both_p", "mask", "lu", "weights")}
    sizes = tangent_places(t.plan)
    inverse = fn.f("div", fn.num(1.0), fn.load(at["step"], 0))
    for s in range(tableau.STAGES):
        for j, b in enumerate(tableau.B[s]):
            fn.store(fn.f("mul", inverse, fn.num(b)), at["weights"], s * tableau.STAGES + j)
    some_off = fn.variable("i1", "false")
    with fn.count(n) as i:
        off = fn.f("oeq", fn.load(at["mask"], i), fn.num(0.0))
        some_off.set(fn.new(f"or i1 {some_off.get()}, {off}"))
    with fn.count(d.arg("chunks", "i64")) as c:
        column = {name: t.columns(fn, name, c) for name in ("s", "du", "rate", "p", "new")}
        k = [t.columns(fn, f"k{j}", c) for j in range(tableau.STAGES)]
        for s in range(tableau.STAGES):
            used = [column["s"], fn.at(at["weights"], s * tableau.STAGES), *k[:s], column["du"], column["new"]]
            fn.do(f"call void @tangent_sums_{s}({', '.join(f'ptr {x}' for x in used)})")
            own = [fn.at(at[name], s * (sizes[name] // tableau.STAGES)) for name in ("ju", "bend_y", "both_p")]
            used = [column["new"], column["rate"], *own, column["du"], column["s"], column["p"], k[s]]
            fn.do(f"call void @tangent_right({', '.join(f'ptr {x}' for x in used)})")
            with fn.when(some_off.get()), fn.count(n) as i:
                on = fn.f("une", fn.load(at["mask"], i), fn.num(0.0))
                fn.store(fn.choose(on, fn.load(k[s], i, _WIDE), "zeroinitializer", _WIDE), k[s], i, _WIDE)
            fn.do(f"call void @solve_columns(ptr {at['lu']}, ptr {k[s]})")
        with fn.count(n) as i:
            new = fn.new(f"fadd {_WIDE} {fn.load(column['du'], i, _WIDE)}, {fn.load(k[-1], i, _WIDE)}")
            fn.store(new, column["new"], i, _WIDE)
    return fn.text()


def _record(t: _Tangent) -> str:
    """Write the columns of states and outputs at a fraction of the step (0: now)."""
    fn = t.d.open(f"internal void @tangent_record({_HEAD}, i64 %row, double %time, double %x, ptr %state)")
    d = t.d
    chunks = d.arg("chunks", "i64")
    rest = fn.f("sub", fn.num(1.0), "%x")
    both = fn.f("mul", "%x", rest)
    inside = fn.f("ogt", both, fn.num(0.0))
    at_end = fn.f("oge", "%x", fn.num(1.0))

    weights = []
    for j in range(tableau.STAGES):
        q1, q2, q3 = (fn.num(row[j]) for row in tableau.DENSE)
        inner = fn.f("add", q2, fn.f("mul", "%x", q3))
        weights.append(_spread(fn.new, fn.f("mul", both, fn.f("add", q1, fn.f("mul", "%x", inner)))))
    rest_wide, x_wide = _spread(fn.new, rest), _spread(fn.new, "%x")
    time_at = d.place("now")
    fn.store("%time", time_at, 0)
    own = d.own("hlane", "%lane", d.space.hoisted)
    fn.do(
        f"call void @row_slopes(ptr {time_at}, ptr %state, ptr {own}, ptr {d.place('out_y')}, ptr {d.place('out_p')})"
    )
    with fn.count(chunks) as c:
        place = fn.i("add", fn.i("mul", "%row", chunks), c)
        out = fn.at(d.arg("s_out"), fn.i("mul", place, t.n), _WIDE)
        s, new = t.columns(fn, "s", c), t.columns(fn, "new", c)
        with fn.count(t.n) as i:
            now, then = fn.load(s, i, _WIDE), fn.load(new, i, _WIDE)
            fn.store(fn.choose(at_end, then, now, _WIDE), out, i, _WIDE)
            with fn.when(inside):
                ends = _sum(fn, fn.new(f"fmul {_WIDE} {rest_wide}, {now}"), [(x_wide, new)], i, _WIDE)
                terms = [(w, t.columns(fn, f"k{j}", c)) for j, w in enumerate(weights)]
                fn.store(_sum(fn, ends, terms, i, _WIDE), out, i, _WIDE)
        shown = fn.at(d.arg("dout"), fn.i("mul", place, t.m), _WIDE)
        used = [d.place("out_y"), d.place("out_p"), out, t.columns(fn, "p", c), shown]
        fn.do(f"call void @row_columns({', '.join(f'ptr {x}' for x in used)})")
    return fn.text()


def _commit(t: _Tangent) -> str:
    """Make the columns at the end of the step the present ones."""
    fn = t.d.open(f"internal void @tangent_commit({_HEAD})")
    with fn.count(t.d.arg("chunks", "i64")) as c:
        s, new = t.columns(fn, "s", c), t.columns(fn, "new", c)
        with fn.count(t.n) as i:
            fn.store(fn.load(new, i, _WIDE), s, i, _WIDE)
    return fn.text()
