"""Ensembles on a Dask cluster of separate processes."""

import os
import signal
import sys

import numpy as np
import pytest

import bonepk as bp
from bonepk.simulate.ensemble import simulate_many

PLAN = bp.every("marker", "2 ug", days=30, doses=2, route="sc")


def same(a, b):
    for name in a.variables:
        x, y = np.asarray(a[name].values), np.asarray(b[name].values)
        assert np.array_equal(x, y.astype(x.dtype), equal_nan=x.dtype.kind == "f"), name


def test_a_cluster_gives_the_same_numbers(marker, crowd, client):
    crowd = {**crowd, "F": np.where(np.arange(23) == 5, -1.0, crowd["F"])}
    alone = simulate_many(marker, PLAN, crowd, months=3, states=True)
    assert alone["status"].values[5] == 6
    for chunk in (4, 23):
        spread = simulate_many(marker, PLAN, crowd, months=3, states=True, chunk=chunk, client=client)
        assert spread.identical(alone)


@pytest.mark.skipif(sys.platform == "win32", reason="kills a worker by a signal")
def test_a_killed_workers_piece_is_done_by_another(marker, crowd, client, tmp_path):
    workers = list(client.run(os.getpid).values())
    told = []

    def kill_one(done, total, what):
        told.append(done)
        if done and len(workers) == 2:
            os.kill(workers.pop(), signal.SIGKILL)

    alone = simulate_many(marker, PLAN, crowd, months=3)
    spread = simulate_many(
        marker, PLAN, crowd, months=3, chunk=1, client=client, store=tmp_path / "run.zarr", progress=kill_one
    )
    assert told == list(range(24))
    same(alone, spread)


def test_an_interrupted_job_goes_on_from_the_store(marker, crowd, client, tmp_path):
    def stop(done, total, what):
        if done >= 10:
            raise KeyboardInterrupt

    store = tmp_path / "run.zarr"
    with pytest.raises(KeyboardInterrupt) as caught:
        simulate_many(marker, PLAN, crowd, months=3, chunk=5, client=client, store=store, progress=stop)
    assert not client.futures, caught  # while the traceback lives: what was under way is cancelled
    told = []
    spread = simulate_many(
        marker, PLAN, crowd, months=3, client=client, store=store, progress=lambda *now: told.append(now[0])
    )
    assert told[0] == 10
    assert told[-1] == 23
    same(simulate_many(marker, PLAN, crowd, months=3), spread)


def test_the_callable_floor_travels_by_name(marker, client):
    run = client.submit(bp.simulate, marker, PLAN, months=3, pure=False).result()
    assert run.identical(bp.simulate(marker, PLAN, months=3))
