"""Runs of a small model against its closed form."""

import json

import numpy as np
import pytest

import bonepk as bp
from bonepk.errors import NotFoundError, RegimenError

KA, KE, KOUT = 0.2, 0.05, 0.01


def central(t, dose):
    t = np.asarray(t, dtype=float)
    return dose * KA / (KA - KE) * (np.exp(-KE * t) - np.exp(-KA * t)) * (t >= 0)


def rise(days):
    return 2 - np.exp(-KOUT * np.asarray(days, dtype=float))


def test_a_run_begins_at_the_start_of_the_models_history(marker):
    run = bp.simulate(marker, times=[-730.5, -300, 0, 400])
    assert run["marker"].values == pytest.approx(rise([0, 430.5, 730.5, 1130.5]), rel=1e-7)
    assert run.attrs["start"] == -730.5


def test_the_history_follows_the_parameters_of_the_run(marker):
    run = bp.simulate(marker, times=[0], parameters={"years_before": 1.0})
    assert run["marker"].values == pytest.approx(rise([365.25]), rel=1e-7)


def test_without_history_the_initial_state_holds_at_day_0(marker):
    run = bp.simulate(marker, months=1, history=False)
    assert run["marker"].values[0] == 1.0
    assert run["marker"].values[-1] == pytest.approx(rise(30.4375), rel=1e-7)


def test_a_dose_before_the_history_moves_the_start(marker):
    plan = bp.dose("marker", 100.0, at=-1000, route="iv")
    run = bp.simulate(marker, plan, times=[-1000, -990], states=True)
    assert run.attrs["start"] == -1000
    assert run["central"].values == pytest.approx([0, 100 * np.exp(-0.5)], rel=1e-7)


def test_times_before_the_start_are_refused(marker):
    with pytest.raises(RegimenError, match="times: -3 years is before the run; it starts at -2 years"):
        bp.simulate(marker, times=["-3 years", 0])


@pytest.mark.parametrize("method", ["LSODA", "BDF", "Radau"])
def test_doses_by_route_with_units_and_bioavailability(marker, method):
    plan = bp.every("marker", "2 ug", days=30, doses=3, route="sc") + bp.dose("marker", "500 ng", at=45, route="iv")
    times = [0, 10, 30, 45, 46, 100]
    run = bp.simulate(marker, plan, times=times, states=True, method=method)
    truth = sum(central(np.array(times) - 30 * k, 1000) for k in range(3))
    truth = truth + np.where(np.array(times) > 45, 500 * np.exp(-KE * (np.array(times) - 45)), 0)
    assert run["central"].values == pytest.approx(truth, rel=1e-6)  # at day 45: before the dose


def test_amount_of_substance_through_the_molar_mass_of_the_route(marker):
    run = bp.simulate(marker, bp.dose("marker", "2 pmol", route="molar"), times=[1], states=True)
    assert run["central"].values == pytest.approx([2e-12 * 150000 * 1e9 * np.exp(-KE)], rel=1e-7)


def test_an_infusion_gives_its_dose_over_its_time(marker):
    run = bp.simulate(marker, bp.infusion("marker", "3 ug", over="2 days", route="iv"), times=[1, 2, 5], states=True)
    rate = 3000 / 2
    peak = rate / KE * (1 - np.exp(-KE * 2))
    truth = [rate / KE * (1 - np.exp(-KE)), peak, peak * np.exp(-KE * 3)]
    assert run["central"].values == pytest.approx(truth, rel=1e-7)


def test_both_engines_agree_on_doses_infusions_switches_and_history(marker):
    plan = (
        bp.every("marker", "2 ug", days=30, doses=9, route="sc")
        + bp.infusion("marker", "900 ng", over="2 hours", at=45, route="iv")
        + bp.switch("supplement", 1, start=100, stop=200)
        + bp.dose("marker", 300.0, at=-10, route="iv")
    )
    runs = [bp.simulate(marker, plan, years=1, states=True, rtol=1e-9, engine=e) for e in ("scipy", "native")]
    for name in runs[0]:
        size = np.abs(runs[0][name].values).max()
        # two methods at 1e-9 a step, over a dozen segments
        assert runs[1][name].values == pytest.approx(runs[0][name].values, rel=1e-6, abs=1e-8 * size)
    assert runs[1].attrs["method"] == "Rodas5P (native)"


@pytest.mark.parametrize("rtol", [1e-6, 1e-8])
def test_runs_that_are_often_cut_take_machine_code_and_agree(marker, rtol):
    few = bp.every("marker", "2 ug", days=3, doses=48, route="sc") + bp.switch("supplement", 1)
    many = few + bp.dose("marker", 300.0, at=10, route="iv")
    assert bp.simulate(marker, few, months=6, rtol=rtol).attrs["method"] == "LSODA"
    auto = bp.simulate(marker, many, months=6, states=True, rtol=rtol)
    assert auto.attrs["method"] == "Rodas5P (native)"
    scipy = bp.simulate(marker, many, months=6, states=True, rtol=rtol, engine="scipy")
    for name in auto:
        peak = np.abs(scipy[name].values).max()
        assert auto[name].values == pytest.approx(scipy[name].values, rel=10 * rtol, abs=10 * rtol * peak)
    named = bp.simulate(marker, many, months=1, method="Radau")
    assert named.attrs["method"] == "Radau"
    assert bp.simulate(marker, many, months=1, backend="numpy").attrs["method"] == "LSODA"


def test_a_spread_course_is_one_infusion_with_the_same_total(marker):
    whole = bp.daily("marker", "1 ug", doses=400, route="sc", spread=True)
    times = [100, 400, 500]
    run = bp.simulate(marker, whole, times=times, states=True)
    same = bp.simulate(marker, bp.dose("marker", "400 ug", over=400, route="sc"), times=times, states=True)
    assert run["central"].values == pytest.approx(same["central"].values, rel=1e-7)
    assert run["central"].values[1] == pytest.approx(500 / KE, rel=1e-7)
    stopped = bp.simulate(marker, whole.stop(100), times=times, states=True)
    assert stopped["central"].values[0] == pytest.approx(run["central"].values[0], rel=1e-7)
    assert stopped["central"].values[2] < 1e-3


def test_switches_change_an_input_and_change_it_back(marker):
    plan = bp.switch("supplement", 1, start=0, stop=100) + bp.switch("supplement", 0.5, start=200)
    run = bp.simulate(marker, plan, times=[0, 100, 200, 300], inputs={"supplement": 0.25})
    level = [1.75 - 0.75 * np.exp(-KOUT * 730.5)]
    for target in (1.0, 1.75, 1.5):
        level.append(target + (level[-1] - target) * np.exp(-KOUT * 100))
    assert run["marker"].values == pytest.approx(level, rel=1e-7)


def test_the_default_grid_is_monthly_with_the_end(marker):
    run = bp.simulate(marker, years=1.1)
    assert run["month"].values[:3] == pytest.approx([0, 1, 2])
    assert run["month"].values[-1] == pytest.approx(13.2)
    assert bp.simulate(marker, days=30).sizes["time"] == 31
    assert bp.simulate(marker, years=1, every="1 week")["time"].values[-2:] == pytest.approx([364.0, 365.25])


def test_without_a_length_a_run_ends_with_its_plan(marker):
    run = bp.simulate(marker, bp.every("marker", 1.0, months=6, doses=4, route="iv"))
    assert run["month"].values[-1] == pytest.approx(24.0)
    with pytest.raises(RegimenError, match="no length given; years=, months=, days= or times="):
        bp.simulate(marker)


def test_a_result_says_what_made_it(marker):
    plan = bp.every("marker", "2 ug", months=1, doses=3, route="sc")
    run = bp.simulate(marker, plan, parameters={"F": 0.4}, inputs={"supplement": 1}, rtol=1e-6)
    a = run.attrs
    assert a["model"] == "marker"
    assert a["model_hash"] == marker.hash
    assert a["bonepk_version"] == bp.__version__
    assert (a["method"], a["rtol"], a["start"]) == ("LSODA", 1e-6, -730.5)
    assert json.loads(a["parameters"]) == {"F": 0.4}
    assert json.loads(a["inputs"]) == {"supplement": 1.0}
    (course,) = json.loads(a["doses"])
    assert course["amount"] == pytest.approx(2000)
    assert (course["unit"], course["doses"], course["route"]) == ("ng", 3, "sc")
    assert a["plan"] == repr(plan)
    assert run["marker"].attrs == {"units": "1", "long_name": "marker"}
    assert run["time"].attrs["units"] == "day"
    assert all(isinstance(v, (str, int, float)) for v in a.values())


def test_a_result_goes_to_netcdf_and_back(marker, tmp_path):
    run = bp.simulate(marker, months=2, states=True)
    run.to_netcdf(tmp_path / "run.nc", engine="scipy")
    import xarray as xr

    with xr.open_dataset(tmp_path / "run.nc", engine="scipy") as back:
        assert back.load().identical(run)


def test_states_come_only_when_asked_for(marker):
    assert list(bp.simulate(marker, months=1)) == ["marker"]
    assert set(bp.simulate(marker, months=1, states=True)) == {"marker", "depot", "central", "level"}


def test_every_fault_of_a_plan_is_said_at_once(marker):
    plan = (
        bp.dose("market", 1.0)
        + bp.dose("marker", 1.0)
        + bp.dose("marker", 1.0, route="scc")
        + bp.dose("marker", "3 nmol", route="sc")
        + bp.dose("marker", "3 mL", route="sc")
        + bp.switch("suplement")
        + bp.switch("supplement", stop=10)
        + bp.switch("supplement", 2, start=5)
    )
    with pytest.raises(RegimenError) as caught:
        bp.simulate(marker, plan, months=1)
    text = str(caught.value)
    assert "dose of 'market': drug 'market' is not in the model" in text
    assert "did you mean 'marker'?" in text
    assert "'marker' has 3 routes; say which: route='sc' or 'iv' or 'molar'" in text
    assert "'marker' has no route 'scc'; it has 'sc', 'iv', 'molar'; did you mean 'sc'?" in text
    assert "3 nmol into 'depot' [ng] needs a molar mass; add molar_mass to the route" in text
    assert "amount '3 mL'" in text
    assert "switch 'suplement': no such input; the model has 'supplement'; did you mean 'supplement'?" in text
    assert "switch 'supplement': set to 1 until 10 days and set again at 5 days" in text
    assert len(caught.value.faults) == 7


def test_unknown_parameters_and_inputs_are_said_together(marker):
    with pytest.raises(NotFoundError) as caught:
        bp.simulate(marker, months=1, parameters={"k_oot": 1.0, "supplement": 1.0, "F": "lots"}, inputs={"suppl": 1.0})
    text = str(caught.value)
    assert "parameter 'k_oot': not in model 'marker'; did you mean 'k_out'?" in text
    assert "parameter 'supplement': not in model 'marker'; it is an input" in text
    assert "parameter 'F': 'lots'; a finite number" in text
    assert "input 'suppl': not in model 'marker'; did you mean 'supplement'?" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"times": [0], "years": 1}, "times: given together with years"),
        ({"days": -1}, "a run of -1 days"),
        ({"months": 1, "every": 0}, "every: 0 days; a spacing above 0"),
        ({"times": [float("nan")]}, "times: not a list of finite numbers"),
        ({"plan": "60 mg", "months": 1}, "plan: a str; a plan made by bp.every"),
    ],
)
def test_arguments_that_make_no_sense(marker, arguments, text):
    with pytest.raises(RegimenError, match=text):
        bp.simulate(marker, **arguments)


def test_a_model_in_hours_takes_plans_in_days():
    from pathlib import Path

    hours = bp.load(Path(__file__).parents[1] / "conformance" / "models" / "one_compartment.toml")
    run = bp.simulate(hours, bp.dose("one_compartment", "10 mg", at=0.5, route="to_central"), days=1, states=True)
    assert run["time"].values[-1] == pytest.approx(24.0)
    # that route says a duration of its own, 1 hour
    assert run["central"].values[-1] == pytest.approx(100 * (1 - np.exp(-0.1)) * np.exp(-1.1), rel=1e-7)
