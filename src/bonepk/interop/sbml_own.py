"""SBML that bonepk wrote, back to the system it was.

Equations and values are read from SBML itself, so a file edited in another tool reads as edited.
Annotations add what SBML has no place for. Where an annotation repeats an expression (because
MathML tells truth values from numbers), it counts only while it still means what the MathML says.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from bonepk.errors import Faults, ModelTextError
from bonepk.interop.mathml import explicit
from bonepk.interop.names import identifiers
from bonepk.interop.sbml_document import Document
from bonepk.interop.sbml_dosing import dosing_of
from bonepk.interop.sbml_system import CLOCK
from bonepk.interop.sbml_write import NAMESPACE
from bonepk.model.component import Component, RouteText
from bonepk.model.expr import ONE, ZERO, Expr, num, substitute, sym
from bonepk.model.parse import parse_expression
from bonepk.model.schema import RESERVED
from bonepk.model.system import TIME, Flux, Input, Named, Output, Parameter, Reference, Route, State, System

if TYPE_CHECKING:
    from bonepk.simulate.plan import Plan

__all__ = ["is_own", "own_component", "own_plan", "own_system"]

_TAG = f"{{{NAMESPACE}}}"


def is_own(document: Document) -> bool:
    """Whether bonepk wrote the file."""
    return f'"{NAMESPACE}"' in document.annotation and _root(document.annotation) is not None


def _root(annotation: str) -> ElementTree.Element | None:
    try:
        tree = ElementTree.fromstring(annotation)
    except ElementTree.ParseError:
        return None
    found = next((child for child in tree if child.tag.startswith(_TAG)), None)
    for element in found.iter() if found is not None else ():
        for key, value in element.attrib.items():
            element.attrib[key] = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), value)
    return found


class _Own:
    def __init__(self, document: Document) -> None:
        self.doc = document
        head = _root(document.annotation)
        assert head is not None
        self.head = head
        self.faults = Faults()
        self.kinds: dict[str, list[tuple[str, dict[str, str]]]] = {}
        self.symbols: dict[str, Expr] = {CLOCK: sym(TIME)}
        for ident, symbol in document.symbols.items():
            found = _root(symbol.annotation) if symbol.annotation else None
            if found is None:
                self.faults.add(document.file, f"'{ident}' was not written by bonepk", "", self._cure())
                continue
            kind = found.tag.removeprefix(_TAG)
            details = dict(found.attrib)
            self.kinds.setdefault(kind, []).append((ident, details))
            name = details.get("name", ident)
            self.symbols[ident] = {
                "time": sym(TIME),
                "counter": ZERO,  # what infusions add is no part of the model's own rates
                "amount": ONE,
                "flux": sym(f"flux {name}"),
                "output": sym(f"output {name}"),
            }.get(kind, sym(name))
        if document.reactions:
            self.faults.add(document.file, "reactions were added after bonepk wrote the file", "", self._cure())

    @staticmethod
    def _cure() -> str:
        return "remove the bonepk annotation of the model to read the file as any other"

    def of(self, kind: str) -> list[tuple[str, dict[str, str]]]:
        return self.kinds.get(kind, [])

    def bound(self, expr: Expr, text: str = "") -> Expr:
        found = substitute([expr], self.symbols)[0]
        if text:
            written = parse_expression(text, f"{self.doc.file}: annotation")
            if explicit(written) is found:
                return written
        return found

    def unit(self, details: dict[str, str]) -> str:
        return details.get("unit", "")

    def formula(self, ident: str) -> Expr:
        found = self.doc.initial.get(ident, self.doc.assigned.get(ident))
        if found is not None:
            return found
        value = self.doc.symbols[ident].value
        if value is None:
            self.faults.add(self.doc.file, f"'{ident}' has no value", "a value or a formula")
            return ZERO
        return num(value)

    def named(self, kind: str) -> tuple[Named, ...]:
        return tuple(
            Named(d["name"], self.bound(self.formula(i), d.get("text", "")), self.unit(d), self.doc.symbols[i].name)
            for i, d in self.of(kind)
        )

    def number(self, ident: str) -> float:
        found = self.formula(ident)
        if found.op != "num":
            self.faults.add(self.doc.file, f"parameter '{ident}' is a formula now", "a number", self._cure())
            return 0.0
        return found.value

    def fluxes(self) -> tuple[Flux, ...]:
        out = []
        for ident, d in self.of("flux"):
            rate = self.bound(self.formula(ident), d.get("text", ""))
            gain = parse_expression(d["gain"], f"{self.doc.file}: annotation") if d.get("gain") else None
            label = self.doc.symbols[ident].name
            out.append(Flux(d["name"], rate, d.get("from", ""), d.get("to", ""), gain, label))
        return tuple(out)

    def states(self) -> tuple[State, ...]:
        return tuple(
            State(
                d["name"],
                self.unit(d),
                self.bound(self.formula(i), d.get("text", "")),
                self.doc.symbols[i].name,
                d.get("nonnegative") != "false",
            )
            for i, d in self.of("state")
        )

    def rates(self, fluxes: tuple[Flux, ...]) -> tuple[Expr, ...]:
        sums = {f"flux {f.name}": f.rate for f in fluxes}
        out = []
        for ident, _ in self.of("state"):
            if ident not in self.doc.rates:
                self.faults.add(self.doc.file, f"state '{ident}' has no rate rule", "", self._cure())
                continue
            note = self.doc.rate_annotations.get(ident, "")
            found = _root(note) if note else None
            text = found.attrib.get("text", "") if found is not None else ""
            out.append(substitute([self.bound(self.doc.rates[ident], text)], sums)[0])
        return tuple(out)

    def outputs(self) -> tuple[Output, ...]:
        values = {d["name"]: self.formula(i) for i, d in self.of("output")}
        out = []
        for e in self.head.findall(f"{_TAG}output"):
            name = e.attrib["name"]
            expr = self.bound(values[name], e.attrib.get("text", "")) if name in values else sym(name)
            out.append(Output(name, expr, e.attrib.get("unit", ""), e.attrib.get("label", "")))
        return tuple(out)

    def routes(self) -> tuple[Route, ...]:
        def expression(e: ElementTree.Element, key: str) -> Expr | None:
            text = e.attrib.get(key, "")
            return parse_expression(text, f"{self.doc.file}: annotation") if text else None

        out = []
        for e in self.head.findall(f"{_TAG}route"):
            a = e.attrib
            mass = float(a["molar_mass"]) if a.get("molar_mass") else None
            share, lag = expression(e, "bioavailability"), expression(e, "lag")
            assert share is not None
            assert lag is not None
            out.append(
                Route(
                    name=a["name"],
                    drug=a.get("drug", ""),
                    into=a["into"],
                    unit=a["unit"],
                    scale=float(a["scale"]),
                    bioavailability=share,
                    lag=lag,
                    duration=expression(e, "duration"),
                    rate=expression(e, "rate"),
                    molar_mass=mass,
                    label=a.get("label", ""),
                )
            )
        return tuple(out)

    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(
                d["name"],
                self.number(i),
                self.unit(d),
                d.get("source", ""),
                d.get("note", ""),
                self.doc.symbols[i].name,
                float(d["low"]) if "low" in d else None,
                float(d["high"]) if "high" in d else None,
            )
            for i, d in self.of("parameter")
        )


def own_system(document: Document, name: str = "") -> System:
    """Read the system back.

    Raises
    ------
    ModelTextError
        If the file was changed so that it is no longer a system of bonepk.
    """
    own = _Own(document)
    own.faults.raise_as(ModelTextError)
    head = own.head.attrib
    fluxes = own.fluxes()
    notes = own.head.find(f"{_TAG}notes")
    history = head.get("history", "")
    derived, quantities = own.named("derived"), own.named("quantity")
    labels = document.symbols
    system = System(
        name=name or head["name"],
        title=head.get("title", ""),
        time_unit=head["time"],
        states=own.states(),
        parameters=own.parameters(),
        inputs=tuple(Input(d["name"], own.number(i), own.unit(d), labels[i].name) for i, d in own.of("input")),
        derived=derived,
        quantities=quantities,
        rates=own.rates(fluxes),
        fluxes=fluxes,
        routes=own.routes(),
        outputs=own.outputs(),
        steady=head.get("steady") == "true",
        history_start=parse_expression(history, f"{document.file}: annotation") if history else None,
        references=tuple(
            Reference(e.attrib["key"], e.attrib.get("text", ""), e.attrib.get("doi", ""))
            for e in own.head.findall(f"{_TAG}reference")
        ),
        components=tuple(head.get("components", "").split()),
        notes="" if notes is None else notes.attrib.get("text", ""),
        units_checked=head.get("units") != "labels",
    )
    own.faults.raise_as(ModelTextError)
    return system


def own_plan(document: Document, system: System) -> Plan:
    """Read the plan back.

    Raises
    ------
    ModelTextError
        If the file's events are not those of the plan in its annotation.
    """
    from bonepk.simulate.plan import Course, Plan, Switch

    head = _root(document.annotation)
    assert head is not None
    parts: list[Course | Switch] = []
    for kind, make in (("course", Course), ("switch", Switch)):
        for e in head.findall(f"{_TAG}{kind}"):
            values: dict[str, Any] = {k: _value(v) for k, v in e.attrib.items()}
            parts.append(make(**values))
    plan = Plan(tuple(parts))
    if not _same_events(document, system, plan):
        faults = Faults()
        faults.add(document.file, "events differ from the plan in the annotation", "", _Own._cure())
        faults.raise_as(ModelTextError)
    return plan


def _value(text: str) -> Any:
    return float(text) if text in {"inf", "-inf"} else ast.literal_eval(text)


def _same_events(document: Document, system: System, plan: Plan) -> bool:
    wanted = dosing_of(system, plan)
    own = _Own(document)
    names = own.symbols | {i: sym(d["name"]) for kind in ("counter", "amount") for i, d in own.of(kind)}

    def shown(trigger: Expr, assignments: Any) -> tuple[Any, ...]:
        return (explicit(trigger), tuple((name, explicit(value)) for name, value in assignments))

    found = []
    for e in document.events:
        exprs = substitute([e.trigger, *(v for _, v in e.assignments)], names)
        targets = [names[n].name for n, _ in e.assignments]
        found.append(shown(exprs[0], list(zip(targets, exprs[1:], strict=True))))
    return found == [shown(e.trigger, e.assignments) for e in wanted.events]


def own_component(system: System) -> Component:
    """Make a closed model with one flat set of names, whatever files the system was joined from."""
    names = [*system.parameter_names, *system.input_names, *(d.name for d in system.derived)]
    names += [*system.state_names, *(q.name for q in system.quantities)]
    flat = identifiers(names, RESERVED)
    symbols = {old: sym(new) for old, new in flat.items() if old != new}

    def bind(expr: Expr) -> Expr:
        return substitute([expr], symbols)[0]

    def maybe(expr: Expr | None) -> Expr | None:
        return None if expr is None else bind(expr)

    outputs = identifiers([f"output {o.name}" for o in system.outputs], system.state_names, adapt=_without_output)
    routes = identifiers([r.name for r in system.routes])
    return Component(
        name=system.name,
        kind="literature",
        title=system.title or system.name,
        time=system.time_unit,
        notes=system.notes,
        steady=system.steady,
        history=maybe(system.history_start),
        hidden_units="" if system.units_checked else "units of the file this was read from were not checked",
        references=system.references,
        parameters=tuple(_renamed(p, flat[p.name]) for p in system.parameters),
        inputs=tuple(Input(flat[i.name], i.value, i.unit, i.label) for i in system.inputs),
        derived=tuple(Named(flat[d.name], bind(d.expr), d.unit, d.label) for d in system.derived),
        states=tuple(State(flat[s.name], s.unit, bind(s.initial), s.label, s.nonnegative) for s in system.states),
        quantities=tuple(Named(flat[q.name], bind(q.expr), q.unit, q.label) for q in system.quantities),
        rates=tuple(Named(flat[s.name], bind(r)) for s, r in zip(system.states, system.rates, strict=True)),
        routes=tuple(
            RouteText(
                name=routes[r.name],
                into=flat[r.into],
                unit=r.unit,
                bioavailability=bind(r.bioavailability),
                lag=bind(r.lag),
                duration=maybe(r.duration),
                rate=maybe(r.rate),
                molar_mass=r.molar_mass,
                drug=r.drug,
                label=r.label,
            )
            for r in system.routes
        ),
        outputs=tuple(Output(outputs[f"output {o.name}"], bind(o.expr), o.unit, o.label) for o in system.outputs),
    )


def _without_output(name: str) -> str:
    return name.removeprefix("output_")


def _renamed(p: Parameter, name: str) -> Parameter:
    return Parameter(name, p.value, p.unit, p.source, p.note, p.label, p.low, p.high)
