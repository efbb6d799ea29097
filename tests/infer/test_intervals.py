"""Intervals of a trial from a set alone, against a model with a closed form and a generator that is known."""

from dataclasses import replace

import numpy as np
import pytest
from toy_core import CHANGE, LOSS, MODEL, MODEL_SD, PARAMETER, ROW, SE, TRIAL, TRIAL_SD, simulated_rows, trial_of

from bonepk.errors import NotFoundError, SolverError
from bonepk.infer import trial_intervals, validate_intervals, with_intervals
from bonepk.model.sets import ParameterSet, SetValue, save_set
from bonepk.model.spreads import SetEffect, SetError, SetLoss
from bonepk.study import predict_trial

FIT = ParameterSet(
    "fit",
    "x",
    "core",
    (SetValue("loss", LOSS, "", LOSS * PARAMETER),),
    draw_names=("loss",),
    draws=tuple((float(LOSS * np.exp(z)),) for z in np.random.default_rng(5).normal(0, PARAMETER, 200)),
    effects=(SetEffect("pace", ("loss",), "log", TRIAL_SD),),
    errors=(SetError("bmd", MODEL_SD, 0.0, 0.0, 0.0, 4.0), SetError("ctx", 7.0, 0.0, 0.0, 0.0, 30.0)),
)


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "core.toml"
    path.write_text(MODEL.format(fit=""))
    return path


def test_intervals_cover_what_a_known_generator_makes(core):
    rng = np.random.default_rng(8)
    trials = [trial_of(simulated_rows(rng), f"t{i}") for i in range(60)]
    told = []
    found = validate_intervals(trials, core, FIT, draws=200, progress=lambda *a: told.append(a))
    inside = [row.inside for trial in found.values() for row in trial.rows.values()]
    assert len(inside) == 360
    # sixty trials whose rows hang together tell a coverage of 90 % to about 3 %
    assert 0.82 < np.mean(inside) < 0.97
    assert [t[0] for t in told] == list(range(61))
    narrow = replace(FIT, effects=(), errors=())
    alone = validate_intervals(trials[:30], core, narrow, draws=100)
    assert np.mean([row.inside for trial in alone.values() for row in trial.rows.values()]) < 0.75
    assert all("no spread between trials and no model error" in t.note for t in alone.values())


def test_each_part_of_the_width_is_what_it_is_made_of(core):
    rows = CHANGE.format(arm="control", month=36, value=-8.6, low=-9.0, high=-8.2)
    rows += ROW.format(endpoint="ctx", more='kind = "percent_change", month = 12, value = -3, unit = "%"')
    made = trial_intervals(trial_of(rows), core, FIT, draws=200)
    one, marker = made.rows[0], made.rows[1]
    loss = np.array(FIT.draws)[:, 0]
    assert one.sd_parameter == pytest.approx(np.std(100 * np.exp(-3 * loss)), rel=1e-3)
    # the slope of the change by the log of the loss, times the sd of the shift; 200 draws know it to 5 %
    assert one.sd_trial == pytest.approx(300 * LOSS * np.exp(-3 * LOSS) * TRIAL_SD, rel=0.2)
    assert (one.sd_model, one.sd_sampling) == (pytest.approx(MODEL_SD), pytest.approx(SE))
    assert marker.sd_model == pytest.approx(7.0)
    assert marker.sd_sampling == pytest.approx(30.0 / 10)  # the set's own sd between women, a hundred of them
    total = np.sqrt(one.sd_parameter**2 + one.sd_trial**2 + MODEL_SD**2 + SE**2)
    assert one.high - one.low == pytest.approx(2 * 1.645 * total, rel=0.15)
    tailed = trial_intervals(trial_of(rows), core, replace(FIT, loss=SetLoss("student_t", 3.0)), draws=200)
    assert tailed.rows[1].high - tailed.rows[1].low > 1.2 * (marker.high - marker.low)  # t with 3: 2.35 for 1.645


KINDS = (
    'kind = "percent_change", month = 24, since = 6, value = 1, unit = "%"',
    'kind = "annual_change", month = 24, since = 6, value = 1, unit = "%/year"',
    'kind = "difference", versus = "calcium", month = 24, value = 1, unit = "points"',
    'kind = "annual_difference", versus = "calcium", month = 24, value = 1, unit = "points/year"',
    'kind = "relative_difference", versus = "calcium", month = 24, value = 1, unit = "%"',
    'kind = "versus_premenopausal", month = 24, value = 1, unit = "%"',
    'kind = "ratio", month = 24, since = 6, value = 1, unit = "1"',
)


def test_every_kind_of_number_is_expressed_draw_by_draw(core):
    """Where nothing is uncertain an interval shrinks onto the prediction, in the unit of its row."""
    rows = "".join(ROW.format(endpoint="bmd_lumbar_spine", more=more) for more in KINDS)
    rows += ROW.format(endpoint="estradiol", more='kind = "level", month = 24, value = 18, unit = "pmol/L"')
    rows += ROW.format(endpoint="fracture", more='kind = "incidence", month = 24, value = 18, unit = "%"')
    trial = trial_of(rows)
    exact = replace(FIT, draws=((LOSS,),) * 3, effects=(), errors=(SetError("bmd", 0.0),))
    made = trial_intervals(trial, core, exact, draws=3)
    shown = predict_trial(trial, core).rows
    assert sorted(made.rows) == [k for k, r in enumerate(shown) if r.predicted is not None and not r.row.obstacle]
    assert len(made.rows) == 8
    for k, found in made.rows.items():
        assert found.sd_parameter == pytest.approx(0, abs=1e-12)
        assert found.low < shown[k].predicted < found.high
        # only sampling is left; twenty errors for each of three draws place an end to some 15 %
        assert found.high - found.low == pytest.approx(2 * 1.645 * found.sd_sampling, rel=0.4)
    assert made.rows[6].sd_sampling == pytest.approx(4.5 / 10 / 100)  # a ratio of 1 is a hundred percent
    assert made.rows[7].sd_sampling == pytest.approx(30.0 / 10 * 18 / 100)  # of the level itself


def test_a_marker_cannot_fall_by_more_than_all_of_it(core):
    more = 'kind = "percent_change", month = 24, value = -90, unit = "%"'
    wide = replace(FIT, errors=(SetError("ctx", 90.0),))
    made = trial_intervals(trial_of(ROW.format(endpoint="ctx", more=more)), core, wide)
    assert made.rows[0].low == -100


def test_courses_are_bands_around_the_closed_form(core):
    rows = ROW.format(endpoint="bmd_lumbar_spine", more=KINDS[2])
    made = trial_intervals(trial_of(rows), core, FIT, draws=200)
    spine = made.courses["bmd_lumbar_spine"]
    assert spine.attrs["units"] == "%"
    assert spine.dims == ("arm", "source", "bound", "month")
    at = spine.sel(arm="control", source="parameters", month=24)
    exact = 100 * (np.exp(-2 * np.quantile(np.array(FIT.draws)[:, 0], [0.95, 0.5, 0.05])) - 1)
    assert at.values == pytest.approx(exact, abs=0.002)  # runs are good to 1e-5; the course falls as the loss grows
    widths = (spine.sel(bound="high") - spine.sel(bound="low")).sel(arm="control")
    assert np.all(widths.sel(source="parameters and trials")[1:] > 1.2 * widths.sel(source="parameters")[1:])
    gap = made.differences["bmd_lumbar_spine"].sel(pair="control - calcium", source="parameters", month=24)
    slow = 100 * (np.exp(-2 * np.array(FIT.draws)[:, 0]) - np.exp(-np.array(FIT.draws)[:, 0]))
    assert gap.values == pytest.approx(np.quantile(slow, [0.05, 0.5, 0.95]), abs=0.002)
    assert made.differences["bmd_lumbar_spine"].attrs["units"] == "points"
    assert str(made.differences["versus"].values[0]) == "calcium"


def test_the_same_seed_gives_the_same_numbers(core):
    trial = trial_of(ROW.format(endpoint="bmd_lumbar_spine", more=KINDS[0]))
    one, two, other = (trial_intervals(trial, core, FIT, draws=20, seed=s) for s in (1, 1, 2))
    assert one.rows == two.rows
    assert one.courses.identical(two.courses)
    assert one.rows != other.rows


def test_where_nothing_is_known_of_the_uncertainty(core, tmp_path):
    trial = trial_of(ROW.format(endpoint="bmd_lumbar_spine", more=KINDS[0]))
    for parameters, note in (
        (None, "no intervals: model 'core' names no fit; give a parameter set"),
        (replace(FIT, draws=(), draw_names=()), "no intervals: set 'fit' has neither draws nor covariance"),
        ({"loss": 0.04}, "no intervals: values given by name say nothing of their uncertainty"),
    ):
        made = trial_intervals(trial, core, parameters)
        assert (made.rows, made.courses, made.note) == ({}, None, note)
    with pytest.raises(NotFoundError, match="no set 'calibratd'"):
        trial_intervals(trial, core, "calibratd")


def test_a_core_that_names_its_fit_needs_no_set(core, tmp_path):
    (tmp_path / "core.toml").write_text(MODEL.format(fit='fit = "fit"'))
    save_set(FIT, tmp_path / "fit.toml")
    (tmp_path / "trial.toml").write_text(TRIAL.replace("ROWS", ROW.format(endpoint="bmd_lumbar_spine", more=KINDS[0])))
    made = trial_intervals(tmp_path / "trial.toml", tmp_path / "core.toml", draws=20)
    assert made.parameters == "fit"
    assert made.note == ""
    again = trial_intervals(tmp_path / "trial.toml", core, FIT, draws=20)
    assert made.rows == again.rows
    shown = with_intervals(predict_trial(tmp_path / "trial.toml", tmp_path / "core.toml"), made).rows[0]
    assert (shown.low, shown.high) == (made.rows[0].low, made.rows[0].high)
    assert shown.covered is made.rows[0].inside


def test_a_draw_that_cannot_be_solved_is_left_out(core):
    trial = trial_of(ROW.format(endpoint="bmd_lumbar_spine", more=KINDS[0]))
    plain = replace(FIT, effects=())
    few = replace(plain, draws=(*FIT.draws[:95], *((5.0,),) * 5))
    made = trial_intervals(trial, core, few, draws=100)
    assert made.skipped == 5
    alone = trial_intervals(trial, core, plain, draws=95)
    assert made.rows[0].sd_parameter == pytest.approx(alone.rows[0].sd_parameter, rel=1e-6)
    many = replace(plain, draws=(*FIT.draws[:85], *((5.0,),) * 15))
    with pytest.raises(SolverError, match="trial 'made-up': 15 of 100 draws could not be solved"):
        trial_intervals(trial, core, many, draws=100)
    (told,) = validate_intervals([trial], core, many).values()
    assert not told.rows
    assert "15 of 100 draws" in told.note


def test_progress_may_interrupt(core):
    trial = trial_of(ROW.format(endpoint="bmd_lumbar_spine", more=KINDS[0]))

    def stop(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trial_intervals(trial, core, FIT, progress=stop)
