"""What a guideline says of one woman: the answer, the reason, the source, and what is still needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bonepk.decide.facts import Facts
from bonepk.decide.logic import All, RiskList, ask, lists_in
from bonepk.decide.reach import OUTSIDE, reach
from bonepk.decide.rules import Agent, Entry, Guideline, Topic, guideline_names, load_guideline
from bonepk.decide.vocabulary import Value
from bonepk.study.evidence import Citation

__all__ = ["Decision", "Finding", "assess", "compare", "find", "look_up"]


@dataclass(frozen=True)
class Finding:
    """The answer of a guideline to one question.

    Attributes
    ----------
    topic, title : str
    outcome : str
        A key of `bonepk.decide.OUTCOMES`; or ``gap``: the rule leaves this case open; ``open``: facts are missing that
        could change the answer; ``not_applicable``: the rule is not about her.
    branch : str
        The branch or gap that decided; empty if none did.
    say, because : str
        What to do, and why: the branch's reason with the facts it rests on.
    reading : str
        For a gap, what bonepk would take it for (a key of `OUTCOMES`). It stands in no source.
    agents : tuple of Agent
    repeat_dxa : tuple of float, or None
        Months to the next scan, least and most.
    dose : str
    needs : tuple of str
        Facts that could change the answer, if it is open.
    possible : tuple of str
        Answers that are still possible where facts are missing, as ``outcome (branch)``.
    citation : Citation or None
    locator : str
    confidence : str
        ``verified`` if rule, and any list it counted by, were read in a text; ``memory`` if some of it was recalled.
    recalled : tuple of str
        What was recalled.
    """

    topic: str
    title: str
    outcome: str
    branch: str = ""
    say: str = ""
    because: str = ""
    reading: str = ""
    agents: tuple[Agent, ...] = ()
    repeat_dxa: tuple[float, float] | None = None
    dose: str = ""
    needs: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    citation: Citation | None = None
    locator: str = ""
    confidence: str = ""
    recalled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What a guideline says of one woman; the first finding is the guideline's main question."""

    guideline: Guideline
    facts: Facts
    findings: tuple[Finding, ...]

    @property
    def main(self) -> Finding:
        """Answer to the guideline's main question."""
        return self.findings[0]

    @property
    def outcome(self) -> str:
        """Outcome of the main question."""
        return self.main.outcome

    def of(self, topic: str) -> Finding:
        """Look up the finding of a topic.

        Raises
        ------
        NotFoundError
            If the guideline has no such topic.
        """
        found = self.guideline.topic(topic)
        return next(f for f in self.findings if f.topic == found.name)

    def __str__(self) -> str:
        from bonepk.decide.words import decision_text

        return decision_text(self)


def look_up(guideline: str | Path | Guideline) -> Guideline:
    """Take a guideline as it is, or read it by name or path."""
    return guideline if isinstance(guideline, Guideline) else load_guideline(guideline)


def assess(facts: Facts, guideline: str | Path | Guideline = "iof-cabs-2017") -> Decision:
    """Ask a guideline about one woman.

    Parameters
    ----------
    facts : Facts
        What is known of her. What is missing is asked for where it matters, and never assumed.
    guideline : str, Path or Guideline
        A name from `guideline_names`, or a path to a ``.toml`` file.

    Returns
    -------
    Decision

    Raises
    ------
    NotFoundError
        If there is no such guideline.
    """
    rules = look_up(guideline)
    return Decision(rules, facts, tuple(_finding(rules, topic, facts) for topic in rules.topics))


def find(facts: Facts, guideline: str | Path | Guideline, topic: str = "") -> Finding:
    """Ask a guideline one question, by default its main one; see `assess`.

    Raises
    ------
    NotFoundError
        If there is no such guideline, or it has no such topic.
    """
    rules = look_up(guideline)
    return _finding(rules, rules.topic(topic) if topic else rules.topics[0], facts)


def compare(facts: Facts, guidelines: Sequence[str | Path | Guideline] | None = None) -> tuple[Decision, ...]:
    """Ask several guidelines about one woman, by default all that come with bonepk."""
    chosen = guideline_names() if guidelines is None else guidelines
    return tuple(assess(facts, one) for one in chosen)


def _finding(rules: Guideline, topic: Topic, facts: Facts) -> Finding:
    view = facts.view
    blank = Finding(topic.name, topic.title, "gap")
    scope = ask(All((rules.applies, topic.applies)), view)
    if scope.truth is False:
        return replace(
            blank, outcome="not_applicable", because="; ".join(scope.because), say="the rule is not about her"
        )
    needs: dict[str, None] = dict.fromkeys(scope.needs)
    lists: dict[str, RiskList] = {}
    for entry in topic.entries:
        answer = ask(entry.when, view)
        lists.update({r.name: r for r in answer.lists})
        needs.update(dict.fromkeys(answer.needs))
        if answer.truth:
            if needs:
                break
            return _settled(rules, blank, entry, "; ".join(answer.because), lists.values())
    if scope.truth is None:
        needs = dict.fromkeys(scope.needs)  # whether the rule is about her comes first
    if not needs:
        missing = (
            "needs a DXA, and none can be had" if view.get("dxa_available") is False else "does not cover her case"
        )
        return replace(blank, say=f"the rule {missing}", because="no branch of the rule holds")
    return _open(rules, topic, view, blank, tuple(needs))


def _settled(rules: Guideline, blank: Finding, entry: Entry, because: str, lists: Iterable[RiskList]) -> Finding:
    recalled = tuple(f"list '{r.name}'" for r in lists if r.confidence == "memory")
    if entry.confidence == "memory":
        recalled = ("rule", *recalled)
    return replace(
        blank,
        outcome="gap" if entry.gap else entry.outcome,
        branch=entry.name,
        say=entry.say,
        because=f"{entry.why}: {because}" if because else entry.why,
        reading=entry.outcome if entry.gap else "",
        agents=tuple(rules.agents[a] for a in entry.agents),
        repeat_dxa=entry.repeat_dxa,
        dose=entry.dose,
        citation=rules.citations[entry.cite],
        locator=entry.locator,
        confidence="memory" if recalled else "verified",
        recalled=recalled,
    )


def _open(rules: Guideline, topic: Topic, view: Mapping[str, Value], blank: Finding, needs: tuple[str, ...]) -> Finding:
    """Ask for facts that are missing, unless the answer is the same however it turns out."""
    reached = reach(topic, rules.applies, view)
    entries = reached.entries if reached.complete else (OUTSIDE, *topic.entries, None)
    said = tuple(_possible(entry) for entry in entries)
    inside = [e for e in entries if e is not None and e is not OUTSIDE and not e.gap]
    if len(entries) == 1 and entries[0] is OUTSIDE:
        return replace(blank, outcome="not_applicable", say="the rule is not about her")
    if len(entries) == 1 and entries[0] is not None:
        lists = [r for e in topic.entries for r in lists_in(e.when)]
        return _settled(rules, blank, entries[0], "whatever the missing facts are", dict.fromkeys(lists))
    if len(inside) == len(entries) and len({e.outcome for e in inside}) == 1:
        sure = next((e for e in inside if ask(e.when, view).truth), inside[0])
        made = _settled(rules, blank, sure, "; ".join(ask(sure.when, view).because), ())
        more = tuple(f"branch '{e.name}'" for e in inside if e.confidence == "memory" and e is not sure)
        recalled = (*made.recalled, *more)
        return replace(made, possible=said, recalled=recalled, confidence="memory" if recalled else "verified")
    because = "facts that are missing could change the answer"
    return replace(blank, outcome="open", say="needs " + ", ".join(needs), because=because, needs=needs, possible=said)


def _possible(entry: Entry | None) -> str:
    if entry is None:
        return "gap"
    if entry is OUTSIDE:
        return "not_applicable"
    return f"{'gap' if entry.gap else entry.outcome} ({entry.name})"
