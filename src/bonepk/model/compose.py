"""A core, modules and drugs to one closed `System`.

Drugs and modules only fill slots of the core and add their own states, and files are joined in
alphabetical order, so the order in which drugs are named cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bonepk.errors import Faults, ModelTextError, UnitsError
from bonepk.model.component import Component, RouteText
from bonepk.model.expr import ONE, ZERO, Expr, num, substitute, symbols_of
from bonepk.model.scope import Scope, in_order
from bonepk.model.system import TIME, Flux, Input, Named, Output, Parameter, Reference, Route, State, System
from bonepk.model.unit_words import parse_unit, same
from bonepk.model.units import Claim, check_claims, conversion

__all__ = ["compose"]


def compose(core: Component, parts: Iterable[Component] = ()) -> System:
    """Join a core with modules and drugs.

    Parameters
    ----------
    core : Component
        Of kind ``core`` or ``literature``.
    parts : iterable of Component
        Of kind ``module`` or ``drug``, in any order.

    Returns
    -------
    System
        Closed: every name defined, every slot filled, units checked.

    Raises
    ------
    ModelTextError
        With every unknown name, cycle, open end and clash of the composition.
    UnitsError
        If everything fits but units do not.
    """
    ordered = sorted(parts, key=lambda part: part.name)
    faults = Faults()
    _check_kinds(core, ordered, faults)
    faults.raise_as(ModelTextError)
    system, claims, symbols = _Composer(core, ordered, faults).run()
    if core.hidden_units:
        faults.raise_as(ModelTextError)
        return system
    before = len(faults)
    units = check_claims(symbols, claims, faults)
    faults.raise_as(ModelTextError if before else UnitsError)
    return _with_units(system, units)


def _check_kinds(core: Component, parts: Sequence[Component], faults: Faults) -> None:
    if core.kind not in {"core", "literature"}:
        cure = {"template": "instantiate it: a drug file with based_on"}.get(
            core.kind, "load its core and name it there"
        )
        faults.add(core.place("kind"), f"'{core.name}' is a {core.kind}", "expected a core or a literature model", cure)
    names = [core.name]
    for part in parts:
        place = part.place("kind")
        if part.kind not in {"drug", "module"}:
            faults.add(place, f"'{part.name}' is a {part.kind}", "expected a drug or a module")
        elif core.kind == "literature":
            faults.add(place, f"'{part.name}' with '{core.name}'", "a literature model is closed", "load it alone")
        elif part.written_for and core.name not in part.written_for:
            cure = f"load it with one of these, or add '{core.name}' to 'for' if its slots fit"
            faults.add(part.place("for"), f"written for {', '.join(part.written_for)}, not '{core.name}'", cure=cure)
        elif not same(parse_unit(part.time), parse_unit(core.time)):
            cure = f"write '{part.name}' per {core.time}"
            faults.add(part.place("time"), f"time in '{part.time}'; core '{core.name}' is in '{core.time}'", cure=cure)
        if part.name in names:
            faults.add(place, f"'{part.name}' is joined twice", cure="name it once")
        names.append(part.name)


class _Composer:
    def __init__(self, core: Component, parts: Sequence[Component], faults: Faults) -> None:
        self.core, self.all, self.faults = core, (core, *parts), faults
        self.scope = Scope(core, parts, faults)
        self.claims: list[Claim] = []
        self.symbols: dict[str, str] = {TIME: core.time}
        self.constant: set[str] = set()
        self.place_of: dict[str, str] = {}

    def run(self) -> tuple[System, list[Claim], dict[str, str]]:
        parameters, inputs = self._leaves()
        states, slots = self._states_declared(), self._slots()
        derived, quantities = self._definitions(slots)
        states = self._initials(states)
        fluxes, rates = self._rates(states)
        routes, history = self._routes(derived), self._history(derived)
        system = System(
            name=self.core.name,
            title=self.core.title,
            time_unit=self.core.time,
            states=tuple(states),
            parameters=tuple(parameters),
            inputs=tuple(inputs),
            derived=tuple(derived),
            quantities=tuple(quantities),
            rates=tuple(rates),
            fluxes=tuple(fluxes),
            routes=tuple(routes),
            outputs=tuple(self._outputs()),
            steady=self.core.steady,
            history_start=history,
            references=self._references(),
            components=tuple(c.name for c in self.all),
            notes=self._notes(),
            units_checked=not self.core.hidden_units,
            fit=self.core.fit,
        )
        return system, self.claims, self.symbols

    def _notes(self) -> str:
        texts = [self.core.notes.strip(), *(f"{c.name}: {c.notes.strip()}" for c in self.all[1:] if c.notes.strip())]
        return "\n\n".join(text for text in texts if text)

    def _declare(self, component: Component, table: str, name: str, unit: str) -> str:
        joined = self.scope.qualified(component, name)
        self.symbols[joined] = unit
        self.place_of[joined] = component.place(table, name)
        return joined

    def _leaves(self) -> tuple[list[Parameter], list[Input]]:
        parameters: list[Parameter] = []
        inputs: list[Input] = []
        for c in self.all:
            parameters += [replace(p, name=self._declare(c, "parameters", p.name, p.unit)) for p in c.parameters]
            inputs += [replace(i, name=self._declare(c, "inputs", i.name, i.unit)) for i in c.inputs]
        self.constant = {p.name for p in parameters} | {i.name for i in inputs}
        return parameters, inputs

    def _states_declared(self) -> list[State]:
        return [replace(s, name=self._declare(c, "states", s.name, s.unit)) for c in self.all for s in c.states]

    def _slots(self) -> list[Named]:
        """Every slot as one quantity: its neutral value joined with what fills it, in order of files."""
        filled: dict[str, list[Expr]] = {}
        combine: dict[str, tuple[str, str]] = {}
        for c in self.all:
            for slot in c.slots:
                name = self._declare(c, "slots", slot.name, slot.unit)
                filled[name] = [num(slot.neutral)]
                combine[name] = (slot.combine, slot.unit)
        for c in self.all:
            for entry in c.modifies:
                place = c.place("modifies", entry.name)
                target = self.scope.find(c, entry.name, "slots")
                if target is None:
                    self.scope.report(c, entry.name, place, "slots")
                    continue
                expr = self.scope.bind(c, entry.expr, place)
                how, unit = combine[target]
                self.claims.append(Claim(place, expr, unit if how == "sum" else "1"))
                filled[target].append(expr)
        labels = {self.scope.qualified(c, s.name): s for c in self.all for s in c.slots}
        made = []
        for name, (total, *entries) in filled.items():
            for expr in entries:
                total = total + expr if combine[name][0] == "sum" else total * expr
            made.append(Named(name, total, labels[name].unit, labels[name].label))
        return made

    def _definitions(self, slots: Sequence[Named]) -> tuple[list[Named], list[Named]]:
        derived = self._bound("derived")
        quantities = {**self._bound("quantities"), **{s.name: s for s in slots}}
        allowed = self.constant | derived.keys()
        for item in derived.values():
            self._only_constants(
                item.expr, self.place_of[item.name], "a derived value", "move it to [quantities]", allowed
            )
        everything = {**derived, **quantities}
        order = in_order({n: d.expr for n, d in everything.items()}, self.place_of, self.faults)
        filled = {s.name for s in slots}  # each entry of a slot has its own claim
        items = [everything[n] for n in order if n not in filled]
        self.claims[:0] = [Claim(self.place_of[i.name], i.expr, i.unit, name=i.name) for i in items]
        self.constant |= derived.keys()
        return [derived[n] for n in order if n in derived], [quantities[n] for n in order if n in quantities]

    def _bound(self, table: str) -> dict[str, Named]:
        found: dict[str, Named] = {}
        for c in self.all:
            for item in getattr(c, table):
                place = c.place(table, item.name)
                name = self.scope.qualified(c, item.name)
                self.place_of[name] = place
                found[name] = replace(item, name=name, expr=self.scope.bind(c, item.expr, place))
        return found

    def _only_constants(self, expr: Expr, place: str, what: str, cure: str, allowed: set[str]) -> None:
        for name in sorted(symbols_of([expr]) - allowed):
            if name == TIME or name in self.place_of:  # unknown names were reported already
                kind = "time" if name == TIME else f"'{name}'"
                self.faults.add(
                    place, f"{what} uses {kind}", "expected parameters, inputs and derived values only", cure
                )

    def _initials(self, states: Sequence[State]) -> list[State]:
        made = []
        owners = [(c, s) for c in self.all for s in c.states]
        for state, (c, written) in zip(states, owners, strict=True):
            place = c.place("states", written.name)
            initial = self.scope.bind(c, state.initial, place)
            self._only_constants(initial, place, "an initial value", "", self.constant)
            if initial.op != "num":  # a bare number is in the unit of its state
                self.claims.append(Claim(place, initial, state.unit))
            made.append(replace(state, initial=initial))
        return made

    def _rates(self, states: Sequence[State]) -> tuple[list[Flux], list[Expr]]:
        per_time = f"/({self.core.time})"
        unit = {s.name: f"({s.unit}){per_time}" for s in states}
        balance: dict[str, Expr] = {}
        fluxes: list[Flux] = []
        for c in self.all:
            for flux in c.fluxes:
                place = c.place("fluxes", flux.name)
                source, target = (self._end(c, end, place) for end in (flux.source, flux.target))
                if not flux.source and not flux.target:
                    self.faults.add(place, "a flux from nowhere to nowhere", cure="state 'from', 'to' or both")
                rate = self.scope.bind(c, flux.rate, place)
                gain = None if flux.gain is None else self.scope.bind(c, flux.gain, place)
                gained = rate if gain is None else rate * gain
                if source:
                    balance[source] = balance.get(source, ZERO) - rate
                    self.claims.append(Claim(place, rate, unit[source]))
                if target:
                    balance[target] = balance.get(target, ZERO) + gained
                    self.claims.append(Claim(place, gained, unit[target]))
                name = self.scope.qualified(c, flux.name)
                fluxes.append(Flux(name, rate, source, target, None if gain is ONE else gain, flux.label))
            for item in c.rates:
                place = c.place("rates", item.name)
                state = self._end(c, item.name, place)
                expr = self.scope.bind(c, item.expr, place)
                if state and state in balance:
                    cure = "keep one: a state has either fluxes or a rate"
                    self.faults.add(place, f"state '{item.name}' has fluxes and a rate", cure=cure)
                elif state:
                    balance[state] = expr
                    self.claims.append(Claim(place, expr, unit[state]))
        for s in states:
            if s.name not in balance:
                cure = "give it a flux or a rate; make it a parameter if it is constant"
                self.faults.add(self.place_of[s.name], f"state '{s.name}' never changes", cure=cure)
        return fluxes, [balance.get(s.name, ZERO) for s in states]

    def _end(self, c: Component, name: str, place: str) -> str:
        """Find the component's own state at an end of a flux."""
        if not name:
            return ""
        found = self.scope.find(c, name, "states")
        if found is None:
            self.scope.report(c, name, place, "states")
            return ""
        if found != self.scope.qualified(c, name):
            cure = "open a slot for it there and fill it under [modifies]"
            self.faults.add(place, f"'{name}' is a state of another file", "a file moves only its own states", cure)
            return ""
        return found

    def _routes(self, derived: Sequence[Named]) -> list[Route]:
        known: dict[str, Expr] = {}
        for item in derived:
            known[item.name] = substitute([item.expr], known)[0]
        made = []
        for c in self.all:
            for r in c.routes:
                place = c.place("routes", r.name)
                into = self.scope.find(c, r.into, "states")
                if into is None:
                    if r.into:
                        self.scope.report(c, r.into, place, "states")
                    continue
                made.append(self._route(c, r, into, place, known))
        return made

    def _route(self, c: Component, r: RouteText, into: str, place: str, known: dict[str, Expr]) -> Route:
        unit = r.unit or self.symbols[into]
        try:
            scale = conversion(unit, self.symbols[into], r.molar_mass)
        except UnitsError as error:
            scale = 1.0
            cure = "add molar_mass = ... (g/mol) to the route" if "molar mass" in error.faults[0].found else ""
            found = f"{unit} into '{r.into}' [{self.symbols[into]}]"
            self.faults.add(place, found + (" needs a molar mass" if cure else " cannot be converted"), cure=cure)
        time = self.core.time
        wanted = {"bioavailability": "1", "lag": time, "duration": time, "rate": f"({self.symbols[into]})/({time})"}
        made: dict[str, Expr | None] = {}
        for key, goal in wanted.items():
            written: Expr | None = getattr(r, key)
            if written is None:
                made[key] = None
                continue
            expr = self.scope.bind(c, written, place)
            self._only_constants(expr, place, f"'{key}'", "", self.constant)
            if expr.op != "num":
                self.claims.append(Claim(place, expr, goal))
            made[key] = substitute([expr], known)[0]
        return Route(
            name=self.scope.qualified(c, r.name),
            drug=r.drug or c.name,
            into=into,
            unit=unit,
            scale=scale,
            bioavailability=made["bioavailability"] or ONE,
            lag=made["lag"] or ZERO,
            duration=made["duration"],
            rate=made["rate"],
            molar_mass=r.molar_mass,
            label=r.label,
        )

    def _history(self, derived: Sequence[Named]) -> Expr | None:
        if self.core.history is None:
            return None
        place = self.core.place("history")
        expr = self.scope.bind(self.core, self.core.history, place)
        self._only_constants(expr, place, "'history'", "", self.constant)
        self.claims.append(Claim(place, expr, self.core.time, or_number=True))
        known: dict[str, Expr] = {}
        for item in derived:
            known[item.name] = substitute([item.expr], known)[0]
        return substitute([expr], known)[0]

    def _outputs(self) -> list[Output]:
        made = []
        labels = {self.scope.qualified(c, s.name): s.label for c in self.all for s in c.states}
        labels |= {self.scope.qualified(c, q.name): q.label for c in self.all for q in c.quantities}
        for c in self.all:
            for output in c.outputs:
                place = c.place("outputs", output.name)
                name = self.scope.qualified(c, output.name)
                expr = self.scope.bind(c, output.expr, place)
                unit = output.unit or (self.symbols.get(expr.name, "") if expr.op == "sym" else "")
                if not unit and self.core.hidden_units:
                    self.faults.add(place, f"output '{output.name}' has no unit", cure='add unit = "..."')
                self.claims.append(Claim(place, expr, unit, name=f"output {name}"))
                made.append(Output(name, expr, unit, output.label or labels.get(expr.name, "")))
        return made

    def _references(self) -> tuple[Reference, ...]:
        found: dict[str, Reference] = {}
        for c in self.all:
            for r in c.references:
                first = found.setdefault(r.key, r)
                if first.doi and r.doi and first.doi.lower() != r.doi.lower():
                    place = c.place("references", r.key)
                    cure = "give one of them another key"
                    self.faults.add(place, f"key '{r.key}' is doi {first.doi} elsewhere, {r.doi} here", cure=cure)
        return tuple(found.values())


def _with_units(system: System, units: dict[str, str]) -> System:
    """Fill in units that were left to be inferred."""

    def filled(item: Named) -> Named:
        return item if item.unit else replace(item, unit=units.get(item.name, ""))

    outputs = tuple(o if o.unit else replace(o, unit=units.get(f"output {o.name}", "")) for o in system.outputs)
    return replace(
        system,
        derived=tuple(filled(d) for d in system.derived),
        quantities=tuple(filled(q) for q in system.quantities),
        outputs=outputs,
    )
