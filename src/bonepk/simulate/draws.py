"""Runs over draws of a parameter set: what is known of a model's parameters, carried into its courses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bonepk.errors import DataError, Fault, Faults, NotFoundError, SolverError
from bonepk.model.draws import differing, draw_set
from bonepk.model.library import find_set
from bonepk.model.sets import ParameterSet, apply_set
from bonepk.model.system import System
from bonepk.simulate.ensemble import simulate_many
from bonepk.simulate.plan import Plan
from bonepk.simulate.run import overrides_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["simulate_draws", "solved"]

Progress = Callable[[int, int, str], None]

_MOST_SKIPPED = 0.1


def simulate_draws(
    model: System,
    plan: Plan | None = None,
    *,
    parameters: ParameterSet | str | Path | None = None,
    draws: int = 100,
    between_trials: bool = False,
    like: str = "",
    seed: int = 0,
    values: Mapping[str, float] | None = None,
    inputs: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    **run: Any,
) -> xr.Dataset:
    """Run a model once for each draw of its fitted parameters.

    Parameters
    ----------
    model : System
        From `bonepk.load`.
    plan : Plan, optional
    parameters : ParameterSet, str or Path, optional
        A set with draws or a covariance; by default the one the model was loaded with, or names under ``fit``. A set
        given here replaces the model's values also where it has no draws.
    draws : int
        The set's own are used in their order, and again when they are used up.
    between_trials : bool
        Also draw what differs from trial to trial (shifts of the set's effects): the courses of the next trials, and
        not of a typical one.
    like : str
        Name of a fitted trial whose kind of women is meant: with the shifts it shares with others by name.
    seed : int
    values, inputs : mapping of str to float, optional
        Parameters and inputs that are the same in every draw, in the model's units, whatever the set says of them.
        A shift that is added (of entry times) is added to them.
    progress : callable, optional
        Called with (draws done, draws, what).
    **run
        ``years``, ``months``, ``days``, ``times``, ``every``, ``variables``, ``states``, ``initial``, ``history``,
        ``engine``, ``rtol``, ``workers``, ``chunk`` and so on, as for `simulate_many`.

    Returns
    -------
    xarray.Dataset
        Dimensions ``draw`` and ``time``, outputs with their units; the drawn values are coordinates of ``draw``.
        Draws that could not be solved are left out; the attribute ``skipped`` counts them.

    Raises
    ------
    NotFoundError
        If there is no set, or it does not fit the model.
    DataError
        If the set has neither draws nor covariance, or values of the model were changed and are not held.
    SolverError
        If more than a tenth of the draws cannot be solved.
    """
    chosen = fit_of(model, parameters)
    if parameters is None:
        _unchanged(model, chosen, values or {})
    system = model if parameters is None else apply_set(model, chosen)
    own = overrides_of(system, values, inputs)
    drawn = draw_set(system, chosen, draws, np.random.default_rng(seed), between=between_trials, like=like)
    made = simulate_many(system, plan, drawn.over(own, system), progress=progress, **run)
    good = solved(made["status"].values == 0, made["reason"].values, f"set '{chosen.name}'")
    kept = made.drop_vars(["status", "reason"]).isel(person=np.flatnonzero(good))
    kept = kept.rename(person="draw")
    kept["draw"].attrs["long_name"] = "place of the draw"
    about = {
        "parameter_set": chosen.name,
        "draws": draws,
        "skipped": int(np.sum(~good)),
        "between_trials": int(between_trials),
        "like": like,
        "seed": seed,
    }
    return kept.assign_attrs(about)


def fit_of(model: System, parameters: ParameterSet | str | Path | None) -> ParameterSet:
    """Read the set that was asked for, or the one a model names under ``fit``.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    if isinstance(parameters, ParameterSet):
        return parameters
    if parameters is None and not model.fit:
        cure = 'name a set with parameters=..., or write fit = "..." into the core'
        raise NotFoundError(Fault(f"model '{model.name}'", "names no fit", cure=cure))
    return find_set(model.fit if parameters is None else parameters)


def _unchanged(model: System, chosen: ParameterSet, held: Mapping[str, float]) -> None:
    """Refuse to draw over values that somebody chose."""
    faults = Faults()
    for name, (value, fitted) in differing(model, chosen).items():
        if name not in held:
            found = f"'{name}' is {value:.6g}, and {fitted:.6g} in the set '{chosen.name}' it would be drawn from"
            faults.add(
                f"model '{model.name}'", found, cure="hold it with values={...}, or name the set with parameters=..."
            )
    faults.raise_as(DataError)


def solved(good: NDArray[np.bool_], reasons: NDArray[Any], place: str) -> NDArray[np.bool_]:
    """Tell the draws that could be solved, or raise if too many could not.

    Raises
    ------
    SolverError
        If more than a tenth failed; the message has the first reason.
    """
    failed = int(np.sum(~good))
    if failed > _MOST_SKIPPED * len(good):
        first = str(reasons[np.flatnonzero(~good)[0]])
        found = f"{failed} of {len(good)} draws could not be solved, the first: {first}"
        raise SolverError(Fault(place, found, f"expected at most {_MOST_SKIPPED:.0%}", "use a set with tighter draws"))
    return good
