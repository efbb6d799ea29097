"""Virtual trials beside published ones. Intervals come from the evidence files, never from here."""

import numpy as np
import pytest

import bonepk as bp
from bonepk.cli import main
from bonepk.study.virtual import load_conduct, simulated_power, virtual_trial, virtual_trials


@pytest.fixture(scope="module")
def zo_fast():
    return virtual_trial("zo-fast", 600, 1)


def test_those_that_come_along():
    assert {"abcsg-18", "z-fast", "zo-fast", "freedom"} <= set(virtual_trials())
    assert "postmenopausal" not in virtual_trials()
    for name in virtual_trials():
        conduct = load_conduct(name)
        assert {a for r in conduct.rescue for a in r.arms} <= {a.name for a in bp.study.load_trial(conduct.trial).arms}


@pytest.mark.parametrize("name", ["zo-fast", "z-fast"])
def test_the_spread_between_women_is_that_published(name):
    """Changes over 12 months: SD implied by the published interval, an upper bound since fewer were measured.

    From 70 % of it (half were measured) to 115 % (sampling error of an SD from 300 women an arm is 4 %).
    """
    result = virtual_trial(name, 600, 1)
    found = [r for r in result.rows if r.published_sd is not None and r.row.month == 12]
    assert len(found) >= 2
    for row in found:
        assert 0.70 < row.virtual.sd / row.published_sd < 1.15, row.row.place


def test_the_arms_part_as_published(zo_fast):
    """The sign of every published difference and change holds, well outside the sampling error."""
    for row in zo_fast.rows:
        assert row.virtual.low * row.row.value > 0
        assert row.virtual.high * row.row.value > 0


def test_scans_add_spread_and_no_bias(zo_fast):
    seen = zo_fast.change("immediate", "bmd_lumbar_spine", 12)
    true = zo_fast.change("immediate", "bmd_lumbar_spine", 12, true=True)
    noise = zo_fast.people.population.noise("lumbar_spine")
    assert seen.sd**2 == pytest.approx(true.sd**2 + 2 * (100 * noise) ** 2, rel=0.25)
    # people came in by a scan: those let in by a lucky one seem to lose (regression to the mean), a little
    assert seen.value == pytest.approx(true.value, abs=4 * seen.se)


def test_adjusting_for_the_baseline_pays(zo_fast):
    crude = zo_fast.difference("immediate", "delayed", "bmd_total_hip", 24)
    adjusted = zo_fast.adjusted("immediate", "delayed", "bmd_total_hip", 24, ["age"])
    assert adjusted.se < crude.se
    assert adjusted.value == pytest.approx(crude.value, abs=3 * crude.se)


def test_simulated_power_agrees_with_the_formula(zo_fast):
    made = simulated_power(zo_fast, "immediate", "delayed", "bmd_total_hip", 12, 12, trials=4000, rng=3)
    assert 0.3 < made.analytic < 0.95
    assert made.low - 0.03 < made.analytic < made.high + 0.03  # 0.03: changes are not quite normal, nor equal in spread
    again = simulated_power(zo_fast, "immediate", "delayed", "bmd_total_hip", 12, 12, trials=4000, rng=3)
    assert again == made


def test_text_and_figure(zo_fast, tmp_path):
    text = bp.virtual_text(zo_fast)
    assert "virtual: 600 people" in text
    assert "+5.7 (+5.2 to +6.1)" in text
    assert "rule 1: zoledronate started in" in text
    path = bp.virtual_figure(zo_fast, tmp_path / "f.png")
    assert path.stat().st_size > 20_000


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["trial", "z-fast", "--people", "40", "--seed", "2", "--resume", "kept"]) == 0
    first = capsys.readouterr().out
    assert "virtual: 40 people" in first
    assert (tmp_path / "z-fast-virtual.png").exists()
    assert len(list((tmp_path / "kept").glob("*.piece"))) == 1
    assert main(["trial", "z-fast", "--people", "40", "--seed", "2", "--workers", "1", "--no-figure"]) == 0
    assert capsys.readouterr().out.splitlines() == first.splitlines()[:-1]
    assert main(["trial", "nowhere", "--people", "40"]) == 2
    assert "unknown population 'nowhere'" in capsys.readouterr().err


def test_a_larger_trial_knows_better():
    few, many = (virtual_trial("abcsg-18", n, 1, weighted=False) for n in (60, 960))
    ratio = few.change("placebo", "bmd_total_hip", 12).se / many.change("placebo", "bmd_total_hip", 12).se
    assert ratio == pytest.approx(np.sqrt(16), rel=0.35)
