"""Which symbol a name in a file means, once files are joined.

A file's own names come first, then the core's, then those of the modules it lists. A core's
symbols stay bare; every other file's are qualified with its name (``denosumab.CL``), and any
file may write such a qualified name out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bonepk.errors import Faults, near
from bonepk.model.component import Component
from bonepk.model.expr import Expr, substitute, sym, symbols_of
from bonepk.model.system import TIME

__all__ = ["Scope", "in_order"]


class Scope:
    """Names of a core and its parts.

    Parameters
    ----------
    core : Component
    parts : sequence of Component
        Modules and drugs.
    faults : Faults
        Takes a fault for every name that means nothing.
    """

    def __init__(self, core: Component, parts: Sequence[Component], faults: Faults) -> None:
        self.core = core
        self._parts = {p.name: p for p in parts}
        self._faults = faults
        self._symbols = {c.name: frozenset(c.symbols) for c in (core, *parts)}

    def qualified(self, component: Component, name: str) -> str:
        """Name of a component's own symbol, flux, route or output in the joined system."""
        return name if component is self.core else f"{component.name}.{name}"

    def find(self, component: Component, name: str, kind: str = "") -> str | None:
        """Find the joined name of what `name` means in `component`, or None.

        With `kind` (``"states"``, ``"slots"``) only names of that table count.
        """
        if name == TIME and not kind:
            return TIME
        if "." in name:
            owner, bare = name.split(".", 1)
            known = self._known(self._parts[owner], kind) if owner in self._parts else frozenset()
            return name if bare in known else None
        if name in self._known(component, kind):
            return self.qualified(component, name)
        if name in self._known(self.core, kind):
            return name
        hits = [m for m in component.modules if m in self._parts and name in self._known(self._parts[m], kind)]
        return f"{hits[0]}.{name}" if len(hits) == 1 else None

    def _known(self, component: Component, kind: str) -> frozenset[str]:
        return frozenset(i.name for i in getattr(component, kind)) if kind else self._symbols[component.name]

    def report(self, component: Component, name: str, place: str, kind: str = "") -> None:
        """Note that `name` means nothing in `component`, with the nearest that does."""
        what = {"states": "state", "slots": "slot"}.get(kind, "name")
        reach = {*self._known(component, kind), *self._known(self.core, kind)}
        reach |= {f"{p.name}.{n}" for p in self._parts.values() for n in self._known(p, kind)}
        cure = near(name, reach)
        owner = name.split(".", 1)[0]
        if "." in name and owner not in self._parts:
            cure = cure or f"'{owner}' is not loaded with this core"
        elif not kind and any(name in (f.name for f in c.fluxes) for c in (component, self.core)):
            cure = "it is a flux; expressions use states and quantities: make its rate a quantity"
        elif kind and name in self._symbols[component.name] | self._symbols[self.core.name]:
            cure = f"it is no {what}"
        elif kind == "slots" and not cure:
            slots = sorted(self._known(self.core, kind))
            cure = f"open it in the core '{self.core.name}'" + (f", which has {', '.join(slots)}" if slots else "")
        shared = [m for m in component.modules if m in self._parts and name in self._known(self._parts[m], kind)]
        if len(shared) > 1:
            self._faults.add(place, f"'{name}' is in {' and '.join(shared)}", cure=f"write {shared[0]}.{name}")
        else:
            self._faults.add(place, f"unknown {what} '{name}'", cure=cure)

    def bind(self, component: Component, expr: Expr, place: str) -> Expr:
        """Write `expr` in joined names, noting unknown ones."""
        replacement: dict[str, Expr] = {}
        for name in sorted(symbols_of([expr])):
            found = self.find(component, name)
            if found is None:
                self.report(component, name, place)
            elif found != name:
                replacement[name] = sym(found)
        return substitute([expr], replacement)[0] if replacement else expr


def in_order(definitions: Mapping[str, Expr], places: Mapping[str, str], faults: Faults) -> list[str]:
    """Names so that each is defined by earlier ones; a cycle is a fault naming its members."""
    order: list[str] = []
    rank = {name: i for i, name in enumerate(definitions)}
    state: dict[str, int] = {}  # 1 while on the path, 2 when done
    for root in definitions:
        stack: list[tuple[str, bool]] = [(root, False)]
        path: list[str] = []
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                state[name] = 2
                order.append(name)
                continue
            if state.get(name) == 2:
                continue
            if state.get(name) == 1:
                cycle = [*path[path.index(name) :], name]
                faults.add(
                    places[name], f"cycle {' -> '.join(cycle)}", cure="make one of them a state, or take it apart"
                )
                continue
            state[name] = 1
            path.append(name)
            stack.append((name, True))
            below = sorted((n for n in symbols_of([definitions[name]]) if n in rank), key=rank.__getitem__)
            stack.extend((n, False) for n in reversed(below) if state.get(n) != 2)
    return order
