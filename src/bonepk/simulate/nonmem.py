"""Data sets in NONMEM's format: checked as a whole, then run subject by subject."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.integrate import integrate_many
from bonepk.engine.timeline import Timeline
from bonepk.errors import DataError, Fault, NotFoundError, RegimenError, near
from bonepk.model.system import System
from bonepk.simulate.calendar import per_day
from bonepk.simulate.compartments import compartments, dose_factors
from bonepk.simulate.covariates import RULES, Track
from bonepk.simulate.entries import Entry
from bonepk.simulate.events import Record, schedule
from bonepk.simulate.record_checks import Columns, check_records, read_columns
from bonepk.simulate.result import attributes, labelled
from bonepk.simulate.run import compiled_for, overrides_of
from bonepk.simulate.table import RowFaults, Table, read_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Runs", "Subject", "own_values", "read_nonmem", "simulate_records"]


@dataclass(frozen=True, eq=False)
class Subject:
    """Records of one individual.

    Attributes
    ----------
    id : object
        As in the table.
    records : tuple of Record
        In file order; `Record.source` is the row of the table, `Record.row` the place among `rows`.
    tracks : tuple of Track
        Covariates.
    rows : ndarray of int
        Rows of the table (from 1) that are reported.
    """

    id: Any
    records: tuple[Record, ...]
    tracks: tuple[Track, ...]
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Runs:
    """A checked data set, ready to simulate.

    Attributes
    ----------
    system : System
    subjects : tuple of Subject
    entries : tuple of Entry
        Ways in that the records' doses take.
    rules : dict of str to str
        Rule of each covariate.
    """

    system: System
    subjects: tuple[Subject, ...]
    entries: tuple[Entry, ...]
    rules: Mapping[str, str]

    def timeline(self, place: int, parameters: Mapping[str, float] | None = None) -> Timeline:
        """Timeline of one subject (by its place), at parameters that may differ from the model's."""
        subject = self.subjects[place]
        return schedule(self.system, subject.records, self.entries, subject.tracks, parameters)


def read_nonmem(
    data: Any,
    system: System,
    cmt: Mapping[int | str, str] | Sequence[str] | None = None,
    covariate_rules: Mapping[str, str] | str = "nocb",
    *,
    amount_unit: str | None = None,
    time_unit: str | None = None,
    rows: str = "observations",
    ignore: str = "#",
) -> Runs:
    """Read a data set in NONMEM's format.

    Columns: ``ID``, ``TIME``, and ``EVID`` or ``AMT``; as needed ``CMT``, ``RATE``, ``II``,
    ``ADDL``, ``SS``; and covariates, which are columns named as inputs of the model. Other
    columns are left alone. Upper or lower case does not matter. Rows of one ID are taken together,
    in file order; IDs need not be sorted.

    Parameters
    ----------
    data : path, data frame, or mapping of columns
    system : System
    cmt : mapping or sequence, optional
        What the values of CMT mean: ``{1: "depot", 2: "central"}``, or names for 1, 2, ... Names
        are routes or states of the model; a state that one route leads into takes that route's
        bioavailability, lag, duration and rate. By default the states in order. A missing CMT, or 0,
        is the first.
    covariate_rules : str or mapping of str to str
        ``"nocb"`` (NONMEM's), ``"locf"`` or ``"linear"``, for all or by name.
    amount_unit : str, optional
        Unit of AMT (and, per time, of RATE); by default that of the route or state.
    time_unit : str, optional
        Unit of TIME and II (and RATE); by default the model's.
    rows : {"observations", "all"}
        Which records to report: those with EVID 0, or every one (after it has acted).
    ignore : str
        Lines of a file that begin with this are skipped; ``"@"`` skips, as in NONMEM, every line
        after the header that begins with a letter or @.

    Returns
    -------
    Runs

    Raises
    ------
    DataError
        With every fault of the table: row, column, reason and cure.
    """
    table = read_table(data, ignore)
    if not table.rows:
        raise DataError(Fault("data", "has no rows", "one row a record"))
    faults = RowFaults()
    if rows not in ("observations", "all"):
        raise DataError(Fault("rows", f"'{rows}'", "'observations' or 'all'"))
    entries, numbers, unclear = compartments(system, cmt, faults)
    columns = read_columns(table, faults)
    if columns is None:
        faults.raise_all()
        raise AssertionError("unreachable: missing columns are faults")
    rules = _rules(table, system, covariate_rules, faults)
    covariates = {
        name: table.numbers(str(table.find(name)), faults, missing=None) for name in rules if table.find(name)
    }
    place = check_records(columns, entries, numbers, unclear, faults)
    factors = dose_factors(system, columns, place, entries, amount_unit, faults)
    clock = _clock(system, time_unit, faults)
    faults.raise_all()
    rows_of: dict[Any, list[int]] = {}
    for i, name in enumerate(columns.id):
        rows_of.setdefault(name, []).append(i)
    subjects = []
    for name, at in rows_of.items():
        subjects.append(_subject(name, at, columns, place, factors, clock, rows == "all", system, rules, covariates))
    return Runs(system, tuple(subjects), tuple(entries), rules)


def _clock(system: System, time_unit: str | None, faults: RowFaults) -> float:
    """Model time units in one unit of TIME."""
    try:
        return per_day(system.time_unit) / per_day(time_unit) if time_unit else 1.0
    except RegimenError:
        faults.add(0, "time_unit", f"'{time_unit}' is not known", "second, minute, hour, day, week, month or year")
        return 1.0


def _rules(table: Table, system: System, asked: Mapping[str, str] | str, faults: RowFaults) -> dict[str, str]:
    """Rule of every covariate the table has."""
    found = [name for name in system.input_names if table.find(name)]
    if isinstance(asked, str):
        rules = dict.fromkeys(found, asked)
    else:
        rules = {name: asked.get(name, "nocb") for name in found}
        for name in asked:
            if name not in system.input_names:
                faults.add(0, f"covariate '{name}'", "is no input of the model", "", near(name, system.input_names))
            elif name not in found:
                faults.add(0, f"covariate '{name}'", "is no column of the table", "", near(name, table.names))
    if isinstance(asked, str) and not found and asked not in RULES:
        faults.add(0, "covariate_rules", f"'{asked}'", f"one of {', '.join(RULES)}", near(asked, RULES))
    for name, rule in rules.items():
        if rule not in RULES:
            faults.add(0, f"covariate '{name}'", f"rule '{rule}'", f"one of {', '.join(RULES)}", near(rule, RULES))
    return rules


def _subject(
    name: Any,
    at: Sequence[int],
    c: Columns,
    place: NDArray[np.int64],
    factors: Sequence[float],
    clock: float,
    everything: bool,
    system: System,
    rules: Mapping[str, str],
    covariates: Mapping[str, NDArray[np.float64]],
) -> Subject:
    records: list[Record] = []
    reported: list[int] = []
    for i in at:
        row = -1
        if everything or c.evid[i] == 0:
            row = len(reported)
            reported.append(i + 1)
        entry = int(place[i])
        dosed = c.evid[i] in (1, 4)
        factor = factors[entry] if dosed else 1.0
        rate = float(c.rate[i])
        records.append(
            Record(
                time=float(c.time[i]) * clock,
                evid=int(c.evid[i]),
                amount=float(c.amt[i]) * factor,
                rate=rate * factor / clock if rate > 0 else rate,
                ii=float(c.ii[i]) * clock,
                addl=int(c.addl[i]),
                ss=int(c.ss[i]),
                entry=entry if dosed else -1,
                switch=int(c.switch[i]),
                row=row,
                source=i + 1,
            )
        )
    times = np.array([r.time for r in records])
    tracks = tuple(
        Track(system.input_names.index(n), rule, np.arange(len(at)), times, covariates[n][list(at)])
        for n, rule in rules.items()
    )
    return Subject(name, tuple(records), tracks, np.array(reported, dtype=np.int64))


def simulate_records(
    runs: Runs,
    *,
    parameters: Mapping[str, float] | Mapping[Any, Mapping[str, float]] | None = None,
    states: bool = True,
    engine: str = "scipy",
    method: str = "LSODA",
    rtol: float = 1e-8,
    atol: float | NDArray[np.float64] | None = None,
    max_step: float = math.inf,
    max_steps: int = 100_000,
    backend: str = "auto",
) -> xr.Dataset:
    """Simulate every subject of a data set.

    Parameters
    ----------
    runs : Runs
        From `read_nonmem`.
    parameters : mapping, optional
        Values that replace the model's, for everyone (``{"CL": 4}``) or by ID (``{7: {"CL": 4}}``).
    states : bool
        Report the states as well as the outputs.
    engine, method, rtol, atol, max_step, max_steps, backend
        As for `bonepk.simulate`.

    Returns
    -------
    xarray.Dataset
        Dimension ``record``, one entry for each reported row in the order of the table, with
        coordinates ``row`` (of the table, from 1), ``id`` and ``time``; outputs, states, and
        the covariates as they were used.

    Raises
    ------
    SolverError
        If an integration stops early; the message names the subject.
    NotFoundError
        If a parameter, or an ID that `parameters` gives values for, does not exist.
    """
    import xarray as xr

    system = runs.system
    _check_ids(parameters, [subject.id for subject in runs.subjects])
    linear = tuple(n for n, rule in runs.rules.items() if rule == "linear")
    compiled = compiled_for(system, linear, backend)
    vectors, timelines = [], []
    for place, subject in enumerate(runs.subjects):
        values = overrides_of(system, own_values(parameters, subject.id), None)
        timelines.append(runs.timeline(place, values))
        vectors.append(compiled.parameter_vector(values))
    traces = integrate_many(
        compiled,
        vectors,
        timelines,
        [f"ID {subject.id}" for subject in runs.subjects],
        engine=engine,
        method=method,
        rtol=rtol,
        atol=atol,
        max_step=max_step,
        max_steps=max_steps,
        time_unit=system.time_unit,
    )
    rows = np.concatenate([s.rows for s in runs.subjects]) if runs.subjects else np.empty(0, dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    ids = np.array([s.id for s in runs.subjects for _ in s.rows])

    def stacked(pick: str) -> NDArray[np.float64]:
        return np.asarray(np.concatenate([getattr(t, pick) for t in traces])[order])

    columns = labelled(system, "record", stacked("outputs"), stacked("y") if states else None)
    used = stacked("inputs")
    for name in runs.rules:
        j = system.input_names.index(name)
        columns.setdefault(name, ("record", used[:, j], {"units": system.inputs[j].unit, "long_name": name}))
    coords = {
        "row": ("record", rows[order], {"long_name": "row of the data set, from 1"}),
        "id": ("record", ids[order]),
        "time": ("record", stacked("t"), {"units": system.time_unit}),
    }
    about = {
        "covariate_rules": dict(runs.rules),
        "method": method if engine == "scipy" else "Rodas5P (native)",
        "rtol": rtol,
    }
    return xr.Dataset(columns, coords=coords, attrs=attributes(system, about))


def _check_ids(parameters: Mapping[Any, Any] | None, ids: Sequence[Any]) -> None:
    """Raise NotFoundError for values given to individuals who are not there."""
    given = [key for key, value in (parameters or {}).items() if isinstance(value, Mapping)]
    known = [str(name) for name in ids]
    faults = [
        Fault("parameters", f"ID {key}", "an ID of the data set", near(str(key), known))
        for key in given
        if key not in ids
    ]
    if given and len(given) < len(parameters or {}):
        faults.append(Fault("parameters", "values by name beside values by ID", "the one or the other"))
    if faults:
        raise NotFoundError(faults)


def own_values(
    parameters: Mapping[str, float] | Mapping[Any, Mapping[str, float]] | None, subject: Any
) -> Mapping[str, float] | None:
    """Values of one subject, from those for everyone or by ID."""
    if not parameters:
        return None
    if all(isinstance(v, Mapping) for v in parameters.values()):
        return cast("Mapping[Any, Mapping[str, float]]", parameters).get(subject)
    return cast("Mapping[str, float]", parameters)
