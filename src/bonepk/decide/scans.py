"""Bone density of a run as DXA would show it: an absolute density, scan error, T-scores, what is concluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.decide.dxa import LSC_FACTOR, precision, t_score
from bonepk.errors import DataError, Faults, near
from bonepk.simulate.endpoints import value_at
from bonepk.study.people.reference import SITES, bmd_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["density_at", "scan_run", "scan_visits"]

F8 = NDArray[np.float64]


def density_at(
    run: xr.Dataset, months: Sequence[float] | F8, baseline: Mapping[str, float], device: str = "hologic"
) -> dict[str, F8]:
    """Work out the true density of a woman at months: her own density on day 0 times the change of the run since.

    Parameters
    ----------
    run : xarray.Dataset
        From `bonepk.simulate`, holding ``bmd_`` and each site.
    months : sequence of float
    baseline : mapping of str to float
        True T-score of each site on day 0.
    device : str

    Returns
    -------
    dict of str to ndarray, shape (len(months),)
        g/cm2 by site.

    Raises
    ------
    DataError
        If a site is not known, or its T-score is not possible.
    NotFoundError
        If the run does not hold a site, or a month.
    """
    faults = Faults()
    for site, score in baseline.items():
        if site not in SITES:
            faults.add("baseline", f"unknown site '{site}'", near(site, SITES) or f"one of {', '.join(SITES)}")
        elif not -7 <= score <= 6:
            faults.add(f"baseline, {site}", f"T-score {score:g}", "from -7 to 6")
    if not baseline:
        faults.add("baseline", "no site", f"a T-score of one of {', '.join(SITES)}")
    faults.raise_as(DataError)
    return {
        site: float(bmd_of(score, site, device))
        * value_at(run, f"bmd_{site}", months)
        / value_at(run, f"bmd_{site}", [0.0])[0]
        for site, score in baseline.items()
    }


def scan_visits(
    true: Mapping[str, F8], rng: np.random.Generator | int | None, device: str = "hologic", kind: str = "review"
) -> dict[str, F8]:
    """Measure densities: each scan of each site has its own relative error, normal with the precision error as SD.

    Parameters
    ----------
    true : mapping of str to ndarray
        g/cm2; visits on the last axis.
    rng : Generator or int or None
        None measures without error. Errors are drawn site after site in the order of `true`.
    device, kind : str
        See `bonepk.decide.precision`.
    """
    if rng is None:
        return {site: np.array(values) for site, values in true.items()}
    draw = np.random.default_rng(rng)
    return {
        site: values * (1 + precision(site, device, kind).cv / 100 * draw.standard_normal(np.shape(values)))
        for site, values in true.items()
    }


def scan_run(
    run: xr.Dataset,
    months: Sequence[float],
    baseline: Mapping[str, float],
    *,
    rng: np.random.Generator | int | None,
    device: str = "hologic",
    kind: str = "review",
) -> xr.Dataset:
    """Follow a run by DXA on one machine.

    Parameters
    ----------
    run : xarray.Dataset
        From `bonepk.simulate`, with these months stored.
    months : sequence of float
        Of the scans, rising; the first is the one later scans are compared with. Every one to two years is usual.
    baseline : mapping of str to float
        True T-score of each site on day 0.
    rng : Generator or int or None
        Source of scan error; None for none.
    device, kind : str
        See `bonepk.decide.precision`.

    Returns
    -------
    xarray.Dataset
        Dimensions ``month`` and ``site``: ``true`` and ``measured`` density, ``t_score``, ``change`` since the first
        scan and ``change_before`` since the last one in percent, ``beyond_error`` and ``beyond_error_before`` where
        they reach the least significant change, ``lsc`` by site.

    Raises
    ------
    DataError
        If months do not rise, or as `density_at`.
    """
    import xarray as xr

    times = np.asarray(months, dtype=np.float64)
    faults = Faults()
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        faults.add("months", f"{list(months)}", "one scan or more at rising months")
    faults.raise_as(DataError)
    true = density_at(run, times, baseline, device)
    shown = scan_visits(true, rng, device, kind)
    sites = list(true)
    measured = np.stack([shown[s] for s in sites])
    lsc = np.array([LSC_FACTOR * precision(s, device, kind).cv for s in sites])
    before = np.concatenate([measured[:, :1], measured[:, :-1]], axis=1)
    change, change_before = 100 * (measured / measured[:, :1] - 1), 100 * (measured / before - 1)
    both = ("site", "month")

    def column(values: NDArray[np.generic], units: str, label: str) -> tuple[tuple[str, ...], object, dict[str, str]]:
        return both, values, {"units": units, "long_name": label}

    return xr.Dataset(
        {
            "true": column(np.stack([true[s] for s in sites]), "g/cm2", "bone density"),
            "measured": column(measured, "g/cm2", "bone density, measured"),
            "t_score": column(np.stack([t_score(shown[s], s, device) for s in sites]), "1", "T-score, measured"),
            "change": column(change, "%", "change since the first scan"),
            "change_before": column(change_before, "%", "change since the scan before"),
            "beyond_error": column(np.abs(change) >= lsc[:, None], "1", "change is at least the least significant one"),
            "beyond_error_before": column(
                np.abs(change_before) >= lsc[:, None], "1", "the same, since the scan before"
            ),
            "lsc": ("site", lsc, {"units": "%", "long_name": "least significant change"}),
        },
        {"site": sites, "month": ("month", times, {"units": "month"})},
        {"device": device, "precision": kind, "noise": "none" if rng is None else "normal, relative"},
    )
