"""What the model must show of bone, and what each of its parts is there for.

Trials are compared in validation/; here stand the qualitative facts, with the size the model gives.
"""

from __future__ import annotations

import numpy as np
import pytest

import bonepk as bp
from bonepk.simulate.run import simulate

CALCIUM = bp.switch("calcium_vitamin_d", 1)


def change(run, name, month, baseline=0.0) -> float:
    return bp.percent_change(run, name, month, baseline).item()


def natural(**values):
    """Menopause of a woman observed from five years before to ten years after her final menstrual period."""
    times = bp.months_to_times(np.arange(-60, 121))
    return simulate(bp.load("aibl"), times=times, parameters={"years_since_fmp": 0} | values)


def denosumab(years: float, after: float = 3, **values):
    plan = CALCIUM + bp.every("denosumab", "60 mg", months=6, doses=round(2 * years))
    model = bp.load("aibl", drugs=["denosumab"])
    times = bp.months_to_times(np.arange(0, 12 * (years + after) + 0.5, 0.5))
    return simulate(model, plan, times=times, parameters={"years_since_fmp": 15} | values)


def rebound(years: float, **values) -> float:
    """Highest CTX after the last dose has run out, percent of the value before treatment."""
    run = denosumab(years, **values)
    return 100 * (bp.peak(run, "ctx", (12 * years, 12 * years + 36))[0] / bp.value_at(run, "ctx", [0])[0] - 1)


def test_natural_menopause_resembles_swan() -> None:
    run = natural()
    # SWAN: -10.6 % at the spine and -9.1 % at the femoral neck from 5 years before to 5 years after
    assert change(run, "bmd_lumbar_spine", 60, -60) == pytest.approx(-10.6, abs=1.0)
    assert change(run, "bmd_femoral_neck", 60, -60) == pytest.approx(-9.1, abs=2.0)
    assert np.all(np.diff(run["bmd_total_hip"].values) <= 1e-9)  # no spontaneous gain; flat to rounding long before
    assert 1.9 < bp.value_at(run, "rankl", [60])[0] < 3.0  # 2 to 3 fold on marrow cells


def test_spine_loss_quickens_around_the_final_menstrual_period() -> None:
    """How much of it SWAN saw is in test_known_misfits.py; the model loses as much again in the three years after."""
    run = natural()
    assert change(run, "bmd_lumbar_spine", 24, -12) < 2 * change(run, "bmd_lumbar_spine", -24, -60)
    assert change(run, "bmd_lumbar_spine", 24, -12) < change(run, "bmd_lumbar_spine", 96, 60)


def test_aromatase_inhibitor_loses_bone_after_menopause_and_regains_some() -> None:
    plan = CALCIUM + bp.daily("anastrozole", "1 mg", months=60, spread=True)
    model = bp.load("aibl", drugs=["anastrozole"])
    run = simulate(model, plan, years=7, parameters={"years_since_fmp": 11})
    # ATAC medians: -6.08 and -7.24 % at five years, then +4.02 % at the spine within two years off
    assert change(run, "bmd_lumbar_spine", 60) == pytest.approx(-6.08, abs=1.0)
    assert change(run, "bmd_total_hip", 60) == pytest.approx(-7.24, abs=1.0)
    assert change(run, "bmd_lumbar_spine", 84, 60) == pytest.approx(4.0, abs=1.2)


def test_denosumab_acts_in_days_and_gains_are_lost_after_it() -> None:
    run = denosumab(2)
    assert change(run, "ctx", 0.5) < -75  # more than 80 % within 5 days was seen after one dose
    assert change(run, "p1np", 6) < -60
    assert change(run, "bmd_lumbar_spine", 24) == pytest.approx(6.5, abs=1.5)
    assert change(run, "bmd_total_hip", 48) < 0.5  # what was gained is lost within two years


def test_formation_follows_denosumab_by_weeks() -> None:
    run = denosumab(2)
    assert change(run, "ctx", 1) < -75
    assert change(run, "p1np", 1) > 0.5 * change(run, "p1np", 6)  # -31 of -78 %: most of the fall is still to come


def test_resorption_rebounds_after_denosumab() -> None:
    """Label +40 to +60 %, DEFEND +63 % (recalled); +36 % in the model (docs/aibl.md, "Known misfits")."""
    assert 30 < rebound(2) < 70


def test_longer_denosumab_rebounds_more_but_the_store_is_bounded() -> None:
    short, long = rebound(2), rebound(8)
    assert 1.5 * short < long < 3.5 * short
    plan = bp.every("denosumab", "60 mg", months=6, doses=60)
    model = bp.load("aibl", drugs=["denosumab"])
    run = simulate(model, plan, years=30, states=True)
    store = run["precursor"]
    # 0.73 to 1.40 in a woman ten years after menopause: it nearly doubles, and its own loss bounds it (below 1.66)
    assert float(store.max()) > 1.6 * float(store[0])
    assert 1.3 < float(store.max()) < 0.95 / (1 - model.values["store_drain"])


def test_zoledronate_at_the_end_blunts_the_rebound() -> None:
    plan = CALCIUM + bp.every("denosumab", "60 mg", months=6, doses=6)
    then = plan.then(bp.dose("zoledronate", "5 mg"))
    model = bp.load("aibl", drugs=["denosumab", "zoledronate"])
    off, on = (simulate(model, p, years=5, parameters={"years_since_fmp": 15}) for p in (plan, then))
    assert bp.peak(on, "ctx", (36, 60))[0] < 0.6 * bp.peak(off, "ctx", (36, 60))[0]
    assert change(on, "bmd_total_hip", 60) > change(off, "bmd_total_hip", 60) + 2


def test_one_zoledronate_lasts_for_years() -> None:
    model = bp.load("aibl", drugs=["zoledronate"])
    runs = [
        simulate(model, p, years=5, parameters={"years_since_fmp": 14})
        for p in (CALCIUM + bp.dose("zoledronate", "5 mg"), CALCIUM)
    ]
    # Grey: difference in CTX near -40 % through year 3
    assert bp.difference(*runs, "ctx", 24).item() < -35
    assert bp.difference(*runs, "bmd_lumbar_spine", 24).item() == pytest.approx(5.7, abs=1.5)


def test_both_drugs_on_a_letrozole_patient_do_what_trials_saw() -> None:
    """ABCSG-18 at 36 months: 10.0, 7.9 and 6.5 points; the model overdoes them by 1 to 2 (docs/aibl.md)."""
    inhibitor = bp.daily("letrozole", "2.5 mg", years=5, start="-6 months", spread=True)
    model = bp.load("aibl", drugs=["letrozole", "denosumab"])
    runs = [
        simulate(model, CALCIUM + inhibitor + p, years=3, parameters={"years_since_fmp": 14})
        for p in (bp.every("denosumab", "60 mg", months=6, doses=6), bp.Plan())
    ]
    got = [bp.difference(*runs, f"bmd_{site}", 36).item() for site in ("lumbar_spine", "total_hip", "femoral_neck")]
    assert got == pytest.approx([10.0, 7.9, 6.5], abs=2.5)
    assert got[0] > got[1] > got[2]


# each part with what breaks when it is switched off; the rest keeps its values: a check of the switch, not a refit


def test_no_store_no_rebound() -> None:
    assert rebound(2, store_drain=0) < 1


def test_without_its_own_loss_the_store_overfills() -> None:
    assert rebound(8, store_drain=1) > 3 * rebound(8)


def test_without_acute_effect_ctx_falls_slowly() -> None:
    slow, fast = denosumab(2, floor_function=1), denosumab(2)
    assert change(slow, "ctx", 0.5) > -40 > -75 > change(fast, "ctx", 0.5)


def test_without_free_formation_and_with_full_coupling_the_late_gain_is_gone() -> None:
    gain = {
        name: change(run, "bmd_total_hip", 96) - change(run, "bmd_total_hip", 60)
        for name, run in (
            ("as it is", denosumab(8, after=0)),
            ("coupled", denosumab(8, after=0, coupling_power=1, free_formation=0)),
        )
    }
    assert gain["as it is"] > 1.0
    assert gain["coupled"] < 0.6 * gain["as it is"]


def test_spine_drift_is_only_at_the_spine() -> None:
    model = bp.load("aibl")
    drift = model.values["spine_drift"]
    runs = [simulate(model, years=3, parameters={"years_since_fmp": 20, "spine_drift": d}) for d in (drift, 0)]
    assert bp.difference(*runs, "bmd_lumbar_spine", 36).item() > 1.5
    assert bp.difference(*runs, "bmd_total_hip", 36).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("switch", "value"), [("opg_loss", 0), ("estrogen_survival", 0), ("refill_cortical", 0), ("young_mineral", 1)]
)
def test_unseen_terms_can_be_switched_off(switch: str, value: float) -> None:
    """Each still gives a steady young woman and bone loss after menopause."""
    run = natural(**{switch: value})
    assert change(run, "bmd_lumbar_spine", -48, -60) == pytest.approx(0, abs=1e-3)
    assert change(run, "bmd_lumbar_spine", 60, -60) < -5


def test_serum_ntx_moves_less_than_urinary() -> None:
    run = denosumab(2, after=0)
    assert change(run, "serum_ntx", 6) == pytest.approx(0.7 * change(run, "ntx", 6), abs=6)
    alike = denosumab(2, after=0, serum_ntx_floor=0)
    np.testing.assert_allclose(alike["serum_ntx"], alike["ntx"], rtol=1e-12)


def test_teriparatide_with_and_around_denosumab() -> None:
    """DATA and DATA-Switch, which set nothing: spine 12.9 (5.0) at 24 months together, 18.3 (8.5) and 14.0 (6.7) at 48.

    The numbers in brackets are standard deviations between women; about 30 were in an arm, chosen for osteoporosis.
    """
    model = bp.load("aibl", drugs=["denosumab", "teriparatide"])
    injections = [bp.daily("teriparatide", "20 ug", years=2, start=s, spread=True) for s in (0, "24 months")]
    shots = [bp.every("denosumab", "60 mg", months=6, doses=4, start=s) for s in (0, "24 months")]
    plans = {
        "together": injections[0] + shots[0],
        "builder first": injections[0] + shots[1],
        "blocker first": shots[0] + injections[1],
    }
    times = bp.months_to_times([0, 24, 48])
    women = {"years_since_fmp": 15, "osteoporosis": 1}
    runs = {k: simulate(model, CALCIUM + p, times=times, parameters=women) for k, p in plans.items()}
    assert change(runs["together"], "bmd_lumbar_spine", 24) == pytest.approx(12.9, abs=2.5)
    assert change(runs["together"], "bmd_femoral_neck", 24) == pytest.approx(6.8, abs=2.5)
    assert change(runs["builder first"], "bmd_lumbar_spine", 48) == pytest.approx(18.3, abs=3)
    assert change(runs["blocker first"], "bmd_lumbar_spine", 48) == pytest.approx(14.0, abs=4)
    # the order matters at the hip: resorption returns when teriparatide takes over from denosumab
    hips = [change(runs[k], "bmd_total_hip", 48) for k in ("builder first", "blocker first")]
    assert hips[0] > hips[1] + 3


def test_romosozumab_is_kept_by_a_drug_that_follows() -> None:
    model = bp.load("aibl", drugs=["romosozumab", "denosumab"])
    plan = CALCIUM + bp.every("romosozumab", "210 mg", months=1, doses=12)
    then = plan + bp.every("denosumab", "60 mg", months=6, doses=2, start="12 months")
    off, on = (simulate(model, p, years=2, parameters={"years_since_fmp": 21}) for p in (plan, then))
    for site in ("bmd_lumbar_spine", "bmd_total_hip"):
        assert change(on, site, 24) > change(on, site, 12) > change(off, site, 24)
