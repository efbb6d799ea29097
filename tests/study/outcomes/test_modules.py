"""Modules of habits, joint pain and recurrence in bone: neutral at rest, and what their sources say at work."""

import itertools

import numpy as np
import pytest

import bonepk as bp
from bonepk.model.library import models

HABITS = ("exercise", "nutrition", "glucocorticoid", "smoking", "alcohol", "body_mass")
MONTHS = np.array([0.0, 2, 6, 12, 24, 36, 60, 120])
TIMES = (MONTHS * 30.4375).tolist()
LETROZOLE = bp.daily("letrozole", "2.5 mg", years=5, spread=True)


@pytest.fixture(scope="module")
def model():
    return bp.load(
        "aibl", drugs=["letrozole", "zoledronate", "denosumab"], modules=[*HABITS, "joint_pain", "bone_metastasis"]
    )


def run(model, plan=None, years=8.0, **inputs):
    named = {k.replace("__", "."): v for k, v in inputs.items()}
    given = bp.Plan() if plan is None else plan
    return bp.simulate(model, given, times=TIMES, parameters={"years_since_fmp": years}, inputs=named, rtol=1e-7)


def difference(one, other, site, month):
    at = MONTHS.tolist().index(month)
    return 100 * float(
        one[f"bmd_{site}"][at] / one[f"bmd_{site}"][0] - other[f"bmd_{site}"][at] / other[f"bmd_{site}"][0]
    )


def level(one, other, site, month=0):
    at = MONTHS.tolist().index(month)
    return 100 * float(one[f"bmd_{site}"][at] / other[f"bmd_{site}"][at] - 1)


@pytest.fixture(scope="module")
def plain(model):
    return run(model)


def test_every_module_is_tried_here():
    written = {m.name for m in models("module") if "aibl" in m.path.parts}
    assert {*HABITS, "joint_pain", "bone_metastasis"} <= written


def test_modules_at_rest_leave_bone_alone(plain):
    alone = bp.simulate(bp.load("aibl"), times=TIMES, parameters={"years_since_fmp": 8.0}, rtol=1e-7)
    for name in ("bmd_lumbar_spine", "bmd_total_hip", "resorption", "estradiol"):
        assert plain[name].values == pytest.approx(alone[name].values, rel=1e-5), (
            name
        )  # two step sequences at rtol 1e-7


def test_exercise_gains_what_trials_found_and_drifts_back(model, plain):
    trained = run(model, bp.switch("exercise.intensity", 1.0))
    assert 1.8 <= difference(trained, plain, "lumbar_spine", 12) <= 4.64  # Howe 2011, combined exercise
    stopped = run(model, bp.switch("exercise.intensity", 1.0, stop="24 months"))
    gains = [difference(stopped, plain, "lumbar_spine", m) for m in (24, 36, 60, 120)]
    assert all(a > b > -0.1 for a, b in itertools.pairwise(gains))


def test_exercise_gains_at_the_neck_what_trials_found(model, plain):
    trained = run(model, bp.switch("exercise.intensity", 1.0))
    # Howe 2011, resistance: 0.24 to 1.82; one gain for both sites gives 1.84, a known misfit (docs/outcomes.md, habits)
    assert 0.24 <= difference(trained, plain, "femoral_neck", 12) <= 1.82


def test_supplements_do_in_trials_what_the_core_switch_does(model, plain):
    both = bp.switch("nutrition.calcium_supplement", 1000) + bp.switch("nutrition.vitamin_d_supplement", 800)
    module, switch = run(model, both), run(model, bp.switch("calcium_vitamin_d", 1.0))
    for site in ("lumbar_spine", "total_hip"):
        assert difference(module, plain, site, 24) == pytest.approx(difference(switch, plain, site, 24), abs=0.15)
    # WHI: hip 1.06 % over placebo; compliance was poor and half took hormones
    assert 0.3 < difference(module, plain, "total_hip", 60) < 1.3


def test_poor_diet_costs_bone(model, plain):
    poor = run(model, nutrition__calcium_diet=300, nutrition__vitamin_d_basal=12)
    assert -6 < level(poor, plain, "total_hip") < -0.5


def test_glucocorticoids_cost_most_in_the_first_year(model, plain):
    taken = run(model, bp.switch("glucocorticoid.dose", 10.0))
    first = difference(taken, plain, "lumbar_spine", 12)
    second = difference(taken, plain, "lumbar_spine", 24) - first
    assert -5 < first < -2
    assert first < second < -0.5
    low = run(model, bp.switch("glucocorticoid.dose", 2.5))
    assert first < difference(low, plain, "lumbar_spine", 12) < 0
    assert float(taken["p1np"][3] / plain["p1np"][3]) < 0.9


def test_smokers_and_drinkers_have_less_bone_and_thin_women_too(model, plain):
    assert -3 < level(run(model, smoking__smoking=1), plain, "total_hip") < -0.7
    four, two = run(model, alcohol__units=4), run(model, alcohol__units=2)
    assert level(four, plain, "total_hip") < 4 * level(two, plain, "total_hip") < 0
    heavy, thin = run(model, body_mass__bmi=32), run(model, body_mass__bmi=20)
    assert level(thin, plain, "total_hip") < -1 < 1 < level(heavy, plain, "total_hip")
    assert float(heavy["estradiol"][0] / thin["estradiol"][0]) == pytest.approx(np.exp(0.11 * 12), rel=0.01)


def test_joint_pain_begins_within_weeks_and_ends_with_the_inhibitor(model):
    taken = run(model, LETROZOLE)
    pain, on = taken["joint_pain.with_pain"].values, taken["joint_pain.persistence"].values
    reached = (pain + 1 - on)[1] / (pain + 1 - on)[3]
    assert reached == pytest.approx(1 - np.exp(-2 * 30.4375 / 42), abs=0.03)  # mean of six weeks
    assert 1 - on[4] == pytest.approx(0.243, abs=0.03)  # Henry 2012, two years
    assert pain[-1] < 0.01
    assert run(model)["joint_pain.with_pain"].values == pytest.approx(0, abs=1e-9)


def test_joint_pain_is_more_frequent_soon_after_menopause_and_after_taxanes(model):
    early, late = run(model, LETROZOLE, years=2.0), run(model, LETROZOLE, years=15.0)
    taxane = run(model, LETROZOLE, years=15.0, joint_pain__taxane=1)

    def ever(course):
        return float(course["joint_pain.with_pain"][3]) + 1 - float(course["joint_pain.persistence"][3])

    assert ever(late) == pytest.approx(0.35, abs=0.02)
    odds = [ever(x) / (1 - ever(x)) for x in (early, late, taxane)]
    assert odds[0] / odds[1] == pytest.approx(3.39, rel=0.1)
    assert odds[2] / odds[1] == pytest.approx(4.08, rel=0.1)


def hazard_ratio(one, other):
    name = "bone_metastasis.incidence"
    return float(np.log1p(-one[name][-1]) / np.log1p(-other[name][-1]))


def test_recurrence_in_bone_answers_to_zoledronate_after_menopause_only(model, plain):
    drug = bp.every("zoledronate", "4 mg", months=6, doses=6)
    assert hazard_ratio(run(model, drug), plain) == pytest.approx(0.72, abs=0.02)
    assert hazard_ratio(run(model, drug, years=-20.0), run(model, years=-20.0)) == pytest.approx(1, abs=0.01)
    silent = bp.switch("ovarian_suppression", 1.0)
    assert hazard_ratio(run(model, drug + silent, years=-20.0), run(model, silent, years=-20.0)) < 0.8


def test_recurrence_in_bone_does_not_answer_to_denosumab(model, plain):
    drug = bp.every("denosumab", "60 mg", months=6, doses=10)
    assert hazard_ratio(run(model, drug), plain) == pytest.approx(1, abs=1e-4)
    assert float(plain["bone_metastasis.incidence"][-1]) == pytest.approx(0.088, abs=0.001)
