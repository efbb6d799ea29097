"""From an arm on paper to cohorts: strata combine, years come from the nearest place, treatments get their class."""

import pytest

from bonepk.errors import RegimenError
from bonepk.model import load
from bonepk.study import cohorts, drugs_of, load_trial, read_trial, treatment
from bonepk.study.arms import check_arms, exposure

TEXT = """
[trial]
title = "Strata"
year = 2020
design = "made up"

[citations]
none = { text = "none" }

[population]
description = "women"
years_since_fmp = { value = 10, source = "assumed", note = "n" }
background = [{ switch = "calcium_vitamin_d", to = 1 }]

[[population.strata]]
weight = 0.4
label = "early"
years_since_fmp = 3
regimen = [
  { give = "tamoxifen", dose = "20 mg", every = "1 day", from = "-24 months", until = "0 months", spread = true },
]

[[population.strata]]
weight = 0.6
label = "late"

[[arms]]
name = "mixed"
years_since_fmp = 20
regimen = [{ give = "letrozole", dose = "2.5 mg", every = "1 day", until = "24 months", spread = true }]

[[arms.strata]]
weight = 0.25
label = "treated"
years_since_fmp = 5
parameters = { "denosumab.CL" = 80 }
regimen = [{ give = "denosumab", dose = "60 mg", every = "6 months", doses = 2 }]

[[arms.strata]]
weight = 0.75
label = "not treated"

[[arms]]
name = "plain"

[[arms]]
name = "foreign"
not_simulated = "teriparatide is not in the model"

[results]
rows = [{ arm = "mixed", ENDPOINT, month = 12, value = 20, unit = "%", cite = "none", confidence = "memory" }]
""".replace("ENDPOINT", 'endpoint = "ctx", kind = "percent_change"')


@pytest.fixture
def trial():
    return read_trial(TEXT, file="strata.toml")


def test_strata_combine(trial):
    parts = {c.label: c for c in cohorts(trial, trial.arm("mixed"))}
    assert {k: round(c.weight, 6) for k, c in parts.items()} == {
        "early; treated": 0.1,
        "early; not treated": 0.3,
        "late; treated": 0.15,
        "late; not treated": 0.45,
    }
    assert parts["early; treated"].plan.drugs == ("denosumab", "letrozole", "tamoxifen")
    assert parts["late; not treated"].plan.drugs == ("letrozole",)
    assert all(c.plan.switches[0].name == "calcium_vitamin_d" for c in parts.values())


def test_years_come_from_the_nearest_place(trial):
    years = {c.label: c.parameters["years_since_fmp"] for c in cohorts(trial, trial.arm("mixed"))}
    assert years == {"early; treated": 5, "late; treated": 5, "early; not treated": 3, "late; not treated": 20}
    assert [c.parameters["years_since_fmp"] for c in cohorts(trial, trial.arm("plain"))] == [3, 10]


def test_parameters_of_a_stratum_reach_its_cohorts_only(trial):
    parts = {c.label: c for c in cohorts(trial, trial.arm("mixed"))}
    assert parts["late; treated"].parameters["denosumab.CL"] == 80
    assert "denosumab.CL" not in parts["late; not treated"].parameters


def test_parameters_of_the_population_reach_every_cohort_and_strata_replace_them():
    """The order is population, its strata, strata of the arm: the last one counts."""
    text = TEXT.replace("background =", 'parameters = { osteoporosis = 1, "denosumab.CL" = 70 }\nbackground =')
    text = text.replace('label = "late"', 'label = "late"\nparameters = { osteoporosis = 0, "denosumab.F" = 0.5 }')
    trial = read_trial(text, file="strata.toml")
    parts = {c.label: c.parameters for c in cohorts(trial, trial.arm("mixed"))}
    assert {k: v["osteoporosis"] for k, v in parts.items()} == {
        "early; treated": 1,
        "early; not treated": 1,
        "late; treated": 0,
        "late; not treated": 0,
    }
    assert parts["early; treated"]["denosumab.CL"] == 80
    assert parts["early; not treated"]["denosumab.CL"] == 70
    assert [c.parameters["osteoporosis"] for c in cohorts(trial, trial.arm("plain"))] == [1, 0]


def test_drugs_leave_out_arms_that_cannot_be_simulated(trial):
    assert drugs_of(trial) == ("denosumab", "letrozole", "tamoxifen")
    assert drugs_of(trial, [trial.arm("plain")]) == ("tamoxifen",)


def test_unknown_input_has_near_miss(trial):
    text = TEXT.replace('switch = "calcium_vitamin_d"', 'switch = "calcium_vitamin"')
    wrong = read_trial(text, file="strata.toml")
    with pytest.raises(RegimenError, match="'calcium_vitamin' is no input of 'aibl'; did you mean 'calcium_vitamin_d'"):
        check_arms(wrong, load("aibl", drugs=drugs_of(wrong)))


@pytest.mark.parametrize(
    ("name", "arm", "month", "group"),
    [
        ("z-fast", "upfront", 36, "aromatase inhibitor + bisphosphonate"),
        ("z-fast", "delayed", 36, "aromatase inhibitor"),
        ("abcsg-18", "denosumab", 36, "aromatase inhibitor + denosumab"),
        ("atac", "anastrozole", 60, "aromatase inhibitor"),
        ("atac", "anastrozole", 72, "after aromatase inhibitor"),
        ("atac", "tamoxifen", 84, "after tamoxifen"),
        ("ies", "exemestane", 6, "aromatase inhibitor"),
        ("defend", "denosumab", 24, "denosumab"),
        ("defend", "denosumab", 30, "after denosumab"),
        ("grey-single", "zoledronate", 12, "bisphosphonate"),
        ("grey-single", "zoledronate", 36, "after bisphosphonate"),
        ("horizon-pft", "placebo", 36, "no drug"),
        ("abcsg-12", "tamoxifen", 36, "ovarian suppression + tamoxifen"),
        ("ferrara", "surgical", 102, "oophorectomy"),
        ("swan", "natural", 84, "menopause, no drug"),
        ("royal-marsden", "pre-placebo", 36, "before menopause, no drug"),
    ],
)
def test_class_of_treatment(name, arm, month, group):
    trial = load_trial(name)
    assert treatment(trial, trial.arm(arm), month) == group


@pytest.mark.parametrize(
    ("name", "arm", "month", "given", "stopped"),
    [
        ("ies", "exemestane", 6, {"aromatase inhibitor", "tamoxifen"}, {"tamoxifen"}),
        ("atac", "anastrozole", 72, {"aromatase inhibitor"}, {"aromatase inhibitor"}),
        ("halt-bc", "denosumab", 24, {"aromatase inhibitor", "denosumab"}, set()),
        ("grey-single", "zoledronate", 12, {"bisphosphonate"}, set()),
        ("grey-single", "zoledronate", 36, {"bisphosphonate"}, {"bisphosphonate"}),
        ("swan", "natural", 84, set(), set()),
    ],
)
def test_what_was_given_and_what_was_stopped(name, arm, month, given, stopped):
    trial = load_trial(name)
    assert exposure(trial, trial.arm(arm), month) == (given, stopped)


def test_exposure_looks_at_every_cohort(trial):
    given, stopped = exposure(trial, trial.arm("mixed"), 6)
    assert {"aromatase inhibitor", "tamoxifen"} <= given  # a stratum of the population had tamoxifen before entry
    assert stopped == {"tamoxifen"}
