"""Exact derivatives in a calibration: against closed forms, against differences, and a fit with both."""

from dataclasses import replace

import numpy as np
import pytest

from bonepk.errors import DataError
from bonepk.infer import calibrate, load_problem
from bonepk.infer.exact import GradedArm
from bonepk.infer.objective import Objective
from bonepk.infer.trials import ENTRY, Trials
from bonepk.simulate.graded import slope_of
from bonepk.simulate.run import compiled_for
from bonepk.study.evidence import Arm, Row
from bonepk.study.predict import ArmRun, express

# a start, a bioavailability and a lag that depend on parameters, and a moment at which the equations switch
MODEL = """
kind = "literature"
title = "A body with a past"
time = "day"
history = "-lead*hundred"
[references]
made = { text = "made up" }
[parameters]
lead = { value = 1, unit = "day", source = "made" }
hundred = { value = 100, unit = "1", source = "made" }
k = { value = 0.03, unit = "1/day", source = "made" }
inflow = { value = 2, unit = "mg/day", source = "made" }
more = { value = 3, unit = "mg/day", source = "made" }
on = { value = 11, unit = "day", source = "made" }
F = { value = 0.4, unit = "1", source = "made" }
delay = { value = 2, unit = "day", source = "made" }
idle = { value = 1, unit = "1", source = "made" }
[states]
body = { initial = 10, unit = "mg" }
[fluxes]
gain = { to = "body", rate = "inflow + where(t > on, more, 0)" }
loss = { from = "body", rate = "k*body" }
[routes]
oral = { drug = "x", into = "body", unit = "mg", bioavailability = "F", lag = "delay" }
[outputs]
level = { expr = "body", unit = "mg" }
logged = { expr = "body", unit = "mg" }
"""
PROBLEM = """
title = "two persons"
model = "past.toml"
[data]
table = "levels.csv"
time_unit = "day"
log = ["logged"]
proportional = 0.05
[data.subjects]
a = { regimen = [{ give = "x", dose = "50 mg", doses = 1 }] }
b = { regimen = [{ give = "x", dose = "80 mg", doses = 1 }], parameters = { lead = 0.3 } }
[parameters]
k = { start = 0.02, bounds = [0.001, 1] }
inflow = { start = 1.5, bounds = [0.1, 10], also = ["more"] }
F = { start = 0.5, bounds = [0, 1], scale = "logit" }
[effects]
loss = { parameters = ["k"], sd = 0.2 }
past = { parameters = ["+lead"], sd = 0.2, scale = "identity" }
[search]
tolerance = 1e-10
"""
NAMES = ("lead", "k", "inflow", "more", "on", "F", "delay", "idle", "+lead")
VALUES = {
    "lead": 0.5,
    "k": 0.03,
    "inflow": 2.0,
    "more": 3.0,
    "on": 11.0,
    "F": 0.4,
    "delay": 2.0,
    "idle": 1.0,
    "+lead": 0.1,
}
TIMES = (1, 5, 15, 40)


def level(t, dose, v, own):
    """Closed form: what was there at the start, the inflow since, the step of the inflow, the dose."""
    lead = own.get("lead", v["lead"]) + v["+lead"]
    begun = t + 100 * lead
    made = 10 * np.exp(-v["k"] * begun) + v["inflow"] / v["k"] * (1 - np.exp(-v["k"] * begun))
    made += v["more"] / v["k"] * (1 - np.exp(-v["k"] * max(t - v["on"], 0)))
    return made + (t > v["delay"]) * v["F"] * dose * np.exp(-v["k"] * (t - v["delay"]))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(3)
    lines = ["id,time,output,value,kind,se"]
    truth = {**VALUES, "lead": 1.0, "more": VALUES["inflow"], "+lead": 0.0}  # as the model and the problem have them
    for who, dose, own in (("a", 50, {}), ("b", 80, {"lead": 0.3})):
        start = level(0, dose, truth, own)
        for t in TIMES:
            value = level(t, dose, truth, own) * np.exp(rng.normal(0, 0.05))
            lines += [f"{who},{t},level,{value:.5g},level,", f"{who},{t},logged,{value:.5g},level,"]
            lines.append(f"{who},{t},level,{100 * (value / start - 1):.5g},percent_change,{5 * value / start:.5g}")
    (tmp_path / "past.toml").write_text(MODEL)
    (tmp_path / "levels.csv").write_text("\n".join(lines))
    (tmp_path / "problem.toml").write_text(PROBLEM)
    (tmp_path / "exact.toml").write_text(PROBLEM.replace("[search]", '[search]\nderivatives = "exact"'))
    return tmp_path


@pytest.mark.parametrize(("who", "dose", "own"), [("a", 50, {}), ("b", 80, {"lead": 0.3})])
def test_derivatives_of_a_table_are_those_of_the_closed_form(folder, who, dose, own):
    table = replace(load_problem(folder / "exact.toml").predictor, rtol=1e-10)
    made, slopes = table.jacobian(who, VALUES, list(NAMES))
    assert made == pytest.approx(table.predict(who, VALUES), rel=1e-9)

    def rows(v):
        found = []
        for t in TIMES:
            now, then = level(t, dose, v, own), level(0, dose, v, own)
            found += [now, np.log(now), 100 * (now / then - 1)]
        return np.array(found)

    assert made == pytest.approx(rows(VALUES), rel=1e-7)  # runs at 1e-10 add up over hundreds of days
    for k, name in enumerate(NAMES):
        h = 1e-5 * (abs(VALUES[name]) or 1)
        wanted = (rows({**VALUES, name: VALUES[name] + h}) - rows({**VALUES, name: VALUES[name] - h})) / (2 * h)
        # central differences of the closed form are good to about 1e-9 of a level over h
        assert slopes[:, k] == pytest.approx(wanted, rel=1e-5, abs=1e-5), name
    assert np.any(slopes[:, NAMES.index("+lead")])
    assert np.any(slopes[:, NAMES.index("lead")]) == (who == "a")  # b says it itself


def test_a_fit_ends_at_the_same_cost_with_both(folder):
    plain, exact = (calibrate(load_problem(folder / f"{n}.toml")) for n in ("problem", "exact"))
    assert exact.best.converged
    assert exact.best.cost == pytest.approx(plain.best.cost, abs=5e-5)  # half the square of a hundredth of an error
    sd = np.sqrt(np.diag(exact.covariance))
    assert np.all(np.abs(exact.z - plain.z) < 0.01 * sd)  # the differences are good to about 1e-3


def test_a_problem_that_says_nothing_keeps_its_key(folder):
    text = (folder / "problem.toml").read_text()
    (folder / "said.toml").write_text(text.replace("[search]", '[search]\nderivatives = "differences"'))
    plain, said, exact = (load_problem(folder / f"{n}.toml") for n in ("problem", "said", "exact"))
    assert said.key == plain.key
    assert exact.key != plain.key
    trials = Trials(names=("flex",))
    assert Trials(names=("flex",), derivatives="differences").fingerprint == trials.fingerprint
    assert Trials(names=("flex",), derivatives="exact").fingerprint != trials.fingerprint


def test_an_unknown_word_is_a_fault(folder):
    text = (folder / "problem.toml").read_text().replace("[search]", '[search]\nderivatives = "exakt"')
    (folder / "p.toml").write_text(text)
    with pytest.raises(DataError, match=r"unknown derivatives 'exakt'.*did you mean 'exact'"):
        load_problem(folder / "p.toml")
    with pytest.raises(DataError, match="one of differences, exact"):
        Trials(derivatives="backwards")


def test_a_derivative_that_is_not_finite_is_a_difference(folder):
    """The square root has none at 0; the search goes on with a slope."""
    (folder / "past.toml").write_text(
        MODEL.replace('level = { expr = "body"', 'level = { expr = "body*(1 + sqrt(idle))"')
    )
    table = load_problem(folder / "exact.toml").predictor
    plain, values = replace(table, derivatives="differences"), {**VALUES, "idle": 0.0}
    made, wanted = (t.jacobian("a", values, list(NAMES))[1] for t in (table, plain))
    assert np.all(np.isfinite(made))
    assert np.array_equal(made[:, NAMES.index("idle")], wanted[:, NAMES.index("idle")])
    assert np.any(made[:, NAMES.index("idle")])


def test_without_machine_code_the_fault_says_what_to_write(folder, monkeypatch):
    table = load_problem(folder / "exact.toml").predictor
    monkeypatch.setattr("bonepk.infer.runs.compiled_for", lambda system: compiled_for(system, backend="numpy"))
    with pytest.raises(DataError, match=r"llvmlite is missing.*derivatives = 'differences'"):
        calibrate(replace(load_problem(folder / "exact.toml"), predictor=table))


KINDS = (
    ("percent_change", 24.0, 0.0),
    ("percent_change", 24.0, 12.0),
    ("annual_change", 24.0, 12.0),
    ("difference", 24.0, 0.0),
    ("annual_difference", 24.0, 0.0),
    ("relative_difference", 12.0, 0.0),
    ("ratio", 24.0, 12.0),
    ("versus_premenopausal", 12.0, 0.0),
    ("level", 24.0, 0.0),
)


@pytest.mark.parametrize(("kind", "month", "since"), KINDS)
def test_every_way_to_express_a_number_carries_derivatives(kind, month, since):
    rng = np.random.default_rng(5)
    months, weights = np.array([0.0, 12.0, 24.0]), np.array([0.3, 0.7])
    row = Row("ctx", kind, 0, "%", "none", "verified", "one", "other", month, since)
    levels = {n: rng.uniform(0.5, 1.5, (2, 3)) for n in ("one", "other")}
    slopes = {n: rng.normal(0, 1, (2, 3, 4)) for n in levels}

    def runs(step):
        return {n: ArmRun(Arm(n, n), months, weights, {"ctx": v + slopes[n] @ step}) for n, v in levels.items()}

    graded = {
        n: GradedArm(Arm(n, n), months, weights, {"ctx": v}, slopes={"ctx": slopes[n]}) for n, v in levels.items()
    }
    made = express(row, graded)
    assert float(made) == express(row, runs(np.zeros(4)))
    h = 1e-6
    wanted = [(express(row, runs(h * e)) - express(row, runs(-h * e))) / (2 * h) for e in np.eye(4)]
    assert slope_of(made) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


SOME = {
    "turnover_trabecular": 0.15,
    "turnover_cortical": 0.04,
    "rankl_gain": 2.0,
    "E_periphery": 18.0,
    "alendronate.potency": 1.0,
    "denosumab.kappa": 3.0,
    ENTRY: 0.5,
}


@pytest.fixture(scope="module")
def both():
    plain = Trials(names=("halt-bc", "flex", "ies"), use="")
    return plain, replace(plain, derivatives="exact")


@pytest.mark.parametrize("name", ["halt-bc", "flex", "ies"])
def test_derivatives_of_trials_are_those_of_differences(both, name):
    """Central differences of tight runs in one batch; what is left is their own error."""
    plain, exact = both
    known = plain.defaults
    values = {n: v for n, v in SOME.items() if n == ENTRY or n in known}
    used = [n for n in values if plain.uses(name, n)]
    made, slopes = exact.jacobian(name, values, list(values))
    assert made == pytest.approx(plain.predict(name, values), abs=1e-6)
    tight, size = replace(plain, rtol=1e-9), {n: abs(v) for n, v in values.items()}
    for k, n in enumerate(values):
        if n not in used:
            assert not slopes[:, k].any()
            continue
        h = 1e-4 * size[n]
        up, down = tight._expressed(name, [{**values, n: values[n] + h}, {**values, n: values[n] - h}])
        wanted = (up - down) / (2 * h)
        largest = np.abs(slopes * np.array(list(size.values()))).max(axis=1)
        assert np.all(np.abs(slopes[:, k] - wanted) * size[n] < 1e-4 * largest), n
    assert np.all(np.abs(slopes[:, list(values).index(ENTRY)]) > 0)  # the start of the history moves


def test_a_point_of_the_objective_is_the_same_with_both(both):
    problem = """
title = "two trials"
[data]
trials = ["flex", "ies"]
[parameters]
turnover_trabecular = { start = 0.15, bounds = [0.03, 0.6], also = ["turnover_cortical"] }
"alendronate.potency" = { start = 1, bounds = [0.1, 10] }
[effects]
entry = { parameters = ["+years_since_fmp"], sd = 2, scale = "identity" }
answer = { parameters = ["rankl_gain", "turnover_trabecular"], sd = 0.2 }
[search]
derivatives = "exact"
"""
    read = load_problem(problem, file="p.toml")
    assert read.predictor.derivatives == "exact"
    exact = read.objective
    plain = Objective(replace(read.predictor, derivatives="differences"), read.free, read.effects)
    x = exact.start + 0.1 * np.cos(np.arange(exact.size))
    one, two = exact.point(x), plain.point(x)
    largest = np.abs(one.slopes).max(axis=1, keepdims=True)
    assert np.all(np.abs(one.slopes - two.slopes) < 5e-3 * largest)  # forward differences with a step of 1e-3
    assert one.residuals == pytest.approx(two.residuals, abs=1e-6)
