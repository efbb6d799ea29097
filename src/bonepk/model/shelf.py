"""Where model files lie, and what the top of each says.

Folders are looked through in this order: those in ``BONEPK_MODELS`` (separated like ``PATH``),
then the models that come with the package. A name found earlier hides one found later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonepk.errors import Fault, near
from bonepk.model.component import KINDS

__all__ = ["ModelInfo", "Shelf", "folders", "is_path", "models", "not_found", "peek"]

_HEAD_BYTES = 64_000


@dataclass(frozen=True)
class ModelInfo:
    """What a list of models shows of one file.

    Parameters
    ----------
    name : str
        The file's stem, by which it is loaded.
    kind : str
        ``core``, ``module``, ``drug``, ``template``, ``literature``, ``set``; ``unreadable`` if the
        top of the file is no TOML.
    title : str
    written_for : tuple of str
        Cores of a drug or module; the model of a set.
    path : Path
    doi : str
    """

    name: str
    kind: str
    title: str
    written_for: tuple[str, ...]
    path: Path
    doi: str = ""


def folders() -> list[Path]:
    """Folders that are looked through, in order."""
    chosen = [Path(part) for part in os.environ.get("BONEPK_MODELS", "").split(os.pathsep) if part]
    package = Path(__file__).parents[1]
    shipped = package / "_data" / "models"
    if not shipped.is_dir():  # an editable install reads the checkout
        shipped = package.parents[1] / "models"
    return [*chosen, shipped]


def _files(folder: Path) -> Iterator[Path]:
    """Model files of a folder and its folders, sorted."""
    yield from sorted(folder.rglob("*.toml"))


def models(kind: str | None = None) -> list[ModelInfo]:
    """List every model file that can be found.

    Parameters
    ----------
    kind : str, optional
        Only this kind.

    Returns
    -------
    list of ModelInfo
        By kind, then by name.
    """
    found: dict[tuple[str, str], ModelInfo] = {}
    for folder in folders():
        for path in _files(folder):
            info = peek(path)
            found.setdefault((info.kind, info.name), info)
    order = (*KINDS, "set", "unreadable")
    listed = [i for i in found.values() if kind is None or i.kind == kind]
    return sorted(listed, key=lambda i: (order.index(i.kind) if i.kind in order else len(order), i.name))


def peek(path: Path) -> ModelInfo:
    """Read the keys above the first table only."""
    import tomllib

    try:
        with path.open("rb") as file:
            text = file.read(_HEAD_BYTES).decode("utf-8-sig", errors="ignore").replace("\r\n", "\n")
    except OSError:
        return ModelInfo(path.stem, "unreadable", "", (), path)
    data: dict[str, object] | None = None
    at = 0
    while data is None and at >= 0:  # a line of notes may begin with a bracket too
        at = text.find("\n[", at + 1)
        try:
            data = tomllib.loads(text[: at + 1] if at >= 0 else text)
        except (ValueError, RecursionError):
            data = None
    if data is None:
        return ModelInfo(path.stem, "unreadable", "not TOML", (), path)
    target = data.get("for", data.get("model", ()))
    written_for = (target,) if isinstance(target, str) else tuple(target) if isinstance(target, list) else ()
    kind = data.get("kind")
    return ModelInfo(
        path.stem,
        kind if isinstance(kind, str) else "unreadable",
        str(data.get("title", "")),
        tuple(str(w) for w in written_for),
        path,
        str(data.get("doi", "")),
    )


class Shelf:
    """Paths by name, with the folder of the core first."""

    def __init__(self, near_by: Path | None) -> None:
        self.paths: dict[str, list[Path]] = {}
        # near a file given by path, one level of folders only: it may lie in a home directory
        first = [] if near_by is None else [sorted(near_by.glob("*.toml")), sorted(near_by.glob("*/*.toml"))]
        for group in (*first, *map(_files, folders())):
            for path in group:
                known = self.paths.setdefault(path.stem, [])
                if path not in known:
                    known.append(path)

    def find(self, name: str, kinds: Sequence[str]) -> Path | None:
        """Find the first file of a name and one of these kinds."""
        return next((p for p in self.paths.get(name, ()) if peek(p).kind in kinds), None)

    def names(self, kinds: Sequence[str]) -> list[str]:
        """List the names of files of these kinds."""
        return [n for n, paths in self.paths.items() if any(peek(p).kind in kinds for p in paths)]

    def kind_of(self, name: str) -> str:
        """Return the kind of the first file of a name, or an empty string."""
        return peek(self.paths[name][0]).kind if name in self.paths else ""


def is_path(name: str | Path) -> bool:
    """Tell a path from a name."""
    return isinstance(name, Path) or name.endswith(".toml") or "/" in name or os.sep in name


def not_found(shelf: Shelf, name: str, what: str, kinds: Sequence[str]) -> Fault:
    """Say that a name is not there, or is there as another kind."""
    known = shelf.names(kinds)
    kind = shelf.kind_of(name)
    if kind in {"drug", "module"}:
        cure = f"load its core with drugs=['{name}']" if kind == "drug" else f"load its core with modules=['{name}']"
        found = f"'{name}' is a {kind}"
    elif kind:
        found, cure = f"'{name}' is a {kind}", ""
    else:
        found, cure = f"no {what} '{name}'", near(name, known)
        cure = cure or (f"known are {', '.join(sorted(known))}" if known else "give a path, or set BONEPK_MODELS")
    return Fault("", found, f"expected a {what}" if kind else "", cure)
