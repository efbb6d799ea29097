"""The reference of the model text: its files are written, its examples run, its lists complete."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from bonepk.model.component import KINDS
from bonepk.model.parse import FUNCTION_NAMES, MAX_BRACKETS, MAX_DEPTH, MAX_LENGTH, MAX_NODES
from bonepk.model.schema import HEAD, TABLES

PAGE = Path(__file__).parents[2] / "docs" / "model-text.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture
def pages_folder(tmp_path, monkeypatch):
    """Write the page's files to a folder and work there."""
    for block in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL):
        name, _, body = block.partition("\n")
        assert name.startswith("# file: ")
        target = tmp_path / name.removeprefix("# file: ")
        target.parent.mkdir(exist_ok=True)
        target.write_text(f"{name}\n{body}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BONEPK_MODELS", raising=False)
    return tmp_path


def test_examples_run_as_shown(pages_folder):
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.failed == 0
    assert result.attempted >= 10


def test_error_messages_are_as_shown(pages_folder):
    """Doctest compares a traceback's first line only by default; compare whole messages."""
    import bonepk

    shown = re.findall(r">>> (bonepk\.load\(.*\))\nTraceback.*\n[\w.]+: ((?:.+\n)+)\n", TEXT)
    assert len(shown) == 2
    for call, message in shown:
        with pytest.raises(bonepk.errors.BonepkError) as caught:
            eval(call, {"bonepk": bonepk})
        assert str(caught.value) == message.strip()


def test_every_kind_key_and_table_is_described():
    for kind in KINDS:
        assert f"| `{kind}` |" in TEXT
    for key in HEAD:
        assert f"`{key}`" in TEXT
    for table, (required, optional, _) in TABLES.items():
        (row,) = re.findall(rf"^\| `\[{table}\]` \|.*$", TEXT, re.MULTILINE)
        for key in (*required, *optional):
            assert re.search(rf"\b{key}\b", row) or "as derived" in row or "expression" in row, (table, key)


def test_every_function_is_described():
    section = TEXT[TEXT.index("## Expressions") : TEXT.index("## Units")]
    for name in FUNCTION_NAMES:
        assert re.search(rf"\b{name}\b", section), name


def test_limits_are_as_stated():
    assert f"{MAX_LENGTH:,} characters, {MAX_NODES:,} names" in TEXT
    assert f"{MAX_DEPTH} levels of nesting, {MAX_BRACKETS} open brackets" in TEXT
