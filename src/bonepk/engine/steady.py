"""Steady state of a system at constant inputs, with a certificate.

Newton on ``f(y) = 0`` with the exact Jacobian; where it does not settle, time runs (Rodas5P, with time in
the equations held) over spans that grow tenfold, and Newton tries again from there.
The certificate is the largest net flow of a state relative to its turnover, sum_j |J_ij y_j| + |rate_i|:
a state that is filled and emptied at 5 a day and is out of balance by 5e-10 a day has 1e-10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.compiled import Compiled
from bonepk.errors import Fault, NotFoundError, SolverError, near

__all__ = ["Balance", "steady_state"]

F8 = NDArray[np.float64]

_NEWTON = 30
_SPANS = 12


@dataclass(frozen=True, eq=False)
class Balance:
    """A steady state and how far to trust it.

    Attributes
    ----------
    y : ndarray, shape (n,)
    residual : float
        Certificate: largest net flow relative to turnover.
    slowest : float
        Largest real part of the Jacobian's eigenvalues (1/time), over the states in balance; negative
        where the steady state is stable.
    newton, spans : int
        Newton steps of the last try, and spans of time that were run before it.
    """

    y: F8
    residual: float
    slowest: float
    newton: int
    spans: int


def steady_state(
    compiled: Compiled,
    p: F8,
    *,
    y0: F8 | None = None,
    t: float = 0.0,
    rate: F8 | None = None,
    free: Sequence[str] = (),
    tolerance: float = 1e-9,
) -> Balance:
    """Find the state at which nothing changes.

    Parameters
    ----------
    compiled : Compiled
    p : ndarray, shape (n_vector,)
        Parameter vector.
    y0 : ndarray, shape (n,), optional
        Where to start; the initial state by default.
    t : float
        Model time to hold (for equations that use time).
    rate : ndarray, shape (n,), optional
        Constant infusion.
    free : sequence of str
        States left out, which keep their value of `y0`: running totals that never settle.
    tolerance : float
        Largest certificate that is accepted.

    Returns
    -------
    Balance

    Raises
    ------
    NotFoundError
        If a name in `free` is no state.
    SolverError
        If there is no steady state within reach; names the state that is worst out of balance.
    """
    for name in free:
        if name not in compiled.state_names:
            raise NotFoundError(Fault("steady state", f"no state '{name}'", "", near(name, compiled.state_names)))
    live = np.array([i for i, name in enumerate(compiled.state_names) if name not in set(free)])
    h = compiled.prepare(p)
    y = np.array(compiled.initial(p) if y0 is None else y0, dtype=np.float64)
    span = 1.0
    for spans in range(_SPANS + 1):
        found = _newton(compiled, t, y, h, rate, live, tolerance)
        if found is not None:
            at, residual, steps = found
            j = compiled.jacobian(t, at, h)[np.ix_(live, live)]
            slowest = float(np.linalg.eigvals(j).real.max(initial=-np.inf))
            return Balance(at, residual, slowest, steps, spans)
        try:
            y = _run(compiled, t, y, h, rate, span)
        except SolverError:
            break
        span *= 10.0
    off = _imbalance(compiled, t, y, h, rate)[live]
    worst = int(live[int(np.nanargmax(off))]) if np.isfinite(off).any() else int(live[0])
    raise SolverError(
        Fault(
            f"steady state of '{compiled.system.name}'",
            f"'{compiled.state_names[worst]}' is out of balance by {off.max(initial=0.0):.2g} of its turnover",
            f"at most {tolerance:.0e} was expected",
            "name running totals in free=, or start nearer with y0=",
        )
    )


def _imbalance(compiled: Compiled, t: float, y: F8, h: F8, rate: F8 | None) -> F8:
    """Net flow of each state over its turnover (0 where nothing flows)."""
    with np.errstate(all="ignore"):
        f = np.abs(compiled.rhs(t, y, h, rate))
        turnover = np.abs(compiled.jacobian(t, y, h)) @ np.abs(y)
        if rate is not None:
            turnover += np.abs(rate)
        return np.asarray(np.where(f == 0, 0.0, f / np.maximum(turnover, 1e-300)))


def _newton(
    compiled: Compiled, t: float, y: F8, h: F8, rate: F8 | None, live: NDArray[np.int64], tolerance: float
) -> tuple[F8, float, int] | None:
    """Newton from `y`; the best balance met, or None if it is not good enough."""
    y = y.copy()
    floor = np.minimum(y, 0.0)
    signed = np.array([s.nonnegative for s in compiled.system.states])
    best: tuple[F8, float, int] | None = None
    for step in range(_NEWTON):
        residual = float(np.max(_imbalance(compiled, t, y, h, rate)[live], initial=0.0))
        if not np.isfinite(residual):
            break
        if best is None or residual < best[1]:
            best = (y.copy(), residual, step)
        elif best[1] <= tolerance:
            break  # rounding is reached
        f = compiled.rhs(t, y, h, rate)[live]
        j = compiled.jacobian(t, y, h)[np.ix_(live, live)]
        size = np.maximum(np.abs(y[live]), 1e-12 * max(1e-300, float(np.abs(y).max())))
        try:  # scaled, so that pmol beside grams does not look singular
            change = size * np.linalg.solve(j * size, -f)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(change).all():
            break
        y[live] += change
        if (y[signed] < floor[signed] - 1e-9 * np.abs(y[signed])).any() and step > 2:
            break  # wandered to amounts below nothing: let time choose the branch
    return best if best is not None and best[1] <= tolerance else None


def _run(compiled: Compiled, t: float, y: F8, h: F8, rate: F8 | None, span: float) -> F8:
    """Let time pass with everything else held."""
    from scipy.integrate import solve_ivp

    from bonepk.engine.rosenbrock import rodas5p

    size = np.maximum(np.abs(y), 1e-9 * max(1e-300, float(np.abs(y).max())))
    got = solve_ivp(
        lambda _, x: compiled.rhs(t, x, h, rate),
        (0.0, span),
        y,
        method=rodas5p(),
        jac=lambda _, x: compiled.jacobian(t, x, h),
        rtol=1e-6,
        atol=1e-8 * size,
    )
    if not got.success:
        raise SolverError(Fault("steady state", f"time integration stopped after {got.t[-1]:.3g}", got.message))
    return np.asarray(got.y[:, -1])
