"""The split: faults located, exceptions applied, and no woman both fitted and predicted."""

import pytest

from bonepk.errors import DataError
from bonepk.study import load_trial, read_split, trial_names
from bonepk.study.split import check_split

GOOD = """
rules = ["one"]

[calibration]
zo-fast = "fitted"

[prediction]
z-fast = "held out"

[not_used]
fast-integrated = "overlaps"

[[rows]]
trial = "zo-fast"
use = "not_used"
month = 12
why = "two numbers"

[left_out]
"Some source" = "no arms"
"""


def trials(*names):
    return {n: load_trial(n) for n in names}


def test_exception_changes_single_rows():
    split = read_split(GOOD, file="s.toml")
    trial = load_trial("zo-fast")
    assert {split.of("zo-fast", r) for r in trial.rows if r.month == 12} == {"not_used"}
    assert {split.of("zo-fast", r) for r in trial.rows if r.month != 12} == {"calibration"}
    assert split.of("nowhere", trial.rows[0]) == "unlisted"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('z-fast = "held out"', 'z-fast = "held out"\nzo-fast = "twice"', "'zo-fast' also stands under [calibration]"),
        ('use = "not_used"', 'use = "unused"', "unknown use 'unused'; did you mean 'not_used'?"),
        ('trial = "zo-fast"', 'trial = "zofast"', "unknown trial 'zofast'; did you mean 'zo-fast'?"),
        ('why = "two numbers"', "", "no 'why'"),
        ('zo-fast = "fitted"', "zo-fast = 1", "found 1; expected text in quotes"),
        ('rules = ["one"]', 'held_out = ["zfast"]', "'zfast' is held out, but does not stand under [prediction]; did"),
        ('rules = ["one"]', 'held_out = ["zo-fast"]', "'zo-fast' is held out, but does not stand under [prediction]"),
        ("month = 12", 'month = 12\nendpoint = "bmdd"', "unknown endpoint 'bmdd'; did you mean 'bmd'?"),
    ],
)
def test_fault_of_the_split_is_located(old, new, said):
    with pytest.raises(DataError) as caught:
        read_split(GOOD.replace(old, new), file="s.toml")
    assert any(said in str(f) and str(f).startswith("s.toml:") for f in caught.value.faults), str(caught.value)


def test_split_and_trials_must_fit():
    split = read_split(GOOD, file="s.toml")
    check_split(split, trials("zo-fast", "z-fast", "fast-integrated"))
    with pytest.raises(DataError, match="trial 'atac' is not in the split"):
        check_split(split, trials("zo-fast", "z-fast", "fast-integrated", "atac"))
    with pytest.raises(DataError, match="no trial 'fast-integrated'"):
        check_split(split, trials("zo-fast", "z-fast"))
    with pytest.raises(DataError, match="no row of 'zo-fast' matches"):
        check_split(
            read_split(GOOD.replace("month = 12", "month = 13"), file="s.toml"),
            trials("zo-fast", "z-fast", "fast-integrated"),
        )


def test_shared_women_may_not_be_fitted_and_predicted():
    moved = GOOD.replace("[not_used]\nfast-integrated", "[prediction2]\nfast-integrated")
    moved = moved.replace("[prediction2]\n", "").replace('z-fast = "held out"\n\n', 'z-fast = "held out"\n')
    split = read_split(moved.replace("[[rows]]", "[not_used]\n\n[[rows]]"), file="s.toml")
    with pytest.raises(DataError, match="'fast-integrated' and 'zo-fast' share women"):
        check_split(split, trials("zo-fast", "z-fast", "fast-integrated"))


def test_shipped_split_fits_every_shipped_trial():
    check_split(read_split(), {n: load_trial(n) for n in trial_names()})


def test_an_exception_may_name_a_family():
    split = read_split(GOOD.replace("month = 12", 'endpoint = "bmd"\nmonth = 12'), file="s.toml")
    trial = load_trial("zo-fast")
    moved = [r for r in trial.rows if split.of("zo-fast", r) == "not_used"]
    assert moved
    assert all(r.endpoint.startswith("bmd_") and r.month == 12 for r in moved)


def test_trials_held_out_by_rule():
    split = read_split()
    assert set(split.held_out) == {"abcsg-18", "z-fast", "e-zo-fast", "ibis-ii", "sabre", "arbi", "abcsg-12"}


@pytest.mark.parametrize("name", ["abcsg-18", "z-fast", "e-zo-fast", "ibis-ii", "sabre", "arbi", "abcsg-12"])
def test_held_out_trials_stay_held_out(name):
    split = read_split()
    assert {split.of(name, row) for row in load_trial(name).rows} == {"prediction"}
