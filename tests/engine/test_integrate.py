"""Integration along a timeline against closed forms; the semantics are those of the timeline module's text."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonepk.engine import compile_system
from bonepk.engine.integrate import integrate
from bonepk.engine.timeline import Kind, Op, Pattern, Timeline
from bonepk.errors import SolverError
from bonepk.model.expr import ONE, ZERO, call, num, sym
from bonepk.model.system import Input, Output, Parameter, State, System

METHODS = ["LSODA", "BDF", "Radau"]
KA, K = 1.5, 0.3


def system(rates, initial, parameters=(), inputs=(), outputs=()):
    return System(
        name="test",
        title="test",
        time_unit="day",
        states=tuple(State(n, "1", e) for n, e in initial.items()),
        parameters=tuple(Parameter(n, v, "1", "assumed") for n, v in dict(parameters).items()),
        inputs=tuple(Input(n, v, "1") for n, v in dict(inputs).items()),
        derived=(),
        quantities=(),
        rates=tuple(rates),
        fluxes=(),
        routes=(),
        outputs=tuple(Output(n, e, "1") for n, e in dict(outputs).items()),
    )


def chain():
    """Depot to central with elimination k*u; initial of central is the input u0."""
    depot, central, u = sym("depot"), sym("central"), sym("u")
    return compile_system(
        system(
            [-(sym("ka") * depot), sym("ka") * depot - sym("k") * u * central],
            {"depot": ZERO, "central": sym("u0")},
            {"ka": KA, "k": K},
            {"u": 1.0, "u0": 0.0},
            {"concentration": central / (num(2.0) * u)},
        ),
        backend="numpy",
        linear_inputs=("u",),
    )


@pytest.fixture(scope="module")
def kinetic():
    return chain()


def go(compiled, ops, start=0.0, patterns=(), **options):
    options.setdefault("rtol", 1e-9)
    p = compiled.parameter_vector({})
    return integrate(compiled, p, Timeline.build(start, ops, patterns), **options)


def decay(t):
    return math.exp(-K * t)


def oral(t):
    return KA / (KA - K) * (math.exp(-K * t) - math.exp(-KA * t))


@pytest.mark.parametrize("method", METHODS)
def test_doses_infusions_and_records_at_the_same_time_act_in_order(kinetic, method):
    ops = [
        Op(1.0, Kind.RECORD, 0),
        Op(1.0, Kind.ADD, 1, 10.0),
        Op(1.0, Kind.RECORD, 1),
        Op(1.0, Kind.ADD, 0, 4.0),
        Op(2.0, Kind.RATE, 1, 3.0),
        Op(3.0, Kind.RECORD, 2),
        Op(4.0, Kind.RATE, 1, 0.0),
        Op(6.0, Kind.RECORD, 3),
    ]
    central = go(kinetic, ops, method=method).y[:, 1]
    at_3 = 10 * decay(2) + 4 * oral(2) + 3 / K * (1 - decay(1))
    at_6 = 10 * decay(5) + 4 * oral(5) + 3 / K * (1 - decay(2)) * decay(2)
    assert central == pytest.approx([0, 10, at_3, at_6], rel=1e-7)


def test_a_state_that_nothing_reaches_is_exactly_zero(kinetic):
    ops = [Op(0.0, Kind.ADD, 1, 5.0), Op(1.0, Kind.RATE, 1, 2.0), Op(2.0, Kind.RATE, 1, 0.0), Op(9.0, Kind.RECORD, 0)]
    assert go(kinetic, ops).y[0, 0] == 0.0


def test_inputs_step_and_slope_and_outputs_use_them_at_their_record(kinetic):
    ops = [
        Op(0.0, Kind.ADD, 1, 1.0),
        Op(1.0, Kind.INPUT, 0, 3.0),
        Op(2.0, Kind.RECORD, 0),
        Op(2.0, Kind.INPUT, 0, 0.5, 0.25),
        Op(2.0, Kind.RECORD, 1),
        Op(6.0, Kind.RECORD, 2),
    ]
    trace = go(kinetic, ops)
    after = math.exp(-K * (1 + 3)), math.exp(-K * (1 + 3 + 0.5 * 4 + 0.125 * 16))
    assert trace.y[:, 1] == pytest.approx([after[0], after[0], after[1]], rel=1e-7)
    assert trace.inputs[:, 0].tolist() == [3.0, 0.5, 1.5]
    assert trace.outputs[:, 0] == pytest.approx(trace.y[:, 1] / (2 * trace.inputs[:, 0]))


def test_initial_state_takes_inputs_set_at_the_start_and_reset_those_of_its_moment(kinetic):
    ops = [
        Op(-2.0, Kind.INPUT, 1, 7.0),
        Op(-2.0, Kind.RECORD, 0),
        Op(0.0, Kind.RATE, 1, 5.0),
        Op(1.0, Kind.INPUT, 1, 4.0),
        Op(2.0, Kind.RESET),
        Op(2.0, Kind.RECORD, 1),
        Op(3.0, Kind.RECORD, 2),
    ]
    assert go(kinetic, ops, start=-2.0).y[:, 1] == pytest.approx([7.0, 4.0, 4.0 * decay(1)], rel=1e-8)


def test_a_slope_needs_an_input_compiled_for_it(kinetic):
    with pytest.raises(ValueError, match="not compiled as a linear input"):
        go(kinetic, [Op(0.0, Kind.ADD, 1, 1.0), Op(0.0, Kind.INPUT, 1, 1.0, 0.5), Op(1.0, Kind.RECORD, 0)])


def test_off_stops_flow_dose_and_infusion_and_on_starts_from_nothing(kinetic):
    ops = [
        Op(0.0, Kind.ADD, 0, 8.0),
        Op(1.0, Kind.OFF, 1),
        Op(1.0, Kind.ADD, 1, 99.0),
        Op(1.0, Kind.RATE, 1, 99.0),
        Op(2.0, Kind.RECORD, 0),
        Op(2.0, Kind.RATE, 1, 0.0),
        Op(2.0, Kind.ON, 1),
        Op(4.0, Kind.RECORD, 1),
    ]
    y = go(kinetic, ops).y
    assert y[0] == pytest.approx([8 * math.exp(-2 * KA), 0.0])
    assert y[1, 1] == pytest.approx(8 * math.exp(-2 * KA) * oral(2), rel=1e-7)


def test_the_clock_may_go_back_and_set_replaces(kinetic):
    ops = [
        Op(5.0, Kind.SET, 1, 2.0),
        Op(6.0, Kind.RECORD, 0),
        Op(1.0, Kind.CLOCK),
        Op(2.0, Kind.RECORD, 1),
    ]
    trace = go(kinetic, ops)
    assert trace.t.tolist() == [6.0, 2.0]
    assert trace.y[:, 1] == pytest.approx([2 * decay(1), 2 * decay(2)], rel=1e-8)


def test_time_in_the_equations_is_model_time():
    rate = call("cos", sym("t"))
    compiled = compile_system(system([rate], {"x": ZERO}), backend="numpy")
    trace = go(compiled, [Op(-1.0, Kind.RECORD, 0), Op(2.0, Kind.RECORD, 1)], start=-1.0)
    assert trace.y[1, 0] == pytest.approx(math.sin(2) + math.sin(1), abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_events_of_a_second_in_years_of_rest_are_not_missed(kinetic, method):
    second = 1 / 86400
    ops = [
        Op(4000.0, Kind.RATE, 1, 10 / second),
        Op(4000.0 + second, Kind.RATE, 1, 0.0),
        Op(4001.0, Kind.RECORD, 0),
        Op(9000.0, Kind.RECORD, 1),
    ]
    y = go(kinetic, ops, method=method).y[:, 1]
    mean = (math.exp(K * second) - 1) / (K * second)
    # BDF restarts twice at first order and adds up a few hundred local errors of 1e-9
    assert y[0] == pytest.approx(10 * mean * math.exp(-K * 1.0), rel=1e-6)
    assert abs(y[1]) < 1e-8


def test_events_a_rounding_apart_do_not_stop_the_solver(kinetic):
    t = 1000.1
    ops = [Op(t, Kind.ADD, 1, 1.0), Op(np.nextafter(t, 2e3), Kind.ADD, 1, 1.0), Op(t + 1, Kind.RECORD, 0)]
    assert go(kinetic, ops).y[0, 1] == pytest.approx(2 * decay(1), rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_states_of_very_different_size_keep_their_digits(method):
    small, large = sym("small"), sym("large")
    rates = [num(1e-12) * large - small, -(num(0.5) * large)]
    compiled = compile_system(system(rates, {"small": ZERO, "large": num(1e6)}), backend="numpy")
    trace = go(compiled, [Op(3.0, Kind.RECORD, 0)], method=method)
    exact = 1e-6 * (math.exp(-1.5) - math.exp(-3.0)) / 0.5
    assert trace.y[0, 0] == pytest.approx(exact, rel=1e-7)


def test_tolerance_is_kept_by_order_of_magnitude(kinetic):
    ops = [Op(0.0, Kind.ADD, 0, 1.0), Op(5.0, Kind.RECORD, 0)]
    errors = [abs(go(kinetic, ops, rtol=r).y[0, 1] / oral(5.0) - 1) for r in (1e-4, 1e-6, 1e-8, 1e-10)]
    slope = np.polyfit([-4, -6, -8, -10], np.log10(np.maximum(errors, 1e-16)), 1)[0]
    assert 0.7 < slope < 1.4


def test_more_steps_than_allowed_is_an_error_with_time_and_cure(kinetic):
    with pytest.raises(SolverError, match=r"solver stopped at day .*more than 5 steps between two records.*max_steps"):
        go(kinetic, [Op(0.0, Kind.ADD, 0, 1.0), Op(50.0, Kind.RECORD, 0)], max_steps=5)


def test_max_step_is_respected(kinetic):
    ops = [Op(0.0, Kind.ADD, 0, 1.0), Op(50.0, Kind.RECORD, 0)]
    assert go(kinetic, ops, max_step=0.05).evaluations > 1000 > go(kinetic, ops).evaluations


@pytest.mark.parametrize("method", METHODS)
def test_a_derivative_that_is_not_finite_names_state_time_and_remedy(method):
    rate = call("log", num(3.0) - sym("t")) * ONE
    compiled = compile_system(system([ZERO - sym("quiet"), rate], {"quiet": ONE, "loud": ONE}), backend="numpy")
    text = r"solver stopped at day 3.*: derivative of 'loud' is (nan|-inf) \(state .*\); try rtol=1e-11, a max_step or"
    with pytest.raises(SolverError, match=text):
        go(compiled, [Op(6.0, Kind.RECORD, 0)], method=method)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "LSODE"}, "'LSODE' is not known; did you mean 'LSODA'"),
        ({"rtol": 0.0}, "rtol: 0.0; a number between 0 and 1"),
        ({"atol": -1.0}, "atol: -1.0"),
        ({"max_step": 0.0}, "max_step: 0.0"),
    ],
)
def test_settings_are_checked(kinetic, options, text):
    with pytest.raises(SolverError, match=text):
        go(kinetic, [Op(1.0, Kind.RECORD, 0)], **options)


amounts = st.floats(0.1, 100.0)
whens = st.floats(0.0, 10.0)


@settings(max_examples=25, deadline=None)
@given(doses=st.lists(st.tuples(whens, st.integers(0, 1), amounts), min_size=1, max_size=5), part=st.floats(0.0, 1.0))
def test_one_dose_is_its_two_parts_at_the_same_time(doses, part):
    doses = sorted(doses)
    compiled = CHAIN
    end = [Op(10.0, Kind.RECORD, 0), Op(15.0, Kind.RECORD, 1)]
    whole = go(compiled, [Op(t, Kind.ADD, s, a) for t, s, a in doses] + end)
    halves = [Op(t, Kind.ADD, s, x) for t, s, a in doses for x in (a * part, a - a * part)]
    # two runs differ by rounding in the start of a segment, which the step sizes amplify to local errors
    assert go(compiled, halves + end).y == pytest.approx(whole.y, rel=1e-6, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.floats(0.01, 9.99), min_size=1, max_size=6), dose=amounts)
def test_a_run_in_pieces_is_the_run(cuts, dose):
    first = [Op(0.0, Kind.ADD, 0, dose), Op(0.0, Kind.ADD, 1, dose)]
    end = [Op(10.0, Kind.RECORD, 0)]
    cut = [Op(t, Kind.ADD, 1, 0.0) for t in sorted(cuts)]  # a dose of nothing still ends a segment
    assert go(CHAIN, first + cut + end).y == pytest.approx(go(CHAIN, first + end).y, rel=1e-6, abs=1e-9)


CHAIN = chain()


def test_the_native_engine_keeps_its_step_over_thousands_of_doses():
    compiled = compile_system(CHAIN.system, backend="llvm")
    ops = [Op(float(day), Kind.ADD, 0, 1.0) for day in range(2500)] + [Op(2500.0, Kind.RECORD, 0)]
    trace = go(compiled, ops, engine="native", rtol=1e-7)
    assert trace.y[0, 1] == pytest.approx(sum(oral(n) for n in range(1, 200)), rel=1e-6)
    assert trace.evaluations < 100 * 2500


def test_the_native_engine_is_one_of_two(kinetic):
    with pytest.raises(SolverError, match="engine: 'natve' is not known; did you mean 'native'"):
        go(kinetic, [Op(1.0, Kind.RECORD, 0)], engine="natve")
    with pytest.raises(SolverError, match="compile with backend='llvm'"):
        go(kinetic, [Op(1.0, Kind.RECORD, 0)], engine="native")


# steady states as operations


def test_steady_replaces_or_adds_and_leaves_infusions_of_the_run_alone(kinetic):
    pattern = Pattern(4.0, ((1.0, int(Kind.ADD), 1, 6.0),))
    trough = 6 * decay(3) / (1 - decay(4))
    for mode, kept in ((0.0, 0.0), (1.0, 10 * decay(2) + 2 / K * (1 - decay(1)))):
        ops = [
            Op(0.0, Kind.ADD, 1, 10.0),
            Op(1.0, Kind.RATE, 1, 2.0),
            Op(2.0, Kind.STEADY, 0, mode),
            Op(2.0, Kind.RECORD, 0),
            Op(5.0, Kind.RECORD, 1),
        ]
        y = go(kinetic, ops, patterns=[pattern]).y[:, 1]
        assert y[0] == pytest.approx(trough + kept, rel=1e-7)
        assert y[1] == pytest.approx((trough + kept) * decay(3) + 2 / K * (1 - decay(3)), rel=1e-7)


def test_steady_holds_inputs_slopes_and_time_where_they_are(kinetic):
    ops = [
        Op(0.0, Kind.INPUT, 0, 1.0, 0.5),
        Op(4.0, Kind.STEADY, 0),
        Op(4.0, Kind.RECORD, 0),
    ]
    pattern = Pattern(2.0, ((0.0, int(Kind.ADD), 1, 1.0),))
    q = math.exp(-K * 3.0 * 2.0)  # the input is 3 at day 4
    assert go(kinetic, ops, patterns=[pattern]).y[0, 1] == pytest.approx(q / (1 - q), rel=1e-7)


def test_steady_with_a_compartment_off(kinetic):
    ops = [Op(0.0, Kind.OFF, 0), Op(0.0, Kind.STEADY, 0), Op(0.0, Kind.RECORD, 0)]
    entries = ((0.0, int(Kind.ADD), 0, 5.0), (0.0, int(Kind.ADD), 1, 1.0))
    y = go(kinetic, ops, patterns=[Pattern(2.0, entries)]).y[0]
    assert y[0] == 0.0
    assert y[1] == pytest.approx(decay(2) / (1 - decay(2)), rel=1e-7)
