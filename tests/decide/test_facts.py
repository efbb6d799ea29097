import dataclasses
import math

import pytest

from bonepk.decide import DERIVED, FACTS, Facts, facts_from_text, facts_of
from bonepk.errors import DataError


def test_vocabulary_and_fields_are_the_same_words():
    assert [f.name for f in dataclasses.fields(Facts)] == list(FACTS)
    assert not set(FACTS) & set(DERIVED)


def test_impossible_values_are_refused_all_at_once():
    with pytest.raises(DataError) as error:
        Facts(age=162, smoking=1, menopause="natrual", t_femoral_neck=float("nan"), bmi=True)
    assert [f.place for f in error.value.faults] == [
        "fact 'age'",
        "fact 'menopause'",
        "fact 't_femoral_neck'",
        "fact 'bmi'",
        "fact 'smoking'",
    ]
    assert "between 18 and 110 year" in str(error.value)
    assert "did you mean 'natural'?" in str(error.value)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"age": 44, "age_at_menopause": 50}, "not reached"),
        ({"menopause": "before", "age_at_menopause": 50}, "leave one out"),
        ({"menopause": "before", "age": 70}, "not past menopause at 70"),
        ({"dxa_available": False, "t_total_hip": -1.0}, "cannot be had"),
        ({"frax_hip": 8, "frax_major": 5}, "include the hip"),
    ],
)
def test_facts_that_exclude_each_other_are_refused(said, why):
    with pytest.raises(DataError, match=why):
        Facts(**said)


def test_what_follows_from_facts():
    view = Facts(t_lumbar_spine=-1.0, t_total_hip=-2.2, loss_lumbar_spine=3.0, loss_total_hip=-1.0).view
    assert view["t_score"] == -2.2
    assert view["dxa_available"] is True
    assert view["annual_loss"] == 3.0
    assert view["follow_up"] is True
    creatinine = Facts(creatinine=1.2, creatinine_baseline=0.8).view
    assert creatinine["creatinine_rise"] == pytest.approx(0.4)
    assert creatinine["creatinine_excess"] == pytest.approx(50)


def test_nothing_known_is_not_the_same_as_no_dxa():
    assert "t_score" not in Facts().view
    assert math.isnan(Facts(dxa_available=False).view["t_score"])


def test_words_of_a_command_line():
    facts = facts_from_text(
        {"age": "62", "t-femoral-neck": "-1.7", "smoking": "no", "menopause": "natural", "bmi": None}
    )
    assert facts == Facts(age=62, t_femoral_neck=-1.7, smoking=False, menopause="natural")
    with pytest.raises(DataError) as error:
        facts_from_text({"agee": "62", "smoking": "maybe", "bmi": "tall"})
    assert "did you mean 'age'?" in str(error.value)
    assert "yes or no" in str(error.value)
    assert "kg/m2" in str(error.value)


def test_facts_of_a_virtual_person():
    from bonepk.study.people import population_names, sample_people

    people = sample_people(population_names()[0], 40, rng=3)
    for i in range(len(people)):
        facts = facts_of(people, i, aromatase_inhibitor=True)
        assert facts.t_total_hip == people["measured_t_score_total_hip"][i]
        assert facts.aromatase_inhibitor is True
        assert facts.fragility_fracture == bool(people["prior_fracture"][i])
        assert (facts.glucocorticoid_months is None) == bool(people["glucocorticoids"][i])
    with pytest.raises(DataError, match="no person at place 40"):
        facts_of(people, 40)
