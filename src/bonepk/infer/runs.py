"""Runs of one model under several plans, for many parameter vectors at once.

What does not change during a search is done once: composition, machine code, and each plan's timeline (again only when
a value it depends on moves, such as a bioavailability or the start of the history).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.batch import integrate_batch
from bonepk.engine.integrate import integrate
from bonepk.engine.sensitivity import integrate_sensitivity
from bonepk.engine.timeline import Timeline
from bonepk.errors import DataError, Fault, SolverError
from bonepk.model.expr import Expr, substitute, symbols_of
from bonepk.model.system import System
from bonepk.simulate.cuts import crossings
from bonepk.simulate.events import schedule
from bonepk.simulate.graded_line import GradedLine, lay_out
from bonepk.simulate.plan import Plan
from bonepk.simulate.regimen import Regimen, regimen_of
from bonepk.simulate.run import compiled_for, start_of
from bonepk.simulate.slopes import graded_start

__all__ = ["Runner"]

FloatArray = NDArray[np.float64]


class Runner:
    """Plans on one model, ready to run.

    Parameters
    ----------
    system : System
    plans : sequence of (Plan, mapping)
        Each with the parameters it sets itself.
    times : sequence of ndarray
        Model times each plan is asked for, rising.
    rtol : float
    """

    def __init__(
        self,
        system: System,
        plans: Sequence[tuple[Plan, Mapping[str, float]]],
        times: Sequence[FloatArray],
        rtol: float,
    ) -> None:
        self.system = system
        self._compiled = compiled_for(system)
        self._own = [dict(own) for _, own in plans]
        self._times = list(times)
        self._rtol = rtol
        self._regimens: list[Regimen] = [
            regimen_of(system, plan, at.tolist(), own) for (plan, own), at in zip(plans, self._times, strict=True)
        ]
        self._place = {name: i for i, name in enumerate((*system.parameter_names, *system.input_names))}
        self._base = [self._compiled.parameter_vector(own) for own in self._own]
        self._decisive_names = _decisive(system)
        self._decisive = np.array([self._place[name] for name in self._decisive_names], dtype=np.intp)
        self._lines: dict[tuple[int, bytes], Timeline] = {}
        moments = symbols_of(crossings(system))
        self._moving = np.array([i for name, i in self._place.items() if name in moments], dtype=np.intp)
        self._graded: dict[tuple[int, tuple[str, ...], bytes], GradedLine] = {}

    def sets(self, name: str) -> bool:
        """Whether a parameter (or an addition to one) has an effect here: known, and not set by every plan itself."""
        if name.startswith("+"):
            return name[1:] in self._place
        return name in self._place and any(name not in own for own in self._own)

    def outputs(self, values: Sequence[Mapping[str, float]]) -> list[FloatArray]:
        """Run every plan with every mapping of values.

        A name starting with ``+`` is added to what the plan (or the model) has; other names are overridden by what a
        plan sets itself. Unknown names are left out.

        Returns
        -------
        list of ndarray
            One for each plan, shape (values, times, outputs).

        Raises
        ------
        SolverError
            If a run stops early.
        """
        people, lines = [], []
        for k in range(len(self._own)):
            for given in values:
                vector = self._vector(k, given)
                people.append(vector)
                lines.append(self._line(k, vector))
        made = self._run(np.array(people), lines)
        parts, at = [], 0
        for times in self._times:
            size = len(values) * len(times)
            parts.append(made[at : at + size].reshape(len(values), len(times), -1))
            at += size
        return parts

    def slopes(self, values: Mapping[str, float], names: Sequence[str]) -> tuple[list[FloatArray], list[FloatArray]]:
        """Run every plan once, its derivatives carried along.

        Parameters
        ----------
        values : mapping of str to float
            As of `outputs`.
        names : sequence of str
            What to differentiate by, as in `values`.

        Returns
        -------
        outputs : list of ndarray
            One for each plan, shape (times, outputs).
        slopes : list of ndarray
            Derivatives of the computed runs by `names`, shape (times, outputs, names).

        Raises
        ------
        DataError
            If there is no machine code.
        SolverError
            If a run stops early.
        """
        if self._compiled.backend != "llvm":
            cure = "write derivatives = 'differences'"
            raise DataError(Fault("derivatives 'exact'", "llvmlite is missing", "machine code", cure))
        # a parameter and an addition to it are one direction of the run; sorted, so that code is found again
        moved = tuple(sorted({n.removeprefix("+") for n in names} & self._place.keys()))
        people = np.array([self._vector(k, values) for k in range(len(self._own))])
        lines = [self._graded_line(k, vector, moved) for k, vector in enumerate(people)]
        got = integrate_sensitivity(
            self._compiled,
            people,
            [line.timeline for line in lines],
            moved,
            op_values=[line.values for line in lines],
            op_times=[line.times for line in lines] if any(line.times.any() for line in lines) else None,
            rtol=self._rtol,
            workers=1,
        )
        got.run.check(self._compiled, people, self.system.time_unit)
        made = got.run.outputs
        if made is None:  # pragma: no cover - runs with derivatives always have them
            raise SolverError("no outputs")
        outputs, slopes, at = [], [], 0
        for own, times in zip(self._own, self._times, strict=True):
            rows = slice(at, at + len(times))
            at += len(times)
            slope = np.zeros((len(times), made.shape[1], len(names)))
            for j, name in enumerate(names):
                if name.removeprefix("+") in moved and name not in own:
                    slope[:, :, j] = got.doutputs[rows, :, moved.index(name.removeprefix("+"))]
            outputs.append(made[rows])
            slopes.append(slope)
        return outputs, slopes

    def _vector(self, k: int, given: Mapping[str, float]) -> FloatArray:
        vector, own, place = self._base[k].copy(), self._own[k], self._place
        added = []
        for name, value in given.items():
            if name in place:
                if name not in own:
                    vector[place[name]] = value
            elif name[0] == "+" and name[1:] in place:
                added.append((place[name[1:]], value))
        for at, more in added:
            vector[at] += more
        return vector

    def _line(self, k: int, vector: FloatArray) -> Timeline:
        decisive = vector[self._decisive]
        key = (k, decisive.tobytes())
        if key not in self._lines:
            if len(self._lines) > 50 * len(self._own):  # a search moves on: old timelines are not met again
                self._lines.clear()
            regimen, times = self._regimens[k], self._times[k]
            chosen = self._own[k] | dict(zip(self._decisive_names, decisive.tolist(), strict=True))
            begin = min(start_of(self.system, chosen, True), regimen.first, float(times[0]))
            self._lines[key] = schedule(self.system, regimen.records, regimen.entries, regimen.tracks, chosen, begin)
        return self._lines[key]

    def _graded_line(self, k: int, vector: FloatArray, moved: tuple[str, ...]) -> GradedLine:
        key = (k, moved, vector[np.concatenate([self._decisive, self._moving])].tobytes())
        if key not in self._graded:
            if len(self._graded) > 10 * len(self._own):
                self._graded.clear()
            regimen, times = self._regimens[k], self._times[k]
            values = dict(zip(self._place, vector.tolist(), strict=True))
            slopes = dict(zip(moved, np.eye(len(moved)), strict=True))
            begin = min(graded_start(self.system, values, slopes), regimen.first, float(times[0]))
            self._graded[key] = lay_out(
                self._compiled, regimen.records, regimen.entries, regimen.tracks, values, slopes, begin, len(moved)
            )
        return self._graded[key]

    def _run(self, people: FloatArray, lines: list[Timeline]) -> FloatArray:
        if self._compiled.backend == "llvm":
            made = integrate_batch(self._compiled, people, lines, rtol=self._rtol, workers=1)
            made.check(self._compiled, people, self.system.time_unit)
            outputs = made.outputs
            if outputs is None:  # pragma: no cover - asked for above
                raise SolverError("no outputs")
            return outputs
        traces = [integrate(self._compiled, p, line, rtol=self._rtol) for p, line in zip(people, lines, strict=True)]
        return np.concatenate([trace.outputs for trace in traces])


def _decisive(system: System) -> tuple[str, ...]:
    """Names whose values a timeline depends on."""
    parts: list[Expr | None] = [system.history_start]
    for r in system.routes:
        parts += [r.bioavailability, r.lag, r.duration, r.rate]
    flat = substitute([x for x in parts if x is not None], system.definitions)
    return tuple(sorted(symbols_of(flat) & ({*system.parameter_names, *system.input_names})))
