"""SBML of every kind, read and run, against libRoadRunner on the same file."""

from __future__ import annotations

import sys
from pathlib import Path

import libsbml
import numpy as np
import pytest

from bonepk.errors import ModelTextError
from bonepk.interop import from_sbml, import_model, read_sbml, to_sbml
from bonepk.model import load
from bonepk.simulate.run import simulate

sys.path.insert(0, str(Path(__file__).parent))
from other_simulator import roadrunner_run
from sbml_files import build

L2 = {"level": 2, "version": 4}

CASES = {
    "amounts, concentrations, two volumes": (
        {
            **L2,
            "compartments": {"c": 2.0, "d": 5.0},
            "species": {
                "A": {"amount": 10, "compartment": "c"},
                "B": {"concentration": 1, "compartment": "d"},
                "C": {"amount": 3, "amounts": True, "compartment": "c"},
                "E": {"concentration": 2, "boundary": True, "compartment": "c"},
                "K": {"amount": 4, "constant": True, "boundary": True},
            },
            "parameters": {"k": 0.3, "g": 0.1},
            "reactions": [
                {"id": "r1", "from": {"A": 1}, "to": {"B": 2}, "rate": "k*A*c*E"},
                {"id": "r2", "from": {"B": 1, "E": 1}, "to": {"C": 1}, "rate": "k*B*d + K*0.01", "local": {"k": 0.2}},
                {"id": "r3", "from": {"C": 1}, "rate": "g*C", "modifiers": ["A"]},
            ],
        },
        ["A", "B", "C", "r1", "r2", "E"],
    ),
    "functions that call functions": (
        {
            **L2,
            "functions": {"mm": "lambda(x, v, km, v*x/(km + x))", "two": "lambda(a, b, mm(a, b, 1) + mm(b, a, 2))"},
            "parameters": {"x": 1.0, "y": 0.5, "k": 2},
            "rate": {"x": "-mm(x, k, 0.5)", "y": "two(x, y) - y"},
        },
        ["x", "y"],
    ),
    "initial assignments through rules": (
        {
            "parameters": {"a": 2, "b": None, "c": None, "x": None, "q": None, "w": None},
            "initial": {"b": "2*a", "c": "b + x", "x": "b/3 + q"},
            "assign": {"q": "a + time", "w": "x*q + c"},
            "rate": {"x": "-0.1*x*q"},
        },
        ["x", "q", "w", "c", "b"],
    ),
    "window in time": (
        {
            **L2,
            "parameters": {"u": 0, "x": 1, "k": 1},
            "assign": {"u": "piecewise(5, (time >= 2) && (time < 4), 0)"},
            "rate": {"x": "u - k*x"},
        },
        ["x", "u"],
    ),
    "many pieces": (
        {
            "parameters": {"u": 0, "x": 1},
            "assign": {"u": "piecewise(1, time < 1, 3, time < 4, piecewise(7, x > 9, 0.5))"},
            "rate": {"x": "u - x"},
        },
        ["x", "u"],
    ),
    "functions of MathML": (
        {
            "parameters": {"x": 0.7, "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1},
            "assign": {
                "a": "log(2, x+1) + log10(x+2) + ln(x+3) + root(3, x+1) + sqrt(x) + pow(x, 1.7)",
                "b": "max(x, 1, 0.4*time) + min(x, 3, time)",
                "c": "sinh(x) + cosh(x) + tan(x/3) + tanh(x) + arcsinh(x) + arctanh(x/5) + sec(x/3) + abs(-x)",
                "d": "piecewise(1, xor(x > 0.5, time > 2), 2)",
                "e": "piecewise(1, lt(0.1, x, 2), 0) + piecewise(2, !(x > 1) || (time > 5), 0)",
                "f": "exp(-x) + factorial(4) + floor(2.7) + ceil(1.2) + avogadro*1e-24 + pi + exponentiale",
            },
            "rate": {"x": "0.2*x"},
        },
        ["x", "a", "b", "c", "d", "e", "f"],
    ),
    "compartments that grow": (
        {
            "compartments": {"c": 1.0, "d": 2.0},
            "species": {
                "A": {"concentration": 3, "compartment": "c"},
                "B": {"amount": 1, "compartment": "c", "amounts": True},
                "D": {"concentration": 1, "compartment": "d"},
                "F": {"concentration": 2, "compartment": "c"},
            },
            "parameters": {"k": 0.5},
            "rate": {"c": "0.3*c"},
            "assign": {"d": "2 + 0.5*time"},
            "reactions": [
                {"id": "r1", "from": {"A": 1}, "to": {"B": 1}, "rate": "k*A*c"},
                {"id": "r2", "from": {"B": 1}, "to": {"D": 1}, "rate": "k*B"},
            ],
        },
        ["A", "B", "D", "c", "d", "F"],
    ),
    "conversion factors": (
        {
            "compartments": {"c": 2.0},
            "species": {"A": {"concentration": 3}, "B": {"concentration": 0, "factor": "own"}},
            "parameters": {"k": 0.5, "common": 3, "own": 0.5},
            "factor": "common",
            "reactions": [{"id": "r1", "from": {"A": 1}, "to": {"B": 1}, "rate": "k*A*c"}],
        },
        ["A", "B"],
    ),
    "named and changing stoichiometry": (
        {
            "compartments": {"c": 2.0},
            "species": {"A": {"concentration": 3}, "B": {"concentration": 0}},
            "parameters": {"k": 0.5},
            "assign": {"n2": "1 + 0.1*time"},
            "reactions": [
                {"id": "r", "from": {"A": "n1"}, "to": {"B": "n2"}, "stoichiometry": {"n1": 2.0}, "rate": "k*A*c"}
            ],
        },
        ["A", "B"],
    ),
    "stoichiometry as a formula, level 2": (
        {
            **L2,
            "compartments": {"c": 2.0},
            "species": {"A": {"concentration": 3}, "B": {"concentration": 0}},
            "parameters": {"k": 0.5},
            "reactions": [{"id": "r1", "from": {"A": 1}, "to": {"B": "2*k"}, "rate": "k*A*c"}],
        },
        ["A", "B"],
    ),
    "a compartment without dimensions": (
        {
            "compartments": {"c": {"dimensions": 0}},
            "species": {"A": {"amount": 3}},
            "parameters": {"k": 0.4},
            "reactions": [{"id": "r", "from": {"A": 1}, "rate": "k*A"}],
        },
        ["A"],
    ),
    "switches in time": (
        {
            **L2,
            "parameters": {"u": 0, "x": 1, "k": 1, "T": 3},
            "rate": {"x": "u - k*x"},
            "events": [
                {"when": "time >= 2", "set": {"u": "5"}},
                {"when": "gt(time, T + 2)", "set": {"u": "u/2", "k": "k + 1"}},
            ],
        },
        ["x", "u"],
    ),
    "a trigger that is true from the start fires only if it was false before": (
        {
            "parameters": {"u": 0, "x": 1, "v": 0, "w": 0},
            "rate": {"x": "u + v + w - x"},
            "events": [
                {"when": "time >= 0", "set": {"u": "5"}},
                {"when": "time >= 0", "set": {"v": "3"}, "starts": False},
                {"when": "time > -1", "set": {"w": "2"}, "starts": False},
            ],
        },
        ["x", "u"],
    ),
    "just after the start": (
        {"parameters": {"u": 0, "x": 1}, "rate": {"x": "u - x"}, "events": [{"when": "time > 0", "set": {"u": "5"}}]},
        ["x"],
    ),
    "delays, windows and values from trigger or execution": (
        {
            "parameters": {"u": 0, "x": 1, "a": 1},
            "rate": {"x": "u - x"},
            "events": [
                {"when": "(time >= a) && (time < 7)", "set": {"u": "time"}, "delay": "1.25", "at_trigger": False},
                {"when": "leq(5, time)", "set": {"u": "time/2"}, "delay": "1.25"},
            ],
        },
        ["x", "u"],
    ),
    "doses by events": (
        {
            "compartments": {"c": 2.0},
            "species": {"A": {"concentration": 3}, "B": {"amount": 0, "amounts": True}},
            "parameters": {"k": 0.5, "D": 4},
            "reactions": [{"id": "r1", "from": {"A": 1}, "to": {"B": 1}, "rate": "k*A*c"}],
            "events": [
                {"when": "time >= 2.1", "set": {"A": "A + D/c"}},
                {"when": "time >= 4.1", "set": {"B": "B + 3"}},
            ],
        },
        ["A", "B"],
    ),
    "states set, raised, lowered and multiplied by events": (
        {
            "compartments": {"c": 2.0},
            "species": {"A": {"concentration": 3}, "B": {"amount": 1, "amounts": True}, "C": {"concentration": 2}},
            "parameters": {"k": 0.5, "D": 4, "f": 0.25, "T": 3.3},
            "reactions": [
                {"id": "r1", "from": {"A": 1}, "to": {"B": 1}, "rate": "k*A*c"},
                {"id": "r2", "from": {"B": 1}, "to": {"C": 1}, "rate": "0.2*B"},
            ],
            "events": [
                {"when": "time >= 2.1", "set": {"A": "A - D/c/10", "B": "B*f"}},
                {"when": "time >= T", "set": {"A": "D", "B": "B/f + 1"}},
                {"when": "time >= 5.2", "set": {"A": "0.5*A + 1", "C": "0"}},
                {"when": "time >= 7.7", "set": {"A": "f", "C": "C + 3"}},
                {"when": "time >= 8.1", "set": {"A": "A + 1"}, "delay": "0.55", "at_trigger": False},
            ],
        },
        ["A", "B", "C", "r1"],
    ),
    "flags that start as their conditions say": (
        {
            **L2,
            "parameters": {"x": 1.0, "y": 0.5, "f": 1, "z": 0},
            "rate": {"x": "-y", "y": "x", "z": "f*(x - 0.3)"},
            "events": [{"when": "x > 0.3", "set": {"f": "1"}}, {"when": "x <= 0.3", "set": {"f": "0"}}],
        },
        ["x", "z"],
    ),
    "a boundary species and a compartment set by events": (
        {
            "compartments": {"c": 1.0, "d": 1.0},
            "species": {
                "S": {"concentration": 1, "boundary": True, "compartment": "d"},
                "A": {"concentration": 0},
                "Q": {"concentration": 2},
            },
            "parameters": {"k": 0.4},
            "reactions": [{"id": "r", "from": {"S": 1}, "to": {"A": 1}, "rate": "k*S*c"}],
            "events": [{"when": "time > 3.05", "set": {"S": "4"}}, {"when": "time > 5.05", "set": {"c": "2"}}],
        },
        ["S", "A", "c", "Q"],
    ),
}


def agreement(text, names, end=10.0, rows=41, **options):
    """Largest difference between bonepk and libRoadRunner, relative to each column's largest value."""
    found = read_sbml(text, **options)
    times = np.linspace(0, end, rows)
    run = simulate(found.system, found.plan, times=times, states=True, rtol=1e-10)
    alone = simulate(from_sbml(text, **options), times=times, states=True, rtol=1e-10)
    model = libsbml.readSBMLFromString(text).getModel()
    columns = []
    for name in names:
        species = model.getSpecies(name)
        by_amount = species is None or species.getHasOnlySubstanceUnits()
        columns.append(name if by_amount else f"[{name}]")
    other = roadrunner_run(text, columns, times, max_step=0.05)
    constants = {d.name: None for d in found.system.derived} | dict(found.system.values)
    worst = 0.0
    for i, name in enumerate(names):
        if name in run:
            own = run[name].to_numpy()
        else:
            assert name in constants
            own = np.full(rows, constants[name] if constants[name] is not None else other[0, i])
        size = np.max(np.abs(other[:, i])) or 1.0
        worst = max(worst, float(np.max(np.abs(own - other[:, i])) / size))
        if name in alone:
            worst = max(worst, float(np.max(np.abs(alone[name].to_numpy() - other[:, i])) / size))
    return worst


@pytest.mark.parametrize("case", CASES)
def test_files_run_as_in_libroadrunner(case):
    settings, names = CASES[case]
    # both at tolerances of 1e-10 and below; switches cost each a few steps
    assert agreement(build(**settings), names) < 1e-7


def lemaire():
    """Lemaire 2004 from its equations, in the constructs that curated files of it use."""
    values = {
        "C_s": 5e-3, "D_A": 0.7, "D_C": 2.1e-3, "D_R": 7e-4, "d_B": 0.7, "f0": 0.05, "K": 10, "K_LP": 3e6, "K_OP": 2e5,
        "k1": 1e-2, "k2": 10, "k3": 5.8e-4, "k4": 1.7e-2, "k5": 0.02, "k6": 3, "kB": 0.189, "kO": 0.35, "kP": 86,
        "r_L": 1e3, "S_P": 250, "I_L": 0, "I_O": 0, "I_P": 0,
    }  # fmt: skip
    rules = {
        "D_B": "f0*d_B",
        "Pbar": "I_P/kP",
        "P_0": "S_P/kP",
        "P_s": "k6/k5",
        "pi_P": "(Pbar + P_0)/(Pbar + P_s)",
        "pi_C": "(C + f0*C_s)/(C + C_s)",
        "pi_L": "k3/k4*K_LP*pi_P*B*(1 + I_L/r_L)/(1 + k3*K/k4 + k1/(k2*kO)*(K_OP*R/pi_P + I_O))",
        "I_C": "piecewise(1e-4, (time >= 20) && (time <= 80), 0)",
    }
    return {
        **L2,
        "compartments": {"bone": 1.0},
        "species": {
            "R": {"concentration": 7.73437744355547e-4},
            "B": {"concentration": 7.28339592949694e-4},
            "C": {"concentration": 9.12752838890134e-4},
        },
        "parameters": {**values, **dict.fromkeys(rules)},
        "assign": rules,
        "functions": {"formation": "lambda(d, p, x, d*p*x)"},
        "reactions": [
            {"id": "r1", "to": {"R": 1}, "rate": "bone*D_R*pi_C", "modifiers": ["C"]},
            {"id": "r2", "from": {"R": 1}, "to": {"B": 1}, "rate": "bone*D_B/pi_C*R"},
            {"id": "r3", "from": {"B": 1}, "rate": "bone*k*B", "local": {"k": 0.189}},
            {"id": "r4", "to": {"C": 1}, "rate": "bone*formation(D_C, pi_L, 1)"},
            {"id": "r5", "from": {"C": 1}, "rate": "bone*formation(D_A, pi_C, C)"},
            {"id": "r6", "to": {"C": 1}, "rate": "bone*I_C"},
        ],
    }


def test_a_window_far_into_a_steady_state_acts():
    """The run rests at the steady state until day 20; a solver with grown steps would pass the window."""
    settings = lemaire()
    assert agreement(build(**settings), ["R", "B", "C", "pi_L", "I_C"], end=140, rows=71) < 1e-7


def test_lemaire_equals_the_shipped_model():
    from bonepk.simulate.plan import switch

    found = from_sbml(build(**lemaire()), time_unit="day")
    run = simulate(found, times=[0.0, 30.0, 80.0, 120.0], states=True, rtol=1e-11)
    own = load(
        "lemaire2004", parameters={"R_0": 7.73437744355547e-4, "B_0": 7.28339592949694e-4, "C_0": 9.12752838890134e-4}
    )
    other = simulate(
        own, switch("I_C", 1e-4, start=20, stop=80), times=[0.0, 30.0, 80.0, 120.0], states=True, rtol=1e-11
    )
    for name in "RBC":
        # two solutions at 1e-11, cut at the same moments
        np.testing.assert_allclose(run[name], other[name], rtol=1e-8)


def komarova(flag=0.0):
    """Komarova 2003 with resorption and formation switched by flags that events set."""
    return {
        **L2,
        "compartments": {"c": 1.0},
        "species": {"x1": {"concentration": 11}, "x2": {"concentration": 212}, "z": {"concentration": 100}},
        "parameters": {
            "a1": 3, "a2": 4, "b1": 0.2, "b2": 0.02, "g11": 0.5, "g12": 1, "g21": -0.5, "g22": 0, "k1": 0.24,
            "k2": 0.0017, "x1bar": 1.06066017, "x2bar": 212.132034, "resorbs": flag, "forms": 0,
        },
        "reactions": [
            {"id": "p1", "to": {"x1": 1}, "rate": "c*a1*x1^g11*x2^g21"},
            {"id": "d1", "from": {"x1": 1}, "rate": "c*b1*x1"},
            {"id": "p2", "to": {"x2": 1}, "rate": "c*a2*x1^g12*x2^g22"},
            {"id": "d2", "from": {"x2": 1}, "rate": "c*b2*x2"},
            {"id": "res", "from": {"z": 1}, "rate": "c*k1*resorbs*(x1 - x1bar)"},
            {"id": "form", "to": {"z": 1}, "rate": "c*k2*forms*(x2 - x2bar)"},
        ],
        "events": [
            {"id": "resorption_on", "when": "x1 > x1bar", "set": {"resorbs": "1"}},
            {"id": "resorption_off", "when": "x1 <= x1bar", "set": {"resorbs": "0"}},
            {"id": "formation_on", "when": "x2 > x2bar", "set": {"forms": "1"}},
            {"id": "formation_off", "when": "x2 <= x2bar", "set": {"forms": "0"}},
        ],
    }  # fmt: skip


def test_flags_that_do_not_start_as_their_conditions_say_are_refused_by_name():
    with pytest.raises(ModelTextError) as caught:
        from_sbml(build(**komarova()))
    (fault,) = caught.value.faults
    assert "event 'resorption_on'" in str(fault)
    assert "'resorbs', which starts at 0 while the trigger is true from the start" in str(fault)
    assert "flags='condition'" in str(fault)
    assert "without_events=['resorption_on']" in str(fault)


def test_flags_that_start_as_their_conditions_say_become_equations():
    assert agreement(build(**komarova(flag=1.0)), ["x1", "x2", "z"], end=100, rows=51) < 1e-7
    written = from_sbml(build(**komarova(flag=1.0)))
    chosen = from_sbml(build(**komarova()), flags="condition")
    assert {q.name: str(q.expr) for q in chosen.quantities}["resorbs"] == "where(x1 > x1bar, 1, 0)"
    ends = [simulate(s, times=[100.0], states=True)["z"].item() for s in (written, chosen)]
    assert ends[0] == ends[1]
    # the paper's form max(0, x - xbar) from this start
    assert ends[0] == pytest.approx(99.77, abs=0.01)


def test_names_that_bonepk_keeps_for_itself_are_changed_and_said():
    found = read_sbml(
        build(
            parameters={"lambda": 0.5, "t": 2, "min": 3, "where": 1, "is": 0.1}, rate={"t": "lambda*min - is*t*where"}
        )
    )
    assert found.system.state_names == ("t_",)
    assert set(found.system.parameter_names) == {"lambda_", "min_", "where_", "is_"}
    assert "'lambda' of the file is called 'lambda_' here" in found.remarks
    assert str(found.system.rates[0]) == "lambda_*min_ - is_*t_*where_"


def test_doses_are_a_plan_or_equations():
    text = build(
        parameters={"x": 1}, rate={"x": "-x"}, events=[{"id": "shot", "when": "time > 2", "set": {"x": "x + 3"}}]
    )
    found = read_sbml(text, time_unit="day")
    assert repr(found.plan) == "Plan(shot 3 at 2 days)"
    alone = from_sbml(text, time_unit="day")
    assert alone.routes == ()
    assert alone.state_names == ("x_before_events",)
    times = [1.0, 1.9, 2.1, 5.0]
    runs = [simulate(found.system, found.plan, times=times, states=True), simulate(alone, times=times)]
    exact = np.exp(-np.array(times)) + np.where(np.array(times) > 2, 3 * np.exp(2 - np.array(times)), 0)
    for run in runs:
        np.testing.assert_allclose(run["x"], exact, rtol=1e-6)
    assert from_sbml(text, without_events=["shot"]).state_names == ("x",)


def test_time_unit_is_taken_from_the_file_or_the_caller():
    text = build(level=2, version=4, parameters={"x": 1}, rate={"x": "-x"})
    assert from_sbml(text).time_unit == "second"
    assert any("time is in seconds, SBML's default" in r for r in read_sbml(text).remarks)
    assert from_sbml(text, time_unit="day").time_unit == "day"
    document = libsbml.readSBMLFromString(text)
    unit = document.getModel().createUnitDefinition()
    unit.setId("time")
    second = unit.createUnit()
    second.setKind(libsbml.UNIT_KIND_SECOND)
    second.setExponent(1)
    second.setScale(0)
    second.setMultiplier(86400)
    assert from_sbml(libsbml.writeSBMLToString(document)).time_unit == "day"


def test_units_are_kept_when_they_add_up():
    document = libsbml.readSBMLFromString(build(parameters={"x": 1, "k": 2}, rate={"x": "-k*x"}))
    model = document.getModel()
    for name, exponent in (("per_hour", -1), ("hour", 1)):
        unit = model.createUnitDefinition()
        unit.setId(name)
        second = unit.createUnit()
        second.setKind(libsbml.UNIT_KIND_SECOND)
        second.setExponent(exponent)
        second.setScale(0)
        second.setMultiplier(3600)
    model.setTimeUnits("hour")
    model.getParameter("k").setUnits("per_hour")
    model.getParameter("x").setUnits("mole")
    found = from_sbml(libsbml.writeSBMLToString(document))
    assert found.units_checked
    assert (found.time_unit, found.parameters[0].unit, found.states[0].unit) == ("hour", "1/hour", "mol")


def test_model_text_of_an_import_loads_to_the_same_system(tmp_path):
    source = tmp_path / "lemaire.xml"
    source.write_text(build(**lemaire()))
    remarks = import_model(source, tmp_path / "made.toml", time_unit="day")
    again = load(str(tmp_path / "made.toml"))
    assert again.hash == from_sbml(source, time_unit="day").hash
    assert any("states no unit" in r for r in remarks)


@pytest.mark.parametrize("made", [lemaire(), komarova(flag=1.0), CASES["doses by events"][0]])
def test_what_was_read_can_be_written_and_read_again(made):
    system = from_sbml(build(**made), time_unit="day")
    text = to_sbml(system)
    document = libsbml.readSBMLFromString(text)
    document.checkConsistency()
    problems = [document.getError(i) for i in range(document.getNumErrors())]
    assert not any(p.isError() or p.isFatal() for p in problems)
    assert from_sbml(text) == system
    assert (
        read_sbml(text).text.split("[references]")[1]
        == read_sbml(build(**made), doses=False).text.split("[references]")[1]
    )


def test_changing_a_parameter_of_the_import_changes_what_follows_from_it():
    settings = {
        "compartments": {"c": 2.0},
        "species": {"A": {"amount": 6}},
        "parameters": {"k": 0.5, "u": 1, "T": 4},
        "reactions": [{"id": "r", "from": {"A": 1}, "rate": "u*k*A*c"}],
        "events": [{"when": "time > T", "set": {"u": "k"}}],
    }
    found = from_sbml(build(**settings))
    changed = dict(settings, compartments={"c": 3.0}, parameters={"k": 0.7, "u": 1, "T": 2})
    run = simulate(found, times=[0.0, 1.0, 5.0], states=True, parameters={"c": 3.0, "k": 0.7, "T": 2.0}, rtol=1e-10)
    other = simulate(from_sbml(build(**changed)), times=[0.0, 1.0, 5.0], states=True, rtol=1e-10)
    np.testing.assert_allclose(run["A"], other["A"], rtol=1e-12)
    assert run["A"].values[0] == 2.0
