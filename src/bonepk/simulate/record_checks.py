"""What can be wrong with event records, row by row."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import near
from bonepk.simulate.entries import Entry
from bonepk.simulate.events import MODELLED_DURATION, MODELLED_RATE
from bonepk.simulate.table import RowFaults, Table, is_nan

__all__ = ["Columns", "check_records", "read_columns"]

F8 = NDArray[np.float64]

_DOSE_ITEMS = ("AMT", "RATE", "II", "ADDL", "SS")
_KIND = {0: "an observation", 2: "an other event (EVID 2)", 3: "a reset (EVID 3)"}


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns that make events, as numbers; `cmt` as written, `switch` as in `Record`."""

    id: list[Any]
    time: F8
    evid: F8
    amt: F8
    cmt: list[Any]
    rate: F8
    ii: F8
    addl: F8
    ss: F8
    switch: NDArray[np.int64]


def read_columns(table: Table, faults: RowFaults) -> Columns | None:
    """Read the event columns of a table; None if a column that must be there is missing."""
    for name in ("ID", "TIME", "EVID", "CMT", *_DOSE_ITEMS):
        same = [n for n in table.names if n.lower() == name.lower()]
        if len(same) > 1:
            several = f"several columns of that name: {', '.join(same)}"
            faults.add(0, name, several, "one; upper and lower case are the same")
    missing = [name for name in ("ID", "TIME") if table.find(name) is None]
    for name in missing:
        hint = near(name, table.names) or "NONMEM tables have ID and TIME"
        faults.add(0, name, "no such column", f"the table has {', '.join(table.names)}", hint)
    if table.find("EVID") is None and table.find("AMT") is None:
        faults.add(0, "EVID", "no column EVID and no column AMT", "one of them to tell doses from observations")
        missing.append("EVID")
    if missing:
        return None

    def column(name: str, missing_is: float | None = 0.0) -> F8:
        found = table.find(name)
        return np.zeros(table.rows) if found is None else table.numbers(found, faults, missing_is)

    amt, rate, ss = column("AMT"), column("RATE"), column("SS")
    dosed = ((amt != 0) | (rate != 0)).astype(np.float64)
    evid = dosed if table.find("EVID") is None else column("EVID")
    found = table.find("CMT")
    cmt = [None] * table.rows if found is None else [_compartment(cell) for cell in table.cells[found]]
    ids = table.cells[str(table.find("ID"))]
    numeric = [_identity(cell) for cell in ids]
    for i, name in enumerate(numeric):
        if name is None:
            faults.add(i + 1, "ID", "is missing", "a number or name")
    gives = np.isin(evid, (1, 4))
    _missing_doses(table, gives & (ss == 0), faults)
    for row in np.flatnonzero(gives | (evid == 2)).tolist():
        if found is not None and is_nan(table.cells[found][row]):
            faults.add(row + 1, "CMT", "is NaN", "a compartment", "write '.' for the first one")
    return Columns(
        numeric,
        column("TIME", None),
        evid,
        amt,
        cmt,
        rate,
        column("II"),
        column("ADDL"),
        ss,
        np.zeros(table.rows, dtype=np.int64),
    )


def _missing_doses(table: Table, gives: NDArray[np.bool_], faults: RowFaults) -> None:
    """Note doses (not of steady state, where a constant infusion has none) without an amount; 0 is one."""
    found = table.find("AMT")
    if found is None and gives.any():
        hint = near("AMT", table.names) or "EVID 1 and 4 give doses"
        faults.add(0, "AMT", "no such column", f"the table has {', '.join(table.names)}", hint)
    elif found is not None:
        for i in np.flatnonzero(gives & table.blank(found)):
            faults.add(int(i) + 1, "AMT", "is missing on a dose", "an amount", "write 0 for a dose of nothing")


def _identity(cell: Any) -> Any:
    if isinstance(cell, str):
        text = cell.strip()
        if text in ("", "."):
            return None
        try:
            cell = float(text)
        except ValueError:
            return text
    if is_nan(cell):
        return None
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else cell
    return cell if isinstance(cell, Hashable) else str(cell)


def _compartment(cell: Any) -> int | str | None:
    """CMT as a whole number, a name, or None where it is missing."""
    if isinstance(cell, str):
        text = cell.strip()
        if text in ("", "."):
            return None
        try:
            cell = float(text)
        except ValueError:
            return text
    if cell is None or is_nan(cell):
        return None
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return str(cell)
    return int(number) if number.is_integer() else str(cell)


def check_records(
    c: Columns,
    entries: Sequence[Entry],
    numbers: Mapping[int | str, int],
    unclear: Mapping[int, str],
    faults: RowFaults,
) -> NDArray[np.int64]:
    """Check every row and find the entry of every dose.

    Parameters
    ----------
    c : Columns
        Its `switch` is filled in.
    entries : sequence of Entry
    numbers : mapping
        Entry of each value of CMT.
    unclear : mapping
        Entries that are states with several routes into them, and these routes.
    faults : RowFaults

    Returns
    -------
    ndarray of int
        Entry of each row; 0 where a row has none.
    """
    place = np.zeros(len(c.id), dtype=np.int64)
    last: dict[Any, tuple[float, int]] = {}
    for i in range(len(c.id)):
        row, evid = i + 1, c.evid[i]
        if math.isnan(evid):
            continue
        if evid not in (0, 1, 2, 3, 4):
            faults.add(
                row, "EVID", f"is {evid:g}", "0 (observation), 1 (dose), 2 (other), 3 (reset) or 4 (reset and dose)"
            )
            continue
        before = last.get(c.id[i])
        if before is not None and c.time[i] < before[0] and evid not in (3, 4):
            found = f"TIME {c.time[i]:g} comes after {before[0]:g} (row {before[1]}) for ID {c.id[i]}"
            cure = "sort by ID, TIME; time may go back only at EVID 3 or 4"
            faults.add(row, "TIME", found, "", cure)
        if not math.isnan(c.time[i]):
            last[c.id[i]] = (float(c.time[i]), row)
        if evid in (1, 4):
            _check_dose(c, i, faults)
            _find_entry(c, i, entries, numbers, place, faults)
            if int(place[i]) in unclear:
                found = f"is {c.cmt[i]}, a state that several routes lead into"
                faults.add(row, "CMT", found, "", f"name the route in cmt: {unclear[int(place[i])]}")
        else:
            for name in _DOSE_ITEMS:
                value = getattr(c, name.lower())[i]
                if abs(value) > 0:
                    cure = f"set EVID to 1 for a dose, or {name} to 0"
                    faults.add(row, name, f"is {value:g} on {_KIND[int(evid)]}", "0", cure, kind=f"on {evid}")
            _find_switch(c, i, entries, numbers, faults)
    return place


def _check_dose(c: Columns, i: int, faults: RowFaults) -> None:
    row = i + 1
    amt, rate, ii, addl, ss = (float(x[i]) for x in (c.amt, c.rate, c.ii, c.addl, c.ss))
    if amt < 0:
        faults.add(row, "AMT", f"is {amt:g}", "a dose not below 0")
    if rate < 0 and rate not in (MODELLED_RATE, MODELLED_DURATION):
        faults.add(
            row, "RATE", f"is {rate:g}", "0 (bolus), a rate above 0, -1 (modelled rate) or -2 (modelled duration)"
        )
    if ii < 0:
        faults.add(row, "II", f"is {ii:g}", "an interval not below 0")
    if addl < 0 or addl % 1 > 0:
        cure = "doses before the record need records of their own" if addl < 0 else ""
        faults.add(row, "ADDL", f"is {addl:g}", "a whole number not below 0", cure)
    if math.isnan(ss):
        return
    if ss not in (0, 1, 2):
        faults.add(row, "SS", f"is {ss:g}", "0 (none), 1 (steady state) or 2 (steady state added to what is there)")
        return
    constant = ss > 0 and amt == 0
    if abs(rate) > 0 and amt == 0 and not constant:
        faults.add(row, "RATE", f"is {rate:g} with AMT 0", "an amount, or SS=1 for a constant infusion")
    if constant and rate == MODELLED_DURATION:
        faults.add(row, "RATE", "is -2 for a constant infusion", "a rate above 0, or -1")
    if constant and ii > 0:
        faults.add(row, "II", f"is {ii:g} for a constant infusion (AMT 0 with SS)", "0", "give AMT for repeated doses")
    if constant and addl > 0:
        faults.add(row, "ADDL", f"is {addl:g} for a constant infusion (AMT 0 with SS)", "0")
    if ss and not constant and ii == 0:
        faults.add(row, "II", f"is 0 with SS={ss:g}", "the interval of the doses", "give II above 0")
    if addl > 0 and ii == 0:
        faults.add(row, "II", f"is 0 with ADDL={addl:g}", "the interval between the doses", "give II above 0")
    if ii > 0 and addl == 0 and ss == 0:
        faults.add(
            row, "II", f"is {ii:g} without ADDL or SS", "0, or ADDL or SS", "set ADDL to how many more doses follow"
        )


def _find_entry(
    c: Columns,
    i: int,
    entries: Sequence[Entry],
    numbers: Mapping[int | str, int],
    place: NDArray[np.int64],
    faults: RowFaults,
) -> None:
    row, cmt = i + 1, c.cmt[i]
    if cmt is None or (cmt == 0 and 0 not in numbers):
        cmt = next(iter(numbers), None)
    if cmt not in numbers:
        _unknown(row, cmt, numbers, faults)
        return
    number = numbers[cmt]
    place[i] = number
    if c.rate[i] == MODELLED_DURATION and entries[number].duration is None:
        found, cure = (
            f"is -2 but '{entries[number].name}' has no duration",
            "add duration to the route in the model text",
        )
        faults.add(row, "RATE", found, "", cure)
    if c.rate[i] == MODELLED_RATE and entries[number].rate is None:
        found, cure = f"is -1 but '{entries[number].name}' has no rate", "add rate to the route in the model text"
        faults.add(row, "RATE", found, "", cure)


def _find_switch(
    c: Columns,
    i: int,
    entries: Sequence[Entry],
    numbers: Mapping[int | str, int],
    faults: RowFaults,
) -> None:
    """EVID 2 turns a compartment on or off; an observation with a negative CMT turns it off afterwards."""
    row, cmt, evid = i + 1, c.cmt[i], c.evid[i]
    if cmt is None or cmt == 0 or evid == 3:
        return
    off = (isinstance(cmt, int) and cmt < 0) or (isinstance(cmt, str) and cmt.startswith("-"))
    if evid == 0 and not off:
        return  # which compartment is observed makes no difference: all are reported
    bare: int | str = cmt.lstrip("-") if isinstance(cmt, str) else abs(cmt)
    if bare not in numbers:
        known = [str(n) for n in numbers]
        faults.add(row, "CMT", f"is {cmt}", f"one of {', '.join(known)}, with - to turn off", near(str(bare), known))
        return
    state = entries[numbers[bare]].state
    c.switch[i] = -(state + 1) if off else state + 1


def _unknown(row: int, cmt: Any, numbers: Mapping[int | str, int], faults: RowFaults) -> None:
    known = ", ".join(str(n) for n in numbers)
    if isinstance(cmt, int) and cmt < 0:
        faults.add(row, "CMT", f"is {cmt} on a dose", f"one of {known}", "only EVID 2 turns a compartment off")
        return
    faults.add(row, "CMT", f"is {cmt}", f"one of {known}", near(str(cmt), [str(n) for n in numbers]))
