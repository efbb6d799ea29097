import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonepk.decide import convert, judge_change, least_significant_change, precision, t_score, who_class, z_score
from bonepk.errors import DataError, NotFoundError
from bonepk.study.people import SITES, reference
from bonepk.study.people.reference import DEVICES


def test_t_score_of_the_reference_itself():
    for device in DEVICES:
        for site in SITES:
            ref = reference(site, device)
            assert t_score([ref.mean, ref.mean - 2.5 * ref.sd], site, device) == pytest.approx([0, -2.5])


def test_a_density_in_mg_is_refused():
    with pytest.raises(DataError, match="check the unit"):
        t_score(942.0, "total_hip")


def test_t_score_needs_a_reference():
    with pytest.raises(NotFoundError, match="did you mean 'total_hip'"):
        t_score(0.9, "totalhip")


def test_z_score_only_where_a_reference_was_read():
    assert z_score(0.952, "lumbar_spine", 65) == pytest.approx(0)
    assert z_score(0.993 - 0.141, "lumbar_spine", 60.9) == pytest.approx(-1)
    for site, age in (("lumbar_spine", 45), ("lumbar_spine", 81), ("total_hip", 65), ("femoral_neck", 65)):
        with pytest.raises(NotFoundError, match="no reference"):
            z_score(0.8, site, age)


@pytest.mark.parametrize(
    ("score", "name"),
    [(-0.9, "normal"), (-1.0, "normal"), (-1.001, "osteopenia"), (-2.499, "osteopenia"), (-2.5, "osteoporosis")],
)
def test_who_class_at_its_borders(score, name):
    assert who_class([0.0, score]) == name


def test_who_class_of_fracture_and_of_young_women():
    assert who_class({"total_hip": -2.6}, fragility_fracture=True) == "severe osteoporosis"
    assert who_class([-1.2], fragility_fracture=True) == "osteopenia"
    with pytest.raises(DataError, match="Z-score"):
        who_class([-2.6], menopause=False)
    with pytest.raises(DataError, match="at least one"):
        who_class([])


def test_conversions_bring_one_reference_near_the_other():
    lunar, hologic = reference("lumbar_spine", "lunar"), reference("lumbar_spine", "hologic")
    # the two references were made on other women, so they agree within a tenth of a standard deviation, not exactly
    assert convert(lunar.mean, "lumbar_spine", "lunar", "hologic") == pytest.approx(hologic.mean, abs=0.1 * hologic.sd)
    with pytest.raises(NotFoundError, match="there are: lumbar_spine lunar to hologic"):
        convert(1.0, "femoral_neck", "lunar", "hologic")


def test_least_significant_change_is_277_times_the_precision_error():
    assert least_significant_change(1.0) == 2.77
    assert precision("lumbar_spine", kind="acceptable").lsc == pytest.approx(5.3, abs=0.05)  # as ISCD prints it
    assert precision("total_hip", kind="acceptable").lsc == pytest.approx(5.0, abs=0.05)
    assert precision("femoral_neck", kind="acceptable").lsc == pytest.approx(6.9, abs=0.05)
    assert precision("femoral_neck", "lunar").cv == 1.97
    with pytest.raises(NotFoundError, match="none of kind 'worst'"):
        precision("lumbar_spine", kind="worst")
    with pytest.raises(DataError, match="from 0 to 20"):
        least_significant_change(-1)


def test_277_keeps_false_alarms_at_one_in_twenty():
    rng = np.random.default_rng(8)
    before, after = 1 + 0.01 * rng.standard_normal((2, 100_000))
    alarms = np.mean(np.abs(after / before - 1) >= least_significant_change(1.0) / 100)
    assert alarms == pytest.approx(0.05, abs=0.003)  # four standard errors of 100 000 draws


@given(st.floats(0.5, 1.4), st.floats(-15, 15))
def test_a_change_is_real_from_the_least_significant_one_on(before, percent):
    change = judge_change(before, before * (1 + percent / 100), 1.2)
    assert math.isclose(change.percent, percent, abs_tol=1e-9)
    if abs(abs(percent) - change.lsc) > 1e-9:
        assert change.real is (abs(percent) > change.lsc)


def test_two_machines_cannot_be_judged():
    assert judge_change(1.0, 0.8, 1.0, same_machine=False).real is None
