"""Combined event classes against values worked out by an executor of their own (see data2/README.md)."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import bonepk as bp

HERE = Path(__file__).parent
MODELS = {
    "A": "one_compartment",
    "B": "two_compartments",
    "C": "michaelis_menten",
    "D": "turnover",
    "E": "by_everything",
}


def lines(name):
    with (HERE / "data2" / name).open() as file:
        return list(csv.DictReader(file))


def by_scenario(name):
    out = defaultdict(list)
    for line in lines(name):
        out[line.pop("scenario")].append(line)
    return out


SCENARIOS = lines("scenarios.csv")
RECORDS, EXPECTED = by_scenario("records.csv"), by_scenario("expected.csv")


def test_every_scenario_has_records_and_values():
    assert len(SCENARIOS) == len(RECORDS) == len(EXPECTED) == 58


@pytest.mark.parametrize("engine", ["scipy", "native"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[f"{s['scenario']}_{s['class']}" for s in SCENARIOS])
def test_scenario(scenario, engine):
    system = bp.load(HERE / "models" / f"{MODELS[scenario['model']]}.toml")
    records, expected = RECORDS[scenario["scenario"]], EXPECTED[scenario["scenario"]]
    data = {name: [line[name] for line in records] for name in records[0]}
    parameters = {k: float(v) for k, v in (item.split("=") for item in scenario["parameters"].split(";") if item)}
    runs = bp.read_nonmem(data, system, cmt=system.state_names, covariate_rules=scenario["rule"])
    result = bp.simulate_records(runs, parameters=parameters, rtol=1e-9, engine=engine)
    assert result["row"].values.tolist() == [int(line["row"]) for line in expected]
    beyond = {}
    for name in (*system.state_names, "CP"):
        truth = np.array([float(line[name]) for line in expected])
        allowed = 1e-6 * np.abs(truth) + 1e-8 * np.abs(truth).max()
        off = np.abs(result[name].values - truth)
        if (off > allowed).any():
            beyond[name] = off.max()
    assert beyond == {}
