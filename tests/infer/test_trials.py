"""Published trials as something to fit."""

import pickle

import numpy as np
import pytest

from bonepk.errors import DataError
from bonepk.infer import Effect, ErrorModel, Free, Problem, calibrate, leave_out, predict
from bonepk.infer.trials import ENTRY, Trials
from bonepk.study import predict_trial

NAMES = ("freedom", "horizon-pft", "zebra")


@pytest.fixture(scope="module")
def trials():
    return Trials(names=NAMES)


def test_predictions_are_those_of_the_trial_page(trials):
    """Another route: the reference integrator, one run at a time, and the study floor's own bookkeeping."""
    for block in trials.blocks:
        shown = predict_trial(block.name)
        wanted = [r.predicted for r in shown.rows if not r.status and r.use == "calibration"]
        made = trials.predict(block.name, {})
        assert made == pytest.approx(wanted, abs=0.002)  # two integrators at 1e-6, in percentage points


def test_a_name_with_a_plus_is_added_to_what_an_arm_says(trials):
    base = trials.predict("freedom", {})
    shifted = trials.predict("freedom", {ENTRY: -18.0})  # entry two years after menopause instead of twenty
    placebo = [i for i, r in enumerate(trials.blocks[0].rows) if r.arm == "placebo" and r.month == 36]
    assert placebo
    assert np.all(shifted[placebo] < base[placebo] - 1)
    assert trials.predict("freedom", {"years_since_fmp": 2.0}) == pytest.approx(base)  # arms set it themselves


def test_parameters_of_other_drugs_do_not_matter(trials):
    assert trials.uses("freedom", "denosumab.kappa")
    assert not trials.uses("zebra", "denosumab.kappa")
    slopes = trials.jacobian("zebra", {"denosumab.kappa": 4.0, "rankl_gain": 2.0}, ["denosumab.kappa", "rankl_gain"])[1]
    assert np.all(slopes[:, 0] == 0)
    assert np.all(slopes[:, 1] != 0)


def test_errors_of_rows_come_from_the_publication(trials):
    rows = {r.label: r for r in trials.blocks[0].rows}
    stated = rows["denosumab bmd_total_hip percent_change month 36"]
    assert stated.se == pytest.approx(0.2 / 3.92)  # 95 % interval from 4.9 to 5.1
    assert stated.weight == 1
    recalled = rows["denosumab - placebo bmd_lumbar_spine difference month 36"]
    assert recalled.weight == 0.25
    assert recalled.versus == "placebo"


def test_rows_say_what_they_are_about():
    whole = Trials(names=("freedom", "ies", "zo-fast"))
    about = {b.name: list(zip(b.rows, whole.classes(b.name), strict=True)) for b in whole.blocks}
    placebo = [a for r, a in about["freedom"] if r.arm == "placebo" and not r.versus]
    assert all(a.given == frozenset() for a in placebo)
    against = [a for r, a in about["freedom"] if r.versus]
    assert all(a.given == {"denosumab"} for a in against)  # of either arm
    assert {a.recalled for _, a in about["freedom"]} == {True, False}
    exemestane = next(a for r, a in about["ies"] if r.arm == "exemestane" and r.month == 12)
    assert exemestane.stopped == {"tamoxifen"}
    assert exemestane.treatment == "AI after tamoxifen"
    assert all("aromatase inhibitor" in a.given for _, a in about["zo-fast"])


def test_recalled_rows_are_left_out_at_weight_0(trials):
    read = Trials(names=NAMES, memory=0)
    recalled = sum(a.recalled for b in trials.blocks for a in trials.classes(b.name))
    assert recalled > 0
    assert sum(len(b.rows) for b in read.blocks) == sum(len(b.rows) for b in trials.blocks) - recalled


def test_pickled_trials_predict_the_same(trials):
    copy = pickle.loads(pickle.dumps(trials))
    assert np.array_equal(copy.predict("zebra", {}), trials.predict("zebra", {}))
    assert copy.fingerprint == trials.fingerprint


def test_a_use_without_rows_is_a_fault():
    with pytest.raises(DataError, match="no row"):
        _ = Trials(names=("freedom",), use="prediction").blocks


@pytest.fixture(scope="module")
def fit(trials):
    free = (Free("turnover_trabecular", 0.15, 0.05, 0.5), Free("denosumab.kappa", 3.0, 0.1, 100))
    effects = (Effect("turnover", ("turnover_trabecular", "turnover_cortical"), sd=0.1),)
    errors = {k: ErrorModel(sd=s) for k, s in (("bmd", 0.6), ("ctx", 7.0), ("p1np", 9.0), ("bsap", 7.0), ("ntx", 10.0))}
    return calibrate(Problem(trials, free, effects, errors))


def test_a_fit_to_trials_improves_them(fit):
    assert fit.best.converged
    assert fit.best.cost < fit.best.trace[0] - 1
    assert set(fit.shifts["turnover"]) == set(NAMES)


def test_trials_left_out_are_predicted_worse_than_fitted(fit):
    inside = predict(fit, draws=0)
    outside = leave_out(fit)
    assert list(outside.block.values) == list(inside.block.values)
    bmd = outside.family.values == "bmd"
    error = [np.abs(d.predicted - d.observed).values[bmd].mean() for d in (inside, outside)]
    width = [(d.high - d.low).values[bmd].mean() for d in (inside, outside)]
    assert error[1] > error[0]
    assert width[1] > width[0]


def test_evidence_has_the_same_hash_wherever_it_is_read_from(tmp_path, monkeypatch):
    here = Trials(names=("halt-bc",)).evidence_hash
    monkeypatch.chdir(tmp_path)
    assert Trials(names=("halt-bc",)).evidence_hash == here
