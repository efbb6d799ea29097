"""The examples of docs/trials.md run."""

import re
from pathlib import Path

import pytest

from bonepk.errors import DataError
from bonepk.study import read_trial
from bonepk.study.endpoints import KINDS

TEXT = (Path(__file__).parents[2] / "docs" / "trials.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL).group(1)


def test_example_of_a_trial_file_reads():
    trial = read_trial(block("toml"), file="example.toml")
    assert [a.name for a in trial.arms] == ["denosumab", "placebo"]
    assert trial.rows[0].spread.low == 4.8


def test_example_of_a_fault_is_what_is_said():
    wrong = block("toml").replace("bmd_lumbar_spine", "bmd_lumbar").replace("low = 4.8", "low = 6")
    with pytest.raises(DataError) as caught:
        read_trial(wrong, file="my-trial.toml")
    said = str(caught.value)
    assert "[results.rows[1].endpoint]: unknown endpoint 'bmd_lumbar'; did you mean 'bmd_lumbar_spine'?" in said
    assert "expected bounds around the value 5.5; check the signs" in said


def test_example_in_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(block("python"), "docs/trials.md", "exec"), {})
    assert (tmp_path / "halt-bc.png").stat().st_size > 10_000
    assert "HALT-BC" in capsys.readouterr().out


def test_every_kind_is_described():
    missing = [k for k in KINDS if f"`{k}`" not in TEXT]
    assert missing == []
