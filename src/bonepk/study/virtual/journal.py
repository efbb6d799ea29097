"""Pieces of a virtual trial that are done, on disk: an interrupted trial goes on where it was, with the same numbers.

A piece is stored under the hash of everything its numbers depend on, so a piece of another trial, seed or model is
never taken for it. It is written beside its place and renamed, and carries a checksum: a torn file counts as not done.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PieceJournal"]

Arrays = Mapping[str, NDArray[Any]]


class PieceJournal:
    """Folder of finished pieces; without a folder nothing is kept.

    Parameters
    ----------
    folder : str, Path or None
        Made if it does not exist.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Arrays of a piece, or None if it is not there or damaged."""
        if self._folder is None:
            return None
        try:
            raw = (self._folder / f"{key}.piece").read_bytes()
        except OSError:
            return None
        if hashlib.sha256(raw[32:]).digest() != raw[:32]:
            return None
        with np.load(io.BytesIO(raw[32:]), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def put(self, key: str, arrays: Arrays) -> None:
        """Store a piece; if its place cannot be written the error says so."""
        if self._folder is None:
            return
        buffer = io.BytesIO()
        np.savez(buffer, **{k: np.asarray(v) for k, v in arrays.items()})  # type: ignore[arg-type]
        content = buffer.getvalue()
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(temporary).replace(self._folder / f"{key}.piece")
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
