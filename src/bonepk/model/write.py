"""A `Component` back to model text: reading the result gives an equal component.

Templates are written out in full, so the text stands alone.
"""

from __future__ import annotations

import json

from bonepk.model.component import Component, RouteText
from bonepk.model.expr import Expr, to_text
from bonepk.model.parse import is_name
from bonepk.model.system import Flux, Named, Output

__all__ = ["component_text"]


def component_text(component: Component) -> str:
    """Write a component as TOML.

    Parameters
    ----------
    component : Component

    Returns
    -------
    str
        Model text, ``based_on`` resolved. Equal components give equal text.
    """
    c = component
    lines = [f"kind = {_quoted(c.kind)}", f"title = {_quoted(c.title)}"]
    lines += [f"time = {_quoted(c.time)}"] if c.time else []
    lines += [f"authors = {_list(c.authors)}"] if c.authors else []
    lines += [f"doi = {_quoted(c.doi)}"] if c.doi else []
    lines += [f"for = {_list(c.written_for)}"] if c.written_for else []
    lines += [f"modules = {_list(c.modules)}"] if c.modules else []
    lines += ["steady = true"] if c.steady else []
    lines += [f"history = {_expression(c.history)}"] if c.history is not None else []
    lines += [f"hidden_units = {_quoted(c.hidden_units)}"] if c.hidden_units else []
    lines += [f"fit = {_quoted(c.fit)}"] if c.fit else []
    lines += [f"notes = {_text_block(c.notes)}"] if c.notes else []
    tables: dict[str, list[tuple[str, str]]] = {
        "references": [(r.key, _entry(text=_quoted(r.text), doi=_some(r.doi))) for r in c.references],
        "parameters": [
            (
                p.name,
                _entry(
                    value=_number(p.value),
                    unit=_quoted(p.unit),
                    source=_quoted(p.source),
                    label=_some(p.label),
                    range=f"[{_number(p.low)}, {_number(p.high)}]" if p.low is not None and p.high is not None else "",
                    note=_some(p.note),
                ),
            )
            for p in c.parameters
        ],
        "inputs": [
            (i.name, _entry(value=_number(i.value), unit=_quoted(i.unit), label=_some(i.label))) for i in c.inputs
        ],
        "derived": [(d.name, _named(d)) for d in c.derived],
        "states": [
            (
                s.name,
                _entry(
                    initial=_expression(s.initial),
                    unit=_quoted(s.unit),
                    label=_some(s.label),
                    nonnegative="" if s.nonnegative else "false",
                ),
            )
            for s in c.states
        ],
        "quantities": [(q.name, _named(q)) for q in c.quantities],
        "fluxes": [(f.name, _flux(f)) for f in c.fluxes],
        "rates": [(r.name, _named(r)) for r in c.rates],
        "slots": [
            (
                s.name,
                _entry(
                    combine=_quoted(s.combine),
                    neutral=_number(s.neutral),
                    unit=_quoted(s.unit),
                    label=_some(s.label),
                ),
            )
            for s in c.slots
        ],
        "modifies": [(m.name, _named(m)) for m in c.modifies],
        "routes": [(r.name, _route(r)) for r in c.routes],
        "outputs": [(o.name, _named(o)) for o in c.outputs],
    }
    for table, entries in tables.items():
        if entries:
            lines += ["", f"[{table}]"]
            lines += [f"{name if is_name(name) else _quoted(name)} = {entry}" for name, entry in entries]
    return "\n".join(lines) + "\n"


def _entry(**parts: str) -> str:
    return "{ " + ", ".join(f"{key} = {text}" for key, text in parts.items() if text) + " }"


def _named(item: Named | Output) -> str:
    expr = _quoted(to_text(item.expr))
    if not item.unit and not item.label:
        return expr
    return _entry(expr=expr, unit=_some(item.unit), label=_some(item.label))


def _flux(flux: Flux) -> str:
    ends = {"from": _some(flux.source), "to": _some(flux.target)}
    gain = _expression(flux.gain) if flux.gain is not None else ""
    return _entry(**ends, rate=_quoted(to_text(flux.rate)), gain=gain, label=_some(flux.label))


def _route(route: RouteText) -> str:
    expressions = {
        key: _expression(value)
        for key in ("bioavailability", "lag", "duration", "rate")
        if (value := getattr(route, key)) is not None
    }
    molar_mass = _number(route.molar_mass) if route.molar_mass is not None else ""
    return _entry(
        into=_quoted(route.into),
        unit=_some(route.unit),
        **expressions,
        molar_mass=molar_mass,
        drug=_some(route.drug),
        label=_some(route.label),
    )


def _expression(expr: Expr) -> str:
    """Write a bare number where the text may have one: it is in the unit of its place."""
    return _number(expr.value) if expr.op == "num" else _quoted(to_text(expr))


def _number(value: float | None) -> str:
    number = float(value or 0.0)
    return repr(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)


def _some(text: str) -> str:
    return _quoted(text) if text else ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(items: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_quoted, items))}]"


def _text_block(text: str) -> str:
    if "\n" not in text:
        return _quoted(text)
    inner = "\n".join(_quoted(line)[1:-1].replace('\\"', '"').replace('"""', '\\"\\"\\"') for line in text.split("\n"))
    return f'"""\n{inner}"""' if not inner.endswith('"') else f'"""\n{inner[:-1]}\\""""'
