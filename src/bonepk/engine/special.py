"""Elementary functions as branch-free LLVM text, for one number or for a vector of people.

The same formula serves the scalar and the vector code, so that a person's result does not
depend on the lane it was computed in, and no system library is needed except for ``sin``,
``cos`` and ``pow`` (called by number). Errors are below 2 units in the last place, checked
against 40-digit values by the tests. Polynomial coefficients are Chebyshev fits made with
mpmath (``chebyfit`` of (exp(r) - 1 - r)/r**2 on |r| <= log(2)/2 and of (2 atanh(s)/s - 2)/s**2
on s**2 <= (3 - sqrt(8))**2).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["FUNCTIONS", "LIBRARY", "constant", "definitions", "vector_type"]

# highest power first
_EXP = (
    2.5100424157005067e-08, 2.7620138719733994e-07, 2.7557268378684192e-06, 2.480152119021773e-05,
    0.00019841269863105968, 0.0013888888917281794, 0.008333333333330051, 0.04166666666662399,
    0.16666666666666669, 0.5,
)  # fmt: skip
_LOG = (
    0.14617807153417325, 0.15331611722055008, 0.1818289243253687, 0.22222211089379496,
    0.28571428626253836, 0.3999999999989889, 0.666666666666667,
)  # fmt: skip
_LN2_HIGH, _LN2_LOW, _LOG2E = 0.6931467056274414, 4.7493250390316726e-07, 1.4426950408889634
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to a whole number held in the low bits

FUNCTIONS = ("exp", "log", "log1p", "expm1", "tanh", "softplus", "expit")
"""Functions with a definition here; they are called ``@bonepk.<name>.<lanes>``."""
LIBRARY = {"sin": 1, "cos": 1, "pow": 2}
"""Functions taken from the C library, with their number of arguments."""


def vector_type(lanes: int) -> str:
    """LLVM type of one value for `lanes` people."""
    return "double" if lanes == 1 else f"<{lanes} x double>"


def constant(value: float, lanes: int) -> str:
    """LLVM text of a number, exact to the bit."""
    text = "0x" + struct.pack(">d", value).hex().upper()
    return text if lanes == 1 else f"splat (double {text})"


class _Writer:
    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.type = vector_type(lanes)
        self.bits = "i64" if lanes == 1 else f"<{lanes} x i64>"
        self.test = "i1" if lanes == 1 else f"<{lanes} x i1>"
        self.lines: list[str] = []
        self.count = 0

    def _new(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def num(self, value: float) -> str:
        return constant(value, self.lanes)

    def whole(self, value: int) -> str:
        return str(value) if self.lanes == 1 else f"splat (i64 {value})"

    def op(self, name: str, a: str, b: str) -> str:
        return self._new(f"{name} {self.type} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self.op("fadd", a, b)

    def sub(self, a: str, b: str) -> str:
        return self.op("fsub", a, b)

    def mul(self, a: str, b: str) -> str:
        return self.op("fmul", a, b)

    def fma(self, a: str, b: str, c: str) -> str:
        t, suffix = self.type, _suffix(self.lanes)
        return self._new(f"call {t} @llvm.fmuladd.{suffix}({t} {a}, {t} {b}, {t} {c})")

    def fabs(self, a: str) -> str:
        return self._new(f"call {self.type} @llvm.fabs.{_suffix(self.lanes)}({self.type} {a})")

    def compare(self, how: str, a: str, b: str) -> str:
        return self._new(f"fcmp {how} {self.type} {a}, {b}")

    def select(self, test: str, a: str, b: str) -> str:
        return self._new(f"select {self.test} {test}, {self.type} {a}, {self.type} {b}")

    def integer(self, name: str, a: str, b: str) -> str:
        return self._new(f"{name} {self.bits} {a}, {b}")

    def as_bits(self, a: str) -> str:
        return self._new(f"bitcast {self.type} {a} to {self.bits}")

    def as_number(self, a: str) -> str:
        return self._new(f"bitcast {self.bits} {a} to {self.type}")

    def call(self, name: str, a: str) -> str:
        return self._new(f"call {self.type} @bonepk.{name}.{self.lanes}({self.type} {a})")

    def polynomial(self, x: str, highest_first: Sequence[float]) -> str:
        """Estrin's scheme: neighbours are paired, so that the chain of dependent steps is short."""
        terms = [self.num(c) for c in reversed(highest_first)]
        power = x
        while len(terms) > 1:
            paired = [self.fma(terms[i + 1], power, terms[i]) for i in range(0, len(terms) - 1, 2)]
            terms = paired + ([terms[-1]] if len(terms) % 2 else [])
            if len(terms) > 1:
                power = self.mul(power, power)
        return terms[0]

    def text(self, name: str, result: str) -> str:
        head = f"define internal {self.type} @bonepk.{name}.{self.lanes}({self.type} %x) noinline nounwind {{"
        return "\n".join([head, *self.lines, f"  ret {self.type} {result}", "}"])


def _suffix(lanes: int) -> str:
    return "f64" if lanes == 1 else f"v{lanes}f64"


def _exp(w: _Writer, x: str) -> str:
    # outside +-800 the scaled result is 0 or inf anyway; comparisons let nan pass
    x = w.select(w.compare("olt", x, w.num(-800.0)), w.num(-800.0), x)
    x = w.select(w.compare("ogt", x, w.num(800.0)), w.num(800.0), x)
    n = w.sub(w.fma(x, w.num(_LOG2E), w.num(_ROUND)), w.num(_ROUND))
    r = w.fma(n, w.num(-_LN2_LOW), w.fma(n, w.num(-_LN2_HIGH), x))
    series = w.fma(w.mul(r, r), w.polynomial(r, _EXP), r)
    # 2**n in two halves, so that subnormal results and overflow come out right
    first = w.fma(n, w.num(0.5), w.num(_ROUND))
    second = w.add(w.sub(n, w.sub(first, w.num(_ROUND))), w.num(_ROUND))
    value = w.add(series, w.num(1.0))
    for part in (first, second):
        exponent = w.integer("shl", w.as_bits(part), w.whole(52))
        value = w.mul(value, w.as_number(w.integer("add", exponent, w.whole(1023 << 52))))
    return value


def _log(w: _Writer, x: str) -> str:
    small = w.compare("olt", x, w.num(2.2250738585072014e-308))
    scaled = w.select(small, w.mul(x, w.num(2.0**54)), x)
    shift = w.select(small, w.num(-54.0), w.num(0.0))
    # mantissa into [sqrt(1/2), sqrt(2)), as in every libm since Cody and Waite
    half = 0x3FE6A09E667F3BCD
    moved = w.integer("add", w.as_bits(scaled), w.whole((1023 << 52) - half))
    power = w.integer("or", w.integer("lshr", moved, w.whole(52)), w.whole(0x4330000000000000))
    k = w.add(w.sub(w.as_number(power), w.num(2.0**52 + 1023.0)), shift)
    mantissa = w.integer("add", w.integer("and", moved, w.whole((1 << 52) - 1)), w.whole(half))
    f = w.sub(w.as_number(mantissa), w.num(1.0))
    s = w.op("fdiv", f, w.add(f, w.num(2.0)))
    z = w.mul(s, s)
    r = w.mul(z, w.polynomial(z, _LOG))
    square = w.mul(w.mul(f, w.num(0.5)), f)
    low = w.fma(s, w.add(square, r), w.mul(k, w.num(_LN2_LOW)))
    value = w.fma(k, w.num(_LN2_HIGH), w.sub(f, w.sub(square, low)))
    below = w.select(w.compare("olt", x, w.num(0.0)), w.num(float("nan")), x)
    odd = w.select(w.compare("oeq", x, w.num(0.0)), w.num(float("-inf")), below)
    plain = w.compare("olt", w.select(w.compare("ogt", x, w.num(0.0)), x, w.num(float("inf"))), w.num(float("inf")))
    return w.select(plain, value, odd)


def _log1p(w: _Writer, x: str) -> str:
    one_more = w.add(x, w.num(1.0))
    step = w.sub(one_more, w.num(1.0))  # what of x survived the addition; the ratio repairs the rest
    value = w.mul(w.call("log", one_more), w.op("fdiv", x, step))
    value = w.select(w.compare("oeq", step, w.num(0.0)), x, value)
    return w.select(w.compare("oeq", x, w.num(float("inf"))), x, value)


def _expm1(w: _Writer, x: str) -> str:
    near = w.fma(w.mul(x, x), w.polynomial(x, _EXP), x)
    far = w.sub(w.call("exp", x), w.num(1.0))
    return w.select(w.compare("olt", w.fabs(x), w.num(0.34)), near, far)


def _tanh(w: _Writer, x: str) -> str:
    size = w.fabs(x)
    size = w.select(w.compare("ogt", size, w.num(22.0)), w.num(22.0), size)
    grown = w.call("expm1", w.add(size, size))
    value = w.op("fdiv", grown, w.add(grown, w.num(2.0)))
    return w.select(w.compare("olt", x, w.num(0.0)), w.sub(w.num(0.0), value), value)


def _expit(w: _Writer, x: str) -> str:
    e = w.call("exp", w.sub(w.num(0.0), w.fabs(x)))
    upper = w.op("fdiv", w.num(1.0), w.add(e, w.num(1.0)))
    return w.select(w.compare("oge", x, w.num(0.0)), upper, w.mul(e, upper))


def _softplus(w: _Writer, x: str) -> str:
    tail = w.call("log1p", w.call("exp", w.sub(w.num(0.0), w.fabs(x))))
    return w.add(w.select(w.compare("olt", x, w.num(0.0)), w.num(0.0), x), tail)


_BODY = {
    "exp": _exp, "log": _log, "log1p": _log1p, "expm1": _expm1, "tanh": _tanh, "expit": _expit, "softplus": _softplus,
}  # fmt: skip
_NEEDS = {"log1p": ("log",), "expm1": ("exp",), "tanh": ("exp", "expm1"), "expit": ("exp",)}
_NEEDS["softplus"] = ("exp", "log", "log1p")


def definitions(used: set[str], lanes: int) -> str:
    """LLVM text that defines the functions in `used` (and what they call) for `lanes` numbers at once.

    Not inlined: measured no faster, and twice as long to compile.
    """
    wanted = {name for f in used & set(FUNCTIONS) for name in (f, *_NEEDS.get(f, ()))}
    t, suffix = vector_type(lanes), _suffix(lanes)
    parts = [f"declare {t} @llvm.fmuladd.{suffix}({t}, {t}, {t})"] if wanted else []
    parts += [f"declare {t} @llvm.{name}.{suffix}({t})" for name in ("fabs", "sqrt")]
    for name in FUNCTIONS:
        if name in wanted:
            writer = _Writer(lanes)
            parts.append(writer.text(name, _BODY[name](writer, "%x")))
    return "\n".join(parts) + "\n"
