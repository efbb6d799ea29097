"""A fit as a set: ties, shared shifts and spreads travel with it, and intervals from it are those of the fit."""

from dataclasses import replace

import numpy as np
import pytest
from toy_core import LOSS, MODEL, MODEL_SD, TRIAL, TRIAL_SD, simulated_rows

from bonepk.infer import Effect, ErrorModel, Free, Loss, Problem, Trials, calibrate, predict, save, trial_intervals
from bonepk.model.sets import read_set, set_text
from bonepk.model.spreads import SetError, SetLoss

FREE = (Free("loss", 0.05, 0.003, 0.3, also=("E0",)),)  # tied to a parameter that no row sees
EFFECTS = (
    Effect("pace", ("loss",), TRIAL_SD),
    Effect("women", ("loss",), 0.2, together=("t0", "t1", "t2")),
)
ERRORS = {"bmd": ErrorModel(sd=MODEL_SD, shared=0.0, visits=0.0, outputs=0.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fit")
    (path / "core.toml").write_text(MODEL.format(fit=""))
    rng = np.random.default_rng(3)
    for i in range(10):
        (path / f"t{i}.toml").write_text(TRIAL.replace("ROWS", simulated_rows(rng, 0.0)))
    return path


@pytest.fixture(scope="module")
def fit(folder):
    names = tuple(str(folder / f"t{i}.toml") for i in range(9))
    trials = Trials(str(folder / "core.toml"), use="", names=names, typical={"bmd": 4.0})
    return calibrate(Problem(trials, FREE, EFFECTS, ERRORS, Loss("student_t", 5.0), seed=2))


@pytest.fixture(scope="module")
def saved(fit, folder):
    return read_set(save(fit, folder / "fitted.toml", draws=300))


def test_everything_an_interval_needs_is_in_the_set(fit, saved):
    pace, women = saved.effects
    assert (pace.parameters, pace.scale, pace.sd, pace.together) == (("loss",), "log", TRIAL_SD, ())
    assert women.together == ("t0", "t1", "t2")
    assert women.shift == pytest.approx(fit.shifts["women"]["*"], rel=1e-5)  # six digits are written
    assert np.mean(women.draws) == pytest.approx(women.shift, abs=0.05)
    assert saved.errors == (SetError("bmd", MODEL_SD, 0.0, 0.0, 0.0, 4.0),)
    assert saved.loss == SetLoss("student_t", 5.0)


def test_tied_parameters_are_drawn_together(saved):
    assert saved.draw_names == ("loss", "E0") == saved.covariance_names
    assert all(one == other for one, other in saved.draws)
    covariance = np.array(saved.covariance)
    assert covariance == pytest.approx(np.full((2, 2), covariance[0, 0]), rel=1e-12)


def test_draws_are_those_of_the_fit(fit, saved):
    assert np.array(saved.draws)[:, 0] == pytest.approx(fit.draw(300, fit.seed)[:, 0], rel=1e-5)


def test_the_file_is_byte_stable(saved, folder):
    assert (folder / "fitted.toml").read_text() == set_text(saved)


def test_intervals_from_the_set_are_those_of_the_fit(fit, saved, folder):
    new = str(folder / "t9.toml")
    live = predict(fit, Trials(str(folder / "core.toml"), use="", names=(new,)), draws=3000, rng=1)
    made = trial_intervals(new, folder / "core.toml", saved, draws=300, seed=1)
    width = (live.high - live.low).values
    low, high = (np.array([getattr(r, side) for r in made.rows.values()]) for side in ("low", "high"))
    # an end is a quantile of 300 runs with 20 errors each: good to some 5 % of the width
    assert np.abs((low - live.low.values) / width).max() < 0.12
    assert np.abs((high - live.high.values) / width).max() < 0.12
    assert [r.sd_model for r in made.rows.values()] == pytest.approx(live.sd_model.values)
    assert [r.sd_sampling for r in made.rows.values()] == pytest.approx(live.sd_sampling.values)
    assert [r.sd_trial for r in made.rows.values()] == pytest.approx(live.sd_trial.values, rel=0.2)


def test_a_fitted_trial_is_treated_as_new(fit, saved, folder):
    """Its interval is as wide as that of its twin under another name, not as narrow as the fit knows it."""
    text = (folder / "t1.toml").read_text()
    (folder / "twin.toml").write_text(text)
    one, twin = (trial_intervals(folder / f"{n}.toml", folder / "core.toml", saved) for n in ("t1", "twin"))
    assert one.rows == twin.rows
    inside = predict(fit, draws=0)
    known = float((inside.high - inside.low).sel(row=inside.block == "t1").values[5])
    assert one.rows[5].high - one.rows[5].low > 1.2 * known


def test_a_set_without_draws_serves_too(saved, folder):
    bare = replace(saved, draws=(), draw_names=(), effects=tuple(replace(e, draws=()) for e in saved.effects))
    one, other = (trial_intervals(folder / "t9.toml", folder / "core.toml", s, draws=300) for s in (saved, bare))
    for k, row in one.rows.items():
        # the fit is nearly normal on the log scale
        assert other.rows[k].sd_parameter == pytest.approx(row.sd_parameter, rel=0.2)
    assert LOSS / 2 < saved.values[0].value < 2 * LOSS
