"""`People`: women as arrays, checked, with what makes them differ from the typical one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bonepk.errors import DataError, Fault, Faults, near
from bonepk.study.people.draws import Key, normals, uniforms
from bonepk.study.people.population import Population
from bonepk.study.people.reference import SITES
from bonepk.study.people.traits import FLAGS, TRAITS, check_traits

if TYPE_CHECKING:
    import xarray as xr

    from bonepk.engine import Compiled

__all__ = ["People"]

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_INPUTS = {"body_weight": "weight", "creatinine_clearance": "creatinine_clearance"}
_YEARS = "years_since_fmp"


@dataclass(frozen=True, eq=False)
class People:
    """A group of people.

    Attributes
    ----------
    population : Population
        Where they come from.
    key : Key
        What their random numbers follow from.
    number : ndarray of int64, shape (people,)
        Who each is: people of one key with the same number are the same person.
    traits : mapping of str to ndarray, shape (people,)
        Every trait of `bonepk.study.people.TRAITS`, in its unit.
    deviates : mapping of str to ndarray, shape (people,)
        How far each lies from the typical value of a model parameter, in standard deviations.
    weights : ndarray, shape (people,)
        Mean 1.

    Raises
    ------
    DataError
        If someone is impossible, arrays disagree in length, or a weight is negative.
    """

    population: Population
    key: Key
    number: I8
    traits: Mapping[str, F8]
    deviates: Mapping[str, F8]
    weights: F8

    def __post_init__(self) -> None:
        faults = Faults()
        size = len(self.number)
        for name in TRAITS:
            if name not in self.traits:
                faults.add("people", f"no trait '{name}'", cure="sample them, or use people_from")
        for what, group in (("trait", self.traits), ("deviate", self.deviates)):
            for name, values in group.items():
                if values.shape != (size,):
                    faults.add(f"people, {what} '{name}'", f"shape {values.shape}", f"({size},)")
                values.setflags(write=False)
        if self.weights.shape != (size,) or not (np.isfinite(self.weights).all() and (self.weights >= 0).all()):
            faults.add("people", "weights", f"{size} finite numbers not below 0")
        faults.raise_as(DataError)
        check_traits(self.traits)
        self.weights.setflags(write=False)
        self.number.setflags(write=False)

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, trait: str) -> F8:
        """Values of a trait, shape (people,)."""
        if trait not in self.traits:
            raise DataError(Fault("people", f"no trait '{trait}'", near(trait, self.traits)))
        return self.traits[trait]

    @property
    def effective(self) -> float:
        """Effective sample size: what the people are worth once weighted (Kish)."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum()) if len(self) else 0.0

    def select(self, which: ArrayLike) -> People:
        """Take some of them, by a mask or by places; weights are scaled to mean 1 again."""
        chosen = np.asarray(which)
        weights = self.weights[chosen]
        total = weights.mean() if len(weights) else 1.0
        return replace(
            self,
            number=self.number[chosen],
            traits={n: v[chosen] for n, v in self.traits.items()},
            deviates={n: v[chosen] for n, v in self.deviates.items()},
            weights=weights / total if total > 0 else weights,
        )

    def uniforms(self, name: str, width: int = 1) -> F8:
        """Draw each person's own numbers between 0 and 1 from the stream of a name, shape (people, width).

        A person has the same numbers in any group and any order.
        """
        return self._drawn(uniforms, name, width)

    def normals(self, name: str, width: int = 1) -> F8:
        """Draw each person's own standard normal numbers from the stream of a name, shape (people, width)."""
        return self._drawn(normals, name, width)

    def _drawn(self, draw: object, name: str, width: int) -> F8:
        if not len(self):
            return np.zeros((0, width))
        first = int(self.number.min())
        span = int(self.number.max()) - first + 1
        values: F8 = draw(self.key, name, first, span, width)  # type: ignore[operator]
        return values[self.number - first]

    def mean(self, trait: str) -> float:
        """Weighted mean of a trait (the share, for a flag)."""
        return float(np.average(self[trait], weights=self.weights))

    def sd(self, trait: str) -> float:
        """Weighted standard deviation of a trait."""
        values = self[trait]
        return float(np.sqrt(np.average((values - self.mean(trait)) ** 2, weights=self.weights)))

    def parameters(self, compiled: Compiled) -> F8:
        """Parameter vectors of a model, one a person.

        Years since menopause, weight and creatinine clearance go to the inputs and parameters that carry them;
        parameters listed in the population are spread around the model's value.

        Parameters
        ----------
        compiled : Compiled

        Returns
        -------
        ndarray, shape (people, n_vector)

        Raises
        ------
        DataError
            If the population spreads a parameter the model does not have (other than one of a drug that is left out),
            or one on the logit scale is not between 0 and 1.
        """
        table = np.tile(compiled.parameter_vector(), (len(self), 1))
        names = set(compiled.layout.vector_names)
        drugs = {n.rpartition(".")[0] for n in names if "." in n}
        faults = Faults()
        for name, effect in self.population.effects.items():
            if name not in names:
                if "." not in name or name.partition(".")[0] in drugs:
                    faults.add(
                        f"population '{self.population.name}'", f"no parameter '{name}' in the model", near(name, names)
                    )
                continue
            place = compiled.index(name)
            shift = effect.sd * self.deviates[name]
            for slope in effect.slopes:
                shift = shift + slope.per * (self[slope.on] - slope.at)
            typical = table[0, place]
            if effect.form == "logit":
                if not 0 < typical < 1:
                    faults.add(f"parameter '{name}'", f"{typical:g} on the logit scale", "a share between 0 and 1")
                    continue
                table[:, place] = 1 / (1 + (1 - typical) / typical * np.exp(-shift))
            else:
                table[:, place] = typical * np.exp(shift)
        faults.raise_as(DataError)
        for name, trait in _INPUTS.items():
            if name in names and name not in self.population.effects:
                table[:, compiled.index(name)] = self[trait]
        if _YEARS in names:
            table[:, compiled.index(_YEARS)] = self["years_since_menopause"]
        return table

    @cached_property
    def dataset(self) -> xr.Dataset:
        """Traits and weights as a labelled table, dimension ``person`` with the people's numbers."""
        import xarray as xr

        columns = {
            n: ("person", v, {"units": TRAITS[n].unit, "long_name": TRAITS[n].label}) for n, v in self.traits.items()
        }
        columns["weight_in_sample"] = ("person", self.weights, {"units": "1", "long_name": "weight in the sample"})
        about = {"population": self.population.name, "device": self.population.device, "effective": self.effective}
        return xr.Dataset(columns, {"person": self.number}, about)

    def summary(self) -> str:
        """Baseline table as text: mean (SD), or share, of every trait."""
        lines = [f"{self.population.title}: {len(self)} people, effective {self.effective:.0f}"]
        for name, trait in TRAITS.items():
            unit = "" if trait.unit in {"1", "0 or 1"} else f" {trait.unit}"
            said = (
                f"{100 * self.mean(name):.0f} %"
                if name in FLAGS
                else f"{self.mean(name):.3g} (SD {self.sd(name):.2g}){unit}"
            )
            lines.append(f"  {trait.label:<46} {said}")
        return "\n".join(lines)

    def t_score(self, site: str) -> F8:
        """Look up the true T-score of a site of `SITES`, shape (people,)."""
        if site not in SITES:
            raise DataError(Fault("people", f"no site '{site}'", near(site, SITES) or f"one of {', '.join(SITES)}"))
        return self[f"t_score_{site}"]
