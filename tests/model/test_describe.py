"""What a reader sees of a model: text, Markdown, LaTeX, diagrams, the list."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from bonepk.errors import NotFoundError
from bonepk.model.describe import FORMATS, list_text, show
from bonepk.model.diagram import influences
from bonepk.model.expr import evaluate
from bonepk.model.library import load
from bonepk.model.parse import parse_expression
from bonepk.model.symbolic import _symbol_text, expressions_to_sympy, to_sympy


@pytest.fixture
def system(folder):
    return load("turnover", drugs=["blocker", "booster"], modules=["seasons"])


def test_text_has_every_name_and_source(system):
    text = show(system)
    names = [*system.state_names, *system.parameter_names, *system.input_names, *system.output_names]
    names += [q.name for q in (*system.quantities, *system.derived)] + [f.name for f in system.fluxes]
    for name in names:
        assert name in text
    assert "gabrielsson ch. 4" in text
    assert "half-life of a week" in text
    assert "10.1201/x" in text
    assert "starts at a steady state" in text
    assert "composed of turnover, blocker, booster, seasons" in text
    assert "A marker that is made and lost." in text


def test_text_of_a_bare_model(folder):
    text = show(replace(load("turnover"), units_checked=False, steady=False, notes=""))
    assert "units of expressions are not checked" in text
    assert "steady state" not in text
    assert "Routes" not in text


def test_markdown_tables_are_whole(system):
    text = show(system, "markdown")
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "```mermaid" in text


def test_flow_is_one_line_a_flux(system):
    lines = show(system, "flow").splitlines()
    assert len(lines) == len(system.fluxes)
    assert "  blocker.gut --absorption--> blocker.body" in lines
    assert "  * --production--> marker" in lines


def test_influences_are_beside_the_fluxes(system):
    assert set(influences(system)) == {
        ("blocker.body", "marker"),
        ("booster.depot", "marker"),
        ("seasons.lagged", "marker"),
    }


@pytest.mark.parametrize("format", ["mermaid", "dot"])
def test_diagrams_name_every_state_and_flux(system, format):
    text = show(system, format)
    for name in (*system.state_names, *(f.name for f in system.fluxes)):
        assert f'"{name}' in text
    dashed = "-.->" if format == "mermaid" else "style=dotted"
    assert text.count(dashed) == len(influences(system))


def test_labels_cannot_break_a_diagram(system):
    state = replace(system.states[0], label='a "b" [c] {d} | <e>')
    odd = replace(system, states=(state, *system.states[1:]))
    (line,) = [x for x in show(odd, "mermaid").splitlines() if x.startswith("  s0[")]
    assert re.fullmatch(r'  s0\["[^"\[\]{}|]*"\]', line)


def test_latex_is_balanced_and_escaped(system):
    text = show(system, "latex")
    assert text.count(r"\begin{") == text.count(r"\end{")
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert r"\frac{d\mathrm{marker}}{dt}" in text
    assert r"{{\mathrm{CL}}^{(\mathrm{blocker})}}" in text
    assert "ng/(mL*day)" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("k", "k"),
        ("CL", r"\mathrm{CL}"),
        ("k_out", r"k_{\mathrm{out}}"),
        ("alpha1", r"\alpha_{1}"),
        ("x1_bar", r"x_{\mathrm{1\_bar}}"),
        ("tau_half_life", r"\tau_{\mathrm{half\_life}}"),
        ("_odd", r"\mathrm{\_odd}"),
        ("drug.kappa", r"{{\kappa}^{(\mathrm{drug})}}"),
    ],
)
def test_symbols_in_latex(name, expected):
    assert _symbol_text(name) == expected


def test_every_format_is_text(system):
    for format in FORMATS:
        assert show(system, format).strip()


def test_unknown_format(system):
    with pytest.raises(NotFoundError, match="no format 'latx'; did you mean 'latex'"):
        show(system, "latx")


def test_list_names_every_model(folder):
    text = list_text()
    for name in ("turnover", "blocker", "booster", "seasons", "tablet", "aibl", "denosumab"):
        assert re.search(rf"^  {name} ", text, re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    [
        "a*b/(a + b) - a**b",
        "exp(-a)*log(b) + sqrt(a*b) + log1p(a) + expm1(b)",
        "sin(a)*cos(b)*tanh(a) - abs(a - b)",
        "softplus(a)*expit(b)*hill(a, b, 2)",
        "where(a < b and not a > 3, a, -b)",
        "min(a, b)*max(a, 2, b) + 0.1",
        "(a < b)*3 + (a == a)",
        "where(a, a <= b, a >= b or b != 2)",
        "t*a",
    ],
)
def test_sympy_has_the_same_values(text):
    expr = parse_expression(text)
    (symbolic,) = expressions_to_sympy([expr])
    point = {"a": 0.7, "b": 1.9, "t": 3.0}
    (ours,) = evaluate([expr], point)
    theirs = symbolic.evalf(subs={s: point[s.name] for s in symbolic.free_symbols})
    # evalf works to 15 digits
    np.testing.assert_allclose(float(theirs), float(ours), rtol=1e-13)


def test_system_in_sympy_has_the_same_rates(system):
    flat = to_sympy(system, flat=True)
    point = {**system.values, "t": 40.0, **dict(zip(system.state_names, [150.0, 3.0, 700.0, 2.0, 0.1], strict=True))}
    ours = evaluate(system.flat_rates, point)
    for name, value in zip(system.state_names, ours, strict=True):
        expr = flat.rates[name]
        theirs = expr.evalf(subs={s: point[s.name] for s in expr.free_symbols})
        np.testing.assert_allclose(float(theirs), float(value), rtol=1e-12)
    nested = to_sympy(system)
    assert {s.name for s in nested.rates["marker"].free_symbols} == {"production_rate", "k_out", "marker"}
    assert set(nested.initial) == set(system.state_names)
