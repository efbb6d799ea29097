import numpy as np
import pytest
import xarray as xr

import bonepk as bp
from bonepk.errors import NotFoundError

MONTH = 30.4375


def made(values, months, name="bmd", unit="day", per=1.0):
    time = ("time", np.asarray(months, dtype=float) * MONTH * per, {"units": unit})
    notes = {"units": "1", "long_name": "BMD"}
    return xr.Dataset({name: ("time", np.asarray(values, dtype=float), notes)}, coords={"time": time})


@pytest.fixture
def run():
    return made([2.0, 2.1, 1.9, 2.4], [0, 12, 24, 36])


def test_percent_change_from_baseline_and_from_another_month(run):
    change = bp.percent_change(run, "bmd", [12, 36])
    assert change.values == pytest.approx([5.0, 20.0])
    assert change["month"].values.tolist() == [12, 36]
    assert change.attrs["units"] == "%"
    assert bp.percent_change(run, "bmd", 36, baseline_month=12).values == pytest.approx([100 * (2.4 / 2.1 - 1)])


def test_difference_is_between_the_changes_and_not_the_values(run):
    other = made([4.0, 4.0, 4.4, 4.0], [0, 12, 24, 36])
    assert bp.difference(run, other, "bmd", [12, 24]).values == pytest.approx([5.0, -15.0])
    assert bp.difference(run, other, "bmd", [12]).attrs["units"] == "points"


def test_a_month_that_is_not_stored_is_not_made_up(run):
    with pytest.raises(NotFoundError, match=r"'bmd': month 18 is not stored; the nearest is (12|24).*interpolate=True"):
        bp.percent_change(run, "bmd", [18])
    assert bp.percent_change(run, "bmd", [18], interpolate=True).values == pytest.approx([0.0])


def test_a_month_outside_the_run_is_refused_even_when_interpolating(run):
    for interpolate in (False, True):
        with pytest.raises(NotFoundError, match="month 48 is not in the run; it holds months 0 to 36"):
            bp.value_at(run, "bmd", [48], interpolate)


def test_rounding_of_a_stored_time_does_not_matter():
    run = made([1.0, 2.0], [0, 6 + 1e-9])
    assert bp.value_at(run, "bmd", [6]).tolist() == [2.0]


def test_unknown_variables_have_a_suggestion(run):
    with pytest.raises(NotFoundError, match="'bmdd': not in the result; did you mean 'bmd'"):
        bp.nadir(run, "bmdd")


def test_nadir_and_peak_with_their_months(run):
    assert bp.nadir(run, "bmd") == (1.9, pytest.approx(24))
    assert bp.peak(run, "bmd") == (2.4, pytest.approx(36))
    assert bp.peak(run, "bmd", (0, 24)) == (2.1, pytest.approx(12))
    with pytest.raises(NotFoundError, match="no stored time from month 1 to 2"):
        bp.peak(run, "bmd", (1, 2))


def test_area_is_in_model_time(run):
    days = bp.area(run, "bmd")
    assert days == pytest.approx(12 * MONTH * (2.05 + 2.0 + 2.15))
    hours = made([2.0, 2.1, 1.9, 2.4], [0, 12, 24, 36], unit="hour", per=24)
    assert bp.area(hours, "bmd") == pytest.approx(24 * days)
    assert bp.area(run, "bmd", (12, 24)) == pytest.approx(12 * MONTH * 2.0)


def test_time_below_places_crossings_on_the_line(run):
    assert bp.time_below(run, "bmd", 2.0) == pytest.approx(6 + 12 * 0.1 / 0.5)
    assert bp.time_below(run, "bmd", 9.0) == pytest.approx(36)
    assert bp.time_below(run, "bmd", 1.0) == 0.0
    assert bp.time_below(made([1.0, 1.0], [0, 5]), "bmd", 1.0) == 0.0


def test_t_score_keeps_its_reference(run):
    reference = {"mean": 2.2, "sd": 0.2, "source": "a survey of young women"}
    score = bp.t_score(run, "bmd", reference, at_months=[0, 36])
    assert score.values == pytest.approx([-1.0, 1.0])
    assert score.attrs["reference_source"] == "a survey of young women"
    assert bp.t_score(run, "bmd", reference).sizes["month"] == 4
    with pytest.raises(NotFoundError, match="no sd or source; mean, sd and source"):
        bp.t_score(run, "bmd", {"mean": 1.0})


def test_times_to_ask_for(marker):
    times = bp.months_to_times([6, 12], 0, 12)
    assert times == pytest.approx([0, 182.625, 365.25])
    run = bp.simulate(marker, times=times)
    assert bp.percent_change(run, "marker", [6, 12]).shape == (2,)
    assert bp.months_to_times(1, time_unit="hour") == pytest.approx([730.5])
