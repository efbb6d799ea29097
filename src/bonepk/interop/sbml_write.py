"""A system as SBML Level 3 Version 2.

The text is written here and not through a library, because libSBML prints numbers with 15 digits
and a model has to come back with the same numbers. Each state is a parameter with a rate rule, as
states of bone models are concentrations, amounts and plain ratios side by side; every flux is a
parameter of its own, from which the rate rules are put together.

What SBML has no place for (sources, ranges, routes, which parameter is an input) goes into
annotations, so that `bonepk.interop.sbml_own` can read the system back unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from bonepk.interop.mathml import EXTRA_FUNCTIONS, explicit, extra_functions_of, mathml
from bonepk.interop.names import identifiers, plain, unused
from bonepk.interop.sbml_dosing import Dosing, dosing_of
from bonepk.interop.sbml_units import UnitTable
from bonepk.model.expr import ONE, ZERO, Expr, substitute, sym, symbols_of, to_text
from bonepk.model.system import TIME, Flux, System

if TYPE_CHECKING:
    from bonepk.simulate.plan import Plan

__all__ = ["NAMESPACE", "balance", "identifiers_of", "to_sbml"]

NAMESPACE = "https://bonepk.readthedocs.io/sbml/1"
"""XML namespace of the annotations."""


def to_sbml(system: System, plan: Plan | None = None) -> str:
    """Write a system as SBML Level 3 Version 2.

    Parameters
    ----------
    system : System
    plan : Plan, optional
        Doses and switches; each becomes an event.

    Returns
    -------
    str
        The same text whenever system and plan are the same. SBML's time 0 is the moment at which
        the initial state holds: the start of the model's history if it has one, else day 0 (or
        the first event of the plan, if that is earlier). Where the two differ, ``model_time`` in
        the file is bonepk's time, 0 on day 0.

    Raises
    ------
    RegimenError
        If the plan does not fit the model.
    """
    return _Writer(system, plan).run()


def balance(system: System) -> list[Expr | None]:
    """Each rate as a sum of fluxes (symbols ``flux NAME``); None where it is no such sum."""
    sums: dict[str, Expr] = {}
    for flux in system.fluxes:
        name = sym(f"flux {flux.name}")
        if flux.source:
            sums[flux.source] = sums.get(flux.source, ZERO) - name
        if flux.target:
            gained = name if flux.gain is None else name * flux.gain
            sums[flux.target] = sums.get(flux.target, ZERO) + gained
    rates = {f"flux {f.name}": f.rate for f in system.fluxes}
    out: list[Expr | None] = []
    for state, rate in zip(system.states, system.rates, strict=True):
        total = sums.get(state.name)
        whole = None if total is None else substitute([total], rates)[0]
        out.append(total if whole is rate else None)
    return out


def identifiers_of(system: System) -> dict[str, str]:
    """Give the SBML identifier of each symbol; outputs have keys ``output NAME``."""
    ids = _Writer(system, None).ids
    return {f"output {o.name}": ids.get(f"output {o.name}", ids.get(o.name, "")) for o in system.outputs} | ids


class _Writer:
    def __init__(self, system: System, plan: Plan | None) -> None:
        self.system, self.plan = system, plan
        self.dosing: Dosing = dosing_of(system, plan)
        names = [*system.parameter_names, *system.input_names, *(d.name for d in system.derived)]
        names += [*system.state_names, *(q.name for q in system.quantities)]
        known = set(names)
        names += [f"flux {f.name}" for f in system.fluxes] + self.dosing.counters
        names += [name for name, _, _ in self.dosing.amounts]
        shifted = self.dosing.start is not ZERO
        names += ["model time", "start of time"] if shifted else []
        self.ids = identifiers(names, {"time", "dimensionless", *EXTRA_FUNCTIONS.values()}, dot="__")
        self.new_outputs = [o for o in system.outputs if not (o.name in known and o.expr is sym(o.name))]
        for o in self.new_outputs:
            self.ids[f"output {o.name}"] = unused(plain(o.name, "__"), self.ids.values())
        if shifted:
            self.ids[TIME] = self.ids["model time"]
        self.flux_units = {f.name: self._flux_unit(f) for f in system.fluxes}
        self.units = UnitTable.of(self._all_units())
        self.parameters: list[str] = []
        self.initial: list[str] = []
        self.rules: list[str] = []
        self.dois = {r.key: r.doi for r in system.references if r.doi}

    def _flux_unit(self, flux: Flux) -> str:
        units = {s.name: s.unit for s in self.system.states}
        end = flux.source or (flux.target if flux.gain is None else "")
        return f"({units[end]})/({self.system.time_unit})" if end else ""

    def _all_units(self) -> list[str]:
        s = self.system
        units = [s.time_unit, *(p.unit for p in s.parameters), *(i.unit for i in s.inputs)]
        units += (
            [x.unit for x in (*s.derived, *s.quantities)] + [x.unit for x in s.states] + [x.unit for x in s.outputs]
        )
        units += [unit for _, _, unit in self.dosing.amounts]
        return [u for u in (*units, *self.flux_units.values()) if u]

    def run(self) -> str:
        self._elements()
        s = self.system
        expressions = [*self._expressions()]
        functions = "\n".join(
            f'<functionDefinition id="{EXTRA_FUNCTIONS[op]}">{math}</functionDefinition>'
            for op, math in extra_functions_of(expressions).items()
        )
        lists = {
            "FunctionDefinitions": functions,
            "UnitDefinitions": "\n".join(self.units.xml),
            "Parameters": "\n".join(self.parameters),
            "InitialAssignments": "\n".join(self.initial),
            "Rules": "\n".join(self.rules),
            "Events": "\n".join(self._events()),
        }
        body = "\n".join(f"<listOf{name}>\n{text}\n</listOf{name}>" for name, text in lists.items() if text)
        time = self.units.ids[s.time_unit]
        ident = plain(s.name)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">\n'
            f'<model metaid="model_{ident}" id="{ident}"{_attributes(name=s.title)} timeUnits="{time}">\n'
            f"{self._notes()}\n{self._model_annotation(ident)}\n{body}\n</model>\n</sbml>\n"
        )

    def _expressions(self) -> list[Expr]:
        s = self.system
        found = [d.expr for d in (*s.derived, *s.quantities)] + [o.expr for o in s.outputs]
        found += [x.initial for x in s.states]
        found += [*s.rates, *(f.rate for f in s.fluxes), self.dosing.start]
        for event in self.dosing.events:
            found += [event.trigger, *(value for _, value in event.assignments)]
        return [*found, *self.dosing.infused.values(), *(f.gain for f in s.fluxes if f.gain is not None)]

    # elements

    def _elements(self) -> None:
        s = self.system
        for p in s.parameters:
            details = {"source": p.source, "note": p.note, "low": _number(p.low), "high": _number(p.high)}
            self._parameter(p.name, "parameter", p.unit, p.label, value=p.value, details=details, source=p.source)
        for i in s.inputs:
            self._parameter(i.name, "input", i.unit, i.label, value=i.value, constant=False)
        moving = set(s.input_names)
        for d in s.derived:
            varies = bool(symbols_of([d.expr]) & moving)
            moving |= {d.name} if varies else set()
            self._parameter(d.name, "derived", d.unit, d.label, d.expr, constant=not varies)
            (self._rule if varies else self._initial)(self.ids[d.name], d.expr)
        for state, fluxes in zip(s.states, balance(s), strict=True):
            self._state(state.name, fluxes)
        for q in s.quantities:
            self._parameter(q.name, "quantity", q.unit, q.label, q.expr, constant=False)
            self._rule(self.ids[q.name], q.expr)
        for f in s.fluxes:
            details = {"from": f.source, "to": f.target, "gain": "" if f.gain is None else to_text(f.gain)}
            key = f"flux {f.name}"
            unit = self.flux_units[f.name]
            self._parameter(key, "flux", unit, f.label, f.rate, constant=False, details=details, name=f.name)
            self._rule(self.ids[key], f.rate)
        for o in self.new_outputs:
            key = f"output {o.name}"
            self._parameter(key, "output", o.unit, o.label, o.expr, constant=False, name=o.name)
            self._rule(self.ids[key], o.expr)
        for counter in self.dosing.counters:
            self._parameter(counter, "counter", "1", counter, value=0.0, constant=False)
        for name, value, unit in self.dosing.amounts:
            self._parameter(name, "amount", unit, name, value=value)
        if TIME in self.ids:
            self._parameter("start of time", "start", s.time_unit, "model time at which the run begins")
            self._initial(self.ids["start of time"], self.dosing.start)
            self._parameter("model time", "time", s.time_unit, "model time, 0 on day 0", constant=False)
            begin = sym("start of time")
            clock = mathml(sym(TIME) + begin, {k: v for k, v in self.ids.items() if k != TIME})
            self.rules.append(f'<assignmentRule variable="{self.ids[TIME]}">{clock}</assignmentRule>')

    def _state(self, name: str, fluxes: Expr | None) -> None:
        s = self.system
        place = s.state_names.index(name)
        state, rate = s.states[place], s.rates[place]
        fixed = state.initial.op == "num"
        details = {} if state.nonnegative else {"nonnegative": "false"}
        value = state.initial.value if fixed else None
        self._parameter(
            name, "state", state.unit, state.label, state.initial, value=value, constant=False, details=details
        )
        if not fixed:
            self._initial(self.ids[name], state.initial)
        whole = rate if fluxes is None else fluxes
        if name in self.dosing.infused:
            whole = whole + self.dosing.infused[name]
        text = _text_if_lost(rate) if fluxes is None else ""
        note = _annotation(f"<bonepk:rate{_details(text=text)}/>") if text else ""
        math = mathml(whole, self.ids)
        self.rules.append(f'<rateRule variable="{self.ids[name]}">{note}{math}</rateRule>')

    def _parameter(
        self,
        key: str,
        kind: str,
        unit: str,
        label: str,
        expr: Expr | None = None,
        *,
        value: float | None = None,
        constant: bool = True,
        details: Mapping[str, str] | None = None,
        name: str = "",
        source: str = "",
    ) -> None:
        ident = self.ids[key]
        own = {"name": name or key, "unit": unit, **(details or {})}
        own["text"] = "" if expr is None else _text_if_lost(expr)
        inner = f"<bonepk:{kind}{_attributes(**own)}/>"
        doi = self.dois.get(source.split()[0].rstrip(",;:.") if source else "", "")
        meta = f' metaid="meta_{ident}"' if doi else ""
        note = _annotation(inner, _described(f"meta_{ident}", [doi], "bqbiol") if doi else "")
        units = f' units="{self.units.ids[unit]}"' if unit else ""
        stated = "" if value is None else f' value="{value!r}"'
        self.parameters.append(
            f'<parameter{meta} id="{ident}"{_attributes(name=label)}{stated}{units} '
            f'constant="{str(constant).lower()}">{note}</parameter>'
        )

    def _rule(self, ident: str, expr: Expr) -> None:
        self.rules.append(f'<assignmentRule variable="{ident}">{mathml(expr, self.ids)}</assignmentRule>')

    def _initial(self, ident: str, expr: Expr) -> None:
        self.initial.append(f'<initialAssignment symbol="{ident}">{mathml(expr, self.ids)}</initialAssignment>')

    def _events(self) -> list[str]:
        ranked = len({e.rank for e in self.dosing.events}) > 1
        out = []
        for event in self.dosing.events:
            ident = unused(plain(event.name), self.ids.values())
            trigger = mathml(event.trigger, self.ids, truth=True)
            rank = f"<priority>{mathml(ONE if event.rank else ZERO, {})}</priority>" if ranked else ""
            changes = "".join(
                f'<eventAssignment variable="{self.ids[name]}">{mathml(value, self.ids)}</eventAssignment>'
                for name, value in event.assignments
            )
            out.append(
                f'<event id="{ident}"{_attributes(name=event.name)} useValuesFromTriggerTime="true">'
                f'<trigger initialValue="false" persistent="true">{trigger}</trigger>'
                f"{rank}<listOfEventAssignments>{changes}</listOfEventAssignments></event>"
            )
        return out

    # what stands around the equations

    def _notes(self) -> str:
        from bonepk.version import __version__

        s = self.system
        lines = [s.title, f"Model '{s.name}' of bonepk {__version__}, model hash {s.hash}.", *s.notes.splitlines()]
        inner = "".join(f"<p>{escape(line)}</p>" for line in lines if line.strip())
        return f'<notes><body xmlns="http://www.w3.org/1999/xhtml">{inner}</body></notes>'

    def _model_annotation(self, ident: str) -> str:
        s = self.system
        head = {"name": s.name, "title": s.title, "time": s.time_unit, "components": " ".join(s.components)}
        head |= {"hash": s.hash, "steady": "true" if s.steady else "", "units": "" if s.units_checked else "labels"}
        head["history"] = "" if s.history_start is None else to_text(s.history_start)
        rows = [f"<bonepk:notes{_details(text=s.notes)}/>"] if s.notes else []
        rows += [f"<bonepk:reference{_details(key=r.key, text=r.text, doi=r.doi)}/>" for r in s.references]
        for r in s.routes:
            optional = {k: to_text(e) for k, e in (("duration", r.duration), ("rate", r.rate)) if e is not None}
            details = {"name": r.name, "drug": r.drug, "into": r.into, "unit": r.unit, "scale": repr(r.scale)}
            details |= {"bioavailability": to_text(r.bioavailability), "lag": to_text(r.lag), **optional}
            details |= {"molar_mass": _number(r.molar_mass), "label": r.label}
            rows.append(f"<bonepk:route{_details(**details)}/>")
        for o in s.outputs:
            text = _text_if_lost(o.expr)
            rows.append(f"<bonepk:output{_details(name=o.name, unit=o.unit, label=o.label, text=text)}/>")
        for part in self.plan.parts if self.plan else ():
            kind = type(part).__name__.lower()
            values = {k: repr(getattr(part, k)) for k in part.__dataclass_fields__}
            rows.append(f"<bonepk:{kind}{_attributes(**values)}/>")
        inner = f"<bonepk:model{_details(**head)}>" + "\n".join(rows) + "</bonepk:model>"
        dois = list(dict.fromkeys(r.doi for r in s.references if r.doi))
        return _annotation(inner, _described(f"model_{ident}", dois, "bqmodel") if dois else "")


def _text_if_lost(expr: Expr) -> str:
    """Model text of an expression that MathML would give back in another form; else empty."""
    return "" if explicit(expr) is expr else to_text(expr)


def _annotation(inner: str, more: str = "") -> str:
    tagged = inner.replace("/>", f' xmlns:bonepk="{NAMESPACE}"/>', 1)
    head = inner.split(">", 1)[0]
    if not head.endswith("/"):
        tagged = inner.replace(">", f' xmlns:bonepk="{NAMESPACE}">', 1)
    return f"<annotation>{tagged}{more}</annotation>"


def _described(metaid: str, dois: list[str], qualifier: str) -> str:
    kind = {"bqmodel": "model", "bqbiol": "biology"}[qualifier]
    rows = "".join(f"<rdf:li rdf:resource={quoteattr('https://doi.org/' + doi)}/>" for doi in dois)
    return (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f'xmlns:{qualifier}="http://biomodels.net/{kind}-qualifiers/"><rdf:Description rdf:about="#{metaid}">'
        f"<{qualifier}:isDescribedBy><rdf:Bag>{rows}</rdf:Bag></{qualifier}:isDescribedBy></rdf:Description></rdf:RDF>"
    )


def _attributes(**values: str) -> str:
    return "".join(f" {key}={quoteattr(' '.join(value.split()))}" for key, value in values.items() if value)


def _details(**values: str) -> str:
    """Attributes of an annotation; XML would turn their line breaks into spaces."""
    backslashed = {k: v.replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t") for k, v in values.items() if v}
    return "".join(f" {key}={quoteattr(value)}" for key, value in backslashed.items())


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)
