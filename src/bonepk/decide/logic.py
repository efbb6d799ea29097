"""Conditions of rules, and what they say of a woman of whom not everything is known.

A condition is true, false, or open (None): open if a fact it depends on is missing. There is no other language than
the few conditions here; nothing is ever evaluated as code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bonepk.decide.vocabulary import VOCABULARY, Value

__all__ = [
    "All",
    "Answer",
    "Any",
    "Compare",
    "Condition",
    "Count",
    "Factor",
    "Not",
    "OneOf",
    "RiskList",
    "ask",
    "leaves",
    "lists_in",
    "words_of",
]

SIGNS = {"below": "<", "above": ">", "at_least": ">=", "at_most": "<="}
"""How a bound is written."""

Bounds = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Compare:
    """A number within bounds, each a pair of a key of `SIGNS` and a value in the fact's unit."""

    fact: str
    bounds: Bounds


@dataclass(frozen=True)
class OneOf:
    """A flag or a choice that has one of some values."""

    fact: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Factor:
    """One entry of a list that is counted."""

    name: str
    when: Condition


@dataclass(frozen=True)
class RiskList:
    """A named list of risk factors, with its source."""

    name: str
    factors: tuple[Factor, ...]
    cite: str
    confidence: str
    note: str = ""


@dataclass(frozen=True)
class Count:
    """How many entries of a list hold, those of `without` left out."""

    risks: RiskList
    bounds: Bounds
    without: tuple[str, ...] = ()

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors that are counted."""
        return tuple(f for f in self.risks.factors if f.name not in self.without)


@dataclass(frozen=True)
class All:
    """Every part holds; with no parts, always true."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Any:
    """Some part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Condition


Condition = Compare | OneOf | Count | All | Any | Not


@dataclass(frozen=True)
class Answer:
    """What a condition says.

    Attributes
    ----------
    truth : bool or None
        None is open.
    needs : tuple of str
        Facts that would settle it; empty unless open.
    because : tuple of str
        The facts it rests on, in words; empty if open.
    lists : tuple of RiskList
        Lists it was counted by.
    """

    truth: bool | None
    needs: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    lists: tuple[RiskList, ...] = ()


def ask(condition: Condition, view: Mapping[str, Value]) -> Answer:
    """Say whether a condition holds.

    Parameters
    ----------
    condition : Condition
    view : mapping of str to value
        From `Facts.view`; a number that cannot be had is nan and lies within no bounds.
    """
    if isinstance(condition, Compare):
        value = view.get(condition.fact)
        if value is None:
            return Answer(None, (condition.fact,))
        number = float(value)
        inside = _within(number, condition.bounds)
        bounds = ", ".join(f"{SIGNS[key]} {limit:g}" for key, limit in condition.bounds)
        return Answer(inside, because=(f"{_said(condition.fact, number)} ({'' if inside else 'not '}{bounds})",))
    if isinstance(condition, OneOf):
        value = view.get(condition.fact)
        if value is None:
            return Answer(None, (condition.fact,))
        return Answer(value in condition.values, because=(_said(condition.fact, value),))
    if isinstance(condition, Count):
        return _counted(condition, view)
    if isinstance(condition, Not):
        inner = ask(condition.part, view)
        return Answer(None if inner.truth is None else not inner.truth, inner.needs, inner.because, inner.lists)
    answers = [ask(part, view) for part in condition.parts]
    decisive = isinstance(condition, Any)
    for answer in answers:
        if answer.truth is decisive:
            return answer
    open_ones = [a for a in answers if a.truth is None]
    if open_ones:
        return Answer(None, _merged(a.needs for a in open_ones), lists=_lists(answers))
    return Answer(not decisive, because=_merged(a.because for a in answers), lists=_lists(answers))


def _counted(condition: Count, view: Mapping[str, Value]) -> Answer:
    answers = [(f, ask(f.when, view)) for f in condition.factors]
    present = [f.name for f, a in answers if a.truth]
    unknown = [a for _, a in answers if a.truth is None]
    verdicts = {_within(float(n), condition.bounds) for n in range(len(present), len(present) + len(unknown) + 1)}
    if len(verdicts) > 1:
        return Answer(None, _merged(a.needs for a in unknown), lists=(condition.risks,))
    number = len(present) if not unknown else f"at least {len(present)}"
    other = "other " if condition.without else ""
    names = f" ({'; '.join(present)})" if present else ""
    words = f"{number} {other}risk factor{'' if len(present) == 1 else 's'}{names}"
    return Answer(verdicts.pop(), because=(words,), lists=(condition.risks,))


def _within(number: float, bounds: Bounds) -> bool:
    tests = {
        "below": lambda limit: number < limit,
        "above": lambda limit: number > limit,
        "at_least": lambda limit: number >= limit,
        "at_most": lambda limit: number <= limit,
    }
    return not math.isnan(number) and all(tests[key](limit) for key, limit in bounds)


def leaves(condition: Condition) -> Iterator[Compare | OneOf]:
    """Every comparison in a condition."""
    if isinstance(condition, (Compare, OneOf)):
        yield condition
    elif isinstance(condition, Count):
        for factor in condition.factors:
            yield from leaves(factor.when)
    elif isinstance(condition, Not):
        yield from leaves(condition.part)
    else:
        for part in condition.parts:
            yield from leaves(part)


def lists_in(condition: Condition) -> Iterator[RiskList]:
    """Every list a condition counts by."""
    if isinstance(condition, Count):
        yield condition.risks
    elif isinstance(condition, Not):
        yield from lists_in(condition.part)
    elif isinstance(condition, (All, Any)):
        for part in condition.parts:
            yield from lists_in(part)


def words_of(condition: Condition) -> str:
    """Write a condition for people."""
    if isinstance(condition, Compare):
        return " and ".join(f"{condition.fact} {SIGNS[key]} {limit:g}" for key, limit in condition.bounds)
    if isinstance(condition, OneOf):
        if condition.values in {(True,), (False,)}:
            return condition.fact if condition.values[0] else f"not {condition.fact}"
        return f"{condition.fact} is {' or '.join(str(v) for v in condition.values)}"
    if isinstance(condition, Count):
        name = condition.risks.name + (f" without {', '.join(condition.without)}" if condition.without else "")
        return f"count of {name} {' and '.join(f'{SIGNS[k]} {v:g}' for k, v in condition.bounds)}"
    if isinstance(condition, Not):
        return f"not ({words_of(condition.part)})"
    if not condition.parts:
        return "always"
    joint = " and " if isinstance(condition, All) else " or "
    return joint.join(f"({words_of(p)})" if isinstance(p, (All, Any)) else words_of(p) for p in condition.parts)


def _said(name: str, value: Value) -> str:
    fact = VOCABULARY[name]
    if isinstance(value, bool):
        return fact.label if value else f"not: {fact.label}"
    if isinstance(value, str):
        return f"{name.replace('_', ' ')}: {value}"
    if math.isnan(value):
        return f"no {fact.label}"
    unit = "" if fact.unit in {"1", "SD"} else f" {fact.unit}"
    return f"{fact.label} {value:.4g}{unit}"


def _merged(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))


def _lists(answers: Sequence[Answer]) -> tuple[RiskList, ...]:
    return tuple({r.name: r for a in answers for r in a.lists}.values())
