"""Summaries, misfits, comparisons, and the files kept beside the code."""

import csv
import math
from dataclasses import replace

import pytest

from bonepk.report import gather, results_summary, results_table
from bonepk.report.grid import Cell, Grid, grid_html, grid_markdown
from bonepk.report.remarks import NO_WORDS, comparison_grid, worst_grid
from bonepk.report.results import COLUMNS
from bonepk.report.summaries import GROUP_WORDS, density, group_rows, in_short, not_density, score_grid


def words(row):
    return [c.text if isinstance(c, Cell) else c for c in row]


def test_groups_keep_fitted_and_predicted_apart(report):
    held, predicted, fitted = (group_rows(report, g) for g in GROUP_WORDS)
    assert {r.trial for r in held} == {"z-fast", "ibis-ii"}
    assert set(map(id, held)) <= set(map(id, predicted))
    assert not {r.trial for r in fitted} & {r.trial for r in held}
    for rows in (held, fitted):
        assert len(density(rows)) + len(not_density(rows)) == len(rows)


def test_scores_with_and_without_recalled_numbers(report):
    rows = group_rows(report, "calibration")
    grid = score_grid(report, rows, ("trial",), links=True)
    assert grid.headers[:6] == ("trial", "n", "RMSE", "MAE", "bias", "in 90 %")
    assert grid.headers[6:] == tuple(f"{h}, read" for h in grid.headers[1:6])
    line = next(words(row) for row in grid.rows if words(row)[0] == "atac")
    scored = [r for r in rows if r.trial == "atac" and r.points is not None]
    read = [r for r in scored if r.row.confidence == "verified"]
    assert len(read) < len(scored)
    for cells, members in ((line[1:6], scored), (line[6:], read)):
        assert cells[0] == str(len(members))
        assert cells[1] == f"{math.sqrt(sum(r.points**2 for r in members) / len(members)):.2f}"
        assert cells[4] == f"{sum(r.covered for r in members)}/{len(members)}"


def test_in_short_names_every_group_and_family(report):
    found = {tuple(words(row)[:2]) for row in in_short(report).rows}
    assert ("held out by rule", "BMD") in found
    assert ("held out by rule", "NTX") in found
    assert ("fitted", "BSAP") in found


def test_classes_come_in_their_order(report):
    names = [words(r)[0] for r in score_grid(report, group_rows(report, "prediction"), ("class",)).rows]
    assert names.index("AI alone") < names.index("AI with bisphosphonate") < names.index("stopped: AI")


def test_worst_rows_carry_their_sentence(report):
    rows = [words(r) for r in worst_grid(report, "marker", n=100).rows]
    sizes = [abs(float(r[-3])) for r in rows]
    assert sizes == sorted(sizes, reverse=True)
    whys = {r[-1] for r in rows}
    assert "a cause that is <known>" in whys
    assert "guess: perhaps the median" in whys
    assert NO_WORDS in whys


def test_a_sentence_holds_for_one_direction_only(report):
    turned = replace(report, misfits=tuple(replace(m, predicted="low") for m in report.misfits))
    assert not any("perhaps" in words(r)[-1] for r in worst_grid(turned, "marker", n=100).rows)


def test_comparison_shows_rows_and_facts(report, plain):
    grid = comparison_grid(report, report.comparisons[0])
    rows = [words(r) for r in grid.rows]
    computed = [r for r in rows if "computed only" in r]
    assert len(rows) - len(computed) == sum(
        r.row.arm == "delayed" and r.row.month == 12 and r.predicted is not None for r in report.trial("z-fast").rows
    )
    assert len(computed) == 2  # the third fact lies past the end of the course
    course = report.trial("z-fast").courses["ctx"].sel(arm="delayed")
    value = float(course.sel(month=12))
    assert computed[0][5] == f"{value:+.1f}"
    assert computed[0][6] == f"{value - 1:+.1f} to {value + 1:+.1f}"
    assert float(computed[1][5]) == pytest.approx(float(course.sel(month=slice(0, 24)).max()), abs=0.05)
    assert comparison_grid(report, report.comparisons[1]) is None
    assert {len(r) for r in rows} == {len(grid.headers)}
    bare = comparison_grid(plain, plain.comparisons[0])
    assert len(bare.headers) == len(grid.headers) - 2
    assert {len(r) for r in bare.rows} == {len(bare.headers)}


def test_table_has_every_row_and_the_same_bytes_again(report, tmp_path):
    path = results_table(report, tmp_path / "r.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(report.results.rows)
    for line, r in zip(rows, report.results.rows, strict=True):
        assert line["trial"] == r.trial
        assert line["cite"] == r.row.cite
        assert float(line["observed"]) == pytest.approx(r.row.value, rel=1e-9)
        assert line["inside"] == {True: "yes", False: "no", None: ""}[r.covered]
        if r.predicted is None:
            assert line["predicted"] == ""
        else:
            assert float(line["predicted"]) == pytest.approx(r.predicted, abs=6e-4)  # three decimals
    assert results_table(report, tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_summary_reads_as_markdown(report, tmp_path):
    path = results_summary(report, tmp_path / "s.md")
    text = path.read_text(encoding="utf-8")
    for word in ("a" * 64, "some-set", "c" * 64, "1.2.3", "seed 7", "## Worst ten misfits", "### Markers of one trial"):
        assert word in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) > 20
    assert all(line.endswith("|") for line in tables)
    assert results_summary(report, tmp_path / "again.md").read_bytes() == path.read_bytes()


def test_grid_in_both_forms():
    grid = Grid(("name", "n"), ((Cell("a|b", link="#x", mark="in"), "1"), ("<c>", "2")), frozenset({1}))
    assert grid_markdown(grid) == "| name | n |\n| --- | --: |\n| a\\|b | 1 |\n| <c> | 2 |"
    html = grid_html(grid)
    assert "<span class='in'><a href='#x'>a|b</a></span>" in html
    assert "&lt;c&gt;" in html


def test_gather_without_draws():
    report = gather(["z-fast"], draws=0)
    assert not report.has_intervals
    assert report.made.note == "no draws were asked for"
    assert len(report.made.model_hash) == len(report.made.evidence_hash) == 64
    assert gather(["z-fast"], draws=0).made == report.made
    other = gather(["z-fast"], parameters="calibrated", draws=0).made
    assert other.parameters == "calibrated"
    assert other.parameters_hash
    assert other.model_hash == report.made.model_hash
