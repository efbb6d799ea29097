"""A model file to a `Component`: every fault of the file at once, each with its place.

Names are only checked against the file itself here (duplicates, reserved words, reference keys);
whether an expression's names exist is known when files are composed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bonepk.errors import Fault, Faults, ModelTextError, near
from bonepk.model.component import KINDS, Component
from bonepk.model.expr import Expr, num
from bonepk.model.parse import is_name, read_expression
from bonepk.model.schema import (
    EXPRESSIONS,
    HEAD,
    MAKERS,
    MISSING,
    NUMBERS,
    ONLY_FOR,
    RESERVED,
    SYMBOL_TABLES,
    TABLES,
    UNSOURCED,
)
from bonepk.model.system import TIME, Parameter
from bonepk.model.toml_lines import Lines, read_toml
from bonepk.model.units import check_unit

__all__ = ["read_component", "read_component_text"]

FindTemplate = Callable[[str], Path | None]


class _Document:
    """Tables of a file over those of the template it is based on."""

    def __init__(self, data: dict[str, Any], lines: Lines) -> None:
        self.data = data
        self._sources: list[tuple[dict[str, Any], Lines]] = [(data, lines)]

    def over(self, template: _Document) -> _Document:
        own = self._sources[0]
        joined = _Document(dict(template.data), own[1])
        renewed = {n for t in SYMBOL_TABLES if isinstance(own[0].get(t), dict) for n in own[0][t]}
        for table in SYMBOL_TABLES:  # a parameter may come back as a state
            if isinstance(joined.data.get(table), dict):
                joined.data[table] = {n: e for n, e in joined.data[table].items() if n not in renewed}
        for key, value in own[0].items():
            below = joined.data.get(key)
            both_tables = key in TABLES and isinstance(value, dict) and isinstance(below, dict)
            joined.data[key] = {**below, **value} if both_tables else value  # type: ignore[dict-item]
        joined._sources = [own, *template._sources]
        return joined

    def lines(self, path: Sequence[str]) -> Lines:
        for data, lines in self._sources:
            inner: Any = data
            for key in path[:2]:
                inner = inner.get(key) if isinstance(inner, dict) else None
            if inner is not None:
                return lines
        return self._sources[0][1]

    def place(self, *path: str) -> str:
        return self.lines(path).place(path)


def read_component(path: str | Path, find_template: FindTemplate | None = None) -> Component:
    """Read one model file.

    Parameters
    ----------
    path : str or Path
        The file; its stem is the component's name.
    find_template : callable, optional
        Path of a template by its name; used for ``based_on``.

    Returns
    -------
    Component

    Raises
    ------
    ModelTextError
        With every fault of the file.
    """
    data, lines = read_toml(Path(path))
    return _read(Path(path).stem, _Document(data, lines), find_template)


def read_component_text(text: str, name: str, find_template: FindTemplate | None = None) -> Component:
    """Read model text that is not in a file; messages call it ``<name>``."""
    data, lines = read_toml(text, file=f"<{name}>")
    return _read(name, _Document(data, lines), find_template)


def _read(name: str, document: _Document, find_template: FindTemplate | None) -> Component:
    faults = Faults()
    document = _with_template(document, find_template, (name,), faults)
    component = _Reader(name, document, faults).run()
    in_line = Faults()
    in_line.extend(sorted(faults, key=_line_of))
    in_line.raise_as(ModelTextError)
    return component


def _line_of(fault: Fault) -> int:
    match = re.search(r":(\d+)", fault.place)
    return int(match.group(1)) if match else 0


def _with_template(document: _Document, find: FindTemplate | None, chain: tuple[str, ...], faults: Faults) -> _Document:
    wanted = document.data.get("based_on")
    if not isinstance(wanted, str):
        return document
    place = document.place("based_on")
    if wanted in chain:
        faults.add(place, f"templates in a cycle: {' -> '.join((*chain, wanted))}", cure="remove one 'based_on'")
        return document
    path = find(wanted) if find else None
    if path is None:
        faults.add(place, f"no template '{wanted}'", cure="put it beside this file or under 'templates/'")
        return document
    try:
        data, lines = read_toml(path)
    except ModelTextError as error:
        faults.extend(error.faults)
        return document
    if data.get("kind") not in ("template", document.data.get("kind")):
        faults.add(place, f"'{wanted}' is a {data.get('kind')}", "expected a template, or a file of the same kind")
        return document
    template = _with_template(_Document(data, lines), find, (*chain, wanted), faults)
    template.data.pop("based_on", None)
    return document.over(template)


class _Reader:
    def __init__(self, name: str, document: _Document, faults: Faults) -> None:
        self.name, self.doc, self.faults = name, document, faults
        self.data = document.data
        self.kind = ""
        self.entries: dict[str, dict[str, dict[str, Any]]] = {}

    def run(self) -> Component:
        self._head()
        for table in TABLES:
            self.entries[table] = self._table(table)
        self._names()
        built = {table: self._build(table) for table in TABLES}
        self._sources(built["parameters"])
        places: dict[tuple[str, ...], str] = {(t, n): self.doc.place(t, n) for t in TABLES for n in self.entries[t]}
        places |= {(key,): self.doc.place(key) for key in self.data}
        written_for = self.data.get("for", ())
        return Component(
            name=self.name,
            kind=self.kind,
            title=str(self.data.get("title", "")),
            time=str(self.data.get("time", "")),
            authors=self._strings("authors"),
            doi=str(self.data.get("doi", "")),
            notes=str(self.data.get("notes", "")),
            written_for=(written_for,) if isinstance(written_for, str) else self._strings("for"),
            modules=self._strings("modules"),
            steady=self.data.get("steady") is True,
            history=self._expression(self.data["history"], "history") if "history" in self.data else None,
            hidden_units=str(self.data.get("hidden_units", "")),
            fit=str(self.data.get("fit", "")),
            based_on=str(self.data.get("based_on", "")),
            file=self.doc.lines(()).file,
            places=places,
            **built,
        )

    def _head(self) -> None:
        known = {*HEAD, *TABLES}
        for key, value in self.data.items():
            place = self.doc.place(key)
            if key not in known:
                self._add(place, f"unknown key '{key}'", near(key, known) or f"known are {', '.join(sorted(known))}")
            elif key in HEAD and (not isinstance(value, HEAD[key]) or (key != "steady" and isinstance(value, bool))):
                types = HEAD[key]
                names = [_type_name(k) for k in (types if isinstance(types, tuple) else (types,))]
                self._add(place, f"'{key}' is {_describe(value)}", expected=" or ".join(names))
        kind = self.data.get("kind")
        if kind not in KINDS:
            found = f"kind = '{kind}'" if kind else "no 'kind'"
            self._add(self.doc.place("kind") if kind else self.doc.place(), found, expected=" | ".join(KINDS))
        self.kind = kind if kind in KINDS else "core"
        required = ("title",) if self.kind == "template" else ("title", "time")
        for key in required:
            if key not in self.data:
                cure = 'add time = "day", or the unit of this model' if key == "time" else 'add title = "..."'
                self._add(self.doc.place(), f"no '{key}'", cure)
        for key, kinds in ONLY_FOR.items():
            if key in self.data and self.kind not in kinds:
                self._add(self.doc.place(key), f"'{key}' in a {self.kind} file", expected=f"only in {', '.join(kinds)}")
        if isinstance(time := self.data.get("time"), str):
            unit = check_unit(time, self.doc.place("time"), self.faults)
            if unit is not None and unit.dims != (("[time]", 1.0),):
                self._add(self.doc.place("time"), f"time = '{time}'", expected="a unit of time, such as 'day'")
        if self.kind in {"drug", "module", "template"} and not is_name(self.name):
            self._add(
                self.doc.place(), f"file name '{self.name}'", "use letters, digits and _: it begins this file's symbols"
            )

    def _add(self, place: str, found: str, cure: str = "", expected: str = "") -> None:
        self.faults.add(place, found, f"expected {expected}" if expected else "", cure)

    def _strings(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key, ())
        if not isinstance(value, (list, tuple)):
            return ()
        for item in value:
            if not isinstance(item, str):
                self._add(self.doc.place(key), f"'{key}' holds {_describe(item)}", expected="strings")
        return tuple(item for item in value if isinstance(item, str))

    def _table(self, table: str) -> dict[str, dict[str, Any]]:
        """Entries as tables, with unknown and missing keys reported."""
        required, optional, short = TABLES[table]
        raw = self.data.get(table, {})
        if not isinstance(raw, dict):
            self._add(self.doc.place(table), f"'{table}' is {_describe(raw)}", f"write it as a table, [{table}]")
            return {}
        if table == "modifies":  # an unquoted dotted slot name makes nested tables
            raw = _undotted(raw, {*required, *optional})
        entries: dict[str, dict[str, Any]] = {}
        for name, entry in raw.items():
            place = self.doc.place(table, name)
            if not isinstance(entry, dict):
                if not short or isinstance(entry, bool) or not isinstance(entry, (str, int, float)):
                    pattern = ", ".join(f"{k} = ..." for k in required)
                    self._add(place, f"'{name}' is {_describe(entry)}", f"write {name} = {{ {pattern} }}")
                    continue
                entry = {short: entry}
            for key in entry:
                if key not in required and key not in optional:
                    keys = (*required, *optional)
                    cure = near(key, keys) or f"known are {', '.join(keys)}"
                    self._add(self.doc.place(table, name, key), f"unknown key '{key}'", cure)
            for key in required:
                if key not in entry:
                    self._add(place, f"no '{key}'", MISSING.get((table, key), f"add {key} = ..."))
            known = {k: v for k, v in entry.items() if k in required or k in optional}
            entries[name] = {k: self._value(table, name, k, v) for k, v in known.items()}
        return entries

    def _value(self, table: str, name: str, key: str, value: Any) -> Any:
        """One value of an entry in its type; None, with a fault, if it is of another."""
        place = self.doc.place(table, name, key)
        if key in EXPRESSIONS:
            return self._expression(value, table, name, key)
        if key in NUMBERS:
            return self._number(value, place, key)
        if key == "nonnegative":
            if not isinstance(value, bool):
                self._add(place, f"'{key}' is {_describe(value)}", expected="true or false")
            return value is True
        if key == "range":
            if not isinstance(value, list) or len(value) != 2:
                self._add(place, f"range is {_describe(value)}", expected="[low, high]")
                return None
            low, high = (self._number(v, place, "range") for v in value)
            return None if low is None or high is None else (low, high)
        if not isinstance(value, str):
            cure = f'put it in quotes: {key} = "{value}"' if isinstance(value, (int, float)) else ""
            self._add(place, f"'{key}' is {_describe(value)}", cure, expected="a string")
            return None
        if key == "unit":
            check_unit(value, place, self.faults)
        if key == "combine" and value not in {"sum", "product"}:
            self._add(place, f"combine = '{value}'", near(value, ("sum", "product")), expected="'sum' or 'product'")
        return value

    def _number(self, value: Any, place: str, key: str) -> float | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._add(place, f"'{key}' is {_describe(value)}", expected="a number")
            return None
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self._add(place, f"'{key}' is {_describe(value)}", expected="a finite number")
            return None
        if key == "molar_mass" and number <= 0:
            self._add(place, f"molar_mass = {number:g}", expected="g/mol, above 0")
            return None
        return number

    def _expression(self, value: Any, *path: str) -> Expr | None:
        place = self.doc.place(*path)
        if isinstance(value, str):
            return read_expression(value, place, self.faults)
        number = self._number(value, place, path[-1])
        return None if number is None else num(number)

    def _names(self) -> None:
        """Check identifiers, reserved words, and that each symbol has one meaning."""
        seen: dict[str, str] = {}
        for table in TABLES:
            for name in self.entries[table]:
                place = self.doc.place(table, name)
                bare = name.replace(".", "_") if table == "modifies" else name
                if table != "references" and not is_name(bare):
                    self._add(place, f"name '{name}'", "use letters, digits and _, no keyword, no digit first")
                if table not in SYMBOL_TABLES:
                    continue
                if name in RESERVED:
                    meaning = "model time" if name == TIME else "the number" if name == "pi" else "a function"
                    self._add(place, f"name '{name}' is reserved for {meaning}", "choose another name")
                if name in seen:
                    self._add(
                        place, f"'{name}' is also in [{seen[name]}], line {self._line(seen[name], name)}", "rename one"
                    )
                seen.setdefault(name, table)
        for name in self.entries["outputs"]:
            if name in self.entries["states"]:
                self._add(
                    self.doc.place("outputs", name),
                    f"output '{name}' has the name of a state",
                    "remove it: states are reported anyway; or choose another name",
                )

    def _line(self, *path: str) -> int:
        return self.doc.lines(path).of(path)

    def _sources(self, parameters: Sequence[Parameter]) -> None:
        keys = tuple(self.entries["references"])
        for p in parameters:
            entry = self.entries["parameters"][p.name]
            if p.low is not None and p.high is not None and not p.low <= p.value <= p.high:
                self._add(
                    self.doc.place("parameters", p.name),
                    f"value {p.value:g} is outside its range [{p.low:g}, {p.high:g}]",
                    "correct one of the two",
                )
            if entry.get("source") is None:
                continue
            place = self.doc.place("parameters", p.name)
            word = p.source.split()[0].rstrip(",;:.") if p.source.split() else ""
            if word in UNSOURCED:
                if not p.note.strip():
                    self._add(place, f"source '{word}' without a note", 'add note = "..." that says from what or why')
            elif word not in keys:
                cure = near(word, (*keys, *UNSOURCED)) or "add it to [references], or say fitted, assumed or fixed"
                self._add(place, f"source '{p.source}' names no reference", cure)

    def _build(self, table: str) -> Any:
        """Values of one table; entries with missing parts stand in with blanks, as faults were noted."""
        make = MAKERS[table]
        made = []
        for name, entry in self.entries[table].items():
            filled = {k: v for k, v in entry.items() if v is not None}
            made.append(make(name, filled, self._line(table, name), self.doc.lines((table, name)).file))
        return tuple(made)


def _undotted(raw: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in raw.items():
        if isinstance(value, dict) and value and not keys & value.keys():
            flat |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            flat[name] = value
    return flat


def _describe(value: Any) -> str:
    if isinstance(value, str):
        return f"the string '{value if len(value) <= 40 else value[:37] + '...'}'"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:40]


def _type_name(kind: type) -> str:
    return {str: "a string", list: "a list of strings", bool: "true or false", int: "a number", float: "a number"}[kind]
