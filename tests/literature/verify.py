"""Runs published models against independent trajectories and keeps the record of how close they came.

    python tests/literature/verify.py            # print the agreement
    python tests/literature/verify.py --write    # and write models/literature/verified.json

The trajectories under ``trajectories/`` were computed outside bonepk; the first line of each names
source, engine, version, tolerances, scenario and the size of its own cross-check. Those of
peterson_riggs_openbonemin (plain header, hours) come from mrgsolve at rtol 1e-10 on the open
2012 to 2017 extension of the 2010 model. ``scenarios.toml`` says which run each one belongs to.
"""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bonepk
from bonepk.model.expr import evaluate
from bonepk.model.units import convert, read_quantity

HERE = Path(__file__).parent
RECORD = HERE.parents[1] / "models" / "literature" / "verified.json"
TIGHT = 1e-11
"""Relative tolerance of a run: far below the tightest limit, as errors of steps add up."""
ENGINES = ("scipy", "native")
"""LSODA at the tolerance of the scenario; Rodas5P in machine code at ten times that."""


@dataclass(frozen=True)
class Scenario:
    """One trajectory and the run it belongs to."""

    model: str
    name: str
    path: Path
    limit: float
    rtol: float
    columns: dict[str, str]
    ignore: tuple[str, ...]
    parameter_set: str
    parameters: dict[str, float]
    inputs: dict[str, float]
    doses: tuple[dict[str, Any], ...]
    switches: tuple[dict[str, Any], ...]
    at_switch: str
    first_row: str


@dataclass(frozen=True)
class Agreement:
    """How close a run came: largest difference over the largest value of the column."""

    error: dict[str, float]

    @property
    def worst(self) -> tuple[str, float]:
        column = max(self.error, key=lambda c: self.error[c])
        return column, self.error[column]


def scenarios() -> list[Scenario]:
    """All of them, in the order of the file."""
    found = []
    for model, about in tomllib.loads((HERE / "scenarios.toml").read_text(encoding="utf-8")).items():
        folder = HERE / "trajectories" / about.get("folder", model)
        for name, run in about["run"].items():
            at_switch = about.get("at_switch", "before")
            found.append(
                Scenario(
                    model=model,
                    name=name,
                    path=folder / f"{name}.csv",
                    limit=about["limit"],
                    rtol=about.get("rtol", TIGHT),
                    columns=about.get("columns", {}),
                    ignore=tuple(about.get("ignore", ())),
                    parameter_set=run.get("set", ""),
                    parameters=run.get("parameters", {}),
                    inputs=run.get("inputs", {}),
                    doses=tuple(run.get("doses", ())),
                    switches=tuple(run.get("switches", ())),
                    at_switch=at_switch,
                    first_row=run.get("first_row", at_switch),
                )
            )
    return found


def read_trajectory(path: Path) -> dict[str, np.ndarray]:
    """Columns of a trajectory by name, time first."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    names = [name.strip() for name in lines[0].split(",")]
    values = np.array([[float(x) for x in line.split(",")] for line in lines[1:]])
    return dict(zip(names, values.T, strict=True))


def plan_of(scenario: Scenario) -> bonepk.Plan:
    """The scenario's doses and switches."""
    plan = bonepk.Plan()
    for d in scenario.doses:
        if "every" in d:
            plan += bonepk.every(d["drug"], d["amount"], days=d["every"], doses=d["doses"], start=d["start"])
        else:
            plan += bonepk.infusion(d["drug"], d["amount"], over=d["over"], at=d["start"])
    for s in scenario.switches:
        plan += bonepk.switch(s["name"], s["value"], start=s["start"], stop=s.get("stop"))
    return plan


def compare(scenario: Scenario, engine: str = "scipy", rtol: float | None = None) -> Agreement:
    """Run a scenario and see how close it comes."""
    truth = read_trajectory(scenario.path)
    system = bonepk.load(scenario.model, parameters=scenario.parameter_set or None)
    (_, times), *columns = truth.items()
    run = _native if engine == "native" else _scipy
    found = run(scenario, system, times, rtol or scenario.rtol)
    error = {}
    for column, expected in columns:
        if column in scenario.ignore:
            continue
        variable = scenario.columns.get(column, column)
        got = found[variable] + _given_now(scenario, system, variable, times)
        size = np.abs(expected).max()
        error[column] = float(np.abs(got - expected).max() / size) if size else float(np.abs(got).max())
    return Agreement(error)


def _scipy(scenario: Scenario, system: bonepk.System, times: np.ndarray, rtol: float) -> dict[str, np.ndarray]:
    run = bonepk.simulate(
        system,
        plan_of(scenario),
        times=times,
        parameters=scenario.parameters,
        inputs=scenario.inputs,
        states=True,
        rtol=rtol,
    )
    return {str(name): run[name].values for name in run.data_vars}


def _native(scenario: Scenario, system: bonepk.System, times: np.ndarray, rtol: float) -> dict[str, np.ndarray]:
    """Run the same timeline in the batch integrator."""
    from bonepk.engine.batch import integrate_batch
    from bonepk.simulate.events import schedule
    from bonepk.simulate.regimen import regimen_of
    from bonepk.simulate.run import compiled_for, start_of

    values = {**scenario.parameters, **scenario.inputs}
    regimen = regimen_of(system, plan_of(scenario), times.tolist(), values)
    start = min(start_of(system, values, history=True), regimen.first, float(times[0]))
    timeline = schedule(system, regimen.records, regimen.entries, regimen.tracks, values, start)
    compiled = compiled_for(system, backend="llvm")
    p = compiled.parameter_vector(values)
    batch = integrate_batch(compiled, p, timeline, rtol=10 * rtol)
    batch.check(compiled, p, system.time_unit)
    found = dict(zip(system.state_names, batch.y.T, strict=True))
    return found | dict(zip(system.output_names, batch.outputs.T, strict=True))


def _given_now(scenario: Scenario, system: bonepk.System, variable: str, times: np.ndarray) -> np.ndarray:
    """Doses given at a stored time, for trajectories whose rows show the state after them."""
    extra = np.zeros(len(times))
    hours = {"day": 1.0, "hour": 24.0}[system.time_unit]
    for d in scenario.doses:
        route = next(r for r in system.routes if r.drug == d["drug"])
        if "every" not in d or route.into != variable:
            continue
        value, unit = read_quantity(d["amount"])
        (share,) = evaluate([route.bioavailability], system.values)
        given = convert(value, unit, route.unit, route.molar_mass) * route.scale * share
        at = (d["start"] + d["every"] * np.arange(d["doses"])) * hours
        for i, time in enumerate(times):
            rule = scenario.first_row if i == 0 else scenario.at_switch
            if rule == "after" and np.abs(at - time).min() < 1e-9:
                extra[i] += given
    return extra


Found = dict[str, list[tuple[Scenario, dict[str, Agreement]]]]


def _two_digits(x: float) -> float:
    return float(f"{x:.1e}")


def record(found: Found) -> dict[str, Any]:
    """What `models/literature/verified.json` holds."""
    models = {}
    for name, runs in found.items():
        system = bonepk.load(name)
        models[name] = {
            "hash": system.hash,
            "states": len(system.states),
            "parameters": len(system.parameters),
            "trajectories": len(runs),
            "max_relative_error": _two_digits(max(a.worst[1] for _, by in runs for a in by.values())),
            "limit": runs[0][0].limit,
            "runs": {s.name: {engine: _two_digits(a.worst[1]) for engine, a in by.items()} for s, by in runs},
        }
    return {
        "made_by": "tests/literature/verify.py --write",
        "meaning": "largest difference from independent trajectories, over the largest value of the column",
        "engines": f"scipy: LSODA, rtol {TIGHT:g} or tighter; native: Rodas5P, rtol {10 * TIGHT:g} or tighter",
        "models": models,
    }


def main(arguments: list[str]) -> int:
    """Run everything, print it, and write the record if asked to."""
    found: Found = {}
    missed = 0
    for scenario in scenarios():
        by_engine = {engine: compare(scenario, engine) for engine in ENGINES}
        found.setdefault(scenario.model, []).append((scenario, by_engine))
        missed += any(a.worst[1] > scenario.limit for a in by_engine.values())
        shown = "  ".join(f"{engine} {a.worst[1]:7.1e} {a.worst[0]:20}" for engine, a in by_engine.items())
        print(f"{scenario.model:18} {scenario.name:74} {shown} limit {scenario.limit:g}")
    if missed:
        print(f"{missed} outside their limit; nothing written")
        return 1
    if "--write" in arguments:
        RECORD.write_text(json.dumps(record(found), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
