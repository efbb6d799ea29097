"""Predictions against a model with a closed form, and what happens to rows that cannot be predicted."""

import pickle

import numpy as np
import pytest

from bonepk.errors import NotFoundError, SolverError
from bonepk.model import load
from bonepk.study import predict, predict_trial, read_trial, scores, validate, worst

# bone falls by `loss` a year, half as fast on calcium: exp(-loss*(1 - 0.5*calcium)*years)
MODEL = """
kind = "core"
title = "Exponential loss"
time = "day"

[parameters]
years_since_fmp = { value = 0, unit = "year", source = "fixed", note = "only a label here" }
loss = { value = 0.03, unit = "1/year", source = "fixed", note = "made up" }
year = { value = 365.25, unit = "day/year", source = "fixed", note = "conversion" }
E0 = { value = 20, unit = "pmol/L", source = "fixed", note = "made up" }

[inputs]
calcium_vitamin_d = { value = 0, unit = "1" }

[states]
bone = { initial = 1, unit = "1", label = "bone" }

[fluxes]
loss_of_bone = { from = "bone", rate = "loss/year*(1 - 0.5*calcium_vitamin_d)*bone" }

[outputs]
bmd_lumbar_spine = { expr = "bone", unit = "1", label = "spine" }
ctx = { expr = "1 + calcium_vitamin_d*0.5", unit = "1", label = "jumps with the switch" }
estradiol = { expr = "E0*bone", unit = "pmol/L", label = "estradiol" }
"""

TRIAL = """
[trial]
title = "Closed form"
year = 2020
design = "made up"

[citations]
none = { text = "none" }

[population]
description = "women"
years_since_fmp = { value = 10, source = "assumed", note = "n" }

[[arms]]
name = "calcium"
regimen = [{ switch = "calcium_vitamin_d", to = 1 }]

[[arms]]
name = "control"

[[arms]]
name = "mixed"

[[arms.strata]]
weight = 0.25
label = "fast"
parameters = { loss = 0.06 }

[[arms.strata]]
weight = 0.75
label = "usual"

[[arms]]
name = "other"
not_simulated = "a drug that is not in the model"

[results]
rows = [
ROWS
]
"""

K = 0.03
CTX = 'endpoint = "ctx", kind = "percent_change"'
SPINE = 'endpoint = "bmd_lumbar_spine"'
PAIR = f'arm = "calcium", versus = "control", {SPINE}'
CONTROL = f'arm = "control", {SPINE}'
YEAR, TWO = np.exp(-K), np.exp(-2 * K)
LINES = {
    f'{CONTROL}, kind = "percent_change", month = 24, unit = "%"': 100 * (TWO - 1),
    f'{CONTROL}, kind = "percent_change", since = 12, month = 36, unit = "%"': 100 * (TWO - 1),
    f'{CONTROL}, kind = "annual_change", month = 24, unit = "%/year"': 50 * (TWO - 1),
    f'{CONTROL}, kind = "ratio", since = 12, month = 24, unit = "1"': YEAR,
    f'{CONTROL}, kind = "versus_premenopausal", month = 12, unit = "%"': 100 * (YEAR - 1),
    'arm = "control", endpoint = "estradiol", kind = "level", month = 12, unit = "pmol/L"': 20 * YEAR,
    f'{PAIR}, kind = "difference", month = 24, unit = "points"': 100 * (YEAR - TWO),
    f'{PAIR}, kind = "annual_difference", month = 24, unit = "points/year"': 50 * (YEAR - TWO),
    f'{PAIR}, kind = "relative_difference", month = 24, unit = "%"': 100 * (np.exp(K) - 1),
    f'arm = "mixed", {SPINE}, kind = "percent_change", month = 12, unit = "%"': 25 * TWO + 75 * YEAR - 100,
    # the baseline is read before the switch of day 0
    'arm = "calcium", endpoint = "ctx", kind = "percent_change", month = 12, unit = "%"': 50.0,
}


def trial_of(*lines):
    # value 0 unless said otherwise: the error is then the prediction
    tail = ', value = 0, cite = "none", confidence = "verified"'
    rows = "\n".join(f"  {{ {line}{'' if 'value' in line else tail} }}," for line in lines)
    return read_trial(TRIAL.replace("ROWS", rows), file="closed.toml")


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "closed.toml"
    path.write_text(MODEL)
    return load(path)


def test_every_kind_against_the_closed_form(system):
    result = predict_trial(trial_of(*LINES), system)
    for row, (line, expected) in zip(result.rows, LINES.items(), strict=True):
        # relative tolerance 1e-6 a step, some ten steps, times 100 for percent
        assert row.predicted == pytest.approx(expected, abs=1e-3), line
        assert row.status == ""


def test_courses_are_labelled(system):
    result = predict_trial(trial_of(*LINES), system)
    courses = result.courses
    assert set(courses.dims) == {"arm", "month"}
    assert list(courses["arm"].values) == ["calcium", "control", "mixed"]
    assert courses["bmd_lumbar_spine"].attrs["units"] == "%"
    spine = courses["bmd_lumbar_spine"].sel(arm="control", month=12.0)
    assert float(spine) == pytest.approx(100 * (np.exp(-K) - 1), abs=1e-3)  # as above
    assert float(result.levels["estradiol"].sel(arm="control", month=0.0)) == pytest.approx(20)
    assert courses.attrs["model_hash"] == system.hash


def test_rows_that_cannot_be_predicted_are_kept_and_say_why(system):
    value = 'value = 1, cite = "none", confidence = "verified"'
    lines = [
        f'arm = "control", endpoint = "fracture", kind = "incidence", month = 12, unit = "%", {value}',
        f'arm = "other", endpoint = "bmd_lumbar_spine", kind = "percent_change", month = 12, unit = "%", {value}',
        f'arm = "control", endpoint = "bmd_lumbar_spine", kind = "percent_change", unit = "%", {value}',
        f'arm = "control", endpoint = "ntx", kind = "percent_change", month = 12, unit = "%", {value}',
        f'arm = "control", endpoint = "ctx", kind = "level", month = 12, unit = "nmol/mmol", {value}',
        f'endpoint = "bmd_lumbar_spine", kind = "percent_change", month = 12, unit = "%", {value}',
        f'arm = "control", {CTX}, month = 12, unit = "%", {value}, not_scored = "x"',
    ]
    result = predict_trial(trial_of(*lines), system)
    assert [r.status for r in result.rows] == [
        "not predicted yet",
        "not simulated: a drug that is not in the model",
        "the time is not stated",
        "model 'closed' has no output 'ntx'",
        "the model gives 'ctx' in [1]",
        "no single arm",
        "not scored: x",
    ]
    assert [r.predicted is None for r in result.rows] == [True] * 6 + [False]
    assert scores(result.rows) == ()


def test_trial_without_a_predictable_row_runs_nothing(system):
    line = 'arm = "control", endpoint = "fracture", kind = "incidence", month = 12, unit = "%"'
    result = predict_trial(trial_of(line), system)
    assert result.arms == ()
    assert dict(result.courses.sizes) == {"arm": 0, "month": 0} or not result.courses.data_vars


def test_scores_are_those_of_the_errors(system):
    lines = [
        'arm = "control", endpoint = "ctx", kind = "percent_change", month = 12, unit = "%", value = 3, '
        'spread = { type = "ci95", low = -1, high = 4 }, cite = "none", confidence = "verified"',
        'arm = "control", endpoint = "ctx", kind = "percent_change", month = 24, unit = "%", value = -4, '
        'spread = { type = "ci95", low = -5, high = -3 }, cite = "none", confidence = "memory"',
        'arm = "control", endpoint = "ctx", kind = "annual_change", month = 24, unit = "%/year", value = 2, '
        'spread = { type = "sd", low = 1, high = 3 }, cite = "none", confidence = "verified"',
    ]
    result = predict_trial(trial_of(*lines), system)  # ctx does not change: predicted 0
    assert [r.points for r in result.rows] == [-3, 4, -4]  # two years of a rate of 2
    (one,) = scores(result.rows, by=("measure",))
    assert one.n == 3
    assert one.rmse == pytest.approx(np.sqrt((9 + 16 + 16) / 3))
    assert one.mae == pytest.approx(11 / 3)
    assert one.bias == pytest.approx(-1)
    assert (one.intervals, one.within) == (2, 1)  # an SD between women is no interval of the mean
    assert scores(result.rows, by=("measure",), confidence="verified")[0].n == 2
    assert worst(result.rows, 1)[0].points == 4
    with pytest.raises(NotFoundError, match="did you mean 'treatment'"):
        scores(result.rows, by=("treatmen",))


def test_solver_that_stops_is_a_status_not_an_end(system, monkeypatch):
    def stops(*args, **kwargs):
        raise SolverError("solver stopped at day 3")

    monkeypatch.setattr(predict, "simulate", stops)
    result = predict_trial(trial_of(*LINES), system)
    assert {r.status.split(":")[0] for r in result.rows} == {"not simulated"}
    assert all("solver stopped at day 3" in r.status for r in result.rows)
    assert all(r.predicted is None for r in result.rows)


def test_progress_counts_cohorts(system):
    told = []
    predict_trial(trial_of(*LINES), system, progress=lambda done, total, what: told.append((done, total, what)))
    assert [t[:2] for t in told] == [(0, 4), (1, 4), (2, 4), (4, 4)]


def test_parameters_reach_the_run():
    usual = predict_trial("denosumab-off-8y")
    changed = predict_trial("denosumab-off-8y", parameters={"rankl_gain": 1.0})
    assert usual.model_hash != changed.model_hash
    assert usual.rows[0].predicted != changed.rows[0].predicted


def test_validate_runs_some_trials_and_knows_their_use():
    told = []
    done = validate(["abcsg-18", "bekker"], progress=lambda *args: told.append(args))
    assert [t.trial.name for t in done.trials] == ["abcsg-18", "bekker"]
    assert {r.use for r in done.trials[0].rows} == {"prediction"}
    assert told[-1][:2] == (2, 2)
    with pytest.raises(NotFoundError, match="did you mean 'bekker'"):
        validate(["beker"])


def test_rows_can_be_pickled(system):
    rows = predict_trial(trial_of(*LINES), system).rows
    assert pickle.loads(pickle.dumps(rows)) == rows
