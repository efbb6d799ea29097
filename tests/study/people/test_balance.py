"""Weights: exact on targets, nearest to even, and refused where nobody could meet them."""

import numpy as np
import pytest

from bonepk.errors import DataError
from bonepk.study.people import Target, balance, sample_people


@pytest.fixture(scope="module")
def people():
    return sample_people("postmenopausal", 2000, 4)


def test_one_share_has_a_closed_form(people):
    present = people["smoking"].mean()
    made = balance(people, [Target("smoking", 0.4)])
    expected = np.where(people["smoking"] == 1, 0.4 / present, 0.6 / (1 - present))
    assert made.weights == pytest.approx(expected, rel=1e-6)  # Newton stops at gaps of 1e-9 SD
    assert made.effective == pytest.approx(2000 / (expected**2).mean(), rel=1e-6)


def test_targets_are_met_together(people):
    targets = [
        Target("age", 64, 7),
        Target("bmi", 28),
        Target("measured_t_score_lumbar_spine", 0.45, at_least=-1.0),
        Target("prior_fracture", 0.25),
    ]
    made = balance(people, targets)
    assert made.mean("age") == pytest.approx(64, abs=1e-5)
    assert made.sd("age") == pytest.approx(7, abs=1e-5)
    assert made.mean("bmi") == pytest.approx(28, abs=1e-5)
    assert made.mean("prior_fracture") == pytest.approx(0.25, abs=1e-6)
    share = np.average(made["measured_t_score_lumbar_spine"] >= -1.0, weights=made.weights)
    assert share == pytest.approx(0.45, abs=1e-6)
    assert made.weights.mean() == pytest.approx(1)
    assert 1000 < made.effective < 2000


def test_targets_already_met_change_nothing(people):
    made = balance(people, [Target("age", people["age"].mean())])
    assert made.weights == pytest.approx(np.ones(2000), abs=1e-6)


def test_weights_are_the_nearest(people):
    """Any other weights that meet the target lie farther off in relative entropy."""
    made = balance(people, [Target("age", 66)])
    w = made.weights / made.weights.sum()
    rng = np.random.default_rng(0)
    basis = np.column_stack([np.ones(2000), people["age"]])
    for _ in range(20):
        move = rng.normal(size=2000) * w
        move -= basis @ np.linalg.lstsq(basis, move, rcond=None)[0]  # keeps the sum and the mean age
        other = w + 0.02 * move / np.abs(move / w).max()
        assert other @ people["age"] == pytest.approx(66, abs=1e-6)
        assert (other * np.log(other)).sum() > (w * np.log(w)).sum()


def test_impossible_targets_are_refused_all_at_once(people):
    with pytest.raises(DataError) as caught:
        balance(people, [Target("age", 120), Target("smoking", 1.0), Target("bmi", 27, 40)])
    text = str(caught.value)
    assert "targets: age: 120; people from" in text
    assert "smoking: 1" in text
    assert "bmi: SD 40; between 0 and" in text


def test_targets_that_exclude_each_other(people):
    with pytest.raises(DataError, match="stays off"):
        balance(people, [Target("age", 0.9, at_least=70), Target("age", 55)])


def test_too_few_people_left(people):
    with pytest.raises(DataError, match="effective sample size"):
        balance(people, [Target("age", 84)])
    assert balance(people, [Target("age", 84)], least=0.0).effective < 200
