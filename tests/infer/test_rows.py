import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonepk.errors import DataError
from bonepk.infer.rows import ErrorModel, Row, factors, model_covariance, sampling_covariance

MODEL = {"bmd": ErrorModel(sd=0.6, shared=0.4, visits=0.5, outputs=0.3)}


def row(arm="a", versus="", month=12.0, se=0.3, output="spine", **more):
    return Row(output, 1.0, se, arm, month, versus=versus, family="bmd", **more)


def test_a_difference_is_correlated_with_its_arms():
    """Var(a - b) = se_a^2 + se_b^2 and Cov(a, a - b) = se_a^2, if the difference's own error is what the arms give."""
    rows = [row("a"), row("b"), row("a", "b", se=0.3 * np.sqrt(2))]
    covariance = sampling_covariance(rows, MODEL)
    assert covariance[0, 1] == 0
    assert covariance[0, 2] == pytest.approx(0.09)
    assert covariance[1, 2] == pytest.approx(-0.09)


def test_what_arms_share_cancels_in_their_difference():
    covariance = model_covariance([row("a"), row("b"), row("a", "b")], MODEL)
    assert covariance[0, 1] == pytest.approx(0.4 * 0.36)
    assert covariance[2, 2] == pytest.approx(2 * (1 - 0.4) * 0.36)


def test_visits_are_the_more_alike_the_closer():
    covariance = sampling_covariance([row(month=m) for m in (12.0, 24.0, 36.0)], MODEL)
    assert covariance[0] / 0.09 == pytest.approx([1, 0.5, 0.25])


def test_a_later_start_and_a_rate_scale_the_error():
    covariance = model_covariance([row(month=24.0, since=12.0), row(month=24.0, per=2.0)], MODEL)
    assert covariance[0, 0] == pytest.approx(0.36 * (2 - 2 * 0.5))
    assert covariance[1, 1] == pytest.approx(0.36 / 4)


def test_families_do_not_mix():
    other = Row("ctx", 1.0, 3.0, "a", 12.0)
    covariance = sampling_covariance([row(), other], MODEL | {"ctx": ErrorModel()})
    assert covariance[0, 1] == 0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "d"]), st.integers(1, 60)), min_size=1, max_size=8)
)
def test_every_combination_of_rows_has_a_factor(chosen):
    rows = [row(arm, versus, float(month), since=3.0 * (month > 30)) for arm, versus, month in chosen]
    assert np.all(np.isfinite(factors(rows, MODEL, "here")))


def test_a_row_without_any_error_is_a_fault():
    with pytest.raises(DataError, match="no standard error"):
        factors([Row("x", 1.0, 0.0, "a", 1.0)], {"x": ErrorModel()}, "block 'b'")


def test_correlations_out_of_range_are_faults():
    with pytest.raises(DataError, match="visits"):
        ErrorModel(visits=1.0)
