"""Trial files: reading TOML into a `Trial`, with every fault of the file at once.

The format is documented in ``docs/trials.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bonepk.errors import DataError, Faults, near
from bonepk.model.toml_lines import read_toml
from bonepk.simulate.plan import Plan, every, switch
from bonepk.simulate.plan import dose as single
from bonepk.study.endpoints import ENDPOINTS, KINDS
from bonepk.study.evidence import (
    Arm,
    Citation,
    Population,
    Row,
    Spread,
    Stratum,
    Trial,
)
from bonepk.study.fields import Fields

__all__ = ["read_plan", "read_trial"]

_SPREADS = ("ci95", "se", "sd", "range")
_CONFIDENCE = ("verified", "memory")
_WEIGHT_TOLERANCE = 1e-6  # weights are typed with four or five decimals and must add up to 1


def read_trial(source: str | Path, *, file: str | None = None) -> Trial:
    """Read a trial file, or text if `file` names it.

    Parameters
    ----------
    source : Path or str
        Path of a file; or its text if `file` is given.
    file : str, optional
        Name of the text for messages, for example ``my-trial.toml``.

    Raises
    ------
    DataError
        With every fault, each as ``file:line [table.key]: found; expected; cure``.
    """
    data, lines = read_toml(source, file=file, error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)

    head = top.table("trial", required=True)
    title = head.text("title", required=True)
    year = head.whole("year", required=True, low=1900)
    design = head.text("design", required=True)
    overlaps = head.texts("overlaps")
    head.close()

    citations = _citations(top.table("citations", required=True))
    population = _population(top.table("population", required=True))
    arms = _arms(top.tables("arms", required=True))
    results = top.table("results", required=True)
    rows = [_row(f, arms, citations) for f in results.tables("rows", required=True)]
    results.close()
    top.close()
    faults.raise_as(DataError)
    return Trial(
        name=Path(file or source).stem,
        title=title,
        year=year or 0,
        design=design,
        citations=citations,
        population=population,
        arms=tuple(arms.values()),
        rows=tuple(r for r in rows if r is not None),
        overlaps=overlaps,
        path=lines.file,
    )


def _citations(table: Fields) -> dict[str, Citation]:
    found = {}
    for key in table.data:
        one = table.table(key)
        found[key] = Citation(key, one.text("text", required=True), one.text("doi"), one.text("found_at"))
        if found[key].doi.startswith("http"):
            one.faults.add(one.place("doi"), f"found '{found[key].doi}'", "expected the bare DOI, such as 10.1000/182")
        one.close()
    if not found:
        table.faults.add(table.place(), "no citation", cure='add key = { text = "...", doi = "..." }')
    return found


def _population(table: Fields) -> Population:
    years = table.table("years_since_fmp", required=True)
    value = years.number("value", required=True, low=-40, high=60)
    source = years.choice("source", ("assumed", "published"), "source", required=True)
    note = years.text("note", required=source == "assumed")
    years.close()
    made = Population(
        description=table.text("description", required=True),
        years_since_fmp=0.0 if value is None else value,
        years_source=source,
        years_note=note,
        n=table.whole("n"),
        prior=table.text("prior"),
        approximations=table.texts("approximations"),
        background=read_plan(table, "background"),
        strata=_strata(table),
        parameters=_parameters(table),
    )
    table.close()
    return made


def _parameters(table: Fields) -> dict[str, float]:
    chosen = table.table("parameters")
    values = {key: chosen.number(key) for key in chosen.data}
    return {key: value for key, value in values.items() if value is not None}


def _arms(tables: list[Fields]) -> dict[str, Arm]:
    arms: dict[str, Arm] = {}
    for table in tables:
        name = table.text("name", required=True)
        if name in arms:
            table.faults.add(table.place("name"), f"arm '{name}' stands twice", cure="rename or remove one")
        arms[name] = Arm(
            name=name,
            label=table.text("label") or name,
            n=table.whole("n"),
            plan=read_plan(table, "regimen"),
            strata=_strata(table),
            years_since_fmp=table.number("years_since_fmp", low=-40, high=60),
            not_simulated=table.text("not_simulated"),
            note=table.text("note"),
        )
        table.close()
    return arms


def _strata(table: Fields) -> tuple[Stratum, ...]:
    strata = []
    for one in table.tables("strata"):
        weight = one.number("weight", required=True, low=0, high=1)
        strata.append(
            Stratum(
                weight=weight or 0.0,
                label=one.text("label", required=True),
                plan=read_plan(one, "regimen"),
                years_since_fmp=one.number("years_since_fmp", low=-40, high=60),
                parameters=_parameters(one),
            )
        )
        one.close()
    total = sum(s.weight for s in strata)
    if strata and abs(total - 1) > _WEIGHT_TOLERANCE:
        table.faults.add(table.place("strata"), f"weights add up to {total:g}", "expected 1")
    return tuple(strata)


def read_plan(table: Fields, key: str, drugs: Sequence[str] | None = None) -> Plan:
    """Read a regimen in words: a list of ``{ give = ... }`` and ``{ switch = ... }``.

    `drugs` are the names that can be given; by default those of the model library.
    """
    whole = Plan()
    for one in table.tables(key):
        if "switch" in one.data:
            whole += _switch(one)
        elif "give" in one.data:
            whole += _give(one, known_drugs() if drugs is None else drugs)
        else:
            cure = 'write { give = "letrozole", ... } or { switch = "calcium_vitamin_d", ... }'
            one.faults.add(one.place(), "neither 'give' nor 'switch'", cure=cure)
            continue
        one.close()
    return whole


def _switch(one: Fields) -> Plan:
    name, to = one.text("switch", required=True), one.number("to", required=True)
    start, until = one.duration("from") or 0.0, one.duration("until")
    if until is not None and until <= start:
        one.faults.add(one.place("until"), "ends before it starts", "expected 'until' after 'from'")
        return Plan()
    return switch(name, to or 0.0, start=start, stop=until)


def _give(one: Fields, drugs: Sequence[str]) -> Plan:
    drug = one.choice("give", drugs, "drug", required=True)
    dose = one.text("dose", required=True)
    start, interval = one.duration("from") or 0.0, one.duration("every")
    until, doses = one.duration("until"), one.whole("doses")
    over, spread, route = one.duration("over") or 0.0, one.flag("spread"), one.text("route")
    amount, _, unit = dose.partition(" ")
    before = len(one.faults)
    if dose and (not _positive(amount) or not unit.strip()):
        one.faults.add(one.place("dose"), f"found '{dose}'", 'expected an amount with its unit, such as "2.5 mg"')
    if interval is not None and interval <= 0:
        one.faults.add(one.place("every"), "found no time between doses", "expected more than 0")
    if interval is None and doses != 1:
        one.faults.add(one.place(), "no 'every'", cure='add every = "6 months", or doses = 1 for a single dose')
    if interval is not None and until is None and doses is None:
        one.faults.add(one.place(), "no end of the course", cure="add until = ... or doses = ...")
    if until is not None and doses is not None:
        one.faults.add(one.place(), "both 'until' and 'doses'", "expected one of them")
    if until is not None and until <= start:
        one.faults.add(one.place("until"), "ends before it starts", "expected 'until' after 'from'")
    if spread and (over or interval is None):
        one.faults.add(one.place("spread"), "spread doses need 'every' and take no 'over'")
    if len(one.faults) > before or not drug:
        return Plan()
    if interval is None:
        return single(drug, dose, start, route=route, over=over)
    return every(
        drug, dose, days=interval, doses=doses, until=until, start=start, route=route, over=over, spread=spread
    )


def _positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


@cache
def known_drugs() -> tuple[str, ...]:
    """Names of the drugs in the model library."""
    from bonepk.model import models

    return tuple(m.name for m in models("drug"))


def _row(one: Fields, arms: dict[str, Arm], citations: dict[str, Citation]) -> Row | None:
    endpoint = one.choice("endpoint", ENDPOINTS, "endpoint", required=True)
    kind_name = one.choice("kind", KINDS, "kind", required=True)
    arm, versus = one.choice("arm", arms, "arm"), one.choice("versus", arms, "arm")
    month, since = one.number("month"), one.number("since")
    value = one.number("value", required=True)
    unit = one.text("unit", required=True)
    spread = _spread(one, value) if "spread" in one.data else None
    n = one.whole("n")
    cite = one.text("cite", required=True)
    confidence = one.choice("confidence", _CONFIDENCE, "confidence", required=True)
    note, not_scored = one.text("note"), one.text("not_scored")
    one.close()

    if cite and cite not in citations:
        cure = near(cite, citations) or "add it to [citations]"
        one.faults.add(one.place("cite"), f"unknown citation '{cite}'", cure)
    if month is not None and since is not None and since >= month:
        one.faults.add(one.place("since"), f"'since' is {since:g}", f"expected less than month {month:g}")
    if kind := KINDS.get(kind_name):
        if unit and unit not in kind.units:
            wanted = " or ".join(f"'{u}'" for u in kind.units)
            one.faults.add(one.place("unit"), f"unit '{unit}'", f"a {kind.name} is given in {wanted}")
        if kind.two_arms and not versus:
            one.faults.add(one.place(), "no 'versus'", f"a {kind.name} compares two arms", 'add versus = "..."')
        if not kind.two_arms and versus and kind.computed:
            one.faults.add(one.place("versus"), f"a {kind.name} takes one arm", cure="remove 'versus'")
    if value is None or not endpoint or not kind_name:
        return None
    return Row(
        endpoint,
        kind_name,
        value,
        unit,
        cite,
        confidence,
        arm,
        versus,
        month,
        since or 0.0,
        spread,
        n,
        note,
        not_scored,
        place=one.place(),
    )


def _spread(one: Fields, value: float | None) -> Spread | None:
    inner = one.table("spread")
    kind = inner.choice("type", _SPREADS, "type of spread", required=True)
    low, high = inner.number("low", required=True), inner.number("high", required=True)
    inner.close()
    if low is None or high is None or value is None:
        return None
    if not low <= value <= high:
        found = f"spread from {low:g} to {high:g}"
        one.faults.add(one.place("spread"), found, f"expected bounds around the value {value:g}", "check the signs")
        return None
    return Spread(kind, low, high)
