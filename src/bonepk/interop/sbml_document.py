"""An SBML file as plain values: what it says, in its own identifiers, before anything is concluded.

This is the one room that walks through libSBML's objects. What SBML has and bonepk cannot carry
exactly is refused here by name, all of it at once.
"""

from __future__ import annotations

import importlib.util
import math
import re
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

from bonepk.errors import Fault, Faults, MissingExtraError, ModelTextError
from bonepk.interop.sbml_ast import Formulas, RefusedError
from bonepk.interop.sbml_units import definition_text, kind_text
from bonepk.model.expr import ONE, Expr, num, sym
from bonepk.model.unit_words import divide, parse_unit, unit_text

__all__ = ["Document", "Event", "Reaction", "Symbol", "need_libsbml", "read_document"]

MAX_BYTES = 64_000_000
"""Largest file that is opened."""


@dataclass(frozen=True)
class Symbol:
    """A compartment, species, parameter or named stoichiometry.

    Attributes
    ----------
    value : float, optional
        As the file states it; `kind` of value in `stated`.
    stated : {"value", "amount", "concentration"}
    by_amount : bool
        The symbol of a species means its amount, not its concentration.
    boundary : bool
        Reactions do not change it.
    factor : str
        Conversion factor of a species; empty if there is none.
    """

    id: str
    kind: str
    name: str = ""
    value: float | None = None
    stated: str = "value"
    unit: str = ""
    constant: bool = True
    compartment: str = ""
    by_amount: bool = False
    boundary: bool = False
    factor: str = ""
    annotation: str = ""


@dataclass(frozen=True)
class Reaction:
    """A reaction: rate (extent per time) and the stoichiometry of each species, products positive."""

    id: str
    name: str
    rate: Expr
    parts: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Event:
    """An event; `starts` is the trigger's assumed value before time 0."""

    id: str
    name: str
    trigger: Expr
    starts: bool
    persistent: bool
    delay: Expr | None
    at_trigger: bool
    assignments: tuple[tuple[str, Expr], ...]
    annotation: str = ""


@dataclass(frozen=True)
class Document:
    """What a file says."""

    file: str
    id: str
    name: str
    level: str
    notes: str
    annotation: str
    time_unit: str
    units: dict[str, str]
    symbols: dict[str, Symbol]
    reactions: tuple[Reaction, ...]
    assigned: dict[str, Expr]
    rates: dict[str, Expr]
    initial: dict[str, Expr]
    events: tuple[Event, ...]
    remarks: tuple[str, ...] = ()
    rate_annotations: dict[str, str] = field(default_factory=dict)


def need_libsbml() -> None:
    """Raise unless libSBML is installed.

    Raises
    ------
    MissingExtraError
    """
    if importlib.util.find_spec("libsbml") is None:
        raise MissingExtraError(Fault("SBML", "python-libsbml is not installed", "", "pip install 'bonepk[sbml]'"))


def _open(source: str | Path) -> tuple[Any, str]:
    import libsbml

    text = str(source) if isinstance(source, str) else ""
    if "<" in text:
        file, content = "<sbml text>", text
    else:
        path = Path(source)
        file = path.name
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ModelTextError(Fault(file, f"larger than {MAX_BYTES // 10**6} MB", "a model file"))
            content = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ModelTextError(Fault(str(path), error.strerror or "cannot be read", "", "check the path")) from None
        except UnicodeDecodeError:
            raise ModelTextError(Fault(file, "is not UTF-8 text", "an SBML file")) from None
    if "<!DOCTYPE" in content[:10_000] or "<!ENTITY" in content:
        raise ModelTextError(Fault(file, "a document type or entity definition", "plain SBML", "remove it"))
    return libsbml.readSBMLFromString(content), file


def read_document(source: str | Path, without_events: tuple[str, ...] = ()) -> Document:
    """Read an SBML file.

    Parameters
    ----------
    source : str or Path
        A path, or the text of a file.
    without_events : tuple of str
        Identifiers of events to leave out.

    Returns
    -------
    Document

    Raises
    ------
    MissingExtraError
        Without libSBML.
    ModelTextError
        If it is no SBML file, or with everything in it that cannot be carried exactly.
    """
    need_libsbml()
    opened, file = _open(source)
    faults = Faults()
    for i in range(opened.getNumErrors()):
        problem = opened.getError(i)
        if problem.isError() or problem.isFatal():
            message = " ".join(problem.getShortMessage().split()).lower() or "cannot be read"
            faults.add(f"{file}:{problem.getLine()}", message, "a valid SBML file")
    model = opened.getModel()
    if model is None and not len(faults):
        faults.add(file, "no model in it", "an SBML file")
    faults.raise_as(ModelTextError)
    reader = _Reader(opened, model, file, faults, without_events)
    document = reader.run()
    faults.raise_as(ModelTextError)
    return document


_PACKAGES_IGNORED = {"layout", "render", "groups", "l3v2extendedmath"}


class _Reader:
    def __init__(self, opened: Any, model: Any, file: str, faults: Faults, without: tuple[str, ...]) -> None:
        self.opened, self.model, self.file, self.faults = opened, model, file, faults
        self.without = without
        self.remarks: list[str] = []
        self.formulas = Formulas(
            {f.getId(): f.getMath() for f in model.getListOfFunctionDefinitions() if f.getMath() is not None}
        )
        self.symbols: dict[str, Symbol] = {}
        self.assigned: dict[str, Expr] = {}
        self.units: dict[str, str] = {}

    def run(self) -> Document:
        m = self.model
        self._packages()
        self._unit_definitions()
        self._compartments()
        self._species()
        self._parameters()
        reactions = tuple(r for r in map(self._reaction, m.getListOfReactions()) if r is not None)
        rates: dict[str, Expr] = {}
        rate_annotations: dict[str, str] = {}
        for rule in m.getListOfRules():
            if rule.isAlgebraic():
                self.refuse("an algebraic rule", "", "solve it for one variable and make it an assignment rule")
                continue
            variable = rule.getVariable()
            kind = "rate rule" if rule.isRate() else "assignment rule"
            expr = self.read(f"{kind} of '{variable}'", rule.getMath())
            if expr is not None:
                (rates if rule.isRate() else self.assigned)[variable] = expr
            if rule.isRate() and rule.isSetAnnotation():
                rate_annotations[variable] = _annotation(rule)
        initial: dict[str, Expr] = {}
        for item in m.getListOfInitialAssignments():
            expr = self.read(f"initial assignment of '{item.getSymbol()}'", item.getMath())
            if expr is not None:
                initial[item.getSymbol()] = expr
        events = tuple(e for e in map(self._event, range(m.getNumEvents())) if e is not None)
        for name in self.without:
            if name not in [m.getEvent(i).getId() or f"event_{i + 1}" for i in range(m.getNumEvents())]:
                self.faults.add(self.file, f"no event '{name}' to leave out")
        return Document(
            file=self.file,
            id=m.getId(),
            name=m.getName(),
            level=f"SBML Level {self.opened.getLevel()} Version {self.opened.getVersion()}",
            notes=_plain_text(m.getNotesString()),
            annotation=m.getAnnotationString() if m.isSetAnnotation() else "",
            time_unit=self._time_unit(),
            units=self.units,
            symbols=self.symbols,
            reactions=reactions,
            assigned=self.assigned,
            rates=rates,
            initial=initial,
            events=events,
            remarks=tuple(self.remarks),
            rate_annotations=rate_annotations,
        )

    def refuse(self, what: str, expected: str = "", cure: str = "") -> None:
        self.faults.add(f"{self.file}", f"{what} cannot be carried", expected, cure)

    def read(self, place: str, math_node: Any, local: dict[str, Expr] | None = None) -> Expr | None:
        if math_node is None:  # Level 3 Version 2 allows it and gives it no meaning
            self.remarks.append(f"{place} has no formula and was left out")
            return None
        try:
            return self.formulas.read(math_node, local)
        except RefusedError as refused:
            self.faults.add(f"{self.file}: {place}", f"{refused} cannot be carried")
            return None

    def _packages(self) -> None:
        for i in range(self.opened.getNumPlugins()):
            name = self.opened.getPlugin(i).getPackageName()
            if name in _PACKAGES_IGNORED:
                continue
            plugin = self.model.getPlugin(name)
            if (
                name == "comp"
                and plugin is not None
                and not (plugin.getNumSubmodels() + self.opened.getPlugin(name).getNumModelDefinitions())
            ):
                continue  # declared by an exporting tool and not used
            if name == "fbc" and not self.opened.getPackageRequired(name):
                continue
            self.refuse(f"package '{name}'", "", "flatten the model" if name == "comp" else "")
        for i in range(self.opened.getNumUnknownPackages()):
            if self.opened.getUnknownPackageRequired(i):
                self.refuse(f"package '{self.opened.getUnknownPackagePrefix(i)}'")
        if self.model.getNumConstraints():
            self.remarks.append(f"{self.model.getNumConstraints()} constraint(s) are checks only and were left out")

    def _unit_definitions(self) -> None:
        for definition in self.model.getListOfUnitDefinitions():
            text = definition_text(definition)
            if text is None:
                self.remarks.append(f"unit '{definition.getId()}' has no words in bonepk and became 1")
            self.units[definition.getId()] = text or "1"

    def unit(self, name: str) -> str:
        if not name:
            return ""
        if name in self.units:
            return self.units[name]
        builtin = {"substance": "mole", "volume": "litre", "area": "metre", "length": "metre", "time": "second"}
        if self.opened.getLevel() < 3 and name in builtin:
            return "m**2" if name == "area" else kind_text(builtin[name])
        return kind_text(name)

    def _time_unit(self) -> str:
        if self.opened.getLevel() < 3:
            return self.unit("time")
        return self.unit(self.model.getTimeUnits())

    def _default(self, kind: str) -> str:
        """Find the unit of substance or size where an element states none."""
        if self.opened.getLevel() < 3:
            return self.unit(kind)
        getter = {"substance": "SubstanceUnits", "volume": "VolumeUnits", "area": "AreaUnits", "length": "LengthUnits"}
        return self.unit(getattr(self.model, f"get{getter[kind]}")())

    def _compartments(self) -> None:
        for c in self.model.getListOfCompartments():
            dimensions = c.getSpatialDimensionsAsDouble() if c.isSetSpatialDimensions() else 3.0
            kind = {3.0: "volume", 2.0: "area", 1.0: "length"}.get(dimensions, "")
            unit = self.unit(c.getUnits()) or (self._default(kind) if kind else "")
            value = _finite(c.getSize()) if c.isSetSize() else None
            self.symbols[c.getId()] = Symbol(
                c.getId(),
                "compartment" if dimensions else "point",
                _label(c),
                value,
                unit=unit,
                constant=c.getConstant(),
                annotation=_annotation(c),
            )

    def _species(self) -> None:
        common = self.model.getConversionFactor() if self.opened.getLevel() >= 3 else ""
        for s in self.model.getListOfSpecies():
            compartment = self.symbols.get(s.getCompartment())
            point = compartment is not None and compartment.kind == "point"
            value, stated = None, "amount"
            if s.isSetInitialAmount():
                value = _finite(s.getInitialAmount())
            elif s.isSetInitialConcentration():
                value, stated = _finite(s.getInitialConcentration()), "concentration"
            by_amount = bool(s.getHasOnlySubstanceUnits()) or point
            substance = self.unit(s.getSubstanceUnits()) or self._default("substance")
            size = self.unit(s.getSpatialSizeUnits()) or (compartment.unit if compartment else "")
            unit = substance if by_amount or not substance or not size else _ratio(substance, size)
            factor = (s.getConversionFactor() or common) if self.opened.getLevel() >= 3 else ""
            self.symbols[s.getId()] = Symbol(
                s.getId(),
                "species",
                _label(s),
                value,
                stated,
                unit,
                constant=s.getConstant(),
                compartment=s.getCompartment(),
                by_amount=by_amount,
                boundary=s.getBoundaryCondition(),
                factor=factor,
                annotation=_annotation(s),
            )

    def _parameters(self) -> None:
        for p in self.model.getListOfParameters():
            value = _finite(p.getValue()) if p.isSetValue() else None
            self.symbols[p.getId()] = Symbol(
                p.getId(),
                "parameter",
                _label(p),
                value,
                unit=self.unit(p.getUnits()),
                constant=p.getConstant(),
                annotation=_annotation(p),
            )

    def _reaction(self, r: Any) -> Reaction | None:
        place = f"reaction '{r.getId()}'"
        if r.isSetFast() and r.getFast():
            self.refuse(f"{place}, which is fast,", "", "write its equilibrium as assignment rules")
            return None
        parts: list[tuple[str, Expr]] = []
        for sign, ends in ((-1.0, r.getListOfReactants()), (1.0, r.getListOfProducts())):
            for end in ends:
                coefficient = self._stoichiometry(place, end)
                if coefficient is not None:
                    parts.append((end.getSpecies(), coefficient if sign > 0 else -coefficient))
        law = r.getKineticLaw()
        if law is None or law.getMath() is None:
            self.refuse(f"{place} without a kinetic law", "a rate for every reaction")
            return None
        local: dict[str, Expr] = {}
        for p in [*law.getListOfParameters(), *law.getListOfLocalParameters()]:
            name = f"{r.getId()}.{p.getId()}"  # a dot is no part of an identifier, so this name is new
            local[p.getId()] = sym(name)
            value = _finite(p.getValue()) if p.isSetValue() else None
            self.symbols[name] = Symbol(name, "parameter", _label(p), value, unit=self.unit(p.getUnits()))
        rate = self.read(place, law.getMath(), local)
        return None if rate is None else Reaction(r.getId(), _label(r), rate, tuple(parts))

    def _stoichiometry(self, place: str, end: Any) -> Expr | None:
        species = end.getSpecies()
        if self.opened.getLevel() < 3:
            if end.isSetStoichiometryMath():
                return self.read(f"{place}, stoichiometry of '{species}'", end.getStoichiometryMath().getMath())
            value = _finite(end.getStoichiometry())
            denominator = end.getDenominator() or 1
            return ONE if value is None else num(value / denominator)
        value = _finite(end.getStoichiometry()) if end.isSetStoichiometry() else None
        name = end.getId() if end.isSetId() else ""
        if name:
            self.symbols[name] = Symbol(name, "stoichiometry", _label(end), value, unit="1", constant=end.getConstant())
            return sym(name)
        if value is None:
            self.refuse(f"{place}: '{species}' without a stoichiometry")
            return None
        return num(value)

    def _event(self, index: int) -> Event | None:
        e = self.model.getEvent(index)
        name = e.getId() or f"event_{index + 1}"
        if name in self.without:
            self.remarks.append(f"event '{name}' was left out on request")
            return None
        place = f"event '{name}'"
        level3 = self.opened.getLevel() >= 3
        trigger = e.getTrigger()
        if trigger is None or trigger.getMath() is None:
            self.remarks.append(f"{place} has no trigger and was left out")
            return None
        condition = self.read(f"{place}, trigger", trigger.getMath())
        delay = None
        if e.getDelay() is not None and e.getDelay().getMath() is not None:
            delay = self.read(f"{place}, delay", e.getDelay().getMath())
        assignments = []
        for item in e.getListOfEventAssignments():
            value = self.read(f"{place}, '{item.getVariable()}'", item.getMath())
            if value is not None:
                assignments.append((item.getVariable(), value))
        if condition is None:
            return None
        return Event(
            name,
            _label(e),
            condition,
            trigger.getInitialValue() if level3 else True,
            trigger.getPersistent() if level3 else True,
            delay,
            bool(e.getUseValuesFromTriggerTime()) if level3 or e.isSetUseValuesFromTriggerTime() else True,
            tuple(assignments),
            _annotation(e),
        )


def _ratio(over: str, under: str) -> str:
    return unit_text(divide(parse_unit(over), parse_unit(under)))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _label(element: Any) -> str:
    return " ".join(str(element.getName()).split()) if element.isSetName() else ""


def _annotation(element: Any) -> str:
    return str(element.getAnnotationString()) if element.isSetAnnotation() else ""


def _plain_text(notes: str) -> str:
    """Strip notes of their markup: only what a reader of the model text should see."""
    for _ in range(2):  # some exporters escape the markup of their notes
        notes = unescape(re.sub(r"<[^>]*>", " ", notes))
    lines = (" ".join(line.split()) for line in notes.splitlines())
    kept = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return "".join(c for c in kept if c.isprintable() or c == "\n")[:4000]
