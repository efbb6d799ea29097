"""Ensembles in Zarr: the same numbers, memory that does not grow, jobs that go on where they stopped."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import bonepk as bp
from bonepk.errors import DataError
from bonepk.simulate import ensemble
from bonepk.simulate.ensemble import simulate_many

PLAN = bp.every("marker", "2 ug", days=30, doses=2, route="sc")
MARKER = Path(__file__).parent / "models" / "marker.toml"


def same(a, b):
    """Equal to the last bit, nan where nan."""
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.variables:
        x, y = np.asarray(a[name].values), np.asarray(b[name].values)
        assert np.array_equal(x, y.astype(x.dtype), equal_nan=x.dtype.kind == "f"), name
        assert a[name].attrs == b[name].attrs
    assert a.attrs == b.attrs


@pytest.fixture
def counted(monkeypatch):
    """Number of people in each piece that was computed."""
    sizes = []
    run = ensemble.run_piece

    def counting(job, values, plan, threads):
        sizes.append(len(values))
        return run(job, values, plan, threads)

    monkeypatch.setattr(ensemble, "run_piece", counting)
    return sizes


def test_a_store_holds_what_memory_would(marker, crowd, tmp_path):
    crowd = {**crowd, "F": np.where(np.arange(23) == 5, -1.0, crowd["F"])}  # and one who cannot be dosed
    plain = simulate_many(marker, PLAN, crowd, months=3, states=True)
    stored = simulate_many(marker, PLAN, crowd, months=3, states=True, store=tmp_path / "run.zarr", chunk=4)
    same(plain, stored)
    assert plain["status"].values[5] == 6
    with xr.open_zarr(tmp_path / "run.zarr", consolidated=False) as by_hand:
        assert np.array_equal(by_hand["marker"].values, plain["marker"].values, equal_nan=True)
        assert set(by_hand["marker"].coords) == {"person", "time", "month", *crowd}
    labelled = {"F": xr.DataArray([0.5, 0.6], dims="person", coords={"person": ["A7", "B2"]})}
    stored = simulate_many(marker, PLAN, xr.Dataset(labelled), months=1, store=tmp_path / "two.zarr")
    assert stored["person"].values.tolist() == ["A7", "B2"]


def test_a_store_need_not_be_a_folder(marker, crowd):
    place = zarr.storage.MemoryStore()
    first = simulate_many(marker, PLAN, crowd, months=1, store=place, chunk=10)
    same(simulate_many(marker, PLAN, crowd, months=1), first)
    same(first, simulate_many(marker, PLAN, crowd, months=1, store=place))


def test_an_interrupted_job_goes_on_from_what_is_stored(marker, crowd, tmp_path, counted):
    def stop_after_two(done, total, what):
        if done >= 10:
            raise KeyboardInterrupt

    whole = simulate_many(marker, PLAN, crowd, months=3)
    counted.clear()
    with pytest.raises(KeyboardInterrupt):
        simulate_many(marker, PLAN, crowd, months=3, store=tmp_path / "run.zarr", chunk=5, progress=stop_after_two)
    with xr.open_zarr(tmp_path / "run.zarr", consolidated=False) as part:
        assert part["status"].values.tolist() == [0] * 10 + [-1] * 13
    told = []
    store = tmp_path / "run.zarr"
    rest = simulate_many(marker, PLAN, crowd, months=3, store=store, progress=lambda *now: told.append(now[0]))
    assert counted == [5, 5, 5, 5, 3]
    assert told == [10, 15, 20, 23]
    same(whole, rest)
    simulate_many(marker, PLAN, crowd, months=3, store=store)
    assert len(counted) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="kills itself by a signal")
def test_a_process_killed_while_it_works_costs_the_piece_it_was_at(marker, crowd, tmp_path, counted):
    store = tmp_path / "run.zarr"
    script = f"""
        import os, signal
        import numpy as np
        import bonepk as bp
        crowd = { ({n: v.tolist() for n, v in crowd.items()})!r}
        plan = bp.every("marker", "2 ug", days=30, doses=2, route="sc")
        def kill(done, total, what):
            if done >= 8:
                os.kill(os.getpid(), signal.SIGKILL)
        bp.simulate_many(bp.load({str(MARKER)!r}), plan, crowd, months=3, store={str(store)!r}, chunk=4, progress=kill)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    rest = simulate_many(marker, PLAN, crowd, months=3, store=store)
    assert counted == [4, 4, 4, 3]
    same(simulate_many(marker, PLAN, crowd, months=3), rest)


@pytest.mark.parametrize("damage", ["bytes", "short", "gone", "checksum"])
def test_a_damaged_piece_is_done_again(marker, crowd, tmp_path, counted, damage):
    store = tmp_path / "run.zarr"
    whole = simulate_many(marker, PLAN, crowd, months=3, store=store, chunk=5).load()
    counted.clear()
    path = store / ("bonepk_pieces/c/2/0" if damage == "checksum" else "marker/c/2/0")
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "short" else b"\x07" * len(content))
    again = simulate_many(marker, PLAN, crowd, months=3, store=store)
    assert counted == [5]
    same(whole, again)


def test_a_store_whose_making_was_interrupted_is_finished(marker, crowd, tmp_path):
    store = tmp_path / "run.zarr"
    whole = simulate_many(marker, PLAN, crowd, months=3, store=store, chunk=5).load()
    for name in ("marker", "reason", "bonepk_pieces", "F"):
        for path in sorted((store / name).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (store / name).rmdir()
    same(whole, simulate_many(marker, PLAN, crowd, months=3, store=store))


def test_a_store_of_another_job_is_refused(marker, crowd, tmp_path):
    store = tmp_path / "run.zarr"
    simulate_many(marker, PLAN, crowd, months=1, store=store)
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    other = {**crowd, "F": crowd["F"] * (1 + 1e-15)}
    cases = [
        ({"parameters": other}, "parameters differ"),
        ({"plan": PLAN.shift(days=1e-9)}, "plan differ"),
        ({"months": 2}, "times differ"),
        ({"rtol": 1e-7}, "settings differ"),
        ({"parameters": other, "states": True}, "parameters and settings differ"),
    ]
    usual = {"plan": PLAN, "parameters": crowd, "months": 1}
    for change, text in cases:
        with pytest.raises(DataError, match=rf"run\.zarr': holds another job: {text}; this job; give another path"):
            simulate_many(marker, **{**usual, **change}, store=store)
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before


def test_what_is_no_store_of_an_ensemble_is_left_alone(marker, crowd, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="not a readable Zarr group"):
        simulate_many(marker, PLAN, crowd, months=1, store=tmp_path)
    with pytest.raises(DataError, match="not a readable Zarr group"):
        simulate_many(marker, PLAN, crowd, months=1, store=tmp_path / "notes.txt")
    zarr.create_group(tmp_path / "other.zarr", attributes={"a": 1})
    with pytest.raises(DataError, match="holds something else than an ensemble"):
        simulate_many(marker, PLAN, crowd, months=1, store=tmp_path / "other.zarr")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="asks the system for the peak of memory")
def test_memory_does_not_grow_with_the_number_of_people(tmp_path):
    script = """
        import json, resource
        import numpy as np
        import bonepk as bp
        model = bp.load("aibl", drugs=["denosumab"])
        plan = bp.every("denosumab", "60 mg", months=6, doses=10)
        rng = np.random.default_rng(1)
        peak = []
        for people in (1024, 10_000):
            crowd = {
                "denosumab.CL": model.values["denosumab.CL"] * rng.lognormal(0, 0.3, people),
                "years_since_fmp": rng.uniform(1, 20, people),
            }
            run = bp.simulate_many(model, plan, crowd, years=5, rtol=1e-4, chunk=512, store=f"{people}.zarr")
            assert (run["status"].values == 0).all()
            peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        print(json.dumps([peak, 8 * people * run.sizes["time"] * len(run.data_vars)]))
    """
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    (few, many), result = json.loads(done.stdout)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    # the results themselves are 100 MB; what is needed for each person are the values given, 16 bytes
    assert (many - few) * unit < 0.1 * result
