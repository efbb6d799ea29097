"""The model text against trajectories from an independent implementation (see data/README.md)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import bonepk as bp
from bonepk.simulate.run import simulate

DATA = Path(__file__).parent / "data"
MONTH = 30.4375
CALCIUM = bp.switch("calcium_vitamin_d", 1)


def course(drug: str, dose: str, start: float, stop: float, **kwargs: str) -> bp.Plan:
    """A spread daily course from month to month, exact at both ends."""
    return bp.daily(drug, dose, start=start * MONTH, until=1e4, spread=True, **kwargs).stop(stop * MONTH)


SCENARIOS = {
    "menopause": (0, bp.Plan()),
    "letrozole_5y_then_off": (11, CALCIUM + course("letrozole", "2.5 mg", 0, 60)),
    "denosumab_3y_then_off": (20, CALCIUM + bp.every("denosumab", "60 mg", months=6, doses=6)),
    "zoledronate_yearly_3": (22, CALCIUM + bp.every("zoledronate", "5 mg", months=12, doses=3)),
    "letrozole_with_denosumab": (
        14,
        CALCIUM + course("letrozole", "2.5 mg", -6, 36) + bp.every("denosumab", "60 mg", months=6, doses=6),
    ),
    "tamoxifen_then_exemestane": (13, course("tamoxifen", "20 mg", -30, 0) + course("exemestane", "25 mg", 0, 30)),
    "goserelin_anastrozole_young": (
        -8,
        course("anastrozole", "1 mg", 0, 36) + bp.switch("ovarian_suppression", 1, stop="36 months"),
    ),
    "goserelin_with_patch_then_off": (
        -8,
        bp.every("goserelin", "3.6 mg", weeks=4, doses=12) + course("estradiol", "50 ug", 6, 12, route="transdermal"),
    ),
    "leuprolide_with_anastrozole": (
        -6,
        CALCIUM + bp.every("leuprolide", "3.75 mg", weeks=4, doses=26) + course("anastrozole", "1 mg", 2, 24),
    ),
    "estrogen_by_mouth": (
        5,
        course("estradiol", "1 mg", 0, 24, route="oral") + course("conjugated_estrogens", "0.625 mg", 24, 48),
    ),
    "teriparatide_then_denosumab": (
        15,
        CALCIUM
        + course("teriparatide", "20 ug", 0, 24)
        + bp.every("denosumab", "60 mg", months=6, doses=4, start="24 months"),
    ),
    "romosozumab_then_zoledronate": (
        24,
        CALCIUM
        + bp.every("romosozumab", "210 mg", months=1, doses=12)
        + bp.dose("zoledronate", "5 mg", at="12 months"),
    ),
    "oral_bisphosphonates_in_turn": (
        16,
        CALCIUM
        + bp.switch("oophorectomy", 1, start="50 months")
        + course("alendronate", "10 mg", 0, 36)
        + course("risedronate", "5 mg", 36, 72)
        + course("ibandronate", "2.5 mg", 72, 108, route="oral"),
    ),
}


def read(name: str) -> dict[str, np.ndarray]:
    with (DATA / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def values(model: bp.System) -> dict[str, float]:
    """Values the trajectories were made with: a new estimate in the model text leaves them valid."""
    with (DATA / "values.csv").open(newline="") as file:
        return {r["name"]: float(r["value"]) for r in csv.DictReader(file) if r["name"] in model.parameter_names}


def test_every_scenario_has_its_file() -> None:
    assert sorted([*SCENARIOS, "values"]) == sorted(p.stem for p in DATA.glob("*.csv"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_reproduces_independent_trajectory(name: str) -> None:
    years, plan = SCENARIOS[name]
    want = read(name)
    model = bp.load("aibl", drugs=plan.drugs)
    parameters = values(model) | {"years_since_fmp": years}
    run = simulate(model, plan, times=want["day"], parameters=parameters, states=True, rtol=1e-10)
    for column, wanted in want.items():
        if column == "day":
            got, floor = run["time"].values, 1.0
        elif column == "denosumab_free":
            if "denosumab" not in plan.drugs:
                assert not wanted.any()
                continue
            # below a tenth of the assay's limit only the absolute error counts
            got, floor = run["denosumab.concentration"].values, 0.1
        elif column == "bisphosphonate_surface":
            surfaces = [run[f"{d}.surface"].values for d in plan.drugs if f"{d}.surface" in run]
            got, floor = sum(surfaces, np.zeros_like(wanted)), 1e-3
        else:
            got, floor = run[column].values, 1e-3
        error = np.max(np.abs(got - wanted) / np.maximum(np.abs(wanted), floor))
        # the data carry ten digits and an error near 2e-9; rtol 1e-10 accumulates to about 1e-8
        assert error < 1e-7, (column, error)
