"""The page is whole, needs no other file, and leads from every number to its citation."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bonepk.report import validation_page
from bonepk.report.cells import anchor, interval_words, source_line
from bonepk.report.forest import drawable, forest_svg
from bonepk.report.scatter import scatter_svg
from bonepk.report.summaries import group_rows


class Tags(HTMLParser):
    """Counts rows and links, and checks that tags close in order."""

    VOID = frozenset({"meta", "br", "circle", "line", "hr"})

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.links, self.ids = [], 0, [], []

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.rows += tag == "tr"
        if tag == "a":
            self.links.append(about["href"])
        if "id" in about:
            self.ids.append(about["id"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def read(text):
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


@pytest.fixture(scope="module")
def text(report, tmp_path_factory):
    return validation_page(report, tmp_path_factory.mktemp("page") / "v.html").read_text(encoding="utf-8")


def test_page_is_whole_and_traces_every_number(report, text):
    tags = read(text)
    assert tags.rows > len(report.results.rows)
    assert "src=" not in text  # self-contained
    assert "<script" not in text
    for result in report.results.trials:
        assert result.trial.name in tags.ids
        for citation in result.trial.citations.values():
            assert not citation.doi or f"https://doi.org/{citation.doi}" in tags.links
        for row in result.rows:
            assert anchor(row) in tags.ids
            assert f"#{result.trial.name}-{row.row.cite}" in tags.links
            assert source_line(row.row) in text
    for name in report.results.split.left_out:
        assert name.split("(")[0].strip() in text


def test_links_inside_the_page_lead_somewhere(report, text):
    """Sections of trials that were not run are the only ones that may be missing: the split lists every trial."""
    tags = read(text)
    assert len(tags.ids) == len(set(tags.ids))
    run = {t.trial.name for t in report.results.trials}
    gone = {link[1:] for link in tags.links if link.startswith("#")} - set(tags.ids)
    assert gone == set(report.results.split.use) - run


def test_page_says_what_it_was_made_from(text):
    for word in ("aibl, " + "a" * 64, "some-set, " + "b" * 64, "c" * 64, "1.2.3", "50 draws", "seed 7"):
        assert word in text
    assert "bonepk validate --set some-set --draws 50 --seed 7" in text


def test_intervals_stand_in_their_rows(report, text):
    shown = [r for t in report.results.trials for r in t.rows if r.covered is not None]
    assert shown
    for r in shown:
        line = next(part for part in text.split("<tr ") if part.startswith(f"id='{anchor(r)}'"))
        assert interval_words(r) in line
        assert (">inside<" in line) is r.covered
        assert (">outside<" in line) is not r.covered


def test_without_intervals_there_are_no_columns_for_them(plain, tmp_path):
    text = validation_page(plain, tmp_path / "v.html").read_text(encoding="utf-8")
    read(text)
    assert "No predictive intervals: the set has no covariance." in text
    assert "90 % interval" not in text
    assert ">inside<" not in text


def test_page_escapes_what_files_say(report, tmp_path):
    first = report.results.trials[0]
    odd = replace(first, trial=replace(first.trial, title="<b>&"))
    results = replace(report.results, trials=(odd, *report.results.trials[1:]))
    text = validation_page(replace(report, results=results), tmp_path / "v.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text


def test_scatter_has_a_point_for_each_number(report, plain):
    kinds = {"percent_change", "difference", "relative_difference", "versus_premenopausal"}
    expected = sum(r.points is not None and r.row.kind in kinds for r in report.results.rows)
    for one, extra in ((plain, 0), (report, expected)):
        root = ET.fromstring(scatter_svg(one.results.rows))
        assert sum(el.tag == "circle" for el in root.iter()) == expected + 2  # two in the legend
        assert sum(el.get("stroke-opacity") == ".22" for el in root.iter()) == extra


def test_forest_has_two_points_and_an_interval_for_each_number(report):
    rows = drawable(group_rows(report, "held_out"))
    root = ET.fromstring(forest_svg(report, rows, "all"))
    assert sum(el.tag == "circle" for el in root.iter()) == 2 * len(rows)
    bars = [el for el in root.iter() if el.get("stroke-width") == "3"]
    assert len(bars) == len(rows)
    for bar in bars:
        assert float(bar.get("x1")) < float(bar.get("x2"))
    outside = sum((el.text or "").endswith("outside") for el in root.iter())
    assert outside == sum(r.covered is False for r in rows)


def test_forest_of_nothing_is_empty(report):
    assert forest_svg(report, [], "none") == ""


def test_page_stays_light(text):
    rows = len(re.findall(r"<tr id=", text))
    assert len(text) < 3000 * rows  # so that a thousand rows stay below 3 MB
