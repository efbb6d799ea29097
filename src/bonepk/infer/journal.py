"""What a search has computed so far, on disk: a killed search goes on where it was and ends at the same numbers.

An evaluation is a pure function of its point, and the search is deterministic. So a restarted search is replayed:
points found in the journal cost nothing, and the first new point is the one at which it was killed.

Records are appended with their length and checksum. One cut short by a kill is dropped, with all after it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault

__all__ = ["Journal"]

FloatArray = NDArray[np.float64]

_MAGIC = b"bonepk-journal-1\n"
_KINDS = (b"r", b"p")


class Journal:
    """Evaluations of one search; without a path they are only kept in memory.

    Parameters
    ----------
    path : Path or None
    key : str
        Hash of everything the numbers depend on. A journal of another key is an error, not a cache miss: it may hold
        hours of work.

    Raises
    ------
    DataError
        If the file belongs to another problem.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self._known: dict[tuple[bytes, bytes], list[FloatArray]] = {}
        self._path = path
        self.replayed = 0
        if path is None:
            return
        head = _MAGIC + key.encode() + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size == 0:
            path.write_bytes(head)
            return
        content = path.read_bytes()
        if not content.startswith(head):
            cure = "delete the folder to start anew, or give another one"
            raise DataError(Fault(str(path), "a journal of another problem, model, evidence or version", cure=cure))
        end = self._load(content, len(head))
        if end < len(content):
            with path.open("r+b") as file:
                file.truncate(end)

    def _load(self, content: bytes, at: int) -> int:
        while at + 40 <= len(content):
            size = int.from_bytes(content[at : at + 8], "little")
            body = content[at + 40 : at + 40 + size]
            if len(body) < size or hashlib.sha256(body).digest() != content[at + 8 : at + 40]:
                break
            kind, rest = body[:1], body[1:]
            arrays = _unpack(rest)
            self._known[kind, arrays[0].tobytes()] = arrays[1:]
            at += 40 + size
        return at

    def get(self, kind: str, x: FloatArray) -> list[FloatArray] | None:
        """Arrays stored for a point, or None."""
        found = self._known.get((kind.encode(), x.tobytes()))
        self.replayed += found is not None
        return found

    def put(self, kind: str, x: FloatArray, arrays: list[FloatArray]) -> None:
        """Store the arrays of a point."""
        if kind.encode() not in _KINDS:
            raise ValueError(f"kind '{kind}'; expected one letter of {_KINDS}")
        self._known[kind.encode(), x.tobytes()] = arrays
        if self._path is None:
            return
        body = kind.encode() + _pack([x, *arrays])
        with self._path.open("ab") as file:
            file.write(len(body).to_bytes(8, "little") + hashlib.sha256(body).digest() + body)


def _pack(arrays: list[FloatArray]) -> bytes:
    parts = [len(arrays).to_bytes(1, "little")]
    for a in arrays:
        parts.append(a.ndim.to_bytes(1, "little") + b"".join(n.to_bytes(4, "little") for n in a.shape))
        parts.append(np.ascontiguousarray(a, "<f8").tobytes())
    return b"".join(parts)


def _unpack(content: bytes) -> list[FloatArray]:
    made, at = [], 1
    for _ in range(content[0]):
        ndim = content[at]
        shape = [int.from_bytes(content[at + 1 + 4 * i : at + 5 + 4 * i], "little") for i in range(ndim)]
        at += 1 + 4 * ndim
        size = 8 * int(np.prod(shape, dtype=np.int64))
        made.append(np.frombuffer(content[at : at + size], "<f8").reshape(shape).astype(np.float64))
        at += size
    return made
