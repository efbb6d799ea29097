"""SBML to a system, its model text and the doses of its events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bonepk.errors import Faults, ModelTextError, UnitsError
from bonepk.interop.names import plain, unused
from bonepk.interop.sbml_document import Document, read_document
from bonepk.interop.sbml_own import is_own, own_component, own_plan, own_system
from bonepk.interop.sbml_switches import Dose, carry_events
from bonepk.interop.sbml_system import CLOCK, Draft, Part, draft_of
from bonepk.model.component import Component, RouteText
from bonepk.model.compose import compose
from bonepk.model.expr import ONE, ZERO, Expr, substitute, sym
from bonepk.model.parse import is_name
from bonepk.model.schema import RESERVED
from bonepk.model.scope import in_order
from bonepk.model.system import TIME, Named, Output, Parameter, Reference, State, System
from bonepk.model.write import component_text

if TYPE_CHECKING:
    from bonepk.simulate.plan import Plan

__all__ = ["Imported", "from_sbml", "read_sbml"]


@dataclass(frozen=True)
class Imported:
    """What an SBML file became.

    Attributes
    ----------
    system : System
    plan : Plan
        Doses of the file's events, to be given to `bonepk.simulate`; empty if it has none.
    text : str
        Model text of the system, which `bonepk.load` reads from a file.
    remarks : tuple of str
        What a reader should know: choices, assumptions, what was left out.
    """

    system: System
    plan: Plan
    text: str
    remarks: tuple[str, ...]


def read_sbml(
    source: str | Path,
    *,
    name: str = "",
    time_unit: str = "",
    without_events: Iterable[str] = (),
    flags: str = "as written",
    doses: bool = True,
) -> Imported:
    """Read an SBML model with its doses.

    Parameters
    ----------
    source : str or Path
        A file (any SBML Level and Version), or its text.
    name : str
        Name of the model; by default the file's identifier.
    time_unit : str
        The unit time really is in, where the file is silent or wrong: curated files often leave
        SBML's default, the second, for rates per day. Numbers are not converted.
    without_events : iterable of str
        Events to leave out.
    flags : {"as written", "condition"}
        What to do with a flag, set by a pair of state-triggered events, that does not start as
        its condition says: refuse it, or read it as what the condition says.
    doses : bool
        Return what events add to states as a plan; False puts it into the equations.

    Returns
    -------
    Imported

    Raises
    ------
    MissingExtraError
        Without libSBML.
    ModelTextError
        With everything that cannot be carried exactly; nothing is guessed.
    """
    if flags not in {"as written", "condition"}:
        raise ValueError(f"flags '{flags}' is not known; expected 'as written' or 'condition'")
    document = read_document(source, tuple(without_events))
    if is_own(document):
        system = own_system(document, name)
        text = component_text(own_component(system))
        return Imported(system, own_plan(document, system), text, document.remarks)
    draft = draft_of(document)
    given = carry_events(draft, flags, doses)
    draft.faults.raise_as(ModelTextError)
    return _assembled(draft, given, name, time_unit)


def from_sbml(
    source: str | Path,
    *,
    name: str = "",
    time_unit: str = "",
    without_events: Iterable[str] = (),
    flags: str = "as written",
) -> System:
    """Read an SBML model as a system; the parameters are those of `read_sbml`.

    Returns
    -------
    System
        With everything the file's events do in its equations, so that simulating it without a
        plan gives what the file says. (Of a file written by bonepk, the model without its plan.)

    Raises
    ------
    MissingExtraError
        Without libSBML.
    ModelTextError
        With everything that cannot be carried exactly; nothing is guessed.
    """
    options = {"name": name, "time_unit": time_unit, "flags": flags}
    return read_sbml(source, without_events=without_events, doses=False, **options).system


def _renamed(names: Iterable[str]) -> dict[str, str]:
    """Names of bonepk for the identifiers of a file; the same wherever they can be."""
    out = {CLOCK: TIME}
    taken: set[str] = set(RESERVED)
    ordered = list(names)
    for name in ordered:
        if is_name(name) and name not in RESERVED:
            out[name] = name
            taken.add(name)
    for name in ordered:
        if name not in out:
            fixed = plain(name).lstrip("_") or "x"
            fixed = fixed if is_name(fixed) and fixed not in RESERVED else f"{fixed}_"
            out[name] = unused(fixed, taken)
            taken.add(out[name])
    return out


def _assembled(draft: Draft, doses: list[Dose], name: str, time_unit: str) -> Imported:
    doc = draft.document
    remarks = list(dict.fromkeys(draft.remarks))
    time = time_unit or _time_unit(doc, remarks)
    tables = (draft.parameters, draft.derived, draft.states, draft.quantities)
    names = _renamed(part.name for table in tables for part in table)
    remarks += [f"'{old}' of the file is called '{new}' here" for old, new in names.items() if _strange(old, new)]
    symbols = {old: sym(new) for old, new in names.items()}

    def bind(expr: Expr) -> Expr:
        return substitute([expr], symbols)[0]

    def label(part: Part) -> str:
        return part.label or (part.name if _strange(part.name, names[part.name]) else "")

    quantities = {q.name: q for q in draft.quantities}
    faults = Faults()
    places = {q: f"{doc.file}: '{q}'" for q in quantities}
    order = in_order({q.name: q.expr for q in draft.quantities}, places, faults)
    faults.raise_as(ModelTextError)
    routes, plan = _plan_of(doses, names, bind, time, remarks)
    component = Component(
        name=name or plain(doc.id or Path(doc.file).stem.strip("<>").replace(" ", "_")),
        kind="literature",
        title=doc.name or doc.id or doc.file,
        time=time,
        doi=_doi(doc.annotation + doc.notes),
        notes=_notes(doc, remarks),
        references=_references(doc),
        parameters=tuple(
            Parameter(names[p.name], p.expr.value, p.unit, "sbml", label=label(p)) for p in draft.parameters
        ),
        derived=tuple(Named(names[d.name], bind(d.expr), d.unit, label(d)) for d in draft.derived),
        states=tuple(State(names[s.name], s.unit, bind(s.expr), label(s), False) for s in draft.states),
        quantities=tuple(
            Named(names[q], bind(quantities[q].expr), quantities[q].unit, label(quantities[q])) for q in order
        ),
        rates=tuple(Named(names[s], bind(rate)) for s, rate in draft.rates.items()),
        routes=routes,
        outputs=tuple(Output(names[q], sym(names[q]), quantities[q].unit, label(quantities[q])) for q in order),
    )
    component = _with_units(component, remarks)
    component = replace(component, notes=_notes(doc, remarks))
    return Imported(compose(component), plan, component_text(component), tuple(remarks))


def _strange(old: str, new: str) -> bool:
    return old != new and old != CLOCK


def _time_unit(doc: Document, remarks: list[str]) -> str:
    from bonepk.model.unit_words import parse_unit

    given = doc.time_unit
    if not given and "time" in doc.units:
        given = doc.units["time"]
        remarks.append(f"time is in {given}, as the file's unit 'time' says, though the model does not refer to it")
    if given and parse_unit(given).dims == (("[time]", 1.0),):
        for word in ("second", "minute", "hour", "day", "week", "month", "year"):
            if parse_unit(word).scale == parse_unit(given).scale:
                if word == "second" and "time" not in doc.units:
                    remarks.append("time is in seconds, SBML's default; time_unit= says what it really is")
                return word
        remarks.append(f"time is in {given}")
        return given
    remarks.append("the file states no unit of time; second was taken, and time_unit= says what it really is")
    return "second"


def _with_units(component: Component, remarks: list[str]) -> Component:
    """Units as stated, if they are complete and add up; else as mere labels, with the reason."""
    silent = [i.name for t in (component.parameters, component.states) for i in t if not i.unit]
    filled = replace(
        component,
        parameters=tuple(replace(p, unit=p.unit or "1") for p in component.parameters),
        states=tuple(replace(s, unit=s.unit or "1") for s in component.states),
    )
    reason = ""
    if silent:
        count = len(component.parameters) + len(component.states)
        reason = f"the SBML file states no unit for {len(silent)} of {count} symbols"
    else:
        try:
            compose(filled)
        except UnitsError as error:
            reason = f"units of the SBML file do not add up in {len(error.faults)} place(s)"
    if not reason:
        return filled
    remarks.append(f"{reason}; units are labels only")
    return replace(filled, hidden_units=reason, outputs=tuple(replace(o, unit=o.unit or "1") for o in filled.outputs))


def _plan_of(
    doses: list[Dose],
    names: Mapping[str, str],
    bind: Callable[[Expr], Expr],
    time: str,
    remarks: list[str],
) -> tuple[tuple[RouteText, ...], Plan]:
    from bonepk.simulate.calendar import per_day
    from bonepk.simulate.plan import Plan, dose

    routes: list[RouteText] = []
    plan = Plan()
    taken = set(names.values())
    for item in doses:
        base = plain(item.event).lstrip("_") or "dose"
        name = unused(base if is_name(base) and base not in RESERVED else f"{base}_", taken)
        taken.add(name)
        fixed_amount = item.amount.op == "num"
        fixed_time = item.time.op == "num"
        routes.append(
            RouteText(
                name=name,
                into=names[item.state],
                bioavailability=ONE if fixed_amount else bind(item.amount),
                lag=ZERO if fixed_time else bind(item.time),
                label=item.label or f"event {item.event}",
                drug=name,
            )
        )
        if not fixed_amount:
            remarks.append(f"a dose of 1 by '{name}' is the amount that event '{item.event}' works out from parameters")
        day = item.time.value / per_day(time) if fixed_time else 0.0
        plan = plan + dose(name, item.amount.value if fixed_amount else 1.0, day)
    return tuple(routes), plan


def _notes(doc: Document, remarks: Iterable[str]) -> str:
    lines = [f"Read from {doc.file} ({doc.level})."]
    lines += [f"- {r}." for r in remarks]
    return "\n".join(lines) + (f"\n\n{doc.notes}" if doc.notes else "")


_DOI = re.compile(r"\b(10\.\d{4,9}/[^\s\"'<>&]+)", re.IGNORECASE)
_PUBMED = re.compile(r"pubmed[:/](\d+)", re.IGNORECASE)


def _doi(text: str) -> str:
    found = _DOI.search(text.replace("%2F", "/"))
    return found.group(1).rstrip(".,;)") if found else ""


def _references(doc: Document) -> tuple[Reference, ...]:
    about = f"{doc.name or doc.id or doc.file} as SBML ({doc.file}, {doc.level})"
    pubmed = _PUBMED.search(doc.annotation)
    if pubmed:
        about += f", PMID {pubmed.group(1)}"
    return (Reference("sbml", about, _doi(doc.annotation + doc.notes)),)
