import numpy as np
import pytest
from toy_trials import Exact, trials

from bonepk.errors import NotFoundError
from bonepk.infer import ErrorModel, Free, Prior, Problem, calibrate, directions, profile
from bonepk.infer.identify import learned
from bonepk.infer.problem import replace

FREE = (Free("rate", 0.1, 0.001, 1.0), Free("gain", 4.0, 1.0, 300.0), Free("loss", 1.0, -5.0, 5.0, "identity"))
VISITS = {"bmd": ErrorModel(visits=0.7)}


def early(toy):
    """Only the first six months: gain and rate then act as their product."""
    return Exact(tuple(replace(b, rows=tuple(r for r in b.rows if r.month == 6)) for b in toy.blocks))


def test_the_sloppy_direction_is_named():
    free = (replace(FREE[0], prior=Prior(0.05, 1.0)), replace(FREE[1], prior=Prior(8, 1.0)), FREE[2])
    fit = calibrate(Problem(early(trials(np.random.default_rng(1))), free, errors=VISITS))
    worst = directions(fit)[0]
    text = str(worst)
    assert "rate up" in text
    assert "gain down" in text or "rate down" in text
    assert worst.sd > 5 * directions(fit)[-1].sd
    part = learned(fit)
    assert 0.3 < part["rate"] < 0.7  # the product is known, each factor only through its prior: half of the variance


def test_the_profile_of_a_well_known_parameter_agrees_with_laplace():
    fit = calibrate(Problem(trials(np.random.default_rng(2), count=20), FREE, errors=VISITS))
    made = profile(fit, "loss")
    assert made.interval == pytest.approx(fit.interval("loss", 0.95), rel=0.01)  # linear in loss
    assert made.rise.min() == 0
    assert np.all(np.diff(made.values) > 0)


def test_a_profile_that_stays_low_has_an_open_end():
    fit = calibrate(Problem(early(trials(np.random.default_rng(3), count=2)), FREE, errors=VISITS))
    low, high = profile(fit, "gain", points=3).interval
    assert np.isnan(high)
    assert low > 1


def test_profiles_of_unknown_parameters_are_refused():
    fit = calibrate(Problem(trials(np.random.default_rng(4), count=2), FREE, errors=VISITS))
    with pytest.raises(NotFoundError, match="did you mean 'gain'"):
        profile(fit, "gian")
