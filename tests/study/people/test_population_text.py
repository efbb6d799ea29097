"""Population files: every fault with its line, all at once; what is not said comes from the base."""

import pytest

from bonepk.errors import DataError, NotFoundError
from bonepk.study.people import load_population, read_population

HEAD = """
[population]
title = "Some women"
description = "women"
based_on = "postmenopausal"
"""


def test_a_file_says_only_what_differs():
    base = load_population("postmenopausal")
    text = HEAD + '[traits.age]\nkind = "normal"\nmean = 70\nsd = 3\nsource = "made up"\n'
    made = read_population(text, file="some.toml")
    assert made.name == "some"
    assert made.spreads["age"].centre == 70
    assert made.spreads["bmi"] == base.spreads["bmi"]
    assert made.effects == base.effects
    assert made.entry == base.entry
    assert (made.spreads["age"].low, made.spreads["age"].high) == (18, 110)


def test_faults_are_told_together():
    text = HEAD + (
        '[traits.agee]\nkind = "normal"\n'
        '[traits.bmi]\nkind = "share"\nshare = 20\nsource = "assumed"\n'
        '[traits.height]\nkind = "normal"\nmean = 16\nsd = -1\nsource = "x"\nslops = []\n'
        '[variability.S50]\ncv = 0.2\nsd = 0.1\nsource = "x"\n'
        '[precision]\nspine = { cv = 0.01, source = "x" }\n'
        '[[entry]]\ntrait = "age"\n'
        '[[targets]]\ntrait = "age"\nat_least = 60\nmean = 62\nsource = "x"\n'
        '[[correlations]]\na = "age"\nb = "S50"\nr = 0.5\nsource = "x"\n'
    )
    with pytest.raises(DataError) as caught:
        read_population(text, file="bad.toml")
    found = str(caught.value)
    for part in (
        "bad.toml:6 [traits.agee]: unknown trait 'agee'; did you mean 'age'",
        "[traits.bmi.kind]: 'share'; 'normal', 'lognormal' or 'fixed'",
        "assumed without a 'note'",
        "[traits.height.mean]: found 16; expected between 1.2 and 2.1",
        "unknown key 'slops'; did you mean 'slopes'",
        "[variability.S50]: neither or both of 'sd' and 'cv'",
        "unknown measure 'spine'",
        "no bound; 'at_least' or 'below'",
        "a bound without a 'share'",
        "'age' with 'S50'; no 'S50' there; two traits, or two parameters",
    ):
        assert part in found


def test_a_whole_population_must_be_described():
    text = '[population]\ntitle = "x"\ndescription = "x"\n[traits.age]\nkind = "fixed"\nvalue = 60\nsource = "x"\n'
    with pytest.raises(DataError, match=r"nothing said of 'age_at_menopause', 'bmi'.*add based_on"):
        read_population(text, file="bare.toml")


def test_slopes_must_not_go_round():
    text = HEAD + (
        '[traits.age]\nkind = "normal"\nmean = 60\nsd = 5\nsource = "x"\nslopes = [{ on = "bmi", per = 0.1 }]\n'
        '[traits.bmi]\nkind = "normal"\nmean = 26\nsd = 4\nsource = "x"\nslopes = [{ on = "age", per = 0.1 }]\n'
    )
    with pytest.raises(DataError, match="go round in a circle"):
        read_population(text, file="round.toml")


def test_correlations_nobody_can_have():
    text = HEAD + '[[correlations]]\na = "t_score_lumbar_spine"\nb = "t_score_femoral_neck"\nr = -0.9\nsource = "x"\n'
    with pytest.raises(DataError, match="no one can have all these correlations"):
        read_population(text, file="odd.toml")


def test_unknown_names():
    with pytest.raises(NotFoundError, match="did you mean 'abcsg-18'"):
        load_population("abcsg18")
    with pytest.raises(DataError, match="unknown population 'nowhere'"):
        read_population(HEAD.replace("postmenopausal", "nowhere"), file="x.toml")
