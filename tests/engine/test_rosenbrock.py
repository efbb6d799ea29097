"""Rodas5P under solve_ivp."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from bonepk.engine import compile_system
from bonepk.engine.rosenbrock import rodas5p

from .systems import turnover


def _decay(t, y):
    return np.array([-1000 * (y[0] - np.cos(t)) - np.sin(t)])


@pytest.mark.parametrize("span", [(0.0, 3.0), (3.0, 2.99)])
def test_stiff_problem_with_moving_equilibrium(span):
    # Prothero and Robinson: y = cos(t) exactly, whatever the stiffness; backward in time it is unstable but short
    got = solve_ivp(
        _decay, span, [np.cos(span[0])], method=rodas5p(), jac=[[-1000.0]], rtol=1e-8, atol=1e-10,
        dfdt=lambda t, y: np.array([-1000 * np.sin(t) - np.cos(t)]), dense_output=True,
    )  # fmt: skip
    assert got.success
    tolerance = 1e-7 if span[1] > span[0] else 1e-3
    times = np.linspace(*span, 50)
    np.testing.assert_allclose(got.sol(times)[0], np.cos(times), atol=tolerance)
    assert len(got.t) < 200


def test_model_against_radau():
    c = compile_system(turnover())
    h = c.prepare(c.parameter_vector())
    y0 = np.array([5.0, 1.0, 20.0, 1.0, 1.0])
    kept = {"t_eval": np.linspace(0, 60, 13), "rtol": 1e-9, "atol": 1e-11, "jac": lambda t, y: c.jacobian(t, y, h)}
    got = solve_ivp(lambda t, y: c.rhs(t, y, h), (0, 60), y0, method=rodas5p(), **kept)
    want = solve_ivp(lambda t, y: c.rhs(t, y, h), (0, 60), y0, method="Radau", **kept)
    np.testing.assert_allclose(got.y, want.y, rtol=1e-7, atol=1e-8)
    assert len(got.y) == 5


def test_needs_a_jacobian():
    with pytest.raises(ValueError, match="needs 'jac'"):
        solve_ivp(_decay, (0, 1), [1.0], method=rodas5p())


def test_gives_up_where_nothing_is_finite():
    got = solve_ivp(lambda t, y: y * np.nan, (0, 1), [1.0], method=rodas5p(), jac=[[0.0]])
    assert not got.success
