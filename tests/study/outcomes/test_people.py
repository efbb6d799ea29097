"""Fractures of sampled people: each her own, the same in any group, none where a run failed; a whole virtual trial."""

import numpy as np
import pytest

import bonepk as bp
from bonepk.errors import DataError
from bonepk.study.outcomes import FractureOutcome, hazard_ratio, kaplan_meier, observed, untreated, women_of
from bonepk.study.outcomes.fracture import NEEDED
from bonepk.study.people import sample_people
from bonepk.study.virtual import Courses, virtual_trial

MONTHS = np.arange(0.0, 61.0)


@pytest.fixture(scope="module")
def people():
    return sample_people("postmenopausal", 300, rng=4)


def courses_of(people, resorption=1.5, density=0.9):
    size = len(people)
    values = {n: np.full((size, len(MONTHS)), density, dtype=np.float32) for n in NEEDED}
    values["resorption"] = np.full((size, len(MONTHS)), resorption, dtype=np.float32)
    return Courses(people, np.zeros(size, dtype=np.int64), MONTHS, values, np.full(size, np.inf))


def test_people_keep_their_risk_factors(people):
    women = women_of(people)
    assert (women.t_scores["lumbar_spine"] == people.t_score("lumbar_spine")).all()
    assert (women.factors["smoking"] == people["smoking"]).all()
    assert women.device == people.population.device


def test_a_person_breaks_the_same_bones_in_any_group(people, reference):
    outcome = FractureOutcome(reference)
    all_of_them = outcome(courses_of(people))
    some = np.arange(0, 300, 7)
    few = outcome(courses_of(people.select(some)))
    for name, months in all_of_them.items():
        assert (months[some] == few[name]).all(), name


def test_clinical_is_the_first_that_comes_to_notice(people, reference):
    found = FractureOutcome(reference)(courses_of(people))
    first = np.minimum.reduce([found["hip"], found["noticed"], found["other"]])
    assert (found["clinical"] == first).all()
    assert (found["vertebral"] <= found["noticed"]).all()
    assert np.isfinite(found["clinical"]).any()


def test_high_turnover_breaks_more_and_earlier(people, reference):
    outcome = FractureOutcome(reference)
    low, high = outcome(courses_of(people, 0.5)), outcome(courses_of(people, 2.5))
    assert (high["vertebral"] <= low["vertebral"]).all()
    assert np.isfinite(high["vertebral"]).sum() > np.isfinite(low["vertebral"]).sum()


def test_a_failed_run_has_no_event(people, reference):
    courses = courses_of(people)
    courses.values["resorption"][5, 20:] = np.nan
    found = FractureOutcome(reference)(courses)
    assert all(months[5] == np.inf for months in found.values())
    assert all((np.isfinite(months) | np.isinf(months)).all() for months in found.values())


def test_courses_stored_at_visits_only_are_refused(people, reference):
    courses = courses_of(people)
    seldom = {n: v[:, ::6] for n, v in courses.values.items()}
    with pytest.raises(DataError, match="more than 2 months apart"):
        FractureOutcome(reference)(Courses(people, courses.arm, MONTHS[::6], seldom, courses.dropout))


def test_a_virtual_trial_reports_fractures():
    model = bp.load("aibl", drugs=["anastrozole", "denosumab"])
    made = virtual_trial("abcsg-18", 160, seed=2, model=model, outcome=FractureOutcome(untreated(model)), workers=1)
    events = made.followed.events["clinical"]
    lost = np.minimum(made.followed.courses.dropout, made.followed.courses.months[-1])
    months, seen = observed(events, lost)
    assert seen.any()
    curve = kaplan_meier(months, seen)
    assert 0 < curve.at(60)[0] < 0.5
    ratio = hazard_ratio(months, seen, made.followed.courses.arm == 0)
    assert ratio.low < ratio.value < ratio.high
