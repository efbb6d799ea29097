"""Loops and branches written with `with` blocks do what they say."""

import ctypes

import pytest

pytest.importorskip("llvmlite")

from bonepk.engine.emit import Function
from bonepk.engine.jit import compile_text, load_object


def _run(fn, result):
    loaded = load_object(compile_text(fn.text(result)), ["f"])
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.addresses["f"]), loaded


def test_nested_counts_and_conditions():
    fn = Function("i64 @f(i64 %n)")
    total = fn.variable("i64", "0")
    with fn.count("%n") as i, fn.count(i, step=2) as j, fn.when(fn.i("ne", j, 4)):
        total.set(fn.i("add", total.get(), j))
    f, kept = _run(fn, f"i64 {total.get()}")
    for n in (0, 1, 5, 12):
        assert f(n) == sum(j for i in range(n) for j in range(0, i, 2) if j != 4)
    assert kept.addresses["f"]


def test_leaving_a_loop():
    fn = Function("i64 @f(i64 %n)")
    x, steps = fn.variable("i64", "%n"), fn.variable("i64", "0")
    with fn.forever() as leave:
        fn.leave(leave, fn.i("sle", x.get(), 1))
        odd = fn.i("eq", fn.new(f"and i64 {x.get()}, 1"), 1)
        up = fn.i("add", fn.i("mul", x.get(), 3), 1)
        x.set(fn.choose(odd, up, fn.new(f"ashr i64 {x.get()}, 1"), "i64"))
        steps.set(fn.i("add", steps.get(), 1))
    f, kept = _run(fn, f"i64 {steps.get()}")
    assert [f(n) for n in (1, 6, 27)] == [0, 8, 111]
    assert kept.addresses["f"]
