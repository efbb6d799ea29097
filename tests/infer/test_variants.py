"""Variants: read with every fault, applied to a problem."""

import numpy as np
import pytest
from toy_trials import Told, trials

from bonepk.errors import DataError
from bonepk.infer import (
    Chosen,
    Effect,
    ErrorModel,
    Free,
    Prior,
    Problem,
    Trials,
    Variant,
    calibrate,
    from_set,
    load_variants,
    with_memory,
)
from bonepk.infer.variants import varied
from bonepk.infer.view import View

FREE = (
    Free("rate", 0.1, 0.005, 1.0, prior=Prior(0.06, 0.5)),
    Free("gain", 4.0, 1.0, 30.0, also=("spare",)),
    Free("loss", 1.0, -5.0, 5.0, "identity"),
)


@pytest.fixture(scope="module")
def problem():
    toy = trials(np.random.default_rng(50), count=4, kind=Told)
    toy.defaults.update(spare=8.0, extra=1.0)
    effect = Effect("response", ("gain",), sd=0.2, estimate=True)
    errors = {"bmd": ErrorModel(sd=0.2, visits=0.7, estimate=True)}
    return Problem(toy, FREE, (effect,), errors, rounds=2, title="toy")


@pytest.fixture(scope="module")
def full(problem):
    return calibrate(problem)


TEXT = """\
starts = 2

[variants.no-gain]
title = "no gain"
fixed = { gain = 0 }

[variants.one-value]
tied = { loss = "rate" }

[variants.more]

[variants.more.free]
extra = { start = 1, bounds = [0.1, 10], prior = { sd = 0.5, source = "made up" } }

[variants.no-drug]
without = [{ given = ["drug"], trials = ["trial-0"] }, { stopped = ["drug"] }]
spreads = "estimated"
starts = 1

[variants.read]
memory = 0
"""


def test_a_file_is_read(problem):
    no_gain, one_value, more, no_drug, read = load_variants(TEXT, problem, file="v.toml")
    assert no_gain == Variant("no-gain", "no gain", fixed={"gain": 0.0}, starts=2)
    assert one_value.tied == {"loss": "rate"}
    assert more.free == (Free("extra", 1, 0.1, 10, prior=Prior(1, 0.5, "made up")),)
    assert no_drug.without == (Chosen(given=("drug",), trials=("trial-0",)), Chosen(stopped=("drug",)))
    assert (no_drug.spreads, no_drug.starts, read.memory) == ("estimated", 1, 0)


def test_every_fault_is_told_with_its_line(problem):
    text = """\
spreads = "hold"

[variants.a]
fixed = { gian = 0, rate = "x" }
tied = { gain = "loose" }

[variants.b]
without = [{ trials = ["trial-9"] }, {}, { treatment = ["drug"] }]

[variants.c]
memory = 2

[variants."d/e"]
title = "nothing"

[variants.f]
fixed = { loss = 0 }
tied = { loss = "rate" }
free = { rate = { start = 1, bounds = [0.1, 10] }, extra = { start = 20, bounds = [0.1, 10] } }

[variants.g]
without = [{ given = ["drug"], treatments = ["no drug"] }]

[variants.h]
without = [{ families = ["bmd"] }]

[variants.full]
fixed = { loss = 0 }
"""
    with pytest.raises(DataError) as caught:
        load_variants(text, problem, file="v.toml")
    told = str(caught.value)
    for part in (
        "v.toml:1 [spreads]: unknown choice 'hold'; did you mean 'held'?",
        "v.toml:4 [variants.a.fixed.gian]: unknown parameter 'gian'; did you mean 'gain'?",
        "v.toml:4 [variants.a.fixed.rate]: found 'x'; expected a finite number",
        "v.toml:5 [variants.a.tied.gain]: unknown fitted parameter 'loose'; did you mean 'loss'?",
        "unknown word 'trial-9'; did you mean 'trial-",
        "[variants.b.without[2]]: chooses nothing",
        "unknown key 'treatment'; did you mean 'treatments'?",
        "v.toml:11 [variants.c.memory]: found 2",
        "name 'd/e'",
        "v.toml:13 [variants.d/e]: changes nothing",
        "'loss' also stands under 'fixed'",
        "'rate' is fitted already",
        "start 20; expected a value within 0.1 to 10",
        "v.toml:22 [variants.g.without[1]]: no row matches",
        "v.toml:24 [variants.h]: no row is left to fit",
        "name 'full'",
    ):
        assert part in told, part


def test_rows_are_chosen_by_all_keys_of_a_table_and_any_table(problem):
    variant = load_variants(TEXT, problem, file="v.toml")[3]
    weights = variant.weights(problem.predictor)
    rows = {b.name: b.rows for b in problem.predictor.blocks}
    for name, mine in weights.items():
        gone = {(r.arm, r.month) for r, w in zip(rows[name], mine, strict=True) if w == 0}
        every = {("drug", m) for m in (6, 12, 24, 36)}
        assert gone == (every if name == "trial-0" else {("drug", 36)})
    assert set(weights) == set(rows)
    assert Variant("x", without=(Chosen(),)).weights(problem.predictor) == {}


def test_recalled_rows_get_another_weight(problem):
    weights = Variant("x", memory=0.5).weights(problem.predictor)
    assert weights["trial-0"] == (0.5, 1, 1, 1) * 2


def test_fixed_and_tied_parameters_are_fitted_no_longer(problem, full):
    no_gain = varied(problem, Variant("x", fixed={"gain": 0.0}), full)
    assert [(p.name, p.also) for p in no_gain.free] == [("rate", ()), ("spare", ()), ("loss", ())]
    assert no_gain.predictor.defaults["gain"] == 0
    one = varied(problem, Variant("x", tied={"loss": "rate"}), full)
    assert [(p.name, p.also) for p in one.free] == [("rate", ("loss",)), ("gain", ("spare",))]
    assert one.free[0].prior == FREE[0].prior


def test_the_search_begins_at_the_full_fit(problem, full):
    same = varied(problem, Variant("x", free=(Free("extra", 1, 0.1, 10),)), full)
    assert all(p.start == pytest.approx(full.values.get(p.name, 1.0)) for p in same.free)
    assert same.shifts == full.shifts
    assert same.errors["bmd"].sd == full.objective.errors["bmd"].sd
    assert same.effects[0].sd == full.objective.effects[0].sd
    assert not same.errors["bmd"].estimate
    assert not same.effects[0].estimate
    again = varied(problem, Variant("x", memory=0, spreads="estimated"), full)
    assert again.errors["bmd"].estimate
    assert again.effects[0].estimate
    assert isinstance(again.predictor, View)


SET = """\
kind = "set"
title = "made up"
model = "aibl"

[values]
rankl_gain = { value = 3.07, unit = "1" }
"tamoxifen.occupancy" = { value = 1, unit = "1" }
"""


def test_a_problem_starts_at_a_set(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(SET)
    free = (Free("rankl_gain", 5.0, 0.4, 8), Free("tamoxifen.occupancy", 0.2, 0, 1, "logit"))
    begun = from_set(Problem(Trials(names=("zebra", "ward")), free, starts=4), path)
    assert begun.starts == 1
    assert begun.free[0].start == 3.07
    assert 0.999 < begun.free[1].start < 1  # the end of a logit scale is open
    with pytest.raises(DataError, match="names no parameter that is fitted"):
        from_set(Problem(Trials(names=("zebra",)), (Free("residual_ovary", 0.01, 1e-4, 0.1),)), path)


def test_memory_weighs_published_trials_only(problem):
    trials_of = Problem(Trials(names=("freedom",)), (Free("rankl_gain", 2, 0.4, 8),))
    rows = [len(with_memory(trials_of, w).predictor.blocks[0].rows) for w in (0.25, 0)]
    assert rows[1] < rows[0]
    assert min(r.weight for r in with_memory(trials_of, 0.5).predictor.blocks[0].rows) == 0.5
    for weight, which in ((1.5, trials_of), (0.5, problem)):
        with pytest.raises(DataError):
            with_memory(which, weight)
