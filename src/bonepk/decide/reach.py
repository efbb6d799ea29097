"""Which answers of a topic are still possible, by trying every kind of value of what is not known.

A rule only sees on which side of its numbers a fact lies. So a few values stand for all: those a rule names, one
between each two neighbours, and one beyond each end. The search assigns them one fact at a time, drops what cannot be,
and stops as soon as the answer is settled. It serves two ends: a file is refused if a branch can never be reached or a
case is covered by nothing; and a decision with missing facts lists exactly the answers still open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bonepk.decide.facts import complete, contradiction
from bonepk.decide.logic import All, Compare, Condition, Not, ask, leaves
from bonepk.decide.rules import Entry, Topic
from bonepk.decide.vocabulary import VOCABULARY, Value

__all__ = ["OUTSIDE", "Reached", "reach"]

OUTSIDE = Entry("not for her", "", All(), "", "", "the rule is not about this case")
"""Answer of a topic that does not apply."""

MOST = 200_000  # nodes of a search; beyond it the result is marked as incomplete


@dataclass(frozen=True)
class Reached:
    """Answers that are possible, each with a case in which it is given.

    Attributes
    ----------
    answers : tuple of (Entry or None, view)
        None is a case that no entry covers.
    complete : bool
        False if there were too many cases to try them all.
    """

    answers: tuple[tuple[Entry | None, Mapping[str, Value]], ...]
    complete: bool

    @property
    def entries(self) -> tuple[Entry | None, ...]:
        """The answers without their cases."""
        return tuple(entry for entry, _ in self.answers)


def reach(topic: Topic, applies: Condition | None = None, known: Mapping[str, Value] | None = None) -> Reached:
    """Find every answer a topic can give to a woman of whom some facts are known.

    Parameters
    ----------
    topic : Topic
    applies : Condition, optional
        Whom the whole guideline is for.
    known : mapping, optional
        From `Facts.view`; nothing by default.
    """
    entries: tuple[Entry | None, ...] = (None, OUTSIDE, *topic.entries)
    scope = All((topic.applies, applies)) if applies is not None else topic.applies
    steps: list[tuple[Entry, Condition]] = [(OUTSIDE, Not(scope)), *((e, e.when) for e in topic.entries)]
    cuts = _cuts([c for _, c in steps])
    named = {leaf.fact for _, condition in steps for leaf in leaves(condition)}
    found: dict[int, Mapping[str, Value]] = {}
    place = {id(e): i for i, e in enumerate(entries)}
    stack: list[Mapping[str, Value]] = [complete(known or {})]
    visited = 0
    while stack and len(found) < len(entries) and visited < MOST:
        visited += 1
        view = stack.pop()
        answer, open_fact = _walk(steps, view)
        if open_fact is None:
            found.setdefault(place[id(answer)], view)
            continue
        if open_fact == "t_score" and "dxa_available" not in view and "dxa_available" in named:
            open_fact = "dxa_available"  # a rule that speaks of missing DXA has to be tried without one
        for value in reversed(_values(open_fact, cuts)):
            tried = complete({**view, open_fact: value})
            if not contradiction(tried):
                stack.append(tried)
    ordered = sorted(found, key=lambda i: i or len(entries))
    complete_search = not stack or len(found) == len(entries)
    return Reached(tuple((entries[i], found[i]) for i in ordered), complete_search)


def _walk(steps: Sequence[tuple[Entry, Condition]], view: Mapping[str, Value]) -> tuple[Entry | None, str | None]:
    """Answer of a view, or the first fact that must be known to go on."""
    for entry, condition in steps:
        answer = ask(condition, view)
        if answer.truth is None:
            return None, answer.needs[0]
        if answer.truth:
            return entry, None
    return None, None


def _cuts(conditions: Sequence[Condition]) -> dict[str, list[float]]:
    """Numbers at which some condition changes its mind, by fact."""
    found: dict[str, set[float]] = {}
    for condition in conditions:
        for leaf in leaves(condition):
            if isinstance(leaf, Compare):
                found.setdefault(leaf.fact, set()).update(limit for _, limit in leaf.bounds)
    for one, other in (("frax_hip", "frax_major"), ("age_at_menopause", "age")):
        if one in found and other in found:  # the two bound each other, so each needs the other's numbers
            both = found[one] | found[other]
            found[one] = {v for v in both if VOCABULARY[one].low <= v <= VOCABULARY[one].high}
            found[other] = {v for v in both if VOCABULARY[other].low <= v <= VOCABULARY[other].high}
    return {name: sorted(values) for name, values in found.items()}


def _values(name: str, cuts: Mapping[str, list[float]]) -> list[Value]:
    fact = VOCABULARY[name]
    if fact.kind == "flag":
        return [False, True]
    if fact.kind == "choice":
        return list(fact.choices)
    points = cuts.get(name, [])
    ends = [fact.low, *points, fact.high]
    between = [(a + b) / 2 for a, b in pairwise(ends) if b > a]
    return sorted({*points, *between})
