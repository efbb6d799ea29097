"""Fitting the constants of the fracture model to the rows that `split.toml` says.

The arms are run once; the constants act on their courses only, so a fit takes a second or two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Fault, SolverError
from bonepk.study.evidence import Row
from bonepk.study.outcomes.constants import Fitted, FractureConstants, fracture_constants, outcomes_folder
from bonepk.study.outcomes.rows import event_obstacle
from bonepk.study.outcomes.split import Rule, outcome_split

if TYPE_CHECKING:
    from bonepk.study.outcomes.rows import TrialEvents

__all__ = ["FractureFit", "fit_fractures", "fitted_trials", "write_fit"]

F8 = NDArray[np.float64]

_Z95 = 1.959964


@dataclass(frozen=True)
class FractureFit:
    """Constants after a fit.

    Attributes
    ----------
    constants : FractureConstants
    values : mapping of str to Fitted
        By ``table.key`` of ``fracture.toml``.
    chi2 : float
        Sum of squared standardised residuals of the logarithms.
    rows : int
        Numbers fitted to.
    """

    constants: FractureConstants
    values: Mapping[str, Fitted]
    chi2: float
    rows: int


# name in the file, whether the logarithm is searched (a constant that must stay positive)
_FREE = (
    ("sites.hip.gamma", False),
    ("sites.vertebral.gamma", False),
    ("sites.other.gamma", False),
    ("sites.vertebral.scale", True),
    ("sites.other.scale", True),
    ("clinical.vertebrae", True),
    ("clinical.oncology", True),
)


def fit_fractures(runs: Mapping[str, TrialEvents], start: FractureConstants | None = None) -> FractureFit:
    """Fit gamma, scales, vertebrae and ascertainment by weighted least squares on logarithms.

    Parameters
    ----------
    runs : mapping of str to TrialEvents
        The trials of `fitted_trials`, run through the bone model.
    start : FractureConstants, optional
        By default those that come with bonepk; what is not fitted is taken from them.

    Returns
    -------
    FractureFit
        Standard errors are those of the linearised problem: rows taken as independent, the bone model and the groups as
        known. They are lower bounds.

    Raises
    ------
    SolverError
        If the search does not converge.
    """
    from scipy.optimize import least_squares

    base = fracture_constants() if start is None else start
    targets = [
        (runs[r.trial], row, _error(r, row))
        for r in outcome_split().fitted
        for row in runs[r.trial].trial.rows
        if r.holds(r.trial, row) and not event_obstacle(runs[r.trial].trial, row)
    ]

    def residuals(x: F8) -> F8:
        numbers = _with(base, x)
        return np.array([math.log(run.express(row, numbers) / row.value) / se for run, row, se in targets])

    found = least_squares(residuals, _start(base), x_scale=0.1, xtol=1e-10, ftol=1e-12)
    if not found.success:
        raise SolverError(Fault("fit of fractures", f"search ended early: {found.message}"))
    se = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    constants = _with(base, found.x)
    values = {}
    for (name, log), x, error in zip(_FREE, found.x, se, strict=True):
        value = math.exp(x) if log else float(x)
        values[name] = Fitted(value, float(error * value if log else error), "fitted")
    return FractureFit(constants, values, float(2 * found.cost), len(targets))


def fitted_trials() -> tuple[str, ...]:
    """Trials with a row that is fitted, in alphabetical order."""
    return tuple(sorted({r.trial for r in outcome_split().fitted}))


def write_fit(fit: FractureFit, path: Path | None = None) -> None:
    """Write fitted values and errors into the file of constants; everything else in it stays as it is."""
    path = path or outcomes_folder() / "fracture.toml"
    text = path.read_text(encoding="utf-8")
    for name, found in fit.values.items():
        table, _, key = name.rpartition(".")
        place = text.index(f"[{table}]")
        new = f"{key} = {{ value = {found.value:.4g}, se = {found.se:.2g}, "
        changed, times = re.subn(rf"(?m)^{key} = {{ value = \S+, se = \S+, ", new, text[place:], count=1)
        if times != 1:
            raise SolverError(Fault(str(path), f"no line for '{name}'", "expected value and se"))
        text = text[:place] + changed
    path.write_text(text, encoding="utf-8")


def _error(rule: Rule, row: Row) -> float:
    if row.spread is not None:
        return math.log(row.spread.high / row.spread.low) / (2 * _Z95)
    return rule.se_log if rule.se_log is not None else 0.2


def _start(base: FractureConstants) -> F8:
    sites = base.sites
    values = [*(sites[s].gamma.value for s in ("hip", "vertebral", "other"))]
    values += [math.log(sites[s].scale.value) for s in ("vertebral", "other")]
    return np.array([*values, math.log(base.vertebrae.value), math.log(base.oncology.value)])


def _with(base: FractureConstants, x: F8) -> FractureConstants:
    hip, spine, other = (Fitted(float(v), 0.0, "fitted") for v in x[:3])
    spine_scale, other_scale, vertebrae, oncology = (Fitted(math.exp(v), 0.0, "fitted") for v in x[3:])
    sites = dict(base.sites)
    sites["hip"] = replace(sites["hip"], gamma=hip)
    sites["vertebral"] = replace(sites["vertebral"], gamma=spine, scale=spine_scale)
    sites["other"] = replace(sites["other"], gamma=other, scale=other_scale)
    return replace(base, sites=sites, vertebrae=vertebrae, oncology=oncology)
