"""Machine code on disk: compiled once a machine, shared by processes, healed when damaged.

The key holds everything the code depends on: the equations (`System.structure_hash`), which
inputs are linear, the versions of bonepk and llvmlite, the processor with its features, and
the source of the code generator itself, so that a developer never runs stale code. An entry
that does not read, or does not load, is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from bonepk import diskcache, version
from bonepk.engine.jit import Loaded, compile_text, load_object, target_identity
from bonepk.engine.lower import Layout
from bonepk.model.system import System

__all__ = ["code_key", "object_code", "system_code"]

_KIND = "machine-code"
_NOTES = ("linear", "hoisted", "rows", "cols", "autonomous")
Notes = dict[str, object]


@cache
def _generator_hash() -> str:
    """Hash of the code generator's own source and of the expression rules it builds on."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), here.parent / "model" / "expr.py"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def code_key(system: System, linear_inputs: Sequence[str], *what: str) -> str:
    """Key of one piece of code made from a system."""
    head = str(object.__basicsize__)  # the layout of an array object is part of the code
    identity = (version.__version__, _generator_hash(), sys.implementation.cache_tag or "", head, *target_identity())
    return diskcache.key_of(system.structure_hash, *linear_inputs, "|", *what, "|", *identity)


def object_code(
    key: str, names: Sequence[str], make: Callable[[], tuple[str, Notes]], needed: Sequence[str] = ()
) -> tuple[Loaded, Notes]:
    """Load the code under `key`, or make it from LLVM text and keep it.

    Parameters
    ----------
    key : str
    names : sequence of str
        Functions to look up.
    make : callable
        Returns LLVM text and a JSON-able dictionary to keep beside the code.
    needed : sequence of str
        Keys that the dictionary must have.
    """
    entry = diskcache.read(_KIND, key)
    if entry is not None:
        found = _unpack(entry)
        if found is not None and all(name in found[1] for name in needed):
            # an object that passed its checksum and lacks a function is replaced, not reported
            with contextlib.suppress(RuntimeError):
                return load_object(found[0], names), found[1]
    text, notes = make()
    code = compile_text(text)
    diskcache.write(_KIND, key, _pack(code, notes))
    return load_object(code, names), notes


def _pack(code: bytes, notes: Notes) -> bytes:
    head = json.dumps(notes).encode()
    return len(head).to_bytes(8, "little") + head + code


def _unpack(entry: bytes) -> tuple[bytes, Notes] | None:
    try:
        size = int.from_bytes(entry[:8], "little")
        notes = json.loads(entry[8 : 8 + size])
    except (ValueError, UnicodeDecodeError):
        return None
    code = entry[8 + size :]
    return (code, notes) if isinstance(notes, dict) and code else None


def system_code(
    system: System, linear_inputs: Sequence[str], names: Sequence[str], make: Callable[[], tuple[Layout, str]]
) -> tuple[Layout, Loaded]:
    """Layout and loaded code of a system's blocks."""

    def text_and_notes() -> tuple[str, Notes]:
        layout, text = make()
        notes = {
            "linear": layout.linear,
            "hoisted": layout.hoisted,
            "rows": layout.rows,
            "cols": layout.cols,
            "autonomous": layout.autonomous,
        }
        return text, notes

    loaded, notes = object_code(code_key(system, linear_inputs, "blocks"), names, text_and_notes, _NOTES)
    return _layout(system, notes), loaded


def _layout(system: System, notes: Notes) -> Layout:
    def ints(name: str) -> tuple[int, ...]:
        found = notes[name]
        assert isinstance(found, (list, tuple))
        return tuple(int(i) for i in found)

    linear, hoisted = notes["linear"], notes["hoisted"]
    assert isinstance(linear, (list, tuple))
    assert isinstance(hoisted, int)
    return Layout(
        states=system.state_names,
        outputs=system.output_names,
        parameters=system.parameter_names,
        inputs=system.input_names,
        linear=tuple((int(a), int(b), int(c)) for a, b, c in linear),
        hoisted=hoisted,
        rows=ints("rows"),
        cols=ints("cols"),
        autonomous=bool(notes["autonomous"]),
    )
