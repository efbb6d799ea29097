import pytest
from hypothesis import given
from hypothesis import strategies as st

import bonepk as bp
from bonepk.decide import Agent, Facts, assess, breaches, fit_agent, load_guideline
from bonepk.decide.limits import milligrams
from bonepk.errors import DataError

FIT = Facts(creatinine_clearance=90, egfr=80, hypocalcaemia=False, vitamin_d_deficient=False)


@given(st.floats(3, 350))
def test_zoledronate_by_creatinine_clearance(clearance):
    finding = assess(Facts(creatinine_clearance=clearance), "dosing-limits").of("zoledronate 4 mg")
    steps = [(30, "0 mg"), (40, "3.0 mg"), (50, "3.3 mg")]
    label = next((d for limit, d in steps if clearance < limit), "3.5 mg" if clearance <= 60 else "4.0 mg")
    assert finding.dose == label
    assert finding.confidence == "verified"


@pytest.mark.parametrize(
    ("more", "topic", "outcome"),
    [
        ({"creatinine_clearance": 34.9}, "zoledronate 5 mg", "never"),
        ({"creatinine_clearance": 35.0, "hypocalcaemia": False}, "zoledronate 5 mg", "allowed"),
        ({"creatinine_clearance": 35.0, "hypocalcaemia": True}, "zoledronate 5 mg", "hold"),
        ({"creatinine_clearance": 35.0}, "zoledronate 5 mg", "open"),
        ({"hypocalcaemia": True}, "denosumab 60 mg", "hold"),
        ({"hypocalcaemia": False, "vitamin_d_deficient": True}, "denosumab 60 mg", "hold"),
        ({"hypocalcaemia": False, "vitamin_d_deficient": False, "egfr": 29.9}, "denosumab 60 mg", "caution"),
        ({"hypocalcaemia": False, "vitamin_d_deficient": False, "egfr": 30.0}, "denosumab 60 mg", "allowed"),
        ({"oral_bisphosphonate_years": 4.9}, "oral bisphosphonate", "allowed"),
        ({"oral_bisphosphonate_years": 5.0}, "oral bisphosphonate", "reassess"),
        ({"oral_bisphosphonate_years": 10.0}, "oral bisphosphonate", "never"),
        ({"iv_bisphosphonate_years": 3.0}, "intravenous bisphosphonate", "reassess"),
        ({"iv_bisphosphonate_years": 6.0}, "intravenous bisphosphonate", "never"),
        ({"denosumab_years": 1.0, "months_since_denosumab": 7.0}, "denosumab interval", "allowed"),
        ({"denosumab_years": 1.0, "months_since_denosumab": 7.1}, "denosumab interval", "never"),
    ],
)
def test_limits_at_their_borders(more, topic, outcome):
    assert assess(Facts(**more), "dosing-limits").of(topic).outcome == outcome


@pytest.mark.parametrize(
    ("before", "now", "normal", "held", "outcome"),
    [
        (0.75, 1.25, True, False, "hold"),
        (0.75, 1.2, True, False, "allowed"),
        (1.5, 2.4, False, False, "allowed"),
        (1.5, 2.5, False, False, "hold"),
        (1.0, 1.2, True, True, "hold"),
        (1.0, 1.05, True, True, "allowed"),
    ],
)
def test_creatinine_holds_and_releases(before, now, normal, held, outcome):
    facts = Facts(
        iv_bisphosphonate_years=1,
        creatinine_baseline=before,
        creatinine=now,
        creatinine_baseline_normal=normal,
        zoledronate_held=held,
    )
    assert assess(facts, "dosing-limits").of("creatinine").outcome == outcome


def said(plan, facts=FIT, **more):
    return [(b.kind, b.drug, round(b.day / 30.4375, 2)) for b in breaches(plan, facts, **more)]


def zoledronate(dose="4 mg", doses=6, months=6, **more):
    return bp.every("zoledronate", dose, months=months, doses=doses, over="15 minutes", **more)


def test_a_plan_within_the_limits_has_nothing_said():
    assert said(zoledronate()) == []
    denosumab = bp.every("denosumab", "60 mg", months=6, doses=6)
    assert said(denosumab.then(bp.infusion("zoledronate", "4 mg", over="15 minutes")), until=4000) == []
    assert said(denosumab.then(bp.weekly("alendronate", "70 mg", years=1)), until=4000) == []


def test_dose_by_renal_function():
    poor = Facts(creatinine_clearance=45)
    assert said(zoledronate("3.3 mg"), poor) == []
    assert said(zoledronate("0.0033 g"), poor) == []
    assert said(zoledronate("4 mg"), poor) == [("breach", "zoledronate", 0)]
    assert said(zoledronate("5 mg", 3, 12), Facts(creatinine_clearance=33)) == [("breach", "zoledronate", 0)]
    (need,) = breaches(zoledronate(), Facts())
    assert (need.kind, need.needs) == ("needs", ("creatinine_clearance",))


def test_denosumab_late_or_left_alone():
    late = bp.every("denosumab", "60 mg", months=8, doses=3)
    assert said(late) == [("breach", "denosumab", 7), ("breach", "denosumab", 15), ("breach", "denosumab", 23)]
    on_time = bp.every("denosumab", "60 mg", months=7, doses=3)
    assert said(on_time) == []
    assert said(bp.every("denosumab", "60 mg", months=6, doses=4), until=1000) == [("breach", "denosumab", 25)]
    assert said(bp.every("denosumab", "60 mg", months=6, doses=4)) == []  # what follows is not in the plan yet
    bridged = bp.every("denosumab", "60 mg", months=12, doses=3) + zoledronate(months=12, doses=3, start="6 months")
    assert said(bridged, until=3000) == []


def test_denosumab_before_day_0_counts():
    before = Facts(**{**FIT.known, "denosumab_years": 2.0, "months_since_denosumab": 9.0})
    assert said(bp.every("denosumab", "60 mg", months=6, doses=2), before) == [("breach", "denosumab", -2)]


def test_years_of_bisphosphonate_add_up():
    assert said(zoledronate(doses=14)) == [("caution", "zoledronate", 36), ("breach", "zoledronate", 72)]
    before = Facts(**{**FIT.known, "oral_bisphosphonate_years": 4.0})
    assert said(bp.weekly("alendronate", "70 mg", years=2, spread=True), before) == [("caution", "alendronate", 12)]


def test_calcium_first():
    low = Facts(**{**FIT.known, "hypocalcaemia": True})
    assert said(bp.every("denosumab", "60 mg", months=6, doses=2), low) == [("breach", "denosumab", 0)]
    kidneys = Facts(**{**FIT.known, "egfr": 20.0})
    assert said(bp.every("denosumab", "60 mg", months=6, doses=2), kidneys) == [("caution", "denosumab", 0)]


def test_an_agent_that_fits():
    agents = load_guideline("iof-cabs-2017").agents
    order = [agents[n] for n in ("clodronate", "denosumab", "zoledronate")]
    able = ("denosumab", "zoledronate")
    low = Facts(creatinine_clearance=55, hypocalcaemia=True)
    agent, notes = fit_agent(order, low, able)
    assert (agent.drug, agent.dose) == ("zoledronate", "3.5 mg")
    assert [n.partition(":")[0] for n in notes] == ["clodronate", "denosumab", "zoledronate"]
    assert fit_agent(order, FIT, able)[0].drug == "denosumab"
    assert fit_agent(order, Facts(creatinine_clearance=20, hypocalcaemia=True), able)[0] is None
    unjudged, notes = fit_agent(order, Facts(), able)
    assert unjudged.drug == "denosumab"
    assert "needs hypocalcaemia" in notes[-1]
    oral = Agent("x", "alendronate", "70 mg", 7.0, 0.0, "", "", "", "")
    assert fit_agent([oral], Facts(), ("alendronate",)) == (oral, ())


def test_amounts():
    assert milligrams("4 mg") == milligrams(4) == milligrams("0.004 g") == pytest.approx(4)
    assert milligrams("4000 ug") == pytest.approx(4)
    with pytest.raises(DataError, match="no mass"):
        milligrams("4 mL")
