"""Laws that hold between data sets, whatever the numbers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bonepk as bp
from bonepk.errors import RegimenError

MODEL = bp.load(Path(__file__).parents[1] / "conformance" / "models" / "two_compartments.toml")
NAMES = ("TIME", "EVID", "AMT", "CMT", "RATE", "II", "ADDL", "SS")
SEEN = [0.0, 1.0, 5.5, 13.0, 24.0, 48.0, 71.0]

few = settings(max_examples=20, deadline=None)
times = st.integers(0, 40).map(lambda k: k / 2)
amounts = st.floats(1, 200).map(lambda x: round(x, 2))
rates = st.one_of(st.just(0.0), st.floats(2, 80).map(lambda x: round(x, 2)))
lags = st.sampled_from([0.0, 0.0, 1.25, 9.0])
doses = st.tuples(times, st.just(1), amounts, st.integers(1, 3), rates)


def simulate(rows, parameters=None, **options):
    full = [(*r, *([0] * (8 - len(r)))) for r in rows] + [(t, 0, 0, 2, 0, 0, 0, 0) for t in SEEN]
    full.sort(key=lambda r: r[0])
    data = {"ID": [1] * len(full)} | {n: [r[i] for r in full] for i, n in enumerate(NAMES)}
    runs = bp.read_nonmem(data, MODEL, cmt=MODEL.state_names)
    result = bp.simulate_records(runs, parameters=parameters, rtol=1e-9, **options)
    return np.array([result[name].values for name in MODEL.state_names])


def same(a, b):
    # two data sets cut a run at other places; each segment adds a local error of rtol
    assert a == pytest.approx(b, rel=1e-6, abs=1e-7 * max(1.0, np.abs(b).max()))


@few
@given(dose=doses, ii=st.integers(1, 24), addl=st.integers(1, 5), lag=lags)
def test_additional_doses_are_doses(dose, ii, addl, lag):
    lagged = {f"ALAG{i}": lag for i in (1, 2, 3)}
    shorthand = simulate([(*dose, ii, addl)], lagged)
    same(simulate([(dose[0] + n * ii, *dose[1:]) for n in range(addl + 1)], lagged), shorthand)


@few
@given(dose=doses, part=st.floats(0.1, 0.9), f=st.sampled_from([1.0, 0.4, 1.5]))
def test_a_dose_is_its_two_parts(dose, part, f):
    time, evid, amount, cmt, rate = dose
    parts = [(time, evid, amount * q, cmt, rate * q) for q in (part, 1 - part)]  # at rates in proportion: side by side
    values = {f"F{i}": f for i in (1, 2, 3)}
    same(simulate(parts, values), simulate([dose], values))


@few
@given(dose=doses, other=doses)
def test_doses_add_up_in_a_linear_system_and_their_order_does_not_matter(dose, other):
    both = simulate([dose, other])
    same(simulate([other, dose]), both)
    same(simulate([dose]) + simulate([other]), both)


@few
@given(before=st.lists(doses, max_size=3), dose=doses)
def test_reset_and_dose_is_a_reset_and_a_dose(before, dose):
    time, _, *rest = dose
    rows = [d for d in before if d[0] <= time]
    same(simulate([*rows, (time, 4, *rest)]), simulate([*rows, (time, 3), dose]))


@few
@given(before=st.lists(doses, max_size=3), dose=doses)
def test_nothing_from_before_a_reset_is_left_after_it(before, dose):
    time = dose[0]
    after = np.array([t > time for t in SEEN])
    rows = [d for d in before if d[0] <= time]
    same(simulate([*rows, (time, 3), dose])[:, after], simulate([dose])[:, after])


@few
@given(dose=doses, ii=st.integers(2, 24), lag=lags)
def test_steady_state_is_what_many_doses_lead_to(dose, ii, lag):
    _, _, amount, cmt, rate = dose
    lagged = {f"ALAG{i}": lag for i in (1, 2, 3)}
    steady = simulate([(0, 1, amount, cmt, rate, ii, 0, 1)], lagged)
    count = 700 // ii  # the slowest half-life of the model is 26 h
    full = [(-count * ii, 1, amount, cmt, rate, ii, count, 0)]
    same(simulate(full, lagged, engine="native"), steady)


@few
@given(dose=doses, ii=st.integers(2, 24))
def test_ss2_adds_what_ss1_puts(dose, ii):
    row = (0, 1, dose[2], dose[3], dose[4], ii, 0)
    base = (0, 1, 77.0, 2, 7.0)
    same(simulate([base, (*row, 2)]), simulate([base]) + simulate([(*row, 1)]))


@few
@given(dose=doses, extra=st.lists(times, max_size=4))
def test_other_events_change_nothing(dose, extra):
    same(simulate([dose, *((t, 2, 0, 2) for t in extra)]), simulate([dose]))


@pytest.mark.parametrize(
    ("values", "row", "text"),
    [
        ({"ALAG2": -1.0}, (0, 1, 10, 2), "record 1: lag of 'to_central' is -1; a number not below 0"),
        ({"F2": -0.5}, (0, 1, 10, 2), "record 1: bioavailability of 'to_central' is -0.5"),
        ({"D2": -2.0}, (0, 1, 10, 2, -2), "record 1: RATE -2 into 'to_central', whose duration is -2"),
        ({"R2": 0.0}, (0, 1, 10, 2, -1), "record 1: RATE -1 into 'to_central', whose rate is 0; a modelled rate"),
    ],
)
def test_dose_parameters_that_make_no_sense(values, row, text):
    with pytest.raises(RegimenError, match=text):
        simulate([row], values)
