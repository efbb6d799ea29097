"""The LLVM back end: a `Program` as machine code, called through raw pointers.

Right-hand side and Jacobian take NumPy arrays as Python objects and read the data pointer
from the array object itself (its first field after the object header), which costs a tenth of
asking for ``array.ctypes``. That layout is checked once; where it does not hold, addresses are
passed instead.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.jit import Loaded
from bonepk.engine.lower import Layout, Program
from bonepk.engine.printer import Block, print_block
from bonepk.engine.special import LIBRARY, definitions
from bonepk.model.expr import Expr
from bonepk.model.system import System

__all__ = ["LlvmFunctions", "functions_text", "llvm_functions", "person_text", "program_text"]

F8 = NDArray[np.float64]
I4 = NDArray[np.int32]

_HEAD = object.__basicsize__
_NAMES = ("prepare", "initial", "rhs", "jacobian", "dfdt", "outputs", "rhs_objects", "jacobian_objects")


class _Loads:
    """Leaves as loads from the arrays."""

    def __init__(self, block: Block, arrays: dict[str, str]) -> None:
        self._block, self._arrays = block, arrays

    def __call__(self, letter: str, index: int) -> str:
        if letter == "t":
            return "%t"
        place = self._block.new(f"getelementptr double, ptr {self._arrays[letter]}, i64 {index}")
        return self._block.new(f"load double, ptr {place}")


def _straight(name: str, arguments: str, roots: Sequence[Expr], arrays: dict[str, str], out: str) -> tuple[str, Block]:
    """Print a function that stores `roots` one after the other."""
    block = Block(1)
    for i, value in enumerate(print_block(block, roots, _Loads(block, arrays))):
        place = block.new(f"getelementptr double, ptr {out}, i64 {i}")
        block.lines.append(f"  store double {value}, ptr {place}")
    return "\n".join([f"define void @{name}({arguments}) nounwind {{", *block.lines, "  ret void", "}"]), block


_STATE = "double %t, ptr noalias %y, ptr noalias %h"
_YH = {"y": "%y", "h": "%h"}


def person_text(program: Program) -> tuple[str, set[tuple[str, int]]]:
    """LLVM text of what is computed for one person at a time, and the functions it calls.

    ``@prepare(p, out)``, ``@initial(p, out)`` and ``@row(t, y, h, out)`` (outputs).
    """
    made = [
        _straight("prepare", "ptr noalias %p, ptr noalias %out", program.prepare, {"p": "%p"}, "%out"),
        _straight("initial", "ptr noalias %p, ptr noalias %out", program.initial, {"p": "%p"}, "%out"),
        _straight("row", f"{_STATE}, ptr noalias %out", program.outputs, _YH, "%out"),
    ]
    return "\n".join(text for text, _ in made), {use for _, block in made for use in block.calls}


def functions_text(calls: set[tuple[str, int]]) -> str:
    """Define the elementary functions in use, by lanes, and declare C functions."""
    widths = sorted({k for _, k in calls} | {1})
    parts = [definitions({f for f, k in calls if k == lanes}, lanes) for lanes in widths]
    used = [(f, k) for f, k in LIBRARY.items() if any(f == name for name, _ in calls)]
    parts += [f"declare double @bonepk.{f}({', '.join(['double'] * k)})" for f, k in used]
    return "\n".join(parts)


def program_text(program: Program) -> str:
    """LLVM text of a program's blocks."""
    state, yh = _STATE, _YH
    person, calls = person_text(program)
    parts = [person]

    def keep(made: tuple[str, Block]) -> None:
        parts.append(made[0])
        calls.update(made[1].calls)

    block = Block(1)
    for i, value in enumerate(print_block(block, program.rhs, _Loads(block, yh))):
        place = block.new(f"getelementptr double, ptr %rate, i64 {i}")
        total = block.new(f"fadd double {value}, {block.new(f'load double, ptr {place}')}")
        place = block.new(f"getelementptr double, ptr %out, i64 {i}")
        block.lines.append(f"  store double {total}, ptr {place}")
    head = f"define void @rhs({state}, ptr noalias %rate, ptr noalias %out) nounwind {{"
    keep(("\n".join([head, *block.lines, "  ret void", "}"]), block))

    block = Block(1)
    for i, value in enumerate(print_block(block, program.jacobian, _Loads(block, yh))):
        at = block.new(f"load i32, ptr {block.new(f'getelementptr i32, ptr %places, i64 {i}')}")
        place = block.new(f"getelementptr double, ptr %out, i32 {at}")
        block.lines.append(f"  store double {value}, ptr {place}")
    head = f"define void @jacobian({state}, ptr noalias %out, ptr noalias %places) nounwind {{"
    keep(("\n".join([head, *block.lines, "  ret void", "}"]), block))

    keep(_straight("dfdt", f"{state}, ptr noalias %out", program.dfdt, yh, "%out"))
    parts.append(_rows_text(program.layout.n, len(program.outputs)))
    parts.append(_objects_text())
    return "\n".join([functions_text(calls), *parts])


def _rows_text(n: int, m: int) -> str:
    return f"""
define void @outputs(i64 %rows, ptr noalias %t, ptr noalias %y, ptr noalias %h, ptr noalias %out) nounwind {{
entry:
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %rows
  br i1 %more, label %body, label %done
body:
  %time_at = getelementptr double, ptr %t, i64 %i
  %time = load double, ptr %time_at
  %y_from = mul i64 %i, {n}
  %y_at = getelementptr double, ptr %y, i64 %y_from
  %out_from = mul i64 %i, {m}
  %out_at = getelementptr double, ptr %out, i64 %out_from
  call void @row(double %time, ptr %y_at, ptr %h, ptr %out_at)
  %next = add i64 %i, 1
  br label %test
done:
  ret void
}}
"""


def _objects_text() -> str:
    """Twins of rhs and jacobian that take array objects and find the data pointers themselves."""
    parts = []
    for name in ("rhs", "jacobian"):
        lines = []
        for k in range(4):
            lines.append(f"  %f{k} = getelementptr i8, ptr %a{k}, i64 {_HEAD}")
            lines.append(f"  %d{k} = load ptr, ptr %f{k}")
        arguments = ", ".join(f"ptr %a{k}" for k in range(4))
        data = ", ".join(f"ptr %d{k}" for k in range(4))
        parts.append(f"define void @{name}_objects(double %t, {arguments}) nounwind {{")
        parts += [*lines, f"  call void @{name}(double %t, {data})", "  ret void", "}"]
    return "\n".join(parts)


def _layout_holds() -> bool:
    probe = np.arange(3.0)
    return ctypes.c_void_p.from_address(id(probe) + _HEAD).value == probe.ctypes.data


class LlvmFunctions:
    """Machine code as functions over arrays (contract: `bonepk.engine.compiled.Functions`)."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        at = loaded.addresses
        pointer, number, size, thing = ctypes.c_void_p, ctypes.c_double, ctypes.c_int64, ctypes.py_object
        self._prepare = ctypes.CFUNCTYPE(None, pointer, pointer)(at["prepare"])
        self._initial = ctypes.CFUNCTYPE(None, pointer, pointer)(at["initial"])
        self._dfdt = ctypes.PYFUNCTYPE(None, number, pointer, pointer, pointer)(at["dfdt"])
        self._outputs = ctypes.CFUNCTYPE(None, size, pointer, pointer, pointer, pointer)(at["outputs"])
        # a call is shorter than giving up the interpreter lock and taking it again
        if _layout_holds():
            four = ctypes.PYFUNCTYPE(None, number, thing, thing, thing, thing)
            self.rhs: Callable[..., Any] = four(at["rhs_objects"])
            self.jacobian: Callable[..., Any] = four(at["jacobian_objects"])
        else:
            plain = ctypes.PYFUNCTYPE(None, number, pointer, pointer, pointer, pointer)
            self.rhs = _by_address(plain(at["rhs"]))
            self.jacobian = _by_address(plain(at["jacobian"]))

    def prepare(self, p: F8, h: F8) -> None:
        """Write the hoisted values of the parameter vector `p` into `h`."""
        self._prepare(p.ctypes.data, h.ctypes.data)

    def initial(self, p: F8, y: F8) -> None:
        """Write the initial state into `y`."""
        self._initial(p.ctypes.data, y.ctypes.data)

    def dfdt(self, t: float, y: F8, h: F8, out: F8) -> None:
        """Write the derivative of the right-hand side by time into `out`."""
        self._dfdt(t, y.ctypes.data, h.ctypes.data, out.ctypes.data)

    def outputs(self, t: F8, y: F8, h: F8, out: F8) -> None:
        """Write the outputs at each time into the rows of `out`."""
        self._outputs(len(t), t.ctypes.data, y.ctypes.data, h.ctypes.data, out.ctypes.data)


def _by_address(function: Callable[..., None]) -> Callable[..., None]:
    def call(t: float, *arrays: NDArray[Any]) -> None:
        function(t, *(a.ctypes.data for a in arrays))

    return call


def llvm_functions(system: System, linear_inputs: Sequence[str]) -> tuple[Layout, LlvmFunctions]:
    """Machine code for a system, from the disk cache if it is there."""
    from bonepk.engine import cache

    def make() -> tuple[Layout, str]:
        from bonepk.engine.lower import lower

        program = lower(system, linear_inputs)
        return program.layout, program_text(program)

    layout, loaded = cache.system_code(system, linear_inputs, _NAMES, make)
    return layout, LlvmFunctions(loaded)
