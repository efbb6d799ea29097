"""Derivatives of runs against closed forms and against central differences of tight runs."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from bonepk.engine import Kind, Op, Pattern, Timeline, compile_system
from bonepk.engine.batch import integrate_batch
from bonepk.engine.sensitivity import flow_map, integrate_sensitivity
from bonepk.errors import NotFoundError, SolverError

from .systems import make, turnover


@pytest.fixture(scope="module")
def bateman():
    return compile_system(
        make(
            {"depot": (0.0, "-ka*depot"), "central": ("base", "ka*depot - ke*central")},
            {"ka": 1.3, "ke": 0.2, "base": 0.5},
            outputs={"twice": "2*central*ke"},
        )
    )


def _line(ops, times):
    events = [(o.time, 0, o) for o in ops] + [(t, 1, Op(t, Kind.RECORD, i)) for i, t in enumerate(times)]
    return Timeline.build(0.0, [o for _, _, o in sorted(events, key=lambda e: e[:2])])


def test_closed_form(bateman):
    times = np.array([0.0, 0.7, 2.0, 5.0, 11.0])
    ka, ke, base, dose = 1.3, 0.2, 0.5, 10.0
    line = _line([Op(0.0, Kind.ADD, 0, dose)], times)
    got = integrate_sensitivity(bateman, bateman.parameter_vector(), line, ["ka", "ke", "base"], rtol=1e-10)
    a, e = np.exp(-ka * times), np.exp(-ke * times)
    by_ka = dose * (-ke / (ka - ke) ** 2 * (e - a) + ka / (ka - ke) * times * a)
    by_ke = dose * ka * ((e - a) / (ka - ke) ** 2 - times * e / (ka - ke)) - base * times * e
    np.testing.assert_allclose(got.dy[:, 1], np.array([by_ka, by_ke, e]).T, rtol=1e-7, atol=1e-8)
    c = got.run.y[:, 1]
    want = 2 * np.array([ke * by_ka, ke * by_ke + c, ke * e]).T
    np.testing.assert_allclose(got.doutputs[:, 0], want, rtol=1e-7, atol=1e-8)


def test_dose_amount_and_time(bateman):
    times = np.array([4.0, 6.0, 9.0])
    ops = [
        Op(3.0, Kind.ADD, 0, 10.0),
        Op(5.0, Kind.RATE, 1, 2.0),
        Op(7.5, Kind.RATE, 1, 0.0),
        Op(8.0, Kind.SET, 0, 1.0),
    ]
    line = _line(ops, times)
    rows = {o: int(np.flatnonzero((line.time == o.time) & (line.kind == o.kind))[0]) for o in ops}
    # columns: ka, then amount of the dose, its time, the rate, its start, its end, and time of the SET
    values, shifts = np.zeros((len(line.time), 7)), np.zeros((len(line.time), 7))
    values[rows[ops[0]], 1] = 1.0
    shifts[rows[ops[0]], 2] = 1.0
    values[rows[ops[1]], 3] = 1.0
    shifts[rows[ops[1]], 4] = 1.0
    shifts[rows[ops[2]], 5] = 1.0
    shifts[rows[ops[3]], 6] = 1.0
    p = bateman.parameter_vector()
    got = integrate_sensitivity(bateman, p, line, ["ka"], op_values=values, op_times=shifts, rtol=1e-10)

    def run(changes):
        moved = [o._replace(**changes.get(k, {})) for k, o in enumerate(ops)]
        return integrate_batch(bateman, p, _line(moved, times), rtol=1e-12).y

    h = 1e-4
    for column, (k, what) in enumerate(
        [(0, "value"), (0, "time"), (1, "value"), (1, "time"), (2, "time"), (3, "time")]
    ):
        ends = [run({k: {what: getattr(ops[k], what) + s * h}}) for s in (1, -1)]
        # central differences of runs at 1e-12: error h**2 times the third derivative
        np.testing.assert_allclose(got.dy[:, :, column + 1], (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-7)


def test_against_differences_on_a_stiff_model():
    c = compile_system(turnover(), linear_inputs=["food"])
    ops = [
        Op(0.0, Kind.ADD, 0, 10.0), Op(12.0, Kind.RATE, 1, 0.5), Op(18.0, Kind.INPUT, 0, 1.3, 0.01),
        Op(20.0, Kind.RATE, 1, 0.0), Op(25.0, Kind.ADD, 0, 7.0), Op(33.0, Kind.OFF, 0), Op(40.0, Kind.ON, 0),
        Op(41.0, Kind.ADD, 0, 3.0),
    ]  # fmt: skip
    line = _line(ops, [3.0, 10.0, 15.0, 31.0, 39.0, 60.0])
    names = ["ka", "CL", "V", "vmax", "imax", "hill", "ic50", "kin", "kout", "kslow", "power", "food"]
    p = c.parameter_vector()
    got = integrate_sensitivity(c, p, line, names, rtol=1e-9)
    plain = integrate_batch(c, p, line, rtol=1e-9)
    np.testing.assert_allclose(got.run.y, plain.y, rtol=1e-12, atol=1e-14)  # columns do not change the run
    size = np.abs(plain.y).max(axis=0)
    for k, name in enumerate(names):
        at, h = c.index(name), 1e-4 * abs(p[c.index(name)])
        ends = []
        for s in (1, -1):
            q = p.copy()
            q[at] += s * h
            ends.append(integrate_batch(c, q, line, rtol=1e-12).y)
        want = (ends[0] - ends[1]) / (2 * h)
        off = np.abs(got.dy[:, :, k] - want) * abs(p[at]) / size
        assert off.max() < 2e-6, name  # differences: 1e-8 of curvature; the run itself: 1e-9 a step


def test_reset_takes_the_initial_state_of_the_present_inputs():
    c = compile_system(make({"x": ("u*k", "-k*x")}, {"k": 0.3}, {"u": 2.0}))
    line = _line([Op(4.0, Kind.INPUT, 0, 5.0), Op(4.0, Kind.RESET)], [3.0, 6.0])
    got = integrate_sensitivity(c, c.parameter_vector(), line, ["k", "u"], rtol=1e-10)
    e3, e2 = np.exp(-0.9), np.exp(-0.6)
    np.testing.assert_allclose(got.dy[:, 0, 0], [2 * e3 * (1 - 0.9), 5 * e2 * (1 - 0.6)], rtol=1e-8)
    np.testing.assert_allclose(got.dy[:, 0, 1], [0.3 * e3, 0.0], rtol=1e-8, atol=1e-12)


def test_many_people_in_threads(bateman):
    line = _line([Op(0.0, Kind.ADD, 0, 10.0)], [1.0, 5.0])
    p = np.array([bateman.parameter_vector({"ka": k}) for k in np.linspace(0.4, 3.0, 23)])
    many = integrate_sensitivity(bateman, p, line, ["ka", "ke"], workers=3)
    for i in (0, 11, 22):
        one = integrate_sensitivity(bateman, p[i], line, ["ka", "ke"], workers=1)
        np.testing.assert_array_equal(many.dy[2 * i : 2 * i + 2], one.dy)


def test_flow_map():
    c = compile_system(turnover())
    p = c.parameter_vector()
    y0 = np.array([3.0, 2.0, 20.0, 0.9, 0.9])
    dose = [Op(1.0, Kind.ADD, 0, 4.0)]
    _, slope = flow_map(c, p, y0, 6.0, ops=dose, rtol=1e-10)
    for j in range(c.n):
        h = 1e-4 * y0[j]
        ends = [flow_map(c, p, y0 + s * h * np.eye(c.n)[j], 6.0, ops=dose, rtol=1e-12)[0] for s in (1, -1)]
        np.testing.assert_allclose(slope[:, j], (ends[0] - ends[1]) / (2 * h), rtol=1e-5, atol=1e-7)
    linear = compile_system(make({"a": (0.0, "-2*a + b"), "b": (0.0, "a - 3*b")}))
    _, slope = flow_map(linear, linear.parameter_vector(), np.array([1.0, 2.0]), 1.5)
    values, vectors = np.linalg.eigh([[-2.0, 1.0], [1.0, -3.0]])
    np.testing.assert_allclose(slope, vectors * np.exp(1.5 * values) @ vectors.T, rtol=1e-7)


def test_messages(bateman):
    p = bateman.parameter_vector()
    line = _line([], [1.0])
    with pytest.raises(NotFoundError, match="did you mean 'ka'"):
        integrate_sensitivity(bateman, p, line, ["kaa"])
    with pytest.raises(ValueError, match="one row an operation"):
        integrate_sensitivity(bateman, p, line, ["ka"], op_values=np.zeros((5, 1)))
    with pytest.raises(SolverError, match="machine code"):
        integrate_sensitivity(compile_system(turnover(), "numpy"), p, line, ["ka"])
    steady = Timeline.build(0.0, [Op(1.0, Kind.STEADY)], [Pattern(7.0, ((0.0, 0, 0, 1.0),))])
    with pytest.raises(SolverError, match="resolve them first"):
        integrate_sensitivity(bateman, p, steady, ["ka"])
