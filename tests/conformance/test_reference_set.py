"""The 57 published-convention scenarios, each at the set's own pass rule (see data/README.md)."""

import csv
from pathlib import Path

import numpy as np
import pytest

import bonepk as bp

HERE = Path(__file__).parent
MODELS = {"A": "one_compartment", "B": "two_compartments", "C": "michaelis_menten", "D": "turnover"}
STATES = {"A_DEPOT": "depot", "A_CENT": "central", "A_PERIPH": "peripheral", "RESP": "response", "CP": "CP"}

with (HERE / "data" / "scenarios.csv").open() as file:
    SCENARIOS = list(csv.DictReader(file))


def expected_columns(path):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(r[name]) for r in rows]) for name in rows[0]}


def run_scenario(scenario, **options):
    system = bp.load(HERE / "models" / f"{MODELS[scenario['model']]}.toml")
    stem = HERE / "data" / f"{scenario['id']}_{scenario['name']}"
    values = dict(item.split("=") for item in scenario["parameters"].split(";"))
    runs = bp.read_nonmem(
        Path(f"{stem}.data.csv"),
        system,
        cmt=system.state_names,
        covariate_rules={scenario["covariate"]: scenario["cov_rule"]} if scenario["covariate"] else {},
    )
    parameters = {name: float(value) for name, value in values.items()}
    return bp.simulate_records(runs, parameters=parameters, **options), expected_columns(Path(f"{stem}.expected.csv"))


def worst(result, expected, scenario):
    """Largest deviation in units of what the set allows."""
    relative, floor = float(scenario["tol_rel"]), float(scenario["tol_abs_frac_of_column_peak"])
    out = {}
    for name, reference in expected.items():
        if name in STATES:
            allowed = relative * np.abs(reference) + floor * np.abs(reference).max()
            off = np.abs(result[STATES[name]].values - reference)
            out[name] = float(np.max(np.where(off == 0, 0.0, off / np.where(allowed > 0, allowed, 1e-300))))
    return out


def test_the_set_is_whole():
    assert len(SCENARIOS) == 57


def check(scenario, **options):
    result, expected = run_scenario(scenario, **options)
    assert result["row"].values.tolist() == expected["ROW"].tolist()
    assert result["time"].values == pytest.approx(expected["TIME"])
    beyond = {name: ratio for name, ratio in worst(result, expected, scenario).items() if ratio > 1.0}
    assert beyond == {}


NAMES = [f"{s['id']}_{s['name']}" for s in SCENARIOS]
EASY = [s for s in SCENARIOS if s["semantic_class"] != "frequent"]


@pytest.mark.parametrize("engine", ["scipy", "native"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_scenario(scenario, engine):
    check(scenario, rtol=1e-8, engine=engine)  # the loosest tolerance the set allows


@pytest.mark.parametrize("backend", ["numpy"])
@pytest.mark.parametrize("scenario", EASY, ids=[s["name"] for s in EASY])
def test_scenario_without_machine_code(scenario, backend):
    check(scenario, rtol=1e-8, backend=backend)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["BDF", "Radau"])
@pytest.mark.parametrize("scenario", EASY, ids=[s["name"] for s in EASY])
def test_scenario_by_other_methods(scenario, method):
    check(scenario, rtol=1e-9, method=method)  # BDF adds up more of its local errors than LSODA
