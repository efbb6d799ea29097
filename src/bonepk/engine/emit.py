"""Write LLVM functions with loops and branches from Python `with` blocks.

Variables live on the stack and are loaded and stored explicitly, so that no phi nodes have to be
kept in order; the control code that uses this runs once a step, not once an operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bonepk.engine.special import constant

__all__ = ["Function", "Variable"]


def _loose(kind: str) -> str:
    """Arrays from NumPy start at any multiple of 8 bytes."""
    return ", align 8" if kind.startswith("<") else ""


class Variable:
    """A stack slot of a function."""

    def __init__(self, function: Function, kind: str, name: str) -> None:
        self._function, self.kind, self.name = function, kind, name

    def get(self) -> str:
        """Load the value."""
        return self._function.new(f"load {self.kind}, ptr {self.name}")

    def set(self, value: str) -> None:
        """Store a value."""
        self._function.do(f"store {self.kind} {value}, ptr {self.name}")


class Function:
    """One LLVM function under construction.

    Parameters
    ----------
    head : str
        Everything of the definition before the brace, e.g. ``void @f(ptr %x)``.
    """

    def __init__(self, head: str) -> None:
        self._head = head
        self._slots: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def do(self, text: str) -> None:
        """Append an instruction without a result."""
        self._lines.append(f"  {text}")

    def new(self, text: str) -> str:
        """Append an instruction and name its result."""
        self._count += 1
        self._lines.append(f"  %r{self._count} = {text}")
        return f"%r{self._count}"

    def variable(self, kind: str, value: str | None = None) -> Variable:
        """Make a stack slot, set to a value here."""
        self._count += 1
        self._slots.append(f"  %s{self._count} = alloca {kind}, align 32")
        made = Variable(self, kind, f"%s{self._count}")
        if value is not None:
            made.set(value)
        return made

    def at(self, base: str, index: str | int, kind: str = "double") -> str:
        """Address of element `index` (i64)."""
        return self.new(f"getelementptr {kind}, ptr {base}, i64 {index}")

    def load(self, base: str, index: str | int, kind: str = "double") -> str:
        """Load element `index` (i64) of an array."""
        return self.new(f"load {kind}, ptr {self.at(base, index, kind)}{_loose(kind)}")

    def store(self, value: str, base: str, index: str | int, kind: str = "double") -> None:
        """Store element `index` (i64) of an array."""
        self.do(f"store {kind} {value}, ptr {self.at(base, index, kind)}{_loose(kind)}")

    def f(self, op: str, a: str, b: str) -> str:
        """Float arithmetic or comparison: add, sub, mul, div, olt, ole, ogt, oge, oeq, une, uno."""
        if op in ("add", "sub", "mul", "div"):
            return self.new(f"f{op} double {a}, {b}")
        return self.new(f"fcmp {op} double {a}, {b}")

    def i(self, op: str, a: str, b: str | int) -> str:
        """Whole-number (i64) arithmetic or comparison: add, sub, mul, eq, ne, slt, sle, sgt, sge."""
        if op in ("add", "sub", "mul"):
            return self.new(f"{op} i64 {a}, {b}")
        return self.new(f"icmp {op} i64 {a}, {b}")

    def least(self, a: str, b: str) -> str:
        """Return the smaller of two numbers (`a` if one is nan)."""
        return self.choose(self.f("olt", b, a), b, a)

    def choose(self, test: str, a: str, b: str, kind: str = "double") -> str:
        """Return `a` where the test holds, else `b`."""
        return self.new(f"select i1 {test}, {kind} {a}, {kind} {b}")

    def num(self, value: float) -> str:
        """Text of a number."""
        return constant(value, 1)

    def _label(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def _place(self, label: str) -> None:
        self._lines.append(f"{label}:")

    @contextmanager
    def when(self, test: str) -> Iterator[None]:
        """Run the body if the test (i1) holds."""
        inside, after = self._label("then"), self._label("after")
        self.do(f"br i1 {test}, label %{inside}, label %{after}")
        self._place(inside)
        yield
        self.do(f"br label %{after}")
        self._place(after)

    @contextmanager
    def forever(self) -> Iterator[str]:
        """Repeat the body; gives the label to leave by (see `leave`)."""
        top, after = self._label("loop"), self._label("done")
        self.do(f"br label %{top}")
        self._place(top)
        yield after
        self.do(f"br label %{top}")
        self._place(after)

    def leave(self, label: str, test: str) -> None:
        """Leave a `forever` loop if the test holds."""
        on = self._label("on")
        self.do(f"br i1 {test}, label %{label}, label %{on}")
        self._place(on)

    @contextmanager
    def count(self, end: str | int, start: str | int = 0, step: int = 1) -> Iterator[str]:
        """Repeat the body with an index from `start` in steps up to, not including, `end`."""
        before, top, body, after = (self._label(s) for s in ("before", "test", "body", "done"))
        self.do(f"br label %{before}")
        self._place(before)
        self.do(f"br label %{top}")
        self._place(top)
        index = f"%i{top}"
        at = len(self._lines)
        self._lines.append("")  # the phi, once the label at the end of the body is known
        more = self.i("slt", index, end)
        self.do(f"br i1 {more}, label %{body}, label %{after}")
        self._place(body)
        yield index
        last = self._label("last")
        self.do(f"br label %{last}")
        self._place(last)
        following = self.i("add", index, step)
        self._lines[at] = f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{last} ]"
        self.do(f"br label %{top}")
        self._place(after)

    def text(self, result: str = "void") -> str:
        """Return the finished function."""
        lines = ["entry:", *self._slots, *self._lines, f"  ret {result}"]
        return "\n".join([f"define {self._head} nounwind {{", *lines, "}"])
