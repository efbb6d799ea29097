"""Steady states: closed forms, far starts, and what has none."""

import numpy as np
import pytest

from bonepk.engine import compile_system
from bonepk.engine.steady import steady_state
from bonepk.errors import NotFoundError, SolverError

from .systems import make, turnover


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_linear_system_in_one_step(backend):
    c = compile_system(make({"a": (9.0, "k - 2*a + b"), "b": (0.0, "a - 3*b")}, {"k": 5.0}), backend)
    got = steady_state(c, c.parameter_vector())
    np.testing.assert_allclose(got.y, [3.0, 1.0], rtol=1e-14)
    assert got.residual < 1e-14
    assert got.spans == 0
    assert got.slowest == pytest.approx((-5 + np.sqrt(5)) / 2)


def test_infusion_and_model_that_is_steady_already():
    c = compile_system(turnover())
    p = c.parameter_vector()
    at_rest = steady_state(c, p)
    np.testing.assert_allclose(at_rest.y, c.initial(p), rtol=1e-12)
    rate = np.array([0.2, 0.0, 0.0, 0.0, 0.0])
    got = steady_state(c, p, rate=rate)
    assert got.residual < 1e-9
    assert got.slowest < 0
    assert got.y[0] == pytest.approx(0.2 / 0.3)
    # all that is infused is eliminated
    conc = got.y[1] / 3.0
    assert 0.07 * conc + 0.9 * got.y[1] / (0.2 * 3.0 + got.y[1]) == pytest.approx(0.2, rel=1e-9)


def test_start_from_where_newton_cannot():
    # a steep switch: Newton from x = 0 leaves at once; time leads to the lower branch
    c = compile_system(make({"x": (0.0, "0.05 + x**8/(1 + x**8) - 0.5*x")}))
    got = steady_state(c, c.parameter_vector(), y0=np.array([0.9]))
    assert got.residual < 1e-9
    assert abs(c.rhs(0.0, got.y, c.prepare(c.parameter_vector()))[0]) < 1e-12


def test_running_total_is_named_or_left_out():
    c = compile_system(make({"x": (1.0, "2 - x"), "total": (7.0, "x")}))
    p = c.parameter_vector()
    with pytest.raises(SolverError, match="'total' is out of balance"):
        steady_state(c, p)
    got = steady_state(c, p, free=["total"])
    np.testing.assert_allclose(got.y, [2.0, 7.0])
    with pytest.raises(NotFoundError, match="did you mean 'total'"):
        steady_state(c, p, free=["totl"])
