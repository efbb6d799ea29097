"""One model file as a value: what `text` reads, `write` writes and `compose` joins.

Names are as the file has them; `compose` qualifies them. Places (``file:line [table.key]``)
travel with the value so that a fault found later still says where it stands, but two components
are equal when they state the same model, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bonepk.model.expr import Expr
from bonepk.model.system import Flux, Input, Named, Output, Parameter, Reference, State

__all__ = ["KINDS", "Component", "RouteText", "Slot"]

KINDS = ("core", "module", "drug", "template", "literature")


@dataclass(frozen=True)
class Slot:
    """An open place of a core: entries of drugs and modules are joined into one value.

    Parameters
    ----------
    name : str
        Symbol by which the core's expressions use the joined value.
    combine : {"sum", "product"}
        neutral + entries, or neutral * entries.
    neutral : float
        Value without any entry, in `unit`.
    unit : str
        Unit of the joined value.
    """

    name: str
    combine: str
    neutral: float
    unit: str
    label: str = ""


@dataclass(frozen=True)
class RouteText:
    """A route as stated; `compose` finds its state and the scale between the units."""

    name: str
    into: str
    unit: str = ""
    bioavailability: Expr | None = None
    lag: Expr | None = None
    duration: Expr | None = None
    rate: Expr | None = None
    molar_mass: float | None = None
    drug: str = ""
    label: str = ""


@dataclass(frozen=True)
class Component:
    """Everything one model file states, templates already taken in.

    `places` maps key paths such as ``("parameters", "CL")`` to ``file:line [table.key]``.
    """

    name: str
    kind: str
    title: str
    time: str
    authors: tuple[str, ...] = ()
    doi: str = ""
    notes: str = ""
    written_for: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    steady: bool = False
    history: Expr | None = None
    hidden_units: str = ""
    fit: str = ""
    references: tuple[Reference, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[Input, ...] = ()
    derived: tuple[Named, ...] = ()
    states: tuple[State, ...] = ()
    quantities: tuple[Named, ...] = ()
    fluxes: tuple[Flux, ...] = ()
    rates: tuple[Named, ...] = ()
    slots: tuple[Slot, ...] = ()
    modifies: tuple[Named, ...] = ()
    routes: tuple[RouteText, ...] = ()
    outputs: tuple[Output, ...] = ()
    based_on: str = field(default="", compare=False)
    file: str = field(default="", compare=False)
    places: Mapping[tuple[str, ...], str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names that this file's expressions may use, in order of the tables."""
        groups: tuple[Sequence[Parameter | Input | Named | State | Slot], ...] = (
            self.parameters,
            self.inputs,
            self.derived,
            self.states,
            self.quantities,
            self.slots,
        )
        return tuple(item.name for group in groups for item in group)

    def place(self, *path: str) -> str:
        """Where an entry stands, or the file if that is not known."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path[:-1]
        return self.file or self.name
