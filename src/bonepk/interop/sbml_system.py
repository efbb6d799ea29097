"""What an SBML file says, as states, parameters, derived values, quantities and rates.

Every identifier keeps its name and its meaning: the symbol of a species is its concentration
unless the file says it has only substance units. A species is a state in that same measure,
except in a compartment whose size changes: there its amount is the state, as reactions move
amounts, and the concentration is a quantity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bonepk.errors import Faults, ModelTextError
from bonepk.interop.names import unused
from bonepk.interop.sbml_document import Document, Symbol
from bonepk.model.expr import ONE, ZERO, Expr, evaluate, num, substitute, sym, symbols_of
from bonepk.model.scope import in_order
from bonepk.model.system import TIME

__all__ = ["CLOCK", "Draft", "Part", "draft_of"]

CLOCK = "." + TIME
"""Time in the formulas of a file."""


@dataclass(frozen=True)
class Part:
    """One symbol of the result; `expr` is its value, its definition or, for a state, its initial value."""

    name: str
    expr: Expr
    unit: str = ""
    label: str = ""


@dataclass
class Draft:
    """The system as it grows, in identifiers of the file."""

    document: Document
    faults: Faults
    parameters: list[Part] = field(default_factory=list)
    derived: list[Part] = field(default_factory=list)
    states: list[Part] = field(default_factory=list)
    rates: dict[str, Expr] = field(default_factory=dict)
    quantities: list[Part] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    start: dict[str, Expr] = field(default_factory=dict)
    """Value at time 0 of every symbol, in parameters and derived values."""
    switched: dict[str, str] = field(default_factory=dict)
    """Symbols that only events change, and the constant that holds their first value."""

    @property
    def constants(self) -> set[str]:
        """Names that never change in a run."""
        return {p.name for p in (*self.parameters, *self.derived)}

    @property
    def names(self) -> set[str]:
        """Every name in use."""
        return {p.name for p in (*self.parameters, *self.derived, *self.states, *self.quantities)}

    def numbers(self) -> dict[str, float]:
        """Values of parameters and derived values as the file has them."""
        known = {p.name: p.expr.value for p in self.parameters}
        for part in self.derived:
            known[part.name] = float(evaluate([part.expr], known)[0])
        return known

    def number(self, expr: Expr) -> float:
        """Value of an expression of constants."""
        return float(evaluate([expr], self.numbers())[0])


class _Builder:
    def __init__(self, document: Document, faults: Faults) -> None:
        self.doc, self.faults = document, faults
        self.draft = Draft(document, faults, remarks=list(document.remarks))
        self.symbols = dict(document.symbols)
        self.set_by_event = {name for e in document.events for name, _ in e.assignments}
        self.reacting = self._reacting()
        self.by_amount_state: dict[str, str] = {}
        self._check_targets()
        self.missing_size = {
            s.id for s in self.symbols.values() if s.kind == "compartment" and s.value is None and not self._given(s.id)
        }
        for name in sorted(self.missing_size):
            self.draft.remarks.append(f"compartment '{name}' has no size; 1 was taken, as other tools do")

    def _given(self, name: str) -> bool:
        return name in self.doc.initial or name in self.doc.assigned

    def _reacting(self) -> set[str]:
        found = set()
        for reaction in self.doc.reactions:
            for name, _ in reaction.parts:
                symbol = self.symbols.get(name)
                if symbol is not None and not symbol.boundary and not symbol.constant:
                    found.add(name)
        return found

    def _check_targets(self) -> None:
        known = {*self.symbols, *(r.id for r in self.doc.reactions)}
        for r in self.doc.reactions:
            for name in sorted({n for n, _ in r.parts} - set(self.symbols)):
                self.faults.add(self.doc.file, f"reaction '{r.id}' with species '{name}', which is not in the model")
        file = self.doc.file
        targets = {"rule": {*self.doc.assigned, *self.doc.rates}, "initial assignment": set(self.doc.initial)}
        targets["event"] = self.set_by_event
        for kind, names in targets.items():
            for name in sorted(names - set(self.symbols)):
                self.faults.add(file, f"{kind} for '{name}', which is not in the model")
        for name in sorted(targets["rule"] & self.reacting):
            self.faults.add(file, f"species '{name}' is moved by a rule and by reactions", "", "a file states one")
        for s in self.symbols.values():
            if s.kind != "species" or s.by_amount or s.compartment not in self.symbols:
                continue
            resized = s.compartment in self.set_by_event
            if (s.id in self.set_by_event and self.varies(s.compartment)) or (s.id in self.doc.rates and resized):
                found = f"species '{s.id}', set on its own while its compartment '{s.compartment}' changes size,"
                self.faults.add(file, f"{found} cannot be carried")
        formulas: list[Expr] = [*self.doc.assigned.values(), *self.doc.rates.values(), *self.doc.initial.values()]
        formulas += [r.rate for r in self.doc.reactions] + [x for r in self.doc.reactions for _, x in r.parts]
        formulas += [x for e in self.doc.events for _, x in e.assignments] + [e.trigger for e in self.doc.events]
        used = symbols_of(formulas)
        for name in sorted(used - known - {CLOCK}):
            self.faults.add(file, f"formula with '{name}', which is not in the model")
        self.used = used

    def run(self) -> Draft:
        self.faults.raise_as(ModelTextError)
        self._values()
        self.faults.raise_as(ModelTextError)
        self._rates()
        return self.draft

    # what a symbol is

    def varies(self, name: str) -> bool:
        """Whether a compartment's size can change."""
        return name in self.doc.assigned or name in self.doc.rates or name in self.set_by_event

    def size(self, species: Symbol) -> Expr:
        return sym(species.compartment)

    def _first(self, s: Symbol) -> Expr | None:
        """Value at time 0 as stated, in symbols of the file; None if nothing states it."""
        if s.id in self.doc.initial:
            return self.doc.initial[s.id]
        if s.id in self.doc.assigned:
            return self.doc.assigned[s.id]
        if s.id in self.missing_size:
            return ONE
        if s.value is None:
            return None
        value = num(s.value)
        if s.kind != "species" or (s.stated == "amount") == s.by_amount:
            return value
        if s.compartment not in self.symbols or self.symbols[s.compartment].kind == "point":
            return value
        return value * self.size(s) if s.by_amount else value / self.size(s)

    def _values(self) -> None:
        doc, draft = self.doc, self.draft
        first: dict[str, Expr] = {}
        kinds: dict[str, str] = {}
        for s in self.symbols.values():
            if s.kind == "point":
                kinds[s.id] = "parameter"
                first[s.id] = ONE if s.value is None else num(s.value)
                continue
            value = self._first(s)
            if value is None:
                if s.id not in {*self.used, *self.reacting, *doc.rates, *self.set_by_event}:
                    draft.remarks.append(f"{s.kind} '{s.id}' has no value and no use and was left out")
                    continue
                self.faults.add(doc.file, f"{s.kind} '{s.id}' has no value", "a value or an initial assignment")
                value = ZERO
            first[s.id] = value
            kinds[s.id] = self._kind(s)
        for r in doc.reactions:
            first[r.id] = r.rate
            kinds[r.id] = "quantity"
        for name in [n for n, k in kinds.items() if k == "switched"]:
            self.draft.switched[name] = unused(f"{name}_start", {*self.symbols, *self.draft.switched.values()})
        constants = {n for n, k in kinds.items() if k in {"parameter", "derived"}}
        self._resolve(first, constants)
        self._sort(first, kinds)

    def _kind(self, s: Symbol) -> str:
        doc = self.doc
        if s.id in doc.rates or s.id in self.reacting:
            concentration = s.kind == "species" and not s.by_amount
            if concentration and s.id in self.reacting and self.varies(s.compartment):
                self.by_amount_state[s.id] = unused(f"{s.id}_amount", self.symbols)
                return "quantity"
            return "state"
        if s.id in doc.assigned:
            return "quantity"
        if s.id in self.set_by_event:
            return "switched"
        if s.kind == "species" and not s.by_amount and self.varies(s.compartment):
            self.by_amount_state[s.id] = unused(f"{s.id}_amount", self.symbols)  # its amount stays, its level does not
            return "quantity"
        return "derived"

    def _resolve(self, first: Mapping[str, Expr], constants: set[str]) -> None:
        """Values at time 0 in terms of constants."""
        places = {name: f"{self.doc.file}: value of '{name}' at the start" for name in first}
        order = in_order(first, places, self.faults)
        self.faults.raise_as(ModelTextError)
        known: dict[str, Expr] = {CLOCK: ZERO}
        for name in order:
            value = self._substituted(first[name], known, places[name])
            self.draft.start[name] = value
            # a constant stays a symbol, so that changing a parameter changes what follows from it
            known[name] = (
                sym(self.draft.switched.get(name, name)) if name in {*constants, *self.draft.switched} else value
            )
        self.draft.start[CLOCK] = ZERO

    def _substituted(self, expr: Expr, known: Mapping[str, Expr], place: str) -> Expr:
        try:
            return substitute([expr], known)[0]
        except ValueError as problem:
            self.faults.add(place, str(problem), "a finite value")
            return ZERO

    def _sort(self, first: Mapping[str, Expr], kinds: Mapping[str, str]) -> None:
        """Put every symbol into its table, definitions in an order in which each uses earlier ones."""
        doc, draft = self.doc, self.draft
        order = in_order({n: first[n] for n in first}, dict.fromkeys(first, ""), Faults())
        rank = {n: i for i, n in enumerate(self.symbols)}
        fixed: set[str] = set()
        for name in sorted((n for n in order if kinds[n] in {"parameter", "derived"}), key=lambda n: rank[n]):
            if draft.start[name].op == "num":
                draft.parameters.append(self._part(name, draft.start[name]))
                fixed.add(name)
        for name in order:
            if kinds[name] in {"parameter", "derived"} and name not in fixed:
                draft.derived.append(self._part(name, draft.start[name]))
                fixed.add(name)
        for name, first_name in draft.switched.items():
            whole = self._part(name, draft.start[name])
            part = Part(first_name, whole.expr, whole.unit, f"{whole.label or name} at the start")
            (draft.parameters if part.expr.op == "num" else draft.derived).append(part)
        states = [n for n in kinds if kinds[n] == "state"]
        for name in states:
            draft.states.append(self._part(name, draft.start[name]))
        definitions: dict[str, Expr] = {n: doc.assigned[n] for n in kinds if n in doc.assigned}
        for name, amount in self.by_amount_state.items():
            s = self.symbols[name]
            start = draft.start[name] * draft.start[s.compartment]
            part = Part(amount, start, "", f"amount of {s.name or s.id}")
            if name in self.reacting:
                draft.states.append(part)
            else:
                (draft.parameters if start.op == "num" else draft.derived).append(part)
            definitions[name] = sym(amount) / self.size(s)
        definitions |= {r.id: r.rate for r in doc.reactions}
        places = {n: f"{doc.file}: rule or reaction '{n}'" for n in definitions}
        for name in in_order(definitions, places, self.faults):
            part = self._part(name, definitions[name])
            if name in doc.assigned and symbols_of([part.expr]) <= fixed:
                draft.derived.append(part)
                fixed.add(name)
            else:
                draft.quantities.append(part)

    def _part(self, name: str, expr: Expr) -> Part:
        s = self.symbols.get(name)
        if s is None:
            label = next(r.name for r in self.doc.reactions if r.id == name)
            return Part(name, expr, "", label or f"rate of reaction {name}")
        return Part(name, expr, s.unit, s.name)

    def _rates(self) -> None:
        doc, draft = self.doc, self.draft
        moved: dict[str, Expr] = {}
        for r in doc.reactions:
            for name, coefficient in r.parts:
                if name not in self.reacting:
                    continue
                factor = self.symbols[name].factor
                term = coefficient * sym(factor) if factor else coefficient
                if term.op == "num" and term.value < 0:
                    moved[name] = moved.get(name, ZERO) - num(-term.value) * sym(r.id)
                else:
                    moved[name] = moved.get(name, ZERO) + term * sym(r.id)
        for part in draft.states:
            name = part.name
            owner = next((n for n, amount in self.by_amount_state.items() if amount == name), "")
            if name in doc.rates:
                draft.rates[name] = doc.rates[name]
            elif owner:
                draft.rates[name] = moved[owner]
            else:
                s = self.symbols[name]
                draft.rates[name] = moved[name] if s.by_amount else moved[name] / self.size(s)


def draft_of(document: Document) -> Draft:
    """Work out what each symbol of a file is; events are left to `sbml_switches`.

    Raises
    ------
    ModelTextError
        With every missing value, unknown name and cycle.
    """
    return _Builder(document, Faults()).run()
