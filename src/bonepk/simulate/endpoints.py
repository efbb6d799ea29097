"""Endpoints of trials as pure functions of results.

Stored times only. A value is wanted at a month; the result must hold that time, within a
minute, or `interpolate=True` must be asked for: then it is read off the straight line between the
two stored times around it. So a coarse output never passes for a computed value unnoticed; ask
for the times when simulating (`months_to_times`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Fault, NotFoundError, near
from bonepk.simulate.calendar import MONTH, per_day

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "area",
    "difference",
    "months_to_times",
    "nadir",
    "peak",
    "percent_change",
    "t_score",
    "time_below",
    "value_at",
]

F8 = NDArray[np.float64]
_MINUTE = 1 / 1440


def months_to_times(*months: float | Sequence[float], time_unit: str = "day") -> list[float]:
    """Model times of months, for ``simulate(..., times=...)``.

    Parameters
    ----------
    *months : float or sequence of float
    time_unit : str
        The model's.

    Returns
    -------
    list of float
        Rising, without repeats.
    """
    flat = np.unique(np.concatenate([np.atleast_1d(np.asarray(m, dtype=np.float64)) for m in months]))
    return [float(v) for v in flat * MONTH * per_day(time_unit)]


def value_at(run: xr.Dataset, variable: str, months: Sequence[float] | F8, interpolate: bool = False) -> F8:
    """Values of a variable at months.

    Parameters
    ----------
    run : xarray.Dataset
        From `simulate`.
    variable : str
    months : sequence of float
        Months of 30.4375 days from day 0.
    interpolate : bool
        Read a month that is not stored off the straight line between its neighbours.

    Returns
    -------
    ndarray, shape (len(months),)

    Raises
    ------
    NotFoundError
        If the result does not hold the variable, or (without `interpolate`) a month.
    """
    days, values = _series(run, variable)
    wanted = np.asarray(months, dtype=np.float64).reshape(-1) * MONTH
    outside = (wanted < days[0] - _MINUTE) | (wanted > days[-1] + _MINUTE)
    if outside.any():
        first, last = days[0] / MONTH, days[-1] / MONTH
        found = f"month {float(wanted[outside][0] / MONTH):g} is not in the run"
        raise NotFoundError(
            Fault(f"'{variable}'", found, f"it holds months {first:.4g} to {last:.4g}", "simulate longer")
        )
    if interpolate:
        return np.asarray(np.interp(wanted, days, values))
    nearest = np.abs(days[:, None] - wanted[None, :]).argmin(axis=0)
    off = np.abs(days[nearest] - wanted)
    if (off > _MINUTE).any():
        k = int(np.flatnonzero(off > _MINUTE)[0])
        found = f"month {wanted[k] / MONTH:g} is not stored; the nearest is {days[nearest[k]] / MONTH:.6g}"
        cure = "simulate with times=months_to_times(...), or pass interpolate=True"
        raise NotFoundError(Fault(f"'{variable}'", found, "", cure))
    return np.asarray(values[nearest])


def percent_change(
    run: xr.Dataset,
    variable: str,
    at_months: Sequence[float] | float,
    baseline_month: float = 0.0,
    interpolate: bool = False,
) -> xr.DataArray:
    """Percent change from a baseline month.

    Parameters
    ----------
    run : xarray.Dataset
    variable : str
    at_months : float or sequence of float
    baseline_month : float
    interpolate : bool
        See `value_at`.

    Returns
    -------
    xarray.DataArray
        Dimension ``month``, in percent.

    Raises
    ------
    NotFoundError
        As `value_at`.
    """
    months = np.atleast_1d(np.asarray(at_months, dtype=np.float64))
    base = value_at(run, variable, [baseline_month], interpolate)[0]
    change = 100.0 * (value_at(run, variable, months, interpolate) / base - 1.0)
    return _labelled(change, months, variable, "%", f"{_label(run, variable)}, change from month {baseline_month:g}")


def difference(
    run: xr.Dataset,
    versus: xr.Dataset,
    variable: str,
    at_months: Sequence[float] | float,
    baseline_month: float = 0.0,
    interpolate: bool = False,
) -> xr.DataArray:
    """Percent change of one run minus that of another, in percentage points.

    Parameters and errors are those of `percent_change`.
    """
    mine = percent_change(run, variable, at_months, baseline_month, interpolate)
    other = percent_change(versus, variable, at_months, baseline_month, interpolate)
    return _labelled(
        mine.values - other.values,
        mine["month"].values,
        variable,
        "points",
        f"{_label(run, variable)}, difference of changes",
    )


def nadir(run: xr.Dataset, variable: str, between_months: tuple[float, float] | None = None) -> tuple[float, float]:
    """Lowest stored value and its month, over the run or between two months.

    Returns
    -------
    value, month : float
    """
    days, values = _window(run, variable, between_months)
    k = int(values.argmin())
    return float(values[k]), float(days[k] / MONTH)


def peak(run: xr.Dataset, variable: str, between_months: tuple[float, float] | None = None) -> tuple[float, float]:
    """Highest stored value and its month, over the run or between two months.

    Returns
    -------
    value, month : float
    """
    days, values = _window(run, variable, between_months)
    k = int(values.argmax())
    return float(values[k]), float(days[k] / MONTH)


def area(run: xr.Dataset, variable: str, between_months: tuple[float, float] | None = None) -> float:
    """Area under a variable by the trapezoid rule over stored times.

    Returns
    -------
    float
        In the variable's unit times model time. As exact as the stored times are dense.
    """
    days, values = _window(run, variable, between_months)
    return float(np.trapezoid(values, days * per_day(str(run["time"].attrs["units"]))))


def t_score(
    run: xr.Dataset, variable: str, reference: Mapping[str, object], at_months: Sequence[float] | float | None = None
) -> xr.DataArray:
    """Count standard deviations from the mean of young adults.

    Parameters
    ----------
    run : xarray.Dataset
    variable : str
    reference : mapping
        ``mean`` and ``sd`` in the variable's unit and ``source``, where they come from.
    at_months : float or sequence of float, optional
        By default every stored time.

    Returns
    -------
    xarray.DataArray
        Dimension ``month``; its attributes keep the reference.

    Raises
    ------
    NotFoundError
        If the reference lacks one of its three entries, or as `value_at`.
    """
    missing = [k for k in ("mean", "sd", "source") if reference.get(k) is None]
    if missing:
        raise NotFoundError(Fault("t_score reference", f"no {' or '.join(missing)}", "mean, sd and source"))
    if at_months is None:
        days, values = _series(run, variable)
        months = days / MONTH
    else:
        months = np.atleast_1d(np.asarray(at_months, dtype=np.float64))
        values = value_at(run, variable, months)
    mean, sd = float(str(reference["mean"])), float(str(reference["sd"]))
    out = _labelled((values - mean) / sd, months, variable, "SD", f"{_label(run, variable)}, T-score")
    out.attrs.update(reference_mean=mean, reference_sd=sd, reference_source=str(reference["source"]))
    return out


def time_below(
    run: xr.Dataset, variable: str, level: float, between_months: tuple[float, float] | None = None
) -> float:
    """Months a variable spends below a level; crossings are placed on the straight line between stored times."""
    days, values = _window(run, variable, between_months)
    gap = values - level
    lower, upper = np.minimum(gap[:-1], gap[1:]), np.maximum(gap[:-1], gap[1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(upper < 0, 1.0, np.where(lower >= 0, 0.0, -lower / (upper - lower)))
    return float((part * np.diff(days)).sum() / MONTH)


def _series(run: xr.Dataset, variable: str) -> tuple[F8, F8]:
    """Days and values of a variable."""
    if variable not in run:
        known = [str(name) for name in run.data_vars]
        raise NotFoundError(
            Fault(f"'{variable}'", "not in the result", near(variable, known), "states=True adds states")
        )
    days = np.asarray(run["time"].values, dtype=np.float64) / per_day(str(run["time"].attrs["units"]))
    return days, np.asarray(run[variable].values, dtype=np.float64)


def _window(run: xr.Dataset, variable: str, between: tuple[float, float] | None) -> tuple[F8, F8]:
    days, values = _series(run, variable)
    if between is None:
        return days, values
    inside = (days >= between[0] * MONTH - _MINUTE) & (days <= between[1] * MONTH + _MINUTE)
    if not inside.any():
        raise NotFoundError(Fault(f"'{variable}'", f"no stored time from month {between[0]:g} to {between[1]:g}"))
    return days[inside], values[inside]


def _label(run: xr.Dataset, variable: str) -> str:
    return str(run[variable].attrs.get("long_name", variable))


def _labelled(values: F8, months: F8, name: str, units: str, label: str) -> xr.DataArray:
    import pandas as pd
    import xarray as xr

    # an index: see `bonepk.simulate.result.dataset`
    month = ("month", pd.Index(months), {"units": "month", "long_name": "months since the start of the study"})
    return xr.DataArray(values, {"month": month}, ["month"], name, {"units": units, "long_name": label})
