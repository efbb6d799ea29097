"""Many people at once: each as alone, whoever else is there and however the work is cut up."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bonepk as bp
from bonepk.errors import DataError, NotFoundError, RegimenError
from bonepk.simulate.ensemble import simulate_many
from bonepk.simulate.piece import NOT_POSSIBLE, SCIPY_STOPPED

PLAN = (
    bp.every("marker", "2 ug", days=30, doses=4, route="sc")
    + bp.infusion("marker", "900 ng", over="2 hours", at=45, route="iv")
    + bp.switch("supplement", 1, start=60, stop=90)
)


def same(a, b):
    """Equal to the last bit, nan where nan."""
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.variables:
        x, y = np.asarray(a[name].values), np.asarray(b[name].values)
        assert np.array_equal(x, y.astype(x.dtype), equal_nan=x.dtype.kind == "f"), name


@pytest.mark.parametrize("engine", ["native", "scipy"])
def test_each_person_is_as_in_a_run_alone(marker, crowd, engine):
    many = simulate_many(marker, PLAN, crowd, months=6, states=True, engine=engine, rtol=1e-9)
    assert many.sizes == {"person": 23, "time": 28}
    for i in (0, 11, 22):
        own = {name: float(values[i]) for name, values in crowd.items()}
        inputs = {"supplement": own.pop("supplement")}
        alone = bp.simulate(marker, PLAN, months=6, states=True, parameters=own, inputs=inputs, rtol=1e-9)
        for name in alone:
            # ten rtol between two methods over a dozen segments; of the peak, for what has died away
            peak = np.abs(alone[name].values).max()
            assert many[name].values[i] == pytest.approx(alone[name].values, rel=1e-8, abs=1e-8 * peak)
        assert many[name].attrs == alone[name].attrs
    assert (many["status"] == 0).all()
    assert (many["reason"] == "").all()
    assert many["month"].values == pytest.approx(alone["month"].values)


def test_numbers_depend_neither_on_chunks_nor_on_threads(marker, crowd):
    whole = simulate_many(marker, PLAN, crowd, months=4, states=True)
    for chunk, workers in ((1, 1), (7, 2), (23, 1), (100, 2)):
        same(whole, simulate_many(marker, PLAN, crowd, months=4, states=True, chunk=chunk, workers=workers))
    backwards = {name: values[::-1] for name, values in crowd.items()}
    turned = simulate_many(marker, PLAN, backwards, months=4, states=True, chunk=5).isel(person=slice(None, None, -1))
    same(whole, turned.assign_coords(person=whole["person"]))


def test_one_who_fails_leaves_the_others_untouched(runaway):
    k, plan = np.linspace(-0.5, -0.1, 12), bp.dose("by_mouth", 1.0, at=1)
    well = simulate_many(runaway, plan, {"k": k}, times=[0, 1, 3, 5], states=True)
    ill = k.copy()
    ill[4] = 0.5
    out = simulate_many(runaway, plan, {"k": ill}, times=[0, 1, 3, 5], states=True)
    others = [i for i in range(12) if i != 4]
    for name in ("twice", "level", "depot"):
        assert np.array_equal(out[name].values[others], well[name].values[others])
    assert out["status"].values[others].tolist() == [0] * 11
    assert out["status"].values[4] == 1
    assert str(out["reason"].values[4]) == "solver stopped at day 2: not finite"
    # exact: 2/(1 - t/2) until day 2; a default step is good to 1e-6, and the pole makes it ten times worse
    assert out["twice"].values[4, :2] == pytest.approx([2, 4], rel=1e-5)
    assert np.isnan(out["twice"].values[4, 2:]).all()


def test_the_same_with_scipy_whose_failures_leave_nothing(runaway):
    out = simulate_many(runaway, parameters={"k": [-0.1, 0.5, -0.2]}, times=[0, 1, 5], engine="scipy")
    assert out["status"].values.tolist() == [0, SCIPY_STOPPED, 0]
    assert "solver stopped at day 1.9" in str(out["reason"].values[1])
    assert np.isnan(out["twice"].values[1]).all()
    assert out["twice"].values[[0, 2], -1] == pytest.approx([2 / 1.5, 2 / 2.0], rel=1e-5)


def test_a_dose_that_is_not_possible_is_that_persons_own(runaway):
    plan = bp.dose("by_mouth", 1.0)
    out = simulate_many(runaway, plan, {"F": [1.0, -0.5, 0.5]}, times=[0, 1], variables=["depot"])
    assert out["status"].values.tolist() == [0, NOT_POSSIBLE, 0]
    assert str(out["reason"].values[1]) == "dose at 0: bioavailability of 'by_mouth' is -0.5"
    assert out["depot"].values[[0, 2], 1] == pytest.approx(np.exp(-0.1) * np.array([1, 0.5]), rel=1e-5)
    assert np.isnan(out["depot"].values[1]).all()


def test_times_before_ones_history_are_that_persons_own(marker):
    out = simulate_many(marker, parameters={"years_before": [1.0, 3.0]}, times=["-2 years", 0])
    assert out["status"].values.tolist() == [NOT_POSSIBLE, 0]
    assert str(out["reason"].values[0]) == "times: -2 years is before the run"
    alone = bp.simulate(marker, parameters={"years_before": 3.0}, times=["-2 years", 0])
    assert out["marker"].values[1] == pytest.approx(alone["marker"].values, rel=1e-5)


def test_tables_of_every_kind_mean_the_same(marker, crowd):
    frame = pd.DataFrame(crowd)
    data = xr.Dataset({name: ("person", values) for name, values in crowd.items()})
    array = np.tile(list(marker.values.values()), (23, 1))
    for name, values in crowd.items():
        array[:, list(marker.values).index(name)] = values
    named = xr.DataArray(
        np.column_stack(list(crowd.values())), dims=("person", "parameter"), coords={"parameter": list(crowd)}
    )
    whole = simulate_many(marker, PLAN, crowd, months=1)
    for table in (frame, data, frame.to_dict("records"), named, named.T):
        same(whole, simulate_many(marker, PLAN, table, months=1))
    full = simulate_many(marker, PLAN, array, months=1)
    assert np.array_equal(full["marker"].values, whole["marker"].values)
    assert full["potency"].values.tolist() == [1e-6] * 23
    apart = {"k_out": crowd["k_out"], "F": crowd["F"], "years_before": crowd["years_before"]}
    same(whole, simulate_many(marker, PLAN, apart, inputs={"supplement": crowd["supplement"]}, months=1))


def test_labels_and_values_of_people_are_kept(marker):
    frame = pd.DataFrame({"F": [0.4, 0.6]}, index=["A7", "B2"])
    out = simulate_many(marker, parameters=frame, inputs={"supplement": 0.5}, months=1)
    assert out["person"].values.tolist() == ["A7", "B2"]
    assert out["F"].values.tolist() == [0.4, 0.6]
    assert out.attrs["varied"] == '["F"]'
    assert out.attrs["parameters"] == '{"supplement": 0.5}'
    assert out.attrs["model_hash"] == marker.hash
    numbered = simulate_many(marker, parameters=frame.set_index(pd.Index([17, 4])), months=1)
    assert numbered["person"].values.tolist() == [17, 4]


def test_everyone_may_have_a_plan_of_their_own(marker):
    first, second = bp.dose("marker", 1000.0, route="iv"), bp.dose("marker", 500.0, at=3, route="iv")
    out = simulate_many(marker, [first, second, first], {"k_elimination": [0.1, 0.1, 0.2]}, times=[10], states=True)
    truth = [1000 * np.exp(-1), 500 * np.exp(-0.7), 1000 * np.exp(-2)]
    assert out["central"].values[:, 0] == pytest.approx(truth, rel=1e-5)
    assert out["plan"].values.tolist() == [0, 1, 0]


def test_switches_go_back_to_each_persons_own_value(marker):
    plan = bp.switch("supplement", 1, start=0, stop=1000)
    out = simulate_many(marker, plan, {"supplement": [0.0, 0.5]}, times=[6000], rtol=1e-8)
    assert out["marker"].values[:, 0] == pytest.approx([2.0, 1.5], rel=1e-6)


def test_only_what_is_asked_for_is_kept(marker, crowd):
    out = simulate_many(marker, PLAN, crowd, months=1, variables=["central"])
    assert list(out.data_vars) == ["central", "status", "reason"]
    assert set(simulate_many(marker, PLAN, crowd, months=1).data_vars) == {"marker", "status", "reason"}


def test_progress_is_told_chunk_by_chunk(marker, crowd):
    told = []
    simulate_many(marker, PLAN, crowd, months=1, chunk=10, progress=lambda *now: told.append(now))
    what = "marker: people"
    assert told == [(0, 23, what), (10, 23, what), (20, 23, what), (23, 23, what)]


def test_every_fault_of_the_tables_is_said_at_once(marker):
    with pytest.raises(DataError) as caught:
        simulate_many(
            marker,
            parameters={"k_oot": [1.0, 2.0], "F": [0.5, np.nan], "k_out": ["a", "b"], "potency": [1.0, 2.0, 3.0]},
            inputs={"F": [1.0, 1.0], "supplement": [0.0, 1.0]},
            months=1,
        )
    text = str(caught.value)
    assert "parameters 'k_oot': not in model 'marker'; did you mean 'k_out'?" in text
    assert "parameters 'F': nan for person 1 (from 0); finite numbers" in text
    assert "parameters 'k_out': not numbers" in text
    assert "inputs 'F': not in model 'marker'; it is a parameter" in text
    assert "people: numbers of people disagree: 2 in 'supplement', 3 in 'potency'; one value a person in each" in text


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"months": 1}, DataError, "no table says how many there are"),
        ({"parameters": {"F": 0.5}, "months": 1}, DataError, "no table says how many there are"),
        ({"parameters": [{"F": 0.5}, {}], "months": 1}, DataError, "'F': missing for person 1"),
        ({"parameters": np.ones((2, 3)), "months": 1}, DataError, r"shape \(2, 3\); a table by name"),
        ({"parameters": {"F": [0.5]}}, RegimenError, "no length given"),
        ({"parameters": {"F": [0.5]}, "months": 1, "chunk": 0}, RegimenError, "chunk: 0; at least 1"),
        ({"parameters": {"F": [0.5]}, "months": 1, "engine": "nativ"}, NotFoundError, "did you mean 'native'"),
        ({"parameters": {"F": [0.5]}, "months": 1, "variables": ["centrl"]}, NotFoundError, "did you mean 'central'"),
        ({"plan": ["60 mg"], "months": 1}, RegimenError, "plan: a str; a plan made by bp.every"),
        (
            {"plan": bp.dose("market", 1.0), "parameters": {"F": [0.5]}, "months": 1},
            RegimenError,
            "'market' is not in the model",
        ),
    ],
)
def test_arguments_that_make_no_sense(marker, arguments, error, text):
    with pytest.raises(error, match=text):
        simulate_many(marker, **arguments)
