"""Scenarios outside the reference set, against closed forms written from the conventions.

A linear system's answer is the sum of the answers to its doses. So the truth here is a sum over
doses actually given, steady state included: there the doses implied before the record are summed
one by one until they no longer matter.
"""

from pathlib import Path

import numpy as np
import pytest

import bonepk as bp
from bonepk.errors import SolverError

MODELS = Path(__file__).parent / "models"
KA, K = 1.2, 0.1  # model A with CL=5, V=50
NAMES = ("ID", "TIME", "EVID", "AMT", "CMT", "RATE", "II", "ADDL", "SS")


@pytest.fixture(scope="module")
def one():
    return bp.load(MODELS / "one_compartment.toml")


@pytest.fixture(scope="module")
def by_weight():
    return bp.load(MODELS / "elimination_by_weight.toml")


def table(*rows, observe=(), **covariates):
    """Rows as tuples in the order of NAMES from TIME on (ID 1), then observations; sorted by time, doses first."""
    full = [(1, *r, *([0] * (8 - len(r)))) for r in rows]
    full += [(1, t, 0, 0, 2, 0, 0, 0, 0) for t in observe]
    full.sort(key=lambda r: r[1])
    columns = {name: np.array([r[i] for r in full], dtype=float) for i, name in enumerate(NAMES)}
    return columns | {k: np.array([f(t) for t in columns["TIME"]], dtype=float) for k, f in covariates.items()}


@pytest.fixture(params=["scipy", "native"])
def run(request):
    """Read a table and simulate it, on either engine."""

    def do(system, data, cmt=None, rules="nocb", parameters=None, **options):
        runs = bp.read_nonmem(data, system, cmt=cmt, covariate_rules=rules)
        options.setdefault("engine", request.param)
        return bp.simulate_records(runs, parameters=parameters, rtol=1e-9, **options)

    return do


def bolus(t, at, amount=1.0):
    t = np.asarray(t, dtype=float)
    return np.where(t >= at, amount * np.exp(-K * np.maximum(t - at, 0)), 0.0)


def infusion(t, begin, rate, duration):
    t = np.asarray(t, dtype=float)
    inside = rate / K * (1 - np.exp(-K * np.clip(t - begin, 0, duration)))
    return inside * np.exp(-K * np.maximum(t - begin - duration, 0))


def oral(t, at, amount):
    d = np.maximum(np.asarray(t, dtype=float) - at, 0)
    return amount * KA / (KA - K) * (np.exp(-K * d) - np.exp(-KA * d)) * (np.asarray(t) >= at)


def endless(shape, t, first, interval, count=4000):
    """Sum of doses at first - interval, first - 2 interval, ..."""
    return sum(shape(t, first - n * interval) for n in range(1, count))


def same(values, truth):
    # the reference set's own rule: 1e-6 relative with a floor of 1e-8 of the peak
    truth = np.asarray(truth, dtype=float)
    assert np.asarray(values) == pytest.approx(truth, rel=1e-6, abs=1e-8 * np.abs(truth).max())


def test_a_new_infusion_after_a_reset_is_not_stopped_by_the_end_of_the_old_one(one, run):
    seen = [4.5, 8.0, 12.0, 15.0, 16.0]
    data = table((0, 1, 100, 2, 10), (4, 3), (5, 1, 100, 2, 10), observe=seen)
    central = run(one, data)["central"].values
    same(central, infusion(seen, 5, 10, 10))
    assert central[2:] == pytest.approx([50.3415, 63.2121, 57.1966], abs=5e-5)


@pytest.mark.parametrize("evid", [3, 4])
def test_a_reset_cancels_pending_additional_and_lagged_doses(one, evid, run):
    seen = [7.0, 9.0, 13.0, 25.0, 40.0]
    data = table((0, 1, 100, 2, 0, 12, 3), (6, evid, 0 if evid == 3 else 50, 2), observe=seen)
    same(run(one, data, parameters={"ALAG2": 2})["central"], bolus(seen, 8, 0 if evid == 3 else 50))


def test_a_dose_before_a_reset_at_the_same_time_is_lost_and_one_after_it_is_kept(one, run):
    seen = [5.0, 6.0]
    before = table((5, 1, 100, 2), (5, 3), observe=seen)
    after = table((5, 3), (5, 1, 100, 2), observe=seen)
    same(run(one, before)["central"], [0, 0])
    same(run(one, after)["central"], bolus(seen, 5, 100))


def test_time_may_go_back_at_a_reset(one, run):
    rows = [(0, 1, 100, 2), (3, 0), (0, 4, 40, 2), (1, 0), (9, 0), (2, 3), (2, 1, 10, 1), (4, 0)]
    data = {n: np.array([(1, *r, *([0] * (8 - len(r))))[i] for r in rows], dtype=float) for i, n in enumerate(NAMES)}
    result = run(one, data)
    assert result["time"].values.tolist() == [3.0, 1.0, 9.0, 4.0]
    same(result["central"], [100 * np.exp(-0.3), 40 * np.exp(-0.1), 40 * np.exp(-0.9), oral(4.0, 2, 10)])


@pytest.mark.parametrize("lag", [3.0, 12.0, 15.0, 24.0, 29.5])
def test_steady_state_bolus_with_any_lag(one, lag, run):
    seen = [0.0, 1.0, 5.5, 11.0, 12.0, 13.0, 16.0, 30.0, 45.0]
    data = table((0, 1, 100, 2, 0, 12, 0, 1), observe=seen)
    truth = endless(lambda t, at: bolus(t, at, 100), seen, lag, 12) + bolus(seen, lag, 100)
    result = run(one, data, parameters={"ALAG2": lag})["central"].values
    same(result, truth)
    if lag == 15.0:
        assert result[1] == pytest.approx(52.64, abs=5e-3)


@pytest.mark.parametrize(
    ("lag", "duration"), [(0, 5), (4, 8), (9, 5), (11, 30), (15, 12), (2, 24), (7.2, 12.8), (0, 31)]
)
def test_steady_state_infusion_with_lag_and_any_duration(one, lag, duration, run):
    seen = [0.0, 0.5, 3.0, 4.0, 9.0, 11.0, 14.0, 20.0, 27.0, 50.0]
    rate = 6.0
    data = table((0, 1, rate * duration, 2, rate, 12, 0, 1), observe=seen)
    truth = endless(lambda t, at: infusion(t, at, rate, duration), seen, lag, 12) + infusion(seen, lag, rate, duration)
    same(run(one, data, parameters={"ALAG2": lag})["central"], truth)


def test_steady_state_infusion_three_intervals_long_where_the_interval_is_not_exact_in_binary(one, run):
    seen = [0.0, 1.2, 2.4, 5.0, 7.2, 9.0]
    data = table((0, 1, 72, 2, 10, 2.4, 0, 1), observe=seen)
    truth = endless(lambda t, at: infusion(t, at, 10, 7.2), seen, 0, 2.4) + infusion(seen, 0, 10, 7.2)
    same(run(one, data)["central"], truth)


def test_steady_state_with_lag_and_additional_doses_goes_on_with_the_pattern(one, run):
    seen = [2.0, 10.0, 20.0, 31.0, 44.0, 60.0]
    data = table((0, 1, 100, 1, 0, 12, 2, 1), observe=seen)
    truth = endless(lambda t, at: oral(t, at, 100), seen, 5, 12) + sum(oral(seen, 5 + 12 * n, 100) for n in range(3))
    same(run(one, data, parameters={"ALAG1": 5})["central"], truth)


@pytest.mark.parametrize("lag", [0.0, 3.0])
def test_ss2_lets_a_running_infusion_and_pending_doses_go_on(one, lag, run):
    seen = [6.0, 7.0, 10.5, 14.0, 25.0]
    rows = [(0, 1, 120, 2, 10), (0, 1, 30, 2, 0, 8, 2), (6, 1, 50, 2, 0, 12, 0, 2)]
    truth = infusion(seen, lag, 10, 12) + sum(bolus(seen, lag + 8 * n, 30) for n in range(3))
    truth = truth + endless(lambda t, at: bolus(t, at, 50), seen, 6 + lag, 12) + bolus(seen, 6 + lag, 50)
    same(run(one, table(*rows, observe=seen), parameters={"ALAG2": lag})["central"], truth)


def test_ss2_infusion_adds_its_own_running_infusions(one, run):
    seen = [6.0, 8.0, 13.0, 20.0, 30.0]
    rows = [(0, 1, 150, 2, 10), (6, 1, 100, 2, 5, 12, 0, 2)]  # 20 h every 12 h beside 15 h
    truth = infusion(seen, 0, 10, 15) + infusion(seen, 6, 5, 20)
    truth = truth + endless(lambda t, at: infusion(t, at, 5, 20), seen, 6, 12)
    same(run(one, table(*rows, observe=seen))["central"], truth)


def test_ss1_cancels_running_infusions_and_pending_doses(one, run):
    seen = [6.0, 7.0, 9.0, 17.0, 25.0]
    rows = [(0, 1, 200, 2, 10), (0, 1, 30, 2, 0, 8, 3), (6, 1, 50, 2, 0, 12, 0, 1)]
    truth = endless(lambda t, at: bolus(t, at, 50), seen, 6, 12) + bolus(seen, 6, 50)
    same(run(one, table(*rows, observe=seen))["central"], truth)


@pytest.mark.parametrize(("f", "lag"), [(1.0, 0.0), (0.4, 0.0), (1.0, 3.0)])
def test_constant_infusion_keeps_its_rate_whatever_f_and_ends_after_the_lag(one, f, lag, run):
    seen = [0.0, 2.0, 4.0, 12.0]
    data = table((0, 1, 0, 2, 8, 0, 0, 1), observe=seen)
    truth = 8 / K * np.exp(-K * np.maximum(np.array(seen) - lag, 0))
    same(run(one, data, parameters={"F2": f, "ALAG2": lag})["central"], truth)


def test_constant_infusion_of_modelled_rate_added_to_what_is_there(one, run):
    seen = [5.0, 8.0]
    data = table((0, 1, 100, 2), (5, 1, 0, 2, -1, 0, 0, 2), observe=seen)
    truth = bolus(seen, 0, 100) + 3 / K * np.exp(-K * (np.array(seen) - 5))
    same(run(one, data, parameters={"R2": 3})["central"], truth)


def test_f_scales_duration_at_a_given_rate_in_steady_state(one, run):
    seen = [0.0, 3.0, 11.0, 20.0]
    data = table((0, 1, 100, 2, 10, 12, 0, 1), observe=seen)  # 100 mg at 10 mg/h, F 1.5: 15 h
    truth = endless(lambda t, at: infusion(t, at, 10, 15), seen, 0, 12) + infusion(seen, 0, 10, 15)
    same(run(one, data, parameters={"F2": 1.5})["central"], truth)


@pytest.mark.parametrize(
    ("code", "parameters", "rate", "duration"), [(-1, {"R2": 20}, 20, 2.5), (-2, {"D2": 8}, 6.25, 8)]
)
def test_modelled_rate_and_duration_in_steady_state(one, code, parameters, rate, duration, run):
    seen = [0.0, 1.0, 5.0, 9.5, 14.0]
    data = table((0, 1, 100, 2, code, 6, 1, 1), observe=seen)
    truth = endless(lambda t, at: infusion(t, at, rate, duration), seen, 0, 6)
    truth = truth + infusion(seen, 0, rate, duration) + infusion(seen, 6, rate, duration)
    same(run(one, data, parameters={"F2": 0.5, **parameters})["central"], truth)


def test_a_modelled_duration_of_zero_is_a_bolus_and_no_bioavailability_is_no_dose(one, run):
    seen = [0.0, 4.0]
    data = table((0, 1, 100, 2, -2), observe=seen)
    same(run(one, data, parameters={"D2": 0})["central"], bolus(seen, 0, 100))
    assert run(one, data, parameters={"F2": 0, "D2": 3})["central"].values.tolist() == [0.0, 0.0]


def test_steady_state_of_a_half_life_of_100_days(one, run):
    data = table((0, 1, 100, 2, 0, 24, 0, 1), observe=[0.0])
    k = 0.015 / 52
    truth = 100 / (1 - np.exp(-k * 24))
    found = run(one, data, parameters={"CL": 0.015, "V": 52})["central"].values[0]
    assert found == pytest.approx(truth, rel=1e-7)


def test_a_compartment_turned_off_loses_its_amount_and_its_infusion_for_good(one, run):
    seen = [3.0, 4.0, 6.0, 9.0, 12.0]
    data = table((0, 1, 100, 2, 10), (0, 1, 20, 1), (4, 2, 0, -2), (8, 2, 0, 2), observe=seen)
    inflow = 20 * np.exp(-KA * 8)  # what the depot still holds when central is on again
    truth = infusion(seen, 0, 10, 10) + oral(seen, 0, 20)
    truth[1:3] = 0.0
    truth[3:] = [inflow * KA / (KA - K) * (np.exp(-K * d) - np.exp(-KA * d)) for d in (1.0, 4.0)]
    same(run(one, data)["central"], truth)


def test_a_dose_into_a_compartment_that_is_off_turns_it_on_when_it_enters(one, run):
    seen = [3.0, 4.5, 7.0]
    data = table((0, 1, 100, 2), (2, 2, 0, -2), (3, 1, 50, 2), observe=seen)
    same(run(one, data, parameters={"ALAG2": 1})["central"], bolus(seen, 4, 50))


def test_an_observation_with_negative_cmt_turns_the_compartment_off_after_it(one, run):
    rows = [(0, 1, 100, 2), (2, 0, 0, -2), (2, 0, 0, 2), (5, 0, 0, 2)]
    same(run(one, table(*rows))["central"], [100 * np.exp(-0.2), 0, 0])


def test_additional_doses_hit_records_at_times_that_are_not_exact_in_binary(one, run):
    seen = [0.1, 0.2, 0.3, 0.7]
    result = run(one, table((0, 1, 10, 2, 0, 0.1, 7), observe=seen))["central"].values
    same(result, [sum(10 * np.exp(-K * (t - 0.1 * n)) for n in range(round(t / 0.1) + 1)) for t in seen])
    assert result[0] == pytest.approx(10 * np.exp(-0.01) + 10, rel=1e-6)


def test_a_dose_moved_by_its_lag_acts_before_an_observation_at_that_time(one, run):
    data = table((0, 1, 100, 2), observe=[2.0])
    same(run(one, data, parameters={"ALAG2": 2})["central"], [100.0])


def test_interleaved_ids_do_not_mix_and_rows_keep_their_order(one, run):
    rows = [(2, 0, 1, 50, 2), (1, -5, 1, 100, 2), (2, 1, 0, 0, 2), (1, 0, 0, 0, 2), (2, 3, 0, 0, 2), (1, 2, 0, 0, 2)]
    data = {n: np.array([(*r, 0, 0, 0, 0)[i] for r in rows], dtype=float) for i, n in enumerate(NAMES)}
    result = run(one, data)
    assert result["row"].values.tolist() == [3, 4, 5, 6]
    assert result["id"].values.tolist() == [2, 1, 2, 1]
    same(result["central"], [50 * np.exp(-0.1), 100 * np.exp(-0.5), 50 * np.exp(-0.3), 100 * np.exp(-0.7)])


def test_reset_and_dose_with_steady_state_and_lag(one, run):
    seen = [10.0, 12.0, 18.0, 25.0]
    data = table((0, 1, 500, 2), (10, 4, 100, 2, 0, 8, 0, 1), observe=seen)
    truth = endless(lambda t, at: bolus(t, at, 100), seen, 13, 8) + bolus(seen, 13, 100)
    same(run(one, data, parameters={"ALAG2": 3})["central"], truth)


def test_steady_state_without_a_dose_is_the_endogenous_one(run):
    turnover = bp.load(MODELS / "turnover.toml")
    rows = [(0, 1, 40, 4), (1, 1, 0, 1, 0, 0, 0, 1), (1, 0, 0, 2), (9, 0, 0, 2)]
    same(run(turnover, table(*rows), cmt=turnover.state_names)["response"], [10 / 0.12] * 2)


def test_ss2_adds_the_whole_steady_state_as_nonmem_does(run):
    turnover = bp.load(MODELS / "turnover.toml")
    rows = [(0, 2), (1, 1, 0, 2, 1e-9, 0, 0, 2), (1, 0, 0, 2)]  # a baseline is an amount like any other
    same(run(turnover, table(*rows), cmt=turnover.state_names)["response"], [2 * 10 / 0.12])


def test_constant_infusion_into_saturable_elimination_has_its_closed_form_or_an_error(run):
    saturable = bp.load(MODELS / "michaelis_menten.toml")
    names = saturable.state_names
    data = table((0, 1, 0, 2, 15, 0, 0, 1), observe=[0.0])
    same(run(saturable, data, cmt=names)["central"], [40 * 1.5 * 15 / (20 - 15)])
    too_much = table((0, 1, 0, 2, 25, 0, 0, 1), observe=[0.0])
    with pytest.raises(SolverError, match=r"ID 1, .*no steady state .*'central' does not settle"):
        run(saturable, too_much, cmt=names)


def test_repeated_doses_that_never_settle_are_an_error_that_names_the_state(run):
    saturable = bp.load(MODELS / "michaelis_menten.toml")
    data = table((0, 1, 300, 2, 0, 12, 0, 1), observe=[0.0])  # 25 mg/h against at most 20
    with pytest.raises(SolverError, match="no steady state: 'central' still changes by"):
        run(saturable, data, cmt=saturable.state_names)


def test_an_area_has_no_steady_state(run):
    model = bp.load(MODELS / "accumulating.toml")
    with pytest.raises(SolverError, match="no steady state: 'area' still changes by"):
        run(model, table((0, 1, 100, 1, 0, 12, 0, 1), observe=[0.0]))


# covariates


def weight(t):
    return 50 + 4 * t


def test_a_linear_covariate_between_records(by_weight, run):
    seen = [0.0, 3.0, 10.0]
    data = table((0, 1, 100, 1), observe=seen, WT=weight)
    truth = [100 * np.exp(-0.001 * (50 * t + 2 * t * t)) for t in seen]
    result = run(by_weight, data, cmt={1: "plain", 2: "central"}, rules={"WT": "linear"})
    same(result["central"], truth)
    assert result["WT"].values == pytest.approx([50, 62, 90])


def test_each_rule_between_records(by_weight, run):
    data = table((0, 1, 100, 1), observe=[2.0, 10.0], WT=weight)
    means = {"locf": [50, (50 * 2 + 58 * 8) / 10], "nocb": [58, (58 * 2 + 90 * 8) / 10], "linear": [54, 70]}
    for rule, mean in means.items():
        result = run(by_weight, data, cmt=["plain", "central"], rules={"WT": rule})
        same(result["central"], [100 * np.exp(-0.001 * m * t) for m, t in zip(mean, (2, 10), strict=True)])


@pytest.mark.parametrize(("rule", "second"), [("locf", 50.0), ("nocb", 90.0), ("linear", 74.0)])
def test_lag_and_bioavailability_follow_the_covariate_at_the_time_of_each_dose(by_weight, rule, second, run):
    # the second dose, at 6, falls between records at 0 (50 kg) and 10 (90 kg)
    step = {0.0: 50.0, 10.0: 90.0, 11.0: 90.0}
    data = table((0, 1, 100, 1, 0, 6, 1), observe=[10.0, 11.0], WT=step.get)
    flat = {"k_per_kg": 0.0}
    scaled = run(by_weight, data, cmt=["scaled", "central"], rules={"WT": rule}, parameters=flat)["central"].values
    same(scaled, [50 + second] * 2)
    slow = {"k_per_kg": 0.0, "lag_per_kg": 5 / second}  # enters exactly at 11
    lagged = run(by_weight, data, cmt=["lagged", "central"], rules={"WT": rule}, parameters=slow)["central"].values
    same(lagged, [100.0, 200.0])


def test_modelled_duration_from_a_covariate(by_weight, run):
    data = table((0, 1, 100, 1, -2), observe=[1.0, 2.5, 4.0], WT=lambda t: 50)
    result = run(by_weight, data, cmt=["timed", "central"], parameters={"k_per_kg": 0.0})["central"].values
    same(result, [40, 100, 100])


def test_covariate_at_a_reset_with_time_going_back(by_weight, run):
    rows = [(0, 1, 100, 1, 50), (4, 0, 0, 1, 60), (0, 4, 100, 1, 80), (4, 0, 0, 1, 100)]
    names = ("TIME", "EVID", "AMT", "CMT", "WT")
    data = {"ID": np.ones(4)} | {n: np.array([r[i] for r in rows], dtype=float) for i, n in enumerate(names)}
    for rule, first, then in (("nocb", 60, 100), ("locf", 50, 80), ("linear", 55, 90)):
        result = run(by_weight, data, cmt=["plain"], rules={"WT": rule})
        same(result["central"], [100 * np.exp(-0.004 * first), 100 * np.exp(-0.004 * then)])


def test_the_initial_state_is_that_of_the_first_record_though_others_follow_at_once(run):
    model = bp.load(MODELS / "by_everything.toml")  # at the start the response is 40 mg * WT/70
    for second in ((0, 2, 0, 2), (0, 0, 0, 2), (0, 1, 10, 1)):
        for rule in ("nocb", "locf", "linear"):
            data = table((0, 2, 0, 2), second, (0, 0, 0, 2), (1, 0, 0, 2)) | {"WT": np.array([70.0, 35.0, 35.0, 35.0])}
            response = run(model, data, cmt=model.state_names, rules=rule)["response"].values
            same(response[-2:], [40, 20 + 20 * np.exp(-0.2)])


def test_an_additional_dose_that_misses_a_record_by_rounding_takes_its_covariate(by_weight, run):
    times = [0.1, 0.2, 0.3, 0.4, 0.7, 0.8]
    assert 3 * 0.1 > 0.3  # which makes this a test
    weights = dict(zip([0.0, *times], [50.0, 60.0, 70.0, 80.0, 90.0, 40.0, 30.0], strict=True))
    data = table((0, 1, 1, 1, 0, 0.1, 8), observe=times, WT=weights.get)
    carried = {0.5: {"nocb": 40.0, "locf": 90.0, "linear": 90 - 50 / 3}, 0.6: {"nocb": 40.0, "locf": 90.0}}
    carried[0.6]["linear"] = 90 - 100 / 3
    for rule in ("nocb", "locf", "linear"):
        doses = [(n / 10, weights[n / 10] if n / 10 in weights else carried[n / 10][rule]) for n in range(9)]
        truth = [sum(0.01 * w for at, w in doses if at <= t) for t in times]
        found = run(by_weight, data, cmt=["scaled", "central"], rules=rule, parameters={"k_per_kg": 0.0})
        same(found["central"], truth)


def test_an_additional_dose_at_several_records_takes_the_line_up_to_the_first(by_weight, run):
    rows = [(0, 1, 1, 1, 0, 10, 1), (10, 0, 0, 2), (10, 2), (12, 0, 0, 2)]
    data = table(*rows) | {"WT": np.array([50.0, 90.0, 30.0, 30.0])}
    found = run(by_weight, data, cmt=["scaled", "central"], rules="linear", parameters={"k_per_kg": 0.0})
    same(found["central"], [1.4, 1.4])


@pytest.mark.parametrize("interval", [0.05, 0.1, 0.5])
def test_steady_state_of_short_intervals_with_a_slow_response_far_from_its_start(interval, run):
    turnover = bp.load(MODELS / "turnover.toml")  # the infusion never stops: 400 mg/h, 100 mg/L at CL 4 L/h
    data = table((0, 1, 400 * interval, 3, 400, interval, 0, 1), observe=[0.0])
    result = run(turnover, data, cmt=turnover.state_names)
    same(result["CP"], [100])
    same(result["response"], [10 / 0.12 * 0.4 / 100.4])
