"""Finding files by name and by path; loading them; what is not found says what to do."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import bonepk
from bonepk.errors import ModelTextError, NotFoundError
from bonepk.model.library import components_of, folders, load, models


def test_list_of_models(folder):
    mine = [i for i in models() if i.path.is_relative_to(folder.path)]
    assert [(i.name, i.kind, i.written_for) for i in mine] == [
        ("turnover", "core", ()),
        ("seasons", "module", ("turnover",)),
        ("blocker", "drug", ("turnover",)),
        ("booster", "drug", ("turnover", "other")),
        ("tablet", "template", ()),
    ]
    assert {i.name for i in models("drug")} >= {"blocker", "booster"}
    assert all(i.kind == "drug" for i in models("drug"))


def test_list_shows_broken_files_and_survives_them(folder):
    folder.write("broken.toml", "kind = core\n[x]\n")
    folder.write("latin.toml", "")
    (folder.path / "latin.toml").write_bytes(b'kind = "core"\ntitle = "\xff"\n')
    kinds = {i.name: i.kind for i in models()}
    assert kinds["broken"] == "unreadable"
    assert kinds["latin"] == "core"


def test_notes_with_brackets_do_not_hide_the_head(folder):
    folder.write("odd.toml", 'kind = "core"\nnotes = """\n[not a table]\n"""\ntitle = "Odd"\n[parameters]\n')
    (odd,) = [i for i in models() if i.name == "odd"]
    assert odd.title == "Odd"


def test_an_earlier_folder_hides_a_later_one(folder, tmp_path, monkeypatch):
    import os

    first = tmp_path / "first"
    first.mkdir()
    (first / "turnover.toml").write_text(
        (folder.path / "turnover.toml").read_text().replace("Turnover of one marker", "Mine")
    )
    monkeypatch.setenv("BONEPK_MODELS", f"{first}{os.pathsep}{folder.path}")
    assert load("turnover").title == "Mine"
    assert folders()[:2] == [first, folder.path]


def test_a_path_finds_its_neighbours(folder, monkeypatch):
    monkeypatch.delenv("BONEPK_MODELS")
    by_text = load("turnover.toml", drugs=["blocker"])
    by_path = load(folder.path / "turnover.toml", drugs=[folder.path / "drugs" / "blocker.toml"])
    assert by_text == by_path


def test_one_drug_may_be_given_bare(folder):
    assert load("turnover", drugs="booster") == load("turnover", drugs=["booster"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("turnovr"), "no model 'turnovr'; did you mean 'turnover'?"),
        (lambda: load("Turnover"), "no model 'Turnover'; did you mean 'turnover'?"),
        (lambda: load("zzzz"), "no model 'zzzz'; known are "),
        (lambda: load("booster"), "'booster' is a drug; expected a model; load its core with drugs=['booster']"),
        (lambda: load("seasons"), "'seasons' is a module; expected a model; load its core with modules=['seasons']"),
        (lambda: load("tablet"), "'tablet' is a template; expected a model"),
        (lambda: load("turnover", drugs=["bloker"]), "no drug 'bloker'; did you mean 'blocker'?"),
        (lambda: load("turnover", drugs=["turnover"]), "'turnover' is a core; expected a drug"),
        (lambda: load("turnover", modules=["season"]), "no module 'season'; did you mean 'seasons'?"),
        (lambda: load("nowhere/x.toml"), "no file 'nowhere/x.toml'; check the path"),
        (lambda: load("turnover", parameters="fit"), "no set 'fit'"),
    ],
)
def test_not_found(folder, call, message):
    with pytest.raises(NotFoundError) as caught:
        call()
    assert message in str(caught.value)


def test_every_missing_name_at_once(folder):
    with pytest.raises(NotFoundError) as caught:
        load("turnovr", drugs=["bloker", "booster"], modules=["season"])
    assert len(caught.value.faults) == 3


def test_a_missing_module_of_a_file_says_where_it_is_listed(folder):
    line = folder.edit("drugs/booster.toml", 'time = "day"', 'time = "day"\nmodules = ["tides"]') + 1
    with pytest.raises(NotFoundError, match=rf"^drugs/booster\.toml:{line} \[modules\]: no module 'tides'"):
        load("turnover", drugs=["booster"])


def test_a_drug_named_twice(folder):
    with pytest.raises(ModelTextError, match="drug 'booster' is named twice; name it once"):
        load("turnover", drugs=["booster", "booster"])


def test_faults_of_every_file_at_once(folder):
    folder.edit("drugs/booster.toml", "[modifies]", "[modify]")
    folder.edit("turnover.toml", "steady = true", "stedy = true")
    with pytest.raises(ModelTextError) as caught:
        load("turnover", drugs=["booster"])
    assert [f.place.split(":")[0] for f in caught.value.faults] == ["turnover.toml", "drugs/booster.toml"]


def test_components_come_in_alphabetical_order(folder):
    _, parts = components_of("turnover", ["booster", "blocker"], ["seasons"])
    assert [p.name for p in parts] == ["blocker", "booster", "seasons"]


def test_a_system_can_be_pickled(folder):
    system = load("turnover", drugs=["blocker"])
    again = pickle.loads(pickle.dumps(system))
    assert again == system
    assert again.hash == system.hash
    assert again.rates[0] is system.rates[0]


def test_load_is_light():
    code = (
        "import sys, bonepk; bonepk.load('aibl', drugs=['denosumab', 'letrozole']); "
        "print(sorted({'sympy', 'pint', 'xarray', 'scipy', 'matplotlib', 'rich', 'llvmlite'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_package_exports():
    assert bonepk.load is load
    assert bonepk.models is models


def test_the_same_files_are_composed_once(folder):
    first = load("turnover", drugs=["blocker"])
    assert load("turnover", drugs=["blocker"]) is first
    assert load("turnover", drugs=["booster"]) is not first


@pytest.mark.parametrize("file", ["turnover.toml", "drugs/blocker.toml", "templates/tablet.toml"])
def test_a_changed_file_is_read_again(folder, file):
    before = load("turnover", drugs=["blocker"])
    old = {
        "turnover.toml": "value = 0.1,",
        "drugs/blocker.toml": "value = 30,",
        "templates/tablet.toml": "value = 100,",
    }
    folder.edit(file, old[file], old[file].replace("0,", "5,").replace("0.1", "0.2"))  # the same length
    after = load("turnover", drugs=["blocker"])
    assert after != before
    assert after.structure_hash == before.structure_hash


def test_a_nearer_template_is_seen(folder):
    before = load("turnover", drugs=["blocker"])
    text = (folder.path / "templates/tablet.toml").read_text()
    folder.write("tablet.toml", text.replace("value = 100", "value = 200"))
    after = load("turnover", drugs=["blocker"])
    assert (before.values["blocker.V"], after.values["blocker.V"]) == (100.0, 200.0)


def test_messages_follow_the_working_folder(folder, monkeypatch):
    assert load("turnover").parameters[0].file == "turnover.toml"
    monkeypatch.chdir(folder.path.parent)
    assert load("turnover").parameters[0].file == "mine/turnover.toml"


def test_a_faulty_file_is_faulty_again(folder):
    folder.edit("turnover.toml", "steady = true", "stedy = true")
    for _ in range(2):
        with pytest.raises(ModelTextError, match="did you mean 'steady'"):
            load("turnover")
