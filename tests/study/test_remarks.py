"""Sentences on misfits and named comparisons: faults located, and every one is about a row."""

import pytest

from bonepk.errors import DataError
from bonepk.study import load_trial, predict_trial, trial_names
from bonepk.study.remarks import check_remarks, read_comparisons, read_misfits, why_of

MISFITS = """
[[misfits]]
trial = "zo-fast"
arm = "delayed"
endpoint = "bmd"
month = 12
predicted = "low"
guess = true
why = "one year"

[[misfits]]
trial = "zo-fast"
endpoint = "bmd_lumbar_spine"
why = "the spine"
"""

COMPARISONS = """
[[comparisons]]
title = "One"
rows = [{ trial = "zo-fast", endpoint = "bmd" }]
facts = [{ trial = "zo-fast", arm = "delayed", endpoint = "ctx", kind = "peak", at = 0, until = 24 }]
"""


@pytest.fixture(scope="module")
def zo_fast():
    return predict_trial("zo-fast")


def test_the_first_sentence_that_explains_a_row(zo_fast):
    misfits = read_misfits(MISFITS, file="m.toml")
    for r in zo_fast.rows:
        if r.predicted is None:
            continue
        first = r.row.arm == "delayed" and r.row.endpoint.startswith("bmd_") and r.row.month == 12 and r.error < 0
        spine = "the spine" if r.row.endpoint == "bmd_lumbar_spine" else ""
        assert why_of(r, misfits) == ("guess: one year" if first else spine)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('trial = "zo-fast"\narm', 'trial = "zo-fsat"\narm', "unknown trial 'zo-fsat'; did you mean 'zo-fast'?"),
        ('endpoint = "bmd"', 'endpoint = "bdm"', "unknown endpoint 'bdm'; did you mean 'bmd'?"),
        ('predicted = "low"', 'predicted = "lower"', "unknown direction 'lower'; did you mean 'low'?"),
        ('why = "one year"', "", "no 'why'"),
        ("guess = true", 'guess = "yes"', "found 'yes'; expected true or false"),
        ("month = 12", "months = 12", "unknown key 'months'; did you mean 'month'?"),
    ],
)
def test_faults_of_misfits_are_located(old, new, said):
    with pytest.raises(DataError) as caught:
        read_misfits(MISFITS.replace(old, new), file="m.toml")
    assert any(said in str(f) and str(f).startswith("m.toml:") for f in caught.value.faults), str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "peak"', 'kind = "peek"', "unknown kind of fact 'peek'; did you mean 'peak'?"),
        (", until = 24", "", "no 'until'"),
        ("until = 24", "until = 0", "until 0 is not after at 0"),
        ('title = "One"', "", "no 'title'"),
        ('endpoint = "ctx"', 'endpoint = "ctxx"', "unknown endpoint 'ctxx'; did you mean 'ctx'?"),
    ],
)
def test_faults_of_comparisons_are_located(old, new, said):
    with pytest.raises(DataError) as caught:
        read_comparisons(COMPARISONS.replace(old, new), file="c.toml")
    assert any(said in str(f) and str(f).startswith("c.toml:") for f in caught.value.faults), str(caught.value)


def test_a_comparison_of_nothing_is_a_fault():
    with pytest.raises(DataError, match="has neither rows nor facts"):
        read_comparisons('[[comparisons]]\ntitle = "One"\n', file="c.toml")


def test_a_remark_about_no_row_is_a_fault():
    trials = {"zo-fast": load_trial("zo-fast")}
    misfits = read_misfits(MISFITS.replace("month = 12", "month = 13"), file="m.toml")
    comparisons = read_comparisons(COMPARISONS.replace('arm = "delayed"', 'arm = "delay"'), file="c.toml")
    with pytest.raises(DataError) as caught:
        check_remarks(trials, misfits, comparisons)
    said = str(caught.value)
    assert "m.toml:2" in said
    assert "no row of 'zo-fast' matches" in said
    assert "no arm 'delay' in 'zo-fast'; did you mean 'delayed'?" in said
    check_remarks({}, misfits, comparisons)  # trials that are not there are passed over


def test_shipped_remarks_are_about_shipped_rows():
    trials = {name: load_trial(name) for name in trial_names()}
    misfits, comparisons = read_misfits(), read_comparisons()
    check_remarks(trials, misfits, comparisons)
    assert len(comparisons) >= 3
    assert all(m.why.strip().endswith((".", ")")) for m in misfits)
