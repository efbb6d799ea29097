"""A faulty model file is refused with every fault, its line and its cure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonepk.errors import ModelTextError
from bonepk.model.component import Component
from bonepk.model.text import read_component, read_component_text


def faults_of(folder, name: str) -> list[str]:
    with pytest.raises(ModelTextError) as caught:
        read_component(folder.path / name, lambda t: folder.path / f"templates/{t}.toml")
    return [str(f) for f in caught.value.faults]


def test_the_samples_are_read(folder):
    core = read_component(folder.path / "turnover.toml")
    assert isinstance(core, Component)
    assert (core.name, core.kind, core.time, core.steady) == ("turnover", "core", "day", True)
    (k_in, *_) = core.parameters
    assert (k_in.name, k_in.value, k_in.unit, k_in.low, k_in.high) == ("k_in", 20.0, "ng/(mL*day)", 1.0, 100.0)
    assert k_in.source == "gabrielsson ch. 4"
    assert (k_in.file, k_in.line) == ("turnover.toml", 14)
    assert core.place("parameters", "k_out") == "turnover.toml:15 [parameters.k_out]"
    assert core.fluxes[0].target == "marker"
    assert core.slots[0].neutral == 1.0


# one change to the sample core, and what the message says; {line} is where the change is
CHANGES = [
    ('kind = "core"\n', "", "turnover.toml:1: no 'kind'; expected core | module | drug"),
    ('kind = "core"', 'kind = "kore"', "[kind]: kind = 'kore'; expected core | module | drug"),
    ('title = "Turnover of one marker"\n', "", "turnover.toml:1: no 'title'"),
    ('time = "day"\n', "", "turnover.toml:1: no 'time'; add time = \"day\""),
    ('time = "day"', 'time = "mL"', "[time]: time = 'mL'; expected a unit of time"),
    ('time = "day"', 'time = "dayy"', "[time]: unknown unit 'dayy'; did you mean 'day'?"),
    ('time = "day"', "time = 3", "[time]: 'time' is 3; expected a string"),
    ("steady = true", 'steady = "yes"', "[steady]: 'steady' is the string 'yes'; expected true or false"),
    ("steady = true", "stedy = true", "[stedy]: unknown key 'stedy'; did you mean 'steady'?"),
    ("steady = true", 'authors = "me"', "[authors]: 'authors' is the string 'me'; expected a list of strings"),
    ("steady = true", "modules = [1]", "[modules]: 'modules' holds 1; expected strings"),
    ("steady = true", 'for = "x"', "[for]: 'for' in a core file; expected only in drug, module, template"),
    ("steady = true", 'hidden_units = "x"', "'hidden_units' in a core file; expected only in literature"),
    ("steady = true", 'history = "1 +"', "[history]: cannot read '1 +'"),
    ("[parameters]", "[paramters]", "[paramters]: unknown key 'paramters'; did you mean 'parameters'?"),
    ("[inputs]", "[[inputs]]", "[inputs]: 'inputs' is a list; write it as a table, [inputs]"),
    (
        'source = "assumed", note = "half-life of a week"',
        'source = "assumed"',
        "source 'assumed' without a note; add note",
    ),
    ('source = "fixed", note = "shape"', 'source = "fixed", note = " "', "source 'fixed' without a note"),
    (', source = "gabrielsson ch. 4"', "", "[parameters.k_in]: no 'source'; name a key of [references], or fitted"),
    ("gabrielsson ch. 4", "gabrielson ch. 4", "names no reference; did you mean 'gabrielsson'?"),
    ("gabrielsson ch. 4", "asumed", "source 'asumed' names no reference; did you mean 'assumed'?"),
    ("gabrielsson ch. 4", "", "source '' names no reference; add it to [references]"),
    ('unit = "1/day", source', "source", "[parameters.k_out]: no 'unit'; a pure number has unit = \"1\""),
    (
        'unit = "1/day", source',
        'unit = "1/dayy", source',
        "[parameters.k_out.unit]: unknown unit 'dayy'",
    ),
    ('unit = "1/day", source', "unit = 1, source", "'unit' is 1; expected a string; put it in quotes: unit = \"1\""),
    ("value = 0.1", 'value = "0.1"', "[parameters.k_out.value]: 'value' is the string '0.1'; expected a number"),
    ("value = 0.1", "value = true", "'value' is true; expected a number"),
    ("value = 0.1", "value = inf", "'value' is inf; expected a finite number"),
    ("value = 0.1", "value = nan", "'value' is nan; expected a finite number"),
    ("value = 0.1", "value = 1" + "0" * 400, "expected a finite number"),
    ("value = 0.1", "vaule = 0.1", "[parameters.k_out.vaule]: unknown key 'vaule'; did you mean 'value'?"),
    ("range = [1, 100]", "range = [30, 100]", "value 20 is outside its range [30, 100]; correct one of the two"),
    ("range = [1, 100]", "range = [1]", "range is a list; expected [low, high]"),
    ("range = [1, 100]", 'range = [1, "x"]', "'range' is the string 'x'; expected a number"),
    ("k_out = {", "2k = {", "[parameters.2k]: name '2k'; use letters, digits and _"),
    ("k_out = {", "k-out = {", "name 'k-out'; use letters"),
    ("k_out = {", "lambda = {", "name 'lambda'; use letters"),
    ("k_out = {", "t = {", "name 't' is reserved for model time; choose another name"),
    ("k_out = {", "pi = {", "name 'pi' is reserved for the number"),
    ("k_out = {", "exp = {", "name 'exp' is reserved for a function"),
    ("k_out = {", '"µ" = {', "name 'µ'; use letters"),
    ("baseline = { expr", "k_in = { expr", "[derived.k_in]: 'k_in' is also in [parameters], line 14; rename one"),
    ("inhibition = { combine", "marker = { combine", "'marker' is also in [states], line 25; rename one"),
    ('level = "marker"', 'marker = "marker"', "output 'marker' has the name of a state; remove it"),
    (
        'combine = "product"',
        'combine = "prod"',
        "combine = 'prod'; expected 'sum' or 'product'; did you mean",
    ),
    ("neutral = 1, ", "", "[slots.inhibition]: no 'neutral'; add neutral = 0 for a sum, 1 for a product"),
    ('initial = "baseline", ', "", "[states.marker]: no 'initial'; add initial = 0"),
    ('initial = "baseline"', 'initial = "baseline", nonnegative = 1', "'nonnegative' is 1; expected true or false"),
    ('initial = "baseline"', "initial = [1]", "'initial' is a list; expected a number"),
    ('rate = "k_out*marker"', 'rate = "k_out*marker("', "[fluxes.loss.rate]: 1 bracket(s) not closed"),
    ('rate = "k_out*marker"', "rat = 3", "unknown key 'rat'; did you mean 'rate'?"),
    (
        "loss = { from",
        'loss = "k_out*marker" #',
        "[fluxes.loss]: 'loss' is the string 'k_out*marker'; write loss = {",
    ),
    ('level = "marker"', "level = true", "[outputs.level]: 'level' is true; write level = { expr = ... }"),
]


@pytest.mark.parametrize(("old", "new", "message"), CHANGES)
def test_one_change_is_found_on_its_line(folder, old, new, message):
    line = folder.edit("turnover.toml", old, new)
    found = faults_of(folder, "turnover.toml")
    hits = [f for f in found if message in f]
    assert hits, found
    if not message.startswith("turnover.toml:1:"):
        assert hits[0].startswith(f"turnover.toml:{line} "), hits[0]


def test_all_faults_of_a_file_at_once(folder):
    folder.edit("turnover.toml", 'time = "day"', 'time = "dya"')
    folder.edit("turnover.toml", "value = 0.1", 'value = "x"')
    folder.edit("turnover.toml", "relative**power", "relative**")
    folder.edit("turnover.toml", "gabrielsson ch. 4", "nobody")
    assert [f.split("]")[0] for f in faults_of(folder, "turnover.toml")] == [
        "turnover.toml:3 [time",
        "turnover.toml:14 [parameters.k_in",
        "turnover.toml:15 [parameters.k_out.value",
        "turnover.toml:40 [outputs.index.expr",
    ]


def test_drug_faults(folder):
    folder.edit("drugs/booster.toml", 'into = "depot", ', "")
    folder.edit("drugs/booster.toml", 'label = "subcutaneous"', "molar_mass = -3")
    folder.edit("drugs/booster.toml", 'time = "day"', 'time = "day"\nsteady = true')
    found = faults_of(folder, "drugs/booster.toml")
    assert "drugs/booster.toml:4 [steady]: 'steady' in a drug file; expected only in core, literature" in found[0]
    assert any("[routes.sc.molar_mass]: molar_mass = -3; expected g/mol, above 0" in f for f in found)
    assert any("[routes.sc]: no 'into'; name the state that takes the dose" in f for f in found)


def test_a_drug_file_name_begins_its_symbols(folder):
    text = (folder.path / "drugs/booster.toml").read_text()
    path = folder.write("drugs/my-booster.toml", text)
    with pytest.raises(ModelTextError, match="file name 'my-booster'; use letters, digits and _"):
        read_component(path)


def test_a_file_stands_over_its_template(folder):
    blocker = read_component(folder.path / "drugs/blocker.toml", lambda t: folder.path / f"templates/{t}.toml")
    values = {p.name: (p.value, p.file, p.line) for p in blocker.parameters}
    assert values["CL"] == (30.0, "drugs/blocker.toml", 7)
    assert values["V"] == (100.0, "templates/tablet.toml", 8)
    assert blocker.time == "day"
    assert [s.name for s in blocker.states] == ["gut", "body"]
    assert blocker.place("states", "gut") == "templates/tablet.toml:12 [states.gut]"


def test_a_template_parameter_can_become_a_quantity(folder):
    folder.edit(
        "drugs/blocker.toml",
        "[modifies]",
        '[quantities]\nEC50 = { expr = "conc + 1*conc", unit = "nmol/L" }\n\n[modifies]',
    )
    blocker = read_component(folder.path / "drugs/blocker.toml", lambda t: folder.path / f"templates/{t}.toml")
    assert "EC50" not in [p.name for p in blocker.parameters]
    assert "EC50" in [q.name for q in blocker.quantities]


def test_template_faults_say_where(folder):
    folder.edit("templates/tablet.toml", "ka = { value = 10, unit", "ka = { value = 10, units")
    found = faults_of(folder, "drugs/blocker.toml")
    assert found[0].startswith(
        "templates/tablet.toml:6 [parameters.ka.units]: unknown key 'units'; did you mean 'unit'?"
    )


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("turnover", "'turnover' is a core; expected a template, or a file of the same kind"),
        ("tablit", "drugs/blocker.toml:4 [based_on]: no template 'tablit'"),
        ("blocker", "templates in a cycle: blocker -> blocker; remove one 'based_on'"),
    ],
)
def test_bad_template(folder, base, message):
    folder.edit("drugs/blocker.toml", 'based_on = "tablet"', f'based_on = "{base}"')

    def find(name: str):
        return next(iter(folder.path.rglob(f"{name}.toml")), None)

    with pytest.raises(ModelTextError) as caught:
        read_component(folder.path / "drugs/blocker.toml", find)
    assert message in str(caught.value)


def test_text_without_a_file_names_itself():
    with pytest.raises(ModelTextError, match=r"<draft>:2 \[titel\]: unknown key 'titel'; did you mean 'title'"):
        read_component_text('kind = "core"\ntitel = "x"\ntime = "day"\n', "draft")


def test_a_dotted_slot_name_needs_no_quotes(folder):
    folder.edit("drugs/booster.toml", "stimulation = ", "seasons.gain = ")
    booster = read_component(folder.path / "drugs/booster.toml")
    assert [m.name for m in booster.modifies] == ["seasons.gain"]
    assert booster.place("modifies", "seasons.gain") == "drugs/booster.toml:21 [modifies.seasons.gain]"


PIECES = [
    *"[]{}=\"'\\.,#\n()*+-/019aketE_ %µ<>!:",
    "expr",
    "unit",
    '"1"',
    "value",
    "[slots]",
    "nan",
    "1e400",
    "true",
    "t",
    "'mg'",
]


@given(
    name=st.sampled_from(["turnover.toml", "drugs/booster.toml", "modules/seasons.toml"]),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 6), st.sampled_from(["", *PIECES])), min_size=1, max_size=3
    ),
)
@settings(max_examples=300, deadline=None)
def test_damaged_text_is_read_or_refused_with_places(samples, name, changes):
    text = samples[name]
    for where, dropped, piece in changes:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + dropped :]
    try:
        component = read_component_text(text, "damaged")
    except ModelTextError as error:
        places = [f.place for f in error.faults]
    else:
        assert component.name == "damaged"
        places = list(component.places.values())
    assert all(p.startswith("<damaged>") for p in places)
