"""A user's own model and data: problem file, CSV, plans in words."""

import numpy as np
import pytest

import bonepk
from bonepk.errors import DataError
from bonepk.infer import calibrate, fit_text, load_problem, predict, save
from bonepk.model.sets import read_set

MODEL = """
kind = "literature"
title = "One compartment"
time = "hour"
[references]
made = { text = "made up" }
[parameters]
ka = { value = 1, unit = "1/hour", source = "made" }
CL = { value = 0.2, unit = "L/hour", source = "made" }
V = { value = 10, unit = "L", source = "made" }
[states]
gut = { initial = 0, unit = "mg" }
body = { initial = 0, unit = "mg" }
[fluxes]
absorption = { from = "gut", to = "body", rate = "ka*gut" }
elimination = { from = "body", rate = "CL/V*body" }
[routes]
oral = { drug = "x", into = "gut", unit = "mg" }
[outputs]
level = { expr = "body/V", unit = "mg/L" }
"""
PROBLEM = """
title = "six persons"
model = "one.toml"
[data]
table = "levels.csv"
time_unit = "hour"
log = ["level"]
proportional = 0.1
[data.subjects]
{subjects}
[parameters]
ka = {{ start = 1, bounds = [0.1, 10], prior = {{ sd = 1, source = "weak" }} }}
CL = {{ start = 0.2, bounds = [0.01, 2] }}
V = {{ start = 10, bounds = [1, 100] }}
[effects]
clearance = {{ parameters = ["CL"], sd = 0.3, estimate = true }}
[search]
seed = 1
"""
TRUE = {"ka": 1.2, "CL": 0.135, "V": 8.0}


def exact(t, dose, ka, CL, V):
    k = CL / V
    return dose / V * ka / (ka - k) * (np.exp(-k * t) - np.exp(-ka * t))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(7)
    lines, subjects = ["# made up", "id,time,output,value"], []
    for i in range(12):
        dose, CL = 80 + 5 * i, TRUE["CL"] * np.exp(rng.normal(0, 0.3))
        for t in (0.5, 2, 6, 24, 48, 96):
            value = exact(t, dose, TRUE["ka"], CL, TRUE["V"]) * np.exp(rng.normal(0, 0.1))
            lines.append(f"p{i},{t},level,{value:.4g}")
        subjects.append(f'p{i} = {{ regimen = [{{ give = "x", dose = "{dose} mg", doses = 1 }}] }}')
    (tmp_path / "one.toml").write_text(MODEL)
    (tmp_path / "levels.csv").write_text("\n".join(lines))
    (tmp_path / "problem.toml").write_text(PROBLEM.format(subjects="\n".join(subjects)))
    return tmp_path


def test_predictions_are_those_of_the_closed_form(folder):
    table = load_problem(folder / "problem.toml").predictor
    times = np.array([r.month for r in table.blocks[3].rows]) * 365.25 / 12 * 24
    made, slopes = table.jacobian("p3", TRUE, ["ka", "CL", "V"])
    # runs are good to 1e-7 of a level; it falls to a fifth of its peak
    assert made == pytest.approx(np.log(exact(times, 95, **TRUE)), abs=1e-5)
    for k, name in enumerate(TRUE):
        h = 1e-6 * TRUE[name]
        up, down = ({**TRUE, name: TRUE[name] + s * h} for s in (1, -1))
        slope = np.log(exact(times, 95, **up) / exact(times, 95, **down)) / (2 * h)
        assert slopes[:, k] == pytest.approx(slope, rel=2e-3, abs=2e-3)  # forward differences with a step of 1e-3


def test_the_fit_finds_what_the_data_were_made_of(folder):
    fit = calibrate(load_problem(folder / "problem.toml"))
    for name, value in TRUE.items():
        low, high = fit.interval(name, 0.99)
        assert low < value < high
    assert fit.objective.effects[0].sd == pytest.approx(0.3, rel=0.5)  # twelve persons know it to 20 %
    assert "clearance" in fit_text(fit)
    bands = predict(fit, draws=0)
    assert 0.8 < float(((bands.observed > bands.low) & (bands.observed < bands.high)).mean()) <= 1


def test_a_saved_fit_loads_with_the_model(folder):
    fit = calibrate(load_problem(folder / "problem.toml"))
    path = save(fit, folder / "fitted.toml", draws=20)
    model = bonepk.load(folder / "one.toml", parameters=path)
    assert model.values == pytest.approx(fit.values, rel=1e-5)  # six digits are written
    read = read_set(path)
    assert read.evidence_hash == fit.objective.predictor.evidence_hash
    assert len(read.draws) == 20
    covariance = np.array(read.covariance)
    assert np.sqrt(np.diag(covariance)) == pytest.approx([v.se for v in read.values], rel=1e-4)


def test_faults_of_a_problem_file_come_together(folder):
    text = (folder / "problem.toml").read_text()
    text = text.replace("bounds = [0.01, 2]", "bounds = [0.01]").replace('"six persons"', "6")
    text = text.replace("[search]", '[loss]\nname = "hubber"\n[search]\nstart = 4')
    (folder / "problem.toml").write_text(text)
    with pytest.raises(DataError) as caught:
        load_problem(folder / "problem.toml")
    found = str(caught.value)
    for part in ("'huber'", "1 numbers", "expected text in quotes", "unknown key 'start'", "problem.toml:"):
        assert part in found


def test_faults_of_a_table_come_together(folder):
    path = folder / "levels.csv"
    path.write_text(path.read_text() + "\nq1,1,level,2\np1,x,level,2\np1,1,levle,2\np1,2,level,-1\n")
    with pytest.raises(DataError) as caught:
        load_problem(folder / "problem.toml")
    found = str(caught.value)
    for part in ("unknown id 'q1'", "time 'x'", "did you mean 'level'", "value -1"):
        assert part in found


def test_no_data_is_a_fault():
    with pytest.raises(DataError, match="no data"):
        load_problem('title = "x"\n[data]\n[parameters]\na = { start = 1, bounds = [0, 2] }', file="p.toml")
