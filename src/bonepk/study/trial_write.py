"""Writing a trial as text that reads back as the same trial."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from bonepk.simulate.calendar import in_words
from bonepk.simulate.plan import Course, Plan, Switch
from bonepk.study.evidence import Row, Stratum, Trial

__all__ = ["trial_toml"]


def trial_toml(trial: Trial) -> str:
    """Text of a trial file.

    Parameters
    ----------
    trial : Trial

    Returns
    -------
    str
        TOML; `bonepk.study.read_trial` gives an equal trial. Courses are written by their number of doses.
    """
    head = {"title": trial.title, "year": trial.year, "design": trial.design}
    lines = ["[trial]", *_pairs(head)]
    if trial.overlaps:
        lines.append(f"overlaps = {_value(trial.overlaps)}")
    lines += ["", "[citations]"]
    for key, one in trial.citations.items():
        lines.append(f"{_key(key)} = {_inline({'text': one.text, 'doi': one.doi, 'found_at': one.found_at})}")
    lines += _population(trial)
    for arm in trial.arms:
        lines += ["", "[[arms]]", *_pairs({"name": arm.name, "label": arm.label, "n": arm.n})]
        rest = {"years_since_fmp": arm.years_since_fmp, "not_simulated": arm.not_simulated, "note": arm.note}
        lines += [*_pairs(rest), *_plan("regimen", arm.plan), *_strata("arms.strata", arm.strata)]
    lines += ["", "[results]", "rows = [", *(f"  {_row(row)}," for row in trial.rows), "]"]
    return "\n".join(lines) + "\n"


def _population(trial: Trial) -> list[str]:
    who = trial.population
    years = {"value": who.years_since_fmp, "source": who.years_source, "note": who.years_note}
    lines = ["", "[population]", *_pairs({"description": who.description, "n": who.n})]
    lines += [f"years_since_fmp = {_inline(years)}", *_pairs({"prior": who.prior})]
    if who.approximations:
        lines += ["approximations = [", *(f"  {_value(a)}," for a in who.approximations), "]"]
    lines += _parameters(who.parameters)
    return [*lines, *_plan("background", who.background), *_strata("population.strata", who.strata)]


def _strata(name: str, strata: Iterable[Stratum]) -> list[str]:
    lines = []
    for one in strata:
        about = {"weight": one.weight, "label": one.label, "years_since_fmp": one.years_since_fmp}
        lines += ["", f"[[{name}]]", *_pairs(about), *_plan("regimen", one.plan)]
        lines += _parameters(one.parameters)
    return lines


def _parameters(values: Mapping[str, float]) -> list[str]:
    return [f"parameters = {_inline(values)}"] if values else []


def _plan(name: str, plan: Plan) -> list[str]:
    if not plan:
        return []
    return [f"{name} = [", *(f"  {_inline(_part(part))}," for part in plan.parts), "]"]


def _part(part: Course | Switch) -> dict[str, object]:
    if isinstance(part, Switch):
        stop = in_words(part.stop) if part.end != part.start else ""
        return {"switch": part.name, "to": part.value, "from": in_words(part.start), "until": stop}
    return {
        "give": part.drug,
        "dose": part.amount,
        "route": part.route,
        "every": in_words(part.interval) if part.interval else "",
        "from": in_words(part.start),
        "doses": part.doses,
        "over": in_words(part.over) if part.over else "",
        "spread": part.spread or None,
    }


def _row(row: Row) -> str:
    about: dict[str, object] = {"arm": row.arm, "versus": row.versus, "endpoint": row.endpoint, "kind": row.kind}
    about |= {"since": row.since or None, "month": row.month, "value": row.value, "unit": row.unit}
    if row.spread:
        about["spread"] = {"type": row.spread.type, "low": row.spread.low, "high": row.spread.high}
    about |= {"n": row.n, "cite": row.cite, "confidence": row.confidence}
    return _inline(about | {"note": row.note, "not_scored": row.not_scored})


def _pairs(values: Mapping[str, object]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in values.items() if value not in (None, "")]


def _inline(values: Mapping[str, object]) -> str:
    return "{ " + ", ".join(_pairs(values)) + " }"


def _key(key: str) -> str:
    return key if key.replace("_", "a").replace("-", "a").isalnum() and key.isascii() else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return _inline(value)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else repr(value)
