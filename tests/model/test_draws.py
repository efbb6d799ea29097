"""Draws of a set on a system: exact, in its units, with shifts; and the fit a core names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bonepk.errors import DataError, ModelTextError, NotFoundError
from bonepk.model.checks import check_fit, check_model
from bonepk.model.draws import draw_set
from bonepk.model.library import find_set, load
from bonepk.model.sets import ParameterSet, SetValue, save_set
from bonepk.model.spreads import SetEffect

VALUES = (SetValue("k_in", 25.0, "", 2.5), SetValue("blocker.CL", 1500.0, "mL/h"), SetValue("booster.k", 0.2))
ROWS = ((24.0, 1500.0, 0.1), (26.0, 2000.0, 0.2), (25.0, 1000.0, 0.3))
FIT = ParameterSet("fit", "x", "turnover", VALUES, draw_names=("k_in", "blocker.CL", "booster.k"), draws=ROWS)


def rng():
    return np.random.default_rng(1)


@pytest.fixture
def system(folder):
    return load("turnover", drugs=["blocker"])


def test_the_sets_own_draws_are_taken_in_order_and_in_the_systems_units(system):
    made = draw_set(system, FIT, 5, rng())
    assert made.count == 5
    assert made.values["k_in"].tolist() == [24, 26, 25, 24, 26]
    assert made.values["blocker.CL"] == pytest.approx([36, 48, 24, 36, 48], rel=1e-14)  # mL/h into L/day
    assert "booster.k" not in made.values  # not loaded


def test_a_covariance_serves_where_there_are_no_draws(system):
    chosen = replace(
        FIT,
        draws=(),
        draw_names=(),
        covariance_names=("k_in", "blocker.CL"),
        covariance=((6.25, 300.0), (300.0, 40000.0)),
    )
    made = draw_set(system, chosen, 4000, rng())
    logs = np.log([made.values["k_in"] / 25.0, made.values["blocker.CL"] / 36.0])
    # 4000 draws know a standard deviation to 1.1 % and a correlation of 0.6 to 0.01
    assert logs.std(axis=1) == pytest.approx([0.1, 200 / 1500], rel=0.05)
    assert np.corrcoef(logs)[0, 1] == pytest.approx(0.6, abs=0.04)
    wide = replace(chosen, covariance=((1e4, 0.0), (0.0, 1.0)))
    made = draw_set(system, wide, 200, rng()).values["k_in"]
    assert made.min() == 1  # the model's range
    assert made.max() == 100


EFFECTS = (
    SetEffect("production", ("k_in",), "log", 0.3),
    SetEffect("season", ("+season",), "identity", 0.5),
    SetEffect("women", ("k_out",), "log", 0.2, ("a", "b"), 0.1, (0.1, 0.2, 0.3)),
)


def test_shifts_move_the_drawn_values_and_leave_them_as_they_are_without(system):
    chosen = replace(FIT, effects=EFFECTS)
    with_shifts, without = (draw_set(system, chosen, 6, rng(), between=between) for between in (True, False))
    assert without.values["k_in"].tolist() == [24, 26, 25] * 2
    assert without.shifts == {}
    moved = with_shifts.values["k_in"]
    assert moved == pytest.approx(without.values["k_in"] * np.exp(with_shifts.shifts["production"]), rel=1e-14)
    assert np.std(with_shifts.shifts["production"]) > 0
    assert "k_out" in with_shifts.values  # an effect nobody fitted starts from the system's value
    assert with_shifts.values["k_out"].tolist() == [0.1] * 6


def test_a_shift_shared_by_name_comes_with_those_trials_alone(system):
    chosen = replace(FIT, effects=EFFECTS)
    made = draw_set(system, chosen, 4, rng(), between=False, like="b")
    assert made.values["k_out"] == pytest.approx(0.1 * np.exp([0.1, 0.2, 0.3, 0.1]), rel=1e-14)
    fixed = replace(chosen, effects=(replace(EFFECTS[2], draws=()),))
    assert draw_set(system, fixed, 2, rng(), like="a").values["k_out"] == pytest.approx([0.1 * np.exp(0.1)] * 2)


def test_values_held_by_name_stay_but_for_what_is_added(system):
    made = draw_set(system, replace(FIT, effects=EFFECTS), 3, rng())
    plain = made.over({}, system)
    assert plain["season"] == pytest.approx(made.shifts["season"])
    held = made.over({"k_in": 7.0, "season": 2.0}, system)
    assert held["k_in"] == 7.0
    assert held["season"] == pytest.approx(2.0 + made.shifts["season"])


def test_what_cannot_be_drawn(system):
    with pytest.raises(DataError, match="set 'fit': neither draws nor covariance"):
        draw_set(system, replace(FIT, draws=()), 3, rng())
    with pytest.raises(DataError, match="draws: 0; expected 1 or more"):
        draw_set(system, FIT, 0, rng())
    with pytest.raises(NotFoundError, match="is for model 'other', not 'turnover'"):
        draw_set(system, replace(FIT, model="other"), 3, rng())
    wrong = replace(FIT, effects=(SetEffect("x", ("kin", "+k_uot"), "log", 1.0), SetEffect("y", ("z",), "log", 1.0)))
    with pytest.raises(NotFoundError) as caught:
        draw_set(system, wrong, 3, rng())
    assert [f.found for f in caught.value.faults] == [f"no parameter '{n}'" for n in ("kin", "+k_uot", "z")]


def named(folder, chosen=None):
    """Let the core name a fit and, if given, write the set beside it."""
    if chosen is not None:
        save_set(chosen, folder.write("sets/fit.toml", ""))
    folder.edit("turnover.toml", "steady = true", 'steady = true\nfit = "fit"')


PLAIN = replace(FIT, values=(SetValue("k_in", 20.0, "", 2.0),), draw_names=("k_in",), draws=((19.0,), (21.0,)))


def test_a_core_names_the_set_its_values_came_from(folder):
    named(folder, PLAIN)
    system = load("turnover", drugs=["blocker"])
    assert system.fit == "fit"
    assert find_set(system.fit) == PLAIN
    assert check_fit(system) == []
    path = save_set(replace(PLAIN, title="other"), folder.path / "other.toml")
    assert find_set(load("turnover", parameters="other.toml").fit).title == "other"
    assert find_set(load("turnover", parameters="fit").fit) == PLAIN
    assert load("turnover", parameters=find_set(path)).fit == ""
    assert load("turnover").hash == replace(load("turnover"), fit="").hash


def test_a_fit_beside_a_core_given_by_path_comes_first(folder, tmp_path, monkeypatch):
    named(folder, replace(PLAIN, title="by name"))
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sets").mkdir(parents=True)
    (elsewhere / "turnover.toml").write_text((folder.path / "turnover.toml").read_text())
    save_set(replace(PLAIN, title="beside"), elsewhere / "sets" / "fit.toml")
    assert find_set(load(elsewhere / "turnover.toml").fit).title == "beside"
    assert find_set(load("turnover").fit).title == "by name"


def test_check_compares_values_with_the_fit(folder):
    named(folder, replace(PLAIN, values=(SetValue("k_in", 20.3, "", 2.0),)))
    check_model("turnover")  # a file may round
    folder.write("sets/fit.toml", (folder.path / "sets/fit.toml").read_text().replace("20.3", "22.0"))
    with pytest.raises(ModelTextError, match=r"turnover \[fit\]: 'k_in' is 20; the set 'fit' has 22"):
        check_model("turnover")


def test_a_fit_that_is_not_there_is_a_fault_of_the_check_alone(folder):
    named(folder)
    assert load("turnover").fit == "fit"
    with pytest.raises(ModelTextError, match=r"turnover \[fit\]: no set 'fit'"):
        check_model("turnover")


def test_a_drug_has_no_fit(folder):
    folder.edit("drugs/booster.toml", 'time = "day"', 'time = "day"\nfit = "fit"')
    with pytest.raises(ModelTextError, match="'fit' in a drug file; expected only in core, literature"):
        load("turnover", drugs=["booster"])
