"""Trial files: every fault located, and text that reads back as the same trial."""

import re

import pytest

from bonepk.errors import DataError, NotFoundError
from bonepk.study import load_trial, read_trial, trial_names, trial_toml

GOOD = """
[trial]
title = "A trial"
year = 2020
design = "randomised"

[citations]
first = { text = "First 2020", doi = "10.1000/1" }

[population]
description = "women"
years_since_fmp = { value = 10, source = "assumed", note = "typical" }
background = [{ switch = "calcium_vitamin_d", to = 1 }]

[[arms]]
name = "drug"
n = 10
regimen = [{ give = "letrozole", dose = "2.5 mg", every = "1 day", until = "12 months", spread = true }]

[[arms]]
name = "control"

[results]
rows = [
  { arm = "drug", ENDPOINT, month = 12, value = 20, unit = "%", cite = "first", confidence = "verified" },
]
""".replace("ENDPOINT", 'endpoint = "ctx", kind = "percent_change"')


def faults_of(text):
    with pytest.raises(DataError) as caught:
        read_trial(text, file="t.toml")
    return [str(f) for f in caught.value.faults]


def test_good_text_reads():
    trial = read_trial(GOOD, file="t.toml")
    assert trial.name == "t"
    assert [a.name for a in trial.arms] == ["drug", "control"]
    assert trial.rows[0].value == 20.0
    assert trial.arm("drug").plan.drugs == ("letrozole",)
    assert trial.population.background.switches[0].name == "calcium_vitamin_d"


# what is changed in the good text, and what the fault must say; the line is that of the changed text
FAULTS = [
    ('endpoint = "ctx"', 'endpoint = "ctxx"', "unknown endpoint 'ctxx'; did you mean 'ctx'?"),
    ('{ arm = "drug"', '{ arm = "drugs"', "unknown arm 'drugs'; did you mean 'drug'?"),
    ('give = "letrozole"', 'give = "letrozol"', "unknown drug 'letrozol'; did you mean 'letrozole'?"),
    ('kind = "percent_change"', 'kind = "percent"', "unknown kind 'percent'"),
    ('kind = "percent_change"', 'kind = "difference"', "unit '%'; a difference is given in 'points'"),
    ('kind = "percent_change"', 'kind = "relative_difference"', "no 'versus'; a relative_difference compares two arms"),
    ("month = 12, value = 20", "month = 12, since = 24, value = 20", "'since' is 24; expected less than month 12"),
    ('unit = "%"', 'unit = "pct"', "unit 'pct'; a percent_change is given in '%'"),
    ('cite = "first"', 'cite = "frist"', "unknown citation 'frist'; did you mean 'first'?"),
    ('confidence = "verified"', 'confidence = "sure"', "unknown confidence 'sure'; one of verified, memory"),
    ("value = 20,", "value = nan,", "found nan; expected a finite number"),
    ("value = 20,", 'value = "20",', "found '20'; expected a finite number"),
    (
        "value = 20,",
        'value = 20, spread = { type = "ci95", low = -30, high = -10 },',
        "spread from -30 to -10; expected",
    ),
    ("value = 20,", 'value = 20, spread = { type = "ci90", low = 1, high = 30 },', "unknown type of spread 'ci90'"),
    ("n = 10", "n = -10", "found -10; expected a whole number of at least 1"),
    ('name = "control"', 'name = "drug"', "arm 'drug' stands twice"),
    ('dose = "2.5 mg"', 'dose = "2.5"', "found '2.5'; expected an amount with its unit"),
    ('dose = "2.5 mg"', 'dose = "-1 mg"', "found '-1 mg'; expected an amount with its unit"),
    ('every = "1 day"', 'every = "1 fortnight"', "found '1 fortnight'; expected a duration"),
    ('every = "1 day", ', "", "no 'every'"),
    ('until = "12 months"', 'until = "-1 months"', "ends before it starts"),
    ('until = "12 months"', 'until = "12 months", doses = 3', "both 'until' and 'doses'"),
    ('until = "12 months", spread', "spread", "no end of the course"),
    ("spread = true", 'spread = true, over = "1 hour"', "spread doses need 'every' and take no 'over'"),
    ("{ switch =", "{ swich =", "neither 'give' nor 'switch'"),
    ("year = 2020", "year = 2020\nyaer = 1", "unknown key 'yaer'; did you mean 'year'?"),
    ('source = "assumed"', 'source = "guess"', "unknown source 'guess'"),
    ("value = 10, source", "value = 100, source", "found 100; expected between -40 and 60"),
    ('doi = "10.1000/1"', 'doi = "https://doi.org/10.1000/1"', "expected the bare DOI"),
]


@pytest.mark.parametrize(("old", "new", "said"), FAULTS, ids=[new for _, new, _ in FAULTS])
def test_fault_is_located(old, new, said):
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    found = faults_of(text)
    match = [f for f in found if said in f]
    assert match, found
    place = re.match(r"t\.toml:(\d+) \[", match[0])
    assert place, match[0]
    changed = [i for i, line in enumerate(text.splitlines(), 1) if line not in GOOD.splitlines()]
    assert int(place.group(1)) in changed or "stands twice" in said


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        ('title = "A trial"\n', "no 'title'"),
        ('first = { text = "First 2020", doi = "10.1000/1" }\n', "no citation"),
        (', note = "typical"', "no 'note'"),
        (', cite = "first"', "no 'cite'"),
        (', confidence = "verified"', "no 'confidence'"),
        (', unit = "%"', "no 'unit'"),
        (", value = 20", "no 'value'"),
    ],
)
def test_what_is_missing_is_named(cut, said):
    assert any(said in f for f in faults_of(GOOD.replace(cut, "")))


def test_strata_must_add_up():
    strata = '[[arms.strata]]\nweight = 0.5\nlabel = "a"\n\n[[arms.strata]]\nweight = 0.4\nlabel = "b"\n\n[results]'
    found = faults_of(GOOD.replace("[results]", strata))
    assert any("weights add up to 0.9; expected 1" in f for f in found), found


def test_all_faults_at_once():
    text = GOOD.replace("year = 2020", "year = 20").replace('"ctx"', '"ctxx"').replace("n = 10", "n = 0")
    assert len(faults_of(text)) == 3


def test_not_toml_is_located():
    found = faults_of(GOOD.replace('title = "A trial"', "title = A trial"))
    assert found[0].startswith("t.toml:3: not TOML")


def test_unknown_trial_has_near_miss():
    with pytest.raises(NotFoundError, match="did you mean 'abcsg-18'"):
        load_trial("abcsg18")


def test_unknown_arm_has_near_miss():
    with pytest.raises(NotFoundError, match="did you mean 'drug'"):
        read_trial(GOOD, file="t.toml").arm("drugg")


@pytest.mark.parametrize("name", trial_names())
def test_shipped_file_reads_back(name):
    trial = load_trial(name)
    assert read_trial(trial_toml(trial), file=f"{name}.toml") == trial


def test_parameters_of_a_stratum_read_back():
    text = GOOD.replace(
        "[results]",
        '[[arms.strata]]\nweight = 1.0\nlabel = "a \\"b\\""\nyears_since_fmp = -2.5\n'
        'parameters = { "denosumab.CL" = 70.5 }\n\n[results]',
    )
    trial = read_trial(text, file="t.toml")
    assert trial.arms[1].strata[0].parameters == {"denosumab.CL": 70.5}
    assert read_trial(trial_toml(trial), file="t.toml") == trial


def test_parameters_of_the_population_read_back():
    text = GOOD.replace("[[arms]]", "parameters = { osteoporosis = 1 }\n\n[[arms]]", 1)
    trial = read_trial(text, file="t.toml")
    assert trial.population.parameters == {"osteoporosis": 1}
    assert read_trial(trial_toml(trial), file="t.toml") == trial


def test_a_parameter_of_the_population_must_be_a_number():
    text = GOOD.replace("[[arms]]", 'parameters = { osteoporosis = "yes" }\n\n[[arms]]', 1)
    assert faults_of(text) == ["t.toml:15 [population.parameters.osteoporosis]: found 'yes'; expected a finite number"]
