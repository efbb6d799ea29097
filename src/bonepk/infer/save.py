"""A fit as a parameter set: values, covariance, draws, spreads, and where they came from."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault
from bonepk.infer.fit import Fit
from bonepk.infer.identify import directions, learned
from bonepk.infer.objective import TOGETHER
from bonepk.infer.predictor import Sourced
from bonepk.infer.trials import Trials
from bonepk.model.sets import ParameterSet, SetValue, save_set
from bonepk.model.spreads import SetEffect, SetError, SetLoss
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
        Standard errors and covariance in the parameters' own units (first order); draws exactly, tied parameters
        and shared shifts with them. Spreads between trials, model errors and the loss are tables of their own, so
        that intervals need the set alone.

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
    order = [column[n] for n in names]
    own = (fit.covariance * np.outer(slope, slope))[np.ix_(order, order)]
    unknowns = fit.draw_unknowns(draws, fit.seed) if draws else np.zeros((0, fit.objective.size))
    drawn = fit.outward(unknowns[:, : fit.objective.n_free])
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
        title=fit.title or name,
        model=predictor.model_name,
        values=tuple(
            SetValue(n, _short(values[n]), units.get(n, ""), _short(math.sqrt(own[i, i]))) for i, n in enumerate(names)
        ),
        model_hash=predictor.model_hash,
        evidence_hash=predictor.evidence_hash,
        notes="\n".join(line for line in lines if line),
        covariance_names=tuple(names),
        covariance=tuple(tuple(_short(float(v)) for v in row) for row in (own + own.T) / 2),
        draw_names=tuple(names) if draws else (),
        draws=tuple(tuple(_short(float(row[i])) for i in order) for row in drawn),
        effects=_effects(fit, unknowns),
        errors=_errors(fit),
        loss=SetLoss(fit.objective.loss.name, fit.objective.loss.width),
    )


def _effects(fit: Fit, unknowns: NDArray[np.float64]) -> tuple[SetEffect, ...]:
    shared = {k: fit.objective.n_free + j for j, (b, k) in enumerate(fit.objective.shifts) if b == TOGETHER}
    made = []
    for k, e in enumerate(fit.objective.effects):
        plain = SetEffect(e.name, e.parameters, e.scale, _short(e.sd), e.together)
        if k in shared:
            moved = tuple(_short(float(v)) for v in unknowns[:, shared[k]])
            plain = replace(plain, shift=_short(float(fit.best.x[shared[k]])), draws=moved)
        made.append(plain)
    return tuple(made)


def _errors(fit: Fit) -> tuple[SetError, ...]:
    predictor = fit.objective.predictor
    typical = dict(predictor.typical) if isinstance(predictor, Trials) else {}
    known = dict(fit.objective.errors)
    return tuple(
        SetError(name, _short(m.sd), m.shared, m.visits, m.outputs, typical.get(name))
        for name, m in sorted(known.items())
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
