import math

import numpy as np
import pytest

from bonepk.engine import compile_system
from bonepk.engine.flow import Field, Settings
from bonepk.engine.periodic import constant_state, periodic_state
from bonepk.engine.timeline import Kind, Pattern
from bonepk.errors import SolverError
from bonepk.model.expr import ONE, ZERO, num, sym
from bonepk.model.system import State, System


def field(rates, initial):
    states = tuple(State(n, "1", e) for n, e in initial.items())
    empty = ((),) * 4
    made = System("test", "test", "day", states, *empty, tuple(rates), (), (), ())
    compiled = compile_system(made, backend="numpy")
    p = compiled.parameter_vector()
    return Field(compiled, p, Settings(rtol=1e-10), frozen=0.0), compiled.initial(p)


def bolus(amount, period, state=0):
    return Pattern(period, ((0.0, int(Kind.ADD), state, amount),))


@pytest.mark.parametrize("half_life", [0.01, 1.0, 100.0, 1e4])
def test_a_linear_system_needs_a_handful_of_periods_however_long_its_half_life(half_life):
    k = math.log(2) / half_life
    here, start = field([-(num(k) * sym("x"))], {"x": ZERO})
    found = periodic_state(here, bolus(3.0, 1.0), start, 1e-9)
    exact = 3 * math.exp(-k) / -math.expm1(-k)
    # integration errors of a period count 1/(1 - exp(-k)) times
    assert found.y[0] == pytest.approx(exact, rel=1e-9 / -math.expm1(-k) + 1e-9)
    assert found.periods <= 12
    assert found.residual <= 1e-6


def test_saturable_elimination_close_to_its_limit_is_found_and_beyond_it_refused():
    x = sym("x")
    here, start = field([-(num(10.0) * x / (ONE + x))], {"x": ZERO})
    found = periodic_state(here, bolus(9.9, 1.0), start, 1e-9)
    # over a period x + log(x) falls by exactly 10 and rises by the dose
    peak = found.y[0] + 9.9
    assert (peak + math.log(peak)) - (found.y[0] + math.log(found.y[0])) == pytest.approx(10.0, abs=1e-7)
    with pytest.raises(SolverError, match="no steady state: 'x' still changes by"):
        periodic_state(here, bolus(10.1, 1.0), start, 1e-9)


def test_a_state_that_nothing_moves_stays_where_it_is():
    here, start = field([ONE - sym("x"), ZERO], {"x": ZERO, "still": num(4.0)})
    found = periodic_state(here, bolus(1.0, 2.0), start, 1e-9)
    assert found.y == pytest.approx([1 + math.exp(-2) / (1 - math.exp(-2)), 4.0], rel=1e-8)


def test_a_state_that_adds_up_is_named():
    here, start = field([-sym("x"), sym("x")], {"x": ZERO, "sum": ZERO})
    with pytest.raises(SolverError, match=r"'sum' still changes by 1 .*; check that every dosed state is eliminated"):
        periodic_state(here, bolus(1.0, 2.0), start, 1e-9)


def test_constant_infusion_balances_a_chain_of_very_different_rates():
    a, b = sym("a"), sym("b")
    here, start = field([-(num(50.0) * a), num(50.0) * a - num(1e-4) * b], {"a": ZERO, "b": ZERO})
    pattern = Pattern(0.0, ((0.0, int(Kind.RATE), 0, 2.0),))
    found = constant_state(here, pattern, start, 1e-9)
    assert found.y == pytest.approx([2 / 50, 2 / 1e-4], rel=1e-9)
    assert np.isfinite(found.residual)
    assert found.residual <= 1e-9


def test_constant_infusion_without_elimination_is_refused():
    here, start = field([ZERO * sym("x")], {"x": ZERO})
    with pytest.raises(SolverError, match="no steady state of the constant infusion: 'x' does not settle"):
        constant_state(here, Pattern(0.0, ((0.0, int(Kind.RATE), 0, 2.0),)), start, 1e-9)
