"""Hazards: quadrature against closed forms, order of convergence, drawing by inversion, death beside the event."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonepk.study.outcomes.cumulative import (
    cumulative_hazard,
    event_months,
    incidence,
    incidence_beside_death,
    pooled_incidence,
)

MONTHS = np.array([0.0, 1.0, 2.5, 6.0, 12.0, 30.0])


def test_hazard_that_is_exponential_in_time_is_integrated_exactly():
    growth = 0.31  # per year
    hazard = 0.02 * np.exp(growth * MONTHS / 12)
    exact = 0.02 * np.expm1(growth * MONTHS / 12) / growth
    assert cumulative_hazard(MONTHS, hazard) == pytest.approx(exact, rel=1e-13)


def test_constant_hazard_and_a_hardly_changing_one_do_not_lose_digits():
    flat = np.full(len(MONTHS), 0.05)
    assert cumulative_hazard(MONTHS, flat) == pytest.approx(0.05 * MONTHS / 12, rel=1e-14)
    near = 0.05 * (1 + 1e-12 * MONTHS)
    assert cumulative_hazard(MONTHS, near) == pytest.approx(0.05 * MONTHS / 12, rel=1e-10)


def test_rule_is_of_second_order_on_a_smooth_hazard():
    def error(steps):
        t = np.linspace(0, 24, steps + 1)
        hazard = 0.03 * (1.2 + np.sin(t / 4))
        exact = 0.03 * (1.2 * 24 + 4 * (1 - np.cos(6.0))) / 12
        return abs(cumulative_hazard(t, hazard)[-1] - exact)

    steps = np.array([40, 80, 160, 320])
    slope = np.polyfit(np.log(steps), np.log([error(n) for n in steps]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.05)


@pytest.mark.parametrize("bad", [0.0, -0.1, np.nan, np.inf])
def test_hazard_must_be_positive_and_finite(bad):
    hazard = np.full(len(MONTHS), 0.1)
    hazard[2] = bad
    with pytest.raises(ValueError, match="not positive and finite"):
        cumulative_hazard(MONTHS, hazard)


def test_pooled_incidence_is_the_mean_of_the_women_not_of_their_hazards():
    total = np.array([[0.0, 0.1], [0.0, 2.0]])
    pooled = pooled_incidence(total, np.array([3.0, 1.0]))
    assert pooled[1] == pytest.approx((3 * (1 - np.exp(-0.1)) + 1 - np.exp(-2.0)) / 4)
    assert pooled[1] < incidence(np.array([0.575]))[0]


def test_incidence_beside_death_has_its_closed_form_for_constant_hazards():
    event, death = 0.04 * MONTHS / 12, 0.10 * MONTHS / 12
    exact = 0.04 / 0.14 * (1 - np.exp(-0.14 * MONTHS / 12))
    assert incidence_beside_death(event, death) == pytest.approx(exact, rel=1e-12)
    assert incidence_beside_death(event, np.zeros(len(MONTHS))) == pytest.approx(incidence(event), rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(1e-4, 3.0), min_size=6, max_size=6), st.floats(1e-9, 1 - 1e-9))
def test_drawn_month_gives_back_its_number(levels, u):
    hazard = np.array([levels])
    month = event_months(MONTHS, hazard, np.array([u]))[0]
    total = cumulative_hazard(MONTHS, hazard)[0]
    if -np.log1p(-u) >= total[-1]:
        assert month == np.inf
        return
    k = min(int(np.searchsorted(MONTHS, month, side="right")) - 1, len(MONTHS) - 2)
    here = levels[k] * (levels[k + 1] / levels[k]) ** ((month - MONTHS[k]) / (MONTHS[k + 1] - MONTHS[k]))
    reached = total[k] + cumulative_hazard(np.array([MONTHS[k], month]), np.array([levels[k], here]))[-1]
    assert 1 - np.exp(-reached) == pytest.approx(u, rel=1e-7, abs=1e-12)


def test_drawn_months_follow_the_incidence():
    rng = np.random.default_rng(7)
    hazard = np.tile(0.2 * np.exp(-MONTHS / 20), (200_000, 1))
    months = event_months(MONTHS, hazard, rng.random(len(hazard)))
    expected = incidence(cumulative_hazard(MONTHS, hazard[0]))
    found = [(months <= m).mean() for m in MONTHS]
    # 4 standard errors of a share among 200,000
    assert np.abs(np.array(found) - expected).max() < 4 * 0.5 / np.sqrt(len(hazard))


def test_an_event_does_not_depend_on_what_comes_after_it():
    hazard = np.full((1, len(MONTHS)), 0.5)
    later = hazard.copy()
    later[0, 4:] = 5.0
    u = np.array([0.05])
    assert event_months(MONTHS, hazard, u) == event_months(MONTHS, later, u)
