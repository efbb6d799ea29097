"""Units: words equal pint's, conversion, and the check of expressions with its messages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bonepk import diskcache
from bonepk.errors import Faults, UnitsError
from bonepk.model import unit_words
from bonepk.model.parse import parse_expression
from bonepk.model.unit_words import PLAIN, parse_unit, same, unit_text
from bonepk.model.units import Claim, check_claims, convert, read_quantity

OWN = {"cell", "cells", "IU", "mIU", "uIU", "kIU"}


def test_plain_words_equal_pint():
    import pint

    registry = pint.UnitRegistry()
    for word, (size, dims) in PLAIN.items():
        if word in OWN:
            continue
        one = registry.Quantity(1.0, word).to_base_units()
        assert one.magnitude == pytest.approx(size, rel=1e-14), word
        assert sorted((str(d), float(e)) for d, e in dict(one.dimensionality).items()) == sorted(dims), word


@pytest.mark.parametrize("text", ["mg/L", "pmol/(L*day)", "mL/min", "1/(nM*h)", "ug*L**-1", "g**0.5/m^2"])
def test_composite_units_equal_pint(text):
    import pint

    one = pint.UnitRegistry().Quantity(1.0, text).to_base_units()
    unit = parse_unit(text)
    assert unit.scale == pytest.approx(one.magnitude, rel=1e-13)
    assert dict(unit.dims) == pytest.approx({str(d): float(e) for d, e in dict(one.dimensionality).items()})


def test_words_beyond_the_table_are_asked_of_pint_and_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("BONEPK_CACHE_DIR", str(tmp_path))
    parse_unit.cache_clear()
    assert same(parse_unit("kDa"), parse_unit("kilodalton"))
    parse_unit.cache_clear()

    def never(word: str) -> None:
        raise AssertionError(f"pint was asked for {word} again")

    monkeypatch.setattr(unit_words, "_ask_pint", never)
    assert parse_unit("kDa").scale == pytest.approx(1.66053906892e-24)
    monkeypatch.setattr(diskcache, "read", lambda *_: None)
    parse_unit.cache_clear()
    with pytest.raises(AssertionError, match="asked for kDa again"):
        parse_unit("kDa")
    parse_unit.cache_clear()


@pytest.mark.parametrize(
    ("text", "found", "cure"),
    [
        ("mgg", "unknown unit 'mgg'", "did you mean 'mg'?"),
        ("widget", "unknown unit 'widget'", "count people"),
        ("", "empty unit", "has unit '1'"),
        ("mg/", "'mg/' is not a unit", "joined by * / and **"),
        ("mg L", "'mg L' is not a unit", "joined by"),
        ("mg + L", "'mg + L' is not a unit", "joined by"),
        ("9**9**9", "is not a unit", "joined by"),
        ("mg**99", "is not a unit", "joined by"),
        ("0*mg", "is not a unit", "joined by"),
        ("degC", "offset or a logarithm", "kelvin"),
        ("dB", "offset or a logarithm", "plain ratio"),
        ("__import__('os')", "is not a unit", "joined by"),
        ("(" * 100 + "mg" + ")" * 100, "is not a unit", "joined by"),
    ],
)
def test_bad_units_are_refused(text, found, cure):
    with pytest.raises(UnitsError) as caught:
        parse_unit(text)
    assert found in caught.value.faults[0].found
    assert cure in caught.value.faults[0].cure


def test_micro_sign_and_percent():
    assert same(parse_unit("µg/L"), parse_unit("ng/mL"))
    assert same(parse_unit("μmol"), parse_unit("umol"))
    assert parse_unit("%").scale == 0.01
    assert unit_text(parse_unit("%/year")) == "%/year"


@pytest.mark.parametrize(
    ("value", "start", "goal", "molar_mass", "expected"),
    [
        (60, "mg", "ng", None, 60e6),
        (2.5, "mg", "ug", None, 2500.0),
        (1, "week", "day", None, 7.0),
        (1, "month", "day", None, 30.4375),
        (1, "year", "day", None, 365.25),
        (3.06, "mL/h", "mL/day", None, 73.44),
        (60, "mg", "nmol", 147_000, 60e6 / 147_000),
        (408.0, "nmol", "mg", 147_000, 408e-9 * 147_000 * 1e3),
        (10, "ng/mL", "nM", 500, 20.0),
        (50, "%", "1", None, 0.5),
        (20, "ug", "ug", None, 20.0),
    ],
)
def test_convert(value, start, goal, molar_mass, expected):
    # two or three roundings of double precision
    assert convert(value, start, goal, molar_mass) == pytest.approx(expected, rel=1e-15)


def test_metric_doses_are_exact():
    assert convert(60, "mg", "ng") == 60_000_000.0
    assert convert(4, "mg", "ug") == 4000.0


@pytest.mark.parametrize(
    ("start", "goal", "molar_mass", "message"),
    [
        ("mg", "nmol", None, "mg into nmol needs a molar mass; state molar_mass in g/mol"),
        ("mg", "nmol", -1.0, "molar mass -1.0 g/mol; expected a number above 0"),
        ("mg", "mL", None, "'mg' cannot become 'mL'"),
        ("IU", "ug", None, "state the activity per mg"),
        ("mg", "ngg", None, "unknown unit 'ngg'; did you mean 'ng'?"),
        ("mg/mol", "mol/mg", 100.0, "cannot become"),
    ],
)
def test_convert_refuses(start, goal, molar_mass, message):
    with pytest.raises(UnitsError) as caught:
        convert(1.0, start, goal, molar_mass)
    assert message in str(caught.value)


plain = st.sampled_from(sorted(PLAIN))


alike = plain.flatmap(
    lambda w: st.tuples(st.just(w), st.sampled_from([v for v in PLAIN if PLAIN[v][1] == PLAIN[w][1]]))
)


@given(alike, st.floats(1e-6, 1e6))
def test_conversion_there_and_back(words, value):
    first, second = words
    # two conversions, each rounded to 15 digits
    assert convert(convert(value, first, second), second, first) == pytest.approx(value, rel=1e-13)


@given(st.lists(st.tuples(plain, st.sampled_from([-2, -1, 1, 2, 0.5])), max_size=4))
def test_written_unit_reads_back(factors):
    text = "*".join(f"{'percent' if w == 'percent' else w}**{e}" for w, e in factors) or "1"
    unit = parse_unit(text)
    assume(1e-200 < unit.scale < 1e200)
    assert same(parse_unit(unit_text(unit)), unit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("60 mg", (60.0, "mg")), ("2.5mg", (2.5, "mg")), (" 1e3 ng/mL ", (1000.0, "ng/mL")), ("7", (7.0, "1"))],
)
def test_read_quantity(text, expected):
    assert read_quantity(text) == expected


@pytest.mark.parametrize("text", ["mg 60", "", "60 mgg", "1e999 mg", "60 mg; rm"])
def test_read_quantity_refuses(text):
    with pytest.raises(UnitsError):
        read_quantity(text)


SYMBOLS = {
    "t": "day",
    "amount": "mg",
    "heavy": "g",
    "V": "L",
    "CL": "L/day",
    "k": "1/day",
    "n": "1",
    "x": "1",
    "share": "%",
    "moles": "nmol",
    "conc": "mg/L",
    "cells": "cell",
}


def faults_of(text: str, unit: str) -> list[str]:
    faults = Faults()
    check_claims(SYMBOLS, [Claim("f:1 [q]", parse_expression(text), unit)], faults)
    return [str(f) for f in faults]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("CL*amount/V", "mg/day"),
        ("amount/V", "g/m**3"),
        ("amount + 0", "mg"),
        ("max(0, amount)", "mg"),
        ("where(amount > 0, conc, 0)", "mg/L"),
        ("exp(-k*t)*conc", "mg/L"),
        ("(conc/conc)**n", "1"),
        ("conc**2", "mg**2/L**2"),
        ("sqrt(conc**2 + 4*conc*amount/V)", "mg/L"),
        ("conc**0.5*conc**1.5/conc", "mg/L"),
        ("hill(amount/V, conc, n)", "1"),
        ("softplus(k*t)*amount", "mg"),
        ("0", "mg"),
        ("abs(-amount)", "mg"),
        ("amount < heavy*0 and n > 2", "1"),
        ("cells*k", "cell/day"),
        ("share", "%"),
    ],
)
def test_consistent_expressions_pass(text, unit):
    assert faults_of(text, unit) == []


@pytest.mark.parametrize(
    ("text", "unit", "parts"),
    [
        ("amount + heavy", "mg", ["'amount + heavy' adds mg and g", "value 1000", "unit 'mg/g'"]),
        ("amount - V", "mg", ["subtracts mg and L", "a factor in mg/L is missing"]),
        ("amount + 1", "mg", ["'amount + 1' adds mg and a pure number", "make 1 a parameter with unit 'mg'"]),
        ("max(amount, 1e-9)", "mg", ["compares mg and a pure number", "make 1e-09 a parameter with unit 'mg'"]),
        ("where(n, amount, V)", "mg", ["chooses between mg and L"]),
        ("amount > n", "1", ["compares mg and a pure number"]),
        ("exp(k)", "1", ["'exp(k)' has an argument in 1/day", "'exp' takes pure numbers", "divide by a reference"]),
        ("log(amount)", "1", ["'log(amount)' has an argument in mg"]),
        ("exp(share)", "1", ["argument in %", "value 0.01 and unit '1/%'"]),
        ("x**amount", "1", ["exponent in mg", "pure number"]),
        ("conc**n", "1", ["'conc**n' raises mg/L to a power that is not a constant", "divide it by a reference"]),
        ("not amount", "1", ["argument in mg"]),
        ("amount", "g", ["'amount' is in mg", "expected g", "value 0.001 and unit 'g/mg'"]),
        ("amount*k", "mg", ["is in mg/day", "expected mg", "factor in day is missing"]),
        ("amount", "nmol", ["bring in the molar mass", "g/mol"]),
        ("amount", "1", ["is in mg", "expected a pure number"]),
        ("100*x", "%", ["is in a pure number", "value 100 and unit '%'"]),
        ("5", "mg", ["'5' is in a pure number", "expected mg"]),
    ],
)
def test_inconsistent_expressions_are_located_with_a_cure(text, unit, parts):
    (message,) = faults_of(text, unit)
    assert message.startswith("f:1 [q]: ")
    for part in parts:
        assert part in message


def test_one_mistake_is_reported_once_and_hides_nothing_else():
    faults = Faults()
    wrong = parse_expression("amount + V")
    claims = [
        Claim("f:1", wrong, "", name="a"),
        Claim("f:2", parse_expression("a*k"), "mg/day"),
        Claim("f:3", wrong * 2, "mg"),
        Claim("f:4", parse_expression("heavy"), "mg"),
    ]
    check_claims(SYMBOLS, claims, faults)
    assert [f.place for f in faults] == ["f:1", "f:4"]


def test_units_are_inferred_in_order():
    claims = [
        Claim("", parse_expression("amount/V"), "", name="c"),
        Claim("", parse_expression("c*CL"), "", name="flow"),
        Claim("", parse_expression("c/c"), "", name="ratio"),
    ]
    assert check_claims(SYMBOLS, claims, Faults()) == {"c": "mg/L", "flow": "mg/day", "ratio": "1"}


def test_a_pure_number_is_accepted_where_said():
    faults = Faults()
    check_claims(SYMBOLS, [Claim("", parse_expression("n*365.25"), "day", or_number=True)], faults)
    assert not list(faults)
    check_claims(SYMBOLS, [Claim("", parse_expression("n*V"), "day", or_number=True)], faults)
    assert len(faults) == 1


def test_plain_units_need_no_pint():
    code = (
        "import sys; from bonepk.model.units import convert; convert(60, 'mg', 'nmol', 147000); "
        "convert(1, 'mL/h', 'L/day'); print('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
