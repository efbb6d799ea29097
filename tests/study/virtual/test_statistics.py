"""Endpoints against closed forms and scipy; intervals cover what they should; power against published tables."""

import numpy as np
import pytest
from scipy import stats

from bonepk.study.virtual import ancova, difference_of, mean_of, people_needed, power_of


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def test_a_mean_is_that_of_the_t_distribution(rng):
    x = rng.normal(3, 2, 40)
    e = mean_of(np.append(x, np.nan))
    low, high = stats.t.interval(0.95, 39, x.mean(), stats.sem(x))
    assert (e.value, e.sd, e.n) == pytest.approx((x.mean(), x.std(ddof=1), 40))
    assert (e.low, e.high) == pytest.approx((low, high))


def test_even_weights_change_nothing(rng):
    x = rng.normal(size=30)
    a, b = mean_of(x), mean_of(x, np.full(30, 2.5))
    assert (b.value, b.sd, b.se, b.n) == pytest.approx((a.value, a.sd, a.se, a.n))


def test_whole_weights_are_repeated_people_for_the_mean(rng):
    x, w = rng.normal(size=20), rng.integers(1, 4, 20)
    assert mean_of(x, w.astype(float)).value == pytest.approx(np.repeat(x, w).mean())
    assert mean_of(x, w.astype(float)).n == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_a_difference_is_welch(rng):
    a, b = rng.normal(1, 1, 25), rng.normal(0, 3, 60)
    e = difference_of(mean_of(a), mean_of(b))
    ci = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (e.low, e.high) == pytest.approx((ci.low, ci.high))


def test_ancova_is_least_squares(rng):
    n = 80
    treated, base = rng.random(n) < 0.4, rng.normal(0, 2, n)
    y = 1.5 * treated + 0.8 * base + rng.normal(size=n)
    e = ancova(y, treated, base[:, None])
    x = np.column_stack([np.ones(n), treated, base])
    beta, rss, _, _ = np.linalg.lstsq(x, y, rcond=None)
    se = np.sqrt(rss[0] / (n - 3) * np.linalg.inv(x.T @ x)[1, 1])
    assert (e.value, e.se) == pytest.approx((beta[1], se))
    assert (e.low, e.high) == pytest.approx(stats.t.interval(0.95, n - 3, beta[1], se))
    assert e.se < difference_of(mean_of(y[treated]), mean_of(y[~treated])).se  # the covariate pays
    same = ancova(y, treated, np.column_stack([base, np.ones(n)]))
    assert same.value == pytest.approx(e.value)


def test_ancova_needs_people():
    with pytest.raises(ValueError, match="3 people for 3 coefficients"):
        ancova(np.arange(3.0), np.array([True, False, True]), np.array([[1.0], [2.0], [4.0]]))


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_cover(rng, weighted):
    """95 % of 2000 intervals; four standard errors of that share are 2 points, weighting is approximate."""
    hits_mean = hits_adjusted = 0
    for _ in range(2000):
        treated, base = rng.random(60) < 0.5, rng.normal(size=60)
        y = 1.0 + 0.5 * treated + base + rng.normal(size=60)
        w = rng.uniform(0.5, 1.5, 60) if weighted else None
        m, a = mean_of(y[~treated], None if w is None else w[~treated]), ancova(y, treated, base[:, None], w)
        hits_mean += m.low <= 1.0 <= m.high
        hits_adjusted += a.low <= 0.5 <= a.high
    assert abs(hits_mean / 2000 - 0.95) < 0.02
    assert abs(hits_adjusted / 2000 - 0.95) < (0.03 if weighted else 0.02)


def test_power_is_that_of_the_tables():
    # Cohen 1988: d = 0.5 needs 64 an arm for 80 %, d = 0.2 needs 394, d = 0.8 needs 26
    assert [people_needed(d, 1, 0.8) for d in (0.2, 0.5, 0.8)] == [394, 64, 26]
    assert power_of(0.5, 1, 64) == pytest.approx(0.8015, abs=1e-4)
    assert power_of(-1.0, 2, 64) == power_of(1.0, 2, 64)
    assert power_of(0.5, 1, 40, ratio=3) > power_of(0.5, 1, 40)
    assert people_needed(50, 1, 0.8) == 2
    with pytest.raises(ValueError, match="other than 0"):
        people_needed(0, 1)
