"""What must hold for the core whatever its values: balance, mass, neutrality, symmetry."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import bonepk as bp
from bonepk.model import models
from bonepk.simulate.run import simulate

DRUGS = tuple(m.name for m in models() if m.kind == "drug" and "aibl" in m.written_for)
MONTH = 30.4375


def turnover(model, values):
    """Rates of the composed model at its initial state and history start, over what passes through each state."""
    from bonepk.model.expr import evaluate, substitute

    env = model.values | values
    env["t"] = evaluate([substitute([model.history_start], model.definitions)[0]], env | {"t": 0.0})[0]
    env |= dict(zip(model.state_names, evaluate(model.flat_initial, env), strict=True))
    rates = np.array(evaluate(model.flat_rates, env))
    through = np.zeros(len(model.states))
    at = {name: i for i, name in enumerate(model.state_names)}
    for flux in model.fluxes:
        size = abs(evaluate(substitute([flux.rate], model.definitions), env)[0])
        for end in (flux.source, flux.target):
            if end:
                through[at[end]] += size / 2
    for name, k in {
        "plasma_estradiol": env["k_estradiol"] * 400,
        "coupling_factor": 1 / env["tau_coupling"],
        "osteoblast_reversal": 1 / env["tau_formation"],
        "osteoblast": 1 / env["tau_formation"],
    }.items():
        through[at[name]] = k
    return np.abs(rates), through


def test_the_drugs_are_the_ones_the_page_tells_of() -> None:
    assert set(DRUGS) == {
        *("alendronate", "anastrozole", "conjugated_estrogens", "denosumab", "estradiol", "exemestane", "goserelin"),
        *("ibandronate", "letrozole", "leuprolide", "risedronate", "romosozumab", "tamoxifen", "teriparatide"),
        "zoledronate",
    }


@pytest.mark.parametrize("years", [-20, 0, 10, 40])
def test_young_baseline_is_steady(years: float) -> None:
    model = bp.load("aibl", drugs=DRUGS)
    assert model.steady
    rates, through = turnover(model, {"years_since_fmp": years})
    # 1e-9 of turnover is what a claim of steadiness means; states of drugs rest at exactly 0
    assert np.all(rates <= 1e-9 * through + 1e-300), dict(zip(model.state_names, rates / through, strict=True))


def test_read_outs_are_one_at_baseline() -> None:
    model = bp.load("aibl")
    run = simulate(model, times=[-28 * 365.25], parameters={"years_since_fmp": 0})
    for name in model.output_names:
        want = 400.0 if name == "estradiol" else 0.0 if name == "estrogen_deficiency" else 1.0
        assert float(run[name][0]) == pytest.approx(want, abs=1e-9), name


def test_drugs_never_given_leave_the_core_as_it_is() -> None:
    plain = simulate(bp.load("aibl"), years=5, rtol=1e-10)
    loaded = simulate(bp.load("aibl", drugs=DRUGS), years=5, rtol=1e-10)
    for name in plain.data_vars:
        # the same equations; the extra states only change the solver's steps
        np.testing.assert_allclose(loaded[name].values, plain[name].values, rtol=1e-8, err_msg=name)


def test_doses_of_zero_leave_the_core_as_it_is() -> None:
    plan = bp.every("denosumab", "0 mg", months=6, doses=4) + bp.daily("letrozole", "0 mg", years=2, spread=True)
    model = bp.load("aibl", drugs=plan.drugs)
    none, zero = simulate(model, years=3, rtol=1e-10), simulate(model, plan, years=3, rtol=1e-10)
    np.testing.assert_allclose(zero["bmd_total_hip"], none["bmd_total_hip"], rtol=1e-8)  # steps differ, nothing else


def test_order_of_drugs_does_not_matter() -> None:
    models = [bp.load("aibl", drugs=order) for order in permutations(["zoledronate", "letrozole", "denosumab"])]
    assert len({m.hash for m in models}) == 1


def test_bone_mass_balances() -> None:
    """Volume changes by what is deposited less what is resorbed; mineralisation only moves it on."""
    model = bp.load("aibl")
    for compartment in ("trabecular", "cortical"):
        pools = {f"{compartment}_{stage}" for stage in ("osteoid", "young", "mature")}
        inner = [f for f in model.fluxes if {f.source, f.target} <= pools]
        assert {f.name for f in inner} == {f"{compartment}_mineralisation", f"{compartment}_maturation"}
        assert all(f.gain is None for f in inner)
        entering = [f for f in model.fluxes if f.target in pools and f.source not in pools]
        leaving = [f for f in model.fluxes if f.source in pools and f.target not in pools]
        assert (len(entering), len(leaving)) == (1, 3)


def test_bone_volume_is_its_integral() -> None:
    """Deposition less resorption, integrated through menopause, is the change of volume."""
    from scipy.integrate import simpson

    days = np.linspace(-1500, 1500, 3001)
    model = bp.load("aibl")
    run = simulate(model, times=days, parameters={"years_since_fmp": 0}, rtol=1e-11)
    for compartment in ("trabecular", "cortical"):
        rate = model.values[f"turnover_{compartment}"] / 365.25
        volume = run[f"volume_{compartment}"].values
        net = rate * (run[f"formation_{compartment}"].values - run["resorption"].values * volume)
        # smooth on a grid of a day: Simpson's rule is far below the solver's error
        assert simpson(net, x=days) == pytest.approx(volume[-1] - volume[0], rel=1e-6)


def test_only_time_since_menopause_matters() -> None:
    """Ten years after study day 0 of one woman is day 0 of another who is ten years further on."""
    model = bp.load("aibl")
    early = simulate(model, times=[3652.5], parameters={"years_since_fmp": 3}, rtol=1e-10)
    late = simulate(model, times=[0], parameters={"years_since_fmp": 13}, rtol=1e-10)
    for name in model.output_names:
        assert float(early[name][0]) == pytest.approx(float(late[name][0]), rel=1e-8), name


def test_women_chosen_for_osteoporosis_only_turn_over_faster() -> None:
    """The switch is the same as both rates of turnover times one factor, and leaves resorption alone."""
    model = bp.load("aibl", drugs=["denosumab"])
    plan = bp.every("denosumab", "60 mg", months=6, doses=4)
    factor = float(np.exp(0.2))
    faster = {f"turnover_{c}": factor * model.values[f"turnover_{c}"] for c in ("trabecular", "cortical")}
    chosen = {"osteoporosis": 1, "osteoporosis_turnover": 0.2}
    one, other = (simulate(model, plan, years=5, parameters=p, rtol=1e-10) for p in (chosen, faster))
    plain = simulate(model, plan, years=5, rtol=1e-10)
    for name in model.output_names:
        # the same equations with the same values: only rounding differs
        np.testing.assert_allclose(one[name].values, other[name].values, rtol=1e-8, atol=1e-9, err_msg=name)
    assert bp.difference(one, plain, "bmd_total_hip", 24).item() > 0.2
    np.testing.assert_allclose(one["resorption"], plain["resorption"], rtol=1e-4)  # estrogen and drug are the same


def test_history_starts_where_the_text_says() -> None:
    model = bp.load("aibl")
    for years, start in ((10, -38 * 365.25), (-8, -20 * 365.25), (-30, 0.0)):
        run = simulate(model, days=1, parameters={"years_since_fmp": years})
        assert run.attrs["start"] == pytest.approx(start)


def test_ovary_switches() -> None:
    """A GnRH agonist leaves 1 % of the ovary, oophorectomy nothing, and the ovary comes back after the agonist."""
    model = bp.load("aibl")
    young = {"years_since_fmp": -15}
    goserelin = bp.switch("ovarian_suppression", 1, stop="12 months")
    run = simulate(model, goserelin, times=[360, 400], parameters=young)
    assert run["estradiol"].values == pytest.approx([20 + 3.8, 400], rel=1e-6)
    run = simulate(model, bp.switch("oophorectomy", 1), times=[360], parameters=young)
    assert run["estradiol"].values == pytest.approx([20], rel=1e-6)


def test_prototype_a_is_another_set_of_the_same_model() -> None:
    drugs = ["denosumab", "tamoxifen", "alendronate", "risedronate"]
    other, own = bp.load("aibl", drugs=drugs, parameters="prototype-a"), bp.load("aibl", drugs=drugs)
    assert other.structure_hash == own.structure_hash
    assert other.values["denosumab.access"] == 1
    plan = bp.switch("calcium_vitamin_d", 1) + bp.every("denosumab", "60 mg", months=6, doses=6)
    gains = [
        bp.percent_change(simulate(m, plan, years=3, parameters={"years_since_fmp": 20}), "bmd_total_hip", 36).item()
        for m in (other, own)
    ]
    assert gains[0] == pytest.approx(gains[1], abs=1.0)  # both were fitted to the same trials, at 5.0
