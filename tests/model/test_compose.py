"""Joining files: names, slots, order, circles, open ends; each fault with place and cure."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonepk.errors import BonepkError, ModelTextError, UnitsError
from bonepk.model.checks import initial_values
from bonepk.model.compose import compose
from bonepk.model.expr import evaluate, num, sym, to_text
from bonepk.model.library import components_of, load
from bonepk.model.parse import parse_expression
from bonepk.model.text import read_component_text

ALL = {"drugs": ["blocker", "booster"], "modules": ["seasons"]}


def test_a_core_alone_is_closed(folder):
    system = load("turnover")
    assert system.state_names == ("marker",)
    assert system.components == ("turnover",)
    assert dict(zip(system.output_names, [o.unit for o in system.outputs], strict=True)) == {
        "index": "1",
        "level": "ng/mL",
    }
    assert system.outputs[1].label == "marker"
    slots = {q.name: q.expr for q in system.quantities}
    assert slots["inhibition"] is num(1)
    assert slots["stimulation"] is num(0)
    assert to_text(system.rates[0]) == "production_rate - k_out*marker"
    assert system.units_checked


def test_names_of_a_part_are_qualified_and_its_own_come_first(folder):
    system = load("turnover", **ALL)
    assert system.components == ("turnover", "blocker", "booster", "seasons")
    assert "blocker.CL" in system.parameter_names
    assert system.state_names == ("marker", "blocker.gut", "blocker.body", "booster.depot", "seasons.lagged")
    assert [r.name for r in system.routes] == ["blocker.oral", "booster.sc"]
    assert [r.drug for r in system.routes] == ["blocker", "booster"]
    slots = {q.name: to_text(q.expr) for q in system.quantities}
    assert slots["inhibition"] == "1/(1 + blocker.conc/blocker.EC50)*(1 + seasons.lagged)"
    assert slots["stimulation"] == "booster.depot/(booster.ED50 + booster.depot)"


def test_own_name_hides_the_cores(folder):
    folder.edit("drugs/booster.toml", "k = { value = 0.2", "k_out = { value = 0.2")
    folder.edit("drugs/booster.toml", "k*depot", "k_out*depot*(baseline/baseline)")
    system = load("turnover", drugs=["booster"])
    assert to_text(system.rates[1]) == "-(booster.k_out*booster.depot*(baseline/baseline))"


def test_routes_convert_and_keep_their_molar_mass(folder):
    system = load("turnover", drugs=["blocker", "booster"])
    oral, sc = system.routes
    assert oral.scale == pytest.approx(1e6 / 250, rel=1e-15)  # mg into nmol
    assert (oral.unit, oral.molar_mass, oral.bioavailability, oral.lag) == ("mg", 250.0, num(0.5), num(0))
    assert (sc.unit, sc.scale, sc.bioavailability) == ("mg", 1.0, sym("booster.F"))


def test_units_left_out_are_filled_in(folder):
    units = {q.name: q.unit for q in load("turnover").quantities}
    assert units["production_rate"] == "ng/(day*mL)"


@pytest.mark.parametrize("order", list(itertools.permutations(["blocker", "booster"])))
def test_order_of_drugs_cannot_matter(folder, order):
    one = load("turnover", drugs=order, modules=["seasons"])
    other = load("turnover", drugs=["booster", "blocker"], modules=["seasons"])
    assert one == other
    assert one.hash == other.hash
    assert one.structure_hash == other.structure_hash


def _drug(index: int, slot: str, gain: float) -> str:
    return f"""
kind = "drug"
title = "Drug {index}"
time = "day"
[parameters]
k = {{ value = {gain!r}, unit = "1/day", source = "assumed", note = "any" }}
[states]
depot = {{ initial = 0, unit = "1" }}
[fluxes]
loss = {{ from = "depot", rate = "k*depot" }}
[modifies]
{slot} = "1 + {gain!r}*depot"
"""


drugs = st.lists(st.tuples(st.sampled_from(["inhibition", "stimulation"]), st.floats(0.1, 9.0)), min_size=1, max_size=5)


@given(drugs, st.randoms(use_true_random=False))
def test_any_drugs_in_any_order_make_one_system(samples, chosen, random):
    core = read_component_text(samples["turnover.toml"], "turnover")
    parts = [read_component_text(_drug(i, *c), f"drug{i}") for i, c in enumerate(chosen)]
    straight = compose(core, parts)
    random.shuffle(parts)
    assert compose(core, parts) == straight
    assert len(straight.states) == 1 + len(parts)


def test_drugs_without_a_dose_leave_the_core_as_it_is(folder):
    alone, joined = load("turnover"), load("turnover", drugs=["blocker", "booster"])
    environment = {**joined.values, "t": 3.0, "marker": 77.0}
    _, start = initial_values(joined)
    environment |= {n: float(v) for n, v in zip(joined.state_names[1:], start[1:], strict=True)}
    np.testing.assert_array_equal(evaluate(joined.flat_rates[:1], environment), evaluate(alone.flat_rates, environment))


def test_gain_counts_on_arrival_only(folder):
    folder.edit(
        "drugs/blocker.toml",
        "[modifies]",
        '[fluxes]\nabsorption = { from = "gut", to = "body", rate = "ka*gut", gain = 0.3 }\n\n[modifies]',
    )
    system = load("turnover", drugs=["blocker"])
    rates = dict(zip(system.state_names, map(to_text, system.rates), strict=True))
    assert rates["blocker.gut"] == "-(blocker.ka*blocker.gut)"
    assert rates["blocker.body"].startswith("blocker.ka*blocker.gut*0.3 - ")


def test_history_is_in_parameters(folder):
    folder.edit("turnover.toml", "steady = true", 'steady = true\nhistory = "-lead"')
    folder.edit("turnover.toml", "[states]", 'lead = { expr = "30/k_out", unit = "day" }\n\n[states]')
    system = load("turnover")
    assert system.history_start is parse_expression("-(30/k_out)")
    assert initial_values(system)[0] == -300.0


# file, change, the message: each is the only fault
FAULTS = [
    (
        "turnover.toml",
        ('"k_out*marker"', '"Kout*marker"'),
        "turnover.toml:37 [fluxes.loss]: unknown name 'Kout'; did you mean 'k_out'?",
    ),
    (
        "drugs/booster.toml",
        ('"k*depot"', '"k*depo"'),
        "drugs/booster.toml:18 [fluxes.elimination]: unknown name 'depo'; did you mean 'depot'?",
    ),
    (
        "drugs/booster.toml",
        ('"k*depot"', '"k*blokker.body"'),
        "unknown name 'blokker.body'; did you mean 'blocker.body'?",
    ),
    (
        "drugs/booster.toml",
        ('"k*depot"', '"k*warfarin.x"'),
        "unknown name 'warfarin.x'; 'warfarin' is not loaded with this core",
    ),
    (
        "drugs/booster.toml",
        ('"k*depot"', '"loss*depot"'),
        "unknown name 'loss'; it is a flux; expressions use states and quantities: make its rate a quantity",
    ),
    (
        "drugs/booster.toml",
        ("stimulation =", "stimulaton ="),
        "[modifies.stimulaton]: unknown slot 'stimulaton'; did you mean 'stimulation'?",
    ),
    (
        "drugs/booster.toml",
        ("stimulation =", "lipids ="),
        "unknown slot 'lipids'; open it in the core 'turnover', which has inhibition, stimulation",
    ),
    ("drugs/booster.toml", ("stimulation =", "marker ="), "unknown slot 'marker'; it is no slot"),
    (
        "drugs/booster.toml",
        ('from = "depot"', 'from = "depott"'),
        "[fluxes.elimination]: unknown state 'depott'; did you mean 'depot'?",
    ),
    ("drugs/booster.toml", ('from = "depot"', 'from = "ED50"'), "unknown state 'ED50'; it is no state"),
    (
        "drugs/booster.toml",
        ('from = "depot", rate', 'from = "depot", to = "marker", rate'),
        "'marker' is a state of another file; a file moves only its own states; open a slot for it there",
    ),
    (
        "drugs/booster.toml",
        ('from = "depot", rate', "rate"),
        "a flux from nowhere to nowhere; state 'from', 'to' or both",
    ),
    (
        "drugs/booster.toml",
        ('into = "depot"', 'into = "depo"'),
        "[routes.sc]: unknown state 'depo'; did you mean 'depot'?",
    ),
    (
        "drugs/booster.toml",
        ('bioavailability = "F"', 'bioavailability = "F*depot/depot"'),
        "'bioavailability' uses 'booster.depot'; expected parameters, inputs and derived values only",
    ),
    (
        "drugs/booster.toml",
        ("initial = 0", 'initial = "marker*0"'),
        "",  # a product with 0 is 0
    ),
    (
        "drugs/booster.toml",
        ("initial = 0", 'initial = "t"'),
        "[states.depot]: an initial value uses time; expected parameters, inputs and derived values only",
    ),
    (
        "drugs/booster.toml",
        ("[modifies]", '[rates]\ndepot = "-k*depot"\n\n[modifies]'),
        "[rates.depot]: state 'depot' has fluxes and a rate; keep one",
    ),
    (
        "drugs/booster.toml",
        ("depot = { initial", 'spare = { initial = 1, unit = "mg" }\ndepot = { initial'),
        "[states.spare]: state 'booster.spare' never changes; give it a flux or a rate",
    ),
    (
        "turnover.toml",
        ('expr = "k_in/k_out"', 'expr = "k_in/k_out + 0*marker + t*k_in"'),
        "[derived.baseline]: a derived value uses time; expected parameters, inputs and derived values only; move it",
    ),
    (
        "turnover.toml",
        (
            'expr = "marker/baseline"',
            'expr = "marker/baseline + inhibition - production_rate/production_rate*relative"',
        ),
        "[quantities.relative]: cycle relative -> relative; make one of them a state, or take it apart",
    ),
    (
        "drugs/booster.toml",
        ('time = "day"', 'time = "h"'),
        "drugs/booster.toml:3 [time]: time in 'h'; core 'turnover' is in 'day'; write 'booster' per day",
    ),
    (
        "drugs/booster.toml",
        ('["turnover", "other"]', '"other"'),
        "[for]: written for other, not 'turnover'; load it with one of these, or add 'turnover' to 'for'",
    ),
    (
        "drugs/booster.toml",
        (
            'smith2001 = { text = "Smith 2001" }',
            'smith2001 = { text = "Smith 2001" }\ngabrielsson = { text = "G", doi = "10/other" }',
        ),
        "[references.gabrielsson]: key 'gabrielsson' is doi 10.1201/x elsewhere, 10/other here",
    ),
]


@pytest.mark.parametrize(("file", "change", "message"), FAULTS)
def test_fault_of_a_composition(folder, file, change, message):
    line = folder.edit(file, *change)
    if not message:
        load("turnover", drugs=["booster", "blocker"])
        return
    with pytest.raises(ModelTextError) as caught:
        load("turnover", drugs=["booster", "blocker"])
    texts = [str(f) for f in caught.value.faults]
    hits = [t for t in texts if message in t]
    assert hits, texts
    assert len(texts) <= 2, texts  # a lost flux leaves its state without one
    assert hits[0].startswith(f"{file}:")
    if "cycle" not in message and "never" not in message and "rate; keep" not in message and "elsewhere" not in message:
        assert hits[0].startswith(f"{file}:{line} ")


UNIT_FAULTS = [
    (
        "drugs/booster.toml",
        ('rate = "k*depot"', 'rate = "depot"'),
        "[fluxes.elimination]: 'booster.depot' is in mg; expected mg/day; a factor in 1/day is missing",
    ),
    (
        "drugs/booster.toml",
        ('unit = "mg", source = "smith2001"', 'unit = "ug", source = "smith2001"'),
        "adds ug and mg; expected both in one unit",
    ),
    (
        "drugs/booster.toml",
        ('"depot/(ED50 + depot)"', '"depot"'),
        "[modifies.stimulation]: 'booster.depot' is in mg; expected a pure number",
    ),
    ("turnover.toml", ('initial = "baseline"', 'initial = "baseline*2/k_out"'), "[states.marker]: "),
    ("turnover.toml", ('initial = "baseline"', 'initial = "7"'), ""),
    (
        "turnover.toml",
        ('"relative**power"', '"marker**power"'),
        "[outputs.index]: 'marker**power' raises ng/mL to a power",
    ),
    ("turnover.toml", ('expr = "k_in/k_out"', 'expr = "k_in*k_out"'), "[derived.baseline]: "),
    (
        "turnover.toml",
        ('rate = "k_out*marker"', 'rate = "k_out*marker + 1e-9"'),
        "make 1e-09 a parameter with unit 'ng/(day*mL)'",
    ),
    (
        "drugs/blocker.toml",
        ("[modifies]", '[routes]\noral = { into = "gut", unit = "mg" }\n\n[modifies]'),
        "[routes.oral]: mg into 'gut' [nmol] needs a molar mass; add molar_mass = ... (g/mol) to the route",
    ),
    (
        "drugs/blocker.toml",
        ("[modifies]", '[routes]\noral = { into = "gut", unit = "mL" }\n\n[modifies]'),
        "[routes.oral]: mL into 'gut' [nmol] cannot be converted",
    ),
    (
        "drugs/booster.toml",
        ('into = "depot"', 'into = "depot", lag = "F"'),
        "[routes.sc]: 'booster.F' is in a pure number; expected day",
    ),
    ("drugs/booster.toml", ('into = "depot"', 'into = "depot", duration = "1/k"'), ""),
    ("drugs/booster.toml", ('into = "depot"', 'into = "depot", rate = "ED50*k"'), ""),
    ("drugs/booster.toml", ('into = "depot"', 'into = "depot", rate = "ED50"'), "expected mg/day"),
    (
        "turnover.toml",
        ("steady = true", 'steady = true\nhistory = "-k_out"'),
        "[history]: '-k_out' is in 1/day; expected day",
    ),
    ("turnover.toml", ("steady = true", 'steady = true\nhistory = "-power*365.25"'), ""),
]


@pytest.mark.parametrize(("file", "change", "message"), UNIT_FAULTS)
def test_units_of_a_composition(folder, file, change, message):
    folder.edit(file, *change)
    if not message:
        assert load("turnover", drugs=["booster", "blocker"]).units_checked
        return
    with pytest.raises((UnitsError, ModelTextError)) as caught:
        load("turnover", drugs=["booster", "blocker"])
    texts = [str(f) for f in caught.value.faults]
    assert any(message in t and t.startswith(f"{file}:") for t in texts), texts


def test_circle_through_a_slot_names_its_members(folder):
    folder.edit("drugs/booster.toml", '"depot/(ED50 + depot)"', '"production_rate/production_rate"')
    with pytest.raises(ModelTextError) as caught:
        load("turnover", drugs=["booster"])
    (fault,) = caught.value.faults
    assert fault.place == "turnover.toml:33 [quantities.production_rate]"
    assert fault.found == "cycle production_rate -> stimulation -> production_rate"


def test_kinds_are_checked(folder):
    core, (blocker, booster) = components_of("turnover", ["blocker", "booster"])
    with pytest.raises(ModelTextError, match="'booster' is a drug; expected a core or a literature model"):
        compose(booster)
    with pytest.raises(ModelTextError, match="'booster' is joined twice; name it once"):
        compose(core, [booster, booster])
    with pytest.raises(ModelTextError, match="a literature model is closed; load it alone"):
        compose(replace(core, kind="literature", slots=()), [blocker])
    with pytest.raises(ModelTextError, match="'turnover' is a core; expected a drug or a module"):
        compose(core, [replace(core, written_for=())])


def test_faults_of_names_and_units_come_together(folder):
    folder.edit("turnover.toml", '"relative**power"', '"marker**power"')
    folder.edit("drugs/booster.toml", '"k*depot"', '"k*depo"')
    with pytest.raises(ModelTextError) as caught:
        load("turnover", drugs=["booster"])
    assert len(caught.value.faults) == 2


def test_modules_of_a_file_come_along_and_are_known_by_bare_name(folder):
    folder.edit("drugs/booster.toml", 'time = "day"', 'time = "day"\nmodules = ["seasons"]')
    folder.edit("drugs/booster.toml", '"k*depot"', '"k*depot*(1 + lagged + seasons.depth)"')
    system = load("turnover", drugs=["booster"])
    assert system.components == ("turnover", "booster", "seasons")
    assert "seasons.lagged" in to_text(system.rates[1])


def test_slot_of_a_module(folder):
    folder.edit(
        "modules/seasons.toml",
        "[modifies]",
        '[slots]\nswing = { combine = "sum", neutral = 1, unit = "1" }\n\n[modifies]',
    )
    folder.edit("modules/seasons.toml", '"1 + lagged"', '"1 + lagged*swing"')
    folder.edit("drugs/booster.toml", "stimulation = ", "seasons.swing = ")
    system = load("turnover", drugs=["booster"], modules=["seasons"])
    slots = {q.name: to_text(q.expr) for q in system.quantities}
    assert slots["seasons.swing"] == "1 + booster.depot/(booster.ED50 + booster.depot)"
    with pytest.raises(BonepkError, match=r"unknown slot 'seasons\.swing'; 'seasons' is not loaded"):
        load("turnover", drugs=["booster"])


def test_hidden_units_are_not_checked_but_words_are(folder):
    text = (folder.path / "turnover.toml").read_text()
    text = text.replace('kind = "core"', 'kind = "literature"\nhidden_units = "the paper gives none"')
    text = text[: text.index("[slots]")] + text[text.index("[quantities]") :]
    text = text.replace("inhibition*(1 + stimulation)*", "marker*")
    path = folder.write("paper.toml", text)
    system = load(path)
    assert not system.units_checked
    path.write_text(text.replace('unit = "ng/mL", label = "marker" }', 'unit = "ngg/mL" }'))
    with pytest.raises(ModelTextError, match="unknown unit 'ngg'"):
        load(path)


def test_definitions_that_double_do_not_blow_up(folder):
    """A hundred definitions, each the square of the last, hash and evaluate in no time."""
    chain = "\n".join(f'q{i} = "q{i - 1}*q{i - 1}"' for i in range(1, 100))
    folder.edit(
        "turnover.toml",
        'unit = "ng/mL", label = "marker at balance" }',
        'unit = "ng/mL" }\nq0 = "power/power"\n' + chain,
    )
    folder.edit("turnover.toml", 'initial = "baseline"', 'initial = "baseline*q99"')
    system = load("turnover")
    assert len(system.hash) == 64
    assert initial_values(system)[1][0] == 200.0
