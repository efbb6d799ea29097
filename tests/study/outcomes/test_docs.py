"""The examples of docs/outcomes.md run, and the page has its tables."""

import re
from pathlib import Path

import pytest

from bonepk.errors import DataError
from bonepk.study.outcomes.__main__ import replace_tables

PAGE = Path(__file__).parents[3] / "docs" / "outcomes.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_examples_run():
    names = {}
    for block in BLOCKS:
        exec(compile(block, "docs/outcomes.md", "exec"), names)
    assert names["alone"].incidence("fracture_clinical")[60] > names["both"].incidence("fracture_clinical")[60]


def test_page_has_the_three_tables():
    text = PAGE.read_text(encoding="utf-8")
    for title in ("### Fractures, fitted", "### Fractures, predicted", "### Recurrence in bone"):
        assert title in text
    assert "| abcsg-18 |" in text


def test_tables_are_put_between_the_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- tables -->old<!-- end of tables -->\nafter\n", encoding="utf-8")
    replace_tables(page, "new")
    assert page.read_text(encoding="utf-8") == "before\n<!-- tables -->\n\nnew\n\n<!-- end of tables -->\nafter\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(DataError, match="no marks for the tables"):
        replace_tables(page, "new")
