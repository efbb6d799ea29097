"""What the compartment numbers of a data set mean in a model, and in which units doses arrive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import UnitsError, near
from bonepk.model.system import System
from bonepk.model.units import convert
from bonepk.simulate.entries import Entry, entries_of
from bonepk.simulate.record_checks import Columns
from bonepk.simulate.table import RowFaults

__all__ = ["compartments", "dose_factors"]


def compartments(
    system: System, cmt: Mapping[int | str, str] | Sequence[str] | None, faults: RowFaults
) -> tuple[list[Entry], dict[int | str, int], dict[int, str]]:
    """Find entries, which of them each CMT value means, and how to say which of several routes is meant."""
    routes, bare = entries_of(system)
    if cmt is None:
        named: dict[int | str, str] = {i + 1: name for i, name in enumerate(system.state_names)}
    elif isinstance(cmt, Mapping):
        named = dict(cmt)
    else:
        named = {i + 1: name for i, name in enumerate(cmt)}
    short = {e.name.rpartition(".")[2]: e for e in routes}
    entries: list[Entry] = []
    numbers: dict[int | str, int] = {}
    unclear: dict[int, str] = {}
    for value, name in named.items():
        into = [e for e in routes if bare[e.state].name == name]
        exact = [e for e in routes if e.name == name] or ([short[name]] if name in short else [])
        if exact:
            chosen = exact[0]
        elif name in system.state_names:
            if len(into) > 1:
                unclear[len(entries)] = " or ".join(f"'{e.name}'" for e in into)
            chosen = into[0] if len(into) == 1 else bare[system.state_names.index(name)]
        else:
            known = [*(e.name for e in routes), *short, *system.state_names]
            faults.add(0, f"CMT {value}", f"'{name}' is no route or state of the model", "", near(name, known))
            continue
        numbers[value] = len(entries)
        numbers.setdefault(name, len(entries))
        entries.append(chosen)
    return entries, numbers, unclear


def dose_factors(
    system: System,
    columns: Columns,
    place: NDArray[np.int64],
    entries: Sequence[Entry],
    amount_unit: str | None,
    faults: RowFaults,
) -> list[float]:
    """Find the dose units of each entry in one unit of AMT."""
    if amount_unit is None:
        return [1.0] * len(entries)
    routes = {r.name: r for r in system.routes}
    out = []
    for k, entry in enumerate(entries):
        route = routes.get(entry.name)
        unit = route.unit if route else system.states[entry.state].unit
        try:
            out.append(convert(1.0, amount_unit, unit, route.molar_mass if route else None))
        except UnitsError as error:
            out.append(1.0)
            used = np.flatnonzero((place == k) & ((columns.evid == 1) | (columns.evid == 4)))
            for i in used:
                found = f"{columns.amt[i]:g} {amount_unit} into '{entry.name}' [{unit}]"
                if "molar mass" in error.faults[0].found:
                    faults.add(int(i) + 1, "AMT", f"{found} needs a molar mass", "", "add molar_mass to the route")
                else:
                    faults.add(int(i) + 1, "AMT", f"{found}: {error.faults[0].found}", "a unit of the same kind")
    return out
