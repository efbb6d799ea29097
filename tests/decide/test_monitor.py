import numpy as np
import pytest
from women import NO_RISK

import bonepk as bp
from bonepk.decide import Facts, Patient, Policy, follow, load_guideline, start_months
from bonepk.errors import DataError

FIT = {"creatinine_clearance": 90.0, "egfr": 80.0, "hypocalcaemia": False, "vitamin_d_deficient": False}
LETROZOLE = bp.daily("letrozole", "2.5 mg", years=5, spread=True)
SCORES = {"lumbar_spine": -1.45, "total_hip": -0.9, "femoral_neck": -1.1}


def patient(scores=SCORES, **more):
    facts = Facts(**{**NO_RISK, **FIT, "aromatase_inhibitor": True, "menopause": "natural", "bmi": 23.0, **more})
    return Patient(facts, scores, LETROZOLE, {"years_since_fmp": 10.0})


def agent(name, guideline="iof-cabs-2017"):
    return load_guideline(guideline).agents[name]


def test_without_error_treatment_starts_when_the_true_score_falls_below_the_line():
    followed = follow(patient(), Policy(), rng=None, months=72)
    assert [v.finding.outcome for v in followed.visits[:2]] == ["gap", "treat"]
    assert followed.start == 12
    assert followed.agent.drug == "denosumab"
    true, measured = followed.scans.true, followed.scans.measured
    assert measured.equals(true)
    spine = followed.scans.t_score.sel(site="lumbar_spine").values
    assert spine[0] == pytest.approx(-1.45)
    assert spine[1] < -1.5  # body mass index below 24 is the one more risk factor
    assert spine[2] > spine[1]
    assert [v.facts.age for v in followed.visits] == pytest.approx([60, 61, 62, 63, 64, 65])
    assert followed.plan.of("denosumab").courses[0].doses == 8  # to the end of letrozole, month 60
    assert any("nothing after an injection" in note for note in followed.notes)


def test_one_seed_is_one_course_and_what_is_given_changes_no_error():
    one, same = (follow(patient(), Policy(), rng=11) for _ in range(2))
    assert one.scans.identical(same.scans)
    other = follow(patient(), Policy(agents=(agent("zoledronate"),)), rng=11)
    error = [(f.scans.measured / f.scans.true).values for f in (one, other)]
    assert error[0] == pytest.approx(error[1], rel=1e-12)
    assert other.agent.drug == "zoledronate"


def test_dose_follows_renal_function_and_a_drug_that_is_not_allowed_is_passed_over():
    weak = patient(creatinine_clearance=45.0, hypocalcaemia=True)
    followed = follow(weak, Policy(), rng=None)
    assert (followed.agent.drug, followed.agent.dose) == ("zoledronate", "3.3 mg")
    assert followed.plan.of("zoledronate").courses[0].amount == "3.3 mg"
    assert followed.notes[0].startswith("denosumab: correct calcium")


def test_a_gap_waits_unless_its_reading_is_followed():
    good = {"lumbar_spine": -0.2, "total_hip": 0.0}
    waits = follow(patient(good, smoking=True), Policy(months=(0, 12)), rng=None)
    assert waits.start is None
    assert waits.agent is None
    assert waits.plan == LETROZOLE
    assert waits.visits[0].finding.branch == "above -1.5 with two or more"
    reads = follow(patient(good, smoking=True), Policy(months=(0, 12), gaps="read"), rng=None)
    assert reads.start == 0


def test_losses_within_the_error_can_be_left_out_of_account():
    healthy = patient({"lumbar_spine": -1.2}, bmi=27.0)
    seen = follow(healthy, Policy(months=(0, 12)), rng=None).visits[1].facts
    assert seen.loss_lumbar_spine == pytest.approx(2.9, abs=1.0)  # the first year on letrozole
    real = follow(healthy, Policy(months=(0, 12), losses="real", precision="acceptable"), rng=None).visits[1].facts
    assert real.loss_lumbar_spine == 0


def test_start_over_many_errors():
    policy = Policy(months=(0, 12, 24, 36))
    many = start_months(patient(), policy, 300, rng=2)
    assert many.identical(start_months(patient(), policy, 300, rng=2))
    share = many.started.values
    assert (np.diff(share) >= 0).all()
    assert 0 < share[0] < share[1] <= 1  # some scans start her a year too early
    assert float(many.without_error) == 12
    assert np.nanmin(many.start.values) == 0
    one = follow(patient(), policy, rng=np.random.default_rng(2))
    assert one.start == many.start.values[0]  # the first repetition reads the same errors


def test_every_drug_a_guideline_offers_can_be_followed():
    for name in ("denosumab", "zoledronate", "risedronate", "alendronate", "ibandronate"):
        followed = follow(patient(), Policy(months=(0, 12, 24), agents=(agent(name),)), rng=None)
        gain = followed.scans.true.sel(site="lumbar_spine")
        assert float(gain.sel(month=24)) > float(gain.sel(month=12)), name


def test_a_stated_length_of_treatment():
    followed = follow(patient(), Policy(months=(0, 12, 24), years=1), rng=None)
    assert followed.plan.of("denosumab").courses[0].doses == 2


def test_no_drug_left_is_an_error_that_says_why():
    with pytest.raises(DataError, match="no drug is left; clodronate: not in the model"):
        follow(patient(), Policy(agents=(agent("clodronate"),)), rng=None)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(DataError, match="give true T-scores in t_scores"):
        Patient(Facts(age=60, t_total_hip=-1.0), SCORES)
    with pytest.raises(DataError, match="age"):
        Patient(Facts(), SCORES)
    with pytest.raises(DataError, match="rising months") as error:
        Policy(months=(12, 0), gaps="guess", losses="some", years=-1)
    assert len(error.value.faults) == 4
    with pytest.raises(DataError, match="at least 1"):
        start_months(patient(), Policy(), 0, rng=1)
