"""What an SBML file may say and a model text cannot: refused by name, all at once."""

from __future__ import annotations

import sys
from pathlib import Path

import libsbml
import pytest

from bonepk.errors import ModelTextError
from bonepk.interop import from_sbml, import_model, read_sbml

sys.path.insert(0, str(Path(__file__).parent))
from sbml_files import build

L2 = {"level": 2, "version": 4}

REFUSED = {
    "an algebraic rule cannot be carried": None,
    "reaction 'r', which is fast, cannot be carried": {
        **L2,
        "compartments": {"c": 1.0},
        "species": {"A": {"amount": 1}},
        "reactions": [{"id": "r", "from": {"A": 1}, "rate": "A", "fast": True}],
    },
    "assignment rule of 'y': 'delay' cannot be carried": {
        "parameters": {"x": 1, "y": 0}, "rate": {"x": "-x"}, "assign": {"y": "delay(x, 2)"},
    },
    "assignment rule of 'y': 'rateOf' cannot be carried": {
        "parameters": {"x": 1, "y": 0}, "rate": {"x": "-x"}, "assign": {"y": "rateOf(x)"},
    },
    "assignment rule of 'y': 'floor' cannot be carried": {
        "parameters": {"x": 1, "y": 0}, "rate": {"x": "-x"}, "assign": {"y": "floor(x)"},
    },
    "'piecewise' without 'otherwise'": {
        "parameters": {"x": 1, "y": 0}, "rate": {"x": "-x"}, "assign": {"y": "piecewise(1, x > 2)"},
    },
    "a state-triggered event that sets state 'x'": {
        "parameters": {"x": 1}, "rate": {"x": "-x"}, "events": [{"when": "x < 0.5", "set": {"x": "x + 2"}}],
    },
    "a state-triggered event on 'f' without one other": {
        "parameters": {"x": 1, "f": 0}, "rate": {"x": "f - x"}, "events": [{"when": "x < 0.5", "set": {"f": "1"}}],
    },
    "a trigger that depends on what events set (n)": {
        "parameters": {"x": 1, "n": 0}, "rate": {"x": "-x"},
        "events": [{"when": "time >= n + 1", "set": {"n": "n + 1"}}],
    },
    "a value that depends on other states": {
        "parameters": {"x": 1, "y": 1}, "rate": {"x": "-x", "y": "x"},
        "events": [{"when": "time > 1", "set": {"x": "x + y"}}],
    },
    "a trigger that is not linear in time": {
        "parameters": {"x": 1, "f": 0}, "rate": {"x": "f - x"},
        "events": [{"when": "sin(time) > 0.5", "set": {"f": "1"}}],
    },
    "a delayed event that its trigger may cancel": {
        "parameters": {"x": 1, "f": 0}, "rate": {"x": "f - x"},
        "events": [{"when": "(time > 1) && (time < 2)", "set": {"f": "1"}, "delay": "3", "persistent": False}],
    },
    "that is not linear in it": {
        "parameters": {"x": 1}, "rate": {"x": "-x"}, "events": [{"when": "time > 1", "set": {"x": "x^2"}}],
    },
    "after a delay to what something was when the delay began": {
        "parameters": {"x": 1}, "rate": {"x": "-x"},
        "events": [{"when": "time > 1", "set": {"x": "x + 1"}, "delay": "0.5"}],
    },
    "at the same time as event": {
        "parameters": {"x": 1, "f": 0}, "rate": {"x": "f - x"},
        "events": [{"when": "time > 1", "set": {"f": "1"}}, {"when": "time >= 1", "set": {"f": "2"}}],
    },
    "parameter 'k' has no value": {"parameters": {"x": 1, "k": None}, "rate": {"x": "-k*x"}},
    "a -> b -> a": {"parameters": {"a": 1, "b": 1, "x": 0}, "assign": {"a": "b", "b": "a"}, "rate": {"x": "a"}},
    "while its compartment 'c' changes size": {
        "compartments": {"c": 1.0}, "species": {"S": {"concentration": 1, "boundary": True}}, "parameters": {"x": 0},
        "rate": {"x": "S"},
        "events": [{"when": "time > 1", "set": {"S": "2"}}, {"when": "time > 2", "set": {"c": "2"}}],
    },
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused_by_name(what):
    settings = REFUSED[what]
    if settings is None:
        document = libsbml.readSBMLFromString(build(parameters={"x": {"value": 1, "constant": False}}))
        document.getModel().createAlgebraicRule().setMath(libsbml.parseL3Formula("x - time"))
        text = libsbml.writeSBMLToString(document)
    else:
        text = build(**settings)
    with pytest.raises(ModelTextError) as caught:
        read_sbml(text)
    assert what in str(caught.value)


def test_everything_refused_is_said_at_once_and_nothing_is_written(tmp_path):
    text = build(
        parameters={"x": 1, "y": 0, "z": 0},
        rate={"x": "-x"},
        assign={"y": "delay(x, 2)", "z": "floor(x)"},
    )
    source, target = tmp_path / "bad.xml", tmp_path / "out.toml"
    source.write_text(text)
    with pytest.raises(ModelTextError) as caught:
        import_model(source, target)
    assert len(caught.value.faults) == 2
    assert all("bad.xml" in str(f) for f in caught.value.faults)
    assert not target.exists()


def test_packages_that_change_the_model_are_refused():
    text = build(parameters={"x": 1}, rate={"x": "-x"})
    document = libsbml.readSBMLFromString(text.replace("<?xml", "<?xml", 1))
    assert document.enablePackage("http://www.sbml.org/sbml/level3/version1/comp/version1", "comp", True) == 0
    document.setPackageRequired("comp", True)
    definition = document.getPlugin("comp").createModelDefinition()
    definition.setId("inner")
    with pytest.raises(ModelTextError, match="package 'comp' cannot be carried; flatten the model"):
        read_sbml(libsbml.writeSBMLToString(document))


@pytest.mark.parametrize("text", ["<sbml>", "no such file.xml", "<?xml version='1.0'?><a/>", "<!DOCTYPE x><sbml/>"])
def test_what_is_no_sbml_is_said_so(text):
    with pytest.raises(ModelTextError):
        from_sbml(text)
