"""The command line: what it prints, what it writes, and what it says of bad input."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest

from bonepk.cli import main

MODEL = """\
kind = "core"
title = "One compartment"
time = "day"

[parameters]
CL = { value = 2, unit = "L/day", source = "assumed", note = "an example" }
V = { value = 10, unit = "L", source = "assumed", note = "an example" }

[states]
central = { initial = 0, unit = "mg", label = "drug" }

[quantities]
conc = "central/V"

[fluxes]
elimination = { from = "central", rate = "CL*conc" }

[routes]
iv = { into = "central", unit = "mg", drug = "drug" }

[outputs]
concentration = { expr = "conc", unit = "mg/L" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return tmp_path


def files(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if p.is_file()}


def refused(folder, capsys, *words) -> str:
    """Run a command that must fail with a message, no traceback, nothing on standard output and nothing written."""
    before = files(folder)
    assert main([*map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert files(folder) == before
    return err


def test_a_good_model_passes(folder, capsys):
    (folder / "one.toml").write_text(MODEL)
    assert main(["model", "check", "one.toml"]) == 0
    assert "every check passed" in capsys.readouterr().out


BAD = {
    "an unknown name": ("CL*conc", "Cl*conc", ["one.toml:", "[fluxes.elimination", "'Cl'", "did you mean 'CL'?"]),
    "a unit mismatch": ('"L/day"', '"L"', ["one.toml:", "[fluxes.elimination", "mg"]),
    "a cycle": ('conc = "central/V"', 'conc = "other"\nother = "conc"', ["one.toml:", "conc", "other", "cycle"]),
    "an attribute": ("CL*conc", "CL.__class__*conc", ["one.toml:", "[fluxes.elimination"]),
    "a call": ("CL*conc", "open(conc)", ["one.toml:", "[fluxes.elimination", "unknown function 'open'"]),
    "a lambda": ("CL*conc", "(lambda: 1)*conc", ["one.toml:", "[fluxes.elimination", "lambda"]),
    "deep nesting": ("CL*conc", "(" * 10_000 + "conc" + ")" * 10_000, ["one.toml:", "[fluxes.elimination"]),
    "a tower": ("CL*conc", "9**9**9**9*conc", ["one.toml:", "[fluxes.elimination", "no finite value"]),
    "a number too large": ("CL*conc", "1e400*conc", ["one.toml:", "[fluxes.elimination", "too large"]),
    "an unknown key": ('label = "drug"', 'labell = "drug"', ["one.toml:", "'labell'", "did you mean 'label'?"]),
    "no source": (
        ', source = "assumed", note = "an example" }\nV',
        " }\nV",
        ["one.toml:6", "[parameters.CL]"],
    ),
    "broken TOML": ("[states]", "[states", ["one.toml:"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_is_a_located_message(folder, capsys, name):
    good, bad, expected = BAD[name]
    assert good in MODEL
    (folder / "one.toml").write_text(MODEL.replace(good, bad, 1))
    message = refused(folder, capsys, "model", "check", "one.toml")
    for part in expected:
        assert part in message, message


def test_all_faults_of_a_file_are_reported_at_once(folder, capsys):
    text = MODEL.replace("CL*conc", "Cl*conc").replace('label = "drug"', 'labell = "drug"').replace('"mg/L"', '"mg/LL"')
    (folder / "one.toml").write_text(text)
    message = refused(folder, capsys, "model", "check", "one.toml")
    for part in ("labell", "LL"):  # what a file says wrongly by itself; names are asked of the composition
        assert part in message


def test_a_slot_that_the_core_does_not_have(folder, capsys):
    (folder / "one.toml").write_text(MODEL)
    (folder / "extra.toml").write_text('kind = "drug"\ntitle = "x"\ntime = "day"\n[modifies]\nabsorbtion = "1"\n')
    message = refused(folder, capsys, "model", "check", "one.toml", "--with", "extra.toml")
    assert "extra.toml:5" in message
    assert "absorbtion" in message


TRIAL = """\
[trial]
title = "A trial"
year = 2020
design = "randomised"

[citations]
a2020 = { text = "A 2020" }

[population]
description = "women"
n = 10
years_since_fmp = { value = 9, source = "assumed", note = "an example" }

[[arms]]
name = "denosumab"
n = 10
regimen = [{ give = "denosumab", dose = "60 mg", every = "6 months", from = "0 months", doses = 2 }]

[[results.rows]]
arm = "denosumab"
endpoint = "bmd_lumbar_spine"
kind = "percent_change"
month = 12
value = 4.8
unit = "%"
cite = "a2020"
confidence = "verified"
"""

BAD_TRIAL = {
    "a misspelt endpoint": (
        "bmd_lumbar_spine",
        "bmd_lumber_spine",
        ["trial.toml:", "did you mean 'bmd_lumbar_spine'?"],
    ),
    "a route that is not there": ('every = "6', 'route = "iv", every = "6', ["iv", "sc"]),
    "a negative dose": ('"60 mg"', '"-60 mg"', ["-60"]),
    "a drug that is not there": ('give = "denosumab"', 'give = "denosumap"', ["did you mean 'denosumab'?"]),
    "times out of order": ("doses = 2", 'until = "-6 months"', ["trial.toml:17", "until", "ends before it starts"]),
}


def test_a_good_trial_runs(folder, capsys):
    (folder / "trial.toml").write_text(TRIAL)
    assert main(["trial", "trial.toml"]) == 0
    out = capsys.readouterr().out
    assert "lumbar spine BMD" in out
    assert (folder / "trial.png").is_file()


@pytest.mark.parametrize("name", BAD_TRIAL)
def test_a_bad_trial_is_a_located_message(folder, capsys, name):
    good, bad, expected = BAD_TRIAL[name]
    assert good in TRIAL
    (folder / "trial.toml").write_text(TRIAL.replace(good, bad, 1))
    message = refused(folder, capsys, "trial", "trial.toml")
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize("form", ["sbml", "mrgsolve", "rxode2", "nonmem", "latex", "markdown"])
def test_export_writes_what_it_prints(folder, capsys, form):
    assert main(["model", "export", "lemaire2004", "--to", form]) == 0
    printed = capsys.readouterr().out
    assert main(["model", "export", "lemaire2004", "--to", form, "--out", "file"]) == 0
    assert (folder / "file").read_text().strip() == printed.strip()


def test_a_model_goes_out_and_comes_back(folder, capsys):
    assert main(["model", "export", "aibl", "--with", "denosumab", "--to", "sbml", "--out", "a.xml"]) == 0
    assert main(["model", "import", "a.xml", "--out", "b.toml"]) == 0
    assert main(["model", "check", "b.toml"]) == 0


def test_lists_name_what_ships(capsys):
    assert main(["models"]) == 0
    assert "aibl" in capsys.readouterr().out
    assert main(["trials"]) == 0
    assert "abcsg-18" in capsys.readouterr().out


def test_calibrate_a_problem_of_ones_own(folder, capsys):
    """A rate constant is recovered from an exact table."""
    (folder / "one.toml").write_text(MODEL)
    rows = [f"a,{t},concentration,{100 / 10 * math.exp(-0.3 * t)}" for t in (1, 2, 4, 8)]
    (folder / "data.csv").write_text("\n".join(["id,time,output,value", *rows]) + "\n")
    (folder / "problem.toml").write_text(PROBLEM)
    assert main(["calibrate", "problem.toml"]) == 0
    assert "CL" in capsys.readouterr().out
    fitted = tomllib.loads((folder / "problem-fit.toml").read_text())
    value = fitted["values"]["CL"]
    assert (value["value"] if isinstance(value, dict) else value) == pytest.approx(3.0, rel=1e-4)


def test_calibrate_under_variants(folder, capsys):
    (folder / "one.toml").write_text(MODEL)
    rows = [f"{who},{t},concentration,{100 / 10 * math.exp(-0.3 * t)}" for who in "ab" for t in (1, 2, 4, 8)]
    (folder / "data.csv").write_text("\n".join(["id,time,output,value", *rows]) + "\n")
    second = 'b = { regimen = [{ give = "drug", dose = "100 mg", doses = 1 }] }\n\n[parameters]'
    (folder / "problem.toml").write_text(PROBLEM.replace("\n[parameters]", second))
    (folder / "v.toml").write_text(
        "[variants.big]\nfixed = { V = 20 }\n[variants.no-b]\nwithout = [{ trials = ['b'] }]\n"
    )
    words = ["calibrate", "problem.toml", "--variants", "v.toml", "--folder", "work", "--out", "full.toml"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "| big |" in shown
    assert {"v.md", "v.csv", "v-rows.csv", "full.toml"} <= {p.name for p in folder.iterdir()}
    assert {p.name for p in (folder / "work").iterdir()} == {"full", "big", "no-b"}
    assert main([*words, "--from", "full.toml", "--folder", "other"]) == 0
    assert main([*words, "--memory", "0"]) == 2
    assert "no row of a table is known as recalled" in capsys.readouterr().err


PROBLEM = """\
title = "One rate"
model = "one.toml"

[data]
table = "data.csv"
time_unit = "day"
log = ["concentration"]
proportional = 0.1

[data.subjects]
a = { regimen = [{ give = "drug", dose = "100 mg", doses = 1 }] }

[parameters]
CL = { start = 2, bounds = [0.1, 20] }

[search]
starts = 1
seed = 1
"""


def test_a_guideline_decides_and_says_why(capsys):
    words = ["guideline", "iof-cabs-2017", "--age", "62", "--aromatase-inhibitor", "yes", "--t-femoral-neck", "-2.3"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "treat" in out.lower()
    assert "no medical advice" in out


def test_guidelines_side_by_side(capsys):
    assert main(["guideline", "--age", "62", "--t-femoral-neck", "-1.7"]) == 0
    out = capsys.readouterr().out
    assert "esmo-2020" in out


def test_impossible_facts_are_refused(folder, capsys):
    message = refused(folder, capsys, "guideline", "esmo-2020", "--age", "300", "--t-femoral-neck", "12")
    assert "300" in message
    assert "12" in message


def test_validate_writes_page_table_and_summary(folder, capsys, monkeypatch):
    """Of one trial: the command runs them all, which the trial tests do."""
    from bonepk import report

    everything = report.gather
    monkeypatch.setattr(report, "gather", lambda _, *rest, **named: everything(["halt-bc"], *rest, **named))
    words = ["validate", "--set", "calibrated", "--draws", "5", "--seed", "3"]
    assert main([*words, "--page", "v.html", "--table", "r.csv", "--summary", "s.md"]) == 0
    out = capsys.readouterr().out
    assert "table: r.csv" in out
    assert "covered" in out
    for name in ("v.html", "s.md"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "bonepk validate --set calibrated --draws 5 --seed 3" in text
    first, *rows = (folder / "r.csv").read_text(encoding="utf-8").splitlines()
    assert first.startswith("trial,arm,versus,endpoint")
    assert rows
    assert all(row.startswith("halt-bc,") for row in rows)
    again = [*words, "--page", "v2.html", "--table", "r2.csv", "--summary", "s2.md"]
    assert main(again) == 0
    for name in ("v.html", "r.csv", "s.md"):
        stem, ending = name.split(".")
        assert (folder / name).read_bytes() == (folder / f"{stem}2.{ending}").read_bytes()
