"""Values of parameters and inputs, person by person, from whatever table the user has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Faults, near
from bonepk.model.system import System

__all__ = ["Individuals", "individuals_of"]

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Individuals:
    """Who is simulated, and what is different about each.

    Attributes
    ----------
    ids : ndarray, shape (people,)
        Labels, whole numbers or text.
    names : tuple of str
        Parameters and inputs that are given person by person.
    values : ndarray, shape (people, names)
        In the model's units.
    common : mapping of str to float
        Parameters and inputs that are given once, for everyone.
    """

    ids: NDArray[Any]
    names: tuple[str, ...]
    values: F8
    common: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, place: int) -> dict[str, float]:
        """All given values of one person by name."""
        return {**self.common, **dict(zip(self.names, self.values[place].tolist(), strict=True))}


def individuals_of(system: System, parameters: Any, inputs: Any, plans: int | None) -> Individuals:
    """Read tables of values and check them against a model.

    Parameters
    ----------
    system : System
    parameters : table, optional
        A mapping of names to numbers (for everyone) or to arrays of one number a person; a
        sequence of mappings, one a person; a pandas data frame, one row a person; an
        xarray.Dataset with dimension ``person``; an xarray.DataArray with dimensions ``person``
        and ``parameter``; or an array of shape (people, parameters + inputs) in the order of
        ``system.values``. Names are parameters or inputs of the model.
    inputs : table, optional
        The same, for inputs only.
    plans : int, optional
        Number of plans, where each person has their own.

    Returns
    -------
    Individuals

    Raises
    ------
    DataError
        With every unknown name, number that is not finite and length that does not agree.
    """
    faults = Faults()
    columns: dict[str, F8] = {}
    ids: NDArray[Any] | None = None
    for what, given, known in (
        ("parameters", parameters, tuple(system.values)),
        ("inputs", inputs, system.input_names),
    ):
        if given is None:
            continue
        found, labels = _columns(given, what, tuple(system.values), faults)
        ids = labels if ids is None else ids
        for name, column in found.items():
            if name not in known:
                hint = "it is a parameter" if name in system.parameter_names else near(name, known)
                faults.add(f"{what} '{name}'", f"not in model '{system.name}'", "", hint)
            elif name in columns:
                faults.add(f"{what} '{name}'", "given twice", "once")
            else:
                _finite(f"{what} '{name}'", column, faults)
                columns[name] = column
    lengths = {len(c): name for name, c in columns.items() if c.ndim == 1}
    if ids is not None:
        lengths.setdefault(len(ids), "person")
    if plans is not None:
        lengths.setdefault(plans, "plans")
    if len(lengths) > 1:
        said = ", ".join(f"{size} in '{name}'" for size, name in lengths.items())
        faults.add("people", f"numbers of people disagree: {said}", "one value a person in each")
    if not lengths:
        faults.add("people", "no table says how many there are", "an array, a table or a list of plans", "see simulate")
    faults.raise_as(DataError)
    count = next(iter(lengths))
    names = tuple(name for name, c in columns.items() if c.ndim == 1)
    values = np.column_stack([columns[n] for n in names]) if names else np.empty((count, 0))
    common = {name: float(c) for name, c in columns.items() if c.ndim == 0}
    return Individuals(np.arange(count) if ids is None else ids, names, np.ascontiguousarray(values), common)


def _columns(given: Any, what: str, order: Sequence[str], faults: Faults) -> tuple[dict[str, F8], NDArray[Any] | None]:
    """Columns by name (0-d where one value serves all) and labels of people, if the table has any."""
    if hasattr(given, "data_vars"):
        labels = np.asarray(given["person"].values) if "person" in given.coords else None
        return {n: _column(given[n].values, f"{what} '{n}'", faults) for n in given.data_vars}, _labels(labels)
    if hasattr(given, "dims"):
        if set(given.dims) != {"person", "parameter"} or "parameter" not in given.coords:
            faults.add(what, f"dimensions {tuple(given.dims)}", "('person', 'parameter') with names along 'parameter'")
            return {}, None
        table = given.transpose("person", "parameter")
        labels = np.asarray(table["person"].values) if "person" in table.coords else None
        named = {str(n): _column(table.values[:, j], what, faults) for j, n in enumerate(table["parameter"].values)}
        return named, _labels(labels)
    if hasattr(given, "columns"):
        named = {str(n): _column(given[n].to_numpy(), f"{what} '{n}'", faults) for n in given.columns}
        return named, _labels(given.index.to_numpy())
    if isinstance(given, Mapping):
        return {str(n): _column(v, f"{what} '{n}'", faults) for n, v in given.items()}, None
    if isinstance(given, Sequence) and given and all(isinstance(row, Mapping) for row in given):
        names = dict.fromkeys(n for row in given for n in row)
        for name in names:
            without = [i for i, row in enumerate(given) if name not in row]
            if without:
                faults.add(f"{what} '{name}'", f"missing for {_listed(without)}", "a value for every person")
        complete = [n for n in names if all(n in row for row in given)]
        return {n: _column([row[n] for row in given], f"{what} '{n}'", faults) for n in complete}, None
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.shape[1] == len(order):
        return {n: _column(given[:, j], f"{what} '{n}'", faults) for j, n in enumerate(order)}, None
    found = f"an array of shape {given.shape}" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"
    faults.add(what, found, f"a table by name, or an array of shape (people, {len(order)})")
    return {}, None


def _column(values: Any, place: str, faults: Faults) -> F8:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        faults.add(place, "not numbers", "a number, or one number a person")
        return np.zeros(())
    if column.ndim > 1:
        faults.add(place, f"shape {column.shape}", "a number, or one number a person")
        return np.zeros(())
    return column


def _labels(labels: NDArray[Any] | None) -> NDArray[Any] | None:
    """Labels as whole numbers or text."""
    if labels is None or labels.dtype.kind in "iuU":
        return labels
    return np.array([str(label) for label in labels])


def _finite(place: str, column: F8, faults: Faults) -> None:
    bad = np.flatnonzero(~np.isfinite(np.atleast_1d(column)))
    if len(bad):
        who = f" for {_listed(bad.tolist())}" if column.ndim else ""
        faults.add(place, f"{np.atleast_1d(column)[bad[0]]}{who}", "finite numbers")


def _listed(places: Sequence[int]) -> str:
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"person {', '.join(map(str, places[:3]))}{more} (from 0)"
