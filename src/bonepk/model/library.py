"""`load`: from names to a composed system.

A file is read again only when its content has changed, and a composition is made once for the
same files, so that a loop over trials pays for reading once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bonepk.errors import Faults, ModelTextError, NotFoundError
from bonepk.model.component import Component
from bonepk.model.compose import compose
from bonepk.model.sets import ParameterSet, apply_set, read_set, with_values
from bonepk.model.shelf import ModelInfo, Shelf, folders, is_path, models, not_found, peek
from bonepk.model.system import System
from bonepk.model.text import read_component
from bonepk.model.toml_lines import shown_path

__all__ = ["ModelInfo", "components_of", "find_set", "folders", "load", "models"]


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
    wanted = Path(name) if is_path(name) else None
    # files beside a core given by path are found by name, wherever it lies
    shelf = Shelf(wanted.absolute().parent if wanted is not None and wanted.is_file() else None)
    missing, faults = Faults(), Faults()
    path = _path_of(shelf, name, "model", ("core", "literature"), missing)
    core_home = path.parent if path is not None and wanted is None else None
    if core_home is not None:  # and so are those beside a core given by name
        shelf = Shelf(core_home)
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
    shelf: Shelf, name: str | Path, what: str, kinds: Sequence[str], missing: Faults, place: str = ""
) -> Path | None:
    if is_path(name):
        path = Path(name)
        if path.is_file():
            return path
        missing.add(place, f"no file '{shown_path(path)}'", cure="check the path")
        return None
    found = shelf.find(str(name), kinds)
    if found is None:
        fault = not_found(shelf, str(name), what, kinds)
        missing.add(place, fault.found, fault.expected, fault.cure)
    return found


class _Read(NamedTuple):
    """A component with all that it was read from."""

    folder: Path
    templates: dict[str, Path | None]
    digests: dict[Path, bytes]
    component: Component


_read_files: dict[Path, _Read] = {}
_composed: dict[tuple[int, ...], tuple[tuple[Component, ...], System]] = {}
_MOST = 64
"""Compositions that are kept."""


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""


def _read(path: Path | None, shelf: Shelf, faults: Faults) -> Component | None:
    if path is None:
        return None
    kind = peek(path).kind

    def template(name: str) -> Path | None:
        return shelf.find(name, ("template",)) or shelf.find(name, (kind,))

    kept = _read_files.get(path)
    if (
        kept is not None
        and kept.folder == Path.cwd()  # places in messages are relative to it
        and all(template(name) == at for name, at in kept.templates.items())
        and all(_digest(file) == digest for file, digest in kept.digests.items())
    ):
        return kept.component
    templates: dict[str, Path | None] = {}

    def noted(name: str) -> Path | None:
        templates[name] = template(name)
        return templates[name]

    before = _digest(path)
    try:
        component = read_component(path, noted)
    except ModelTextError as error:
        faults.extend(error.faults)
        return None
    digests = {path: before} | {at: _digest(at) for at in templates.values() if at is not None}
    _read_files[path] = _Read(Path.cwd(), templates, digests, component)
    return component


def _compose(core: Component, parts: tuple[Component, ...]) -> System:
    """Compose once for the same component values, which are kept so that they stay the same."""
    key = tuple(id(component) for component in (core, *parts))
    if key not in _composed:
        if len(_composed) >= _MOST:
            _composed.clear()
        system = compose(core, parts)
        beside = _beside(core)
        _composed[key] = ((core, *parts), replace(system, fit=str(beside)) if beside else system)
    return _composed[key][1]


def _beside(core: Component) -> Path | None:
    """Path of the set a core names under ``fit`` where it is not the one that name alone would find."""
    if not core.fit or not core.file:
        return None
    found = Shelf(Path(core.file).absolute().parent).find(core.fit, ("set",))
    return None if found == Shelf(None).find(core.fit, ("set",)) else found


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
    system = _compose(core, parts)
    if parameters is None:
        return system
    if isinstance(parameters, (str, Path)):
        where = str(Path(parameters).absolute()) if is_path(parameters) else str(parameters)
        return replace(apply_set(system, find_set(parameters)), fit=where)
    if isinstance(parameters, ParameterSet):  # where it was read from, if anywhere, is not known
        return replace(apply_set(system, parameters), fit="")
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
    shelf = Shelf(None)
    path = _path_of(shelf, name, "set", ("set",), missing)
    missing.raise_as(NotFoundError)
    assert path is not None
    return read_set(path)
