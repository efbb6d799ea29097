"""Tables of records from a file, a data frame or a dict of columns, with every faulty cell noted.

A ``.`` or an empty cell is missing; missing dose items count as 0, as in NONMEM. Rows are
numbered from 1, the header not counted.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault

__all__ = ["RowFaults", "Table", "is_nan", "read_table"]

F8 = NDArray[np.float64]

_SHOWN = 10  # rows named for one kind of fault; the rest are counted


@dataclass(eq=False)
class RowFaults:
    """Collects faults of rows; the same fault in many rows is shown for the first few and counted."""

    items: dict[tuple[str, str], list[Fault]] = field(default_factory=dict)
    more: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, row: int, column: str, found: str, expected: str = "", cure: str = "", kind: str = "") -> None:
        """Note a fault of a cell; row 0 is the table itself. `kind` groups faults, by default by text."""
        place = f"data row {row} {column}".rstrip() if row else f"data {column}".rstrip()
        key = (column, kind or f"{expected}{cure}")
        known = self.items.setdefault(key, [])
        if len(known) < _SHOWN:
            known.append(Fault(place, found, expected, cure))
        else:
            self.more[key] = self.more.get(key, 0) + 1

    def raise_all(self) -> None:
        """Raise DataError with everything noted, or return if there is nothing."""
        if not self.items:
            return
        faults: list[Fault] = []
        for key, known in self.items.items():
            faults += known
            if key in self.more:
                faults.append(Fault(f"data {key[0]}".rstrip(), f"{self.more[key]} more rows have the same fault"))
        raise DataError(faults)


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a table, as they were written.

    Attributes
    ----------
    names : tuple of str
    cells : dict of str to list
        Cells of each column.
    rows : int
    """

    names: tuple[str, ...]
    cells: Mapping[str, Sequence[Any]]
    rows: int

    def find(self, name: str) -> str | None:
        """Name of a column as written in the table; a difference of case does not matter."""
        if name in self.cells:
            return name
        same = [n for n in self.names if n.lower() == name.lower()]
        return same[0] if len(same) == 1 else None

    def blank(self, name: str) -> NDArray[np.bool_]:
        """Return which cells of a column (as `find` returned it) are missing, shape (rows,)."""
        return np.array([_number(cell) is None for cell in self.cells[name]], dtype=bool)

    def numbers(self, name: str, faults: RowFaults, missing: float | None = 0.0) -> F8:
        """Return a column as numbers.

        Parameters
        ----------
        name : str
            As `find` returned it.
        faults : RowFaults
            Takes a fault for every cell that is no finite number.
        missing : float, optional
            Value of a missing cell; None if a missing cell is a fault.

        Returns
        -------
        ndarray, shape (rows,)
            With nan for a cell that got a fault, so that nothing else is said about it.
        """
        out = np.full(self.rows, math.nan)
        for i, cell in enumerate(self.cells[name]):
            value = _number(cell)
            if value is None:
                if missing is None:
                    cure = "fill it in; NONMEM would read 0"
                    faults.add(i + 1, name, "is missing", "a number", cure)
                else:
                    out[i] = missing
            elif math.isnan(value):
                found = "is NaN" if is_nan(cell) else f"is '{cell}'"
                faults.add(
                    i + 1, name, found, "a number", "write '.' for a missing value" if missing is not None else ""
                )
            elif math.isinf(value):
                faults.add(i + 1, name, f"is {value}", "a finite number")
            else:
                out[i] = value
        return out


def is_nan(cell: Any) -> bool:
    """Whether a cell is a missing value of NumPy or pandas, or says so in words."""
    return (isinstance(cell, float) and math.isnan(cell)) or str(cell).strip().lower() in ("nan", "<na>", "nat")


def _number(cell: Any) -> float | None:
    """Read a cell; None if it is missing, nan if it is no number."""
    if cell is None:
        return None
    if isinstance(cell, str):
        text = cell.strip()
        if text in ("", "."):
            return None
        try:
            return float(text)
        except ValueError:
            return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan
    except OverflowError:
        return math.inf


def read_table(source: Any, ignore: str = "#") -> Table:
    """Read a table.

    Parameters
    ----------
    source : str, path, mapping of columns, or data frame
        A file has comma-separated columns and one header line.
    ignore : str
        Lines of a file that begin with this are skipped; ``"@"`` skips, as in NONMEM, every line
        after the header that begins with a letter or @.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If the file is missing or empty, or columns or rows disagree in length.
    """
    if isinstance(source, (str, Path)):
        return _read_file(Path(source), ignore)
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        _alone([str(name) for name in source.columns], "data")
        cells = {str(name): _listed(source[name]) for name in source.columns}
    elif isinstance(source, Mapping):
        cells = {str(name): _listed(column) for name, column in source.items()}
    else:
        raise DataError(Fault("data", f"a {type(source).__name__}", "a path, a data frame or a dict of columns"))
    lengths = {name: len(column) for name, column in cells.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(Fault("data", f"columns differ in length: {lengths}", "columns of one length"))
    return Table(tuple(cells), cells, next(iter(lengths.values()), 0))


def _listed(column: Any) -> list[Any]:
    if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
        return [column]
    return list(column.tolist() if hasattr(column, "tolist") else column)


def _alone(names: Sequence[str], place: str) -> None:
    """Raise DataError if two columns have the same name."""
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(Fault(place, f"column '{twice[0]}' appears twice", "columns with different names"))


def _read_file(path: Path, ignore: str) -> Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(Fault(str(path), f"cannot be read ({error.strerror})", "a comma-separated file")) from None
    except UnicodeDecodeError:
        raise DataError(Fault(str(path), "is no text in UTF-8", "a comma-separated file")) from None
    lines = [line for line in text.splitlines() if line.strip() and not (ignore and line.startswith(ignore))]
    if ignore == "@":
        lines = lines[:1] + [line for line in lines[1:] if not line.strip()[0].isalpha()]
    rows = list(csv.reader(lines))
    if len(rows) < 2:
        raise DataError(Fault(str(path), "has no rows", "a header line and one line a record"))
    names = [name.strip() for name in rows[0]]
    if len(names) == 1 and len(names[0].replace(";", " ").split()) > 1:
        cure = "separate the cells of every line by commas"
        raise DataError(Fault(str(path), f"one column, '{names[0]}'", "comma-separated columns", cure))
    _alone(names, str(path))
    uneven = [
        Fault(f"data row {i}", f"{len(row)} cells", f"{len(names)} as in the header")
        for i, row in enumerate(rows[1:], 1)
        if len(row) != len(names)
    ]
    if uneven:
        raise DataError(uneven[:_SHOWN])
    columns = {name: [row[j] for row in rows[1:]] for j, name in enumerate(names)}
    return Table(tuple(names), columns, len(rows) - 1)
