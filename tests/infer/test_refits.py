"""Refits under variants: costs and predictions by another route, the same numbers however they are made."""

import csv
import math

import numpy as np
import pytest
from toy_trials import Exact, Told, trials

from bonepk.errors import DataError
from bonepk.infer import (
    Chosen,
    Effect,
    ErrorModel,
    Free,
    Prior,
    Problem,
    Variant,
    calibrate,
    predict,
    refit,
    refits_text,
    save_refits,
)
from bonepk.infer.problem import replace

FREE = (
    Free("rate", 0.1, 0.005, 1.0, prior=Prior(0.06, 0.5)),
    Free("gain", 4.0, 1.0, 30.0),
    Free("loss", 1.0, -5.0, 5.0, "identity"),
)
VARIANTS = (
    Variant("no-loss", "no loss", fixed={"loss": 0.0}),
    Variant("one-out", "a trial left out", without=(Chosen(trials=("trial-1",)),)),
    Variant("no-stop", "no stopping", without=(Chosen(stopped=("drug",)),), spreads="estimated"),
    Variant("read", "read only", memory=0.0, starts=2),
    Variant("broken", "cannot be solved", fixed={"rate": 8.0}),
)


def make(seed=60, kind=Told):
    toy = trials(np.random.default_rng(seed), count=6, kind=kind, shift=0.2, model_sd=0.3)
    effect = Effect("response", ("gain",), sd=0.2, estimate=True)
    errors = {"bmd": ErrorModel(sd=0.3, shared=0.1, visits=0.7, estimate=True)}
    return Problem(toy, FREE, (effect,), errors, rounds=4, seed=3, title="toy")


AHEAD = trials(np.random.default_rng(61), count=5, shift=0.2, model_sd=0.3, name="new")


@pytest.fixture(scope="module")
def problem():
    return make()


@pytest.fixture(scope="module")
def made(problem):
    return refit(problem, VARIANTS, predicted=AHEAD)


def one(made, name):
    return next(v for v in made.variants if v.variant.name == name)


def held(problem, full, **changes):
    """The problem at the full fit's standard deviations, from the problem's own start."""
    effects = tuple(replace(e, estimate=False) for e in full.objective.effects)
    errors = {k: replace(m, estimate=False) for k, m in full.objective.errors.items()}
    return replace(problem, **{"effects": effects, "errors": errors, **changes})


def test_the_full_fit_is_that_of_calibrate(problem, made):
    alone = calibrate(problem)
    assert made.full.fit.best.x.tobytes() == alone.best.x.tobytes()
    assert made.full.change == pytest.approx(0, abs=1e-9)
    assert [r.predicted for r in made.full.rows if r.part == "fitted"] == [r.predicted for r in alone.rows]
    n, rmse, mae = alone.quality()["bmd"]
    score = made.full.score("fitted", "bmd")
    assert (score.n, score.rmse, score.mae) == pytest.approx((n, rmse, mae))


def test_a_part_switched_off_costs_what_a_fit_without_it_costs(problem, made):
    full = made.full.fit
    without = Told(problem.predictor.blocks, {**problem.predictor.defaults, "loss": 0.0})
    alone = calibrate(held(problem, full, predictor=without, free=FREE[:2]))
    found = one(made, "no-loss")
    # searches stop at 1e-7 of the cost
    assert found.change == pytest.approx(alone.best.cost - full.best.cost, abs=1e-3)
    assert found.change > 10
    assert found.fit.values["gain"] == pytest.approx(alone.values["gain"], rel=1e-3)
    rising = [r.rise for r in found.rows if r.part == "fitted"]
    assert len(rising) == 48
    assert found.worst(2)[0].rise == max(rising)


def test_a_trial_left_out_is_predicted_as_a_new_one(problem, made):
    full, blocks = made.full.fit, problem.predictor.blocks
    rest = Exact(tuple(b for b in blocks if b.name != "trial-1"))
    alone = calibrate(held(problem, full, predictor=rest))
    bands = predict(alone, Exact((blocks[1],)), draws=0)
    found = one(made, "one-out")
    rows = [r for r in found.rows if r.part == "held"]
    assert [r.row for r in rows] == list(blocks[1].rows)
    assert [r.predicted for r in rows] == pytest.approx(bands.predicted.values, abs=1e-3)
    assert [r.low for r in rows] == pytest.approx(bands.low.values, abs=1e-3)
    assert [r.high for r in rows] == pytest.approx(bands.high.values, abs=1e-3)
    assert [r.full for r in rows] == [r.predicted for r in full.rows if r.block == "trial-1"]
    assert found.change <= 1e-6  # the rest can only fit better without it
    score = found.score("held", "bmd")
    assert score.rmse > found.score("held", "bmd", "full").rmse
    assert score.covered == np.mean([r.low <= r.row.value <= r.high for r in rows])


def test_rows_of_a_class_leave_and_the_others_stay(made):
    found = one(made, "no-stop")
    gone = [r for r in found.rows if r.part == "held"]
    assert {(r.row.arm, r.row.month) for r in gone} == {("drug", 36.0)}
    assert {r.treatment for r in gone} == {"stopped: drug"}
    assert len(gone) == 6
    assert found.score("held", "bmd", treatment="stopped: drug").n == 6
    assert found.score("held", "bmd", treatment="drug") is None
    assert len([r for r in found.rows if r.part == "fitted"]) == 42
    sds = [fit.objective.errors["bmd"].sd for fit in (found.fit, made.full.fit)]
    assert sds[0] != sds[1]  # estimated again
    assert one(made, "read").fit.objective.errors["bmd"].sd == sds[1]  # held


def test_recalled_rows_leave(made):
    found = one(made, "read")
    assert {r.row.month for r in found.rows if r.part == "held"} == {6.0}
    assert len(found.fit.ends) == 2


def test_what_cannot_be_solved_says_so_and_ends_nothing(made):
    found = one(made, "broken")
    assert found.fit is None
    assert "start" in found.failure
    assert math.isnan(found.change)


def test_trials_that_no_fit_sees_are_predicted(made):
    found = one(made, "no-loss")
    for refitted in (made.full, found):
        assert refitted.score("predicted", "bmd").n == 40
    assert found.score("predicted", "bmd").rmse > made.full.score("predicted", "bmd").rmse
    assert found.score("predicted", "bmd", "full").rmse == pytest.approx(made.full.score("predicted", "bmd").rmse)


def test_workers_do_not_change_the_numbers(problem, made):
    parallel = refit(problem, VARIANTS, predicted=AHEAD, workers=2)
    assert numbers(parallel) == numbers(made)


def numbers(made):
    return [
        (v.variant.name, repr(v.change), [(r.part, repr(r.predicted), repr(r.low)) for r in v.rows])
        for v in (made.full, *made.variants)
    ]


def test_an_interrupted_run_goes_on_and_ends_at_the_same_numbers(made, tmp_path):
    news = []

    def enough(done, total, what):
        news.append(what)
        if what.startswith("no-stop") and "evaluation 2" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refit(make(), VARIANTS, predicted=AHEAD, folder=tmp_path, progress=enough)
    assert news[0].startswith("full fit, start 1")
    assert {p.name for p in tmp_path.iterdir()} == {"full", "no-loss", "one-out", "no-stop"}
    before = {p: p.stat().st_size for p in (tmp_path / "no-loss").iterdir()}
    problem = make()
    again = refit(problem, VARIANTS, predicted=AHEAD, folder=tmp_path)
    assert numbers(again) == numbers(made)
    assert before == {p: p.stat().st_size for p in (tmp_path / "no-loss").iterdir()}


def test_an_interruption_reaches_workers(made, tmp_path):
    def enough(done, total, what):
        if not what.startswith("full"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refit(make(), VARIANTS, predicted=AHEAD, workers=2, folder=tmp_path, progress=enough)
    assert numbers(refit(make(), VARIANTS, predicted=AHEAD, folder=tmp_path)) == numbers(made)


def test_names_are_different_and_a_fit_is_of_the_same_data(problem, made):
    with pytest.raises(DataError, match="all different"):
        refit(problem, (VARIANTS[0], VARIANTS[0]))
    with pytest.raises(DataError, match="other data"):
        refit(make(seed=62), VARIANTS[:1], full=made.full.fit)
    again = refit(problem, VARIANTS[:1], full=made.full.fit)
    assert again.variants[0].change == one(made, "no-loss").change


def test_tables_hold_the_numbers(made, tmp_path):
    paths = save_refits(made, tmp_path / "out.md")
    assert [p.name for p in paths] == ["out.md", "out.csv", "out-rows.csv"]
    text = paths[0].read_text()
    assert text == refits_text(made)
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in reversed(text.splitlines()) if " | " in line}
    found = one(made, "no-loss")
    assert f"| {found.change:+.1f} |" in lines["no loss"]
    assert "failed" in lines["cannot be solved"]
    assert f"{found.score('predicted', 'bmd').rmse:.2f} (" in lines["no loss"]
    assert text.count("| trial-1 | drug | bmd |") >= 4
    with paths[1].open() as file:
        scores = list(csv.DictReader(file))
    mine = [s for s in scores if (s["variant"], s["part"], s["by"]) == ("one-out", "held", "predicted")]
    assert float(mine[0]["mae"]) == pytest.approx(one(made, "one-out").score("held", "bmd").mae, rel=1e-5)
    with paths[2].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(v.rows) for v in (made.full, *made.variants))
    assert all(r["low"] == "" for r in rows if r["part"] == "fitted")
