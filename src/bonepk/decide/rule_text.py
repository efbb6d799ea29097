"""Reading a guideline file into a `Guideline`, with every fault at once; the format is in ``docs/guidelines.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bonepk.decide.logic import SIGNS, All, Any, Compare, Condition, Count, Factor, Not, OneOf, RiskList
from bonepk.decide.rules import OUTCOMES, Advice, Agent, Entry, Guideline, Limit, Topic
from bonepk.decide.vocabulary import VOCABULARY, Fact, Value
from bonepk.errors import DataError, Faults, near
from bonepk.model.toml_lines import read_toml
from bonepk.study.evidence import Citation
from bonepk.study.fields import Fields

if TYPE_CHECKING:
    from bonepk.model.toml_lines import Lines

__all__ = ["read_guideline"]

_CONFIDENCE = ("verified", "memory")
_KINDS = ("guideline", "limits")
_GAPS = ("printed", "record")
_FORMS = ("fact", "count", "all", "any", "not")
_DEEP = 8  # conditions inside conditions
_MOST = 400  # conditions in a file


def read_guideline(source: str | Path, *, file: str | None = None, cases: bool = True) -> Guideline:
    """Read a guideline file, or text if `file` names it.

    Parameters
    ----------
    source : Path or str
        Path of a file; or its text if `file` is given.
    file : str, optional
        Name of the text for messages.
    cases : bool
        Try every kind of case, so that no branch is out of reach and no case is left uncovered.

    Raises
    ------
    DataError
        With every fault, each as ``file:line [table.key]: found; expected; cure``: unknown words, units that are not
        the fact's, branches that can never be reached, cases that nothing covers.
    """
    data, lines = read_toml(source, file=file, error=DataError)
    reader = _Reader(lines)
    top = Fields(data, (), lines, reader.faults)
    head = top.table("guideline", required=True)
    title = head.text("title", required=True)
    year = head.whole("year", low=1900)
    kind = head.choice("kind", _KINDS, "kind") or "guideline"
    about = head.text("about", required=True)
    notes = head.texts("notes")
    reader.read_citations(top.table("citations", required=True))
    reader.read_lists(top.table("lists"))
    applies = reader.condition(head, "applies")  # may count by a list
    head.close()
    agents = reader.agents(top.table("agents"))
    limits = reader.limits(top.table("limits"))
    advice = tuple(reader.advice(one) for one in top.tables("advice"))
    topics = reader.topics(top.tables("topics", required=True), agents)
    top.close()
    if cases and not len(reader.faults):
        _check_reach(topics, applies, lines, reader.faults)
    reader.faults.raise_as(DataError)
    return Guideline(
        name=Path(file or source).stem,
        title=title,
        year=year or 0,
        kind=kind,
        about=about,
        notes=notes,
        citations=reader.citations,
        applies=applies,
        lists=reader.lists,
        agents=agents,
        limits=limits,
        advice=advice,
        topics=topics,
        path=lines.file,
    )


def _check_reach(topics: tuple[Topic, ...], applies: Condition, lines: Lines, faults: Faults) -> None:
    from bonepk.decide.reach import reach

    for i, topic in enumerate(topics):
        reached = reach(topic, applies)
        if not reached.complete:
            faults.add(lines.place(("topics", i)), f"topic '{topic.name}' has too many cases", cure="split it in two")
            continue
        for entry in topic.entries:
            if entry not in reached.entries:
                found = f"'{entry.name}' can never be reached"
                faults.add(
                    entry.place, found, "every branch and gap is reached in some case", "what stands above takes all"
                )
        for answer, case in reached.answers:
            if answer is None:
                told = ", ".join(f"{name} = {_toml(value)}" for name, value in case.items()) or "any case"
                found = f"topic '{topic.name}' says nothing of {told}"
                faults.add(
                    lines.place(("topics", i)), found, cure="add a branch, or declare the gap in [[topics.gaps]]"
                )


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"


class _Reader:
    """Reads the tables of one file; what is named first can be referred to later."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.faults = Faults()
        self.citations: dict[str, Citation] = {}
        self.lists: dict[str, RiskList] = {}
        self._conditions = 0

    def read_citations(self, table: Fields) -> None:
        for key in table.data:
            one = table.table(key)
            self.citations[key] = Citation(key, one.text("text", required=True), one.text("doi"), one.text("found_at"))
            one.close()

    def read_lists(self, table: Fields) -> None:
        for key in table.data:
            one = table.table(key)
            cite, confidence = self._source(one)
            factors: list[Factor] = []
            for item in one.tables("factors", required=True):
                name = item.text("name", required=True)
                if name in {f.name for f in factors}:
                    item.faults.add(item.place("name"), f"factor '{name}' stands twice", cure="remove one")
                factors.append(Factor(name, self.condition(item, "when", required=True)))
                item.close()
            self.lists[key] = RiskList(key, tuple(factors), cite, confidence, one.text("note"))
            one.close()

    def agents(self, table: Fields) -> dict[str, Agent]:
        found = {}
        for key in table.data:
            one = table.table(key)
            cite, confidence = self._source(one)
            found[key] = Agent(
                name=key,
                drug=one.text("drug", required=True),
                dose=one.text("dose", required=True),
                interval=one.duration("every") or 0.0,
                over=one.duration("over") or 0.0,
                route=one.text("route"),
                note=one.text("note"),
                cite=cite,
                confidence=confidence,
            )
            one.close()
        return found

    def limits(self, table: Fields) -> dict[str, Limit]:
        found = {}
        for key in table.data:
            one = table.table(key)
            value = one.number("value", required=True)
            cite, confidence = self._source(one)
            found[key] = Limit(key, value or 0.0, one.text("unit", required=True), one.text("note"), cite, confidence)
            one.close()
        return found

    def advice(self, one: Fields) -> Advice:
        made = Advice(one.text("say", required=True), *self._source(one))
        one.close()
        return made

    def topics(self, tables: list[Fields], agents: Mapping[str, Agent]) -> tuple[Topic, ...]:
        made: list[Topic] = []
        for one in tables:
            name = one.text("name", required=True)
            if name in {t.name for t in made}:
                one.faults.add(one.place("name"), f"topic '{name}' stands twice", cure="rename or join them")
            title = one.text("title", required=True)
            applies = self.condition(one, "applies")
            branches = [self._entry(b, False, agents) for b in one.tables("branches", required=True)]
            gaps = [self._entry(g, True, agents) for g in one.tables("gaps")]
            one.close()
            names = [e.name for e in (*branches, *gaps)]
            for twice in sorted({n for n in names if names.count(n) > 1}):
                one.faults.add(one.place(), f"'{twice}' stands twice in topic '{name}'", cure="rename one")
            made.append(Topic(name, title, applies, tuple(branches), tuple(gaps)))
        return tuple(made)

    def _entry(self, one: Fields, is_gap: bool, agents: Mapping[str, Agent]) -> Entry:
        cite, confidence = self._source(one)
        months = one.numbers("repeat_dxa")
        if months and not (len(months) == 2 and 0 < months[0] <= months[1]):
            one.faults.add(one.place("repeat_dxa"), f"found {list(months)}", "expected [least, most] months")
        chosen = one.texts("agents")
        for agent in chosen:
            if agent not in agents:
                one.faults.add(
                    one.place("agents"), f"unknown agent '{agent}'", near(agent, agents) or "add it to [agents]"
                )
        made = Entry(
            name=one.text("name", required=True),
            gap=one.choice("kind", _GAPS, "kind of gap", required=True) if is_gap else "",
            when=self.condition(one, "when"),
            outcome=one.choice("reading" if is_gap else "outcome", OUTCOMES, "outcome", required=not is_gap),
            say=one.text("say", required=not is_gap),
            why=one.text("why", required=True),
            agents=chosen,
            repeat_dxa=(months[0], months[1]) if len(months) == 2 else None,
            dose=one.text("dose"),
            cite=cite,
            locator=one.text("locator"),
            confidence=confidence,
            place=one.place(),
        )
        one.close()
        return made

    def _source(self, one: Fields) -> tuple[str, str]:
        cite = one.text("cite", required=True)
        if cite and cite not in self.citations:
            cure = near(cite, self.citations) or "add it to [citations]"
            one.faults.add(one.place("cite"), f"unknown citation '{cite}'", cure)
        return cite, one.choice("confidence", _CONFIDENCE, "confidence", required=True)

    def condition(self, table: Fields, key: str, required: bool = False) -> Condition:
        """Read a condition; without one, always true."""
        if key not in table.data:
            table.table(key, required)
            return All()
        return self._condition(table.table(key), 1)

    def _condition(self, one: Fields, depth: int) -> Condition:
        self._conditions += 1
        if depth > _DEEP or self._conditions > _MOST:
            found = f"conditions nested deeper than {_DEEP}" if depth > _DEEP else f"more than {_MOST} conditions"
            self.faults.add(one.place(), found, cure="split the rule")
            return All()
        forms = [form for form in _FORMS if form in one.data]
        if len(forms) != 1:
            found = f"found {' and '.join(forms)} together" if forms else "no condition"
            cure = 'write { fact = "age", above = 65, unit = "year" }'
            self.faults.add(one.place(), found, f"expected one of {', '.join(_FORMS)}", cure)
            return All()
        form = forms[0]
        made: Condition | None
        if form == "fact":
            made = self._comparison(one)
            if made is None:  # an unknown fact is one fault; what stands beside it is not read
                return All()
        elif form == "count":
            made = self._count(one)
        elif form == "not":
            made = Not(self._condition(one.table("not"), depth + 1))
        else:
            parts = tuple(self._condition(part, depth + 1) for part in one.tables(form))
            if not parts:
                self.faults.add(one.place(form), "an empty list of conditions")
            made = All(parts) if form == "all" else Any(parts)
        one.close()
        return made

    def _comparison(self, one: Fields) -> Condition | None:
        name = one.choice("fact", VOCABULARY, "fact", required=True)
        if not name:
            return None
        fact = VOCABULARY[name]
        if fact.kind == "number":
            return Compare(name, self._bounds(one, fact.low, fact.high, fact))
        return self._value(one, fact)

    def _value(self, one: Fields, fact: Fact) -> Condition:
        values: tuple[Value, ...] = ()
        if fact.kind == "flag":
            if "is" not in one.data:
                self.faults.add(one.place(), f"no 'is' for the flag '{fact.name}'", cure="add is = true, or is = false")
            values = (one.flag("is"),)
        elif "is" in one.data:
            values = (one.choice("is", fact.choices, fact.name),)
        else:
            values = one.texts("one_of")
            for value in values:
                if value not in fact.choices:
                    cure = near(str(value), fact.choices) or f"one of {', '.join(fact.choices)}"
                    self.faults.add(one.place("one_of"), f"unknown {fact.name} '{value}'", cure)
            if not values:
                self.faults.add(one.place(), f"no value for '{fact.name}'", cure=f'add is = "{fact.choices[0]}"')
        return OneOf(fact.name, values)

    def _count(self, one: Fields) -> Condition:
        name = one.choice("count", self.lists, "list", required=True)
        without = one.texts("without")
        risks = self.lists.get(name)
        bounds = self._bounds(one, 0, 100, None)
        if risks is None:
            return All()
        known = [f.name for f in risks.factors]
        for left_out in without:
            if left_out not in known:
                self.faults.add(one.place("without"), f"'{left_out}' is not in list '{name}'", near(left_out, known))
        return Count(risks, bounds, without)

    def _bounds(self, one: Fields, low: float, high: float, fact: Fact | None) -> tuple[tuple[str, float], ...]:
        bounds = []
        for key in SIGNS:
            value = one.number(key, low=low, high=high) if key in one.data else None
            if value is not None:
                bounds.append((key, value))
        if not any(key in one.data for key in SIGNS):
            self.faults.add(one.place(), "nothing to compare with", f"expected one of {', '.join(SIGNS)}")
        floor = max((v for k, v in bounds if k in {"above", "at_least"}), default=low)
        roof = min((v for k, v in bounds if k in {"below", "at_most"}), default=high)
        if floor > roof or (floor == roof and any(k in {"above", "below"} and v == floor for k, v in bounds)):
            self.faults.add(one.place(), "no number lies within these bounds", cure="check the signs")
        if fact is not None:
            unit = one.text("unit")
            if fact.unit != "SD" and unit != fact.unit:
                found = f"unit '{unit}'" if unit else "no unit"
                self.faults.add(
                    one.place("unit"), found, f"'{fact.name}' is in {fact.unit}", f'write unit = "{fact.unit}"'
                )
            elif unit and unit != fact.unit:
                self.faults.add(one.place("unit"), f"unit '{unit}'", f"'{fact.name}' is in {fact.unit}")
        return tuple(bounds)
