"""The parser takes the listed language and refuses all else with a place and a cure."""

from __future__ import annotations

import inspect
import math
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonepk.errors import Faults, ModelTextError
from bonepk.model.expr import Expr, call, evaluate, num, sym, to_text
from bonepk.model.operators import ARITY
from bonepk.model.parse import FUNCTION_NAMES, MAX_DEPTH, parse_expression, read_expression

PLACE = "file.toml:7 [quantities.x]"


def value(text: str, **names: float) -> float:
    return float(evaluate([parse_expression(text)], names)[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7.0),
        ("-2**2", -4.0),
        ("2**3**2", 512.0),
        ("(1 + 2)*3", 9.0),
        ("7/2/2", 1.75),
        ("+a - -b", 5.0),
        ("a < b", 1.0),
        ("a >= b or not b > 100", 1.0),
        ("a == 2 and b != 2", 1.0),
        ("min(a, b, 1)", 1.0),
        ("max(a, b, 1)", 3.0),
        ("where(a < b, a, b)", 2.0),
        ("log10(1000)", 3.0),
        ("log2(8)", 3.0),
        ("hill(a, b, 2)", 4.0 / 13.0),
        ("softplus(0)", math.log(2.0)),
        ("expit(0)", 0.5),
        ("pi", math.pi),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("a\n   *\tb", 6.0),
    ],
)
def test_value(text, expected):
    # one or two roundings of double precision
    assert value(text, a=2.0, b=3.0) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "found", "cure"),
    [
        ("", "empty expression", "write a number or a formula"),
        ("   ", "empty expression", "write a number or a formula"),
        ("1e400", "number 1e400 at column 1 is too large", "below 1.8e308"),
        ("9" * 400, "is too large", "below 1.8e308"),
        ("9**9**9**9", "constant expression 'pow'", "finite number"),
        ("1/0", "division by the constant 0", "finite number"),
        ("log(0)", "constant expression 'log'", "finite number"),
        ("log(-1)", "constant expression 'log'", "finite number"),
        ("(-8)**(1/3)", "constant expression 'pow'", "finite number"),
        ("exp(1000)", "constant expression 'exp'", "finite number"),
        ("a.b.c", "'a.b.c'", "one component's name and one symbol"),
        ("a.__class__", "name '__class__' at column 1", "two underscores"),
        ("os.system('x')", '"\'" at column 11', "strings have no place"),
        ("a.b(1)", "call of 'a.b'", "listed functions"),
        ("__import__(1)", "name '__import__'", "two underscores"),
        ("eval(a)", "unknown function 'eval'", "known are"),
        ("ex(1)", "unknown function 'ex'", "did you mean 'exp'?"),
        ("Exp(1)", "unknown function 'Exp'", "did you mean 'exp'?"),
        ("lambda x: x", "'lambda' at column 1", "functions cannot be defined"),
        ("'text'", '"\'" at column 1', "strings have no place"),
        ('"text"', "'\"' at column 1", "strings have no place"),
        ("[i for i in x]", "'[' at column 1", "lists and indices"),
        ("x[0]", "'[' at column 2", "lists and indices"),
        ("{a}", "'{' at column 1", "use ( )"),
        ("max(x, key=a)", "'=' at column 11", "cannot assign"),
        ("a = b", "'=' at column 3", "cannot assign"),
        ("(a := 3)", "':=' at column 4", "its own entry under [quantities]"),
        ("a < b < c", "chained comparison 'a < b < c'", "write 'a < b and b < c'"),
        ("a if b else c", "'if' at column 3", "where(condition, if_true, if_false)"),
        ("a is b", "'is' at column 3", "compare with =="),
        ("True", "'True' at column 1", "write 1"),
        ("None", "'None' at column 1", "no meaning"),
        ("await x", "'await' at column 1", "no meaning"),
        ("x^2", "'^' at column 2", "write a power as **"),
        ("a % b", "'%' at column 3", "no remainder operator"),
        ("a // b", "'//' at column 3", "divide with /"),
        ("a & b", "'&' at column 3", "write 'and'"),
        ("!a", "'!' at column 1", "write 'not'"),
        ("a @ b", "'@' at column 3", "no meaning"),
        ("a; b", "';' at column 2", "no meaning"),
        ("a, b", "'(a, b)' is not an arithmetic expression", "use names, numbers"),
        ("min(*a)", "'*a' is not an arithmetic expression", "use names, numbers"),
        ("a b", "cannot read 'a b' at column 3", "operator or a comma missing"),
        ("a +", "cannot read 'a +'", "operator or a comma missing"),
        ("2x", "'2x' at column 1", "2*x"),
        ("2(x)", "call of '2'", "listed functions"),
        ("1or 2", "'1o' at column 1", "2*x"),
        ("0x10", "'0x' at column 1", "2*x"),
        ("1j", "'1j' at column 1", "2*x"),
        ("1_000", "'1_' at column 1", "2*x"),
        ("012", "cannot read '012'", "operator"),
        ("(a", "1 bracket(s) not closed", "add ')'"),
        ("a)", "')' at column 2 closes nothing", "remove it"),
        ("exp", "function 'exp' without arguments", "write exp(...)"),
        ("exp(1, 2)", "'exp' with 2 argument(s)", "it takes 1"),
        ("min(1)", "'min' with 1 argument(s)", "it takes 2 or more"),
        ("hill(x)", "'hill' with 1 argument(s)", "it takes 3"),
        ("µ + 1", "'µ' at column 1", "no meaning"),
        ("a × b", "'×' at column 3", "multiply with *"),
        ("a # b", "'#' at column 3", "comments outside"),
        ("a\0b", "'\\x00' at column 2", "no meaning"),
        ("...", "'.' at column 1", "no meaning"),
        ("(" * 10_000 + "1" + ")" * 10_000, "expression of 20001 characters", "at most 10000"),
        ("(" * 4_000 + "1" + ")" * 4_000, "more than 60 brackets open", "split it"),
        ("-" * 9_000 + "a", "nested more than 200 levels", "split it"),
        ("not " * 2_000 + "a", "nested more than 200 levels", "split it"),
        ("a**" * 3_000 + "a", "nested more than 200 levels", "split it"),
        ("a+" * 4_000 + "a", "nested more than 200 levels", "split it"),
        ("f" * 10_001, "expression of 10001 characters", "split it"),
        ("+".join(["(" + "*".join("abcdefghijklmno") + ")"] * 180), "more than 5000 names", "split it"),
    ],
)
def test_refused_with_place_and_cure(text, found, cure):
    with pytest.raises(ModelTextError) as caught:
        parse_expression(text, PLACE)
    (fault,) = caught.value.faults
    assert fault.place == PLACE
    assert found in fault.found
    assert cure in fault.cure
    assert str(caught.value).startswith(f"{PLACE}: ")


def test_a_long_sum_within_the_cap_is_read():
    assert value("+".join(["a"] * MAX_DEPTH), a=1.0) == MAX_DEPTH


def test_qualified_name_is_one_symbol():
    assert parse_expression("denosumab.CL*2") is sym("denosumab.CL") * 2
    assert parse_expression("denosumab . CL") is sym("denosumab.CL")


def test_hill_is_finite_at_zero_and_keeps_its_meaning():
    x = np.array([0.0, 1e-8, 1.0, 50.0])
    (got,) = evaluate([parse_expression("hill(x, 3, 0.7)")], {"x": x})
    np.testing.assert_allclose(got, x**0.7 / (3**0.7 + x**0.7), rtol=1e-14)


def test_every_listed_function_can_be_called():
    arity = {**ARITY, "log10": 1, "log2": 1, "hill": 3}
    for name in FUNCTION_NAMES:
        expr = parse_expression(f"{name}({', '.join('abc'[: arity[name]])})")
        assert isinstance(expr, Expr)


names = st.sampled_from(["a", "b", "x1", "denosumab.CL", "t"])
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64) | st.integers(-1000, 1000).map(float)
leaves = names.map(sym) | numbers.map(num)


def _applied(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def build(op: str) -> st.SearchStrategy[Expr]:
        def apply(args: list[Expr]) -> Expr:
            try:
                return call(op, *args)
            except ValueError:  # a constant without a finite value is refused when built
                return sym("a")

        return st.lists(children, min_size=ARITY[op], max_size=ARITY[op]).map(apply)

    return st.sampled_from(sorted(ARITY)).flatmap(build)


expressions = st.recursive(leaves, _applied, max_leaves=25)


@given(expressions)
def test_written_text_reads_back_as_the_same_node(expr):
    assert parse_expression(to_text(expr)) is expr


@given(expressions)
def test_pickled_expression_is_the_same_node(expr):
    assert pickle.loads(pickle.dumps(expr)) is expr


@given(st.text(max_size=60) | st.text(alphabet="ab1.e()+-*/<>=! ,\n_t", max_size=60))
def test_any_text_is_read_or_refused_with_its_place(text):
    faults = Faults()
    expr = read_expression(text, PLACE, faults)
    if expr is None:
        assert all(fault.place == PLACE and fault.found for fault in faults)
    else:
        assert not list(faults)
        assert parse_expression(to_text(expr)) is expr


def test_little_stack_left_is_a_fault_and_no_recursion_error():
    def descend(levels: int) -> str:
        if levels:
            return descend(levels - 1)
        try:
            return str(parse_expression("(" * 50 + "+".join(["a"] * 190) + ")" * 50, PLACE))
        except ModelTextError as error:
            return str(error)

    room = sys.getrecursionlimit() - len(inspect.stack())
    # 60 frames are fewer than the 190 levels of the expression need
    assert "levels deep" in descend(room - 60)
