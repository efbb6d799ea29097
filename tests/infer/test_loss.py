import numpy as np
import pytest

from bonepk.errors import DataError
from bonepk.infer.loss import LOSSES, Loss

R = np.array([-30.0, -3.0, -1.0, -1e-5, 0.0, 1e-5, 0.5, 2.0, 50.0])


@pytest.mark.parametrize("name", LOSSES)
def test_the_bend_squares_to_the_loss(name):
    loss = Loss(name, 2.0)
    assert loss.bend(R)[0] ** 2 == pytest.approx(loss.rho(R), rel=1e-7, abs=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_slopes_agree_with_differences(name):
    loss, h = Loss(name, 1.5), 1e-6
    slope = (loss.bend(R + h)[0] - loss.bend(R - h)[0]) / (2 * h)
    assert loss.bend(R)[1] == pytest.approx(slope, rel=1e-5)
    weight = (loss.rho(R + h) - loss.rho(R - h)) / (2 * h)
    assert 2 * R * loss.weight(R) == pytest.approx(weight, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_small_residuals_count_in_full(name):
    assert Loss(name).weight(np.array([0.0, 0.01])) == pytest.approx([1, 1], abs=1e-4)


def test_unknown_loss_suggests_the_near_one():
    with pytest.raises(DataError, match="'huber'"):
        Loss("hubber")


def test_a_scale_estimated_with_the_loss_is_that_of_the_noise():
    rng = np.random.default_rng(1)
    for name in LOSSES:
        loss = Loss(name, 4.0)
        r = loss.noise((200_000,), rng)
        # a mean of 200000 draws of weight times r^2 is good to half a percent
        assert float(np.mean(loss.weight(r) * r**2)) == pytest.approx(loss.consistency, rel=0.01)
        assert float(np.mean(np.abs(r) < loss.reach(0.9))) == pytest.approx(0.9, abs=0.004)
