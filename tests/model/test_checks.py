"""Each check passes on a sound model and fails on one made wrong in just that way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bonepk.errors import ModelTextError
from bonepk.model import checks
from bonepk.model.checks import (
    check,
    check_jacobian,
    check_mass_balance,
    check_model,
    check_round_trip,
    check_sources,
    check_steady,
    initial_values,
)
from bonepk.model.expr import evaluate, num
from bonepk.model.library import components_of, load
from bonepk.model.parse import parse_expression
from bonepk.model.write import component_text


@pytest.fixture
def system(folder):
    return load("turnover", drugs=["blocker", "booster"], modules=["seasons"])


def test_sound_model_passes_everything(folder):
    system = check_model("turnover", ["blocker", "booster"], ["seasons"])
    assert system.name == "turnover"


def test_initial_values_are_numbers_in_state_order(system):
    t0, y0 = initial_values(system)
    assert t0 == 0.0
    np.testing.assert_array_equal(y0, [200.0, 0.0, 0.0, 0.0, 0.0])


def test_unsteady_start_is_found(folder):
    folder.edit("turnover.toml", 'initial = "baseline"', 'initial = "baseline*(1 + 1e-8)"')
    (fault,) = check_steady(load("turnover"))
    assert fault.place == "turnover [states.marker]"
    assert fault.found == "d/dt = -2e-07 ng/mL/day at the start, turnover 40"
    with pytest.raises(ModelTextError, match="drop 'steady'"):
        check(load("turnover"))


def test_a_start_within_the_limit_is_steady(folder):
    folder.edit("turnover.toml", 'initial = "baseline"', 'initial = "baseline*(1 + 1e-10)"')
    assert check_steady(load("turnover")) == []


def test_turnover_counts_what_comes_and_goes():
    gross = checks._gross(parse_expression("k*(a - b) - c/d"))
    (value,) = evaluate([gross], {"k": -2.0, "a": 3.0, "b": 3.0, "c": 1.0, "d": -4.0})
    assert value == 12.25


def test_not_a_number_is_not_steady(system):
    broken = replace(system, rates=(parse_expression("log(marker - 300)"), *system.rates[1:]))
    assert len(check_steady(broken)) == 1


def test_lost_mass_is_found(system):
    leaky = replace(system, rates=(system.rates[0], system.rates[1] * num(1.001), *system.rates[2:]))
    assert check_mass_balance(system) == []
    assert "more than enters" in check_mass_balance(leaky)[0].found


def test_wrong_derivative_is_found(system, monkeypatch):
    assert check_jacobian(system) == []

    def wrong(exprs, by):
        return [num(2) * e for e in exprs] if by == "marker" else [num(0) for _ in exprs]

    monkeypatch.setattr(checks, "derivative", wrong)
    found = check_jacobian(system)
    assert found
    assert "derivative by 'marker'" in found[0].found


def test_missing_source_is_found(system):
    p = system.parameters[0]
    for source, note in (("nobody 2001", ""), ("fitted", " "), ("", "")):
        broken = replace(system, parameters=(replace(p, source=source, note=note), *system.parameters[1:]))
        (fault,) = check_sources(broken)
        assert fault.place == "turnover.toml:14 [parameters.k_in]"
    assert check_sources(system) == []


def test_reference_without_text_is_found(system):
    empty = tuple(replace(r, text=" ") for r in system.references[:1])
    assert "no text" in check_sources(replace(system, references=(*empty, *system.references[1:])))[0].found


def test_a_component_that_does_not_come_back_is_found(folder, monkeypatch):
    core, _ = components_of("turnover")
    assert check_round_trip(core) == []
    written = component_text(core).replace("value = 20", "value = 21")
    monkeypatch.setattr(checks, "component_text", lambda _: written)
    (fault,) = check_round_trip(core)
    assert "changes when written and read back: parameters" in fault.found
    monkeypatch.setattr(checks, "component_text", lambda _: "kind = 1")
    assert "does not read back" in check_round_trip(core)[0].found


def test_the_point_of_the_checks_is_off_special_values(system):
    point = checks._random_point(system)
    assert point == checks._random_point(system)
    assert all(point[name] > 0 for name in system.state_names)
