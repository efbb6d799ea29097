"""Parameter sets: values over a model's defaults, kept apart from its equations.

A fit never edits a model file. It is a set that names the hash of the model text and of the
evidence it came from, with standard errors and, if known, a covariance or draws, and how far
trials and the model itself scatter around it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bonepk.errors import Faults, ModelTextError, NotFoundError, UnitsError, near
from bonepk.model.spreads import SPREAD_TABLES, SetEffect, SetError, SetLoss, quoted, read_spreads, spreads_text
from bonepk.model.system import System
from bonepk.model.toml_lines import Lines, read_toml
from bonepk.model.units import check_unit, conversion, read_quantity

__all__ = ["ParameterSet", "SetValue", "apply_set", "read_set", "save_set", "set_text", "with_values"]


@dataclass(frozen=True)
class SetValue:
    """One value of a set; without a unit it is in the parameter's own."""

    name: str
    value: float
    unit: str = ""
    se: float | None = None
    """Standard error, in the same unit."""


@dataclass(frozen=True)
class ParameterSet:
    """Values over the defaults of a model.

    Parameters
    ----------
    name : str
        The file's stem.
    title : str
    model : str
        Name of the core.
    values : tuple of SetValue
        By joined name; values of drugs that are not loaded are left out when applied.
    model_hash, evidence_hash : str
        What the values came from.
    notes : str
    covariance_names : tuple of str
        Order of `covariance`.
    covariance : tuple of tuple of float
        Covariance of the estimates, in the units of `values`; empty if unknown.
    draw_names : tuple of str
        Order of the columns of `draws`.
    draws : tuple of tuple of float
        One row a draw, in the units of `values`; empty if there are none.
    effects : tuple of SetEffect
        Spreads between trials.
    errors : tuple of SetError
        Errors of the model by family of rows.
    loss : SetLoss or None
        Loss of the fit; None if it was least squares, or is not known.
    """

    name: str
    title: str
    model: str
    values: tuple[SetValue, ...]
    model_hash: str = ""
    evidence_hash: str = ""
    notes: str = ""
    covariance_names: tuple[str, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    draw_names: tuple[str, ...] = ()
    draws: tuple[tuple[float, ...], ...] = ()
    effects: tuple[SetEffect, ...] = ()
    errors: tuple[SetError, ...] = ()
    loss: SetLoss | None = None

    @property
    def uncertain(self) -> bool:
        """Whether the set says how well its values are known."""
        return bool(self.draws or self.covariance)


def with_values(system: System, values: Mapping[str, float | str], place: str = "parameters") -> System:
    """Replace default values of parameters and inputs.

    Parameters
    ----------
    system : System
    values : mapping of name to number or text
        Numbers in the unit of the parameter; text such as ``"70 mL/day"`` is converted.
    place : str, optional
        Begins each message.

    Returns
    -------
    System

    Raises
    ------
    NotFoundError
        If a name is neither a parameter nor an input; every such name is listed.
    UnitsError
        If a value is not finite or its unit does not fit.
    """
    units = {p.name: p.unit for p in system.parameters} | {i.name: i.unit for i in system.inputs}
    missing, wrong = Faults(), Faults()
    new: dict[str, float] = {}
    for name, value in values.items():
        if name not in units:
            missing.add(f"{place} [{name}]", f"no parameter '{name}'", cure=_cure(name, system, units))
            continue
        try:
            new[name] = _number(value, units[name])
        except UnitsError as error:
            for fault in error.faults:
                wrong.add(f"{place} [{name}]", fault.found, fault.expected or f"expected '{units[name]}'", fault.cure)
    missing.raise_as(NotFoundError)
    wrong.raise_as(UnitsError)
    return replace(
        system,
        parameters=tuple(replace(p, value=new[p.name]) if p.name in new else p for p in system.parameters),
        inputs=tuple(replace(i, value=new[i.name]) if i.name in new else i for i in system.inputs),
    )


def _cure(name: str, system: System, known: Mapping[str, str]) -> str:
    tails = [k for k in known if k.split(".")[-1] == name]
    if len(tails) == 1:
        return f"did you mean '{tails[0]}'?"
    owner = name.split(".", 1)[0]
    if "." in name and owner not in system.components:
        return f"'{owner}' is not loaded; name it in drugs=[...]"
    return near(name, known) or f"'{system.name}' has {len(known)} parameters and inputs"


def _number(value: Any, unit: str) -> float:
    if isinstance(value, str):
        number, given = read_quantity(value)
        return number * conversion(given, unit)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UnitsError(f"{type(value).__name__} is not a number") from None
    if not math.isfinite(number):
        raise UnitsError(f"{number} is not finite")
    return number


def apply_set(system: System, chosen: ParameterSet) -> System:
    """Put a set's values over a system's defaults.

    Values of drugs and modules that are not part of the system are left out.

    Raises
    ------
    NotFoundError
        If the set is for another model, or names an unknown parameter of a part that is loaded.
    UnitsError
        If a unit does not fit.
    """
    if chosen.model != system.name:
        raise NotFoundError(f"set '{chosen.name}' is for model '{chosen.model}', not '{system.name}'")
    values: dict[str, float | str] = {}
    for item in chosen.values:
        if "." in item.name and item.name.split(".", 1)[0] not in system.components:
            continue
        values[item.name] = f"{item.value!r} {item.unit}" if item.unit else item.value
    return with_values(system, values, f"set '{chosen.name}'")


_TEXTS = ("title", "model", "model_hash", "evidence_hash", "notes")
_KEYS = ("kind", *_TEXTS, "values", *SPREAD_TABLES, "covariance", "draws")


def read_set(path: str | Path) -> ParameterSet:
    """Read a parameter set.

    Raises
    ------
    ModelTextError
        With every fault of the file.
    """
    data, lines = read_toml(Path(path))
    faults = Faults()
    for key in data:
        if key not in _KEYS:
            cure = near(key, _KEYS) or f"known are {', '.join(_KEYS)}"
            faults.add(lines.place((key,)), f"unknown key '{key}'", cure=cure)
    if data.get("kind") != "set":
        faults.add(lines.place(("kind",)), f"kind = '{data.get('kind')}'", "expected 'set'")
    texts: dict[str, str] = {}
    for key in _TEXTS:
        value = data.get(key, "")
        if not isinstance(value, str):
            faults.add(lines.place((key,)), f"'{key}' is no text", cure="put it in quotes")
        elif not value and key in {"title", "model"}:
            faults.add(lines.place(), f"no '{key}'", cure=f'add {key} = "..."')
        texts[key] = str(value)
    values = _values(data.get("values", {}), lines, faults)
    names = [v.name for v in values]
    covariance_names, covariance = _matrix(data, "covariance", "matrix", names, lines, faults)
    if covariance and not _is_covariance(covariance, len(covariance_names)):
        faults.add(lines.place(("covariance", "matrix")), "not a symmetric square", "expected one row a name")
    draw_names, draws = _matrix(data, "draws", "rows", names, lines, faults)
    effects, errors, loss = read_spreads(data, len(draws), lines, faults)
    faults.raise_as(ModelTextError)
    return ParameterSet(
        name=Path(path).stem,
        values=values,
        covariance_names=covariance_names,
        covariance=covariance,
        draw_names=draw_names,
        draws=draws,
        effects=effects,
        errors=errors,
        loss=loss,
        **texts,
    )


def _is_covariance(matrix: Sequence[Sequence[float]], n: int) -> bool:
    square = len(matrix) == n and all(len(row) == n for row in matrix)
    return square and all(math.isclose(matrix[i][j], matrix[j][i], rel_tol=1e-9) for i in range(n) for j in range(i))


def _values(raw: Any, lines: Lines, faults: Faults) -> tuple[SetValue, ...]:
    if not isinstance(raw, dict):
        faults.add(lines.place(("values",)), "'values' is no table", cure="write [values]")
        return ()
    flat: dict[str, tuple[Any, str]] = {}
    for name, entry in raw.items():
        if isinstance(entry, dict) and not entry.keys() & {"value", "unit", "se"}:  # an unquoted dotted name
            flat |= {f"{name}.{k}": (v, lines.place(("values", name, k))) for k, v in entry.items()}
        else:
            flat[name] = (entry, lines.place(("values", name)))
    made = []
    for name, (entry, place) in flat.items():
        table = entry if isinstance(entry, dict) else {"value": entry}
        for key in table:
            if key not in {"value", "unit", "se"}:
                faults.add(place, f"unknown key '{key}'", cure="known are value, unit, se")
        numbers: dict[str, float | None] = {}
        for key in ("value", "se"):
            number = table.get(key)
            good = isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
            if not good and (key == "value" or number is not None):
                faults.add(place, f"'{key}' is {number}" if key in table else f"no '{key}'", "expected a finite number")
            numbers[key] = float(number) if good and number is not None else None
        unit = table.get("unit", "")
        if not isinstance(unit, str):
            faults.add(place, "'unit' is no text", cure="put it in quotes")
        elif unit:
            check_unit(unit, place, faults)
        made.append(SetValue(name, numbers["value"] or 0.0, str(unit), numbers["se"]))
    return tuple(made)


def _matrix(
    data: Mapping[str, Any], table: str, key: str, known: Sequence[str], lines: Lines, faults: Faults
) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]:
    if table not in data:
        return (), ()
    raw = data[table]
    place = lines.place((table,))
    if not isinstance(raw, dict) or set(raw) != {"names", key} or not all(isinstance(v, list) for v in raw.values()):
        faults.add(place, f"'{table}' is incomplete", f"expected names = [...] and {key} = [[...], ...]")
        return (), ()
    names = raw["names"]
    for name in names:
        if name not in known:
            faults.add(place, f"'{name}' is not in [values]", cure=near(str(name), known))
    rows = []
    for i, row in enumerate(raw[key]):
        numeric = isinstance(row, list) and all(
            isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x) for x in row
        )
        if not numeric or len(row) != len(names):
            faults.add(lines.place((table, key, i)), f"row {i + 1} is faulty", f"expected {len(names)} finite numbers")
            return (), ()
        rows.append(tuple(float(x) for x in row))
    return tuple(str(n) for n in names), tuple(rows)


def set_text(chosen: ParameterSet) -> str:
    """TOML text of a set; the same set always gives the same bytes."""
    lines = ['kind = "set"']
    lines += [f"{key} = {quoted(getattr(chosen, key))}" for key in _TEXTS if getattr(chosen, key)]
    lines += ["", "[values]"]
    for item in chosen.values:
        parts = [f"value = {item.value!r}"]
        parts += [f"unit = {quoted(item.unit)}"] if item.unit else []
        parts += [f"se = {item.se!r}"] if item.se is not None else []
        name = quoted(item.name) if "." in item.name else item.name
        lines.append(f"{name} = {{ {', '.join(parts)} }}")
    lines += spreads_text(chosen.effects, chosen.errors, chosen.loss)
    for table, key, names, rows in (
        ("covariance", "matrix", chosen.covariance_names, chosen.covariance),
        ("draws", "rows", chosen.draw_names, chosen.draws),
    ):
        if rows:
            lines += ["", f"[{table}]", f"names = [{', '.join(map(quoted, names))}]", f"{key} = ["]
            lines += [f"  [{', '.join(map(repr, row))}]," for row in rows]
            lines.append("]")
    return "\n".join(lines) + "\n"


def save_set(chosen: ParameterSet, path: str | Path) -> Path:
    """Write a set to a file, as UTF-8 with line feeds."""
    path = Path(path)
    path.write_bytes(set_text(chosen).encode())
    return path
