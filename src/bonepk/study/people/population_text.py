"""Reading a population file; the format is described in ``docs/virtual-trials.md``."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import BonepkError, DataError, Faults, near
from bonepk.model.toml_lines import read_toml
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.fields import Fields
from bonepk.study.people.population import Effect, Entry, Population, Slope, Spread, Target, find_population
from bonepk.study.people.reference import DEVICES, SITES
from bonepk.study.people.traits import DRAWN, FLAGS, TRAITS

__all__ = ["correlation_factor", "read_population"]

_KINDS = ("normal", "lognormal", "share", "fixed")
_MEASURED = (*SITES, *(e.name for e in ENDPOINTS.values() if e.output and not e.name.startswith("bmd_")))


def read_population(source: str | Path, *, file: str | None = None) -> Population:
    """Read a population file, or text if `file` names it.

    Parameters
    ----------
    source : Path or str
    file : str, optional
        Name of the text for messages.

    Raises
    ------
    DataError
        With every fault, each as ``file:line [table.key]: found; expected; cure``.
    """
    data, lines = read_toml(source, file=file, error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)
    head = top.table("population", required=True)
    title = head.text("title", required=True)
    description = head.text("description", required=True)
    based_on = head.text("based_on")
    device = head.choice("device", DEVICES, "device")
    head.close()
    before: Population | None = None
    if based_on:
        beside = Path(source).parent / f"{based_on}.toml" if file is None else Path(based_on)
        try:
            before = read_population(beside if beside.is_file() else find_population(based_on))
        except BonepkError as error:
            faults.extend(error.faults)

    spreads = dict(before.spreads) if before else {}
    spreads.update(_spreads(top.table("traits")))
    effects = dict(before.effects) if before else {}
    effects.update(_effects(top.table("variability")))
    correlations = dict(before.correlations) if before else {}
    correlations.update(_correlations(top.tables("correlations"), spreads, effects))
    precision = dict(before.precision) if before else {}
    precision.update(_numbers(top.table("precision")))
    noise = dict(before.visit_noise) if before else {}
    noise.update(_numbers(top.table("visit_noise")))
    entry = tuple(_entry(t) for t in top.tables("entry"))
    targets = tuple(_target(t) for t in top.tables("targets"))
    top.table("conduct")  # read by `bonepk.study.virtual.design`
    top.close()

    missing = [n for n in DRAWN if n not in spreads]
    if missing and not (based_on and before is None):
        names = ", ".join(f"'{n}'" for n in missing)
        faults.add(top.place("traits"), f"nothing said of {names}", cure='describe them, or add based_on = "..."')
    for name, spread in spreads.items():
        for slope in spread.slopes:
            if slope.on not in _order(spreads)[: _order(spreads).index(name)]:
                faults.add(top.place("traits", name), f"slopes on '{slope.on}' go round in a circle")
    for group in (tuple(spreads), tuple(effects)):
        try:
            correlation_factor(group, correlations)
        except np.linalg.LinAlgError:
            faults.add(
                top.place("correlations"), "no one can have all these correlations", cure="make some of them weaker"
            )
    faults.raise_as(DataError)
    return Population(
        name=Path(file or source).stem,
        title=title,
        description=description,
        device=device or (before.device if before else "hologic"),
        spreads={n: spreads[n] for n in _order(spreads)},
        correlations=correlations,
        effects=effects,
        precision=precision,
        visit_noise=noise,
        entry=entry or (before.entry if before else ()),
        targets=targets or (before.targets if before else ()),
    )


def correlation_factor(names: tuple[str, ...], correlations: dict[tuple[str, str], float]) -> NDArray[np.float64]:
    """Lower triangular factor of the correlation matrix of some names.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.
    """
    place = {n: i for i, n in enumerate(names)}
    matrix = np.eye(len(names))
    for (a, b), r in correlations.items():
        if a in place and b in place:
            matrix[place[a], place[b]] = matrix[place[b], place[a]] = r
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)


def _order(spreads: dict[str, Spread]) -> list[str]:
    """Traits so that each comes after those its slopes refer to (as far as that is possible)."""
    done: list[str] = []
    left = [n for n in DRAWN if n in spreads]
    while left:
        ready = [n for n in left if all(s.on in done for s in spreads[n].slopes)]
        done += ready
        left = [n for n in left if n not in ready]
        if not ready:
            return done + left
    return done


def _source(one: Fields) -> tuple[str, str]:
    source = one.text("source", required=True)
    note = one.text("note")
    if source == "assumed" and not note:
        one.faults.add(one.place(), "assumed without a 'note'", cure="say what it rests on")
    return source, note


def _slopes(one: Fields) -> tuple[Slope, ...]:
    found = []
    for table in one.tables("slopes"):
        on = table.choice("on", DRAWN, "trait", required=True)
        per, at = table.number("per", required=True), table.number("at")
        table.close()
        found.append(Slope(on, per or 0.0, at or 0.0))
    return tuple(found)


def _spreads(table: Fields) -> dict[str, Spread]:
    found: dict[str, Spread] = {}
    for name in table.data:
        one = table.table(name)
        if name not in DRAWN:
            one.faults.add(one.place(), f"unknown trait '{name}'", near(name, DRAWN) or f"one of {', '.join(DRAWN)}")
            continue
        trait = TRAITS[name]
        kind = one.choice("kind", _KINDS, "kind", required=True)
        flag = name in FLAGS
        if kind and (kind == "share") != flag and kind != "fixed":
            one.faults.add(
                one.place("kind"), f"'{kind}'", "'share' for a flag" if flag else "'normal', 'lognormal' or 'fixed'"
            )
        centre_key = {"lognormal": "median", "share": "share", "fixed": "value"}.get(kind, "mean")
        centre = one.number(centre_key, required=True, low=trait.low, high=trait.high)
        sd = one.number("sd", required=kind in {"normal", "lognormal"}, low=0)
        low = one.number("low", low=trait.low, high=trait.high)
        high = one.number("high", low=trait.low, high=trait.high)
        low, high = trait.low if low is None else low, trait.high if high is None else high
        if low >= high or (centre is not None and kind != "share" and not low <= centre <= high):
            one.faults.add(one.place(), f"from {low:g} to {high:g}", f"bounds around {centre}", "check low and high")
        slopes = _slopes(one)
        source, note = _source(one)
        one.close()
        found[name] = Spread(name, kind, centre or 0.0, sd or 0.0, low, high, slopes, source, note)
    return found


def _effects(table: Fields) -> dict[str, Effect]:
    found: dict[str, Effect] = {}
    for name in table.data:
        one = table.table(name)
        form = one.choice("form", ("log", "logit"), "form") or "log"
        sd = one.number("sd", low=0, high=3)
        cv = one.number("cv", low=0, high=5)
        if (sd is None) == (cv is None):
            one.faults.add(one.place(), "neither or both of 'sd' and 'cv'", "one of them")
        if cv is not None:
            if form == "logit":
                one.faults.add(one.place("cv"), "a 'cv' on the logit scale", "'sd'")
            sd = math.sqrt(math.log1p(cv**2))
        slopes = _slopes(one)
        source, note = _source(one)
        one.close()
        found[name] = Effect(name, form, sd or 0.0, slopes, source, note)
    return found


def _correlations(
    tables: list[Fields], spreads: dict[str, Spread], effects: dict[str, Effect]
) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for one in tables:
        a, b = one.text("a", required=True), one.text("b", required=True)
        r = one.number("r", required=True, low=-0.999, high=0.999)
        _source(one)
        one.close()
        group = spreads if a in spreads else effects
        for name in (a, b):
            if name and name not in group:
                both = a in {**spreads, **effects} and b in {**spreads, **effects}
                cure = "two traits, or two parameters" if both else near(name, {**spreads, **effects})
                one.faults.add(one.place(), f"'{a}' with '{b}'", f"no '{name}' there", cure)
        if r is not None and a != b:
            found[min(a, b), max(a, b)] = r
    return found


def _numbers(table: Fields) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in table.data:
        one = table.table(name)
        if name not in _MEASURED:
            one.faults.add(
                one.place(), f"unknown measure '{name}'", near(name, _MEASURED) or f"one of {', '.join(_MEASURED)}"
            )
        found[name] = one.number("cv", required=True, low=0, high=1) or 0.0
        _source(one)
        one.close()
    return found


def _entry(one: Fields) -> Entry:
    trait = one.choice("trait", TRAITS, "trait", required=True)
    low, below = one.number("at_least"), one.number("below")
    note = one.text("note")
    one.close()
    if low is None and below is None:
        one.faults.add(one.place(), "no bound", "'at_least' or 'below'")
    return Entry(trait, -math.inf if low is None else low, math.inf if below is None else below, note)


def _target(one: Fields) -> Target:
    trait = one.choice("trait", TRAITS, "trait", required=True)
    mean = one.number("mean")
    share = one.number("share", low=0, high=1)
    at_least = one.number("at_least")
    sd = one.number("sd", low=0)
    source, _ = _source(one)
    one.close()
    if (mean is None) == (share is None):
        one.faults.add(one.place(), "neither or both of 'mean' and 'share'", "one of them")
    if at_least is not None and share is None:
        one.faults.add(one.place("at_least"), "a bound without a 'share'", "the share of people at or above it")
    value = mean if mean is not None else share
    return Target(trait, value or 0.0, sd, at_least, source)
