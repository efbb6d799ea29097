"""Runs over draws: each draw as a run alone, what is held stays, what cannot be solved is left out."""

from dataclasses import replace

import numpy as np
import pytest

import bonepk as bp
from bonepk.errors import DataError, NotFoundError, SolverError
from bonepk.model.sets import ParameterSet, SetValue, save_set
from bonepk.model.spreads import SetEffect
from bonepk.simulate.draws import simulate_draws

PLAN = bp.every("marker", "2 ug", days=30, doses=2, route="sc")


@pytest.fixture
def fit(marker):
    values = marker.values
    rng = np.random.default_rng(2)
    return ParameterSet(
        "fit",
        "x",
        marker.name,
        (SetValue("k_out", values["k_out"]), SetValue("F", values["F"])),
        draw_names=("k_out",),
        draws=tuple((values["k_out"] * float(np.exp(z)),) for z in rng.normal(0, 0.2, 30)),
        effects=(
            SetEffect("turnover", ("k_out",), "log", 0.3),
            SetEffect("entry", ("+years_before",), "identity", 0.5),
        ),
    )


def test_each_draw_is_as_a_run_alone(marker, fit):
    made = simulate_draws(marker, PLAN, parameters=fit, draws=30, months=3, rtol=1e-9)
    assert made.sizes["draw"] == 30
    assert made["k_out"].values.tolist() == [row[0] for row in fit.draws]
    for i in (0, 17):
        alone = bp.simulate(marker, PLAN, months=3, parameters={"k_out": fit.draws[i][0]}, rtol=1e-9)
        for name in alone:
            peak = np.abs(alone[name].values).max()
            assert made[name].values[i] == pytest.approx(alone[name].values, rel=1e-7, abs=1e-7 * peak)
        assert made[name].attrs == alone[name].attrs
    assert made.attrs["parameter_set"] == "fit"
    assert (made.attrs["draws"], made.attrs["skipped"], made.attrs["between_trials"]) == (30, 0, 0)
    low, high = made["marker"].quantile([0.05, 0.95], dim="draw").values[:, -1]
    assert low < high


def test_shifts_between_trials_are_drawn_on_top(marker, fit):
    one, again, other = (
        simulate_draws(marker, parameters=fit, draws=30, months=1, between_trials=True, seed=s) for s in (3, 3, 4)
    )
    assert one.identical(again)
    logs = np.log(one["k_out"].values / np.array(fit.draws)[:, 0])
    assert 0.15 < np.std(logs) < 0.45  # 0.3, known to 13 %
    assert np.ptp(one["years_before"].values) > 0.5
    assert not np.array_equal(one["k_out"].values, other["k_out"].values)


def test_what_is_held_by_name_is_not_drawn(marker, fit):
    made = simulate_draws(
        marker, parameters=fit, draws=5, months=1, between_trials=True, values={"k_out": 0.1}, inputs={"supplement": 1}
    )
    assert "k_out" not in made.coords
    assert "years_before" in made.coords  # what is added is added to it
    assert '"k_out": 0.1' in made.attrs["parameters"]


def test_a_set_that_is_named_replaces_values_without_draws_too(marker, fit):
    other = replace(fit, values=(fit.values[0], SetValue("F", 0.123)))
    made = simulate_draws(marker, PLAN, parameters=other, draws=3, months=1)
    alone = bp.simulate(marker, PLAN, months=1, parameters={"k_out": fit.draws[2][0], "F": 0.123})
    assert made["marker"].values[2] == pytest.approx(alone["marker"].values, rel=1e-4)


def test_a_model_loaded_with_a_set_draws_from_it(marker, fit, tmp_path):
    from pathlib import Path

    core = Path(__file__).parent / "models" / "marker.toml"
    path = save_set(fit, tmp_path / "fit.toml")
    model = bp.load(core, parameters=path)
    made = simulate_draws(model, draws=5, months=1)
    assert made["k_out"].values.tolist() == [row[0] for row in fit.draws[:5]]
    changed = bp.load(core, parameters={"k_out": 2 * marker.values["k_out"]})
    chosen = replace(changed, fit=str(path))
    with pytest.raises(DataError, match=r"'k_out' is .* hold it with values=\{\.\.\.\}"):
        simulate_draws(chosen, draws=5, months=1)
    held = simulate_draws(chosen, draws=5, months=1, between_trials=True, values={"k_out": chosen.values["k_out"]})
    assert "k_out" not in held.coords


def test_what_cannot_be_drawn(marker, fit):
    with pytest.raises(NotFoundError, match=f"model '{marker.name}': names no fit"):
        simulate_draws(marker, months=1)
    with pytest.raises(DataError, match="neither draws nor covariance"):
        simulate_draws(marker, parameters=replace(fit, draws=()), months=1)
    with pytest.raises(NotFoundError, match="no set 'calibratd'"):
        simulate_draws(marker, parameters="calibratd", months=1)


def test_draws_that_fail_are_left_out_if_they_are_few(runaway):
    k = [-0.1 - 0.01 * i for i in range(19)]
    chosen = ParameterSet(
        "fit", "x", runaway.name, (SetValue("k", -0.1),), draw_names=("k",), draws=tuple((v,) for v in (*k, 0.5))
    )
    made = simulate_draws(runaway, parameters=chosen, draws=20, times=[0, 1, 5])
    assert made.attrs["skipped"] == 1
    assert made["k"].values.tolist() == k
    assert np.isfinite(made["twice"].values).all()
    with pytest.raises(SolverError, match="set 'fit': 3 of 20 draws could not be solved, the first: solver stopped"):
        simulate_draws(
            runaway,
            parameters=replace(chosen, draws=tuple((v,) for v in (*k[:17], 0.5, 0.6, 0.7))),
            draws=20,
            times=[0, 5],
        )
