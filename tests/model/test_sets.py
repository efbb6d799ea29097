"""Parameter sets: over defaults, with units, read, saved byte for byte, refused with a cure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bonepk.errors import ModelTextError, NotFoundError, UnitsError
from bonepk.model.library import find_set, load
from bonepk.model.sets import ParameterSet, SetValue, apply_set, read_set, save_set, set_text, with_values

FIT = """\
kind = "set"
title = "A fit"
model = "turnover"
model_hash = "abc"
evidence_hash = "def"
notes = "from six trials"

[values]
k_in = { value = 25.5, se = 0.5 }
k_out = 0.11
"blocker.CL" = { value = 1500.0, unit = "mL/h", se = 60.0 }
booster.k = { value = 0.3 }
booster.ED50 = 4

[covariance]
names = ["k_in", "k_out"]
matrix = [[0.25, 1e-3], [1e-3, 1e-4]]

[draws]
names = ["k_in", "k_out"]
rows = [[25.0, 0.1], [26.0, 0.12], [25.5, 0.11]]
"""


@pytest.fixture
def fit(folder):
    folder.write("sets/fit.toml", FIT)
    return find_set("fit")


def test_set_is_read(fit):
    assert (fit.name, fit.title, fit.model, fit.model_hash) == ("fit", "A fit", "turnover", "abc")
    assert fit.values == (
        SetValue("k_in", 25.5, "", 0.5),
        SetValue("k_out", 0.11),
        SetValue("blocker.CL", 1500.0, "mL/h", 60.0),
        SetValue("booster.k", 0.3),
        SetValue("booster.ED50", 4.0),
    )
    assert fit.covariance_names == ("k_in", "k_out")
    assert fit.draws[1] == (26.0, 0.12)


def test_values_stand_over_defaults_and_unloaded_drugs_are_left_out(fit):
    system = load("turnover", drugs=["blocker"], parameters="fit")
    assert system.values["k_in"] == 25.5
    assert system.values["blocker.CL"] == pytest.approx(36.0, rel=1e-15)  # mL/h into L/day
    plain = load("turnover", drugs=["blocker"])
    assert system.structure_hash == plain.structure_hash
    assert system.hash != plain.hash
    assert load("turnover", drugs=["blocker"], parameters=fit) == system


def test_saving_is_byte_stable(fit, tmp_path):
    path = save_set(fit, tmp_path / "fit.toml")
    first = path.read_bytes()
    again = read_set(path)
    assert again == fit
    assert save_set(again, path).read_bytes() == first
    assert b"\r" not in first
    assert set_text(replace(fit, covariance=(), covariance_names=())).count("[covariance]") == 0


def test_set_for_another_model(folder):
    other = ParameterSet("fit", "x", "aibl", ())
    with pytest.raises(NotFoundError, match="set 'fit' is for model 'aibl', not 'turnover'"):
        apply_set(load("turnover"), other)


def test_unknown_name_in_a_set(folder):
    chosen = ParameterSet("fit", "x", "turnover", (SetValue("kin", 1.0),))
    with pytest.raises(NotFoundError, match=r"set 'fit' \[kin\]: no parameter 'kin'; did you mean 'k_in'\?"):
        apply_set(load("turnover"), chosen)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "set"', 'kind = "core"', "[kind]: kind = 'core'; expected 'set'"),
        ('model = "turnover"\n', "", "no 'model'; add model"),
        ('title = "A fit"', "title = 3", "'title' is no text"),
        ("model_hash", "modelhash", "unknown key 'modelhash'; did you mean 'model_hash'?"),
        ("k_out = 0.11", 'k_out = "0.11"', "fit.toml:10 [values.k_out]: 'value' is 0.11; expected a finite number"),
        ("k_out = 0.11", "k_out = { se = 1 }", "no 'value'; expected a finite number"),
        ("k_out = 0.11", "k_out = { value = 1, sd = 1 }", "unknown key 'sd'; known are value, unit, se"),
        ("k_out = 0.11", "k_out = nan", "'value' is nan"),
        ('unit = "mL/h"', 'unit = "mL/hx"', "fit.toml:11 [values.blocker.CL]: unknown unit 'hx'"),
        (
            'names = ["k_in", "k_out"]\nmatrix',
            'names = ["k_in", "k_uot"]\nmatrix',
            "'k_uot' is not in [values]; did you",
        ),
        ("[1e-3, 1e-4]", "[2e-3, 1e-4]", "not a symmetric square"),
        ("[1e-3, 1e-4]", "[1e-3]", "row 2 is faulty; expected 2 finite numbers"),
        ("[26.0, 0.12]", '[26.0, "x"]', "row 2 is faulty"),
        ("matrix = ", "values = ", "'covariance' is incomplete"),
    ],
)
def test_faulty_set(folder, old, new, message):
    assert FIT.count(old) == 1
    path = folder.write("fit.toml", FIT.replace(old, new))
    with pytest.raises(ModelTextError) as caught:
        read_set(path)
    assert message in str(caught.value)


def test_values_by_name(folder):
    system = load("turnover", drugs=["blocker"], parameters={"k_out": "0.5 1/week", "season": 1, "blocker.CL": "2 L/h"})
    assert system.values["k_out"] == pytest.approx(0.5 / 7, rel=1e-15)
    assert system.values["season"] == 1.0
    assert system.values["blocker.CL"] == pytest.approx(48.0, rel=1e-15)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"Kout": 1}, NotFoundError, "parameters [Kout]: no parameter 'Kout'; did you mean 'k_out'?"),
        ({"CL": 1}, NotFoundError, "no parameter 'CL'; did you mean 'blocker.CL'?"),
        ({"booster.k": 1}, NotFoundError, "'booster' is not loaded; name it in drugs=[...]"),
        ({"blocker.Cl": 1}, NotFoundError, "did you mean 'blocker.CL'?"),
        ({"zzz": 1}, NotFoundError, "no parameter 'zzz'; 'turnover' has 8 parameters and inputs"),
        ({"k_out": "5 mg"}, UnitsError, "parameters [k_out]: 'mg' cannot become '1/day'"),
        ({"k_out": "5"}, UnitsError, "'1' cannot become '1/day'"),
        ({"k_out": "fast"}, UnitsError, "'fast' is not a number with a unit; expected '1/day'"),
        ({"k_out": float("nan")}, UnitsError, "nan is not finite"),
        ({"k_out": None}, UnitsError, "NoneType is not a number"),
        ({"k_out": "1e999 1/day"}, UnitsError, "is not finite"),
    ],
)
def test_bad_values(folder, values, error, message):
    with pytest.raises(error) as caught:
        load("turnover", drugs=["blocker"], parameters=values)
    assert message in str(caught.value)


def test_all_bad_names_at_once(folder):
    with pytest.raises(NotFoundError) as caught:
        with_values(load("turnover"), {"a": 1, "b": 2, "k_in": 3})
    assert len(caught.value.faults) == 2
