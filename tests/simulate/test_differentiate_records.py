"""Derivatives of data sets: steady states of every kind, additional doses, covariates."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import bonepk as bp
from bonepk.errors import NotFoundError

MODELS = Path(__file__).parent / "models"
CMT = ["oral", "iv", "zero", "paced"]
OBSERVED = [1.0, 3.0, 7.9, 8.1, 12.5, 24.0]
NAMED = ["CL", "V", "ka", "F", "ALAG", "D", "R", "vmax", "km", "kout", "slope", "base"]


@pytest.fixture(scope="module")
def ways():
    return bp.load(MODELS / "ways.toml")


def data(cmt=1, rate=0.0, ii=8.0, ss=1, at=0.0, amount=100.0, addl=0):
    rows = [(0.0, 1, 30.0, 2, 0.0, 0.0, 0, 0)] if ss == 2 else []
    rows += [(at, 1, amount, cmt, rate, ii, addl, ss), *((t, 0, 0.0, 1, 0.0, 0.0, 0, 0) for t in OBSERVED)]
    names = ("TIME", "EVID", "AMT", "CMT", "RATE", "II", "ADDL", "SS")
    return {"ID": [1] * len(rows)} | {n: [r[i] for r in rows] for i, n in enumerate(names)}


CASES = {
    "bolus": {},
    "on top": {"cmt": 2, "ss": 2, "at": 0.5},
    "infusion": {"cmt": 2, "rate": 20.0},
    "longer than its interval": {"cmt": 2, "rate": 10.0},
    "as long as its interval": {"cmt": 2, "rate": 12.5},
    "modelled duration": {"cmt": 3, "rate": -2.0},
    "modelled rate": {"cmt": 4, "rate": -1.0},
    "constant": {"cmt": 2, "rate": 15.0, "ii": 0.0, "amount": 0.0},
    "constant with lag": {"cmt": 3, "rate": 15.0, "ii": 0.0, "amount": 0.0},
    "additional": {"ss": 0, "addl": 2},
    "additional infusions on top": {"cmt": 3, "rate": -2.0, "ss": 2, "at": 0.5, "addl": 2},
}


@pytest.mark.parametrize("case", CASES)
def test_steady_states_against_central_differences(ways, case):
    given = CASES[case]
    last = "dose[2]" if given.get("ss") == 2 else "dose[1]"
    moved = {f"{last}.amount": "amount"} if given.get("amount", 1.0) else {}
    if given.get("rate", 0.0) > 0:
        moved[f"{last}.rate"] = "rate"
    if "at" in given:
        moved[f"{last}.time"] = "at"
    by = [*NAMED, "food", *moved]
    got = bp.differentiate_records(bp.read_nonmem(data(**given), ways, cmt=CMT), by=by, rtol=1e-10)

    def run(direction, h):
        model, changed, values = ways, dict(given), {}
        if direction in moved:
            usual = {"amount": 100.0, "rate": 0.0, "at": 0.0}[moved[direction]]
            changed[moved[direction]] = given.get(moved[direction], usual) + h
        elif direction == "food":
            model = replace(ways, inputs=(replace(ways.inputs[0], value=0.3 + h),))
        else:
            values = {direction: ways.values[direction] + h}
        runs = bp.read_nonmem(data(**changed), model, cmt=CMT)
        return bp.simulate_records(runs, parameters=values, engine="native", rtol=1e-12)

    for direction in by:
        h = 2e-4 * ways.values[direction] if direction in NAMED else 1e-4 if direction == "food" else 1e-3
        up, down = run(direction, h), run(direction, -h)
        # where an infusion ends as the next begins, second derivatives differ between the sides: order h
        close = 2e-5 if case == "as long as its interval" else 2e-6
        for name in ("out_conc", "out_effect", "depot"):
            want = (up[name].values - down[name].values) / (2 * h)
            found = got[f"d_{name}"].sel(by=direction).values
            # differences: h**2 of curvature, and 1e-9 of a steady state over h
            size = np.abs(want).max() + 1e-2 * np.abs(got[name].values).max() + 1e-9
            assert np.abs(found - want).max() < close * size, (direction, name)


def test_closed_form_of_a_steady_state(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(
        """
kind = "literature"
title = "One compartment"
time = "day"
[parameters]
k = { value = 0.3, unit = "1/day", source = "assumed", note = "for tests" }
[states]
x = { initial = 0, unit = "mg" }
[fluxes]
out = { from = "x", rate = "k*x" }
[outputs]
amount = { expr = "x", unit = "mg" }
"""
    )
    table = {"TIME": [0, 1, 3], "EVID": [1, 0, 0], "AMT": [10, 0, 0], "II": [2, 0, 0], "SS": [1, 0, 0], "ID": [1] * 3}
    got = bp.differentiate_records(bp.read_nonmem(table, bp.load(path)), by=["k", "dose.amount"], rtol=1e-11)
    t, k, tau = np.array([1.0, 3.0]), 0.3, 2.0
    x = 10 * np.exp(-k * t) / (1 - np.exp(-k * tau))
    by_k = -t * x - x * tau * np.exp(-k * tau) / (1 - np.exp(-k * tau))
    np.testing.assert_allclose(got["d_amount"].values, np.array([by_k, x / 10]).T, rtol=1e-8)


def test_what_is_conserved_follows_the_initial_state(tmp_path):
    """A target that is bound and set free, its total never changing: the steady state depends on it."""
    path = tmp_path / "bound.toml"
    path.write_text(
        """
kind = "literature"
title = "A conserved target"
time = "day"
[parameters]
k = { value = 0.5, unit = "1/day", source = "assumed", note = "for tests" }
on = { value = 0.02, unit = "1/mg/day", source = "assumed", note = "for tests" }
off = { value = 0.4, unit = "1/day", source = "assumed", note = "for tests" }
total = { value = 3, unit = "mg", source = "assumed", note = "for tests" }
[states]
drug = { initial = 0, unit = "mg" }
free = { initial = "total", unit = "mg" }
bound = { initial = 0, unit = "mg" }
[fluxes]
out = { from = "drug", rate = "k*drug" }
binding = { from = "free", to = "bound", rate = "on*drug*free" }
release = { from = "bound", to = "free", rate = "off*bound" }
[outputs]
target = { expr = "free + bound", unit = "mg" }
held = { expr = "bound", unit = "mg" }
"""
    )
    model = bp.load(path)
    table = {"TIME": [0, 1, 1.5], "EVID": [1, 0, 0], "AMT": [10, 0, 0], "II": [2, 0, 0], "SS": [1, 0, 0], "ID": [1] * 3}
    runs = bp.read_nonmem(table, model)
    got = bp.differentiate_records(runs, by=["total", "k", "off"], rtol=1e-10)
    np.testing.assert_allclose(got["target"].values, 3.0, rtol=1e-8)
    np.testing.assert_allclose(got["d_target"].values, [[1, 0, 0]] * 2, atol=1e-7)
    # everything is in proportion to the target
    np.testing.assert_allclose(got["d_held"].sel(by="total") * 3, got["held"], rtol=1e-6)


def test_time_stands_still_in_a_steady_state(tmp_path):
    """Elimination that grows with time: the steady state is that of the moment."""
    path = tmp_path / "aging.toml"
    path.write_text(
        """
kind = "literature"
title = "Elimination that grows"
time = "day"
[parameters]
k = { value = 0.3, unit = "1/day", source = "assumed", note = "for tests" }
growth = { value = 0.1, unit = "1/day", source = "assumed", note = "for tests" }
[states]
x = { initial = 0, unit = "mg" }
[quantities]
pace = "k*(1 + growth*t)"
[fluxes]
out = { from = "x", rate = "pace*x" }
[outputs]
amount = { expr = "x", unit = "mg" }
"""
    )
    model = bp.load(path)

    def table(at):
        columns = {"TIME": [0, at, 6], "EVID": [0, 1, 0], "AMT": [0, 10, 0], "II": [0, 2, 0], "SS": [0, 1, 0]}
        return columns | {"ID": [1] * 3}

    by = ["k", "growth", "dose[1].time"]
    got = bp.differentiate_records(bp.read_nonmem(table(4.0), model), by=by, rtol=1e-10)

    def x(k, growth, at):
        factor = 1 / (1 - np.exp(-2 * k * (1 + growth * at)))
        return 10 * factor * np.exp(-k * (6 - at) - k * growth * (36 - at**2) / 2)

    point = np.array([0.3, 0.1, 4.0])
    assert got["amount"].values[1] == pytest.approx(x(*point), rel=1e-8)
    for j in range(3):
        # complex step: exact to rounding
        want = np.imag(x(*(point + 1e-30j * np.eye(3)[j]))) / 1e-30
        assert got["d_amount"].values[1, j] == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize("rule", ["nocb", "locf", "linear"])
def test_subjects_and_covariates(ways, rule):
    table = {
        "ID": [1, 1, 1, 2, 2, 2, 2],
        "TIME": [0, 4, 12, 0, 6, 9, 20],
        "EVID": [1, 0, 0, 1, 1, 0, 0],
        "AMT": [100, 0, 0, 50, 70, 0, 0],
        "CMT": [1, 1, 1, 1, 2, 1, 1],
        "food": [0.2, 0.5, 0.9, 0.0, 0.3, 0.3, 0.8],
    }
    options = {"cmt": CMT, "covariate_rules": rule}
    by = ["F", "ALAG", "CL", "dose[2].amount", "dose:oral.amount"]
    got = bp.differentiate_records(bp.read_nonmem(table, ways, **options), by=by, rtol=1e-10)
    assert got["id"].values.tolist() == [1, 1, 2, 2]
    for name in ("F", "ALAG", "CL"):
        h = 1e-4 * ways.values[name]
        ends = [
            bp.simulate_records(
                bp.read_nonmem(table, ways, **options), engine="native", rtol=1e-12,
                parameters={name: ways.values[name] + s * h},
            )["out_conc"].values
            for s in (1, -1)
        ]  # fmt: skip
        # h**2 of curvature
        np.testing.assert_allclose(got["d_out_conc"].sel(by=name), (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-8)
    second = got["d_out_conc"].sel(by="dose[2].amount").values
    assert second[:2].tolist() == [0.0, 0.0]  # the first subject has one dose
    assert (second[2:] > 0).all()
    with pytest.raises(NotFoundError, match="comes from a column"):
        bp.differentiate_records(bp.read_nonmem(table, ways, **options), by=["food"])
