"""Machine code on disk: found again, healed when damaged, safe between processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from bonepk import diskcache
from bonepk.engine import cache, compile_system, lower
from bonepk.engine import jit as jit_room

from .systems import make, turnover


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("BONEPK_CACHE", "1")
    monkeypatch.setenv("BONEPK_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def counted(monkeypatch):
    """How often code was lowered and how often it was compiled."""
    seen = {"lower": 0, "compile": 0}
    true_lower, true_compile = lower.lower, jit_room.compile_text

    def counting_lower(*a, **k):
        seen["lower"] += 1
        return true_lower(*a, **k)

    def counting_compile(*a, **k):
        seen["compile"] += 1
        return true_compile(*a, **k)

    monkeypatch.setattr(lower, "lower", counting_lower)
    monkeypatch.setattr(cache, "compile_text", counting_compile)
    return seen


def _value(system):
    c = compile_system(system, "llvm")
    return c.rhs(0.0, np.arange(1.0, c.n + 1), c.prepare(c.parameter_vector()))


def _entries(store):
    return [f for f in store.rglob("*") if f.is_file()]


def test_warm_path_neither_differentiates_nor_compiles(store, counted):
    first = _value(turnover())
    assert counted == {"lower": 1, "compile": 1}
    second = _value(turnover())
    assert counted == {"lower": 1, "compile": 1}
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b[:-200] + bytes(200),
        lambda b: b"\0" * len(b),
        lambda b: b.replace(b"hoisted", b"hoisteX"),
    ],
    ids=["cut", "empty", "tail", "zeros", "notes"],
)
def test_damaged_entry_is_made_again(store, counted, damage):
    first = _value(turnover())
    (entry,) = _entries(store)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    np.testing.assert_array_equal(_value(turnover()), first)
    assert counted["compile"] == 2
    assert entry.read_bytes()[:8] == whole[:8]
    _value(turnover())
    assert counted["compile"] == 2


@pytest.mark.parametrize(
    "content", [b"", b"short", (2**62).to_bytes(8, "little"), (2).to_bytes(8, "little") + b"[]code"]
)
def test_entry_with_a_good_checksum_and_wrong_content(store, counted, content):
    first = _value(turnover())
    (entry,) = _entries(store)
    diskcache.write(entry.parent.name, entry.name, content)
    np.testing.assert_array_equal(_value(turnover()), first)
    assert counted["compile"] == 2


def test_object_code_without_the_functions_is_made_again(store, counted):
    first = _value(turnover())
    (entry,) = _entries(store)
    notes = cache._unpack(diskcache.read(entry.parent.name, entry.name))[1]
    strange = jit_room.compile_text("define void @nothing() {\n  ret void\n}")
    diskcache.write(entry.parent.name, entry.name, cache._pack(strange, notes))
    np.testing.assert_array_equal(_value(turnover()), first)
    assert counted["compile"] == 2


def test_key_follows_equations_not_values(store):
    system = turnover()
    key = cache.code_key(system, (), "blocks")
    assert key == cache.code_key(turnover(), (), "blocks")
    assert key != cache.code_key(system, ("food",), "blocks")
    assert key != cache.code_key(system, (), "batch")
    same = make({"x": (1.0, "-k*x")}, {"k": 1.0})
    other_value = make({"x": (1.0, "-k*x")}, {"k": 2.0})
    other_equation = make({"x": (1.0, "-2*k*x")}, {"k": 1.0})
    assert cache.code_key(same, (), "b") == cache.code_key(other_value, (), "b")
    assert cache.code_key(same, (), "b") != cache.code_key(other_equation, (), "b")


def test_key_follows_versions_and_processor(store, monkeypatch):
    system = turnover()
    key = cache.code_key(system, (), "blocks")
    monkeypatch.setattr(cache, "target_identity", lambda: ("another processor",))
    assert cache.code_key(system, (), "blocks") != key
    monkeypatch.undo()
    monkeypatch.setattr("bonepk.version.__version__", "99")
    assert cache.code_key(system, (), "blocks") != key


def test_store_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("BONEPK_CACHE_DIR", str(blocked))
    assert np.isfinite(_value(turnover())).all()


def test_concurrent_processes_share_one_entry(store):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from systems import turnover\n"
        "from bonepk.engine import compile_system; import numpy as np\n"
        "c = compile_system(turnover(), 'llvm')\n"
        "print(repr(c.rhs(0.0, np.arange(1.0, 6.0), c.prepare(c.parameter_vector())).tolist()))\n"
    )
    here = str(Path(__file__).parent)
    running = [
        subprocess.Popen([sys.executable, "-c", program, here], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    answers = {p.communicate()[0] for p in running}
    assert all(p.returncode == 0 for p in running)
    assert len(answers) == 1
    assert len(_entries(store)) == 1
