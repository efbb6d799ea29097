"""What a set says of its uncertainty: read, written byte for byte, refused with every fault at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonepk.errors import ModelTextError
from bonepk.infer.free import Effect
from bonepk.model.sets import ParameterSet, SetValue, read_set, save_set, set_text
from bonepk.model.spreads import LOSSES, SCALES, SetEffect, SetError, SetLoss, shifted

FULL = """\
kind = "set"
title = "A fit"
model = "turnover"

[values]
k_in = { value = 25.5, se = 0.5 }

[effects]
production = { parameters = ["k_in"], scale = "log", sd = 0.25 }
season = { parameters = ["+season"], scale = "identity", sd = 2 }
older = { parameters = ["k_out"], scale = "log", sd = 0.3, together = ["a", "b-c"], shift = 0.1, draws = [0.2, 0] }

[errors]
bmd = { sd = 0.5, shared = 0.2, visits = 0.8, outputs = 0.5, typical = 4.5 }
ctx = { sd = 7.5 }

[loss]
name = "student_t"
width = 5

[draws]
names = ["k_in"]
rows = [[25.0], [26.0]]
"""


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "fit.toml"
    made.write_text(FULL)
    return made


def test_tables_are_read(path):
    read = read_set(path)
    assert read.effects == (
        SetEffect("production", ("k_in",), "log", 0.25),
        SetEffect("season", ("+season",), "identity", 2.0),
        SetEffect("older", ("k_out",), "log", 0.3, ("a", "b-c"), 0.1, (0.2, 0.0)),
    )
    assert read.errors == (SetError("bmd", 0.5, 0.2, 0.8, 0.5, 4.5), SetError("ctx", 7.5))
    assert read.loss == SetLoss("student_t", 5.0)
    assert read.uncertain


def test_a_set_comes_back_byte_for_byte(path):
    read = read_set(path)
    first = save_set(read, path).read_bytes()
    again = read_set(path)
    assert again == read
    assert save_set(again, path).read_bytes() == first


def test_a_set_without_the_tables_is_as_before(path):
    old = replace(read_set(path), effects=(), errors=(), loss=None)
    text = set_text(old)
    for table in ("[effects]", "[errors]", "[loss]"):
        assert table not in text
    path.write_text(text)
    assert read_set(path) == old


FAULTS = [
    ("sd = 0.25", "sd = -1", "fit.toml:9 [effects.production", "'sd' is -1; expected 0 or more"),
    ("sd = 0.25", 'sd = "x"', "fit.toml:9 [effects.production", "'sd' is x; expected a finite number"),
    (", sd = 0.25 }", " }", "fit.toml:9 [effects.production]", "no 'sd'; expected a finite number"),
    ('["k_in"], scale = "log", sd = 0.25', '[], scale = "log", sd = 0.25', "fit.toml:9", "no 'parameters'"),
    ('scale = "identity"', 'scale = "identty"', "fit.toml:10", "scale = 'identty'; did you mean 'identity'?"),
    ("sd = 2 }", "sd = 2, shift = 1 }", "fit.toml:10", "'shift' of an effect that every trial has for itself"),
    ("draws = [0.2, 0]", "draws = [0.2]", "fit.toml:11", "1 draws; expected 2, as [draws] has rows"),
    ("draws = [0.2, 0]", "draws = [0.2, nan]", "fit.toml:11", "'draws' is no list of finite numbers"),
    ("shared = 0.2", "shared = 1.5", "fit.toml:14 [errors.bmd", "'shared' is 1.5; expected less than 1"),
    ("typical = 4.5", "typicall = 4.5", "fit.toml:14 [errors.bmd", "unknown key 'typicall'; did you mean 'typical'?"),
    ("ctx = { sd = 7.5 }", "ctx = 7.5", "fit.toml:15 [errors.ctx]", "'ctx' is no table"),
    ('"student_t"', '"studentt"', "fit.toml:18 [loss", "did you mean 'student_t'?"),
    ("width = 5", "width = 0", "fit.toml:19 [loss", "'width' is 0; expected more than 0"),
]


@pytest.mark.parametrize(("old", "new", "place", "message"), FAULTS)
def test_a_fault_is_located(path, old, new, place, message):
    assert FULL.count(old) == 1
    path.write_text(FULL.replace(old, new))
    with pytest.raises(ModelTextError) as caught:
        read_set(path)
    (fault,) = [f for f in caught.value.faults if message in str(f)]
    assert place in str(fault)


def test_every_fault_at_once(path):
    text = FULL
    for old, new, _, _ in (FAULTS[0], FAULTS[4], FAULTS[8], FAULTS[10], FAULTS[11]):
        text = text.replace(old, new)
    path.write_text(text)
    with pytest.raises(ModelTextError) as caught:
        read_set(path)
    assert len(caught.value.faults) >= 5


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=8)
NUMBERS = st.floats(0, 1e6, allow_nan=False)
EFFECTS = st.builds(
    SetEffect, NAMES, st.lists(NAMES, min_size=1, max_size=3).map(tuple), st.sampled_from(SCALES), NUMBERS
)
SHARED = st.builds(
    SetEffect,
    NAMES,
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    st.sampled_from(SCALES),
    NUMBERS,
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    NUMBERS,
    st.sampled_from([(), (0.5, -0.25)]),
)
PARTS = st.floats(0, 0.99)
ERRORS = st.builds(SetError, NAMES, NUMBERS, PARTS, PARTS, PARTS, st.none() | NUMBERS)


@given(
    st.lists(EFFECTS | SHARED, max_size=3, unique_by=lambda e: e.name),
    st.lists(ERRORS, max_size=3, unique_by=lambda e: e.family),
    st.none() | st.builds(SetLoss, st.sampled_from(LOSSES), st.floats(0.1, 100)),
)
def test_any_spreads_survive(effects, errors, loss):
    import tempfile
    from pathlib import Path

    values = (SetValue("k_in", 1.0),)
    made = ParameterSet(
        "fit",
        "A",
        "turnover",
        values,
        draw_names=("k_in",),
        draws=((1.0,), (2.0,)),
        effects=tuple(effects),
        errors=tuple(errors),
        loss=loss,
    )
    with tempfile.TemporaryDirectory() as folder:
        assert read_set(save_set(made, Path(folder) / "fit.toml")) == made


@pytest.mark.parametrize("scale", SCALES)
def test_shifts_are_those_of_the_fit(scale):
    """The set's shifts and the calibration's, written apart because the latter needs derivatives."""
    by = np.array([-1.0, 0.0, 0.4])
    made = shifted(scale, np.full(3, 0.3), by)
    effect = Effect("x", ("p",), 1.0, scale)
    assert made == pytest.approx([effect.apply(0.3, float(b))[0] for b in by], rel=1e-14)
