"""Who flows into whom: the fluxes of a model as arrows, Mermaid or Graphviz dot text."""

from __future__ import annotations

import re

from bonepk.model.expr import Expr, substitute, symbols_of
from bonepk.model.system import System

__all__ = ["arrows_text", "dot_text", "influences", "mermaid_text"]


def influences(system: System) -> list[tuple[str, str]]:
    """Pairs (state, influenced state) beside the fluxes.

    A state influences another when the rate at which the other is made, or its whole rate where
    no flux is stated, depends on it.
    """
    definitions = system.definitions
    pairs: list[tuple[str, str]] = []

    def note(expr: Expr, target: str) -> None:
        used = symbols_of(substitute([expr], definitions))
        pairs.extend((s, target) for s in system.state_names if s in used and s != target and (s, target) not in pairs)

    for flux in system.fluxes:
        if flux.target and not flux.source:
            note(flux.rate, flux.target)
    moved = {end for f in system.fluxes for end in (f.source, f.target)}
    for state, rate in zip(system.states, system.rates, strict=True):
        if state.name not in moved:
            note(rate, state.name)
    return pairs


def arrows_text(system: System) -> str:
    """One line a flux: ``depot --absorption--> central``."""
    lines = []
    for flux in system.fluxes:
        name = flux.name.split(".")[-1]
        gain = "" if flux.gain is None else f"  (times {flux.gain})"
        lines.append(f"  {flux.source or '*'} --{name}--> {flux.target or '*'}{gain}\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    return text.replace('"', "'").replace("\\", "/")


def _mermaid_label(text: str) -> str:
    return re.sub(r"[\[\]{}<>|#;\"]", " ", text)


def mermaid_text(system: System) -> str:
    """Mermaid flowchart: solid arrows are fluxes, dotted ones influences."""
    key = {name: f"s{i}" for i, name in enumerate(system.state_names)}
    lines = ["flowchart LR"]
    for state in system.states:
        label = f"<br/>{_mermaid_label(state.label)}" if state.label else ""
        lines.append(f'  {key[state.name]}["{_mermaid_label(state.name)}{label}"]')
    for i, flux in enumerate(system.fluxes):
        source = key.get(flux.source, f"o{i}(( ))")
        target = key.get(flux.target, f"o{i}(( ))")
        lines.append(f'  {source} -->|"{_mermaid_label(flux.name)}"| {target}')
    lines += [f"  {key[a]} -.-> {key[b]}" for a, b in influences(system)]
    return "\n".join(lines) + "\n"


def dot_text(system: System) -> str:
    """Graphviz digraph: solid edges are fluxes, dotted ones influences."""
    key = {name: f"s{i}" for i, name in enumerate(system.state_names)}
    lines = [f'digraph "{_quoted(system.name)}" {{', "  rankdir=LR;", "  node [shape=box];"]
    for state in system.states:
        label = _quoted(state.name) + (f"\\n{_quoted(state.label)}" if state.label else "")
        lines.append(f'  {key[state.name]} [label="{label}"];')
    for i, flux in enumerate(system.fluxes):
        if not (flux.source and flux.target):
            lines.append(f"  o{i} [shape=point];")
        source, target = key.get(flux.source, f"o{i}"), key.get(flux.target, f"o{i}")
        lines.append(f'  {source} -> {target} [label="{_quoted(flux.name)}"];')
    lines += [f"  {key[a]} -> {key[b]} [style=dotted];" for a, b in influences(system)]
    return "\n".join([*lines, "}"]) + "\n"
