"""Variants files: TOML text to `Variant` values, with every fault at once. The format is in ``docs/calibration.md``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from bonepk.errors import DataError, Faults, near
from bonepk.infer.free import Free, check_free
from bonepk.infer.predictor import RowClass
from bonepk.infer.problem import Problem
from bonepk.infer.problem_text import read_free
from bonepk.infer.rows import Row
from bonepk.infer.variants import SPREADS, Chosen, Variant, row_classes
from bonepk.model.toml_lines import read_toml
from bonepk.study.fields import Fields

__all__ = ["load_variants"]


def load_variants(source: str | Path, problem: Problem, *, file: str | None = None) -> tuple[Variant, ...]:
    """Read a variants file, or text if `file` names it.

    Parameters
    ----------
    problem : Problem
        The one that is varied: names of parameters, trials and classes are checked against it.

    Raises
    ------
    DataError
        With every fault, each as ``file:line [table.key]: found; expected; cure``.
    """
    data, lines = read_toml(source, file=file, error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)
    spreads = top.choice("spreads", SPREADS, "choice") or "held"
    starts = top.whole("starts") or 1
    every, known = top.table("variants", required=True), _Known(problem)
    made = [_variant(name, every.table(name), known, spreads, starts) for name in every.data]
    top.close()
    if not made:
        faults.add(every.place(), "no variant", cure="add [variants.name]")
    faults.raise_as(DataError)
    return tuple(made)


@dataclass(frozen=True)
class _Known:
    """What the names of a variants file may be."""

    problem: Problem

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.problem.predictor.defaults)

    @cached_property
    def fitted(self) -> tuple[str, ...]:
        return tuple(n for p in self.problem.free for n in (p.name, *p.also))

    @cached_property
    def rows(self) -> tuple[tuple[str, Row, RowClass], ...]:
        whole = self.problem.predictor
        pairs = ((b.name, zip(b.rows, row_classes(whole, b.name), strict=True)) for b in whole.blocks)
        return tuple((name, row, about) for name, rows in pairs for row, about in rows)

    @cached_property
    def words(self) -> dict[str, tuple[str, ...]]:
        """What rows can be chosen by, and the words that occur."""
        return {
            "trials": _sorted(name for name, _, _ in self.rows),
            "treatments": _sorted(about.treatment for _, _, about in self.rows),
            "given": _sorted(word for _, _, about in self.rows for word in about.given),
            "stopped": _sorted(word for _, _, about in self.rows for word in about.stopped),
            "families": _sorted(row.kin for _, row, _ in self.rows),
            "outputs": _sorted(row.output for _, row, _ in self.rows),
        }


def _sorted(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({w for w in words if w}))


def _variant(name: str, one: Fields, known: _Known, spreads: str, starts: int) -> Variant:
    title = one.text("title")
    fixed, tied = _values(one.table("fixed"), known), _ties(one.table("tied"), known)
    free = _extra(one.table("free"), known)
    without = _without(one, known)
    made = Variant(
        name=name,
        title=title,
        fixed=fixed,
        tied=tied,
        free=free,
        without=without,
        memory=one.number("memory", low=0, high=1),
        spreads=one.choice("spreads", SPREADS, "choice") or spreads,
        starts=one.whole("starts") or starts,
    )
    one.close()
    if not any(part in one.data for part in ("fixed", "tied", "free", "without", "memory")):
        one.faults.add(one.place(), "changes nothing", cure="add fixed, tied, free, without or memory")
    _check_names(made, one)
    _check_rows(made, one, known)
    return made


def _check_names(made: Variant, one: Fields) -> None:
    if not made.name or not all(c.isalnum() or c in "-_" for c in made.name):
        one.faults.add(one.place(), f"name '{made.name}'", "expected letters, digits, '-' and '_'", "it names a folder")
    parts = {"fixed": [*made.fixed], "tied": [*made.tied], "free": [n for p in made.free for n in (p.name, *p.also)]}
    seen: dict[str, str] = {}
    for part, names in parts.items():
        for name in names:
            if name in seen:
                one.faults.add(one.place(part, name), f"'{name}' also stands under '{seen[name]}'", cure="keep one")
            seen[name] = part
    if made.name == "full":
        one.faults.add(one.place(), "name 'full'", "expected another: it is the folder of the full fit")
    for name, to in made.tied.items():
        if to in seen:
            one.faults.add(one.place("tied", name), f"'{to}' is changed too", cure="tie to one that is left as it is")


def _check_rows(made: Variant, one: Fields, known: _Known) -> None:
    """Every choice takes a row, and some rows are left."""
    left = len(known.rows)
    for i, chosen in enumerate(made.without):
        if chosen and not any(chosen.holds_for(*row) for row in known.rows):
            one.faults.add(one.place("without", i), "no row matches", cure="every key of a table must hold for a row")
    if made.memory is not None and not any(about.recalled for _, _, about in known.rows):
        one.faults.add(one.place("memory"), "no row of these data is known as recalled", cure="leave it out")
    if made.without or made.memory is not None:
        weights = made.weights(known.problem.predictor)
        left -= sum(w == 0 for mine in weights.values() for w in mine)
        if not left:
            one.faults.add(one.place(), "no row is left to fit")


def _values(table: Fields, known: _Known) -> dict[str, float]:
    made = {}
    for name in table.data:
        value = table.number(name)
        _check_parameter(name, table, known)
        if value is None:
            continue
        made[name] = value
        for effect in known.problem.effects:
            if name in effect.parameters and effect.scale == "logit" and not 0 < value < 1:
                found = f"effect '{effect.name}' shifts '{name}' on the logit scale"
                table.faults.add(table.place(name), found, "expected a value between 0 and 1")
    return made


def _ties(table: Fields, known: _Known) -> dict[str, str]:
    made = {}
    for name in table.data:
        _check_parameter(name, table, known)
        to = table.choice(name, known.fitted, "fitted parameter", required=True)
        if to:
            made[name] = to
    return made


def _extra(table: Fields, known: _Known) -> tuple[Free, ...]:
    made = []
    for name in table.data:
        p = read_free(name, table.table(name))
        _check_parameter(name, table, known)
        if name in known.fitted:
            table.faults.add(table.place(name), f"'{name}' is fitted already", cure="leave it out")
        if p is None:
            continue
        made.append(p)
        try:
            check_free([p], (), None, "")
        except DataError as error:
            for f in error.faults:
                table.faults.add(table.place(name), f.found, f.expected, f.cure)
    return tuple(made)


def _check_parameter(name: str, table: Fields, known: _Known) -> None:
    if name not in known.parameters:
        cure = near(name, known.parameters) or "'bonepk model show' lists them"
        table.faults.add(table.place(name), f"unknown parameter '{name}'", cure)


def _without(one: Fields, known: _Known) -> tuple[Chosen, ...]:
    made = []
    for table in one.tables("without"):
        chosen = {f.name: _words(table, f.name, known.words[f.name]) for f in fields(Chosen)}
        table.close()
        if not any(f in table.data for f in chosen):
            table.faults.add(table.place(), "chooses nothing", cure=f"add one of {', '.join(chosen)}")
        made.append(Chosen(**chosen))
    return tuple(made)


def _words(table: Fields, key: str, known: Collection[str]) -> tuple[str, ...]:
    words = table.texts(key)
    if key in table.data and not words:
        table.faults.add(table.place(key), "an empty list", "expected at least one word")
    for word in words:
        if word not in known:
            cure = near(word, known) or ("known here: " + ", ".join(known) if known else "these data have none")
            table.faults.add(table.place(key), f"unknown word '{word}'", cure)
    return tuple(word for word in words if word in known)
