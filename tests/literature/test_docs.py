"""The pages about published models: examples run, tables are what the script prints."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

import bonepk

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = [
    pytest.param(code, id=f"{page}-{k}")
    for page in ("literature-models.md", "comparison.md")
    for k, code in enumerate(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL))
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code, capsys):
    exec(compile(code, "example", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_every_model_and_input_named_on_the_page_exists():
    page = (DOCS / "literature-models.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", page, re.MULTILINE))
    assert set(rows) == {i.name for i in bonepk.models("literature") if i.path.parent.name == "literature"}
    for name, listed in rows.items():
        system = bonepk.load(name)
        known = {*system.parameter_names, *system.input_names, *(r.drug for r in system.routes)}
        assert set(re.findall(r"`(\w+)`", listed)) <= known, name


@pytest.mark.slow
def test_comparison_table_is_what_the_script_finds():
    path = DOCS / "figures" / "denosumab_comparison.py"
    spec = importlib.util.spec_from_file_location("denosumab_comparison", path)
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    page = (DOCS / "comparison.md").read_text(encoding="utf-8")
    for who in script.MODELS:
        if who.name == "aibl":  # it is calibrated on its own schedule
            continue
        _, bone, resorption = script.ask(who)
        row = re.search(rf"^\| {who.name} \| [^|]* \| ([+-][\d.]+) % .* \| ([^|]*) \|$", page, re.MULTILINE)
        month_24 = next(iter(bone.values()))[104]  # week 104 is 2.5 days short of month 24, on a slope
        assert float(row[1]) == pytest.approx(month_24, abs=0.15)
        highest = float(row[2].split()[0]) if row[2] != "none" else 1.0
        assert highest == pytest.approx(resorption.max(), abs=0.01)
