"""The list of checks every file in ``models/`` must pass, whoever wrote it.

A new file is found by itself: nothing is registered here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bonepk.model.checks import COMPONENT_CHECKS, SYSTEM_CHECKS, check_fit
from bonepk.model.compose import compose
from bonepk.model.expr import evaluate
from bonepk.model.library import ModelInfo, components_of, find_set, load, models
from bonepk.model.sets import read_set, save_set
from bonepk.model.text import read_component
from bonepk.model.write import component_text

FOLDER = Path(__file__).parents[2] / "models"
INFOS = [i for i in models() if i.path.is_relative_to(FOLDER)]
CLOSED = [i for i in INFOS if i.kind in {"core", "literature"}]
PARTS = [i for i in INFOS if i.kind in {"drug", "module"}]
SETS = [i for i in INFOS if i.kind == "set"]


def named(infos: list[ModelInfo]) -> list:
    """Parameters of a test, by file name."""
    return [pytest.param(i, id=i.name) for i in infos]


def template(name: str) -> Path | None:
    """Path of a file that another is based on."""
    return next((i.path for i in INFOS if i.name == name), None)


def test_every_file_is_found_once():
    files = sorted(FOLDER.rglob("*.toml"))
    assert sorted(i.path for i in INFOS) == files
    assert files


def test_every_file_can_be_read():
    assert [i.path for i in INFOS if i.kind == "unreadable"] == []


@pytest.mark.parametrize("info", named([i for i in INFOS if i.kind not in {"set", "unreadable"}]))
def test_file(info):
    component = read_component(info.path, template)
    assert component.kind == info.kind
    assert component.title
    faults = [str(f) for check in COMPONENT_CHECKS for f in check(component)]
    assert faults == []
    assert component_text(component).endswith("\n")


@pytest.mark.parametrize("info", named(CLOSED))
def test_closed_model(info):
    system = load(info.name)
    assert [str(f) for check in SYSTEM_CHECKS for f in check(system)] == []
    assert [str(f) for f in check_fit(system)] == []
    assert all(o.unit for o in system.outputs)
    assert all(s.label for s in system.states), "every state has a label"


def cores_of(info: ModelInfo) -> tuple[str, ...]:
    """Cores a drug or module is written for; every core if it does not say."""
    return info.written_for or tuple(i.name for i in INFOS if i.kind == "core")


@pytest.mark.parametrize(("info", "core"), [pytest.param(i, c, id=f"{i.name}-{c}") for i in PARTS for c in cores_of(i)])
def test_part_on_its_core(info, core):
    names = {"drugs": [info.name]} if info.kind == "drug" else {"modules": [info.name]}
    system = load(core, **names)
    assert system.units_checked
    assert [str(f) for check in SYSTEM_CHECKS for f in check(system)] == []
    assert [str(f) for f in check_fit(system)] == []
    if info.kind == "drug":
        assert [r for r in system.routes if r.drug == info.name], "a drug has a route"


@pytest.mark.parametrize("core", [i.name for i in INFOS if i.kind == "core"])
def test_all_parts_together_and_in_any_order(core):
    drugs = [i.name for i in PARTS if i.kind == "drug" and core in cores_of(i)]
    modules = [i.name for i in PARTS if i.kind == "module" and core in cores_of(i)]
    one, parts = components_of(core, drugs, modules)
    system = compose(one, parts)
    assert [str(f) for check in SYSTEM_CHECKS for f in check(system)] == []
    assert load(core, drugs=drugs[::-1], modules=modules[::-1]) == system


@pytest.mark.parametrize("core", [i.name for i in INFOS if i.kind == "core"])
def test_drugs_without_a_dose_equal_the_core(core):
    drugs = [i.name for i in PARTS if i.kind == "drug" and core in cores_of(i)]
    alone, joined = load(core), load(core, drugs=drugs)
    environment = {**joined.values, "t": 0.0}
    start = dict(zip(joined.state_names, evaluate(joined.flat_initial, environment), strict=True))
    # away from balance, so that a term that is lost would show
    moved = {n: float(v) * (1 + 0.1 * (k % 3)) for k, (n, v) in enumerate(start.items()) if n in alone.state_names}
    environment |= {n: float(v) for n, v in start.items()} | moved
    together = dict(zip(joined.state_names, evaluate(joined.flat_rates, environment), strict=True))
    by_itself = dict(zip(alone.state_names, evaluate(alone.flat_rates, environment), strict=True))
    for name, rate in by_itself.items():
        # sums over more entries are rounded in another order
        assert float(together[name]) == pytest.approx(float(rate), rel=1e-12, abs=1e-15), name


@pytest.mark.parametrize("info", named(SETS))
def test_set(info, tmp_path):
    chosen = find_set(info.path)
    assert read_set(save_set(chosen, tmp_path / f"{info.name}.toml")) == chosen
    owners = {v.name.split(".", 1)[0] for v in chosen.values if "." in v.name}
    system = load(chosen.model, drugs=sorted(owners), parameters=chosen)
    assert {v.name for v in chosen.values} <= set(system.values)
    assert [str(f) for check in SYSTEM_CHECKS for f in check(system)] == []
