"""The flow of a system between two operations: the one room that sees SciPy's integrators.

A `Field` is the right-hand side as it is at the moment (inputs, infusions, compartments off);
`advance` carries a state from one time to another without a cut in between. LSODA runs through
SciPy's compiled driver, one call a segment, because a plan of daily doses has thousands of
segments and a Python loop over solver steps would cost three times as much. BDF and Radau step
in Python and use dense output only where a record falls inside a step.

Absolute tolerance. Unless given, it is ``rtol * 1e-2 * size`` for each state, where `size` is the
largest amount the state has had so far, its initial value included. A state that had none yet is
taken as large as its present gross inflow makes it within the shortest time scale of the system, or, if
nothing flows in, as 1e-8 of the largest state. So a state in pmol beside one in grams needs no
tuning, and a compartment that empties is followed down to ``rtol/100`` of its peak.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.compiled import Compiled
from bonepk.errors import Fault, SolverError, near

__all__ = ["METHODS", "Field", "Settings", "advance"]

F8 = NDArray[np.float64]

METHODS = ("LSODA", "BDF", "Radau")

_FRACTION = 1e-2  # of the size of a state, times rtol, is what may be lost of it
_TRACE = 1e-30  # of the largest state, and less, counts as nothing
_UNSEEN = 1e-8  # size of a state that was never filled, relative to the largest


@dataclass(frozen=True)
class Settings:
    """How to integrate.

    Attributes
    ----------
    method : {"LSODA", "BDF", "Radau"}
    rtol : float
        Relative tolerance of one step.
    atol : float or ndarray, optional
        Absolute tolerance in the states' units; by default scaled to each state (module text).
    max_step : float
        Longest step, in model time.
    max_steps : int
        Most steps between two records.
    time_unit : str
        For messages only.
    """

    method: str = "LSODA"
    rtol: float = 1e-8
    atol: float | F8 | None = None
    max_step: float = math.inf
    max_steps: int = 100_000
    time_unit: str = "day"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            hint = near(self.method, METHODS) or f"choose one of {', '.join(METHODS)}"
            raise SolverError(Fault("method", f"'{self.method}' is not known", "", hint))
        if not 0 < self.rtol < 1:
            raise SolverError(Fault("rtol", f"{self.rtol}", "a number between 0 and 1 was expected"))
        if self.atol is not None and not (np.all(np.isfinite(self.atol)) and np.all(np.asarray(self.atol) >= 0)):
            raise SolverError(
                Fault("atol", f"{self.atol}", "a number not below 0, or one for each state, was expected")
            )
        if not self.max_step > 0:
            raise SolverError(Fault("max_step", f"{self.max_step}", "a time above 0 was expected"))


class Field:
    """The right-hand side as it stands: inputs, infusion rates, compartments off, frozen time.

    Parameters
    ----------
    equations : Compiled
    p : ndarray of float64
        Parameter vector (copied).
    settings : Settings
    frozen : float, optional
        Model time to hold while time runs; for steady states.
    """

    def __init__(self, equations: Compiled, p: F8, settings: Settings, frozen: float | None = None) -> None:
        self.equations = equations
        self.settings = settings
        self.frozen = frozen
        self.p = np.array(p, dtype=np.float64)
        self.rate = np.zeros(equations.n)
        self.off = np.zeros(equations.n, dtype=bool)
        self.size = np.zeros(equations.n)
        self.evaluations = 0
        self._h: F8 | None = None
        self._first = len(equations.layout.parameters)
        self._inputs = slice(self._first, self._first + len(equations.layout.inputs))
        self._slots = {place: (slope, since) for place, slope, since in equations.layout.linear}

    @property
    def h(self) -> F8:
        """Hoisted constants at the present inputs."""
        if self._h is None:
            self._h = self.equations.prepare(self.p)
        return self._h

    def set_input(self, index: int, value: float, slope: float, time: float) -> None:
        """Let an input be ``value + slope*(t - time)`` from now on."""
        place = self._first + index
        self.p[place] = value
        if place in self._slots:
            at_slope, at_since = self._slots[place]
            self.p[at_slope], self.p[at_since] = slope, time
        elif slope:
            raise ValueError(f"input {index} changes linearly in time but was not compiled as a linear input")
        self._h = None

    def inputs_at(self, time: float) -> F8:
        """Return the values of all inputs at a time."""
        values = self.p[self._inputs].copy()
        for place, (slope, since) in self._slots.items():
            values[place - self._first] += self.p[slope] * (time - self.p[since])
        return values

    def initial(self, time: float) -> F8:
        """Return the initial state at the inputs as they are at a time."""
        p = self.p.copy()
        p[self._inputs] = self.inputs_at(time)
        return self.equations.initial(p)

    def note_size(self, y: F8) -> None:
        """Widen the typical size of each state by what it is now."""
        np.maximum(self.size, np.abs(y), out=self.size)

    def atol(self, t: float, y: F8) -> F8:
        """Absolute tolerance for a segment that starts here."""
        if self.settings.atol is not None:
            return np.broadcast_to(np.asarray(self.settings.atol, dtype=np.float64), (self.equations.n,)).copy()
        size = self.size
        largest = float(size.max(initial=0.0)) or 1.0
        seen = size > _TRACE * largest
        if not seen.all():
            slopes = np.abs(self.jacobian(t, y))
            fastest = float(np.diagonal(slopes).max(initial=0.0))
            # what flows in before anything cancels: a net flow of zero is only rounding, and no size
            gross = np.maximum(np.abs(self(t, y)), slopes @ np.abs(y))
            inflow = gross / fastest if fastest > 0 else np.zeros_like(y)
            guess = np.where(inflow > _TRACE * largest, inflow, _UNSEEN * largest)
            size = np.where(seen, size, guess)
        return self.settings.rtol * _FRACTION * size

    def __call__(self, t: float, y: F8) -> F8:
        """Time derivative; raises SolverError where it is not finite."""
        return self.functions(t)[0](0.0, y)

    def functions(self, since: float) -> tuple[Callable[[float, F8], F8], Callable[[float, F8], F8]]:
        """Return time derivative and Jacobian as they stand, of the time that has passed `since`.

        Plain functions without look-ups. Time is counted from the start of a segment, so that a
        late day costs no digits of a short step. The derivative raises SolverError where it is not finite.
        """
        rhs, jacobian, h, rate = self.equations.rhs, self.equations.jacobian, self.h, self.rate
        base, pace = (since, 1.0) if self.frozen is None else (self.frozen, 0.0)
        off = self.off.copy() if self.off.any() else None
        zero = np.zeros(self.equations.n)

        def derivative(passed: float, y: F8) -> F8:
            dy = rhs(base + pace * passed, y, h, rate)
            if off is not None:
                dy[off] = 0.0
            if dy.dot(zero) != 0.0:  # nan as soon as one is not finite
                raise self.stopped(since + passed, y, dy)
            return dy

        def slope(passed: float, y: F8) -> F8:
            j = jacobian(base + pace * passed, y, h)
            if off is not None:
                j[off] = 0.0
            return j

        return derivative, slope

    def jacobian(self, t: float, y: F8) -> F8:
        """Differentiate the call by `y`."""
        return self.functions(t)[1](0.0, y)

    def stopped(self, t: float, y: F8, dy: F8) -> SolverError:
        """Error that names the first state whose derivative is not finite."""
        i = int(np.flatnonzero(~np.isfinite(dy))[0])
        return self.error(
            t,
            f"derivative of '{self.equations.layout.states[i]}' is {dy[i]:.3g} (state {y[i]:.4g})",
            self._other_method(),
        )

    def error(self, t: float, found: str, cure: str) -> SolverError:
        """Error at a time."""
        when = t if self.frozen is None else self.frozen
        return SolverError(Fault(f"solver stopped at {self.settings.time_unit} {when:.6g}", found, "", cure))

    def _other_method(self) -> str:
        other = "Radau" if self.settings.method != "Radau" else "BDF"
        return f"try rtol={self.settings.rtol / 100:.0e}, a max_step or method='{other}'"


def advance(field: Field, t0: float, y: F8, t1: float, times: Sequence[float] = ()) -> tuple[F8, F8]:
    """Carry a state from `t0` to `t1` with nothing happening in between.

    Parameters
    ----------
    field : Field
    t0, t1 : float
        Model times, ``t1 >= t0``.
    y : ndarray, shape (n,)
        State at `t0`; not changed.
    times : sequence of float
        Nondecreasing times in [t0, t1] at which the state is wanted.

    Returns
    -------
    y1 : ndarray, shape (n,)
    at : ndarray, shape (len(times), n)

    Raises
    ------
    SolverError
        If the derivative is not finite or the method cannot go on.
    """
    field.note_size(y)
    wanted = np.asarray(times, dtype=np.float64)
    inner = np.unique(wanted[(wanted > t0) & (wanted < t1)])
    nodes = np.concatenate(([t0], inner, [t1]))
    with np.errstate(over="ignore", invalid="ignore"):  # a number that is not finite is an error with its place
        if t1 - t0 <= max(1e-13 * max(abs(t0), abs(t1)), 1e-30):  # too short for a solver: Euler is exact to rounding
            ends = np.vstack([y, y + (t1 - t0) * field(t0, y)]) if t1 > t0 else np.vstack([y, y])
            nodes = np.array([t0, t1])
        elif field.settings.method == "LSODA":
            ends = _lsoda(field, nodes, y)
        else:
            ends = _stepping(field, nodes, y)
    for row in ends:
        field.note_size(row)
    return ends[-1].copy(), ends[np.minimum(np.searchsorted(nodes, wanted), len(nodes) - 1)]


_LSODA_FAULTS = {
    "Excess work": ("more than {n} steps between two records", "raise max_steps, or try method='Radau'"),
    "Excess accuracy": ("tolerances are too small for the arithmetic", "raise rtol or atol"),
    "Illegal input": ("the solver refuses its input", "check tolerances and max_step"),
    "Repeated error": ("error tests keep failing", "try method='Radau' or a smaller max_step"),
    "Repeated convergence": ("the implicit equations do not converge", "try method='Radau' or a smaller rtol"),
    "Error weight": ("a state became 0 and atol is 0", "give an atol above 0"),
}


def _lsoda(field: Field, nodes: F8, y: F8) -> F8:
    from scipy.integrate import ODEintWarning, odeint

    s = field.settings
    derivative, slope = field.functions(float(nodes[0]))
    passed = nodes - nodes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ODEintWarning)
        ends, info = odeint(
            derivative,
            y,
            passed,
            Dfun=slope,
            tfirst=True,
            full_output=True,
            rtol=s.rtol,
            atol=field.atol(float(nodes[0]), y),
            tcrit=passed[-1:],
            hmax=0.0 if math.isinf(s.max_step) else s.max_step,
            mxstep=s.max_steps,
        )
    field.evaluations += int(info["nfe"][-1])
    message = str(info["message"])
    if message.startswith("Integration successful"):
        return np.asarray(ends, dtype=np.float64)
    found, cure = next((v for k, v in _LSODA_FAULTS.items() if message.startswith(k)), (message, "try method='Radau'"))
    reached = info["tcur"]
    at = nodes[0] + float(np.max(reached[np.isfinite(reached)], initial=0.0))
    raise field.error(at, found.format(n=s.max_steps), cure)


def _stepping(field: Field, nodes: F8, y: F8) -> F8:
    from scipy.integrate import BDF, Radau

    s = field.settings
    kind: Any = {"BDF": BDF, "Radau": Radau}[s.method]
    derivative, slope = field.functions(float(nodes[0]))
    passed = nodes - nodes[0]
    solver = kind(
        derivative,
        0.0,
        y,
        passed[-1],
        rtol=max(s.rtol, 100 * np.finfo(float).eps),
        atol=field.atol(float(nodes[0]), y),
        jac=slope,
        max_step=s.max_step,
    )
    ends = np.empty((len(nodes), len(y)))
    ends[0] = y
    done, steps = 1, 0
    while solver.status == "running":
        message = solver.step()
        steps += 1
        if solver.status == "failed":
            raise field.error(nodes[0] + solver.t, str(message).rstrip(".").lower(), field._other_method())
        if steps > s.max_steps:
            raise field.error(nodes[0] + solver.t, f"more than {s.max_steps} steps between two cuts", "raise max_steps")
        if done < len(nodes) - 1 and passed[done] <= solver.t:
            dense = solver.dense_output()
            while done < len(nodes) - 1 and passed[done] <= solver.t:
                ends[done] = dense(passed[done])
                done += 1
    field.evaluations += int(solver.nfev)
    ends[-1] = solver.y
    return ends
