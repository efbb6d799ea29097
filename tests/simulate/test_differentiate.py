"""Derivatives of runs under plans: closed forms, central differences of tight runs, invariances."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import bonepk as bp
from bonepk.errors import NotFoundError

HOUR = 1 / 24
TIMES = [0.0, 1.0, 2.0, 5.0, 8.3, 11.0, 14.0, 16.0, 21.0, 30.0, 45.0]
TEXT = (Path(__file__).parent / "models" / "ways.toml").read_text()


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """Every way in, without and with a history that starts at a time of its parameters."""
    folder = tmp_path_factory.mktemp("ways")
    (folder / "plain.toml").write_text(TEXT)
    (folder / "late.toml").write_text(TEXT.replace('time = "hour"', 'time = "hour"\nhistory = "-2*lead"'))
    return {name: bp.load(folder / f"{name}.toml") for name in ("plain", "late")}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "one.toml"
    path.write_text(
        """
kind = "literature"
title = "One compartment"
time = "day"
[parameters]
k = { value = 0.3, unit = "1/day", source = "assumed", note = "for tests" }
F = { value = 0.7, unit = "1", source = "assumed", note = "for tests" }
L = { value = 0.25, unit = "day", source = "assumed", note = "for tests" }
D = { value = 1.5, unit = "day", source = "assumed", note = "for tests" }
R = { value = 20, unit = "mg/day", source = "assumed", note = "for tests" }
[states]
x = { initial = 0, unit = "mg" }
[fluxes]
out = { from = "x", rate = "k*x" }
[routes]
bolus = { into = "x", unit = "mg", bioavailability = "F", lag = "L" }
timed = { into = "x", unit = "mg", bioavailability = "F", lag = "L", duration = "D" }
paced = { into = "x", unit = "mg", bioavailability = "F", lag = "L", rate = "R" }
[outputs]
amount = { expr = "x", unit = "mg" }
"""
    )
    return bp.load(path)


def plan(amount=100.0, second=12.0, over=1.5, start=6.0, stop=18.0, level=1.0):
    return (
        bp.dose("oral", amount, at=0.1 * HOUR, route="oral")
        + bp.dose("oral", 80.0, at=second * HOUR, route="oral")
        + bp.infusion("iv", 50.0, over=over * HOUR, at=3 * HOUR)
        + bp.dose("zero", 40.0, at=8 * HOUR)
        + bp.dose("paced", 60.0, at=15 * HOUR)
        + bp.switch("food", level, start=start * HOUR, stop=stop * HOUR)
    )


OF_PLAN = {
    "dose:oral[1].amount": ("amount", 100.0),
    "dose:oral[2].time": ("second", 12.0),
    "dose:iv.duration": ("over", 1.5),
    "switch:food.start": ("start", 6.0),
    "switch:food[1].stop": ("stop", 18.0),
    "switch:food.value": ("level", 1.0),
}
NAMED = ["CL", "V", "ka", "F", "ALAG", "D", "R", "vmax", "km", "kout", "slope", "base", "on", "lead"]


@pytest.mark.parametrize("which", ["plain", "late"])
def test_every_direction_against_central_differences(ways, which):
    model = ways[which]
    by = [*NAMED, "food", "initial:central", *OF_PLAN]
    got = bp.differentiate(model, plan(), by=by, times=TIMES, states=True, rtol=1e-9)
    assert got["by"].values.tolist() == by

    def run(direction, h):
        changed = {"plan": plan()}
        if direction in OF_PLAN:
            name, value = OF_PLAN[direction]
            changed["plan"] = plan(**{name: value + h})
        elif direction == "food":
            changed["inputs"] = {"food": 0.3 + h}
        elif direction == "initial:central":
            changed["initial"] = {"central": h}
        else:
            changed["parameters"] = {direction: model.values[direction] + h}
        return bp.simulate(model, **changed, times=TIMES, states=True, engine="native", rtol=1e-12)

    for direction in by:
        h = 1e-4 * model.values.get(direction, 1.0) if direction != "food" else 1e-4
        up, down = run(direction, h), run(direction, -h)
        for name in ("out_conc", "out_effect", "depot"):
            want = (up[name].values - down[name].values) / (2 * h)
            found = got[f"d_{name}"].sel(by=direction).values
            # differences: h**2 of curvature and 1e-12 of the run over h; what is 0 is so within the noise
            size = np.abs(want).max() + 1e-3 * np.abs(got[name].values).max()
            assert np.abs(found - want).max() < 1e-6 * size, (direction, name)


def test_values_are_those_of_the_run(ways):
    got = bp.differentiate(ways["plain"], plan(), by=["CL", "dose.time"], times=TIMES, rtol=1e-9)
    alone = bp.simulate(ways["plain"], plan(), times=TIMES, engine="native", rtol=1e-9)
    np.testing.assert_allclose(got["out_conc"].values, alone["out_conc"].values, rtol=1e-12, atol=1e-14)


def test_closed_forms_of_a_dose_with_lag(one):
    t = np.array([1.0, 2.0, 4.0, 9.0])
    k, f, lag, begin, dose = 0.3, 0.7, 0.25, 0.5, 10.0
    by = ["dose.time", "dose.amount", "F", "L", "k"]
    got = bp.differentiate(one, bp.dose("bolus", dose, at=begin), by=by, times=t, rtol=1e-11)
    x = f * dose * np.exp(-k * (t - begin - lag))
    want = np.array([k * x, x / dose, x / f, k * x, -(t - begin - lag) * x]).T
    # a step's error at rtol 1e-11, over some dozens of steps
    np.testing.assert_allclose(got["d_amount"].values, want, rtol=1e-8)
    assert got["by_unit"].values.tolist() == ["day", "mg", "1", "day", "1/day"]


@pytest.mark.parametrize("way", ["timed", "paced"])
def test_closed_forms_of_modelled_infusions(one, way):
    t = np.array([0.9, 1.4, 4.0, 9.0])
    k, f, lag, begin, dose, d, r = 0.3, 0.7, 0.25, 0.5, 10.0, 1.5, 20.0
    duration = d if way == "timed" else f * dose / r
    rate = f * dose / duration
    t1 = np.minimum(t - begin - lag, duration)  # time infused so far
    since = t - begin - lag - t1
    x = rate / k * (1 - np.exp(-k * t1)) * np.exp(-k * since)
    going = since == 0
    by_begin = np.where(going, -rate * np.exp(-k * t1), k * x)
    by_rate = x / rate
    by_end = np.where(going, 0.0, rate * np.exp(-k * since))
    by = ["dose.time", "F", "L", "dose.amount", "D" if way == "timed" else "R"]
    if way == "timed":
        columns = [by_begin, by_rate * dose / d, by_begin, by_rate * f / d, by_end - by_rate * rate / d]
    else:
        columns = [by_begin, by_end * dose / r, by_begin, by_end * f / r, by_rate - by_end * duration / r]
    got = bp.differentiate(one, bp.dose(way, dose, at=begin), by=by, times=t, rtol=1e-11)
    np.testing.assert_allclose(got["d_amount"].values, np.array(columns).T, rtol=1e-7, atol=1e-9)


def test_a_lag_or_amount_of_nothing_still_has_derivatives(one):
    t = [2.0, 5.0]
    got = bp.differentiate(
        one, bp.dose("bolus", 10.0), by=["L", "F", "dose.amount"], times=t, parameters={"L": 0, "F": 0}, rtol=1e-11
    )
    gone = np.exp(-0.3 * np.array(t))
    # nothing is in the body, so the run itself asks for no short steps
    np.testing.assert_allclose(got["d_amount"].values, np.array([0 * gone, 10 * gone, 0 * gone]).T, rtol=1e-5)
    got = bp.differentiate(one, bp.dose("bolus", 10.0), by=["L"], times=t, parameters={"L": 0, "F": 1}, rtol=1e-11)
    np.testing.assert_allclose(got["d_amount"].values[:, 0], 3 * gone, rtol=1e-8)
    # no amount at all, but a rate it would have
    got = bp.differentiate(one, bp.dose("timed", 10.0), by=["F"], times=t, parameters={"F": 0, "L": 0})
    full = bp.differentiate(one, bp.dose("timed", 10.0), by=["F"], times=t, parameters={"F": 1, "L": 0})
    np.testing.assert_allclose(got["d_amount"], full["d_amount"], rtol=1e-4)
    # an infusion shorter and shorter: half its length is a delay
    got = bp.differentiate(one, bp.dose("timed", 10.0), by=["D"], times=t, parameters={"D": 0, "F": 1, "L": 0})
    np.testing.assert_allclose(got["d_amount"].values[:, 0], 1.5 * gone, rtol=1e-6)


def test_shifting_everything_is_shifting_the_clock(ways):
    """All doses and switches later by a moment: the run as it was a moment before (no equation knows the time)."""
    everything = ["dose.time", "switch:food.start", "switch:food.stop", "on"]
    times = TIMES[1:]
    got = bp.differentiate(ways["plain"], plan(), by=everything, times=times, initial={"effect": 5 / 1.3}, rtol=1e-10)
    h = 1e-3
    near = sorted(t + s * h for t in times for s in (-1, 1))
    run = bp.simulate(ways["plain"], plan(), times=near, initial={"effect": 5 / 1.3}, engine="native", rtol=1e-12)
    for name in ("out_conc", "out_effect"):  # 5/1.3: at rest until the first dose
        pace = np.diff(run[name].values.reshape(-1, 2))[:, 0] / (2 * h)
        # h**2 of the third derivative
        np.testing.assert_allclose(got[f"d_{name}"].values.sum(axis=1), -pace, rtol=1e-5, atol=1e-6)


def test_doses_one_by_one_add_up_to_all(one):
    course = bp.every("bolus", "20 ug", days=2, doses=4)
    by = ["dose:bolus.amount", *(f"dose:bolus[{n}].amount" for n in (1, 2, 3, 4))]
    got = bp.differentiate(one, course, by=by, days=9, rtol=1e-10)["d_amount"]
    np.testing.assert_allclose(got[:, 0], got[:, 1:].sum("by"), rtol=1e-12)
    assert got["by_unit"].values[0] == "ug"
    run = bp.simulate(one, course, days=9, engine="native", rtol=1e-10)
    np.testing.assert_allclose(got[:, 0] * 20, run["amount"], rtol=1e-8)  # linear in dose


def test_a_spread_course(one):
    def amount(text):
        course = bp.daily("bolus", text, doses=6, start=1, spread=True)
        return bp.differentiate(one, course, by=["dose.amount", "dose.time"], days=9, rtol=1e-10)

    got = amount("2 mg")
    np.testing.assert_allclose(got["d_amount"].sel(by="dose.amount") * 2, got["amount"], rtol=1e-8, atol=1e-12)


def test_the_history_of_the_flagship_starts_at_a_time_of_its_parameters():
    model = bp.load("aibl", drugs=["denosumab"])
    course = bp.every("denosumab", "60 mg", months=6, doses=4)
    by = ["years_since_fmp", "history_lead", "denosumab.F", "dose:denosumab[3].time"]
    names = ["bmd_lumbar_spine", "ctx"]
    got = bp.differentiate(model, course, by=by, outputs=names, years=3, every="1 month", rtol=1e-9)
    assert sorted(got.data_vars) == sorted([*names, *(f"d_{n}" for n in names)])
    for name in ("years_since_fmp", "denosumab.F"):
        h = 1e-4 * model.values[name]
        ends = [
            bp.simulate(
                model, course, years=3, every="1 month", engine="native", rtol=1e-11,
                parameters={name: model.values[name] + s * h},
            )
            for s in (1, -1)
        ]  # fmt: skip
        for output in names:
            want = (ends[0][output].values - ends[1][output].values) / (2 * h)
            found = got[f"d_{output}"].sel(by=name).values
            # a run of thirty years at rtol 1e-9 against differences
            assert np.abs(found - want).max() < 1e-5 * np.abs(want).max()
    # an exact balance is the same however long ago it began
    assert np.abs(got["d_bmd_lumbar_spine"].sel(by="history_lead")).max() < 1e-8


def test_messages(ways):
    model = ways["plain"]
    with pytest.raises(NotFoundError) as caught:
        bp.differentiate(model, plan(), by=["CLL", "dose:orall.amount", "dose.size", "CL", "CL"], times=TIMES)
    text = str(caught.value)
    for part in ("'CL'", "'oral'", "'size' of a dose", "given twice"):
        assert part in text
    with pytest.raises(NotFoundError, match="there are 2 such doses"):
        bp.differentiate(model, plan(), by=["dose:oral[3].amount"], times=TIMES)
    with pytest.raises(NotFoundError, match="says no duration"):
        bp.differentiate(model, plan(), by=["dose:oral.duration"], times=TIMES)
    with pytest.raises(NotFoundError, match="no such switch"):
        bp.differentiate(model, by=["switch:food.start"], times=TIMES)
    with pytest.raises(NotFoundError, match="never goes back"):
        bp.differentiate(model, bp.switch("food", 1), by=["switch:food.stop"], times=TIMES)
    with pytest.raises(NotFoundError, match="pass states=True"):
        bp.differentiate(model, plan(), by=["CL"], outputs=["central"], times=TIMES)
    with pytest.raises(NotFoundError, match="is empty"):
        bp.differentiate(model, plan(), by=[], times=TIMES)
