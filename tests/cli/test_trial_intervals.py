"""`bonepk trial` with intervals from a set: shown, repeatable, switched off, and refused with a message."""

import pytest

from bonepk.cli import main

SET = """\
kind = "set"
title = "Made up"
model = "aibl"

[values]
turnover_trabecular = 0.16

[draws]
names = ["turnover_trabecular"]
rows = [[0.14], [0.16], [0.18]]
"""
WORDS = ["trial", "halt-bc", "--set", "fit.toml"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    (tmp_path / "fit.toml").write_text(SET)
    return tmp_path


def test_a_trial_gets_intervals_from_a_set(folder, capsys):
    assert main([*WORDS, "--draws", "4", "--seed", "2"]) == 0
    first = capsys.readouterr().out
    assert "90 % interval" in first
    assert "4 draws of set 'fit'" in first
    assert "set 'fit' states no spread between trials and no model error: intervals are too narrow\n" in first
    assert (folder / "halt-bc.png").is_file()
    assert main([*WORDS, "--draws", "4", "--seed", "2"]) == 0
    assert capsys.readouterr().out == first


def test_none_are_drawn_where_none_are_asked_for(folder, capsys):
    assert main([*WORDS, "--draws", "0", "--no-figure"]) == 0
    assert "% interval" not in capsys.readouterr().out


def test_a_set_without_uncertainty_says_so_in_one_line(folder, capsys):
    (folder / "fit.toml").write_text(SET.partition("[draws]")[0])
    assert main([*WORDS, "--no-figure"]) == 0
    out = capsys.readouterr().out
    assert "\nno intervals: set 'fit' has neither draws nor covariance\n" in out
    assert "% interval" not in out


def test_a_faulty_set_is_a_located_message(folder, capsys):
    (folder / "fit.toml").write_text(SET + '\n[loss]\nname = "hubber"\nwidth = 0\n')
    assert main([*WORDS, "--no-figure"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "fit.toml:13 [loss.name]: name = 'hubber'; did you mean 'huber'?" in err
    assert "fit.toml:14 [loss.width]: 'width' is 0; expected more than 0" in err


def test_an_impossible_number_of_draws(folder, capsys):
    assert main([*WORDS, "--draws", "-1", "--no-figure"]) == 2
    assert "draws: -1; expected 1 or more" in capsys.readouterr().err
