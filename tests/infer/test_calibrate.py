import numpy as np
import pytest
from toy_trials import TRUE, Exact, Toy, trials

from bonepk.errors import DataError, SolverError
from bonepk.infer import Effect, ErrorModel, Free, Loss, Prior, Problem, calibrate
from bonepk.infer.problem import replace

FREE = (
    Free("rate", 0.1, 0.005, 1.0),
    Free("gain", 4.0, 1.0, 30.0),
    Free("loss", 1.0, -5.0, 5.0, "identity"),
)
VISITS = {"bmd": ErrorModel(visits=0.7)}


def test_exact_data_give_back_the_parameters():
    toy = trials(np.random.default_rng(1), count=2, se=1e-9)
    fit = calibrate(Problem(toy, FREE, errors=VISITS))
    assert fit.values == pytest.approx(TRUE, rel=1e-5)  # the data carry noise of 1e-9, the search stops at 1e-6


def test_derivatives_and_differences_end_at_the_same_place():
    rng = np.random.default_rng(2)
    exact = trials(rng, count=3)
    plain = Toy(exact.blocks)
    one, two = (calibrate(Problem(p, FREE, errors=VISITS)) for p in (exact, plain))
    # forward differences are good to about 1e-3, and the minimum is flat: a hundredth of a standard error
    sd = np.sqrt(np.diag(one.covariance))
    assert np.all(np.abs(one.z - two.z) < 0.01 * sd)
    assert two.covariance == pytest.approx(one.covariance, rel=0.02)


def test_a_logit_parameter_stays_within_its_ends():
    free = (Free("rate", 0.1, 0.0, 0.2, "logit"), *FREE[1:])
    fit = calibrate(Problem(trials(np.random.default_rng(3)), free, errors=VISITS))
    assert fit.values["rate"] == pytest.approx(TRUE["rate"], rel=0.2)  # about three standard errors
    low, high = fit.interval("rate", 0.999999)
    assert 0 < low < high < 0.2


def test_intervals_cover_the_truth_as_often_as_they_say():
    """90 % intervals over 150 simulated data sets; a binomial sd is 2.4 %, so three of them are allowed."""
    rng = np.random.default_rng(4)
    hits = np.zeros(3)
    repeats = 150
    for _ in range(repeats):
        fit = calibrate(Problem(trials(rng, count=4), FREE, errors=VISITS))
        for k, name in enumerate(fit.names):
            low, high = fit.interval(name, 0.9)
            hits[k] += low <= TRUE[name] <= high
    assert np.all(np.abs(hits / repeats - 0.9) < 0.075), hits / repeats


def test_only_an_error_model_that_knows_the_correlation_states_true_errors():
    """Scatter of estimates over 100 data sets, in the standard errors each fit states: 1 if they are right."""
    rng = np.random.default_rng(5)
    free = (FREE[2],)
    off = {0.8: [], 0.0: []}
    for _ in range(100):
        toy = trials(rng, count=3, visits=0.8)
        for visits in off:
            fit = calibrate(Problem(toy, free, errors={"bmd": ErrorModel(visits=visits)}))
            off[visits].append((fit.values["loss"] - TRUE["loss"]) / np.sqrt(fit.covariance[0, 0]))
    # a standard deviation from 100 numbers is good to 7 %
    assert np.std(off[0.8]) == pytest.approx(1.0, abs=0.2)
    assert np.std(off[0.0]) > 1.3


def test_a_robust_loss_shrugs_off_a_wrong_number():
    toy = trials(np.random.default_rng(6), count=6)
    rows = list(toy.blocks[0].rows)
    rows[1] = replace(rows[1], value=rows[1].value + 15)
    spoilt = Exact((replace(toy.blocks[0], rows=tuple(rows)), *toy.blocks[1:]))
    clean = calibrate(Problem(toy, FREE, errors=VISITS))
    sd = np.sqrt(np.diag(clean.covariance))
    off = {
        name: np.abs((calibrate(Problem(spoilt, FREE, errors=VISITS, loss=Loss(name, width))).z - clean.z) / sd).max()
        for name, width in (("linear", 1), ("soft_l1", 1), ("huber", 1), ("student_t", 4))
    }
    assert off["linear"] > 5
    assert all(off[name] < 1 for name in ("soft_l1", "huber", "student_t")), off


def test_a_weak_row_pulls_less():
    toy = trials(np.random.default_rng(7), count=2)
    rows = [replace(r, value=r.value + 3, weight=1e-6) if r.month == 36 else r for r in toy.blocks[0].rows]
    weak = Exact((replace(toy.blocks[0], rows=tuple(rows)), toy.blocks[1]))
    rest = [r for r in toy.blocks[0].rows if r.month != 36]
    without = Exact((replace(toy.blocks[0], rows=tuple(rest)), toy.blocks[1]))
    one, two = (calibrate(Problem(p, FREE, errors=VISITS)) for p in (weak, without))
    assert one.z == pytest.approx(two.z, abs=1e-3)


def test_a_prior_decides_where_the_data_are_silent():
    blocks = tuple(
        replace(b, rows=tuple(r for r in b.rows if r.arm == "placebo"))
        for b in trials(np.random.default_rng(8), count=2).blocks
    )
    free = (replace(FREE[0], prior=Prior(0.06, 0.4, "made up")), replace(FREE[1], prior=Prior(9, 0.3)), FREE[2])
    fit = calibrate(Problem(Exact(blocks), free, errors=VISITS))
    assert fit.values["rate"] == pytest.approx(0.06, rel=1e-4)
    assert fit.covariance[0, 0] == pytest.approx(0.4**2, rel=1e-6)


def test_the_spread_between_trials_is_estimated():
    toy = trials(np.random.default_rng(9), count=40, shift=0.3)
    effect = Effect("response", ("gain",), sd=0.1, estimate=True)
    fit = calibrate(Problem(toy, FREE, effects=(effect,), errors=VISITS, rounds=12))
    assert fit.settled
    # forty trials know a standard deviation to 11 %
    assert fit.objective.effects[0].sd == pytest.approx(0.3, rel=0.35)
    assert fit.values["gain"] == pytest.approx(TRUE["gain"], rel=0.15)
    assert set(fit.shifts["response"]) == {b.name for b in toy.blocks}


def test_the_model_error_is_estimated():
    toy = trials(np.random.default_rng(10), count=30, se=0.2, model_sd=0.6)
    model = {"bmd": ErrorModel(sd=0.2, shared=0.0, visits=0.7, estimate=True)}
    fit = calibrate(Problem(toy, FREE, errors=model, rounds=12))
    assert fit.settled
    # a twentieth of the variance is set aside as each row's own; 240 correlated numbers know the rest to about 8 %
    assert fit.objective.errors["bmd"].sd == pytest.approx(0.6, rel=0.2)


def test_an_addition_shifts_what_the_arms_say():
    toy = trials(np.random.default_rng(11), count=3)
    effect = Effect("entry", ("+entry",), sd=1.0, scale="identity")
    fit = calibrate(Problem(toy, FREE, effects=(effect,), errors=VISITS))
    assert any(abs(b) > 1e-3 for b in fit.shifts["entry"].values())


def test_tied_parameters_share_one_value():
    fit = calibrate(Problem(trials(np.random.default_rng(12)), (replace(FREE[0], also=("entry",)), *FREE[1:])))
    assert fit.values["entry"] == fit.values["rate"]


def test_workers_do_not_change_the_numbers():
    problem = Problem(trials(np.random.default_rng(13), count=2), FREE, errors=VISITS, starts=3, seed=5)
    serial, parallel = calibrate(problem), calibrate(problem, workers=2)
    for a, b in zip(serial.ends, parallel.ends, strict=True):
        assert a.x.tobytes() == b.x.tobytes()
        assert a.cost == b.cost
    assert serial.agreeing >= 2


def test_a_killed_search_goes_on_and_ends_at_the_same_numbers(tmp_path):
    made = trials(np.random.default_rng(14), count=2)
    problem = Problem(made, FREE, errors=VISITS, starts=2, seed=5)
    whole = calibrate(problem)
    evaluations = made.calls
    killed = Exact(made.blocks, fuse=25)
    with pytest.raises(KeyboardInterrupt):
        calibrate(replace(problem, predictor=killed), folder=tmp_path)
    with (tmp_path / "start-0.journal").open("ab") as file:
        file.write(b"half a record")  # the kill hit while writing
    resumed = Exact(made.blocks)
    again = calibrate(replace(problem, predictor=resumed), folder=tmp_path)
    assert again.best.x.tobytes() == whole.best.x.tobytes()
    assert [d.cost for d in again.ends] == [d.cost for d in whole.ends]
    assert resumed.calls < evaluations - 15
    third = Exact(made.blocks)
    calibrate(replace(problem, predictor=third), folder=tmp_path)
    assert third.calls <= 2 * len(made.blocks)  # only the final point


def test_progress_may_interrupt_workers(tmp_path):
    problem = Problem(trials(np.random.default_rng(15), count=2), FREE, errors=VISITS, starts=4)

    def enough(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(problem, workers=2, folder=tmp_path, progress=enough)
    assert calibrate(problem, folder=tmp_path).best.cost == calibrate(problem).best.cost


def test_a_journal_of_another_problem_is_refused(tmp_path):
    problem = Problem(trials(np.random.default_rng(16), count=2), FREE, errors=VISITS)
    calibrate(problem, folder=tmp_path)
    with pytest.raises(DataError, match="journal of another problem"):
        calibrate(replace(problem, loss=Loss("huber")), folder=tmp_path)


def test_a_start_without_solution_is_an_error_and_a_drawn_one_is_skipped():
    toy = trials(np.random.default_rng(17), count=2)
    wide = (Free("rate", 8.0, 0.005, 10.0), *FREE[1:])
    with pytest.raises(SolverError, match="start"):
        calibrate(Problem(toy, wide, errors=VISITS))


def test_faults_are_reported_together():
    toy = trials(np.random.default_rng(18), count=2)
    bad = (
        Free("rat", 0.1, 0.005, 1.0),
        Free("gain", 40.0, 1.0, 30.0),
        Free("loss", 1.0, -5.0, 5.0, "lgo", prior=Prior(9.0, -1.0)),
    )
    with pytest.raises(DataError) as caught:
        Problem(toy, bad, effects=(Effect("x", ("gaim",), sd=0.0),))
    text = str(caught.value)
    for part in ("did you mean 'rate'?", "start 40", "'lgo'", "prior sd -1", "prior at 9", "'gaim'", "sd 0"):
        assert part in text


def test_blocks_of_one_kind_share_a_shift():
    rng = np.random.default_rng(30)
    high, plain = (trials(rng, count=6, name=name) for name in ("high", "plain"))
    rise = {m: 0.3 * TRUE["gain"] * (1 - np.exp(-TRUE["rate"] * m)) for m in (6, 12, 24, 36)}
    more = tuple(
        replace(b, rows=tuple(replace(r, value=r.value + rise[r.month] * (r.arm == "drug")) for r in b.rows))
        for b in high.blocks
    )
    kind = Effect("kind", ("gain",), sd=0.5, together=tuple(b.name for b in more))
    toy = Exact((*more, *plain.blocks))
    fit = calibrate(Problem(toy, FREE, effects=(kind,), errors=VISITS))
    assert fit.objective.size == 4
    (shift,) = fit.shifts["kind"].values()
    assert shift == pytest.approx(
        np.log(1.3), abs=0.15
    )  # the loss is multiplied too, which the gain has to make up for
    alone = calibrate(Problem(plain, FREE, errors=VISITS))
    assert fit.values["gain"] == pytest.approx(alone.values["gain"], rel=0.05)
