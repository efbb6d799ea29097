"""A model as a page: states, parameters with their sources, equations, routes, outputs.

`show` gives plain text, Markdown or LaTeX, or the diagram of fluxes; `list_text` lists what can
be loaded. All return strings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bonepk.errors import NotFoundError, near
from bonepk.model.checks import initial_values
from bonepk.model.diagram import arrows_text, dot_text, mermaid_text
from bonepk.model.expr import Expr, to_text
from bonepk.model.library import ModelInfo, models
from bonepk.model.symbolic import latex_text
from bonepk.model.system import Flux, Parameter, System
from bonepk.model.verified import verified

__all__ = ["FORMATS", "list_text", "show"]


@dataclass(frozen=True)
class _Section:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def show(system: System, format: str = "text") -> str:
    """Describe a model.

    Parameters
    ----------
    system : System
    format : {"text", "markdown", "latex", "mermaid", "dot", "flow"}
        The last three are diagrams of the fluxes, ``flow`` in plain text.

    Returns
    -------
    str

    Raises
    ------
    NotFoundError
        If `format` is none of these.
    """
    if format not in FORMATS:
        cure = near(format, FORMATS) or f"known are {', '.join(FORMATS)}"
        raise NotFoundError(f"no format '{format}'; {cure}")
    return FORMATS[format](system)


def _number(value: float) -> str:
    return f"{value:.10g}"


def _parameter_row(p: Parameter) -> tuple[str, ...]:
    span = f"{_number(p.low)} to {_number(p.high)}" if p.low is not None and p.high is not None else ""
    source = f"{p.source}: {p.note}" if p.note else p.source
    return (p.name, _number(p.value), p.unit, span, p.label, source)


def _ends(flux: Flux) -> str:
    gain = "" if flux.gain is None else f" times {to_text(flux.gain)}"
    return f"{flux.source or 'outside'} -> {flux.target or 'outside'}{gain}"


def _maybe(expr: Expr | None) -> str:
    return "" if expr is None else to_text(expr)


def _sections(system: System) -> list[_Section]:
    _, start = initial_values(system)
    fluxed = {end for f in system.fluxes for end in (f.source, f.target)}
    sections = [
        _Section(
            "States",
            ("name", "start", "unit", "label"),
            tuple((s.name, f"{y:.6g}", s.unit, s.label) for s, y in zip(system.states, start, strict=True)),
        ),
        _Section(
            "Fluxes",
            ("name", "from and to", "rate", "label"),
            tuple((f.name, _ends(f), to_text(f.rate), f.label) for f in system.fluxes),
        ),
        _Section(
            "Rates",
            ("state", "d/dt"),
            tuple(
                (s.name, to_text(r)) for s, r in zip(system.states, system.rates, strict=True) if s.name not in fluxed
            ),
        ),
        _Section(
            "Quantities",
            ("name", "expression", "unit", "label"),
            tuple((q.name, to_text(q.expr), q.unit, q.label) for q in system.quantities),
        ),
        _Section(
            "Derived values",
            ("name", "expression", "unit", "label"),
            tuple((d.name, to_text(d.expr), d.unit, d.label) for d in system.derived),
        ),
        _Section(
            "Outputs",
            ("name", "expression", "unit", "label"),
            tuple((o.name, to_text(o.expr), o.unit, o.label) for o in system.outputs),
        ),
        _Section(
            "Routes",
            ("drug", "name", "into", "dose unit", "bioavailability", "lag", "label"),
            tuple(
                (r.drug, r.name, r.into, r.unit, _maybe(r.bioavailability), _maybe(r.lag), r.label)
                for r in system.routes
            ),
        ),
        _Section(
            "Inputs",
            ("name", "value", "unit", "label"),
            tuple((i.name, _number(i.value), i.unit, i.label) for i in system.inputs),
        ),
        _Section(
            "Parameters",
            ("name", "value", "unit", "range", "label", "source"),
            tuple(_parameter_row(p) for p in system.parameters),
        ),
        _Section(
            "References",
            ("key", "text", "doi"),
            tuple((r.key, r.text, r.doi) for r in system.references),
        ),
    ]
    return [s for s in sections if s.rows]


def _facts(system: System) -> list[str]:
    counts = (
        f"{len(system.states)} states, {len(system.parameters)} parameters, {len(system.inputs)} inputs, "
        f"{len(system.outputs)} outputs; time in {system.time_unit}"
    )
    facts = [counts]
    if len(system.components) > 1:
        facts.append(f"composed of {', '.join(system.components)}")
    if system.steady:
        facts.append("starts at a steady state")
    if system.history_start is not None:
        start, _ = initial_values(system)
        formula = to_text(system.history_start)
        facts.append(f"a run begins at time {start:.6g} {system.time_unit}, where the start holds: {formula}")
    if not system.units_checked:
        facts.append("units of expressions are not checked")
    facts.append(f"hash {system.hash[:12]}")
    return facts


def _text(system: System) -> str:
    blocks = [f"{system.name}: {system.title}", "\n".join(_facts(system))]
    if system.notes.strip():
        blocks.append(system.notes.strip())
    blocks += [f"{s.title}\n{table_text(s.columns, s.rows)}" for s in _sections(system)]
    return "\n\n".join(blocks) + "\n"


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]], limit: int = 60) -> str:
    """Align rows under column names; cells wider than `limit` run over."""
    widths = [
        min(limit, max(len(cell) for cell in column)) for column in zip(columns, *rows, strict=True)
    ]  # the last column needs no padding
    lines = []
    for row in (columns, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  " + "  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


def _markdown(system: System) -> str:
    def cell(text: str) -> str:
        return text.replace("|", "\\|").replace("\n", " ")

    code = {"expression", "rate", "d/dt", "name", "state", "into", "bioavailability", "lag"}
    blocks = [f"# {system.name}: {system.title}", "\n".join(f"- {fact}" for fact in _facts(system))]
    if system.notes.strip():
        blocks.append(system.notes.strip())
    for s in _sections(system):
        lines = ["| " + " | ".join(s.columns) + " |", "|" + " --- |" * len(s.columns)]
        for row in s.rows:
            cells = [
                f"`{cell(c)}`" if column in code and c else cell(c) for column, c in zip(s.columns, row, strict=True)
            ]
            lines.append("| " + " | ".join(cells) + " |")
        blocks.append(f"## {s.title}\n\n" + "\n".join(lines))
    diagram = mermaid_text(system)
    if system.fluxes:
        blocks.append(f"## Diagram\n\n```mermaid\n{diagram}```")
    return "\n\n".join(blocks) + "\n"


FORMATS: dict[str, Callable[[System], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": latex_text,
    "mermaid": mermaid_text,
    "dot": dot_text,
    "flow": arrows_text,
}
"""Format name to the function that writes it."""

_HEADINGS = {
    "core": "Core models",
    "module": "Modules",
    "drug": "Drugs",
    "literature": "Models from the literature",
    "template": "Templates for drug files",
    "set": "Parameter sets",
    "unreadable": "Files that cannot be read",
}


def list_text() -> str:
    """List what `load` can find, by kind."""
    infos = models()
    blocks = []
    for kind, heading in _HEADINGS.items():
        group = [i for i in infos if i.kind == kind]
        if group:
            width = max(len(i.name) for i in group)
            lines = [heading]
            for i in group:
                first, *more = _about(i)
                lines += [f"  {i.name.ljust(width)}  {first}".rstrip(), *(" " * (width + 4) + line for line in more)]
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _about(info: ModelInfo) -> list[str]:
    target = f" (for {', '.join(info.written_for)})" if info.written_for else ""
    kept = verified(info)
    return [f"{info.title}{target}", *([f"doi {info.doi}; {kept}"] if kept else [])]
