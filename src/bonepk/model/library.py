"""Finding model files by name, and `load`: from names to a composed system.

Folders are looked through in this order: those in ``BONEPK_MODELS`` (separated like ``PATH``),
then the models that come with the package. A name found earlier hides one found later.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonepk.errors import Fault, Faults, ModelTextError, NotFoundError, near
from bonepk.model.component import KINDS, Component
from bonepk.model.compose import compose
from bonepk.model.sets import ParameterSet, apply_set, read_set, with_values
from bonepk.model.system import System
from bonepk.model.text import read_component
from bonepk.model.toml_lines import shown_path

__all__ = ["ModelInfo", "components_of", "find_set", "folders", "load", "models"]

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
            info = _peek(path)
            found.setdefault((info.kind, info.name), info)
    order = (*KINDS, "set", "unreadable")
    listed = [i for i in found.values() if kind is None or i.kind == kind]
    return sorted(listed, key=lambda i: (order.index(i.kind) if i.kind in order else len(order), i.name))


def _peek(path: Path) -> ModelInfo:
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


class _Shelf:
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
        return next((p for p in self.paths.get(name, ()) if _peek(p).kind in kinds), None)

    def names(self, kinds: Sequence[str]) -> list[str]:
        return [n for n, paths in self.paths.items() if any(_peek(p).kind in kinds for p in paths)]

    def kind_of(self, name: str) -> str:
        return _peek(self.paths[name][0]).kind if name in self.paths else ""


def _is_path(name: str | Path) -> bool:
    return isinstance(name, Path) or name.endswith(".toml") or "/" in name or os.sep in name


def _not_found(shelf: _Shelf, name: str, what: str, kinds: Sequence[str]) -> Fault:
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


def components_of(
    name: str | Path, drugs: Iterable[str | Path] = (), modules: Iterable[str | Path] = ()
) -> tuple[Component, tuple[Component, ...]]:
    """Read a core and everything that joins it.

    Returns
    -------
    core : Component
    parts : tuple of Component
        Drugs and modules named here or listed by a file, in alphabetical order.

    Raises
    ------
    NotFoundError
        If a name or path is not found.
    ModelTextError
        With every fault of every file.
    """
    wanted = Path(name) if _is_path(name) else None
    # files beside a core given by path are found by name, wherever it lies
    shelf = _Shelf(wanted.absolute().parent if wanted is not None and wanted.is_file() else None)
    missing, faults = Faults(), Faults()
    path = _path_of(shelf, name, "model", ("core", "literature"), missing)
    core_home = path.parent if path is not None and wanted is None else None
    if core_home is not None:  # and so are those beside a core given by name
        shelf = _Shelf(core_home)
    core = _read(path, shelf, faults)
    queue: list[tuple[str | Path, str, str]] = [(d, "drug", "") for d in drugs] + [(m, "module", "") for m in modules]
    queue += [(m, "module", core.place("modules")) for m in core.modules] if core else []
    parts: dict[str, Component] = {}
    seen: set[Path] = set()
    while queue:
        item, kind, place = queue.pop(0)
        at = _path_of(shelf, item, kind, (kind,), missing, place)
        if at is None or at in seen:
            if at is not None and not place and kind == "drug":
                faults.add("", f"drug '{item}' is named twice", cure="name it once")
            continue
        seen.add(at)
        part = _read(at, shelf, faults)
        if part is not None:
            parts[part.name] = part
            queue += [(m, "module", part.place("modules")) for m in part.modules]
    missing.raise_as(NotFoundError)
    faults.raise_as(ModelTextError)
    assert core is not None
    return core, tuple(parts[n] for n in sorted(parts))


def _path_of(
    shelf: _Shelf, name: str | Path, what: str, kinds: Sequence[str], missing: Faults, place: str = ""
) -> Path | None:
    if _is_path(name):
        path = Path(name)
        if path.is_file():
            return path
        missing.add(place, f"no file '{shown_path(path)}'", cure="check the path")
        return None
    found = shelf.find(str(name), kinds)
    if found is None:
        fault = _not_found(shelf, str(name), what, kinds)
        missing.add(place, fault.found, fault.expected, fault.cure)
    return found


def _read(path: Path | None, shelf: _Shelf, faults: Faults) -> Component | None:
    if path is None:
        return None
    kind = _peek(path).kind

    def template(name: str) -> Path | None:
        return shelf.find(name, ("template",)) or shelf.find(name, (kind,))

    try:
        return read_component(path, template)
    except ModelTextError as error:
        faults.extend(error.faults)
        return None


def load(
    name: str | Path,
    drugs: Iterable[str | Path] | str = (),
    modules: Iterable[str | Path] | str = (),
    parameters: ParameterSet | str | Path | Mapping[str, float | str] | None = None,
) -> System:
    """Read, compose and check a model.

    Parameters
    ----------
    name : str or Path
        A name from `models`, or the path of a core or literature file.
    drugs : iterable of str or Path, or str, optional
        Drugs to compose in, in any order.
    modules : iterable of str or Path, or str, optional
        Modules beyond those that files list themselves.
    parameters : ParameterSet, str, Path or mapping, optional
        A parameter set, its name or path; or values by name, ``{"denosumab.CL": 70}``, as
        numbers in the parameter's unit or as text with a unit (``"70 mL/day"``).

    Returns
    -------
    System

    Raises
    ------
    NotFoundError
        If a name is not known.
    ModelTextError, UnitsError
        With every fault of the files.

    Examples
    --------
    >>> import bonepk
    >>> model = bonepk.load("aibl", drugs=["denosumab"])
    >>> model.time_unit
    'day'
    """
    drug_list = [drugs] if isinstance(drugs, (str, Path)) else list(drugs)
    module_list = [modules] if isinstance(modules, (str, Path)) else list(modules)
    core, parts = components_of(name, drug_list, module_list)
    system = compose(core, parts)
    if parameters is None:
        return system
    if isinstance(parameters, (str, Path)):
        parameters = find_set(parameters)
    if isinstance(parameters, ParameterSet):
        return apply_set(system, parameters)
    return with_values(system, parameters)


def find_set(name: str | Path) -> ParameterSet:
    """Read a parameter set by name or path.

    Raises
    ------
    NotFoundError
        If there is none.
    ModelTextError
        If the file is faulty.
    """
    missing = Faults()
    shelf = _Shelf(None)
    path = _path_of(shelf, name, "set", ("set",), missing)
    missing.raise_as(NotFoundError)
    assert path is not None
    return read_set(path)
