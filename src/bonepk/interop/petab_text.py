"""A calibration problem as PEtab version 2.

The model is SBML. A plan becomes the periods of an experiment: at the time of a dose a condition
raises the state by the dose, an infusion switches a parameter that is added to the state's rate,
and a measured change from baseline gets a parameter that takes the output's value on day 0. Times in the
tables are SBML's: 0 is the moment at which the model's initial state holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bonepk.errors import DataError, Fault, Faults, RegimenError, near
from bonepk.interop.code_text import Code, Dialect
from bonepk.interop.formats import write_whole
from bonepk.interop.names import identifiers, plain
from bonepk.interop.sbml_write import identifiers_of, to_sbml
from bonepk.model.expr import ZERO, Expr, evaluate, num, substitute, sym, symbols_of
from bonepk.model.system import Input, Route, System
from bonepk.simulate.calendar import per_day
from bonepk.simulate.plan import Course, Plan
from bonepk.simulate.regimen import regimen_of

__all__ = ["Estimate", "Experiment", "Measurement", "petab_files", "problem_files", "write_petab"]

_FUNCTIONS = {name: f"{name}({{0}})" for name in ("exp", "log", "sqrt", "abs", "sin", "cos", "tanh")}
_SIGNS = {"add": " + ", "sub": " - ", "mul": "*", "div": "/", "pow": "^"}
PETAB = Dialect(_SIGNS, _FUNCTIONS, "!")


@dataclass(frozen=True)
class Experiment:
    """One arm or person: plan, and values that replace the model's."""

    name: str
    plan: Plan = field(default_factory=Plan)
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """One observed value of an output.

    Attributes
    ----------
    time : float
        Model time.
    error : float
        Standard deviation, in the output's unit; in percent for a change; relative where the
        output is compared on the log scale.
    percent_change : bool
        `value` is the change from day 0 in percent.
    """

    experiment: str
    output: str
    time: float
    value: float
    error: float
    percent_change: bool = False


@dataclass(frozen=True)
class Estimate:
    """One parameter to be estimated; `prior` is (value, sd of the logarithm)."""

    name: str
    start: float
    low: float
    high: float
    prior: tuple[float, float] | None = None


def petab_files(
    system: System,
    experiments: Sequence[Experiment],
    measurements: Sequence[Measurement],
    estimates: Sequence[Estimate],
    *,
    log: Sequence[str] = (),
) -> dict[str, str]:
    """Write a calibration problem as PEtab 2.

    Parameters
    ----------
    system : System
    experiments : sequence of Experiment
    measurements : sequence of Measurement
    estimates : sequence of Estimate
    log : sequence of str
        Outputs compared on the log scale.

    Returns
    -------
    dict of str to str
        Text by file name; the same in every process.

    Raises
    ------
    DataError
        With every unknown name, and all that PEtab cannot say.
    RegimenError
        If a plan does not fit the model.
    """
    return _Writer(system, experiments, measurements, estimates, log).run()


class _Writer:
    def __init__(
        self,
        system: System,
        experiments: Sequence[Experiment],
        measurements: Sequence[Measurement],
        estimates: Sequence[Estimate],
        log: Sequence[str],
    ) -> None:
        self.experiments, self.measurements, self.estimates, self.log = experiments, measurements, estimates, log
        self.source = system
        self._check()
        self.changed = tuple(dict.fromkeys(m.output for m in measurements if m.percent_change))
        self.infused = tuple(dict.fromkeys(r for e in experiments for r in _infused(system, e.plan)))
        self.system = _extended(system, self.infused, self.changed)
        self.ids = identifiers_of(self.system)
        self.code = Code(PETAB, self.ids)
        self.arms = identifiers([e.name for e in experiments])
        self.conditions: list[tuple[str, str, str]] = []
        self.periods: list[tuple[str, float, str]] = []

    def _check(self) -> None:
        faults = Faults()
        system, known = self.source, {*self.source.parameter_names, *self.source.input_names}
        arms = {e.name for e in self.experiments}
        for e in self.experiments:
            for name in e.values:
                if name not in known:
                    faults.add(f"experiment '{e.name}'", f"no parameter or input '{name}'", "", near(name, known))
        for m in self.measurements:
            if m.output not in system.output_names:
                cure = near(m.output, system.output_names)
                faults.add(f"measurement of '{m.output}'", "no such output", "", cure)
            if m.experiment not in arms:
                faults.add(
                    f"measurement of '{m.output}'", f"no experiment '{m.experiment}'", "", near(m.experiment, arms)
                )
            if not (math.isfinite(m.error) and m.error > 0):
                faults.add(f"measurement of '{m.output}'", f"standard deviation {m.error}", "a number above 0")
        history = symbols_of([] if system.history_start is None else [system.history_start])
        for p in self.estimates:
            if p.name not in system.parameter_names:
                faults.add(f"estimate '{p.name}'", "no such parameter", "", near(p.name, system.parameter_names))
            elif p.name in history:
                found = "moves the start of the run, and PEtab's times are counted from there"
                faults.add(f"estimate '{p.name}'", found, "a parameter that does not")
            if not p.low <= p.start <= p.high:
                faults.add(f"estimate '{p.name}'", f"start {p.start:g} outside [{p.low:g}, {p.high:g}]")
        faults.raise_as(DataError)

    def run(self) -> dict[str, str]:
        for e in self.experiments:
            self._experiment(e)
        model = to_sbml(self.system)
        observables, measured = self._measured()
        return {
            "problem.yaml": _YAML,
            "model.xml": model,
            "parameters.tsv": self._parameters(),
            "observables.tsv": observables,
            "conditions.tsv": _table(("conditionId", "targetId", "targetValue"), self.conditions),
            "experiments.tsv": _table(("experimentId", "time", "conditionId"), self.periods),
            "measurements.tsv": measured,
        }

    def start(self, e: Experiment) -> float:
        """Model time at which SBML's time is 0."""
        system = self.source
        if system.history_start is None:
            return 0.0
        flat = substitute([system.history_start], system.definitions)
        return float(evaluate(flat, {**system.values, **e.values})[0])

    def _experiment(self, e: Experiment) -> None:
        begin, arm = self.start(e), self.arms[e.name]
        changes: dict[float, dict[str, Expr]] = {begin: {n: num(v) for n, v in e.values.items()}}
        self._plan(e, changes)
        if self.changed:
            at = changes.setdefault(0.0, {})
            at |= {_baseline(o): self._output(o) for o in self.changed}
        if min(changes) < begin:
            found = f"a dose or switch at {min(changes):g}, before the run starts at {begin:g}"
            raise RegimenError(Fault(f"experiment '{e.name}'", found, "a plan that starts later"))
        first = dict(zip(self.system.state_names, self.system.flat_initial, strict=True))
        for i, time in enumerate(sorted(changes)):
            entries = changes[time]
            name = f"{arm}_{i}" if entries else ""
            self.periods.append((arm, time - begin, name))
            for target, value in entries.items():
                # a state raised at the very start is raised from its initial value
                value = substitute([value], first)[0] if time == begin and target in first else value
                self.conditions.append((name, self.ids[target], self._formula(e, value)))

    def _formula(self, e: Experiment, value: Expr) -> str:
        try:
            return self.code.text(value)
        except KeyError as missing:
            raise DataError(Fault(f"experiment '{e.name}'", f"PEtab has no function {missing}")) from None

    def _output(self, name: str) -> Expr:
        return next(o.expr for o in self.source.outputs if o.name == name)

    def _plan(self, e: Experiment, changes: dict[float, dict[str, Expr]]) -> None:
        system, unit = self.source, per_day(self.source.time_unit)
        regimen = regimen_of(system, e.plan, [], dict(e.values))
        rates: dict[str, list[tuple[float, Expr]]] = {}
        for course, row in zip(e.plan.courses, regimen.table, strict=True):
            route = _route(system, course, str(row["route"]))
            amount = float(str(row["amount"])) * route.scale
            lag = self._number(e, route, route.lag)
            length = _length(course, unit)
            share = course.length / course.interval if course.spread else 1.0
            given = num(amount * share) * route.bioavailability
            for day in [course.start] if course.spread else course.times.tolist():
                at = day * unit + lag
                if length is None:
                    entry = changes.setdefault(at, {})
                    entry[route.into] = entry.get(route.into, sym(route.into)) + given
                else:
                    speed = given / num(length)
                    rates.setdefault(route.into, []).extend([(at, speed), (at + length, -speed)])
        for state, steps in rates.items():
            running: list[Expr] = []
            for at, speed in sorted(steps, key=lambda s: s[0]):
                if -speed in running:
                    running.remove(-speed)
                else:
                    running.append(speed)
                total = ZERO
                for one in running:
                    total = total + one
                changes.setdefault(at, {})[_infusion(state)] = total
        for s in sorted(e.plan.switches, key=lambda s: s.start):
            changes.setdefault(s.start * unit, {})[s.name] = num(s.value)
            usual = float(e.values.get(s.name, system.values[s.name]))
            if math.isfinite(s.stop):
                changes.setdefault(s.stop * unit, {}).setdefault(s.name, num(usual))

    def _number(self, e: Experiment, route: Route, expr: Expr) -> float:
        (flat,) = substitute([expr], self.source.definitions)
        free = symbols_of([flat]) & {p.name for p in self.estimates}
        if free:
            found = f"lag of '{route.name}' depends on {', '.join(map(repr, sorted(free)))}, which is estimated"
            raise DataError(Fault(f"experiment '{e.name}'", found, "times that are known"))
        return float(evaluate([flat], {**self.source.values, **e.values})[0])

    def _measured(self) -> tuple[str, str]:
        keys = list(dict.fromkeys((m.output, m.percent_change) for m in self.measurements))
        names = {key: f"observable_{plain(key[0], '__')}" + ("_change" if key[1] else "") for key in keys}
        units = {o.name: o for o in self.source.outputs}
        rows = []
        for key in keys:
            output, change = key
            formula = self.ids[f"output {output}"]
            formula = f"100*({formula}/{self.ids[_baseline(output)]} - 1)" if change else formula
            noise = f"noise_{names[key]}"
            distribution = "log-normal" if output in self.log and not change else "normal"
            rows.append((names[key], units[output].label, formula, noise, distribution, noise))
        columns = ("observableId", "observableName", "observableFormula", "noiseFormula", "noiseDistribution")
        observables = _table((*columns, "noisePlaceholders"), rows)
        starts = {e.name: self.start(e) for e in self.experiments}
        data = [
            (
                names[m.output, m.percent_change],
                self.arms[m.experiment],
                m.time - starts[m.experiment],
                m.value,
                m.error,
            )
            for m in self.measurements
        ]
        return observables, _table(("observableId", "experimentId", "time", "measurement", "noiseParameters"), data)

    def _parameters(self) -> str:
        columns = ("parameterId", "parameterName", "lowerBound", "upperBound", "nominalValue", "estimate")
        rows = []
        for p in self.estimates:
            prior = ("log-normal", f"{math.log(p.prior[0])!r};{p.prior[1]!r}") if p.prior else ("", "")
            rows.append((self.ids[p.name], p.name, p.low, p.high, p.start, "true", *prior))
        return _table((*columns, "priorDistribution", "priorParameters"), rows)


_YAML = """format_version: "2.0.0"
model_files:
  model:
    location: model.xml
    language: sbml
parameter_files: [parameters.tsv]
observable_files: [observables.tsv]
condition_files: [conditions.tsv]
experiment_files: [experiments.tsv]
measurement_files: [measurements.tsv]
"""


def _table(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    def cell(value: Any) -> str:
        return repr(float(value)) if isinstance(value, float) else " ".join(str(value).split())

    return "\n".join("\t".join(map(cell, row)) for row in (columns, *rows)) + "\n"


def _infusion(state: str) -> str:
    return f"infusion.{state}"


def _baseline(output: str) -> str:
    return f"baseline.{output}"


def _extended(system: System, infused: Sequence[str], changed: Sequence[str]) -> System:
    """Add an input for each infused state and each output measured as a change."""
    units = {s.name: s.unit for s in system.states}
    outputs = {o.name: o.unit for o in system.outputs}
    extra = [Input(_infusion(s), 0.0, f"({units[s]})/({system.time_unit})", f"infusion into {s}") for s in infused]
    extra += [Input(_baseline(o), 1.0, outputs[o] or "1", f"{o} on day 0") for o in changed]
    rates = tuple(
        r + sym(_infusion(s.name)) if s.name in infused else r for s, r in zip(system.states, system.rates, strict=True)
    )
    return replace(system, inputs=(*system.inputs, *extra), rates=rates)


def _route(system: System, course: Course, bare: str) -> Route:
    named = [r for r in system.routes if r.name.rpartition(".")[2] == bare]
    return next((r for r in named if r.drug == course.drug), named[0])


def _length(course: Course, unit: float) -> float | None:
    if course.spread:
        return course.length * unit
    return course.over * unit if course.over else None


def _infused(system: System, plan: Plan) -> list[str]:
    """States that a plan's infusions enter."""
    table = regimen_of(system, plan, [], {}).table
    found = []
    for course, row in zip(plan.courses, table, strict=True):
        route = _route(system, course, str(row["route"]))
        if not course.spread and not course.over and (route.duration is not None or route.rate is not None):
            text = f"'{route.name}' has a modelled duration or rate"
            raise DataError(Fault(f"course of '{course.drug}'", text, "PEtab takes given times: state over="))
        if course.spread or course.over:
            found.append(route.into)
    return found


def problem_files(problem: Any) -> dict[str, str]:
    """Write a problem of `bonepk.infer` that fits a data table as PEtab 2.

    Parameters
    ----------
    problem : bonepk.infer.problem.Problem
        Its predictor is a `bonepk.infer.table.Table`.

    Returns
    -------
    dict of str to str
        As `petab_files`.

    Raises
    ------
    DataError
        With everything PEtab cannot say: effects from block to block, correlated errors, robust
        losses, parameters tied to one another, priors on the logit scale.
    """
    table = problem.predictor
    faults = Faults()
    place = str(problem.place)
    if not hasattr(table, "subjects"):
        faults.add(place, "rows of trials, each a mean of many people", "a data table")
    if problem.effects:
        faults.add(place, "effects from block to block", "none")
    if problem.errors:
        faults.add(place, f"error models of {', '.join(sorted(problem.errors))}", "standard errors of the rows only")
    if problem.loss.name != "linear":
        faults.add(place, f"loss '{problem.loss.name}'", "a sum of squares")
    for p in problem.free:
        if p.also:
            faults.add(f"{place} '{p.name}'", f"tied to {', '.join(p.also)}", "one parameter each")
        if p.prior is not None and p.scale != "log":
            faults.add(f"{place} '{p.name}'", f"a prior on the {p.scale} scale", "the log scale")
    faults.raise_as(DataError)
    rows = []
    for s in table.subjects:
        for time, output, value, se, kind in s.rows:
            logged = output in table.log and kind == "level"
            error = math.hypot(table.add, table.proportional * abs(value)) if se is None else se
            rows.append(
                Measurement(s.name, output, time, value, error / value if logged else error, kind == "percent_change")
            )
    estimates = [
        Estimate(p.name, p.start, p.low, p.high, (p.prior.value, p.prior.sd) if p.prior else None) for p in problem.free
    ]
    experiments = [Experiment(s.name, s.plan, s.parameters) for s in table.subjects]
    return petab_files(table.system, experiments, rows, estimates, log=table.log)


def write_petab(files: Mapping[str, str], folder: str | Path) -> Path:
    """Write the files of a PEtab problem into a folder and return the path of ``problem.yaml``.

    Raises
    ------
    DataError
        If the folder cannot be written to.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(Fault(str(target), f"cannot be made ({error.strerror})")) from None
    for name in sorted(files, key=lambda n: n == "problem.yaml"):  # the file that names the others comes last
        write_whole(files[name], target / name)
    return target / "problem.yaml"
