"""Many people at once: in memory, streamed to a Zarr store, or spread over a Dask cluster."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Fault, Faults, NotFoundError, RegimenError, near
from bonepk.model.system import System
from bonepk.simulate.calendar import MONTH, per_day
from bonepk.simulate.individuals import Individuals, individuals_of
from bonepk.simulate.piece import NOT_RUN, STATUS, Job, Piece, check_plans, run_piece
from bonepk.simulate.plan import Plan
from bonepk.simulate.result import attributes
from bonepk.simulate.run import compiled_for, initial_of, times_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Layout", "Target", "simulate_many"]

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Progress = Callable[[int, int, str], None]

_PIECE_BYTES = 16e6  # what the engine writes for one piece; the rest is small beside it


class Layout:
    """Names, units and coordinates of an ensemble's result, and its attributes.

    Attributes
    ----------
    people, times : int
    coords : dict of str to (tuple of str, ndarray, dict)
        Dimensions, values and attributes of every coordinate.
    columns : dict of str to dict
        Attributes of every variable over (person, time).
    status, reason : dict
        Attributes of these variables.
    attrs : dict
        Of the whole.
    """

    def __init__(self, job: Job, individuals: Individuals, plan: I8, attrs: Mapping[str, Any]) -> None:
        system = job.system
        self.people, self.times = len(individuals), len(job.grid)
        months = job.grid / (per_day(system.time_unit) * MONTH)
        units = {p.name: p.unit for p in system.parameters} | {i.name: i.unit for i in system.inputs}
        self.columns = {name: _notes(system, name) for name in job.variables}
        person: dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, str]]] = {
            "person": (("person",), individuals.ids, {"long_name": "person"}),
            "time": (
                ("time",),
                job.grid,
                {"units": system.time_unit, "long_name": "time since the start of the study"},
            ),
            "month": (("time",), months, {"units": "month", "long_name": "months since the start of the study"}),
        }
        if len(job.plans) > 1:
            person["plan"] = (("person",), plan, {"long_name": "place of the plan in the list of distinct plans"})
        for j, name in enumerate(individuals.names):
            if name not in self.columns and name not in person:
                person[name] = (("person",), individuals.values[:, j], {"units": units[name], "long_name": name})
        self.coords = person
        meaning = ", ".join(f"{code} {text}" for code, text in STATUS.items())
        self.status = {"long_name": "what became of the run", "meaning": meaning}
        self.reason = {"long_name": "why the run stopped"}
        self.attrs = dict(attrs)


class Target(Protocol):
    """Where pieces go."""

    def todo(self) -> list[tuple[int, int]]:
        """People (first, end) of every piece that is not there yet."""
        ...

    def put(self, first: int, end: int, piece: Piece) -> None:
        """Keep a piece."""
        ...

    def dataset(self) -> xr.Dataset:
        """Everything, labelled."""
        ...


def simulate_many(
    model: System,
    plan: Plan | Sequence[Plan] | None = None,
    parameters: Any = None,
    *,
    inputs: Any = None,
    years: float | None = None,
    months: float | None = None,
    days: float | None = None,
    times: Iterable[float | str] | None = None,
    every: float | str | None = None,
    initial: Mapping[str, float] | None = None,
    states: bool = False,
    variables: Sequence[str] | None = None,
    history: bool = True,
    engine: str = "native",
    method: str = "LSODA",
    rtol: float = 1e-6,
    atol: float | F8 | None = None,
    max_step: float = math.inf,
    max_steps: int = 1_000_000,
    workers: int | None = None,
    chunk: int | None = None,
    store: Any = None,
    client: Any = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run a model for many people who differ in parameters, inputs or plans.

    The numbers of a person do not depend on the others, nor on `workers`, `chunk`, `store` or
    `client`, to the last bit on one kind of processor.

    Parameters
    ----------
    model : System
        From `bonepk.load`.
    plan : Plan or sequence of Plan, optional
        One for everyone, or one a person.
    parameters : table, optional
        Values that replace the model's, in the model's units: a mapping of names to numbers (for
        everyone) or arrays (one number a person); a sequence of mappings, one a person; a data
        frame, one row a person; an xarray.Dataset with dimension ``person``; an xarray.DataArray with
        dimensions ``person`` and ``parameter``; or an array of shape (people, parameters + inputs)
        in the order of ``model.values``. Names may be parameters or inputs.
    inputs : table, optional
        The same for inputs alone.
    years, months, days, times, every, initial, states, history, atol, max_step
        As for `bonepk.simulate`; `initial` holds for everyone.
    variables : sequence of str, optional
        Outputs and states to keep; by default every output, and with `states` every state.
    engine : {"native", "scipy"}
        Machine code for many people side by side, or SciPy's integrators one by one.
    method : {"LSODA", "BDF", "Radau"}
        SciPy's integrator.
    rtol : float
        Relative tolerance of a step.
    max_steps : int
        Most steps of one person (SciPy: between two stored times).
    workers : int, optional
        Threads in this process; all processors by default. With `client` its workers are used instead.
    chunk : int, optional
        People computed and stored at a time; by default what takes about 16 MB.
    store : path or Zarr store, optional
        Stream results to a Zarr group instead of memory (extra ``scale``). If it holds part of
        this very job, the rest is done.
    client : dask.distributed.Client, optional
        Spread the chunks over its workers (extra ``dask``).
    progress : callable, optional
        Called with (people done, people, what) after every chunk.

    Returns
    -------
    xarray.Dataset
        Dimensions ``person`` and ``time`` (in the model's unit, with coordinate ``month``);
        ``status`` (0: finished) and ``reason`` of each person, whose values are nan from where the
        run stopped; what is given person by person as coordinates. With `store`, read from there as needed.

    Raises
    ------
    DataError
        If tables do not fit the model or each other, or the store holds another job.
    RegimenError
        If a plan does not fit the model, or no length is given.
    NotFoundError
        If a variable or state is not in the model.
    MissingExtraError
        If Zarr is not installed, or the native engine's compiler.
    """
    distinct, chosen = _plans(plan)
    individuals = individuals_of(model, parameters, inputs, None if chosen is None else len(chosen))
    placed = np.zeros(len(individuals), dtype=np.int64) if chosen is None else chosen
    longest = max(distinct, key=lambda p: p.end)
    grid = times_of(per_day(model.time_unit), longest, years, months, days, times, every)
    if engine not in ("native", "scipy"):
        raise NotFoundError(Fault("engine", f"'{engine}' is not known", "", near(engine, ("native", "scipy"))))
    if chunk is not None and chunk < 1:
        raise RegimenError(Fault("chunk", str(chunk), "at least 1"))
    job = Job(
        system=model,
        plans=distinct,
        grid=grid,
        names=individuals.names,
        common=individuals.common,
        initial=initial_of(model, initial),
        history=history,
        variables=_variables(model, variables, states),
        engine=engine,
        method=method,
        rtol=rtol,
        atol=tuple(atol.tolist()) if isinstance(atol, np.ndarray) else atol,
        max_step=max_step,
        max_steps=max_steps,
    )
    regimens = check_plans(job)
    compiled_for(model)  # once, before others ask for it at the same time
    about = {
        "plan": [repr(p) for p in distinct] if len(distinct) > 1 else repr(distinct[0]),
        "doses": regimens[0].table if len(distinct) == 1 else [],
        "parameters": dict(individuals.common),
        "varied": list(individuals.names),
        "initial": dict(job.initial),
        "method": method if engine == "scipy" else "Rodas5P (native)",
        "rtol": rtol,
        "atol": "scaled to each state" if atol is None else np.asarray(atol).tolist(),
    }
    layout = Layout(job, individuals, placed, attributes(model, about))
    size = chunk or _size(model, len(grid))
    target: Target
    if store is None:
        target = _Memory(layout, size)
    else:
        from bonepk.simulate.store import ZarrTarget

        target = ZarrTarget(store, layout, job, individuals, placed, size)
    _run(job, individuals.values, placed, target, workers, client, progress)
    return target.dataset()


def _run(
    job: Job, values: F8, plan: I8, target: Target, workers: int | None, client: Any, progress: Progress | None
) -> None:
    todo = target.todo()
    total = len(values)
    done = total - sum(end - first for first, end in todo)
    tell = progress or (lambda *_: None)
    what = f"{job.system.name}: people"
    tell(done, total, what)
    if client is not None:
        from bonepk.simulate.cluster import pieces_on

        pieces = pieces_on(client, job, values, plan, todo)
    else:
        threads = workers or os.cpu_count() or 1
        pieces = ((a, b, run_piece(job, values[a:b], plan[a:b], threads)) for a, b in todo)
    with closing(pieces):  # an interruption cancels what a cluster is still at
        for first, end, piece in pieces:
            target.put(first, end, piece)
            done += end - first
            tell(done, total, what)


class _Memory:
    """Keeps everything in arrays."""

    def __init__(self, layout: Layout, size: int) -> None:
        self.layout, self.size = layout, size
        shape = (layout.people, layout.times)
        self.columns = {name: np.full(shape, np.nan) for name in layout.columns}
        self.status = np.full(layout.people, NOT_RUN, dtype=np.int32)
        self.reason = np.full(layout.people, "", dtype=object)

    def todo(self) -> list[tuple[int, int]]:
        return cuts(self.layout.people, self.size)

    def put(self, first: int, end: int, piece: Piece) -> None:
        for name, column in self.columns.items():
            column[first:end] = piece.columns[name]
        self.status[first:end] = piece.status
        self.reason[first:end] = piece.reason

    def dataset(self) -> xr.Dataset:
        import xarray as xr

        layout = self.layout
        columns: dict[str, Any] = {n: (("person", "time"), self.columns[n], a) for n, a in layout.columns.items()}
        columns["status"] = ("person", self.status, layout.status)
        columns["reason"] = ("person", self.reason.astype(str), layout.reason)
        return xr.Dataset(columns, coords=layout.coords, attrs=layout.attrs)


def cuts(people: int, size: int) -> list[tuple[int, int]]:
    """Cut people into pieces."""
    return [(a, min(a + size, people)) for a in range(0, people, size)]


def _plans(plan: Plan | Sequence[Plan] | None) -> tuple[tuple[Plan, ...], I8 | None]:
    """Distinct plans and, where there is one a person, whose is which."""
    if plan is None or isinstance(plan, Plan):
        return (plan or Plan(),), None
    listed = list(plan) if isinstance(plan, Sequence) and not isinstance(plan, str) else [plan]
    strange = next((p for p in listed if not isinstance(p, Plan)), None)
    if strange is not None or not listed:
        found = f"a {type(strange).__name__}" if listed else "an empty list"
        raise RegimenError(Fault("plan", found, "a plan made by bp.every, bp.dose and so on, or one a person"))
    places: dict[Plan, int] = {}
    chosen = np.array([places.setdefault(p, len(places)) for p in listed], dtype=np.int64)
    return tuple(places), chosen


def _variables(system: System, asked: Sequence[str] | None, states: bool) -> tuple[str, ...]:
    known = tuple(dict.fromkeys((*system.output_names, *system.state_names)))
    if asked is None:
        return known if states else system.output_names
    faults = Faults()
    for name in asked:
        if name not in known:
            faults.add(f"variable '{name}'", f"no output or state of '{system.name}'", "", near(name, known))
    faults.raise_as(NotFoundError)
    return tuple(dict.fromkeys(asked))


def _notes(system: System, name: str) -> dict[str, str]:
    named = {s.name: s for s in system.states} | {o.name: o for o in system.outputs}
    return {"units": named[name].unit, "long_name": named[name].label or name}


def _size(system: System, times: int) -> int:
    """People in a piece: as many as 16 MB hold, in whole groups of 32, at most 1024."""
    each = 8 * max(times, 1) * (len(system.states) + len(system.outputs) + 1)
    return max(32, min(1024, int(_PIECE_BYTES / each) // 32 * 32))
