"""One model, one plan, one labelled result."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bonepk.engine import Compiled, compile_system
from bonepk.engine.integrate import integrate
from bonepk.engine.timeline import Kind, Op, Timeline
from bonepk.errors import Fault, Faults, NotFoundError, RegimenError, near
from bonepk.model.expr import evaluate, substitute
from bonepk.model.system import System
from bonepk.simulate.calendar import MONTH, WEEK, YEAR, days_of, in_words, per_day
from bonepk.simulate.events import schedule
from bonepk.simulate.plan import Plan
from bonepk.simulate.regimen import Regimen, regimen_of
from bonepk.simulate.result import dataset

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "begin_of",
    "compiled_for",
    "initial_of",
    "overrides_of",
    "simulate",
    "start_of",
    "timeline_of",
    "times_of",
]

_CUTS = 50


@functools.lru_cache(maxsize=32)
def _compiled(system: System, backend: Any, linear: tuple[str, ...]) -> Compiled:
    return compile_system(system, backend, linear)


def compiled_for(system: System, linear: Sequence[str] = (), backend: str = "auto") -> Compiled:
    """Compile a system, or take it from the last few compiled in this process."""
    return _compiled(system, backend, tuple(linear))


def overrides_of(
    system: System, parameters: Mapping[str, float] | None, inputs: Mapping[str, float] | None
) -> dict[str, float]:
    """Check values given by name against a model.

    Returns
    -------
    dict of str to float
        Parameters and inputs together.

    Raises
    ------
    NotFoundError
        With every name that the model does not have, and every value that is not a finite number.
    """
    faults = Faults()
    out: dict[str, float] = {}
    for what, given, known, other in (
        ("parameter", parameters, system.parameter_names, system.input_names),
        ("input", inputs, system.input_names, system.parameter_names),
    ):
        for name, value in (given or {}).items():
            if name not in known:
                hint = f"it is a{'n input' if what == 'parameter' else ' parameter'}" if name in other else ""
                faults.add(f"{what} '{name}'", f"not in model '{system.name}'", "", hint or near(name, known))
                continue
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                faults.add(f"{what} '{name}'", f"{value!r}", "a finite number")
            out[name] = number
    faults.raise_as(NotFoundError)
    return out


def start_of(system: System, values: Mapping[str, float], history: bool) -> float:
    """Model time at which the initial state holds: the start of the model's history, or 0."""
    if not history or system.history_start is None:
        return 0.0
    flat = substitute([system.history_start], system.definitions)
    return float(evaluate(flat, {**system.values, **values, "t": 0.0})[0])


def simulate(
    model: System,
    plan: Plan | None = None,
    *,
    years: float | None = None,
    months: float | None = None,
    days: float | None = None,
    times: Iterable[float | str] | None = None,
    every: float | str | None = None,
    parameters: Mapping[str, float] | None = None,
    inputs: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
    states: bool = False,
    history: bool = True,
    engine: str = "auto",
    method: str | None = None,
    rtol: float = 1e-8,
    atol: float | NDArray[np.float64] | None = None,
    max_step: float = math.inf,
    max_steps: int = 100_000,
    backend: str = "auto",
) -> xr.Dataset:
    """Run a model under a plan.

    Parameters
    ----------
    model : System
        From `bonepk.load`.
    plan : Plan, optional
        Doses and switches; none by default.
    years, months, days : float, optional
        Length of the run from day 0 (their sum). Without it, and without `times`, to the end of the plan.
    times : iterable of float or str, optional
        Times to store instead of a grid: model time, or text such as ``"6 months"``; may be
        negative, down to the start of the model's history.
    every : float or str, optional
        Spacing of the grid in days or as text; by default a month in runs of a year or more, else a
        week, a day, an hour or a hundredth of the run. The end of the run is always stored.
    parameters, inputs : mapping of str to float, optional
        Values that replace the model's, in the model's units. Inputs may also be changed in time by
        `bonepk.switch` in the plan.
    initial : mapping of str to float, optional
        States at the start of the run that replace the model's, in the states' units. What equations
        take from an initial value (a baseline) stays the model's.
    states : bool
        Store the states as well as the outputs.
    history : bool
        Begin at the start of the model's history, if it states one, and run up to day 0; else the
        initial state holds at day 0 (or at the first event or stored time, if that is earlier).
    engine : {"auto", "scipy", "native"}
        SciPy's integrators, or Rodas5P in machine code: many times faster where doses are frequent.
        "auto" takes machine code where more than 50 doses, ends of infusions and switches cut the
        run (and it is available and no `method` is named), else SciPy. Both agree within ten `rtol`.
    method : {"LSODA", "BDF", "Radau"}, optional
        SciPy's integrator; LSODA unless it is named.
    rtol : float
        Relative tolerance of a step.
    atol : float or ndarray, optional
        By default scaled to the size of each state, see `bonepk.engine.flow`.
    max_step : float
        Longest step, in model time.
    max_steps : int
        Most steps between two stored times.
    backend : {"auto", "llvm", "numpy"}
        What the equations run on.

    Returns
    -------
    xarray.Dataset
        Dimension ``time`` in the model's unit with coordinate ``month``; outputs (and states) with
        ``units`` and ``long_name``; attributes with plan, parameters, model hash, version and
        solver. A stored time that coincides with a dose or switch shows the state just before it.

    Raises
    ------
    RegimenError
        If the plan does not fit the model, or no length is given.
    NotFoundError
        If a parameter, input or state is not in the model.
    SolverError
        If the integration stops early.
    """
    plan = plan if plan is not None else Plan()
    if not isinstance(plan, Plan):
        raise RegimenError(Fault("plan", f"a {type(plan).__name__}", "a plan made by bp.every, bp.dose and so on"))
    values = overrides_of(model, parameters, inputs)
    unit = per_day(model.time_unit)
    grid = times_of(unit, plan, years, months, days, times, every)
    regimen = regimen_of(model, plan, grid.tolist(), values)
    begun = initial_of(model, initial)
    timeline = timeline_of(model, regimen, grid, values, begun, history)
    compiled = compiled_for(model, backend=backend)
    p = compiled.parameter_vector(values)
    if engine == "auto":
        engine = "native" if _often_cut(timeline) and compiled.backend == "llvm" and method is None else "scipy"
    method = method or "LSODA"
    trace = integrate(
        compiled,
        p,
        timeline,
        engine=engine,
        method=method,
        rtol=rtol,
        atol=atol,
        max_step=max_step,
        max_steps=max_steps,
        time_unit=model.time_unit,
    )
    about = {
        "plan": repr(plan),
        "doses": regimen.table,
        "parameters": {n: v for n, v in values.items() if n in model.parameter_names},
        "inputs": {n: v for n, v in values.items() if n in model.input_names},
        "initial": begun,
        "start": timeline.start,
        "method": method if engine == "scipy" else "Rodas5P (native)",
        "rtol": rtol,
        "atol": "scaled to each state" if atol is None else np.asarray(atol).tolist(),
    }
    return dataset(model, trace, states, about)


def _often_cut(timeline: Timeline) -> bool:
    """Whether SciPy's integrators would start afresh more than `_CUTS` times."""
    return int(np.count_nonzero(timeline.kind != Kind.RECORD)) > _CUTS


def timeline_of(
    system: System,
    regimen: Regimen,
    grid: NDArray[np.float64],
    values: Mapping[str, float],
    initial: Mapping[str, float],
    history: bool,
) -> Timeline:
    """Lay out what happens to one person, from the start of the model's history or the first event on.

    Raises
    ------
    RegimenError
        If a stored time is before the start of the history, or a dose is not possible at these values.
    """
    start = begin_of(system, regimen, grid, start_of(system, values, history), history)
    timeline = schedule(system, regimen.records, regimen.entries, regimen.tracks, values, start)
    return _started(timeline, system, initial) if initial else timeline


def begin_of(system: System, regimen: Regimen, grid: NDArray[np.float64], start: float, history: bool) -> float:
    """Model time a run begins at, given where the model's history starts.

    Raises
    ------
    RegimenError
        If a stored time is before that.
    """
    if history and system.history_start is not None and len(grid) and grid[0] < min(start, regimen.first):
        unit = per_day(system.time_unit)
        begins = in_words(min(start, regimen.first) / unit)
        found = f"{in_words(grid[0] / unit)} is before the run"
        raise RegimenError(Fault("times", found, f"it starts at {begins}", "ask for later times"))
    return min(start, regimen.first, float(grid[0]) if len(grid) else 0.0)


def initial_of(system: System, given: Mapping[str, float] | None) -> dict[str, float]:
    """Check states given by name."""
    faults = Faults()
    out: dict[str, float] = {}
    for name, value in (given or {}).items():
        if name not in system.state_names:
            faults.add(f"initial '{name}'", f"no such state in '{system.name}'", "", near(name, system.state_names))
        elif not math.isfinite(value):
            faults.add(f"initial '{name}'", f"{value!r}", "a finite number")
        else:
            out[name] = float(value)
    faults.raise_as(NotFoundError)
    return out


def _started(timeline: Timeline, system: System, initial: Mapping[str, float]) -> Timeline:
    """Set states before anything else happens, once inputs have their first values."""
    ops = timeline.ops()
    first = next((i for i, op in enumerate(ops) if op.kind != Kind.INPUT or op.time > timeline.start), len(ops))
    ops[first:first] = [Op(timeline.start, Kind.SET, system.state_names.index(n), v) for n, v in initial.items()]
    return Timeline.build(timeline.start, ops, [timeline.pattern(k) for k in range(len(timeline.pattern_period))])


def times_of(
    unit: float,
    plan: Plan,
    years: float | None,
    months: float | None,
    days: float | None,
    times: Iterable[float | str] | None,
    every: float | str | None,
) -> NDArray[np.float64]:
    """Model times to store, rising and distinct."""
    said = [n for n, v in (("years", years), ("months", months), ("days", days), ("every", every)) if v is not None]
    if times is not None:
        if said:
            raise RegimenError(Fault("times", f"given together with {' and '.join(said)}", "one of them"))
        if isinstance(times, str):
            times = [times]
        grid = np.array([days_of(t, "times") * unit if isinstance(t, str) else float(t) for t in times])
        if grid.ndim != 1 or not np.isfinite(grid).all():
            raise RegimenError(Fault("times", "not a list of finite numbers"))
        return np.unique(grid)
    if years is None and months is None and days is None:
        end = plan.end
        if end <= 0:
            raise RegimenError(Fault("simulate", "no length given", "years=, months=, days= or times="))
    else:
        end = (years or 0.0) * YEAR + (months or 0.0) * MONTH + (days or 0.0)
        if not (math.isfinite(end) and end >= 0):
            raise RegimenError(Fault("simulate", f"a run of {end:g} days", "a length not below 0"))
    if every is not None:
        step = days_of(every, "every")
        if step <= 0:
            raise RegimenError(Fault("every", f"{in_words(step)}", "a spacing above 0"))
    else:
        usual = [s for s in (MONTH, WEEK, 1.0, 1 / 24) if end / s >= (12 if s == MONTH else 24)]
        step = usual[0] if usual else (end / 100 or 1.0)
    grid = step * np.arange(math.floor(end / step + 1e-9) + 1)
    if end - grid[-1] > 1e-9 * max(end, 1.0):
        grid = np.append(grid, end)
    return np.asarray(grid * unit, dtype=np.float64)
