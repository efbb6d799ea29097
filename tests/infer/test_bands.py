import numpy as np
import pytest
from toy_trials import trials

from bonepk.infer import Effect, ErrorModel, Free, Problem, calibrate, predict, sample

FREE = (Free("rate", 0.1, 0.005, 1.0), Free("gain", 4.0, 1.0, 30.0), Free("loss", 1.0, -5.0, 5.0, "identity"))


@pytest.fixture(scope="module")
def fit():
    toy = trials(np.random.default_rng(1), count=12, se=0.3, shift=0.25, model_sd=0.4)
    effect = Effect("response", ("gain",), sd=0.25)  # as simulated; estimating it has its own tests
    errors = {"bmd": ErrorModel(sd=0.4, shared=0.0, visits=0.7)}
    return calibrate(Problem(toy, FREE, effects=(effect,), errors=errors))


def test_new_trials_fall_into_their_intervals(fit):
    new = trials(np.random.default_rng(22), count=40, se=0.3, shift=0.25, model_sd=0.4, name="new")
    bands = predict(fit, new, draws=300, rng=1)
    inside = float(((bands.observed >= bands.low) & (bands.observed <= bands.high)).mean())
    # 40 trials of correlated rows tell a coverage of 90 % to about 3 %
    assert 0.82 < inside < 0.98
    assert float(bands.sd_trial.sel(row=bands.arm == "placebo").max()) == 0
    assert float(bands.sd_trial.sel(row=(bands.arm == "drug") & (bands.month == 36)).min()) > 0.8


def test_linearised_and_drawn_intervals_agree_when_little_is_uncertain(fit):
    drawn, linear = predict(fit, draws=800, rng=2), predict(fit, draws=0)
    width = drawn.high - drawn.low
    # the 5 % quantile of 800 draws is good to 2.5 % of the width; 96 of them are compared
    assert float(np.abs((linear.low - drawn.low) / width).max()) < 0.12
    assert float(np.abs((linear.high - drawn.high) / width).max()) < 0.12


def test_fitted_trials_keep_their_shift(fit):
    inside = predict(fit, draws=0)
    outside = predict(fit, trials(np.random.default_rng(23), count=1, shift=0.25, name="new"), draws=0)
    narrow = inside.sd_trial.values[(inside.arm == "drug") & (inside.month == 36)]
    wide = outside.sd_trial.values[(outside.arm == "drug") & (outside.month == 36)]
    assert narrow.mean() < 0.7 * wide.mean()  # four visits know a shift of 0.25 in the gain to about 0.06


def test_the_same_generator_gives_the_same_numbers(fit):
    one, two = predict(fit, draws=20, rng=3), predict(fit, draws=20, rng=3)
    assert one.identical(two)
    assert np.array_equal(fit.draw(5, 1), fit.draw(5, 1))


def test_the_sampler_agrees_with_laplace_on_a_quiet_problem():
    emcee = pytest.importorskip("emcee")
    assert emcee
    toy = trials(np.random.default_rng(24), count=6, se=0.2)
    quiet = calibrate(Problem(toy, FREE, errors={"bmd": ErrorModel(visits=0.7)}))
    drawn = sample(quiet, steps=600, discard=150, rng=4)
    assert 0.1 < drawn.acceptance < 0.8
    assert drawn.effective > 100
    sd = np.sqrt(np.diag(quiet.covariance))
    # with 100 effective draws a mean is good to 0.1 sd and an sd to 7 %
    assert np.all(np.abs(drawn.unknowns.mean(axis=0) - quiet.z) < 0.35 * sd)
    assert drawn.unknowns.std(axis=0) == pytest.approx(sd, rel=0.2)
    again = sample(quiet, steps=20, discard=5, rng=4)
    assert np.array_equal(again.values, sample(quiet, steps=20, discard=5, rng=4).values)
