"""Decisions, comparisons and rules as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bonepk.decide.decision import Decision, Finding
from bonepk.decide.logic import words_of
from bonepk.decide.rules import OUTCOMES, Agent, Guideline, guideline_names, load_guideline
from bonepk.decide.vocabulary import FACTS
from bonepk.simulate.calendar import in_words

__all__ = ["WARNING", "comparison_text", "decision_text", "guideline_text", "guidelines_text"]

WARNING = "research software; no medical advice"
"""Stands under every decision."""

_WIDTH = 118
_MEANING = {
    **OUTCOMES,
    "gap": "the rule leaves this case open",
    "open": "facts are missing",
    "not_applicable": "the rule is not about her",
}
_SURE = {"verified": "read", "memory": "recalled, not read"}


def decision_text(decision: Decision) -> str:
    """Write one decision: answer, reason, branch, source and how sure, for every question of the guideline."""
    rules = decision.guideline
    lines = [rules.heading]
    for finding in decision.findings:
        lines += ["", *_finding_lines(finding)]
    if rules.advice and decision.outcome != "not_applicable":
        lines += ["", "for everyone"]
        lines += [_wrap(f"  {a.say} [{a.cite}, {_SURE[a.confidence]}]", "    ") for a in rules.advice]
    cited = {f.citation.key: f.citation for f in decision.findings if f.citation}
    cited.update({a.cite: rules.citations[a.cite] for a in rules.advice if decision.outcome != "not_applicable"})
    if cited:
        lines += ["", "sources", *(_wrap(f"  {c.key}: {c}", "    ") for c in cited.values())]
    return "\n".join([*lines, "", WARNING])


def _finding_lines(finding: Finding) -> list[str]:
    head = f"{finding.title}: {finding.outcome} ({_MEANING[finding.outcome]})"
    rows = [("say", "" if finding.outcome in {"gap", "not_applicable"} else finding.say), ("because", finding.because)]
    if finding.outcome == "gap":
        rows.append(("case", finding.branch or finding.say))
        if finding.reading:
            rows.append(("bonepk's reading", f"{finding.reading}: {finding.say} (in no source)"))
    elif finding.branch:
        rows.append(("branch", finding.branch))
    rows.append(("drugs", ", ".join(agent_words(a) for a in finding.agents)))
    rows.append(("DXA again", _months(finding.repeat_dxa)))
    rows.append(("possible", "; ".join(finding.possible)))
    if finding.needs:
        rows.append(("needs", "; ".join(f"{n} ({FACTS[n].label})" if n in FACTS else n for n in finding.needs)))
    if finding.citation:
        recalled = f": {', '.join(finding.recalled)}" if finding.recalled else ""
        where = f", {finding.locator}" if finding.locator else ""
        rows.append(("source", f"{finding.citation.key}{where}, {_SURE[finding.confidence]}{recalled}"))
    return [head, *(_wrap(f"  {name}: {text}", "    ") for name, text in rows if text)]


def agent_words(agent: Agent) -> str:
    """Write a drug at a dose: ``denosumab 60 mg every 6 months``."""
    every = f" every {in_words(agent.interval)}" if agent.interval else " once"
    return f"{agent.drug} {agent.dose}{every}".replace("every 1 ", "every ")


def _months(span: tuple[float, float] | None) -> str:
    if span is None:
        return ""
    low, high = span
    return f"at {low:g} months" if low == high else f"at {low:g} to {high:g} months"


def comparison_text(decisions: Sequence[Decision]) -> str:
    """Several guidelines side by side: one line each for its main question, needs below."""
    rows = [("guideline", "question", "answer", "branch", "how sure")]
    for one in decisions:
        main = one.main
        answer = main.outcome
        if main.outcome == "gap" and main.reading:
            answer = f"gap (we read: {main.reading})"
        rows.append((one.guideline.name, main.title, answer, main.branch, main.confidence or "-"))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    asked: dict[str, list[str]] = {}
    for one in decisions:
        for name in one.main.needs:
            asked.setdefault(name, []).append(one.guideline.name)
    if asked:
        lines += ["", "needed"]
        lines += [_wrap(f"  {name}: {', '.join(who)}", "    ") for name, who in asked.items()]
    return "\n".join([*lines, "", WARNING])


def guidelines_text() -> str:
    """List the guidelines that come with bonepk."""
    found = [load_guideline(n) for n in (*guideline_names(), *guideline_names("limits"))]
    width = max(len(g.name) for g in found)
    return "\n".join(f"{g.name.ljust(width)}  {g.year or '    '}  {g.title}" for g in found)


def guideline_text(rules: Guideline) -> str:
    """Write a guideline's rules: every branch and gap with its condition, source and how sure."""
    lines = [rules.heading, _wrap(f"for {rules.about}", "  ")]
    lines += [_wrap(f"note: {note}", "  ") for note in rules.notes]
    for risks in rules.lists.values():
        lines += ["", f"list '{risks.name}' [{risks.cite}, {_SURE[risks.confidence]}]"]
        lines += [f"  {f.name}: {words_of(f.when)}" for f in risks.factors]
        lines += [_wrap(f"  {risks.note}", "  ")] if risks.note else []
    for topic in rules.topics:
        lines += ["", topic.title]
        for entry in topic.entries:
            kind = f"gap ({entry.gap})" if entry.gap else entry.outcome
            lines.append(_wrap(f"  {kind}: {entry.name} [{entry.cite}, {_SURE[entry.confidence]}]", "    "))
            lines.append(_wrap(f"    if {words_of(entry.when)}", "      "))
            reading = f"reading: {entry.outcome}; " if entry.gap and entry.outcome else ""
            said = f"{entry.why}" if entry.gap else entry.say
            lines.append(_wrap(f"    {reading}{said}", "      "))
    for limit in rules.limits.values():
        lines += [f"  limit {limit.name}: {limit.value:g} {limit.unit} [{limit.cite}, {_SURE[limit.confidence]}]"]
    lines += ["", "sources", *(_wrap(f"  {c.key}: {c}", "    ") for c in rules.citations.values())]
    return "\n".join([*lines, "", WARNING])


def _wrap(line: str, indent: str) -> str:
    return textwrap.fill(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
