"""How trials are run: who is allocated where, who stops, who misses and delays doses."""

import numpy as np
import pytest

import bonepk as bp
from bonepk.engine import Kind, compile_system
from bonepk.errors import DataError, RegimenError
from bonepk.study.people import sample_people
from bonepk.study.virtual.allocate import allocate
from bonepk.study.virtual.conduct import Adherence, Allocation, Conduct, Curve, Persistence, load_conduct, read_conduct
from bonepk.study.virtual.doses import Doses, schedule_of, taken, timeline_of

HEAD = '[population]\ntitle = "x"\ndescription = "x"\nbased_on = "zo-fast"\n[conduct]\ntrial = "zo-fast"\n'
N = 4000
SURE = 4 * 0.5 / np.sqrt(N)  # four standard errors of a share


@pytest.fixture(scope="module")
def people():
    return sample_people("postmenopausal", N, 11)


@pytest.fixture(scope="module")
def system():
    return bp.load("aibl", drugs=["denosumab", "letrozole"])


@pytest.fixture(scope="module")
def compiled(system):
    return compile_system(system)


def conduct(**how):
    return Conduct("x", "zo-fast", N, 60.0, (12.0,), **how)


# allocation


def test_blocks_hold_within_strata(people):
    how = Allocation((2, 1), 6, ("smoking", "age"))
    arm = allocate(people, 2, how)
    assert np.array_equal(arm, allocate(people, 2, how))
    old = people["age"] > np.median(people["age"])
    for smoking in (0, 1):
        for age in (False, True):
            mine = arm[(people["smoking"] == smoking) & (old == age)]
            whole = mine[: len(mine) // 6 * 6].reshape(-1, 6)
            assert np.all((whole == 0).sum(axis=1) == 4)
            assert len(np.unique(whole, axis=0)) > 5  # orders differ


def test_arms_do_not_differ_at_baseline(people):
    arm = allocate(people, 2, Allocation())
    assert abs((arm == 0).mean() - 0.5) < 1e-9
    for name in ("age", "bmi", "t_score_total_hip"):
        gap = people[name][arm == 0].mean() - people[name][arm == 1].mean()
        assert abs(gap) < 4 * people[name].std() * np.sqrt(4 / N)


def test_the_ratio_must_fit(people):
    with pytest.raises(DataError, match="a ratio of 2 numbers; 3, one an arm"):
        allocate(people, 3, Allocation((1, 1), 4))


# curves


def test_a_curve_gives_its_shares():
    u = (np.arange(100_000) + 0.5) / 100_000
    months = Curve(((12, 0.17), (60, 0.58))).months(u)
    assert (months <= 12).mean() == pytest.approx(0.17, abs=1e-4)
    assert (months <= 60).mean() == pytest.approx(0.58, abs=1e-4)
    assert np.isinf(months).mean() == pytest.approx(0.42, abs=1e-4)
    # an even hazard between the points
    assert (months <= 36).mean() == pytest.approx(1 - np.sqrt(0.83 * 0.42), abs=1e-4)
    assert np.isinf(Curve().months(u)).all()


def test_nothing_happens_where_a_curve_is_flat():
    u = (np.arange(10_000) + 0.5) / 10_000
    months = Curve(((12, 0.2), (24, 0.2), (36, 0.3))).months(u)
    assert not np.any((months > 12.001) & (months < 23.999))
    assert (months <= 36).mean() == pytest.approx(0.3, abs=1e-3)


# what is taken


def doses_of(people, system, compiled, plan, **how):
    table = np.tile(compiled.parameter_vector(), (len(people), 1))
    return taken(system, compiled, people, table, [schedule_of(system, plan)] * len(people), conduct(**how))


def test_everyone_takes_everything_by_default(people, system, compiled):
    plan = bp.every("denosumab", "60 mg", months=6, doses=3) + bp.daily("letrozole", "2.5 mg", years=2, spread=True)
    (one, *_) = doses_of(people.select(np.arange(2)), system, compiled, plan)
    depot, gut = (system.state_names.index(f"{d}.depot") for d in ("denosumab", "letrozole"))
    assert [(d, s) for d, s, _ in one.bolus] == [(0.0, depot), (182.625, depot), (365.25, depot)]
    assert one.bolus[0][2] == pytest.approx(60e6 * 0.638)  # ng, bioavailability
    assert one.steady == [(0.0, 731.0, gut, pytest.approx(2500.0))]  # ug a day
    assert one.given == {"denosumab": 3}


def test_missed_and_late_injections(people, system, compiled):
    plan = bp.every("denosumab", "60 mg", months=6, doses=6)
    how = Adherence(("denosumab",), missed=0.2, late=0.3, late_days=40)
    got = doses_of(people, system, compiled, plan, adherence=(how,))
    count = np.array([d.given["denosumab"] for d in got])
    assert all(d.bolus[0][0] == 0 for d in got)
    # 5 doses may be missed; those pushed past the end of the course are lost as well, which is rare
    assert count.mean() == pytest.approx(1 + 5 * 0.8, abs=4 * np.sqrt(5 * 0.16 / N) + 0.05)
    second = np.array([d.bolus[1][0] - 182.625 for d in got if len(d.bolus) > 1 and d.bolus[1][0] < 364])
    late = second[second > 0]
    assert (second > 0).mean() == pytest.approx(0.3, abs=2 * SURE)
    assert late.mean() == pytest.approx(40, rel=0.15)  # 4 standard errors of about 1000 exponential waits
    for d in got[:200]:  # those that follow move along
        gaps = np.diff([day for day, _, _ in d.bolus])
        assert np.all(gaps >= 182.625 - 1e-9)


def test_stopping(people, system, compiled):
    plan = bp.every("denosumab", "60 mg", months=6, doses=10) + bp.daily("letrozole", "2.5 mg", years=5, spread=True)
    stop = Persistence(("letrozole", "denosumab"), Curve(((12, 0.3), (60, 0.6))))
    got = doses_of(people, system, compiled, plan, persistence=(stop,))
    ends = np.array([d.steady[0][1] for d in got])
    assert (ends < 365.25).mean() == pytest.approx(0.3, abs=SURE)
    assert (ends < 1826.25).mean() == pytest.approx(0.6, abs=SURE)
    few = np.array([d.given["denosumab"] <= 2 for d in got])
    assert few.mean() == pytest.approx(0.3, abs=SURE)
    assert abs(np.corrcoef(few, ends < 365.25)[0, 1]) < 4 / np.sqrt(N)  # drugs are stopped independently


def test_tablets_that_are_not_taken(people, system, compiled):
    plan = bp.daily("letrozole", "2.5 mg", years=1, spread=True)
    how = Adherence(("letrozole",), taken=0.9, taken_sd=0.8)
    rates = np.array([d.steady[0][3] for d in doses_of(people, system, compiled, plan, adherence=(how,))]) / 2500
    assert 0 < rates.min() < rates.max() < 1
    assert np.median(rates) == pytest.approx(0.9, abs=0.01)


def test_a_timeline_that_goes_on():
    doses = Doses(bolus=[(0.0, 1, 5.0), (30.0, 1, 5.0)], steady=[(0.0, 50.0, 0, 2.0), (10.0, 20.0, 0, 1.0)])
    doses.switches = ((0.0, 2, 1.0), (40.0, 2, 0.0))
    line = timeline_of(doses, 15.0, [15.0, 30.0, 60.0], 1.0, state=[7.0, 8.0])
    ops = [(op.time, Kind(op.kind).name, op.which, op.value) for op in line.ops()]
    assert ops == [
        (15.0, "INPUT", 2, 1.0),
        (15.0, "SET", 0, 7.0),
        (15.0, "SET", 1, 8.0),
        (15.0, "RECORD", 0, 0.0),
        (15.0, "RATE", 0, 3.0),
        (20.0, "RATE", 0, 2.0),
        (30.0, "RECORD", 1, 0.0),
        (30.0, "ADD", 1, 5.0),
        (40.0, "INPUT", 2, 0.0),
        (50.0, "RATE", 0, 0.0),
        (60.0, "RECORD", 2, 0.0),
    ]


def test_plans_that_are_not_possible_here(system):
    with pytest.raises(RegimenError, match="an infusion over 3 days"):
        schedule_of(system, bp.infusion("denosumab", "60 mg", over="3 days"))
    with pytest.raises(RegimenError, match="'denosumb' is not in the model"):
        schedule_of(system, bp.dose("denosumb", "60 mg"))


# text


def test_a_conduct_is_read():
    made = load_conduct("z-fast")
    assert made.people == 602
    assert made.visits[-1] == 61
    rule = made.rescue[0]
    assert (rule.t_below, rule.interval, rule.events) == (-2.0, 6 * 30.4375, ("fracture_clinical",))
    assert made.notes["dropout"].startswith("assumed: ")


def test_faults_are_told_together():
    text = HEAD + (
        "people = 0\nmonths = 24\nvisits = [12, 6]\n"
        'dropout = { shares = [[12, 0.5], [24, 0.4]], source = "assumed" }\n'
        'allocation = { ratio = [2, 1], block = 4, strata = ["chemo"] }\n'
        '[[conduct.adherence]]\ndrugs = ["letrozol"]\nmissed = 2\nsource = "x"\n'
        '[[conduct.persistence]]\nstopped = [12]\nsource = "x"\n'
        '[[conduct.rescue]]\narms = ["delayed"]\nsites = ["hip"]\ngive = "zoledronate"\n'
        'dose = "4 mg"\nevery = "6 months"\nsource = "x"\n'
    )
    with pytest.raises(DataError) as caught:
        read_conduct(text, file="bad.toml")
    found = str(caught.value)
    for part in (
        "[conduct.people]: found 0; expected a whole number of at least 1",
        "[conduct.visits]: found [12, 6]; rising months above 0, up to 24",
        "months above 0 that rise, and shares that do not fall, below 1",
        "assumed without a 'note'",
        "blocks of 4; a multiple of 3",
        "unknown trait 'chemo'",
        "unknown drug 'letrozol'; did you mean 'letrozole'",
        "found 2; expected between 0 and 1",
        "no 'drugs'",
        "pairs such as [[12, 0.05], [60, 0.2]]",
        "unknown site 'hip'",
        "no rule",
    ):
        assert part in found, part
