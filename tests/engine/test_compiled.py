"""Lowering and both back ends against direct evaluation of the expression graph."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bonepk.engine.compiled import compile_system
from bonepk.engine.lower import lower
from bonepk.errors import MissingExtraError, NotFoundError
from bonepk.model.expr import call, evaluate, num, sym, where

from .systems import make, turnover

BACKENDS = [
    "numpy",
    pytest.param("llvm", marks=pytest.mark.skipif("not __import__('importlib.util').util.find_spec('llvmlite')")),
]


def _environment(system, t, y, p):
    names = [*system.parameter_names, *system.input_names]
    return {"t": t, **dict(zip(system.state_names, y, strict=True)), **dict(zip(names, p, strict=False))}


def _direct(system, exprs, t, y, p):
    return np.array(evaluate(exprs, _environment(system, t, y, p)), dtype=float)


@pytest.mark.parametrize("backend", BACKENDS)
def test_blocks_equal_direct_evaluation(backend):
    system = turnover()
    c = compile_system(system, backend)
    rng = np.random.default_rng(1)
    for _ in range(20):
        p = c.parameter_vector() * np.exp(rng.normal(0, 0.3, c.n_vector))
        y, t = np.exp(rng.normal(0, 1, c.n)), rng.uniform(0, 100)
        h = c.prepare(p)
        want = _direct(system, system.flat_rates, t, y, p)
        # differences of large terms lose digits: compare with the size of the terms, 1e-13 of them
        np.testing.assert_allclose(c.rhs(t, y, h), want, rtol=1e-11, atol=1e-13 * 800 * abs(y).max())
        np.testing.assert_allclose(c.initial(p), _direct(system, system.flat_initial, t, y, p), rtol=1e-14)
        out = c.outputs(np.array([t, t + 1]), np.array([y, y]), h)
        np.testing.assert_allclose(out[0], _direct(system, system.flat_outputs, t, y, p), rtol=1e-12, atol=1e-11)
        assert out[1, 2] == pytest.approx(24 * (t + 1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_jacobian_against_complex_step(backend):
    system = turnover()
    c = compile_system(system, backend)
    p = c.parameter_vector()
    y = np.array([1.0, 2.0, 20.0, 0.9, 1.1])
    h = c.prepare(p)
    j = c.jacobian(3.0, y, h)
    for k in range(c.n):
        z = y.astype(complex)
        z[k] += 1e-30j
        column = np.imag(evaluate(system.flat_rates, _environment(system, 3.0, z, p))) / 1e-30
        np.testing.assert_allclose(j[:, k], column, rtol=1e-12, atol=1e-13)
    full = np.zeros((c.n, c.n))
    full[c.rows, c.cols] = c.jacobian_sparse(3.0, y, h)
    np.testing.assert_array_equal(full, j)


@pytest.mark.parametrize("backend", BACKENDS)
def test_powers_agree_with_pow_at_zero_and_below(backend):
    system = make(
        {"x": (1.0, "x**g"), "z": (1.0, "x**3 + x**-2 + x**0.5 + x**2.5"), "w": (1.0, "x**-1.5 + 2.5**x")}, {"g": 2.0}
    )
    c = compile_system(system, backend)
    for g in (0.0, 1.0, 2.0, 3.0, 1.5, -1.0, -2.0, 0.3):
        h = c.prepare(np.array([g]))
        for x in (0.0, 1e-90, 0.3, 1.0, 7.0, -2.0, -0.5):
            y = np.array([x, 1.0, 1.0])
            with np.errstate(all="ignore"):
                power = np.power(x, g)
                slope = g * np.power(x, g - 1) if g else 0.0
            got = c.rhs(0.0, y, h)
            np.testing.assert_allclose(got[0], power, rtol=1e-12, err_msg=f"{x}**{g}")
            if g or x:  # 0**0 has no slope
                np.testing.assert_allclose(c.jacobian(0.0, y, h)[0, 0], slope, rtol=1e-12, err_msg=f"slope {x}**{g}")
            with np.errstate(all="ignore"):
                z = x**3 + np.float64(x) ** -2 + np.sqrt(x) + np.power(x, 2.5)
                w = np.power(x, -1.5) + 2.5**x
            np.testing.assert_allclose(got[1:], [z, w], rtol=1e-12)


def test_constants_are_hoisted_and_logarithms_shared():
    program = lower(
        make({"x": (1.0, "a*b*x/c + x**g - (x/2)**g*exp(k) + x**(g-1)")}, {"a": 1, "b": 2, "c": 3, "g": 1.5, "k": 0.1})
    )
    from bonepk.model.expr import topological

    ops = [node.op for node in topological(program.rhs)]
    assert "pow" not in ops
    assert ops.count("log") == 2  # of x and of x/2
    assert all(s.name[0] in "tyh" for s in topological(program.rhs) if s.op == "sym")
    assert all(s.name[0] == "p" for s in topological(program.prepare) if s.op == "sym")


def test_linear_input_moves_with_time():
    system = make({"x": (1.0, "u*x + t"), "z": ("u", "0*x + u")}, {}, {"u": 2.0, "v": 1.0}, {"u_now": "u"})
    c = compile_system(system, linear_inputs=["u"])
    assert c.linear_inputs == ("u",)
    ((place, slope, since),) = c.linear
    p = c.parameter_vector({"u": 3.0, "u@slope": 0.5, "u@since": 10.0})
    assert (p[place], p[slope], p[since]) == (3.0, 0.5, 10.0)
    h = c.prepare(p)
    y = np.array([2.0, 0.0])
    np.testing.assert_allclose(c.rhs(14.0, y, h), [5.0 * 2 + 14, 5.0])
    np.testing.assert_allclose(c.dfdt(14.0, y, h), [0.5 * 2 + 1, 0.5])
    np.testing.assert_allclose(c.outputs(np.array([10.0, 14.0]), np.array([y, y]), h)[:, 0], [3.0, 5.0])
    np.testing.assert_allclose(c.initial(p), [1.0, 3.0])
    np.testing.assert_allclose(c.rhs(0.0, y, h, np.array([1.0, 2.0])) - c.rhs(0.0, y, h), [1.0, 2.0])


_LEAVES = st.sampled_from([sym("x"), sym("y"), sym("t"), sym("a"), sym("b"), num(0.7), num(2.0), num(-1.3)])


def _grow(children):
    one = st.sampled_from(
        ["neg", "exp", "log", "log1p", "expm1", "sqrt", "abs", "sin", "cos", "tanh", "softplus", "expit"]
    )
    two = st.sampled_from(["add", "sub", "mul", "div", "pow", "min", "max", "lt", "ge", "eq", "and", "or"])

    def build(op, *args):
        if op == "pow" and args[0].op == "num":
            args = (num(2.5), args[1])  # a fixed negative base has no slope in its exponent
        try:
            return call(op, *args)
        except ValueError:  # a constant without a finite value
            return num(1.0)

    return st.one_of(
        st.builds(build, one, children),
        st.builds(build, two, children, children),
        st.builds(lambda c, a, b: where(call("gt", c, num(0.0)), a, b), children, children, children),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    exprs=st.lists(st.recursive(_LEAVES, _grow, max_leaves=25), min_size=2, max_size=2),
    values=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_back_ends_agree_on_random_graphs(exprs, values):
    pytest.importorskip("llvmlite")
    system = make({"x": (0.0, exprs[0]), "y": (0.0, exprs[1])}, {"a": values[0], "b": values[1]})
    machine, plain = compile_system(system, "llvm"), compile_system(system, "numpy")
    y = np.array(values[2:])
    p = machine.parameter_vector()
    with np.errstate(all="ignore"):
        got, want = machine.prepare(p), plain.prepare(p)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        # an error of one unit in the last place may grow on its way (exp of a large number, differences):
        # measure that growth by moving every input by 1e-13 and ask for no more
        h = plain.prepare(p)
        a, b = machine.rhs(0.9, y, h), plain.rhs(0.9, y, h)
        moved = [plain.rhs(0.9 + s * 1e-13, y * (1 + s * 1e-13) + s * 1e-14, h * (1 + s * 1e-13)) for s in (-1, 1)]
        slack = np.nanmax(np.abs(np.array(moved) - b), axis=0, initial=0.0)
    for i in range(2):
        if np.isfinite(b[i]) and np.isfinite(slack[i]) and slack[i] < 1e-6 * max(1.0, abs(b[i])):
            assert abs(a[i] - b[i]) <= 1e-12 * max(1.0, abs(b[i])) + 10 * slack[i]


@pytest.mark.parametrize("backend", BACKENDS)
def test_not_finite_is_shown_not_hidden(backend):
    c = compile_system(make({"x": (1.0, "log(x)"), "z": (1.0, "1/x"), "w": (1.0, "exp(1000*z)")}), backend)
    h = c.prepare(c.parameter_vector())
    np.testing.assert_array_equal(c.rhs(0.0, np.array([-1.0, 1.0, 0.0]), h), [np.nan, -1.0, np.inf])
    np.testing.assert_array_equal(c.rhs(0.0, np.array([0.0, 0.0, 0.0]), h), [-np.inf, np.inf, 1.0])


def test_arrays_of_other_kinds_and_lengths():
    c = compile_system(turnover())
    p = c.parameter_vector()
    h = c.prepare(p)
    y = c.initial(p)
    strided = np.zeros(10)[::2]
    strided[:] = y
    np.testing.assert_array_equal(c.rhs(0.0, strided, h), c.rhs(0.0, y, h))
    np.testing.assert_array_equal(c.rhs(0.0, np.ones(5, dtype=int), h), c.rhs(0.0, np.ones(5), h))
    for bad in (lambda: c.rhs(0.0, y[:3], h), lambda: c.rhs(0.0, y, h[:2]), lambda: c.prepare(p[:3])):
        with pytest.raises(ValueError, match=r"shape|numbers"):
            bad()
    with pytest.raises(ValueError, match="expected"):
        c.outputs(np.zeros(2), np.zeros((3, 5)), h)


def test_names_and_messages():
    system = turnover()
    c = compile_system(system)
    assert c.parameter_vector({"CL": 9.0})[c.index("CL")] == 9.0
    with pytest.raises(NotFoundError, match="did you mean 'CL'"):
        c.parameter_vector({"cl": 9.0})
    with pytest.raises(ValueError, match="unknown input"):
        compile_system(system, linear_inputs=["CL"])
    with pytest.raises(ValueError, match="backend 'fortran'"):
        compile_system(system, "fortran")
    with pytest.raises(ValueError, match="undefined name"):
        lower(make({"x": (1.0, sym("nobody"))}))


def test_pickle_gives_equal_code():
    c = compile_system(turnover(), linear_inputs=["food"])
    d = pickle.loads(pickle.dumps(c))
    p = c.parameter_vector()
    y = np.arange(1.0, 6.0)
    np.testing.assert_array_equal(c.rhs(1.0, y, c.prepare(p)), d.rhs(1.0, y, d.prepare(p)))
    assert d.linear_inputs == ("food",)


def test_without_llvmlite_numpy_takes_over():
    program = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'llvmlite' else found(n, *a)\n"
        "from bonepk.model.expr import num, sym\n"
        "from bonepk.model.system import State, System\n"
        "from bonepk.engine import compile_system\n"
        "s = System('a', 'a', 'day', (State('x', '1', num(2.0)),), (), (), (), (), (-sym('x'),), (), (), ())\n"
        "c = compile_system(s); p = c.parameter_vector()\n"
        "print(c.backend, c.rhs(0.0, c.initial(p), c.prepare(p))[0])\n"
        "try:\n    compile_system(s, 'llvm')\nexcept ImportError as e:\n    print(type(e).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["numpy", "-2.0", MissingExtraError.__name__]
