import pytest

from bonepk.errors import RegimenError
from bonepk.simulate.calendar import MONTH, YEAR, days_of, in_words, per_day


@pytest.mark.parametrize(
    ("span", "days"),
    [
        ("6 months", 182.625),
        ("1 month", 30.4375),
        ("2 years", 730.5),
        ("-18 months", -547.875),
        ("1 week", 7.0),
        ("15 minutes", 15 / 1440),
        ("2 h", 2 / 24),
        ("90 min", 90 / 1440),
        ("1e2 d", 100.0),
        (12, 12.0),
        (-0.5, -0.5),
    ],
)
def test_spans(span, days):
    assert days_of(span) == pytest.approx(days, rel=1e-15)


def test_twelve_months_are_a_year():
    assert 12 * MONTH == YEAR


@pytest.mark.parametrize("span", ["6", "months", "six months", "6 moons", "", "1 2 days"])
def test_what_is_no_span_says_what_is(span):
    with pytest.raises(RegimenError, match=r"gap: '.*' is no span of time; write a number and s, minutes"):
        days_of(span, "gap")


@pytest.mark.parametrize("span", [float("nan"), float("inf")])
def test_a_span_is_finite(span):
    with pytest.raises(RegimenError, match="is not finite"):
        days_of(span)


@pytest.mark.parametrize("days", [0, 1, 7, 30.4375, 182.625, 365.25, 15 / 1440, 10.5, 3 / 24, 1234.567])
def test_words_mean_the_same_days(days):
    assert days_of(in_words(days)) == pytest.approx(days, rel=1e-9)


def test_words_are_short():
    assert [in_words(d) for d in (182.625, 365.25, 1, 15 / 1440, 14)] == [
        "6 months",
        "1 year",
        "1 day",
        "15 minutes",
        "2 weeks",
    ]


def test_model_time_units():
    assert per_day("hour") == pytest.approx(24.0)
    assert per_day("day") == 1.0
    with pytest.raises(RegimenError, match="model time unit 'fortnight' is not known"):
        per_day("fortnight")
