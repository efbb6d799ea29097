"""A component written out and read back is the same component."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonepk.model.component import Component, RouteText, Slot
from bonepk.model.library import components_of
from bonepk.model.parse import parse_expression
from bonepk.model.system import Flux, Input, Named, Output, Parameter, Reference, State
from bonepk.model.text import read_component_text
from bonepk.model.write import component_text


@pytest.mark.parametrize("name", ["turnover", "blocker", "booster", "seasons"])
def test_samples_round_trip(folder, name):
    core, parts = components_of("turnover", ["blocker", "booster"], ["seasons"])
    component = {c.name: c for c in (core, *parts)}[name]
    text = component_text(component)
    again = read_component_text(text, name)
    assert again == component
    assert component_text(again) == text


def test_every_field_is_written(folder):
    """A component with no field left at its default, so that a forgotten field shows."""
    x = parse_expression("a*2")
    full = Component(
        name="full",
        kind="module",
        title='Title with "quotes" and \\',
        time="h",
        authors=("A", "B"),
        doi="10.1/x",
        notes='first\n"second"\n\n"""third""" \\ end"',
        written_for=("one", "two"),
        modules=("other",),
        references=(Reference("key", "text", "10.2/y"),),
        parameters=(Parameter("a", 1.5e-300, "mg", "key p. 3", "note", "label", 0.0, 2.0),),
        inputs=(Input("i", 1e22, "1", "label"),),
        derived=(Named("d", x, "mg", "label"),),
        states=(State("s", "mg", x, "label", False), State("u", "mg", parse_expression("0"))),
        quantities=(Named("q", x),),
        fluxes=(Flux("f", x, "s", "s", x, "label"), Flux("g", x, "s")),
        rates=(Named("u", x, label="label"),),
        slots=(Slot("slot", "product", 1.0, "1", "label"),),
        modifies=(Named("core.slot", x, label="label"),),
        routes=(RouteText("r", "s", "ug", x, x, x, x, 250.0, "drug", "label"), RouteText("bare", "s")),
        outputs=(Output("o", x, "mg", "label"), Output("p", x, "")),
    )
    core_only = {"steady", "history", "hidden_units", "fit"}
    for field in Component.__dataclass_fields__.values():
        if field.compare and field.name not in core_only:
            assert getattr(full, field.name), field.name
    assert read_component_text(component_text(full), "full") == full


def test_fields_of_a_core_are_written(folder):
    text = 'kind = "literature"\ntitle = "x"\ntime = "day"\nsteady = true\nhistory = -3\nhidden_units = "none given"\n'
    text += 'fit = "found"\n'
    one = read_component_text(text, "x")
    assert one.steady
    assert (one.hidden_units, one.fit) == ("none given", "found")
    assert read_component_text(component_text(one), "x") == one


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40))
def test_any_notes_survive(notes):
    component = Component("x", "literature", notes, "day", notes=notes)
    assert read_component_text(component_text(component), "x") == component


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_survives(value):
    p = Parameter("a", value + 0.0, "mg", "fixed", "note")
    component = Component("x", "literature", "x", "day", parameters=(p,))
    (again,) = read_component_text(component_text(component), "x").parameters
    assert again.value == p.value
