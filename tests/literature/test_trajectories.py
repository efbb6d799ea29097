"""Published models against trajectories computed outside bonepk, each at its stated limit."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import bonepk
from bonepk.model.verified import verified


def _verify_script():
    path = Path(__file__).with_name("verify.py")
    spec = importlib.util.spec_from_file_location("literature_verify", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


verify = _verify_script()
SCENARIOS = verify.scenarios()
NAMES = [f"{s.model}-{s.name}" for s in SCENARIOS]
LITERATURE = [i for i in bonepk.models("literature") if i.path.parent.name == "literature"]


@pytest.mark.parametrize("engine", verify.ENGINES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_agrees_with_independent_trajectory(scenario, engine):
    agreement = verify.compare(scenario, engine)
    column, error = agreement.worst
    assert error < scenario.limit, f"{column} is off by {error:.1e}"


def test_every_trajectory_is_used():
    files = {p for p in (verify.HERE / "trajectories").rglob("*.csv") if p.name != "steady_state.csv"}
    files |= {verify.HERE / "trajectories" / "komarova2003" / "steady_state.csv"}  # a trajectory that rests
    assert {s.path for s in SCENARIOS} == files


def test_every_literature_model_is_tried():
    assert {info.name for info in LITERATURE} == {s.model for s in SCENARIOS}


@pytest.mark.parametrize("info", LITERATURE, ids=lambda info: info.name)
def test_record_is_of_the_present_model(info):
    # a changed equation or value needs: python tests/literature/verify.py --write
    kept = verified(info)
    system = bonepk.load(info.name)
    assert kept is not None
    assert kept.holds_for(system)
    assert kept.max_relative_error < kept.limit
    assert (kept.states, kept.parameters) == (len(system.states), len(system.parameters))
    assert kept.trajectories == sum(s.model == info.name for s in SCENARIOS)


def test_a_changed_value_is_told_from_the_verified_model():
    info = next(i for i in LITERATURE if i.name == "lemaire2004")
    changed = bonepk.load("lemaire2004", parameters={"K": 11.0})
    assert not verified(info).holds_for(changed)


def test_a_model_outside_the_record_has_none(tmp_path):
    info = next(i for i in LITERATURE if i.name == "lemaire2004")
    lonely = type(info)("mine", "literature", "", (), tmp_path / "mine.toml")
    assert verified(lonely) is None
