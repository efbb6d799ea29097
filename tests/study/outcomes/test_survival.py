"""Kaplan-Meier and Cox against lifelines 0.30.3 and statsmodels 0.15.0.

The 60 people below were drawn with NumPy (seed 5) and given to both packages once; their numbers are copied here.
"""

import numpy as np
import pytest

from bonepk.errors import DataError
from bonepk.study.outcomes.survival import hazard_ratio, kaplan_meier, observed

# fmt: off
MONTHS = [9, 25, 27, 17, 1, 12, 13, 4, 2, 30, 22, 38, 5, 31, 29, 11, 11, 3, 9, 19, 22, 2, 3, 20, 6, 20, 24, 2, 36, 1,
          40, 12, 7, 11, 20, 8, 9, 35, 10, 12, 8, 10, 25, 9, 1, 15, 2, 8, 6, 12, 12, 38, 7, 13, 21, 29, 27, 5, 17, 13]
EVENTS = [0, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0,
          1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1]
# fmt: on
TREATED = np.arange(60) % 2


def test_cox_ratio_is_that_of_two_packages():
    found = hazard_ratio(MONTHS, EVENTS, TREATED)
    assert np.log(found.value) == pytest.approx(-0.4575893, abs=2e-7)  # the packages stop at 1e-7 themselves
    assert found.se == pytest.approx(0.3396356, abs=2e-7)
    assert (found.low, found.high) == pytest.approx((0.32521695, 1.23131713), rel=1e-6)
    assert found.events == sum(EVENTS)


def test_swapping_the_arms_inverts_the_ratio():
    one, other = hazard_ratio(MONTHS, EVENTS, TREATED), hazard_ratio(MONTHS, EVENTS, 1 - TREATED)
    assert one.value * other.value == pytest.approx(1, rel=1e-9)
    assert (one.low * other.high, one.se) == pytest.approx((1, other.se), rel=1e-9)


def test_kaplan_meier_is_that_of_lifelines():
    found = kaplan_meier(MONTHS, EVENTS)
    expected = {10: (0.30787882, 0.20603101, 0.44398909), 20: (0.51279255, 0.38183764, 0.6586848)}
    expected[30] = (0.71526837, 0.56250422, 0.85175554)
    for month, values in expected.items():
        assert found.at(month) == pytest.approx(values, abs=1e-7)
    assert found.at(0.5) == (0.0, 0.0, 0.0)


def test_ratio_of_exponential_times_is_found_again():
    rng = np.random.default_rng(3)
    treated = np.arange(40_000) % 2 == 1
    months, seen = observed(rng.exponential(np.where(treated, 200.0, 100.0)), 60.0)
    found = hazard_ratio(months, seen, treated)
    assert abs(np.log(found.value / 0.5)) < 4 * found.se
    assert found.low < found.value < found.high


def test_observed_counts_an_event_at_the_end():
    months, seen = observed([5.0, np.inf, 36.0], [36.0, 20.0, 36.0])
    assert months.tolist() == [5.0, 20.0, 36.0]
    assert seen.tolist() == [True, False, True]


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(DataError, match="an arm without events"):
        hazard_ratio([1, 2, 3, 4], [1, 1, 0, 0], [0, 0, 1, 1])
    with pytest.raises(DataError, match="negative or not finite"):
        kaplan_meier([np.inf, 2], [False, True])
    with pytest.raises(DataError, match="one of each a person"):
        kaplan_meier([1, 2], [True])
    with pytest.raises(DataError, match="'treated' does not fit"):
        hazard_ratio([1, 2], [1, 1], [0, 2])
