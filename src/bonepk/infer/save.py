"""A fit as a parameter set: values, covariance, draws, and where they came from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from bonepk.errors import DataError, Fault
from bonepk.infer.fit import Fit
from bonepk.infer.identify import directions, learned
from bonepk.infer.predictor import Sourced
from bonepk.model.sets import ParameterSet, SetValue, save_set
from bonepk.version import __version__

__all__ = ["fit_text", "parameter_set", "save"]


def parameter_set(fit: Fit, name: str, draws: int = 100, notes: str = "") -> ParameterSet:
    """Put a fit into the form models are loaded with.

    Parameters
    ----------
    fit : Fit
    name : str
    draws : int
        Draws of the parameters to keep (seeded by the fit's own seed).
    notes : str
        Said first.

    Returns
    -------
    ParameterSet
        Standard errors and covariance in the parameters' own units (first order); draws exactly.

    Raises
    ------
    DataError
        If the fit's predictor runs no model of the library.
    """
    import scipy

    predictor = fit.objective.predictor
    if not isinstance(predictor, Sourced):
        raise DataError(
            Fault(f"set '{name}'", "the fit's predictor runs no model of the library", cure="keep fit.values")
        )
    names = [n for p in fit.objective.free for n in (p.name, *p.also)]
    column = {n: i for i, p in enumerate(fit.objective.free) for n in (p.name, *p.also)}
    slope = np.array([p.slope(float(z)) for p, z in zip(fit.objective.free, fit.z, strict=True)])
    own = fit.covariance * np.outer(slope, slope)
    values = fit.values
    units = predictor.units
    spreads = [f"{e.name} {e.sd:.4g} ({e.scale})" for e in fit.objective.effects]
    errors = [f"{k} {m.sd:.4g}" for k, m in sorted(fit.objective.errors.items()) if m.sd]
    lines = [
        notes.strip(),
        f"Fitted by bonepk {__version__} (numpy {np.__version__}, scipy {scipy.__version__}), problem {fit.key[:16]}, "
        f"seed {fit.seed}: {fit.title}.",
        f"Starts that agree: {fit.agreeing} of {len(fit.ends)}.",
        f"Spread between trials: {', '.join(spreads)}." if spreads else "",
        f"Model error: {', '.join(errors)}." if errors else "",
    ]
    return ParameterSet(
        name=name,
        title=fit.title,
        model=predictor.model_name,
        values=tuple(
            SetValue(n, _short(values[n]), units.get(n, ""), _short(math.sqrt(own[column[n], column[n]])))
            for n in names
        ),
        model_hash=predictor.model_hash,
        evidence_hash=predictor.evidence_hash,
        notes="\n".join(line for line in lines if line),
        covariance_names=fit.names,
        covariance=tuple(tuple(_short(float(v)) for v in row) for row in (own + own.T) / 2),
        draw_names=fit.names if draws else (),
        draws=tuple(tuple(_short(float(v)) for v in row) for row in fit.draw(draws, fit.seed)) if draws else (),
    )


def save(fit: Fit, path: str | Path, draws: int = 100, notes: str = "") -> Path:
    """Write a fit as a parameter set, to be loaded with ``bonepk.load(..., parameters=path)``."""
    return save_set(parameter_set(fit, Path(path).stem, draws, notes), path)


def fit_text(fit: Fit) -> str:
    """Report a fit in plain text: where searches ended, values, quality, what is not known."""
    ends = ["failed" if d is None else f"{d.cost:.4g}{'' if d.converged else ' (not converged)'}" for d in fit.ends]
    lines = [fit.title or "fit", f"cost of each start: {', '.join(ends)}; {fit.agreeing} agree", ""]
    wide = max(len(n) for n in fit.names)
    lines.append(f"{'parameter':<{wide}}  {'value':>10}  {'90 % interval':>24}  from data")
    part = learned(fit)
    for name in fit.names:
        low, high = fit.interval(name)
        told = f"{100 * max(part[name], 0.0):.0f} %" if name in part else ""
        lines.append(f"{name:<{wide}}  {fit.values[name]:>10.4g}  {low:>11.4g} to {high:<9.4g}  {told:>9}")
    if fit.at_bounds:
        lines.append(f"at a bound: {', '.join(fit.at_bounds)}")
    lines += [f"between trials, {e.name}: sd {e.sd:.3g} on the {e.scale} scale" for e in fit.objective.effects]
    lines.append("")
    for family, (n, rmse, mae) in fit.quality().items():
        sd = fit.objective.errors[family].sd
        lines.append(f"{family}: {n} rows, root mean square {rmse:.3g}, mean absolute {mae:.3g}, model error {sd:.3g}")
    lines += ["", "least known:", *(f"  {d}" for d in directions(fit)[:5])]
    return "\n".join(lines)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
