"""A user's own data: a CSV of arms or persons, plans in words, any model."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk import diskcache
from bonepk.errors import DataError, Fault, Faults, RegimenError, near
from bonepk.infer.predictor import DERIVATIVES, check_derivatives, slopes_as
from bonepk.infer.rows import Block, Row
from bonepk.infer.runs import Runner
from bonepk.model import System, load
from bonepk.simulate.calendar import MONTH, days_of, per_day
from bonepk.simulate.plan import Plan
from bonepk.study.fields import Fields
from bonepk.study.trial_text import read_plan

__all__ = ["Subject", "Table", "read_table"]

FloatArray = NDArray[np.float64]

_COLUMNS = ("id", "time", "output", "value", "se", "kind")
_KINDS = ("level", "percent_change")


@dataclass(frozen=True)
class Subject:
    """One arm or person: plan, own parameters, and rows of the table.

    `rows` are (model time, output, value, standard error or None, kind).
    """

    name: str
    plan: Plan
    parameters: Mapping[str, float]
    rows: tuple[tuple[float, str, float, float | None, str], ...]


@dataclass(frozen=True)
class Table:
    """Rows of a data table and their predictions; a `Predictor` with derivatives.

    Attributes
    ----------
    model : str
    drugs : tuple of str
    subjects : tuple of Subject
    log : tuple of str
        Outputs compared on the log scale.
    add, proportional : float
        Standard error of a value without one: ``sqrt(add^2 + (proportional*value)^2)``.
    parameters : mapping of str to float
        Values over the model's that are not fitted.
    rtol : float
    derivatives : {"differences", "exact"}
        As of `bonepk.infer.trials.Trials`.
    """

    model: str
    drugs: tuple[str, ...]
    subjects: tuple[Subject, ...]
    log: tuple[str, ...] = ()
    add: float = 0.0
    proportional: float = 0.0
    parameters: Mapping[str, float] = field(default_factory=dict)
    rtol: float = 1e-7
    derivatives: str = DERIVATIVES[0]

    def __post_init__(self) -> None:
        check_derivatives(self.derivatives)

    def __getstate__(self) -> dict[str, Any]:
        """Leave compiled code behind: a worker makes its own."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    @cached_property
    def system(self) -> System:
        """The composed model."""
        return load(self.model, drugs=list(self.drugs), parameters=dict(self.parameters))

    @cached_property
    def _runners(self) -> dict[str, tuple[Runner, FloatArray]]:
        made = {}
        for s in self.subjects:
            times = np.unique([0.0, *(r[0] for r in s.rows)])
            made[s.name] = (Runner(self.system, [(s.plan, dict(s.parameters))], [times], self.rtol), times)
        return made

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """A block for each subject."""
        month = MONTH * per_day(self.system.time_unit)
        made = []
        for s in self.subjects:
            rows = []
            for time, output, value, se, kind in s.rows:
                logged = output in self.log and kind == "level"
                error = math.hypot(self.add, self.proportional * abs(value)) if se is None else se
                rows.append(
                    Row(
                        output=output,
                        value=math.log(value) if logged else value,
                        se=error / value if logged else error,
                        arm=s.name,
                        month=time / month,
                        label=f"{s.name} {output} at {time:g}",
                    )
                )
            made.append(Block(s.name, tuple(rows)))
        return tuple(made)

    @cached_property
    def defaults(self) -> dict[str, float]:
        """Parameters of the model."""
        return {p.name: p.value for p in self.system.parameters}

    @property
    def units(self) -> dict[str, str]:
        """Unit of every parameter."""
        return {p.name: p.unit for p in self.system.parameters}

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return self.system.name

    @property
    def model_hash(self) -> str:
        """Hash of the composed model."""
        return self.system.hash

    @property
    def evidence_hash(self) -> str:
        """Hash of plans and rows."""
        return diskcache.key_of(*(repr(s) for s in self.subjects))

    @property
    def fingerprint(self) -> str:
        """Hash of model, data and settings."""
        settings = repr((self.log, self.add, self.proportional, self.rtol))
        more = (
            [] if self.derivatives == DERIVATIVES[0] else [self.derivatives]
        )  # keys of older fits stay what they were
        return diskcache.key_of(self.model_hash, self.evidence_hash, settings, *more)

    def uses(self, block: str, name: str) -> bool:
        """Whether a parameter can change the predictions of a subject."""
        return self._runners[block][0].sets(name)

    def predict(self, block: str, values: Mapping[str, float]) -> FloatArray:
        """Predictions for the rows of a subject."""
        return np.asarray(self._expressed(block, [values])[0])

    def jacobian(self, block: str, values: Mapping[str, float], names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Predictions and derivatives, as `derivatives` says."""
        used = [n for n in names if self.uses(block, n)]
        return slopes_as(
            self.derivatives,
            lambda: self._exact(block, values, names, used),
            lambda every: self._expressed(block, every),
            values,
            names,
            used,
        )

    def _exact(
        self, name: str, values: Mapping[str, float], names: Sequence[str], used: Sequence[str]
    ) -> tuple[FloatArray, FloatArray]:
        (levels,), (slopes,) = self._runners[name][0].slopes(values, used)
        made, by = [], np.zeros((len(self._subject(name).rows), len(names)))
        at = [names.index(n) for n in used]
        for row, (now, then, i, how) in enumerate(self._places(name)):
            value, by_now, by_then = _expressed(levels[now, i], levels[then, i], how)
            made.append(value)
            by[row, at] = by_now * slopes[now, i] + by_then * slopes[then, i]
        return np.array(made), by

    def _expressed(self, name: str, values: Sequence[Mapping[str, float]]) -> FloatArray:
        (levels,) = self._runners[name][0].outputs(values)
        columns = [
            _expressed(levels[:, now, i], levels[:, then, i], how)[0] for now, then, i, how in self._places(name)
        ]
        return np.array(columns).T

    def _subject(self, name: str) -> Subject:
        return next(s for s in self.subjects if s.name == name)

    def _places(self, name: str) -> list[tuple[int, int, int, str]]:
        """For each row its place in time, that of time 0, the output's, and how the value is expressed."""
        times, made = self._runners[name][1], []
        start = int(np.searchsorted(times, 0.0))
        for time, output, _, _, kind in self._subject(name).rows:
            how = "log" if kind == "level" and output in self.log else kind
            made.append((int(np.searchsorted(times, time)), start, self.system.output_names.index(output), how))
        return made


def _expressed(now: FloatArray, then: FloatArray, how: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Express levels at a time and at time 0 as a row does, with the derivatives by both."""
    none, one = np.zeros_like(now), np.ones_like(now)
    if how == "percent_change":
        return 100 * (now / then - 1), 100 / then, -100 * now / then**2
    if how == "log":
        least = np.maximum(now, 1e-300)
        return np.log(least), np.where(now > 1e-300, 1 / least, none), none
    return now, one, none


def read_table(
    table: Fields, model: str, fixed: Mapping[str, float], folder: Path, derivatives: str = DERIVATIVES[0]
) -> Table | None:
    """Read the ``[data]`` of a problem file that names a CSV.

    Returns
    -------
    Table or None
        None if a fault was noted in the collector of `table`.
    """
    faults = table.faults
    name, drugs = table.text("table", required=True), table.texts("drugs")
    unit = table.text("time_unit") or ""
    log = table.texts("log")
    add, proportional = table.number("add", low=0) or 0.0, table.number("proportional", low=0) or 0.0
    plans = {
        key: one for key in table.table("subjects", required=True).data for one in [table.table("subjects").table(key)]
    }
    read: dict[str, tuple[Plan, dict[str, float]]] = {}
    system = load(str(folder / model) if model.endswith(".toml") else model, drugs=list(drugs))
    routes = {r.drug or r.name for r in system.routes}
    for key, one in plans.items():
        own = one.table("parameters")
        numbers = {k: own.number(k) for k in own.data}
        read[key] = (
            read_plan(one, "regimen", drugs=sorted(routes)),
            {k: v for k, v in numbers.items() if v is not None},
        )
        for k in numbers:
            if k not in system.parameter_names and k not in system.input_names:
                faults.add(own.place(k), f"unknown parameter '{k}'", near(k, system.parameter_names))
        one.close()
    table.close()
    rows = _csv_rows(folder / name, system, read, log, faults)
    if len(faults):
        return None
    scale = 1.0 if not unit else _scale(unit, system, table)
    subjects = tuple(
        Subject(key, plan, own, tuple((r[0] * scale, *r[1:]) for r in rows[key]))
        for key, (plan, own) in read.items()
        if rows[key]
    )
    path = str(folder / model) if model.endswith(".toml") else model
    made = Table(path, drugs, subjects, log, add, proportional, dict(fixed), derivatives=derivatives)
    return made if not len(faults) else None


def _scale(unit: str, system: System, table: Fields) -> float:
    try:
        return days_of(f"1 {unit}", "time_unit") * per_day(system.time_unit)
    except RegimenError as error:
        table.faults.add(table.place("time_unit"), str(error))
        return 1.0


def _csv_rows(
    path: Path, system: System, subjects: Mapping[str, Any], log: Sequence[str], faults: Faults
) -> dict[str, list[tuple[float, str, float, float | None, str]]]:
    rows: dict[str, list[tuple[float, str, float, float | None, str]]] = {name: [] for name in subjects}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(Fault(str(path), f"cannot be read: {error.strerror}")) from None
    lines = text.splitlines()
    begin = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)  # comments may stand on top
    reader = csv.DictReader(lines[begin:])
    header = [c.strip().lower() for c in reader.fieldnames or []]
    top = f"{path}:{begin + 1}"
    for column in ("id", "time", "output", "value"):
        if column not in header:
            faults.add(top, f"no column '{column}'", near(column, header) or f"found {', '.join(header)}")
    for column in header:
        if column not in _COLUMNS:
            faults.add(top, f"unknown column '{column}'", near(column, _COLUMNS) or ", ".join(_COLUMNS))
    if len(faults):
        return rows
    for number, raw in enumerate(reader, start=begin + 2):
        place = f"{path}:{number}"
        row = {str(k).strip().lower(): (v or "").strip() for k, v in raw.items()}
        time, value = _number(row["time"], place, "time", faults), _number(row["value"], place, "value", faults)
        se = _number(row["se"], place, "se", faults) if row.get("se") else None
        kind = row.get("kind") or "level"
        if row["id"] not in rows:
            faults.add(place, f"unknown id '{row['id']}'", near(row["id"], rows) or "add it to [data.subjects]")
        if row["output"] not in system.output_names:
            cure = near(row["output"], system.output_names) or f"outputs are {', '.join(system.output_names)}"
            faults.add(place, f"'{row['output']}' is no output of '{system.name}'", cure)
        if kind not in _KINDS:
            faults.add(place, f"unknown kind '{kind}'", near(kind, _KINDS) or "one of " + ", ".join(_KINDS))
        if row["output"] in log and value is not None and value <= 0:
            faults.add(place, f"value {value:g} of '{row['output']}'", "expected more than 0 on the log scale")
        if row["id"] in rows and time is not None and value is not None:
            rows[row["id"]].append((time, row["output"], value, se, kind))
    return rows


def _number(text: str, place: str, what: str, faults: Faults) -> float | None:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.add(place, f"{what} '{text}'", "expected a finite number")
        return None
    return value
