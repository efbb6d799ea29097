"""Systems as SBML: valid, back unchanged, and the same numbers in libRoadRunner."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path

import libsbml
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bonepk
from bonepk.errors import MissingExtraError, ModelTextError, RegimenError
from bonepk.interop import export, from_sbml, read_sbml, to_sbml
from bonepk.interop.mathml import digits, explicit, mathml
from bonepk.interop.sbml_ast import Formulas
from bonepk.interop.sbml_units import UnitTable, definition_text
from bonepk.model import load, models
from bonepk.model.compose import compose
from bonepk.model.expr import call, evaluate, num, sym, symbols_of
from bonepk.model.text import read_component_text
from bonepk.simulate.plan import Plan, daily, dose, every, infusion, switch
from bonepk.simulate.run import simulate, start_of

sys.path.insert(0, str(Path(__file__).parent))
from other_simulator import roadrunner_run

LITERATURE = [m.name for m in models("literature")]
UNIT_WARNINGS = {99505, 10501}
"""Numbers without a unit in formulas, and in one power; see docs/interop.md."""


def bone(*drugs):
    return load("aibl", drugs=list(drugs))


def plain(system):
    """Without the place in the model files, which SBML does not carry."""
    parameters = tuple(dataclasses.replace(p, file="", line=0) for p in system.parameters)
    return dataclasses.replace(system, parameters=parameters)


ALL_DRUGS = [m.name for m in models("drug") if "aibl" in m.written_for]
PLAN = (
    daily("letrozole", "2.5 mg", doses=400)
    + every("denosumab", "60 mg", months=6, doses=3)
    + infusion("zoledronate", "4 mg", over="15 minutes", at="1 year")
    + switch("calcium_vitamin_d", 1.0, start=0, stop="2 years")
    + every("alendronate", "70 mg", days=7, doses=26, start="2 years", spread=True)
)


@pytest.mark.parametrize("name", [*LITERATURE, "aibl"])
def test_files_are_valid_and_come_back_unchanged(name):
    system = bone(*ALL_DRUGS) if name == "aibl" else load(name)
    text = to_sbml(system)
    document = libsbml.readSBMLFromString(text)
    document.checkConsistency()
    problems = [document.getError(i) for i in range(document.getNumErrors())]
    assert [p.getMessage() for p in problems if p.isError() or p.isFatal()] == []
    assert {p.getErrorId() for p in problems} <= UNIT_WARNINGS
    again = from_sbml(text)
    assert again == plain(system)
    assert again.hash == system.hash
    assert to_sbml(again) == text


def test_a_plan_comes_back_with_its_model():
    system = bone("letrozole", "denosumab", "zoledronate", "alendronate")
    text = to_sbml(system, PLAN)
    found = read_sbml(text)
    assert found.plan == PLAN
    assert found.system == plain(system)
    assert from_sbml(text) == found.system
    assert to_sbml(found.system, found.plan) == text
    document = libsbml.readSBMLFromString(text)
    document.checkConsistency()
    assert {document.getError(i).getErrorId() for i in range(document.getNumErrors())} <= UNIT_WARNINGS
    assert document.getModel().getNumEvents() < 12


def compared(system, plan, times, **tolerances):
    """Largest difference of any state and output, relative to its largest value."""
    text = to_sbml(system, plan)
    begin = start_of(system, {}, True)
    outputs = [f"{o.name}" for o in system.outputs]
    names = [*system.state_names, *outputs]
    model = libsbml.readSBMLFromString(text).getModel()
    by_name = {}
    for p in model.getListOfParameters():
        inner = p.getAnnotationString().split('name="', 1)[1].split('"', 1)[0]
        by_name.setdefault(inner, p.getId())
    # dense times, so that "largest value" sees the peaks
    ids = [by_name[n] for n in names]
    other = roadrunner_run(text, ids, [0.0, *(np.asarray(times) - begin)], **tolerances)[1:]
    run = simulate(system, plan, times=times, states=True, rtol=1e-11)
    worst = {}
    for i, name in enumerate(names):
        size = np.max(np.abs(other[:, i])) or 1.0
        worst[name] = float(np.max(np.abs(run[name].to_numpy() - other[:, i])) / size)
    return worst


@pytest.mark.parametrize("name", LITERATURE)
def test_literature_models_run_in_libroadrunner(name):
    system = load(name)
    span = {"jorg2022": 20000.0, "peterson2010": 2000.0, "peterson_riggs2012": 2000.0}.get(name, 200.0)
    moved = {"lemaire2004": ("I_P", 1e3), "pivonka2008": ("P_PTH", 5e2)}
    moved["martinez_reina2019"] = ("pmo", 1.0)  # these rest at a steady state otherwise
    plan = switch(*moved[name], start=20.3, stop=80.7) if name in moved else Plan()
    worst = compared(system, plan, np.linspace(span / 50, span, 50), rtol=1e-10, atol=1e-14)
    assert max(worst.values()) < 1e-6, worst


@pytest.mark.slow
def test_a_woman_on_four_drugs_runs_in_libroadrunner():
    system = bone("letrozole", "denosumab")
    plan = (
        every("letrozole", "2.5 mg", days=1, years=2, spread=True)
        + every("denosumab", "60 mg", months=6, doses=3)
        + switch("calcium_vitamin_d", 1.0, start=0, stop="1 years")
    )
    times = np.linspace(1.5, 900.0, 300)
    worst = compared(system, plan, times, rtol=1e-10, atol=1e-12)
    assert max(worst.values()) < 1e-6, {k: v for k, v in worst.items() if v > 1e-6}


DRIP = """
kind = "literature"
title = "one compartment, every way of giving a drug"
time = "hour"
[parameters]
k = { value = 0.3, unit = "1/hour", source = "fixed", note = "test" }
F = { value = 0.8, unit = "1", source = "fixed", note = "test" }
wait = { value = 0.5, unit = "hour", source = "fixed", note = "test" }
speed = { value = 4, unit = "mg/hour", source = "fixed", note = "test" }
[inputs]
factor = { value = 1, unit = "1" }
[states]
depot = { initial = 0, unit = "mg" }
central = { initial = 2, unit = "mg" }
[fluxes]
absorption = { from = "depot", to = "central", rate = "k*depot" }
loss = { from = "central", rate = "factor*k*central" }
[routes]
oral = { into = "depot", unit = "mg", bioavailability = "F", lag = "wait" }
drip = { into = "central", unit = "ug" }
paced = { into = "central", unit = "mg", rate = "speed" }
lasting = { into = "depot", unit = "mg", duration = "2*wait" }
[outputs]
sum = { expr = "depot + central", unit = "mg" }
"""


def test_every_way_of_giving_a_drug_runs_in_libroadrunner():
    system = compose(read_component_text(DRIP, "body"))
    hour = 1 / 24
    plan = (
        every("oral", 10, days=6 * hour, doses=3)
        + infusion("drip", 5000, over=3 * hour, at=2.2 * hour)
        + every("drip", 1000, days=2 * hour, doses=4, over=3 * hour, start=9.1 * hour)  # infusions that overlap
        + dose("paced", 8, at=20.3 * hour)
        + dose("lasting", 3, at=5.05 * hour)
        + every("drip", 2400, days=8 * hour, doses=2, start=30.2 * hour, spread=True)
        + switch("factor", 2.0, start=4.3 * hour, stop=10.7 * hour)
        + switch("factor", 0.5, start=10.7 * hour)
    )
    assert read_sbml(to_sbml(system, plan)).plan == plan
    times = np.linspace(0.03, 60.03, 200)
    worst = compared(system, plan, times, max_step=0.05)
    assert max(worst.values()) < 1e-6, worst


def test_a_plan_before_day_0_starts_the_file_earlier():
    system = compose(read_component_text(DRIP, "body"))
    plan = dose("drip", 1000, at=-0.5) + dose("drip", 1000)
    text = to_sbml(system, plan)
    assert 'id="model_time"' in text
    other = roadrunner_run(text, ["central"], [0.0, 6.0, 18.0])
    run = simulate(system, plan, times=[-6.0, 6.0], states=True, rtol=1e-11)
    np.testing.assert_allclose(other[1:, 0], run["central"], rtol=1e-8)


def test_lag_that_depends_on_a_switched_input_is_refused():
    text = DRIP.replace('lag = "wait"', 'lag = "wait*factor"')
    system = compose(read_component_text(text, "body"))
    with pytest.raises(RegimenError, match="depends on 'factor', which changes"):
        to_sbml(system, dose("oral", 1) + switch("factor", 2.0))


def test_a_value_edited_elsewhere_is_read_as_edited():
    text = to_sbml(bone("denosumab"))
    edited = re.sub(r'(id="tau_osteoclast" name="life of a resorbing site" value=)"[^"]*"', r'\1"40"', text)
    assert edited != text
    assert from_sbml(edited).values["tau_osteoclast"] == 40.0


def test_an_equation_edited_elsewhere_is_read_as_edited():
    source = DRIP.replace('rate = "k*depot"', 'rate = "k*depot*(k > 0)"')
    text = to_sbml(compose(read_component_text(source, "body")))
    assert "k*depot*(k &gt; 0)" in text  # kept in words, as MathML gives it back in another form
    again = from_sbml(text)
    assert str(again.fluxes[0].rate) == "k*depot*(k > 0)"
    edited = from_sbml(text.replace("<gt/>", "<lt/>"))
    assert str(edited.fluxes[0].rate) == "k*depot*where(k < 0, 1, 0)"


def test_events_edited_elsewhere_are_not_taken_for_the_plan():
    system = compose(read_component_text(DRIP, "body"))
    text = to_sbml(system, dose("drip", 1000, at=1.0))
    with pytest.raises(ModelTextError, match="events differ from the plan"):
        read_sbml(text.replace('<cn type="integer"> 24 </cn>', '<cn type="integer"> 25 </cn>'))


def test_dois_and_labels_are_where_other_tools_look():
    system = bone("denosumab")
    model = libsbml.readSBMLFromString(to_sbml(system)).getModel()
    assert model.getParameter("denosumab__CL").getName() == "linear clearance"
    assert model.getParameter("denosumab__CL").getUnits() == "mL_per_day"
    resources = [model.getParameter("denosumab__CL").getCVTerm(0).getResourceURI(0)]
    assert resources == ["https://doi.org/10.2165/11594240-000000000-00000"]
    terms = model.getCVTerm(0)
    assert terms.getModelQualifierType() == libsbml.BQM_IS_DESCRIBED_BY
    assert system.hash in model.getNotesString()


def test_reading_without_libsbml_names_the_extra(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "libsbml" else real(name, *a))
    with pytest.raises(MissingExtraError, match=r"bonepk\[sbml\]"):
        from_sbml("<sbml/>")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_without_losing_a_bit(value):
    text = digits(value)
    assert "e" not in text.lower()
    assert float(text) == value


NAMES = ("x", "y", "k")
TREES = st.recursive(
    st.sampled_from([sym(n) for n in NAMES]) | st.floats(-1e6, 1e6).map(num),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "sub", "mul", "lt", "ge", "eq", "and", "or", "min", "max"]), inner, inner),
        st.tuples(st.sampled_from(["exp", "abs", "tanh", "neg", "not", "expit", "softplus"]), inner),
        st.tuples(st.just("where"), inner, inner, inner),
    ).map(lambda t: _joined(*t)),
    max_leaves=12,
)


def _joined(op, *args):
    try:
        return call(op, *args)
    except ValueError:  # a constant that overflows
        return args[0]


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_mathml_reads_back_to_the_form_that_was_written(expr):
    ids = {n: n for n in NAMES}
    again = Formulas().read(libsbml.readMathMLFromString('<?xml version="1.0" encoding="UTF-8"?>' + mathml(expr, ids)))
    assert again is explicit(expr)
    assert explicit(again) is again
    env = {"x": 0.3, "y": -1.7, "k": 2.0}
    if symbols_of([expr]):
        np.testing.assert_allclose(np.asarray(evaluate([again], env), float), np.asarray(evaluate([expr], env), float))


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "mL/day",
        "pM",
        "1/(nM*hour)",
        "%",
        "pmol/(L*day)",
        "kg",
        "mg/L**2",
        "1/year",
        "g/cm**2",
        "year**2",
        "kelvin",
    ],
)
def test_units_come_back_in_size_and_dimension(unit):
    from bonepk.model.unit_words import parse_unit, same

    table = UnitTable.of([unit])
    inner = "".join(table.xml)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" '
        f'version="2"><model id="m"><listOfUnitDefinitions>{inner}</listOfUnitDefinitions></model></sbml>'
    )
    model = libsbml.readSBMLFromString(text).getModel()
    found = definition_text(model.getUnitDefinition(0)) if table.xml else "1"
    assert same(parse_unit(found), parse_unit(unit))


def test_exports_are_plain_text_in_one_call():
    system = bone("denosumab")
    assert export(system, "sbml") == to_sbml(system)
    assert export(system, "sbml", plan=dose("denosumab", "60 mg")) == to_sbml(system, dose("denosumab", "60 mg"))
    assert bonepk.__version__ in export(system, "sbml")


def test_model_text_of_a_composed_system_is_closed_and_runs_alike():
    """Drugs and core become one flat model: qualified names lose their dot, numbers and plans stay."""
    system = bone("denosumab", "letrozole")
    flat = compose(read_component_text(read_sbml(to_sbml(system)).text, "flat"))
    assert "denosumab_central" in flat.state_names
    assert flat.units_checked
    plan = every("denosumab", "60 mg", months=6, doses=2)
    runs = [simulate(s, plan, times=[100.0, 300.0]) for s in (system, flat)]
    np.testing.assert_array_equal(*(run["bmd_lumbar_spine"].to_numpy() for run in runs))
