"""`Compiled`: a system as fast functions over arrays, whatever made the code."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bonepk.engine.lower import Layout, Program, lower
from bonepk.errors import Fault, MissingExtraError, NotFoundError, near
from bonepk.model.system import System

__all__ = ["Backend", "Compiled", "Functions", "compile_system"]

F8 = NDArray[np.float64]
I4 = NDArray[np.int32]
Backend = Literal["auto", "llvm", "numpy"]

_F8 = np.dtype(np.float64)


class Functions(Protocol):
    """What a back end provides. All arrays are contiguous float64 of the right length."""

    def prepare(self, p: F8, h: F8) -> None:
        """Write the hoisted values into `h`."""

    def initial(self, p: F8, y: F8) -> None:
        """Write the initial state into `y`."""

    def rhs(self, t: float, y: F8, h: F8, rate: F8, dy: F8) -> None:
        """Write right-hand side plus `rate` into `dy`."""

    def jacobian(self, t: float, y: F8, h: F8, out: F8, places: I4) -> None:
        """Write the non-zero Jacobian entries into ``out.ravel()[places]``."""

    def dfdt(self, t: float, y: F8, h: F8, out: F8) -> None:
        """Write the derivative of the right-hand side by time into `out`."""

    def outputs(self, t: F8, y: F8, h: F8, out: F8) -> None:
        """Write the outputs at each time into the rows of `out`."""


class Compiled:
    """A system's equations as functions of plain arrays, in the units of the system.

    Built by `compile_system`. Immutable; may be shared between threads and pickled (it is
    compiled again, or read from the cache, where it is unpickled).

    Attributes
    ----------
    system : System
    layout : Layout
        Names and places along the arrays.
    backend : {"llvm", "numpy"}
        What the code runs on.
    n, n_outputs, n_parameters, n_inputs : int
        Numbers of states, outputs, parameters and inputs.
    n_vector : int
        Length of the parameter vector: parameters, inputs, slope and start time of each linear input.
    state_names, output_names : tuple of str
    linear : tuple of (int, int, int)
        For each linear input its place in the parameter vector, and those of its slope and start time.
    native : dict
        Native loops loaded so far: by number of lanes (`batch`), by names (`sensitivity`).
    rows, cols : ndarray of int32
        Places of the Jacobian's non-zero entries.
    """

    def __init__(self, system: System, layout: Layout, functions: Functions, backend: Literal["llvm", "numpy"]) -> None:
        self.system = system
        self.layout = layout
        self.backend = backend
        self.n = layout.n
        self.n_outputs = len(layout.outputs)
        self.n_parameters = len(layout.parameters)
        self.n_inputs = len(layout.inputs)
        self.n_vector = len(layout.vector_names)
        self.state_names = layout.states
        self.output_names = layout.outputs
        self.linear = layout.linear
        self.rows = np.array(layout.rows, dtype=np.int32)
        self.cols = np.array(layout.cols, dtype=np.int32)
        self.native: dict[Any, Any] = {}
        self._functions = functions
        self._rhs = functions.rhs
        self._hoisted = layout.hoisted
        self._none = np.zeros(self.n)
        self._dense = self.rows * np.int32(self.n) + self.cols
        self._listed = np.arange(len(layout.rows), dtype=np.int32)

    def __repr__(self) -> str:
        return f"<Compiled '{self.system.name}': {self.n} states, {len(self.rows)} Jacobian entries, {self.backend}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (compile_system, (self.system, self.backend, self.linear_inputs))

    @property
    def linear_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that may change linearly in time."""
        offset = len(self.layout.parameters)
        return tuple(self.layout.inputs[i - offset] for i, _, _ in self.layout.linear)

    @cached_property
    def program(self) -> Program:
        """The symbolic code (made again when it came from the cache)."""
        return lower(self.system, self.linear_inputs)

    def index(self, name: str) -> int:
        """Place of a parameter or input in the parameter vector.

        Raises
        ------
        NotFoundError
            If there is no such parameter or input.
        """
        try:
            return self._places[name]
        except KeyError:
            raise NotFoundError(
                Fault("parameter vector", f"no parameter or input '{name}'", near(name, self._places))
            ) from None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.layout.vector_names)}

    def parameter_vector(self, overrides: Mapping[str, float] | None = None) -> F8:
        """Parameters and inputs as one vector, with some values replaced.

        Parameters
        ----------
        overrides : mapping of str to float, optional
            New values by name, in the system's units.

        Returns
        -------
        ndarray, shape (n_vector,)
            Parameters, then inputs, then slope and start time of each linear input (0 by default).

        Raises
        ------
        NotFoundError
            If a name is not known.
        """
        p = np.zeros(self.n_vector)
        values = self.system.values
        p[: len(values)] = list(values.values())
        for name, value in (overrides or {}).items():
            p[self.index(name)] = value
        return p

    def prepare(self, p: F8) -> F8:
        """Everything that depends on parameters and inputs alone; to be made again when they change."""
        h = np.empty(self.layout.hoisted)
        self._functions.prepare(_vector(p, self.n_vector, "p"), h)
        return h

    def initial(self, p: F8) -> F8:
        """Return the initial state for a parameter vector, shape (n,)."""
        y = np.empty(self.n)
        self._functions.initial(_vector(p, self.n_vector, "p"), y)
        return y

    def rhs(self, t: float, y: F8, h: F8, rate: F8 | None = None) -> F8:
        """Time derivative of the state.

        Parameters
        ----------
        t : float
            Model time.
        y : ndarray, shape (n,)
        h : ndarray
            From `prepare`.
        rate : ndarray, shape (n,), optional
            Infusion rates to add.

        Returns
        -------
        ndarray, shape (n,)
        """
        if y.dtype is not _F8 or not y.flags.c_contiguous or len(y) != self.n:
            y = _vector(y, self.n, "y")
        if len(h) != self._hoisted or (rate is not None and len(rate) != self.n):
            raise ValueError(f"'h' has {len(h)} and 'rate' {0 if rate is None else len(rate)} numbers")
        dy = np.empty(self.n)
        self._rhs(t, y, h, self._none if rate is None else rate, dy)
        return dy

    def jacobian(self, t: float, y: F8, h: F8) -> F8:
        """d(rhs)/dy as a full matrix, shape (n, n)."""
        out = np.zeros((self.n, self.n))
        self._functions.jacobian(t, _vector(y, self.n, "y"), h, out, self._dense)
        return out

    def jacobian_sparse(self, t: float, y: F8, h: F8) -> F8:
        """Return the non-zero entries of d(rhs)/dy, at `rows` and `cols`."""
        out = np.empty(len(self._listed))
        self._functions.jacobian(t, _vector(y, self.n, "y"), h, out, self._listed)
        return out

    def dfdt(self, t: float, y: F8, h: F8) -> F8:
        """d(rhs)/dt at fixed state, shape (n,)."""
        out = np.zeros(self.n)
        self._functions.dfdt(t, _vector(y, self.n, "y"), h, out)
        return out

    def outputs(self, t: F8, y: F8, h: F8) -> F8:
        """Evaluate the outputs along a run.

        Parameters
        ----------
        t : ndarray, shape (k,)
        y : ndarray, shape (k, n)
        h : ndarray
            From `prepare`, for the parameters and inputs that hold at all of `t`.

        Returns
        -------
        ndarray, shape (k, n_outputs)
        """
        t = np.ascontiguousarray(t, dtype=np.float64)
        y = np.ascontiguousarray(y, dtype=np.float64)
        if t.ndim != 1 or y.shape != (len(t), self.n):
            raise ValueError(f"outputs: t {t.shape} and y {y.shape}; expected (k,) and (k, {self.n})")
        out = np.empty((len(t), self.n_outputs))
        self._functions.outputs(t, y, h, out)
        return out


def _vector(x: F8, length: int, name: str) -> F8:
    out = np.ascontiguousarray(x, dtype=np.float64)
    if out.shape != (length,):
        raise ValueError(f"'{name}' has shape {out.shape}; expected ({length},)")
    return out


def compile_system(system: System, backend: Backend = "auto", linear_inputs: Sequence[str] = ()) -> Compiled:
    """Compile a system's equations.

    Parameters
    ----------
    system : System
    backend : {"auto", "llvm", "numpy"}
        Machine code through llvmlite, or plain Python and NumPy. "auto" takes machine code if
        llvmlite is installed. Both agree to rounding.
    linear_inputs : sequence of str
        Inputs that may change linearly in time; any other is constant between changes.

    Returns
    -------
    Compiled

    Raises
    ------
    MissingExtraError
        If machine code is asked for and llvmlite is missing.
    ValueError
        If `backend` or a name in `linear_inputs` is not known.
    """
    if backend not in ("auto", "llvm", "numpy"):
        raise ValueError(f"backend '{backend}' is not known; expected 'auto', 'llvm' or 'numpy'")
    ordered = tuple(name for name in system.input_names if name in set(linear_inputs))
    strange = sorted(set(linear_inputs) - set(ordered))
    if strange:
        known = ", ".join(system.input_names) or "none"
        raise ValueError(f"linear_inputs: unknown input(s) {', '.join(map(repr, strange))}; known: {known}")
    available = importlib.util.find_spec("llvmlite") is not None
    if backend == "llvm" and not available:
        raise MissingExtraError(Fault("backend 'llvm'", "llvmlite is not installed", "", "pip install llvmlite"))
    if backend == "numpy" or not available:
        from bonepk.engine.numpy_backend import NumpyFunctions

        program = lower(system, ordered)
        return Compiled(system, program.layout, NumpyFunctions(program), "numpy")
    from bonepk.engine.llvm import llvm_functions

    layout, functions = llvm_functions(system, ordered)
    return Compiled(system, layout, functions, "llvm")
