"""``bonepk.simulate`` is a floor and a function."""

import copy
import inspect
import pickle
import pydoc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import bonepk
import bonepk.simulate.plan
import bonepk.simulate.run as room
from bonepk import simulate


def test_every_way_to_name_it_gives_the_same_thing(marker):
    assert simulate is bonepk.simulate
    assert bonepk.simulate.plan.every is bonepk.every
    assert bonepk.simulate.run is room
    assert simulate(marker, months=1).identical(room.simulate(marker, months=1))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled_by_name(protocol):
    assert pickle.loads(pickle.dumps(bonepk.simulate, protocol)) is bonepk.simulate
    assert copy.deepcopy(bonepk.simulate) is bonepk.simulate
    assert pickle.loads(pickle.dumps(bonepk.simulate_many, protocol)) is bonepk.simulate_many


def test_it_runs_in_another_process(marker):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(simulate, marker, months=1).result().identical(simulate(marker, months=1))


def test_it_shows_signature_and_help_of_the_function():
    assert inspect.signature(bonepk.simulate) == inspect.signature(room.simulate)
    assert bonepk.simulate.__doc__.startswith("Run a model under a plan.\n\nParameters\n")
    text = pydoc.plain(pydoc.render_doc(bonepk.simulate))
    assert "bonepk.simulate - Run a model under a plan." in text
    assert "Floor 2: plans and event records" in text
