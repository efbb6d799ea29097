"""Virtual people: distributions as described, the same for everyone who asks, impossible ones refused."""

from dataclasses import replace

import numpy as np
import pytest

import bonepk as bp
from bonepk.engine import compile_system
from bonepk.errors import DataError, NotFoundError
from bonepk.study.people import (
    SITES,
    TRAITS,
    Effect,
    Entry,
    People,
    Slope,
    bmd_of,
    cockcroft_gault,
    load_population,
    people_from,
    population_names,
    reference,
    sample_people,
    t_of,
)


@pytest.fixture(scope="module")
def many():
    return sample_people("postmenopausal", 20_000, 1, entry=False)


def test_traits_follow_the_description(many):
    n = len(many)
    age, bmi = many["age"], many["bmi"]
    # cut normals: moments from the cut distribution itself (scipy), tolerance four standard errors
    from scipy.stats import truncnorm

    spread = many.population.spreads["age"]
    cut = truncnorm((spread.low - 62) / 8.5, (spread.high - 62) / 8.5, 62, 8.5)
    assert age.mean() == pytest.approx(cut.mean(), abs=4 * cut.std() / np.sqrt(n))
    assert age.std() == pytest.approx(cut.std(), abs=4 * cut.std() / np.sqrt(2 * n))
    assert np.median(bmi) == pytest.approx(26.5, abs=4 * 1.2533 * 0.17 * 26.5 / np.sqrt(n))
    assert np.log(bmi).std() == pytest.approx(0.17, rel=0.03)  # the cut at 16 and 50 takes off less than 1 %


def test_slopes_shift_the_mean(many):
    columns = np.column_stack([np.ones(len(many)), many["age"] - 62, many["bmi"] - 26.9])
    beta = np.linalg.lstsq(columns, many["t_score_lumbar_spine"], rcond=None)[0]
    # four standard errors of each coefficient, with a residual SD of 1.25
    se = 1.25 * np.sqrt(np.diag(np.linalg.inv(columns.T @ columns)))
    assert np.all(np.abs(beta - [-0.75, -0.042, 0.05]) < 4 * se + 0.002)  # 0.002: the cut at -5 and 4.5


def test_correlations_hold_beyond_the_slopes(many):
    columns = np.column_stack([np.ones(len(many)), many["age"], many["bmi"]])

    def rest(name):
        return many[name] - columns @ np.linalg.lstsq(columns, many[name], rcond=None)[0]

    r = np.corrcoef(rest("t_score_total_hip"), rest("t_score_femoral_neck"))[0, 1]
    assert r == pytest.approx(0.88, abs=0.01)  # four standard errors are 0.006; the cuts take off a little


def test_shares_and_their_slopes(many):
    assert many["parental_hip_fracture"].mean() == pytest.approx(0.10, abs=4 * np.sqrt(0.09 / len(many)))
    broken = many["prior_fracture"] == 1
    assert many["age"][broken].mean() > many["age"][~broken].mean() + 2
    assert many["t_score_total_hip"][broken].mean() < many["t_score_total_hip"][~broken].mean() - 0.3


def test_what_follows_from_other_traits(many):
    assert np.allclose(many["weight"], many["bmi"] * many["height"] ** 2)
    assert np.allclose(many["years_since_menopause"], many["age"] - many["age_at_menopause"])
    assert cockcroft_gault(np.array([60.0]), np.array([60.0]), np.array([1.0]))[0] == pytest.approx(0.85 * 80 * 60 / 72)
    for site in SITES:
        error = bmd_of(many[f"measured_t_score_{site}"], site) / many[f"bmd_{site}"] - 1
        cv = many.population.noise(site)
        assert error.std() == pytest.approx(cv, rel=4 / np.sqrt(2 * len(many)))


def test_t_scores_count_from_the_reference():
    assert t_of(0.858, "femoral_neck") == 0
    assert t_of(0.738, "femoral_neck") == pytest.approx(-1)
    for site in SITES:
        assert t_of(bmd_of(-1.7, site, "lunar"), site, "lunar") == pytest.approx(-1.7)
    with pytest.raises(NotFoundError, match="did you mean 'hologic'"):
        reference("total_hip", "hologik")


def test_the_first_people_are_the_same_people():
    few, more = sample_people("z-fast", 50, 7), sample_people("z-fast", 400, 7)
    assert np.array_equal(few.number, more.number[:50])
    for name in TRAITS:
        assert np.array_equal(few[name], more[name][:50])
    for name, values in few.deviates.items():
        assert np.array_equal(values, more.deviates[name][:50])


def test_own_numbers_do_not_depend_on_company():
    people = sample_people("postmenopausal", 300, 2)
    chosen = np.array([250, 3, 77])
    assert np.array_equal(people.uniforms("dropout", 3)[chosen], people.select(chosen).uniforms("dropout", 3))


def test_another_seed_gives_other_people():
    one, other = sample_people("postmenopausal", 20, 1), sample_people("postmenopausal", 20, 2)
    assert not np.intersect1d(one["age"], other["age"]).size


def test_a_new_effect_leaves_the_others_alone():
    who = load_population("postmenopausal")
    more = replace(who, effects={**who.effects, "opg_loss": Effect("opg_loss", "log", 0.3)})
    a, b = sample_people(who, 30, 1), sample_people(more, 30, 1)
    assert np.array_equal(a["age"], b["age"])
    for name in who.effects:
        assert np.array_equal(a.deviates[name], b.deviates[name])


def test_entry_criteria_hold():
    people = sample_people("z-fast", 500, 3)
    for site in ("lumbar_spine", "total_hip"):
        assert people[f"measured_t_score_{site}"].min() >= -2.0
    assert people["years_since_menopause"].min() >= 1
    assert people["t_score_lumbar_spine"].min() < -2.0  # the scan let some in


def test_criteria_nobody_meets_are_refused():
    who = replace(load_population("postmenopausal"), entry=(Entry("age", at_least=109),))
    with pytest.raises(DataError, match=r"0 of 4096 candidates meet the entry criteria on 'age'"):
        sample_people(who, 10, 1)
    with pytest.raises(DataError, match="at least 1"):
        sample_people(who, 0, 1)


@pytest.mark.parametrize("name", population_names())
def test_every_population_that_comes_along(name):
    people = sample_people(name, 200, 1)
    assert len(people) == 200
    for spread in people.population.spreads.values():
        assert spread.source
        assert spread.note or spread.source != "assumed"
    assert "age" in people.summary()
    assert people.dataset["bmd_total_hip"].attrs["units"] == "g/cm2"


# people whose data are known


def test_known_people_keep_their_data():
    given = {"age": [62, 71], "weight": [60, 80], "height": 1.6, "years_since_menopause": [10, 25]}
    people = people_from({**given, "bmd_total_hip": [0.8, 0.7], "creatinine_clearance": [55, 84], "smoking": [1, 0]})
    assert people["bmi"] == pytest.approx([60 / 2.56, 80 / 2.56])
    assert people["age_at_menopause"] == pytest.approx([52, 46])
    assert people["bmd_total_hip"] == pytest.approx([0.8, 0.7])
    assert people["creatinine_clearance"] == pytest.approx([55, 84])
    assert people["smoking"].tolist() == [1, 0]
    assert people["prior_fracture"].tolist() == [0, 0]
    # the spine, which nobody measured, is where women of that age, build and hip have it on average
    slopes = {"lumbar_spine": (-0.75, -0.042, 0.05, 1.25), "total_hip": (-0.6, -0.04, 0.07, 0.95)}
    at = {s: a + b * (people["age"] - 62) + c * (people["bmi"] - 26.9) for s, (a, b, c, _) in slopes.items()}
    hip = (people["t_score_total_hip"] - at["total_hip"]) / 0.95
    expected = at["lumbar_spine"] + 0.65 * 1.25 * hip
    assert people["t_score_lumbar_spine"] == pytest.approx(expected, abs=0.02)  # the cut is not quite even


def test_impossible_people_are_refused_all_at_once():
    with pytest.raises(DataError) as caught:
        people_from(
            {
                "age": [30, 60, 62, 64],
                "years_since_menopause": [20, 10, 12, 14],
                "bmi": [25, 3, 26, 27],
                "t_score_total_hip": [0, 0, 12, -1],
                "smoking": [0, 1, 0, 0.5],
            }
        )
    text = str(caught.value)
    assert "person 1: age 30 and 20 years past menopause, so menopause at 10; menopause at 20 years or later" in text
    assert "person 2: body mass index 3; between 12 and 80 kg/m2" in text
    assert "person 3: T-score, total hip 12; between -7 and 6" in text
    assert "person 4: smokes 0.5; 0 or 1" in text
    assert len(caught.value.faults) == 4


def test_build_must_agree():
    with pytest.raises(DataError, match=r"BMI 25 with weight and height that give 39\.06"):
        people_from({"age": 60, "bmi": 25, "weight": 100, "height": 1.6})


def test_unknown_traits_and_missing_age():
    with pytest.raises(DataError, match="unknown trait 'wieght'; did you mean 'weight'"):
        people_from({"age": 60, "wieght": 60})
    with pytest.raises(DataError, match="no 'age'"):
        people_from({"bmi": 25})


def test_a_crowd_of_faults_stays_readable():
    with pytest.raises(DataError, match="980 further people are impossible") as caught:
        people_from({"age": np.full(1000, 60), "bmi": np.full(1000, 3)})
    assert len(caught.value.faults) == 21


def test_people_are_checked_as_values():
    people = sample_people("postmenopausal", 3, 1)
    with pytest.raises(DataError, match="weights"):
        replace(people, weights=np.array([1.0, -1.0, 1.0]))
    with pytest.raises(DataError, match=r"no trait 'agee'; did you mean 'age'"):
        people["agee"]
    with pytest.raises(ValueError, match="read-only"):
        people["age"][0] = 5


# from people to parameters


@pytest.fixture(scope="module")
def compiled():
    return compile_system(bp.load("aibl", drugs=["denosumab", "zoledronate"]))


def test_parameters_spread_around_the_model(many, compiled):
    table = many.parameters(compiled)
    typical = compiled.parameter_vector()
    n = len(many)
    place = compiled.index("denosumab.CL")
    sd = np.sqrt(np.log1p(0.35**2))
    logs = np.log(table[:, place] / typical[place])
    assert abs(logs.mean()) < 4 * sd / np.sqrt(n)
    assert logs.std() == pytest.approx(sd, rel=4 / np.sqrt(2 * n))
    uptake = table[:, compiled.index("zoledronate.uptake")]
    assert 0 < uptake.min() < uptake.max() < 1
    assert np.median(uptake) == pytest.approx(0.6, abs=0.01)
    a, b = (np.log(table[:, compiled.index(f"turnover_{x}")]) for x in ("trabecular", "cortical"))
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(0.7, abs=4 * 0.51 / np.sqrt(n))
    estradiol = np.log(table[:, compiled.index("E_periphery")])
    assert np.corrcoef(estradiol, many["bmi"])[0, 1] == pytest.approx(0.5, abs=0.05)  # 0.082 * 4.6 over 0.70
    assert np.array_equal(table[:, compiled.index("body_weight")], many["weight"])
    assert np.array_equal(table[:, compiled.index("years_since_fmp")], many["years_since_menopause"])
    fixed = compiled.index("tau_osteoid")
    assert np.all(table[:, fixed] == typical[fixed])


def test_effects_must_fit_the_model(compiled):
    who = load_population("postmenopausal")
    effects = {n: Effect(n, "log", 0.1) for n in ("turnover_trabeculr", "denosumab.CLL", "letrozole.CL")}
    effects["CLx"] = Effect("S50", "logit", 0.1, (Slope("age", 0.1, 60),))
    people = sample_people(replace(who, effects=effects), 5, 1)
    with pytest.raises(DataError) as caught:
        people.parameters(compiled)
    text = str(caught.value)
    assert "no parameter 'turnover_trabeculr' in the model; did you mean 'turnover_trabecular'" in text
    assert "'denosumab.CLL'" in text
    assert "letrozole" not in text  # a drug that is left out


def test_people_pickle():
    import pickle

    people = sample_people("postmenopausal", 4, 1)
    again = pickle.loads(pickle.dumps(people))
    assert isinstance(again, People)
    assert np.array_equal(again.uniforms("x"), people.uniforms("x"))
