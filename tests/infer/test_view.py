import numpy as np
import pytest
from toy_trials import Toy, trials

from bonepk.infer.view import View, only


@pytest.fixture(scope="module")
def toy():
    return trials(np.random.default_rng(40), count=3)


def test_rows_leave_and_keep_their_order(toy):
    weights = (0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0)
    view = View(toy, {"trial-1": weights, "trial-2": (0.0,) * 8})
    assert [b.name for b in view.blocks] == ["trial-0", "trial-1"]
    assert [r.weight for r in view.blocks[1].rows] == [1.0, 0.5, 1.0]
    whole = toy.predict("trial-1", {"gain": 5.0})
    assert np.array_equal(view.predict("trial-1", {"gain": 5.0}), whole[[1, 2, 7]])
    base, slopes = view.jacobian("trial-1", {"gain": 5.0}, ["gain"])
    assert np.array_equal(base, whole[[1, 2, 7]])
    assert slopes.shape == (3, 1)


def test_fixed_values_stand_below_given_ones(toy):
    view = View(toy, {}, {"gain": 2.0})
    assert view.defaults["gain"] == 2.0
    assert np.array_equal(view.predict("trial-0", {}), toy.predict("trial-0", {"gain": 2.0}))
    assert np.array_equal(view.predict("trial-0", {"gain": 3.0}), toy.predict("trial-0", {"gain": 3.0}))


def test_differences_where_there_are_no_derivatives(toy):
    view = View(Toy(toy.blocks), {"trial-0": (0.0, *(1.0,) * 7)})
    exact = View(toy, view.weights).jacobian("trial-0", {"rate": 0.05}, ["rate"])[1]
    assert view.jacobian("trial-0", {"rate": 0.05}, ["rate"])[1] == pytest.approx(exact, rel=1e-3)  # a forward step


def test_some_blocks_only(toy):
    view = only(toy, ["trial-2"])
    assert [b.name for b in view.blocks] == ["trial-2"]
    assert view.blocks[0].rows == toy.blocks[2].rows


def test_views_differ_in_their_fingerprint(toy):
    views = (View(toy), View(toy, {}, {"gain": 2.0}), only(toy, ["trial-0"]), only(toy, ["trial-1"]))
    assert len({v.fingerprint for v in views}) == 4
