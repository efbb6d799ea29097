"""Line numbers of every key, and TOML errors with their line."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonepk.errors import DataError, ModelTextError
from bonepk.model.toml_lines import MAX_BYTES, read_toml

TEXT = '''\
# a comment with [brackets] and = signs
kind = "core" # another
a.b.c = 1
"quoted.key" = 'x'
notes = """
multi = 1
[fake]
"""
raw = \'\'\'
also = 2
\'\'\'
[parameters]
CL = { value = 1, unit = "a#b", deep = { q = [1,
2, { z = 3 }] } }
"with space" = 1979-05-27 07:32:00
list = [
  "one", # first
  "two",
]
[tables.inner]
x = 1
[[arm]]
name = "first"
[arm.dose]
amount = 1
[[arm]]
name = "second"
  [[arm.visit]]
  month = 6
  [[arm.visit]]
  month = 12
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("kind",), 2),
        (("a", "b", "c"), 3),
        (("a",), 3),
        (("quoted.key",), 4),
        (("notes",), 5),
        (("raw",), 9),
        (("parameters",), 12),
        (("parameters", "CL"), 13),
        (("parameters", "CL", "unit"), 13),
        (("parameters", "CL", "deep", "q", 1), 14),
        (("parameters", "CL", "deep", "q", 2, "z"), 14),
        (("parameters", "with space"), 15),
        (("parameters", "list", 1), 18),
        (("tables",), 20),
        (("tables", "inner", "x"), 21),
        (("arm",), 22),
        (("arm", 0, "name"), 23),
        (("arm", 0, "dose", "amount"), 25),
        (("arm", 1), 26),
        (("arm", 1, "visit", 1, "month"), 31),
        (("arm", 1, "visit", 1, "nothing there"), 30),
        (("unknown", "key"), 1),
    ],
)
def test_line_of_a_key(path, line):
    data, lines = read_toml(TEXT, file="text")
    assert data == tomllib.loads(TEXT)
    assert lines.of(path) == line


def test_place_counts_list_entries_from_one():
    _, lines = read_toml(TEXT, file="trial.toml")
    assert lines.place(("arm", 1, "visit", 0, "month")) == "trial.toml:29 [arm[2].visit[1].month]"
    assert lines.place() == "trial.toml:1"


@pytest.mark.parametrize(
    ("text", "line", "found", "cure"),
    [
        ("a = 1\nb =\n", 2, "invalid value", "quotes"),
        ("a = 1\n\na = 2\n", 3, "cannot overwrite", "given twice"),
        ("[a]\nx = 1\n[a]\n", 3, "cannot declare", "stands twice"),
        ("a = [1, 2", 1, "unclosed array", "add the missing ']'"),
        ('a = "x', 1, "unterminated string", "missing quote"),
        ('a = "x\\q"', 1, "unescaped", "backslash"),
        ("x = k*y\n", 1, "invalid value", "expressions in quotes"),
        ("just words\n", 1, "expected '=' after a key", "name = value"),
        ("a = " + "[" * 100_000, 1, "nested too deep", "nested lists"),
        ("a = " + "9" * 5_000, 1, "not readable as TOML", ""),
    ],
)
def test_syntax_error_is_located(text, line, found, cure):
    with pytest.raises(ModelTextError) as caught:
        read_toml(text, file="bad.toml")
    (fault,) = caught.value.faults
    assert fault.place in {f"bad.toml:{line}", "bad.toml"}
    assert found in fault.found
    assert cure in fault.cure


def test_file_faults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelTextError, match=r"^none\.toml: cannot be read .*check path"):
        read_toml(tmp_path / "none.toml")
    latin = tmp_path / "latin.toml"
    latin.write_bytes('a = 1\nb = "µ"'.encode("latin-1"))
    with pytest.raises(ModelTextError, match=r"^latin\.toml:2: not UTF-8 text; save the file as UTF-8"):
        read_toml(latin)
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ModelTextError, match="at most 5000000"):
        read_toml(huge)


def test_windows_file_and_byte_order_mark(tmp_path):
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\n\r\nb = 2\r\n")
    data, lines = read_toml(path)
    assert data == {"a": 1, "b": 2}
    assert lines.of(("b",)) == 3


def test_class_of_error_can_be_chosen():
    with pytest.raises(DataError, match=r"trial\.toml:1"):
        read_toml("a =", file="trial.toml", error=DataError)


keys = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
scalars = st.one_of(
    st.integers(-99, 99).map(str),
    st.sampled_from(
        ["true", '"text # = [x]"', "'lit'", '"""\nmany\n= lines\n"""', "1.5e3", "[1,\n 2,\n]", "2020-01-02"]
    ),
)


@given(st.dictionaries(keys, st.dictionaries(keys, scalars, min_size=1, max_size=4), max_size=5))
def test_every_key_of_generated_text_is_on_its_line(tables):
    text = "# top\n"
    expected = {}
    for table, entries in tables.items():
        expected[(table,)] = text.count("\n") + 1
        text += f"[{table}]\n"
        for key, written in entries.items():
            expected[(table, key)] = text.count("\n") + 1
            text += f"{key} = {written} # note\n"
    data, lines = read_toml(text, file="text")
    assert set(data) == set(tables)
    assert {path: lines.of(path) for path in expected} == expected


@given(st.text(alphabet="ab=[]{}\"'\n.,#1 \\", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ModelTextError, match=r"^x:\d+: not TOML"):
            read_toml(text, file="x")
    else:
        assert read_toml(text, file="x")[0] == expected
