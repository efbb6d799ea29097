"""The composed symbolic system: what the engine compiles and a reader inspects.

All values are frozen. Names of a drug's or module's own symbols are qualified
with the file's name (``denosumab.CL``); the core's are bare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bonepk.model.expr import Expr, substitute, topological

__all__ = [
    "TIME",
    "Flux",
    "Input",
    "Named",
    "Output",
    "Parameter",
    "Reference",
    "Route",
    "State",
    "System",
]

TIME = "t"
"""Reserved symbol: model time, in `System.time_unit`; day 0 is the first day of the study."""


@dataclass(frozen=True)
class Reference:
    """A source: key, human-readable citation, DOI or PMID."""

    key: str
    text: str
    doi: str = ""


@dataclass(frozen=True)
class Parameter:
    """A number with its unit, where it comes from and how far it may plausibly go."""

    name: str
    value: float
    unit: str
    source: str
    """A reference key with locator, or ``fitted`` / ``assumed`` (then `note` says from what / why)."""
    note: str = ""
    label: str = ""
    low: float | None = None
    high: float | None = None
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Input:
    """A covariate or switch: constant unless a plan or data set changes it in time."""

    name: str
    value: float
    unit: str
    label: str = ""


@dataclass(frozen=True)
class State:
    """A state variable; `initial` depends on parameters and derived values only."""

    name: str
    unit: str
    initial: Expr
    label: str = ""
    nonnegative: bool = True


@dataclass(frozen=True)
class Named:
    """A named expression (derived value or quantity)."""

    name: str
    expr: Expr
    unit: str = ""
    label: str = ""


@dataclass(frozen=True)
class Flux:
    """An amount per time leaving `source` and/or entering `target`.

    d(source)/dt -= rate; d(target)/dt += rate * gain. `gain` is 1 where mass is
    carried over one to one (then the flux conserves mass).
    """

    name: str
    rate: Expr
    source: str = ""
    target: str = ""
    gain: Expr | None = None
    label: str = ""


@dataclass(frozen=True)
class Route:
    """A way in for doses: amounts of `unit` (times bioavailability) enter state `into`.

    `bioavailability`, `lag` (time), `duration` (time) and `rate` (amount per time) are expressions of
    parameters and inputs. `scale` converts one dose unit to one state unit; where a molar mass
    (g/mol) was needed it is already inside.
    """

    name: str
    drug: str
    into: str
    unit: str
    scale: float
    bioavailability: Expr
    lag: Expr
    duration: Expr | None = None
    rate: Expr | None = None
    molar_mass: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Output:
    """A read-out the run reports."""

    name: str
    expr: Expr
    unit: str
    label: str = ""


@dataclass(frozen=True)
class System:
    """A closed model: every symbol defined, every slot filled, order fixed.

    `derived` and `quantities` are in an order in which each uses only earlier ones. `rates` is
    aligned with `states`, written in states, parameters, inputs, derived values, quantities and
    `TIME`; `flat_rates` and `flat_outputs` have derived values and quantities substituted.
    """

    name: str
    title: str
    time_unit: str
    states: tuple[State, ...]
    parameters: tuple[Parameter, ...]
    inputs: tuple[Input, ...]
    derived: tuple[Named, ...]
    quantities: tuple[Named, ...]
    rates: tuple[Expr, ...]
    fluxes: tuple[Flux, ...]
    routes: tuple[Route, ...]
    outputs: tuple[Output, ...]
    steady: bool = False
    """The initial state is claimed to be a steady state (at inputs and parameters as given)."""
    history_start: Expr | None = None
    """Model time at which the initial state holds; None means the start of the run."""
    references: tuple[Reference, ...] = ()
    components: tuple[str, ...] = ()
    """Core first, then modules and drugs in alphabetical order."""
    notes: str = ""
    units_checked: bool = field(default=False, compare=False)
    fit: str = field(default="", compare=False)
    """Name or path of the set the values came from: the one it was loaded with, or the core's; empty if not known."""

    @cached_property
    def definitions(self) -> dict[str, Expr]:
        """Derived values and quantities in terms of states, parameters, inputs and time."""
        known: dict[str, Expr] = {}
        for item in (*self.derived, *self.quantities):
            known[item.name] = substitute([item.expr], known)[0]
        return known

    @cached_property
    def flat_rates(self) -> tuple[Expr, ...]:
        """Right-hand sides with everything substituted."""
        return tuple(substitute(self.rates, self.definitions))

    @cached_property
    def flat_outputs(self) -> tuple[Expr, ...]:
        """Outputs with everything substituted."""
        return tuple(substitute([o.expr for o in self.outputs], self.definitions))

    @cached_property
    def flat_initial(self) -> tuple[Expr, ...]:
        """Initial values in terms of parameters and inputs."""
        return tuple(substitute([s.initial for s in self.states], self.definitions))

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states, in order."""
        return tuple(s.name for s in self.states)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(i.name for i in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(o.name for o in self.outputs)

    @property
    def values(self) -> Mapping[str, float]:
        """Default values of parameters and inputs by name."""
        return {p.name: p.value for p in self.parameters} | {i.name: i.value for i in self.inputs}

    @cached_property
    def structure_hash(self) -> str:
        """Hash of the equations alone: the same code serves any parameter values."""
        lines = [f"time {self.time_unit}"]
        lines += [f"state {s.name} [{s.unit}]" for s in self.states]
        lines += [f"parameter {p.name} [{p.unit}]" for p in self.parameters]
        lines += [f"input {i.name} [{i.unit}]" for i in self.inputs]
        lines += [f"definition {d.name}" for d in (*self.derived, *self.quantities)]
        lines += [f"output {o.name} [{o.unit}]" for o in self.outputs]
        lines += [f"route {r.name} {r.drug} {r.into} {r.unit} {r.scale!r}" for r in self.routes]
        optional = [e for r in self.routes for e in (r.bioavailability, r.lag, r.duration, r.rate)]
        optional.append(self.history_start)
        lines += [f"present {[e is not None for e in optional]}"]
        exprs = [s.initial for s in self.states] + [d.expr for d in (*self.derived, *self.quantities)]
        exprs += [*self.rates, *(o.expr for o in self.outputs), *(e for e in optional if e is not None)]
        lines += _graph_lines(exprs)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @cached_property
    def hash(self) -> str:
        """Hash of equations and default values: what a saved result names."""
        lines = [self.structure_hash]
        lines += [f"{name} {value!r}" for name, value in self.values.items()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _graph_lines(exprs: Sequence[Expr]) -> list[str]:
    """One line a distinct node: linear where written-out text could grow without bound."""
    order = topological(exprs)
    rank = {id(node): i for i, node in enumerate(order)}
    lines = [f"{n.op} {n.name} {n.value!r} {[rank[id(a)] for a in n.args]}" for n in order]
    return [*lines, f"roots {[rank[id(e)] for e in exprs]}"]
