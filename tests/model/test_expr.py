"""The shared expression graph: identity, derivatives against a complex step, gradient."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bonepk.model.expr import (
    ONE,
    ZERO,
    Expr,
    call,
    derivative,
    evaluate,
    gradient,
    num,
    substitute,
    sym,
    symbols_of,
    topological,
    where,
)
from bonepk.model.operators import ARITY
from bonepk.model.parse import parse_expression

a, b = sym("a"), sym("b")


def test_equal_structure_is_one_node():
    assert (a + b * 2) is (sym("a") + sym("b") * 2)
    assert (a + b) is not (b + a)


def test_neutral_elements_vanish():
    assert a + 0 is a
    assert a * 1 is a
    assert a * 0 is ZERO
    assert a**0 is ONE
    assert a - a is ZERO
    assert call("neg", -a) is a
    assert where(a, b, b) is b


def test_no_negative_zero():
    assert num(-0.0) is ZERO
    assert num(1e-200) * num(-1e-200) is ZERO


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_numbers_are_finite(bad):
    with pytest.raises(ValueError, match="not finite"):
        num(bad)


SMOOTH = [
    "a*b/(a + b)",
    "a**b",
    "exp(-a)*log(b)",
    "log1p(a) + expm1(b)",
    "sqrt(a*b)",
    "sin(a)*cos(b)",
    "tanh(a - b)",
    "softplus(a - 3)*expit(b - 1)",
    "hill(a, b, 1.7)",
    "where(a < b, a**2, b**2)",
    "min(a, b)*max(a, 2*b)",
    "abs(a - b)",
    "-(a/b)**-1.5",
]


@pytest.mark.parametrize("text", SMOOTH)
@pytest.mark.parametrize("point", [(0.7, 1.9), (2.5, 0.3), (40.0, 3.0)])
def test_derivative_is_the_complex_step(text, point):
    expr = parse_expression(text)
    at = dict(zip("ab", point, strict=True))
    for name in "ab":
        (symbolic,) = evaluate(derivative([expr], name), at)
        (stepped,) = evaluate([expr], {**at, name: at[name] + 1e-30j})
        # a complex step has no truncation error; powers lose two or three digits
        assert symbolic == pytest.approx(np.imag(stepped) / 1e-30, rel=1e-12, abs=1e-14)


@given(st.sampled_from(SMOOTH), st.sampled_from(SMOOTH))
def test_gradient_is_every_derivative(first, second):
    exprs = [parse_expression(first), parse_expression(second)]
    by_row = gradient(exprs, ["a", "b"])
    at = {"a": 0.9, "b": 1.4}
    for row, expr in zip(by_row, exprs, strict=True):
        for name in "ab":
            (one,) = evaluate(derivative([expr], name), at)
            (other,) = evaluate([row.get(name, ZERO)], at)
            # sums are taken in another order
            assert other == pytest.approx(one, rel=1e-13, abs=1e-15)


def test_softplus_and_expit_hold_at_both_ends():
    x = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])
    soft, sig = evaluate([parse_expression("softplus(x)"), parse_expression("expit(x)")], {"x": x})
    np.testing.assert_allclose(soft, np.logaddexp(0, x), rtol=1e-15)
    np.testing.assert_allclose(sig, [0.0, 9.357622968839299e-14, 0.5, 1.0, 1.0], rtol=1e-12, atol=1e-300)


def test_substitution_is_once_and_together():
    assert substitute([a + b], {"a": b, "b": a}) == [b + a]


def test_topological_puts_operands_first_without_recursion():
    deep = a
    for _ in range(20_000):
        deep = call("tanh", deep)
    order = topological([deep])
    assert len(order) == 20_001
    assert order[0] is a
    assert symbols_of([deep]) == {"a"}


@given(st.sampled_from(sorted(ARITY)))
def test_wrong_number_of_arguments_is_refused(op):
    with pytest.raises(ValueError, match="argument"):
        call(op, *[a] * (ARITY[op] + 1))


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_constants_fold_to_the_value_of_the_same_operation(x, y):
    for op in ("add", "sub", "mul", "div", "min", "max", "lt", "ge"):
        assume(not (op == "div" and abs(y) < 1e-100))  # the ratio overflows and is refused
        folded = call(op, num(x), num(y))
        assert folded.op == "num"
        (direct,) = evaluate([call(op, a, b)], {"a": x, "b": y})
        assert folded.value == float(direct)


def test_threads_make_one_node_of_one_expression():
    def build(_: int) -> list[int]:
        total = sym("start")
        made = []
        for k in range(300):
            total = total * 1.5 + k
            made.append(total)
        kept.extend(made)
        return [id(e) for e in made]

    kept: list[Expr] = []  # nodes must live while their identities are compared
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(build, range(8)))
    assert all(ids == found[0] for ids in found)


@pytest.mark.parametrize("op", ["lt", "le", "gt", "ge", "eq", "ne", "and", "or"])
@pytest.mark.parametrize("y", [1.0, np.array([1.0, 3.0]), 1.0 + 1e-20j])
def test_truth_is_a_number_of_full_precision(op, y):
    """NumPy's own exp of a boolean has half precision, and a boolean has no minus."""
    truth = call(op, sym("x"), sym("y"))
    up, down = evaluate([call("exp", truth), -truth], {"x": 2.0, "y": y})
    assert set(np.ravel(up)) <= {1.0, np.e}
    assert set(np.ravel(down)) <= {0.0, -1.0}
