"""An ensemble in a Zarr group, piece by piece; an interrupted job goes on from what is there.

The group's attributes say which job it holds. A piece counts as done if the checksum kept with it
is that of what is read back, so a piece that was torn or damaged is done again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, MissingExtraError
from bonepk.simulate.ensemble import Layout, cuts
from bonepk.simulate.individuals import Individuals
from bonepk.simulate.piece import NOT_RUN, Job, Piece
from bonepk.version import __version__

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ZarrTarget", "identity"]

_JOB = "bonepk_job"
_DIGESTS = "bonepk_pieces"


def identity(job: Job, individuals: Individuals, plan: NDArray[np.int64]) -> dict[str, str]:
    """Hashes of everything the numbers depend on, by what it is."""
    settings = (job.initial, job.history, job.variables, job.engine, job.method, job.rtol, job.atol)
    parts: dict[str, tuple[object, ...]] = {
        "model": (job.system.hash,),
        "plan": (*(p.parts for p in job.plans), plan),
        "parameters": (individuals.ids, individuals.names, individuals.values, sorted(individuals.common.items())),
        "times": (job.grid,),
        "settings": (*settings, job.max_step, job.max_steps),
        "version": (__version__,),
    }
    return {name: _hash_of(values) for name, values in parts.items()}


def _hash_of(values: Sequence[object]) -> str:
    digest = hashlib.sha256()
    for value in values:
        array = isinstance(value, np.ndarray)
        head = f"{value.dtype} {value.shape}" if array else repr(value)  # type: ignore[attr-defined]
        digest.update(head.encode() + b"\0")
        if array:
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:24]


class ZarrTarget:
    """A group that pieces are written to.

    Parameters
    ----------
    store : path or Zarr store
        Made if it is not there.
    layout : Layout
    job : Job
    individuals : Individuals
    plan : ndarray of int64
    size : int
        People in a piece of a new store; one that is there keeps its own.

    Raises
    ------
    DataError
        If there is something else in its place.
    MissingExtraError
        If Zarr is not installed.
    """

    def __init__(
        self, store: Any, layout: Layout, job: Job, individuals: Individuals, plan: NDArray[np.int64], size: int
    ) -> None:
        try:
            import zarr
        except ImportError:
            raise MissingExtraError(Fault("store", "zarr is not installed", "", "pip install bonepk[scale]")) from None
        self.store = os.fspath(store) if isinstance(store, os.PathLike) else store
        self.layout = layout
        self.name = f"store '{store}'" if isinstance(store, (str, Path)) else "store"
        parts = identity(job, individuals, plan)
        if _occupied(self.store):
            self.group = self._open(zarr, parts)
            self.size = int(self.group.attrs["chunk"])
        else:
            self.size = min(size, layout.people)
            beside = " ".join(name for name, (dims, _, _) in layout.coords.items() if name not in dims)
            attrs = {**layout.attrs, _JOB: parts, "chunk": self.size, "coordinates": beside}
            self.group = zarr.create_group(self.store, attributes=attrs)
        self._fill_in()

    def _open(self, zarr: Any, parts: dict[str, str]) -> Any:
        cure = "give another path, or delete this one"
        try:
            group = zarr.open_group(self.store, mode="r+")
            found, chunk = group.attrs.get(_JOB), group.attrs.get("chunk")
        except Exception as error:
            # whatever Zarr or the file system says: it is not a group that can be read
            raise DataError(Fault(self.name, f"not a readable Zarr group ({error})", "", cure)) from error
        if not isinstance(found, dict) or not isinstance(chunk, int):
            raise DataError(Fault(self.name, "holds something else than an ensemble", "an empty place", cure))
        other = [name for name in parts if found.get(name) != parts[name]]
        if other:
            raise DataError(Fault(self.name, f"holds another job: {' and '.join(other)} differ", "this job", cure))
        return group

    def _fill_in(self) -> None:
        """Make the arrays that are not there: all of a new store, the rest of one whose making was interrupted."""
        layout, n, k = self.layout, self.layout.people, self.size
        pieces = len(cuts(n, k))
        for name, attrs in layout.columns.items():
            self._array(name, ("person", "time"), (n, layout.times), (k, max(layout.times, 1)), "f8", np.nan, attrs)
        self._array("status", ("person",), (n,), (k,), "i4", NOT_RUN, layout.status)
        self._array("reason", ("person",), (n,), (k,), "str", "", layout.reason)
        self._array(_DIGESTS, ("piece", "byte"), (pieces, 32), (1, 32), "u1", 0, {})
        for name, (dims, values, attrs) in layout.coords.items():
            text = values.dtype.kind == "U"
            kind = "str" if text else values.dtype.str.lstrip("<>|=")
            made = self._array(name, dims, values.shape, values.shape, kind, "" if text else 0, attrs)
            made[:] = values.astype(object) if text else values

    def _array(
        self, name: str, dims: Sequence[str], shape: Any, chunks: Any, dtype: str, fill: Any, attrs: dict[str, str]
    ) -> Any:
        if name in self.group:
            return self.group[name]
        return self.group.create_array(
            name, shape=shape, chunks=chunks, dtype=dtype, fill_value=fill, dimension_names=dims, attributes=attrs
        )

    def todo(self) -> list[tuple[int, int]]:
        """People of every piece whose checksum is missing or wrong."""
        return [
            piece for number, piece in enumerate(cuts(self.layout.people, self.size)) if not self._whole(number, piece)
        ]

    def _whole(self, number: int, piece: tuple[int, int]) -> bool:
        at = slice(*piece)
        try:
            kept: bytes = self.group[_DIGESTS][number].tobytes()
            if not any(kept):
                return False
            columns = {name: self.group[name][at] for name in self.layout.columns}
            there = Piece(columns, self.group["status"][at], [str(r) for r in self.group["reason"][at]])
        except Exception:
            # a damaged file may fail in any layer of Zarr; the piece is done again, and writing says what is wrong
            return False
        return _digest(there) == kept

    def put(self, first: int, end: int, piece: Piece) -> None:
        """Write a piece, its checksum last."""
        number = first // self.size
        for name in self.layout.columns:
            self.group[name][first:end] = piece.columns[name]
        self.group["status"][first:end] = piece.status
        self.group["reason"][first:end] = np.array(piece.reason, dtype=object)
        self.group[_DIGESTS][number] = np.frombuffer(_digest(piece), dtype=np.uint8)

    def dataset(self) -> xr.Dataset:
        """Open what is stored; values are read when they are used."""
        import xarray as xr

        there: xr.Dataset = xr.open_zarr(self.store, consolidated=False, chunks=None, drop_variables=[_DIGESTS])
        there.attrs = dict(self.layout.attrs)
        return there[[*self.layout.columns, "status", "reason"]]


def _occupied(store: Any) -> bool:
    """Whether there is anything at a place."""
    if isinstance(store, str) and "://" not in store:
        path = Path(store)
        return path.is_file() or (path.is_dir() and any(path.iterdir()))
    import zarr

    try:
        zarr.open_group(store, mode="r")
    except FileNotFoundError:
        return False
    return True


def _digest(piece: Piece) -> bytes:
    digest = hashlib.sha256()
    for name, column in piece.columns.items():
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(column).tobytes())
    digest.update(np.ascontiguousarray(piece.status).tobytes())
    digest.update("\0".join(piece.reason).encode())
    return digest.digest()
