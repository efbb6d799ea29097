"""Runs of people: equal to the reference integrator, whatever the number of workers, and after an interruption."""

import os
import signal
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

import bonepk as bp
from bonepk.errors import DataError, NotFoundError
from bonepk.study.people import t_of
from bonepk.study.virtual import measured, virtual_trial
from bonepk.study.virtual import run as room
from bonepk.study.virtual.journal import PieceJournal

RESCUE = """
[[conduct.rescue]]
arms = ["delayed"]
sites = ["lumbar_spine"]
t_below = -1.0
give = "zoledronate"
dose = "4 mg"
every = "6 months"
until = "24 months"
source = "test"
"""
MONTHS = np.array([6.0, 12.0, 18.0, 24.0])
# both integrators are within 1e-5 of the truth here; stored as float32 (1e-7); as a percent change
CLOSE = 2e-3


def reference(result, person, plan, drugs, **parameters):
    """Percent changes of one person's spine by LSODA on the same plan."""
    people = result.people
    inputs = {"body_weight": people["weight"][person], "creatinine_clearance": people["creatinine_clearance"][person]}
    run = bp.simulate(
        bp.load("aibl", drugs=drugs),
        plan,
        times=[0.0, *(MONTHS * 30.4375)],
        parameters={"years_since_fmp": float(people["years_since_menopause"][person]), **parameters},
        inputs={k: float(v) for k, v in inputs.items()},
        rtol=1e-8,
    )
    values = run["bmd_lumbar_spine"].values
    return 100 * (values[1:] / values[0] - 1)


def changes(result, person):
    return np.array([result.courses.change("bmd_lumbar_spine", m)[person] for m in MONTHS])


def background():
    return bp.daily("letrozole", "2.5 mg", years=5, spread=True) + bp.switch("calcium_vitamin_d")


def test_a_person_is_the_reference_run(plain, exact):
    result = virtual_trial(plain("abcsg-18", 12), population=exact("abcsg-18"), rtol=1e-6)
    seen = set()
    for person in range(12):
        arm = result.arms[result.arm[person]].name
        lot = "early" if result.people.uniforms("cohort")[person, 0] < 0.5 else "late"
        if (arm, lot) in seen:
            continue
        seen.add((arm, lot))
        start = "0 months" if lot == "early" else "-12 months"
        plan = bp.daily("anastrozole", "1 mg", years=5, start=start, spread=True) + bp.switch("calcium_vitamin_d")
        if arm == "denosumab":
            plan += bp.every("denosumab", "60 mg", months=6, doses=14)
        expected = reference(result, person, plan, ["anastrozole", "denosumab"])
        assert changes(result, person) == pytest.approx(expected, abs=CLOSE)
    assert len(seen) >= 3


def test_what_a_trial_says_of_its_population_holds_for_virtual_women(plain, exact):
    """FREEDOM chose women for osteoporosis; a faster turnover, so that their bone answers to denosumab otherwise."""
    result = virtual_trial(plain("freedom", 4), population=exact("freedom"), rtol=1e-6)
    person = int(np.flatnonzero(result.in_arm("denosumab"))[0])
    plan = bp.switch("calcium_vitamin_d") + bp.every("denosumab", "60 mg", months=6, doses=6)
    expected, other = (reference(result, person, plan, ["denosumab"], osteoporosis=x) for x in (1.0, 0.0))
    assert changes(result, person) == pytest.approx(expected, abs=CLOSE)
    assert np.abs(expected - other).max() > 20 * CLOSE


def test_a_rescue_carries_the_state_over(plain, exact):
    path = plain("zo-fast", 120, more=RESCUE)
    result = virtual_trial(path, population=exact("zo-fast"), rtol=1e-6)
    rescued = result.followed.rescued[:, 0]
    delayed = result.in_arm("delayed")
    assert np.all(np.isinf(rescued[~delayed]))
    for month in (6.0, 12.0):
        person = int(np.flatnonzero(delayed & (rescued == month))[0])
        doses = int((24 - month) / 6)
        plan = background() + bp.every("zoledronate", "4 mg", months=6, doses=doses, start=f"{month:g} months")
        expected = reference(result, person, plan, ["letrozole", "zoledronate"])
        assert changes(result, person) == pytest.approx(expected, abs=CLOSE)
        assert result.followed.given["zoledronate"][person] == doses
    # the rule holds for everyone: true T-scores, for scans show the truth here
    courses = result.courses
    low = {m: courses.t_score("lumbar_spine", m) < -1.0 for m in (6.0, 12.0)}
    assert np.array_equal(rescued[delayed] == 6, low[6.0][delayed])
    assert np.array_equal(rescued[delayed] == 12, (low[12.0] & ~low[6.0])[delayed])
    never = int(np.flatnonzero(delayed & np.isinf(rescued))[0])
    expected = reference(result, never, background(), ["letrozole", "zoledronate"])
    assert changes(result, never) == pytest.approx(expected, abs=CLOSE)


def same(a, b):
    for name, values in a.courses.values.items():
        assert np.array_equal(values, b.courses.values[name]), name
    assert np.array_equal(a.followed.rescued, b.followed.rescued)
    assert a.followed.events.keys() == b.followed.events.keys()
    for name, months in a.followed.events.items():
        assert np.array_equal(months, b.followed.events[name]), name
    assert (a.followed.status.tolist(), a.followed.attempts) == (b.followed.status.tolist(), b.followed.attempts)
    assert np.array_equal(a.courses.dropout, b.courses.dropout)
    assert {n: v.tolist() for n, v in a.followed.given.items()} == {n: v.tolist() for n, v in b.followed.given.items()}
    assert [str(r.virtual) for r in a.rows] == [str(r.virtual) for r in b.rows]


def test_numbers_do_not_depend_on_workers_or_pieces(monkeypatch):
    whole = virtual_trial("z-fast", 90, 5, workers=1)
    monkeypatch.setattr(room, "_PIECE", 13)
    same(whole, virtual_trial("z-fast", 90, 5, workers=3))
    other = virtual_trial("z-fast", 90, 6)
    assert not np.array_equal(whole.courses.values["ctx"], other.courses.values["ctx"])


class StopError(Exception):
    pass


def test_an_interrupted_trial_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "_PIECE", 16)
    whole = virtual_trial("z-fast", 80, 5)

    def interrupt(done, total, what):
        if done >= 32:
            raise StopError

    with pytest.raises(StopError):
        virtual_trial("z-fast", 80, 5, workers=1, progress=interrupt, resume=tmp_path)
    kept = sorted(tmp_path.glob("*.piece"))
    assert 2 <= len(kept) < 5
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # torn
    worked = []
    piece = room._piece
    monkeypatch.setattr(room, "_piece", lambda *a: worked.append(1) or piece(*a))
    told = []
    same(whole, virtual_trial("z-fast", 80, 5, progress=lambda *a: told.append(a[:2]), resume=tmp_path))
    assert len(worked) == 5 - len(kept) + 1
    assert told[0] == (0, 80)
    assert told[-1] == (80, 80)
    assert not list(tmp_path.glob(".new-*"))


def breaking(**more):
    """Make an outcome; its class is local, so that it travels by value: workers do not see this file."""

    class Early:
        name = "early 1"

        def __call__(self, courses):
            return {"hip": np.where(courses.people.uniforms("early")[:, 0] < 0.5, courses.people["age"], np.inf)}

    made = Early()
    vars(made).update(more)
    return made


@pytest.mark.skipif(sys.platform == "win32", reason="kills a worker by a signal")
def test_a_cluster_gives_the_same_numbers_after_an_interruption_and_a_kill(monkeypatch, tmp_path, client):
    monkeypatch.setattr(room, "_PIECE", 8)
    case = {"name": "z-fast", "people": 60, "seed": 5, "outcome": breaking()}
    alone = virtual_trial(**case, workers=1)
    assert np.isfinite(alone.followed.rescued).any()

    def interrupt(done, total, what):
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        virtual_trial(**case, client=client, progress=interrupt, resume=tmp_path)
    assert not client.futures, caught  # while the traceback lives: what was under way is cancelled
    assert len(list(tmp_path.glob("*.piece"))) == 2
    workers = list(client.run(os.getpid).values())
    told = []

    def kill_one(done, total, what):
        told.append(done)
        if done > 16 and len(workers) == 2:
            os.kill(workers.pop(), signal.SIGKILL)

    same(alone, virtual_trial(**case, client=client, progress=kill_one, resume=tmp_path))
    assert len(workers) == 1
    assert len(told) == 9
    assert (told[0], told[-1]) == (0, 60)
    assert len(list(tmp_path.glob("*.piece"))) == 8
    with pytest.raises(
        DataError, match=r"people 0 to 7: cannot be sent to another process \(cannot pickle '_thread.lock'"
    ):
        virtual_trial(**case | {"outcome": breaking(lock=threading.Lock())}, client=client)


@pytest.mark.parametrize("change", ["seed", "model", "conduct"])
def test_pieces_of_another_trial_are_not_taken(monkeypatch, tmp_path, plain, change):
    path = plain("z-fast", 8)
    virtual_trial(path, 8, 5, resume=tmp_path / "kept")
    worked = []
    piece = room._piece
    monkeypatch.setattr(room, "_piece", lambda *a: worked.append(1) or piece(*a))
    seed, parameters = 5, None
    if change == "seed":
        seed = 6
    elif change == "model":
        parameters = {"S50": 0.3}
    else:
        path.write_text(path.read_text() + '[conduct.dropout]\nshares = [[12, 0.5]]\nsource = "x"\n')
    virtual_trial(path, 8, seed, parameters=parameters, resume=tmp_path / "kept")
    assert worked


def test_a_journal_without_a_folder_keeps_nothing():
    journal = PieceJournal(None)
    journal.put("a", {"x": np.zeros(2)})
    assert journal.get("a") is None


class Breaks:
    """A made-up outcome: half of the women break a bone at month 8 unless they had a bone drug before."""

    name = "breaks 1"

    def __call__(self, courses):
        prone = courses.people.uniforms("breaks")[:, 0] < 0.5
        return {"fracture_clinical": np.where(prone, 8.0, np.inf)}


def test_an_outcome_can_start_a_rescue(plain, exact):
    more = RESCUE.replace('sites = ["lumbar_spine"]\nt_below = -1.0', 'events = ["fracture_clinical"]')
    path = plain("zo-fast", 60, more=more)
    with pytest.raises(DataError, match="waits for fracture_clinical; an outcome"):
        virtual_trial(path)
    result = virtual_trial(path, population=exact("zo-fast"), outcome=Breaks())
    broke = result.followed.events["fracture_clinical"] == 8
    delayed = result.in_arm("delayed")
    assert np.array_equal(result.followed.rescued[delayed, 0] == 12, broke[delayed])
    assert result.event_share("delayed", "fracture_clinical", 12).value == pytest.approx(100 * broke[delayed].mean())
    assert result.event_share("delayed", "fracture_clinical", 6).value == 0
    with pytest.raises(NotFoundError, match="did you mean 'fracture_clinical'"):
        result.event_share("delayed", "fracture_clinicals", 12)


class Clinic:
    """A made-up policy: alendronate below a measured T-score of -1, denosumab twelve months later if still below."""

    name = "clinic 1"
    starts = (
        bp.weekly("alendronate", "70 mg", months=12, spread=True),
        bp.every("denosumab", "60 mg", months=6, doses=2),
    )

    def __call__(self, courses, month):
        low = t_of(measured(courses, "bmd_lumbar_spine", month), "lumbar_spine") < -1.0
        return np.where(low & (month == 6), 0, np.where(low & (month == 18), 1, -1))


def test_a_policy_starts_drugs_at_visits(plain, exact):
    result = virtual_trial(
        plain("zo-fast", 60, visits=(6, 12, 18, 24)), population=exact("zo-fast"), policy=Clinic(), rtol=1e-6
    )
    started = result.followed.rescued
    delayed = result.in_arm("delayed")
    both = np.flatnonzero(delayed & (started[:, 0] == 6) & (started[:, 1] == 18))
    person = int(both[0])
    plan = background() + bp.weekly("alendronate", "70 mg", months=12, start="6 months", spread=True)
    plan += bp.every("denosumab", "60 mg", months=6, doses=2, start="18 months")
    expected = reference(result, person, plan, ["letrozole", "zoledronate", "alendronate", "denosumab"])
    assert changes(result, person) == pytest.approx(expected, abs=CLOSE)
    low = result.courses.t_score("lumbar_spine", 18) < -1.0
    assert np.array_equal(started[:, 1] == 18, low)
    assert result.rescued_share("delayed", 24).value == pytest.approx(
        100 * np.isfinite(started.min(axis=1))[delayed].mean()
    )


def test_those_who_drop_out_are_not_measured_and_not_rescued(plain, exact):
    more = '\n[conduct.dropout]\nshares = [[3, 0.5]]\nsource = "x"\n' + RESCUE
    result = virtual_trial(plain("zo-fast", 80, more=more), population=exact("zo-fast"))
    lost = result.courses.dropout < 6
    assert 0.3 < lost.mean() < 0.7
    assert np.isnan(result.changes("bmd_total_hip", 12)[lost]).all()
    assert np.isfinite(result.changes("bmd_total_hip", 12)[~lost]).all()
    assert np.isinf(result.followed.rescued[lost]).all()
    assert np.isfinite(result.courses.values["bmd_total_hip"]).all()  # the true course goes on


def test_faults_of_a_trial_are_named(plain):
    with pytest.raises(DataError, match="unknown arm 'delaid'; did you mean 'delayed'"):
        virtual_trial(plain("zo-fast", 8, more=RESCUE.replace('"delayed"', '"delaid"')))
    with pytest.raises(NotFoundError, match="did you mean 'zo-fast'"):
        virtual_trial("zofast")
    result = virtual_trial(plain("zo-fast", 8))
    with pytest.raises(DataError, match="month 7 is not stored; stored are 0, 6, 12"):
        result.courses.level("ctx", 7)
    with pytest.raises(NotFoundError, match="unknown arm 'imediate'"):
        result.change("imediate", "ctx", 12)


def test_a_failed_run_is_counted_and_left_out(plain, exact, monkeypatch):
    from bonepk.engine import batch

    real = batch.integrate_batch

    def breaks(compiled, table, lines, **how):
        result = real(compiled, table, lines, **how)
        result.outputs[result.first[0] : result.first[1]] = np.nan
        result.status[0] = 1
        return result

    monkeypatch.setattr(room, "integrate_batch", breaks)
    result = virtual_trial(plain("abcsg-18", 20), population=exact("abcsg-18"))
    assert result.failed == 1
    arm = result.arms[result.arm[0]].name
    assert result.change(arm, "bmd_total_hip", 12).n == 9
    assert "left out: 1 people" in bp.virtual_text(result)


def test_results_are_labelled(plain):
    result = virtual_trial(plain("abcsg-18", 12))
    table = result.courses.dataset
    assert table["bmd_total_hip"].dims == ("person", "month")
    assert table.sizes["person"] == 12
    assert table["age"].attrs["units"] == "year"
    few = result.courses.select(np.arange(3))
    assert few.bmd("total_hip", 24) == pytest.approx(result.courses.bmd("total_hip", 24)[:3])


def test_weights_reach_the_endpoints():
    even = virtual_trial("abcsg-18", 200, 1, weighted=False)
    made = virtual_trial("abcsg-18", 200, 1)
    assert even.people.effective == 200
    high = made.people["measured_t_score_lumbar_spine"] >= -1.0
    assert np.average(high, weights=made.people.weights) == pytest.approx(0.55, abs=1e-6)
    assert made.change("placebo", "bmd_total_hip", 36).n < even.change("placebo", "bmd_total_hip", 36).n
    assert replace(made, seed=2).people is made.people
