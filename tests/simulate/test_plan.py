import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bonepk as bp
from bonepk.errors import RegimenError
from bonepk.simulate.plan import Course, Plan


def test_every_six_months_is_182_625_days():
    (course,) = bp.every("denosumab", "60 mg", months=6, doses=4).courses
    assert course.times.tolist() == [0.0, 182.625, 365.25, 547.875]


@pytest.mark.parametrize(
    ("plan", "count", "last"),
    [
        (bp.daily("x", "1 mg", years=5), 1827, 1826.0),  # 1826.25 days: the dose of day 1826 is in
        (bp.daily("x", "1 mg", years=4), 1461, 1460.0),  # ends on a whole day: that day's dose is not
        (bp.weekly("x", "1 mg", years=1), 53, 364.0),
        (bp.every("x", "1 mg", months=6, years=2), 4, 547.875),
        (bp.every("x", "1 mg", months=6, until="24 months"), 4, 547.875),
        (bp.every("x", "1 mg", months=6, until="24 months", start="12 months"), 2, 547.875),
        (bp.every("x", "1 mg", weeks=1, days=3, doses=3), 3, 20.0),
        (bp.daily("x", "1 mg", months=6), 183, 182.0),
        (bp.dose("x", "1 mg", at="3 months"), 1, 91.3125),
    ],
)
def test_how_many_doses(plan, count, last):
    (course,) = plan.courses
    assert (course.doses, course.times[-1]) == (count, pytest.approx(last))


spans = st.floats(-1000, 1000).map(lambda x: round(x, 3))
plans = st.one_of(
    st.builds(lambda s, n: bp.every("a", "1 mg", days=7, doses=n, start=s), spans, st.integers(1, 9)),
    st.builds(lambda s: bp.dose("b", 3.0, at=s), spans),
    st.builds(lambda s, n: bp.switch("c", n, start=s, stop=s + n), spans, st.integers(1, 9)),
    st.builds(lambda s: bp.infusion("d", "4 mg", over="15 minutes", at=s), spans),
)


@given(plans, plans, plans)
def test_adding_does_not_depend_on_order_or_grouping(a, b, c):
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Plan() == a
    assert sum([a, b, c]) == a + b + c


@given(plans, plans, st.floats(0, 100))
def test_what_follows_starts_where_the_first_ends(a, b, gap):
    joined = a.then(b, gap=gap)
    assert joined == a + b.shift(days=a.end + gap)
    if b.start >= 0:
        assert joined.end >= a.end


@given(plans, spans, spans)
def test_shifts_add_up(a, x, y):
    once, twice = a.shift(days=x + y), a.shift(days=x).shift(days=y)
    assert once.start == pytest.approx(twice.start, abs=1e-9)
    assert once.end == pytest.approx(twice.end, abs=1e-9)


@given(plans, plans, spans)
def test_stopping_a_sum_is_stopping_its_parts(a, b, day):
    assert (a + b).stop(day) == a.stop(day) + b.stop(day)
    assert a.stop(day).stop(day) == a.stop(day)
    assert all((c.times < day).all() for c in a.stop(day).courses)


def test_the_end_is_the_last_dose_plus_its_interval():
    assert bp.every("x", "1 mg", months=6, doses=4).end == pytest.approx(730.5)
    assert bp.daily("x", "1 mg", doses=10, start=5).end == 15.0
    assert bp.infusion("x", "1 mg", over="2 days", at=3).end == 5.0
    assert Plan().end == 0.0


def test_then_puts_zoledronate_six_months_after_the_last_denosumab():
    plan = bp.every("denosumab", "60 mg", months=6, doses=4).then(bp.infusion("zoledronate", "5 mg", over="15 minutes"))
    assert plan.of("zoledronate").start == pytest.approx(24 * 30.4375)


def test_stop_keeps_what_was_given_and_restart_gives_what_was_cut():
    whole = bp.every("x", "60 mg", months=6, doses=10)
    stopped = whole.stop("24 months")
    assert stopped.courses[0].doses == 4
    again = stopped.restart("36 months")
    assert [c.doses for c in again.courses] == [4, 6]
    assert again.courses[1].start == pytest.approx(36 * 30.4375)
    assert stopped.restart("36 months", doses=2).courses[1].doses == 2
    assert stopped.restart("36 months", until="48 months").courses[1].doses == 2
    with pytest.raises(RegimenError, match="no stopped course to take up"):
        whole.restart("12 months")


def test_stop_by_name_leaves_the_rest():
    plan = bp.daily("x", "1 mg", doses=10) + bp.daily("y", "1 mg", doses=10) + bp.switch("z")
    assert plan.stop(5, "y", "z").stop(7, "x") == bp.daily("x", "1 mg", doses=10).stop(7) + bp.daily(
        "y", "1 mg", doses=10
    ).stop(5) + bp.switch("z", stop=5)


def test_a_spread_course_stops_at_the_day_itself():
    (course,) = bp.every("x", "70 mg", weeks=1, doses=10, spread=True).stop(24.5).courses
    assert course.length == 24.5


def test_what_a_plan_reads_like():
    plan = bp.every("denosumab", "60 mg", months=6, doses=6) + bp.switch("calcium", start=0, stop="1 year")
    plan += bp.infusion("zoledronate", "4 mg", over="15 minutes", at="3 years") + bp.daily(
        "letrozole", "2.5 mg", years=1, spread=True
    )
    assert repr(plan) == (
        "Plan(calcium = 1 from 0 days to 1 year; "
        "denosumab 60 mg every 6 months, 6 doses from 0 days; "
        "letrozole 2.5 mg spread evenly over each 1 day, at 0 days for 366 days; "
        "zoledronate 4 mg over 15 minutes at 3 years)"
    )


def test_plans_are_values():
    plan = bp.daily("x", "1 mg", doses=3) + bp.switch("z")
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert hash(plan) == hash(bp.switch("z") + bp.daily("x", "1 mg", doses=3))
    assert not Plan()
    assert plan.drugs == ("x",)
    with pytest.raises(AttributeError):
        plan.parts = ()
    assert isinstance(plan.courses[0], Course)
    assert np.isinf(plan.switches[0].stop)


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: bp.every("x", "1 mg", doses=3), ["interval of 0 days; an interval above 0"]),
        (lambda: bp.every("x", "1 mg", months=6), ["no length; one of doses=, years= or until="]),
        (lambda: bp.every("x", "1 mg", months=6, doses=3, years=2), ["doses= and years= together"]),
        (lambda: bp.every("x", "1 mg"), ["interval of 0 days", "no length"]),
        (lambda: bp.daily("x", "1 mg", doses=0), ["0 doses; a whole number of at least 1"]),
        (lambda: bp.daily("x", "1 mg", until="1 month", start="2 months"), ["0 doses"]),
        (lambda: bp.dose("x", -5.0), ["amount -5.0; a number not below 0"]),
        (lambda: bp.dose("x", "-5 mg", over=-1), ["amount '-5 mg'", "infused over -1 day"]),
        (lambda: bp.dose("x", "5 mg", at="later"), ["'later' is no span of time"]),
        (lambda: bp.daily("x", "5 mg", doses=2, spread=True, over=0.5), ["spread=True together with over="]),
        (lambda: bp.switch("z", start=5, stop=5), ["stop at 5 days is not after start at 5 days"]),
        (lambda: bp.switch("z", float("nan")), ["nan is not a finite number"]),
    ],
)
def test_all_that_is_wrong_is_said_at_once(make, texts):
    with pytest.raises(RegimenError) as caught:
        make()
    for text in texts:
        assert text in str(caught.value)
