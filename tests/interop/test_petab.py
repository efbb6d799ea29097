"""Calibration problems as PEtab 2: valid, and the same objective when carried out from the files alone."""

from __future__ import annotations

import csv
import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import bonepk
from bonepk.errors import DataError
from bonepk.interop import Estimate, Experiment, Measurement, petab_files, write_petab
from bonepk.simulate.plan import Plan, every, infusion, switch
from bonepk.simulate.run import simulate

sys.path.insert(0, str(Path(__file__).parent))
from other_simulator import roadrunner_run


@pytest.fixture(scope="module")
def problem():
    system = bonepk.load("aibl", drugs=["denosumab", "zoledronate"])
    plan = (
        every("denosumab", "60 mg", months=6, doses=2, start=1.0)
        + infusion("zoledronate", "4 mg", over="15 minutes", at=400.5)
        + switch("calcium_vitamin_d", 1.0, start=2.0, stop=500.0)
    )
    experiments = [Experiment("arm A", plan, {"years_since_fmp": 8.0}), Experiment("control")]
    times = [100.0, 300.0, 450.0, 700.0]
    measurements = []
    for e in experiments:
        run = simulate(system, e.plan, times=[0.0, *times], parameters=dict(e.values), rtol=1e-10)
        bmd, ctx = run["bmd_lumbar_spine"].to_numpy(), run["ctx"].to_numpy()
        for i, t in enumerate(times, 1):
            change = 100 * (bmd[i] / bmd[0] - 1)
            measurements.append(Measurement(e.name, "bmd_lumbar_spine", t, change, 0.4, percent_change=True))
            measurements.append(Measurement(e.name, "ctx", t, float(ctx[i]), 0.1))
    estimates = [
        Estimate("tau_osteoclast", 36, 14, 120, prior=(36, 0.3)),
        Estimate("denosumab.F", 0.638, 0.4, 0.8),
    ]
    return system, experiments, measurements, estimates


def test_files_are_valid_petab(problem, tmp_path):
    v2 = pytest.importorskip("petab.v2")
    path = write_petab(petab_files(*problem, log=["ctx"]), tmp_path / "problem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the validator's own imports warn
        issues = v2.lint_problem(path)
    assert not issues.has_errors(), str(issues)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = v2.Problem.from_yaml(path)
    assert read.x_free_ids == ["tau_osteoclast", "denosumab__F"]
    assert {o.id: o.noise_distribution.value for o in read.observables} == {
        "observable_bmd_lumbar_spine_change": "normal",
        "observable_ctx": "log-normal",
    }
    assert len(read.measurements) == len(problem[2])
    assert len(read.experiments) == 2


def rows(text):
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_files_alone_give_the_measured_values(problem):
    """Carries out experiments period by period in libRoadRunner: the data were made by bonepk."""
    roadrunner = pytest.importorskip("roadrunner")
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    files = petab_files(*problem)
    conditions, formulas = {}, {o["observableId"]: o["observableFormula"] for o in rows(files["observables.tsv"])}
    for row in rows(files["conditions.tsv"]):
        conditions.setdefault(row["conditionId"], []).append((row["targetId"], row["targetValue"]))
    worst = 0.0
    for arm in ("arm_A", "control"):
        runner = roadrunner.RoadRunner(files["model.xml"])
        runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-10, 1e-12
        runner.integrator.maximum_num_steps = 10**7
        names = runner.model.getGlobalParameterIds()
        mine = [m for m in rows(files["measurements.tsv"]) if m["experimentId"] == arm]
        stops = [
            (float(p["time"]), 1, p["conditionId"]) for p in rows(files["experiments.tsv"]) if p["experimentId"] == arm
        ]
        stops += [(float(m["time"]), 0, m) for m in mine]
        now = 0.0

        def value(formula, runner=runner, names=names):
            words = {n: runner[n] for n in names if n in formula}
            return float(eval(formula.replace("^", "**"), {"__builtins__": {}}, words))

        for time, kind, what in sorted(stops, key=lambda s: s[:2]):
            if time > now:
                runner.simulate(now, time, 2)
                now = time
            if kind == 1:
                new = {target: value(formula) for target, formula in conditions.get(what, [])}
                for target, number in new.items():
                    runner[target] = number
                if time == 0.0:
                    runner.reset(roadrunner.SelectionRecord.DEPENDENT_INITIAL_GLOBAL_PARAMETER)
            else:
                seen = value(formulas[what["observableId"]])
                worst = max(worst, abs(seen - float(what["measurement"])) / max(1.0, abs(seen)))
    assert worst < 1e-5


def test_files_are_the_same_each_time(problem):
    assert petab_files(*problem) == petab_files(*problem)


def test_every_fault_is_said_at_once(problem):
    system, experiments, measurements, _ = problem
    bad = [
        Estimate("tau_osteoclst", 36, 14, 120),
        Estimate("years_since_fmp", 10, 1, 20),
        Estimate("S50", 5, 0.1, 1),
    ]
    wrong = [*measurements, Measurement("arm B", "ctxx", 1.0, 1.0, 0.0)]
    with pytest.raises(DataError) as caught:
        petab_files(system, experiments, wrong, bad)
    text = str(caught.value)
    assert len(caught.value.faults) == 6
    assert "did you mean 'tau_osteoclast'" in text
    assert "moves the start of the run" in text
    assert "start 5 outside [0.1, 1]" in text
    assert "did you mean 'arm A'" in text


def test_a_problem_with_a_data_table_is_carried(tmp_path):
    from bonepk.infer.free import Effect, Free, Prior
    from bonepk.infer.problem import Problem
    from bonepk.infer.table import Subject, Table
    from bonepk.interop import problem_files

    table = Table(
        model="lemaire2004",
        drugs=(),
        subjects=(Subject("one", Plan(), {"k_B": 0.2}, ((10.0, "osteoblast_osteoclast_ratio", 0.8, None, "level"),)),),
        log=("osteoblast_osteoclast_ratio",),
        add=0.05,
        proportional=0.1,
    )
    problem = Problem(table, (Free("D_R", 7e-4, 1e-4, 1e-2, prior=Prior(7e-4, 0.3, "assumed")),))
    files = problem_files(problem)
    (measured,) = rows(files["measurements.tsv"])
    assert float(measured["noiseParameters"]) == pytest.approx(np.hypot(0.05, 0.08) / 0.8)
    (parameter,) = rows(files["parameters.tsv"])
    assert (parameter["priorDistribution"], parameter["priorParameters"]) == (
        "log-normal",
        f"{float(np.log(7e-4))!r};0.3",
    )
    assert rows(files["conditions.tsv"]) == [{"conditionId": "one_0", "targetId": "k_B", "targetValue": "0.2"}]
    v2 = pytest.importorskip("petab.v2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not v2.lint_problem(write_petab(files, tmp_path)).has_errors()
    tied = Problem(table, (Free("D_R", 7e-4, 1e-4, 1e-2, also=("D_C",)),), (Effect("e", ("k_B",), 0.1),))
    with pytest.raises(DataError) as caught:
        problem_files(tied)
    assert len(caught.value.faults) == 2


def test_the_model_of_a_problem_runs(problem):
    files = petab_files(*problem)
    assert np.isfinite(roadrunner_run(files["model.xml"], ["osteoclast"], [0.0, 100.0])).all()
