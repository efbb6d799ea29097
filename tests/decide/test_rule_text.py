import pytest

from bonepk.decide import Facts, assess, read_guideline
from bonepk.errors import DataError

HEAD = """
[guideline]
title = "Ours"
year = 2024
about = "women"
[citations]
us = { text = "us" }
[lists.risk]
cite = "us"
confidence = "verified"
factors = [
  { name = "old", when = { fact = "age", above = 65, unit = "year" } },
  { name = "smokes", when = { fact = "smoking", is = true } },
]
"""

TOPIC = """
[[topics]]
name = "treatment"
title = "treatment"
[[topics.branches]]
name = "low"
when = { fact = "t_score", below = -2.0 }
outcome = "treat"
say = "treat"
why = "low"
cite = "us"
confidence = "verified"
[[topics.branches]]
name = "rest"
outcome = "observe"
say = "wait"
why = "not low"
cite = "us"
confidence = "memory"
"""


def read(text):
    return read_guideline(text, file="ours.toml")


def faults(text):
    with pytest.raises(DataError) as error:
        read(text)
    return [str(f) for f in error.value.faults]


def test_a_small_guideline_reads_and_answers():
    rules = read(HEAD + TOPIC)
    assert rules.name == "ours"
    assert assess(Facts(t_total_hip=-2.4), rules).outcome == "treat"
    assert assess(Facts(t_total_hip=-2.0), rules).outcome == "observe"
    assert assess(Facts(), rules).main.needs == ("t_score",)


def test_every_fault_has_its_line():
    text = HEAD + TOPIC.replace('"treat"\nsay', '"tret"\nsay').replace('"t_score", below', '"t_skore", below').replace(
        'cite = "us"\nconfidence = "memory"', 'cite = "uss"\nconfidence = "sure"'
    )
    found = faults(text)
    assert len(found) == 4
    assert all(f.startswith("ours.toml:") for f in found)
    assert any("unknown fact 't_skore'; did you mean 't_score'?" in f for f in found)
    assert any("unknown outcome 'tret'; did you mean 'treat'?" in f for f in found)
    assert any("unknown citation 'uss'; did you mean 'us'?" in f for f in found)
    line = text[: text.index('"sure"')].count("\n") + 1
    assert any(f.startswith(f"ours.toml:{line} [") and "unknown confidence 'sure'" in f for f in found)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ('{ fact = "age", above = 65 }', "no unit; 'age' is in year"),
        ('{ fact = "creatinine_rise", above = 44, unit = "umol/L" }', "'creatinine_rise' is in mg/dL"),
        ('{ fact = "age", above = 650, unit = "year" }', "between 18 and 110"),
        ('{ fact = "t_score", below = -2, above = -1 }', "no number lies within"),
        ('{ fact = "t_score", at_least = -2, below = -2 }', "no number lies within"),
        ('{ fact = "t_score" }', "nothing to compare with"),
        ('{ fact = "smoking", is = "yes" }', "true or false"),
        ('{ fact = "smoking" }', "no 'is'"),
        ('{ fact = "menopause", is = "natrual" }', "did you mean 'natural'?"),
        ('{ fact = "menopause", one_of = ["early"] }', "unknown menopause 'early'"),
        ('{ fact = "t_score", less = -2 }', "unknown key 'less'"),
        ('{ count = "risks", at_least = 1 }', "did you mean 'risk'?"),
        ('{ count = "risk", at_least = 1, without = ["olde"] }', "did you mean 'old'?"),
        ("{ all = [] }", "an empty list"),
        ('{ fact = "smoking", all = [], is = true }', "fact and all together"),
        ("{ t_score = -2 }", "no condition"),
        ("{ fact = \"__import__('os')\", below = 1 }", "unknown fact"),
    ],
)
def test_conditions_that_mean_nothing_are_refused(when, expected):
    found = faults(HEAD + TOPIC.replace('{ fact = "t_score", below = -2.0 }', when))
    assert any(expected in f for f in found), found


def test_deep_nesting_is_refused():
    when = "{ not = " * 12 + '{ fact = "smoking", is = true }' + " }" * 12
    assert "nested deeper than 8" in faults(HEAD + TOPIC.replace('{ fact = "t_score", below = -2.0 }', when))[0]


def test_a_branch_out_of_reach_is_refused():
    lower = TOPIC.split("[[topics.branches]]")[1].replace('"low"\nwhen', '"lower"\nwhen').replace("-2.0", "-2.5")
    text = HEAD + TOPIC.replace(
        '[[topics.branches]]\nname = "rest"', f'[[topics.branches]]{lower}[[topics.branches]]\nname = "rest"'
    )
    assert "'lower' can never be reached" in faults(text)[0]


def test_a_case_that_nothing_covers_is_refused_with_an_example():
    text = HEAD + TOPIC.replace('outcome = "observe"', 'when = { fact = "t_score", above = -2.0 }\noutcome = "observe"')
    (found,) = faults(text)
    assert "says nothing of t_score = -2" in found
    assert "declare the gap" in found
    gap = (
        '[[topics.gaps]]\nname = "at -2"\nkind = "printed"\nwhy = "not printed"\ncite = "us"\nconfidence = "verified"\n'
    )
    decision = assess(Facts(t_total_hip=-2.0), read(text + gap))
    assert decision.outcome == "gap"
    assert decision.main.branch == "at -2"
    assert decision.main.reading == ""


def test_a_count_left_open_by_missing_factors():
    rules = read(HEAD + TOPIC.replace('{ fact = "t_score", below = -2.0 }', '{ count = "risk", at_least = 1 }'))
    assert assess(Facts(age=70), rules).outcome == "treat"  # one is enough, whatever the other
    assert assess(Facts(age=60, smoking=False), rules).outcome == "observe"
    open_one = assess(Facts(age=60), rules).main
    assert open_one.outcome == "open"
    assert open_one.needs == ("smoking",)
    assert open_one.possible == ("treat (low)", "observe (rest)")


def test_whom_it_is_for_may_count_by_a_list():
    text = HEAD.replace('about = "women"', 'about = "women"\napplies = { count = "risk", at_least = 1 }') + TOPIC
    assert assess(Facts(age=60, smoking=False), read(text)).outcome == "not_applicable"
    assert assess(Facts(age=70, t_total_hip=-1.0), read(text)).outcome == "observe"
    assert assess(Facts(age=60), read(text)).main.needs == ("smoking",)
