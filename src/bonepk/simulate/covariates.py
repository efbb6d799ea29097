"""Covariates and switches in time: the rule by which values at records fill the time between.

========  =====================================================================================
rule      value between record k-1 at t[k-1] and record k at t[k]
========  =====================================================================================
locf      that of record k-1 over [t[k-1], t[k]): last observation carried forward
nocb      that of record k over (t[k-1], t[k]]: next observation carried backward (as NONMEM)
linear    a straight line from record k-1 to record k
========  =====================================================================================

At its own record a covariate always has that record's value. Before the first record it has the
first value (a switch: the model's default), after the last record the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RULES", "Track"]

RULES = ("locf", "nocb", "linear")


@dataclass(frozen=True, eq=False)
class Track:
    """One input along the records of one run.

    Attributes
    ----------
    index : int
        Place among the system's inputs.
    rule : {"locf", "nocb", "linear"}
    records : ndarray of int, shape (m,)
        Which records say a value, in order.
    times : ndarray, shape (m,)
        Their times.
    values : ndarray, shape (m,)
    before : float, optional
        Value before the first of these records; by default the first value.
    """

    index: int
    rule: str
    records: NDArray[np.int64]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    before: float | None = None

    @property
    def first(self) -> float:
        """Value at the start of the run."""
        return float(self.values[0]) if self.before is None else self.before

    def at_record(self, record: int) -> float:
        """Return the value at a record (given by its place in the run)."""
        if self.rule == "locf":
            j = int(np.searchsorted(self.records, record, side="right")) - 1
            return float(self.values[j]) if j >= 0 else self.first
        j = min(int(np.searchsorted(self.records, record, side="left")), len(self.records) - 1)
        return float(self.values[j])

    def at(self, time: float, span: tuple[int, int]) -> float:
        """Return the value at a time between records; `span` bounds the records of this stretch of time."""
        lo, hi = (int(i) for i in np.searchsorted(self.records, span))
        if hi <= lo:
            return self.at_record(span[0])
        times, values = self.times[lo:hi], self.values[lo:hi]
        if self.rule == "linear":
            j = min(int(np.searchsorted(times, time, side="left")), len(times) - 1)
            # a dose at the time of several records comes before them all: the line ends at the first
            return float(values[j] if times[j] == time else np.interp(time, times, values))
        if self.rule == "locf":
            j = int(np.searchsorted(times, time, side="right")) - 1
            return float(values[j]) if j >= 0 else (self.first if lo == 0 else float(self.values[lo - 1]))
        j = min(int(np.searchsorted(times, time, side="left")), len(times) - 1)
        return float(values[j])

    def changes(self) -> tuple[dict[int, float], dict[int, tuple[float, float]]]:
        """Return what to set just before a record, and just after it.

        Returns
        -------
        before : dict of int to float
            Record to value.
        after : dict of int to (float, float)
            Record to value and slope.
        """
        before: dict[int, float] = {}
        after: dict[int, tuple[float, float]] = {}
        records, times, values = self.records.tolist(), self.times.tolist(), self.values.tolist()
        if self.rule == "locf":
            last = self.first
            for record, value in zip(records, values, strict=True):
                if value != last:
                    before[record] = last = value
            return before, after
        for j in range(len(records) - 1):
            gap = times[j + 1] - times[j]
            if self.rule == "nocb":
                if values[j + 1] != values[j]:
                    after[records[j]] = (values[j + 1], 0.0)
            elif gap > 0:
                after[records[j]] = (values[j], (values[j + 1] - values[j]) / gap)
            else:
                after[records[j]] = (values[j + 1], 0.0)
        if self.rule == "linear" and len(records) > 1:
            after[records[-1]] = (values[-1], 0.0)
        return before, after
