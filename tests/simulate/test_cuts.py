"""Equations that switch at a time of their own are not stepped over."""

import numpy as np
import pytest

from bonepk.engine.timeline import Kind, Op, Timeline
from bonepk.model.compose import compose
from bonepk.model.text import read_component_text
from bonepk.simulate.cuts import cut_at, switch_times
from bonepk.simulate.run import simulate

WINDOW = """
kind = "literature"
title = "a window far out"
time = "day"
[parameters]
begin = { value = 2000, unit = "day", source = "fixed", note = "test" }
length = { value = 10, unit = "day", source = "fixed", note = "test" }
k = { value = 0.1, unit = "1/day", source = "fixed", note = "test" }
s = { value = 1e-4, unit = "pM/day", source = "fixed", note = "test" }
high = { value = 1e-3, unit = "pM/day", source = "fixed", note = "test" }
[states]
x = { initial = "s/k", unit = "pM" }
[quantities]
u = "where(t > begin and t < begin + length, high, 0*high)"
[rates]
x = "s + u - k*x"
"""


@pytest.fixture(scope="module")
def window():
    return compose(read_component_text(WINDOW, "window"))


@pytest.mark.parametrize("method", ["LSODA", "BDF", "Radau"])
def test_a_short_window_after_a_long_rest_acts(window, method):
    run = simulate(window, times=[1999.0, 2005.0, 2010.0, 2015.0, 4000.0], states=True, method=method, rtol=1e-9)
    risen = 1e-2 * (1 - np.exp(-0.1 * np.array([0, 5.0, 10.0, 10.0, 10.0])))
    exact = 1e-3 + risen * np.exp(-0.1 * np.array([0, 0, 0, 5.0, 1990.0]))
    # closed form; both ends of the window cost the solver a few hundred rtol
    np.testing.assert_allclose(run["x"], exact, rtol=1e-6)


def test_switch_times_follow_parameters_and_stay_inside_the_run(window):
    assert switch_times(window, {}, 0.0, 5000.0) == [2000.0, 2010.0]
    assert switch_times(window, {"begin": 30.0, "length": 1.5}, 0.0, 5000.0) == [30.0, 31.5]
    assert switch_times(window, {}, 2005.0, 2010.0) == []


def test_cuts_change_nothing_else():
    ops = [Op(0.0, Kind.RATE, 0, 2.0), Op(3.0, Kind.RECORD, 0), Op(4.0, Kind.RESET), Op(6.0, Kind.RECORD, 1)]
    cut = cut_at(Timeline.build(0.0, ops), [1.0, 5.0])
    assert [(o.time, o.kind, o.value) for o in cut.ops() if o.kind == Kind.RATE] == [(0, 1, 2), (1, 1, 2), (5, 1, 0)]
    assert cut.rows == 2


def test_cuts_come_again_after_the_clock_is_set_back():
    ops = [Op(3.0, Kind.RECORD, 0), Op(0.0, Kind.CLOCK), Op(3.0, Kind.RECORD, 1)]
    cut = cut_at(Timeline.build(0.0, ops), [1.0])
    assert [o.time for o in cut.ops() if o.kind == Kind.RATE] == [1.0, 1.0]
