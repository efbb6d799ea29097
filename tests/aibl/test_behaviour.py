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
    # SWAN: -10.6 % at the spine and -9.1 % at the femoral neck from 5 years before to 5 years after,
    # -7.38 % at the spine from 1 year before to 2 years after
    assert change(run, "bmd_lumbar_spine", 60, -60) == pytest.approx(-10.6, abs=1.0)
    assert change(run, "bmd_femoral_neck", 60, -60) == pytest.approx(-9.1, abs=2.0)
    assert change(run, "bmd_lumbar_spine", 24, -12) == pytest.approx(-7.38, abs=1.5)
    assert np.all(np.diff(run["bmd_total_hip"].values) <= 1e-9)  # no spontaneous gain; flat to rounding long before
    assert 1.9 < bp.value_at(run, "rankl", [60])[0] < 3.0  # 2 to 3 fold on marrow cells


def test_aromatase_inhibitor_loses_bone_after_menopause_and_regains_some() -> None:
    plan = CALCIUM + bp.daily("anastrozole", "1 mg", months=60, spread=True)
    model = bp.load("aibl", drugs=["anastrozole"])
    run = simulate(model, plan, years=7, parameters={"years_since_fmp": 11})
    # ATAC medians: -6.08 and -7.24 % at five years, then +4.02 % at the spine within two years off
    assert change(run, "bmd_lumbar_spine", 60) == pytest.approx(-6.08, abs=1.0)
    assert change(run, "bmd_total_hip", 60) == pytest.approx(-7.24, abs=1.0)
    assert change(run, "bmd_lumbar_spine", 84, 60) == pytest.approx(4.0, abs=1.2)


def test_denosumab_acts_in_days_and_rebounds() -> None:
    run = denosumab(2)
    assert change(run, "ctx", 0.5) < -75  # more than 80 % within 5 days was seen after one dose
    assert change(run, "p1np", 1) > -30  # formation follows weeks later
    assert change(run, "p1np", 6) < -60
    assert 30 < rebound(2) < 70  # DEFEND +63 %; the model is below
    assert change(run, "bmd_lumbar_spine", 24) == pytest.approx(6.5, abs=1.5)
    assert change(run, "bmd_total_hip", 48) < 0.5  # what was gained is lost within two years


def test_longer_denosumab_rebounds_more_but_the_store_is_bounded() -> None:
    short, long = rebound(2), rebound(8)
    assert 1.5 * short < long < 3.5 * short
    plan = bp.every("denosumab", "60 mg", months=6, doses=60)
    run = simulate(bp.load("aibl", drugs=["denosumab"]), plan, years=30, states=True)
    assert 1.4 < float(run["precursor"].max()) < 1 / (1 - 0.480)


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
    """ABCSG-18 at 36 months: 10.0, 7.9 and 6.5 points; the model overdoes the spine by about 2 (docs/aibl.md)."""
    inhibitor = bp.daily("letrozole", "2.5 mg", years=5, start="-6 months", spread=True)
    model = bp.load("aibl", drugs=["letrozole", "denosumab"])
    runs = [
        simulate(model, CALCIUM + inhibitor + p, years=3, parameters={"years_since_fmp": 14})
        for p in (bp.every("denosumab", "60 mg", months=6, doses=6), bp.Plan())
    ]
    got = [bp.difference(*runs, f"bmd_{site}", 36).item() for site in ("lumbar_spine", "total_hip", "femoral_neck")]
    assert got == pytest.approx([12.3, 9.1, 8.5], abs=0.3)


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
    runs = [simulate(model, years=3, parameters={"years_since_fmp": 20, "spine_drift": d}) for d in (0.0063, 0)]
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
