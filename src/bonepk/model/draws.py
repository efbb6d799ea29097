"""Draws of a parameter set for one system: parameters as the fit knows them, and shifts from trial to trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, Faults, NotFoundError, near
from bonepk.model.sets import ParameterSet, apply_set
from bonepk.model.spreads import F8, SetEffect, shifted
from bonepk.model.system import System
from bonepk.model.units import conversion

__all__ = ["Draws", "differing", "draw_set"]


@dataclass(frozen=True, eq=False)
class Draws:
    """Values of a system's parameters, draw by draw.

    Attributes
    ----------
    count : int
    values : mapping of str to ndarray, shape (draws,)
        In the system's units.
    shifts : mapping of str to ndarray, shape (draws,)
        Shift of each effect on its scale.
    added : mapping of str to ndarray, shape (draws,)
        What shifts add to whatever value is set otherwise.
    """

    count: int
    values: Mapping[str, F8]
    shifts: Mapping[str, F8]
    added: Mapping[str, F8]

    def over(self, own: Mapping[str, float], system: System) -> dict[str, F8 | float]:
        """Values of every draw where some are set by name: those stay, but what is added is added to them.

        Parameters
        ----------
        own : mapping of str to float
            In the system's units.
        system : System

        Returns
        -------
        dict of str to ndarray, shape (draws,), or float
            A number where no draw differs.
        """
        made: dict[str, F8 | float] = {name: column for name, column in self.values.items() if name not in own}
        for name, more in self.added.items():
            made[name] = (own[name] if name in own else made.get(name, system.values[name])) + more
        return {name: value for name, value in own.items() if name not in made} | made


def draw_set(
    system: System,
    chosen: ParameterSet,
    draws: int,
    rng: np.random.Generator,
    *,
    between: bool = True,
    like: str = "",
) -> Draws:
    """Draw parameters from a set, and shifts between trials from their distributions.

    The set's own draws are taken in their order, again from the first when they are used up. Without any they come
    from the covariance: on the log scale where a value is positive, moved into the range the model states.

    Parameters
    ----------
    system : System
        Names of drugs and modules that it does not have are left out.
    chosen : ParameterSet
    draws : int
    rng : numpy.random.Generator
        The parameters do not depend on `between`.
    between : bool
        Draw the shifts every trial has for itself, spread evenly over their distributions; else there are none.
    like : str
        Name of a fitted trial: shifts it shares with others (of a kind of women) come with it, as the fit found them.

    Returns
    -------
    Draws

    Raises
    ------
    DataError
        If the set has neither draws nor covariance, or `draws` is not positive.
    NotFoundError
        If the set is for another model or names a parameter the system does not have.
    """
    if chosen.model != system.name:
        raise NotFoundError(f"set '{chosen.name}' is for model '{chosen.model}', not '{system.name}'")
    if draws < 1:
        raise DataError(Fault("draws", str(draws), "expected 1 or more"))
    if not chosen.uncertain:
        cure = "use a set that calibrate has written"
        raise DataError(Fault(f"set '{chosen.name}'", "neither draws nor covariance", cure=cure))
    names, table = _parameters(system, chosen, draws, rng)
    faults = Faults()
    units = {p.name: p.unit for p in system.parameters} | {i.name: i.unit for i in system.inputs}
    given = {v.name: v.unit for v in chosen.values}
    values: dict[str, F8] = {}
    for j, name in enumerate(names):
        if name in units:
            values[name] = table[:, j] * (conversion(given[name], units[name]) if given[name] else 1.0)
        elif _here(name, system):
            faults.add(f"set '{chosen.name}' [{name}]", f"no parameter '{name}'", cure=near(name, units))
    shifts: dict[str, F8] = {}
    added: dict[str, F8] = {}
    for effect in chosen.effects:
        here = [p for p in effect.parameters if _here(p.removeprefix("+"), system)]
        for name in here:
            if name.removeprefix("+") not in units:
                faults.add(f"set '{chosen.name}' [effects.{effect.name}]", f"no parameter '{name}'")
        drawn = _shifts(effect, chosen, draws, rng, like)
        if not here or len(faults) or not (between or like in effect.together):
            continue
        shifts[effect.name] = drawn
        for name in here:
            if name.startswith("+"):
                added[name[1:]] = added.get(name[1:], np.zeros(draws)) + drawn
            else:
                before = values.get(name, np.full(draws, system.values[name]))
                values[name] = shifted(effect.scale, before, drawn)
    faults.raise_as(NotFoundError)
    return Draws(draws, values, shifts, added)


def differing(system: System, chosen: ParameterSet) -> dict[str, tuple[float, float]]:
    """Find the values of a system that are not those of a set, with what the set has.

    A file may round what was fitted: to a thousandth, or to a fifth of its standard error.

    Raises
    ------
    NotFoundError, UnitsError
        If the set does not fit the system.
    """
    fitted = apply_set(system, chosen).values
    known = {v.name: abs((v.se or 0.0) / v.value) if v.value else 0.0 for v in chosen.values}
    return {
        name: (value, fitted[name])
        for name, value in system.values.items()
        if abs(value - fitted[name]) > max(1e-3, 0.2 * known.get(name, 0.0)) * abs(fitted[name])
    }


def _here(name: str, system: System) -> bool:
    """Whether a name is the system's business: not that of a drug or module it does not have."""
    return "." not in name or name.split(".", 1)[0] in system.components


def _shifts(effect: SetEffect, chosen: ParameterSet, draws: int, rng: np.random.Generator, like: str) -> F8:
    # drawn in any case: one effect's numbers do not depend on another's
    drawn = effect.sd * _spread_out(draws, rng)
    if not effect.together:
        return drawn
    if like not in effect.together:
        return np.zeros(draws)
    if effect.draws:
        return np.array(effect.draws)[np.arange(draws) % len(chosen.draws)]
    return np.full(draws, effect.shift) if effect.shift else drawn


def _spread_out(draws: int, rng: np.random.Generator) -> F8:
    """Draw standard normal numbers in random order, one from each of as many equal parts of the distribution.

    A hundred such draws place the ends of an interval as well as several hundred that are left to chance.
    """
    from scipy.special import ndtri

    return np.asarray(ndtri((rng.permutation(draws) + rng.uniform(1e-9, 1 - 1e-9, draws)) / draws))


def _parameters(
    system: System, chosen: ParameterSet, draws: int, rng: np.random.Generator
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    if chosen.draws:
        return chosen.draw_names, np.array(chosen.draws)[np.arange(draws) % len(chosen.draws)]
    names = chosen.covariance_names
    known = {v.name: v for v in chosen.values}
    centre = np.array([known[n].value for n in names])
    positive = centre > 0
    slope = np.where(positive, 1.0 / np.where(positive, centre, 1.0), 1.0)
    value, vector = np.linalg.eigh(np.array(chosen.covariance) * np.outer(slope, slope))
    moved = rng.standard_normal((draws, len(names))) @ (vector * np.sqrt(np.maximum(value, 0.0))).T
    made = np.where(positive, np.where(positive, centre, 1.0) * np.exp(np.where(positive, moved, 0.0)), centre + moved)
    ranges = {p.name: (p.low, p.high, p.unit) for p in system.parameters if p.low is not None and p.high is not None}
    for j, name in enumerate(names):
        if name in ranges:
            low, high, unit = ranges[name]
            scale = conversion(unit, known[name].unit) if known[name].unit else 1.0
            # a range the fitted value itself lies outside of says nothing
            made[:, j] = np.clip(made[:, j], min(low * scale, centre[j]), max(high * scale, centre[j]))
    return names, made
