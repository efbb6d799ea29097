"""The native batch integrator against closed forms, SciPy at tight tolerance, and itself."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from bonepk.engine import Kind, Op, Pattern, Timeline, compile_system
from bonepk.engine.batch import integrate_batch
from bonepk.engine.integrate import integrate
from bonepk.errors import SolverError

from .systems import make, turnover


def _records(times, start=0.0, ops=()):
    events = [(t, 1, Op(t, Kind.RECORD, i)) for i, t in enumerate(times)] + [(o.time, 0, o) for o in ops]
    return Timeline.build(start, [o for _, _, o in sorted(events, key=lambda e: e[:2])])


@pytest.fixture(scope="module")
def bateman():
    return compile_system(
        make(
            {"depot": (0.0, "-ka*depot"), "central": (0.0, "ka*depot - ke*central")},
            {"ka": 1.3, "ke": 0.2},
            outputs={"twice": "2*central"},
        )
    )


@pytest.fixture(scope="module")
def stiff():
    return compile_system(turnover(), linear_inputs=["food"])


@pytest.mark.parametrize("lanes", [1, 4, 8])
def test_closed_form(bateman, lanes):
    times = np.linspace(0, 30, 61)
    people = 7
    ka, ke = np.linspace(0.5, 2.0, people), 0.2
    p = np.array([bateman.parameter_vector({"ka": k}) for k in ka])
    got = integrate_batch(bateman, p, _records(times, ops=[Op(0.0, Kind.ADD, 0, 10.0)]), rtol=1e-9, lanes=lanes)
    assert (got.status == 0).all()
    t, y, out = got.block
    for i in range(people):
        want = 10 * ka[i] / (ka[i] - ke) * (np.exp(-ke * times) - np.exp(-ka[i] * times))
        # one order above rtol: errors of steps add up
        np.testing.assert_allclose(y[i, :, 1], want, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(y[i, :, 0], 10 * np.exp(-ka[i] * times), rtol=1e-7, atol=1e-10)
    np.testing.assert_array_equal(out[..., 0], 2 * y[..., 1])
    np.testing.assert_array_equal(t, np.broadcast_to(times, (people, 61)))
    np.testing.assert_array_equal(got.last, y[:, -1])


def test_order_of_step_and_of_dense_output():
    # rtol so loose that every step is as long as allowed; order from the slope of error over step
    c = compile_system(make({"x": (1.0, "-2*x*x + sin(t)"), "z": (0.5, "x*z - z + cos(3*t)")}))
    p = c.parameter_vector()
    fine = integrate_batch(c, p, _records([1.97, 2.0]), rtol=1e-13)
    steps = np.array([0.1, 0.05, 0.025, 0.0125])
    error = []
    for h in steps:
        got = integrate_batch(c, p, _records([1.97, 2.0]), rtol=1e6, atol=1e6, max_step=h)
        error.append(np.abs(got.y - fine.y).max(axis=1))
    slope = np.polyfit(np.log(steps), np.log(np.array(error)), 1)[0]
    assert slope[1] > 4.5  # order 5 at the steps
    assert slope[0] > 3.7  # order 4 between them


def test_error_follows_the_tolerance(stiff):
    line = _records(np.arange(0.0, 101.0, 5.0), ops=[Op(0.0, Kind.ADD, 0, 10.0), Op(40.0, Kind.ADD, 0, 20.0)])
    p = stiff.parameter_vector()
    fine = integrate_batch(stiff, p, line, rtol=1e-12).y
    rtol = 10.0 ** -np.arange(3, 10)
    error = [np.max(np.abs(integrate_batch(stiff, p, line, rtol=r).y - fine) / np.abs(fine).max(0)) for r in rtol]
    slope = np.polyfit(np.log10(rtol), np.log10(error), 1)[0]
    assert 0.75 < slope < 1.3
    assert np.all(np.array(error) < 10 * rtol)


_TIME = st.floats(0.0, 60.0).map(lambda t: round(t, 2))
_OPERATION = st.one_of(
    st.builds(lambda t, i, v: Op(t, Kind.ADD, i, v), _TIME, st.integers(0, 1), st.floats(0.1, 20)),
    st.builds(lambda t, i, v: Op(t, Kind.SET, i, v), _TIME, st.integers(0, 1), st.floats(0.1, 20)),
    st.builds(lambda t, i, v: Op(t, Kind.RATE, i, v), _TIME, st.integers(0, 1), st.floats(0.0, 2)),
    st.builds(lambda t, v, s: Op(t, Kind.INPUT, 0, v, s), _TIME, st.floats(0.5, 2), st.floats(0.0, 0.01)),
    st.builds(lambda t, i: Op(t, Kind.OFF, i), _TIME, st.integers(0, 1)),
    st.builds(lambda t, i: Op(t, Kind.ON, i), _TIME, st.integers(0, 1)),
    st.builds(lambda t: Op(t, Kind.RESET), _TIME),
)


@settings(max_examples=25, deadline=None)
@given(ops=st.lists(_OPERATION, max_size=8), rows=st.lists(_TIME, min_size=1, max_size=6))
def test_every_operation_means_what_it_means_to_scipy(ops, rows):
    c = compile_system(turnover(), linear_inputs=["food"])
    # "cell" is read at any drug level, so that small negative amounts cannot stop SciPy's trial steps
    line = _records(sorted([*rows, 60.0]), ops=sorted(ops, key=lambda o: o.time))
    p = c.parameter_vector()
    want = integrate(c, p, line, method="Radau", rtol=1e-9)
    got = integrate_batch(c, p, line, rtol=1e-9)
    assert got.status[0] == 0
    size = np.maximum(np.abs(want.y).max(axis=0), 1e-3)
    assert np.max(np.abs(got.y - want.y) / size) < 3e-7  # both keep 1e-9 a step; the fast state amplifies
    np.testing.assert_array_equal(got.t, want.t)
    np.testing.assert_allclose(got.outputs[:, 0], want.outputs[:, 0], rtol=1e-5, atol=1e-6)


def test_clock_repeats_time(stiff):
    line = Timeline.build(
        0.0,
        [
            Op(0.0, Kind.ADD, 0, 5.0), Op(3.0, Kind.RECORD, 0), Op(10.0, Kind.RECORD, 1), Op(0.0, Kind.CLOCK),
            Op(0.0, Kind.RESET), Op(0.0, Kind.ADD, 0, 5.0), Op(3.0, Kind.RECORD, 2), Op(10.0, Kind.RECORD, 3),
        ],
    )  # fmt: skip
    got = integrate_batch(stiff, stiff.parameter_vector(), line, rtol=1e-10)
    np.testing.assert_array_equal(got.t, [3.0, 10.0, 3.0, 10.0])
    np.testing.assert_allclose(got.y[2:], got.y[:2], rtol=1e-8)


def test_inputs_at_the_start_reach_the_initial_state():
    c = compile_system(make({"x": ("u", "-0.1*x")}, {}, {"u": 1.0}))
    line = Timeline.build(5.0, [Op(5.0, Kind.INPUT, 0, 7.0), Op(5.0, Kind.RECORD, 0), Op(6.0, Kind.RECORD, 1)])
    got = integrate_batch(c, c.parameter_vector(), line, rtol=1e-10)
    np.testing.assert_allclose(got.y[:, 0], [7.0, 7.0 * np.exp(-0.1)], rtol=1e-9)


def _people(c, n, seed=3):
    rng = np.random.default_rng(seed)
    p = np.tile(c.parameter_vector(), (n, 1))
    p[:, : c.n_parameters] *= np.exp(rng.normal(0, 0.2, (n, c.n_parameters)))
    p[:, c.index("imax")] = 0.9  # above 1 the cell would really go below 0
    lines = []
    for i in range(3):
        ops = [Op(float(t), Kind.ADD, 0, 5.0 + i) for t in range(0, 50, 10 + i)]
        lines.append(_records(np.linspace(1.0, 60.0, 5 + i), ops=ops))
    return p, [lines[i % 3] for i in range(n)]


def test_same_numbers_for_any_split(stiff):
    p, lines = _people(stiff, 53)
    one = integrate_batch(stiff, p, lines, workers=1)
    assert (one.status == 0).all()
    for workers in (2, 5):
        many = integrate_batch(stiff, p, lines, workers=workers)
        np.testing.assert_array_equal(one.y, many.y)
        np.testing.assert_array_equal(one.steps, many.steps)
    part = integrate_batch(stiff, p[20:31], lines[20:31])
    np.testing.assert_array_equal(part.y, one.y[one.first[20] : one.first[31]])
    alone = integrate_batch(stiff, p[7], lines[7], rtol=1e-6)
    # a single person runs on scalar code, whose error norm is summed in another order
    np.testing.assert_allclose(alone.y, one.y[one.first[7] : one.first[8]], rtol=1e-6)


def test_one_failure_leaves_the_others_alone():
    c = compile_system(make({"x": (1.0, "k*x*x"), "z": (1.0, "-z")}, {"k": -1.0}))
    k = np.array([-1.0, 1.0, -0.5, 0.2, -2.0])
    p = np.array([c.parameter_vector({"k": v}) for v in k])
    got = integrate_batch(c, p, _records([0.5, 1.5, 3.0]), rtol=1e-8, lanes=4)
    assert (got.status != 0).tolist() == [False, True, False, False, False]
    _, y, _ = got.block
    good = [0, 2, 3, 4]
    np.testing.assert_allclose(y[good, :, 0], 1 / (1 - k[good, None] * np.array([0.5, 1.5, 3.0])), rtol=1e-6)
    assert np.isfinite(y[1, 0]).all()  # before the pole at t = 1
    assert np.isnan(y[1, 1:]).all()
    assert got.stopped[1] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(SolverError, match="person 1: solver stopped at day"):
        got.check(c, p)


def test_nan_is_named():
    c = compile_system(make({"x": (1.0, "-1"), "z": (1.0, "log(x)")}))
    got = integrate_batch(c, c.parameter_vector(), _records([0.5, 2.0]))
    assert got.status[0] == 1
    assert got.stopped[0] == pytest.approx(1.0, abs=1e-3)
    c2 = compile_system(make({"x": (1.0, "a*x")}, {"a": 1.0}))
    broken = c2.parameter_vector({"a": np.nan})
    got = integrate_batch(c2, broken, _records([1.0]))
    assert got.status[0] == 1
    with pytest.raises(SolverError, match="derivative of 'x' is nan"):
        got.check(c2, broken)


def test_too_many_steps(stiff):
    dose = [Op(0.0, Kind.ADD, 0, 10.0)]
    got = integrate_batch(stiff, stiff.parameter_vector(), _records([50.0], ops=dose), max_steps=5)
    assert got.status[0] == 3
    assert got.steps[0] == 5


def test_edges(stiff):
    p = stiff.parameter_vector()
    empty = integrate_batch(stiff, p, Timeline.build(0.0, []))
    assert empty.status[0] == 0
    assert len(empty.t) == 0
    now = integrate_batch(stiff, p, Timeline.build(2.0, [Op(2.0, Kind.RECORD, 0)]))
    np.testing.assert_array_equal(now.y[0], stiff.initial(p))
    with pytest.raises(ValueError, match="shape"):
        integrate_batch(stiff, p[:3], Timeline.build(0.0, []))
    with pytest.raises(ValueError, match="do not match"):
        integrate_batch(stiff, np.tile(p, (3, 1)), [Timeline.build(0.0, [])] * 2)
    with pytest.raises(IndexError):
        integrate_batch(stiff, p, Timeline.build(0.0, [Op(1.0, Kind.ADD, 99, 1.0)]))
    with pytest.raises(SolverError, match="resolve them first"):
        integrate_batch(stiff, p, Timeline.build(0.0, [Op(1.0, Kind.STEADY)], [Pattern(7.0, ((0.0, 0, 0, 1.0),))]))
    with pytest.raises(SolverError, match="machine code"):
        integrate_batch(compile_system(turnover(), "numpy"), p, Timeline.build(0.0, []))


def test_runs_without_the_interpreter_lock(stiff):
    p, lines = _people(stiff, 400)
    integrate_batch(stiff, p[:4], lines[:4], lanes=4)  # code is there before the clock starts
    done = []
    runner = threading.Thread(target=lambda: done.append(integrate_batch(stiff, p, lines, rtol=1e-9, workers=1)))
    runner.start()
    turns = 0
    while not done:
        turns += 1
    runner.join()
    # with the lock held inside, this thread would turn a handful of times around 25 calls
    assert turns > 1000
    assert (done[0].status == 0).all()
