from pathlib import Path

import pytest
from women import woman

from bonepk.decide import (
    assess,
    compare,
    comparison_text,
    decision_text,
    guideline_names,
    guideline_text,
    guidelines_text,
    load_guideline,
)
from bonepk.decide.vocabulary import VOCABULARY

ALL = (*guideline_names(), *guideline_names("limits"))


def test_a_decision_has_answer_reason_branch_source_and_warning():
    text = decision_text(assess(woman(-2.3)))
    for part in (
        "bone treatment: treat",
        "branch: T below -2.0",
        "lowest T-score of the sites measured -2.3 (< -2)",
        "denosumab 60 mg every 6 months",
        "source: news, read",
        "doi:10.1016/j.jbo.2017.03.001",
        "research software; no medical advice",
    ):
        assert part in text
    assert str(assess(woman(-2.3))) == text


def test_a_gap_is_told_apart_from_what_is_printed():
    text = decision_text(assess(woman(-1.7)))
    assert "bone treatment: gap (the rule leaves this case open)" in text
    assert "bonepk's reading: observe: DXA again at 12 months (in no source)" in text
    assert "recalled, not read: list 'risk'" in text


def test_missing_facts_are_asked_for_by_name_and_meaning():
    text = decision_text(assess(woman()))
    assert "needs: t_score" in text
    assert "dxa_available (DXA can be had)" in text


def test_side_by_side():
    text = comparison_text(compare(woman(-1.7)))
    for name in guideline_names():
        assert name in text
    assert "gap (we read: observe)" in text
    assert "frax_major: asco-2019, nccn-2013" in text


@pytest.mark.parametrize("name", ALL)
def test_rules_are_shown_whole(name):
    rules = load_guideline(name)
    text = guideline_text(rules)
    one_line = " ".join(text.split())
    for topic in rules.topics:
        for entry in topic.entries:
            assert " ".join(entry.name.split()) in one_line
    assert max(len(line) for line in text.splitlines() if "http" not in line) <= 118
    assert name in guidelines_text()


def test_the_page_names_every_fact_and_guideline():
    page = (Path(__file__).parents[2] / "docs" / "guidelines.md").read_text(encoding="utf-8")
    for name in (*VOCABULARY, *ALL):
        assert f"`{name}`" in page
    assert "Nothing here is medical advice" in page
