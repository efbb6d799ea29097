"""Every example in the README and on a page of docs/ runs as shown."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TESTED_BESIDE_THEIR_SUBJECT = {"model-text.md"}  # more is asked of this page there


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def write_files(page, folder):
    for block in blocks(page, "(?:toml|csv)"):
        first, _, _ = block.partition("\n")
        if first.startswith("# file: "):
            target = folder / first.removeprefix("# file: ")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block, encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return tmp_path


@pytest.mark.parametrize(
    "page", [p for p in PAGES if ">>>" in p.read_text(encoding="utf-8")], ids=lambda page: page.name
)
def test_prompts_answer_as_shown(page, folder):
    if page.name in TESTED_BESIDE_THEIR_SUBJECT:
        pytest.skip("tested beside its subject")
    write_files(page, folder)
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def scripts(page):
    return [b for b in blocks(page, "python") if ">>>" not in b]


@pytest.mark.parametrize("page", [p for p in PAGES if scripts(p)], ids=lambda page: page.name)
def test_scripts_run(page, folder):
    write_files(page, folder)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(scripts(page))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
