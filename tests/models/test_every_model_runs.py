"""What every model must do when run: solvers agree, nothing goes negative, drug mass is accounted for."""

from __future__ import annotations

import numpy as np
import pytest

import bonepk as bp
from bonepk.model.expr import evaluate, substitute
from bonepk.model.library import load, models
from bonepk.model.system import Flux, System

INFOS = models()
CLOSED = [i.name for i in INFOS if i.kind in {"core", "literature"}]
DRUGS = [(i.name, core) for i in INFOS if i.kind == "drug" for core in (i.written_for or ("aibl",))]
DOSES = {"denosumab": "60 mg", "teriparatide": "20 ug", "estradiol": "100 ug"}
"""What is given of drugs for which a milligram is not a dose."""

RTOL = 1e-8
DAYS = 240


CASES = [
    *(pytest.param(name, (), id=name) for name in CLOSED),
    *(pytest.param(core, (drug,), id=f"{core}-{drug}") for drug, core in DRUGS),
]


def doses(system: System, seed: int) -> list[tuple[str, str, float]]:
    """Route, amount and day of three doses a route at irregular times."""
    rng = np.random.default_rng(seed)
    days = {route: np.sort(rng.uniform(0.0, 0.8 * DAYS, 3)).round(3) for route in system.routes}
    return [(r.name, DOSES.get(r.drug, "1 mg"), float(day)) for r, at in days.items() for day in at]


def run(system: System, seed: int, rtol: float = RTOL, **how):
    """Run with doses; times stored are a grid and a moment after each dose, where levels are high.

    A model without a history starts a tenth above its initial state, or it would only rest there.
    """
    given = doses(system, seed)
    plan = bp.Plan()
    for route, amount, day in given:
        drug = next(r.drug for r in system.routes if r.name == route)
        plan += bp.dose(drug, amount, at=f"{day} days", route=route.removeprefix(f"{drug}."))
    days = sorted({*np.linspace(0, DAYS, 13).tolist(), *(day + 0.01 for _, _, day in given)})
    if system.history_start is None:
        values = evaluate(system.flat_initial, system.values)
        how["initial"] = {n: 1.1 * float(v) for n, v in zip(system.state_names, values, strict=True)}
    return bp.simulate(system, plan, times=[f"{d:.6f} days" for d in days], states=True, rtol=rtol, **how)


@pytest.mark.parametrize(("core", "drugs"), CASES)
def test_solvers_agree(core, drugs):
    system = load(core, drugs=list(drugs))
    reference = run(system, 1, method="Radau")
    # SciPy's BDF lets the errors of its steps add up further than the others do, so it is asked for a tenth
    for how in ({"method": "LSODA"}, {"method": "BDF", "rtol": RTOL / 10}, {"engine": "native"}):
        other = run(system, 1, **how)
        for name in reference.data_vars:
            size = float(np.abs(reference[name]).max())
            gap = float(np.abs(other[name] - reference[name]).max())
            assert gap <= 10 * RTOL * size, (how, name, gap / size)


@pytest.mark.parametrize(("core", "drugs"), CASES)
@pytest.mark.parametrize("seed", [2, 3])
def test_states_that_cannot_be_negative_are_not(core, drugs, seed):
    system = load(core, drugs=list(drugs))
    result = run(system, seed)
    for state in system.states:
        if state.nonnegative:
            lowest, size = float(result[state.name].min()), float(np.abs(result[state.name]).max())
            assert lowest >= -10 * RTOL * size, state.name  # an emptied store is zero to within the solver's error


def carried(system: System, drug: str) -> tuple[set[str], list[Flux]]:
    """States of a drug that mass reaches and leaves by fluxes one to one, and the fluxes out of them."""
    moved = {f.source for f in system.fluxes} | {f.target for f in system.fluxes}
    own = {s.name for s in system.states if s.name.startswith(f"{drug}.") and s.name in moved}
    while True:
        bad = {f.target for f in system.fluxes if f.target in own and (f.gain is not None or f.source not in own)}
        if not bad:
            return own, [f for f in system.fluxes if f.source in own and f.target not in own]
        own -= bad


@pytest.mark.parametrize(("core", "drugs"), [c for c in CASES if c.values[1]])
def test_drug_mass_is_accounted_for(core, drugs):
    """What was given is in the drug's states, or has left them by a flux that says where."""
    system = load(core, drugs=list(drugs))
    (drug,) = drugs
    own, leaving = carried(system, drug)
    into = {r.into for r in system.routes if r.drug == drug}
    if not into <= own:
        pytest.skip("doses enter a state that is no amount")
    rng = np.random.default_rng(5)
    inside = [r for s, r in zip(system.states, system.rates, strict=True) if s.name in own]
    moves = substitute([*inside, *(f.rate for f in leaving)], system.definitions)
    for _ in range(20):
        values = {**system.values, "t": 100.0, **{s.name: rng.uniform(0.1, 2.0) for s in system.states}}
        numbers = np.array([float(v) for v in evaluate(moves, values)])
        assert abs(numbers.sum()) <= 1e-12 * np.abs(numbers).max()
