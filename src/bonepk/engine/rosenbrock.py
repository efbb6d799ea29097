"""Rodas5P as a method for `scipy.integrate.solve_ivp`, on the same coefficients as the native code.

For looking closely at one run (events, dense output, any right-hand side); for speed there is
`bonepk.engine.batch`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.engine import tableau

__all__ = ["rodas5p"]

F8 = NDArray[np.float64]


@cache
def rodas5p() -> type[Any]:
    """Return the solver class, to be given to ``solve_ivp(..., method=rodas5p(), jac=...)``.

    The class takes, beyond the usual ``rtol``, ``atol``, ``max_step`` and ``first_step``:

    - ``jac`` : callable ``(t, y) -> (n, n)`` or matrix, needed;
    - ``dfdt`` : callable ``(t, y) -> (n,)``, the derivative by time; leave out if there is none.
    """
    from scipy.integrate import DenseOutput, OdeSolver
    from scipy.linalg import lu_factor, lu_solve

    class RodasDense(DenseOutput):  # type: ignore[misc]
        def __init__(self, t_old: float, t: float, y_old: F8, y: F8, stages: F8) -> None:
            super().__init__(t_old, t)
            self._ends = (y_old, y)
            self._q = np.array(tableau.DENSE) @ stages

        def _call_impl(self, t: NDArray[Any]) -> F8:
            x = (np.atleast_1d(t)[:, None] - self.t_old) / (self.t - self.t_old)
            old, new = self._ends
            q1, q2, q3 = self._q
            y = (1 - x) * old + x * (new + (1 - x) * (q1 + x * (q2 + x * q3)))
            return np.asarray(y[0] if np.ndim(t) == 0 else y.T)

    class Rodas5P(OdeSolver):  # type: ignore[misc]
        """Rosenbrock method of order 5, L-stable (coefficients: `bonepk.engine.tableau`)."""

        t: float
        y: F8

        def __init__(
            self,
            fun: Callable[[float, F8], F8],
            t0: float,
            y0: F8,
            t_bound: float,
            *,
            jac: Callable[[float, F8], F8] | F8 | None = None,
            dfdt: Callable[[float, F8], F8] | None = None,
            rtol: float = 1e-3,
            atol: float | F8 = 1e-6,
            max_step: float = np.inf,
            first_step: float | None = None,
            vectorized: bool = False,
        ) -> None:
            super().__init__(fun, t0, y0, t_bound, vectorized)
            if jac is None:
                raise ValueError("Rodas5P needs 'jac': the exact Jacobian is part of the method")
            self._jac = jac
            self._dfdt = dfdt
            self._rtol, self._atol, self._max_step = rtol, atol, max_step
            span = abs(t_bound - t0)
            self.h_abs = first_step if first_step is not None else min(max_step, 0.01 * span)
            self._stages = np.empty((tableau.STAGES, self.n))

        def _attempt(self, h: float, j: F8, f0: F8, ft: F8 | None) -> F8:
            """Fill the stages of a step of signed length h; return the new state."""
            k, t, y = self._stages, self.t, self.y
            factors = lu_factor(np.eye(self.n) / (h * tableau.GAMMA) - j, check_finite=False)
            self.nlu += 1
            u = y
            for s in range(tableau.STAGES):
                f = f0
                if s:
                    u = y + np.array(tableau.A[s]) @ k[:s]
                    f = self.fun(t + tableau.C[s] * h, u)
                right = f + np.array(tableau.B[s]) @ k[:s] / h if s else f
                if ft is not None:
                    right = right + h * tableau.D[s] * ft
                k[s] = lu_solve(factors, right, check_finite=False)
            return np.asarray(u + k[-1])

        def _step_impl(self) -> tuple[bool, str | None]:
            t, y = self.t, self.y
            j = np.asarray(self._jac(t, y) if callable(self._jac) else self._jac, dtype=np.float64)
            f0 = self.fun(t, y)
            self.njev += 1
            ft = None if self._dfdt is None else np.asarray(self._dfdt(t, y))
            least, most = 10 * abs(np.nextafter(t, self.direction * np.inf) - t), 6.0
            h_abs = min(max(self.h_abs, least), self._max_step)
            while h_abs >= least:
                t_new = t + h_abs * self.direction
                if self.direction * (t_new - self.t_bound) > 0:
                    t_new = self.t_bound
                h = t_new - t
                h_abs = abs(h)
                with np.errstate(all="ignore"):
                    new = self._attempt(h, j, f0, ft)
                    scale = self._atol + self._rtol * np.maximum(np.abs(y), np.abs(new))
                    error = float(np.sqrt(np.mean((self._stages[-1] / scale) ** 2)))
                if np.isfinite(error) and np.isfinite(new).all() and error <= 1:
                    self._before, self.t, self.y = (t, y), t_new, new
                    grow = most if error == 0 else 0.9 * error ** (-1 / tableau.ORDER)
                    self.h_abs = h_abs * min(most, max(0.2, grow))
                    return True, None
                h_abs *= max(0.1, min(0.9, 0.9 * error ** (-1 / tableau.ORDER))) if np.isfinite(error) else 0.1
                most = 1.0  # no growth right after a rejection
            return False, self.TOO_SMALL_STEP

        def _dense_output_impl(self) -> RodasDense:
            t_old, y_old = self._before
            return RodasDense(t_old, self.t, y_old, self.y, self._stages.copy())

    return Rodas5P
