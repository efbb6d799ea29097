"""Who may break a bone: age, T-scores and risk factors, of single women or spread over a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bonepk.errors import DataError, Faults, near
from bonepk.model.toml_lines import read_toml
from bonepk.study.fields import Fields
from bonepk.study.outcomes.constants import fracture_constants, outcomes_folder

if TYPE_CHECKING:
    from bonepk.study.people.people import People

__all__ = ["Group", "Women", "groups", "one_woman", "women_of"]

F8 = NDArray[np.float64]

T_SITES = ("femoral_neck", "lumbar_spine")
"""Sites whose T-score the fracture model reads."""

_CORRELATION = 0.6  # of the two T-scores of a woman: assumed, see groups.toml
_NODES = 500
_USUAL_BMI = 25.0
# T-score with the mean risk of women of that age: from the tables of Kanis 2008 with and without bone density
_AGES, _T_AT = (50.0, 60.0, 70.0, 80.0), (-1.0, -1.45, -1.96, -2.6)


@dataclass(frozen=True, eq=False)
class Women:
    """Women at day 0, as arrays.

    Attributes
    ----------
    age : ndarray, shape (women,)
        Years.
    t_scores : mapping of str to ndarray, shape (women,)
        For ``femoral_neck`` and ``lumbar_spine``.
    factors : mapping of str to ndarray, shape (women,)
        By the names in ``fracture.toml``: 0 or 1, or the share of a group between.
    bmi : ndarray, shape (women,)
        kg/m2.
    weights : ndarray, shape (women,)
        Any scale.
    device : str
        Reference of the T-scores, see `bonepk.study.people.reference`.

    Raises
    ------
    DataError
        If arrays disagree in length, a factor is not known, or a value is impossible.
    """

    age: F8
    t_scores: Mapping[str, F8]
    factors: Mapping[str, F8]
    bmi: F8
    weights: F8
    device: str = "hologic"

    def __post_init__(self) -> None:
        faults = Faults()
        known = fracture_constants().factors
        for name in T_SITES:
            if name not in self.t_scores:
                faults.add("women", f"no T-score of '{name}'", f"expected {' and '.join(T_SITES)}")
        for name, share in self.factors.items():
            if name not in known:
                faults.add("women", f"unknown risk factor '{name}'", near(name, known) or "one of " + ", ".join(known))
            elif ((share < 0) | (share > 1)).any():
                faults.add(f"women, factor '{name}'", "a value outside 0 to 1", "expected 0, 1 or a share")
        named = {"age": self.age, "bmi": self.bmi, "weights": self.weights, **self.t_scores, **self.factors}
        for name, values in named.items():
            if values.shape != self.age.shape:
                faults.add(f"women, '{name}'", f"shape {values.shape}", f"expected {self.age.shape}, as the ages")
            elif not np.isfinite(values).all():
                faults.add(f"women, '{name}'", "a value that is not finite")
        if np.isfinite(self.age).all() and ((self.age < 18) | (self.age > 110)).any():
            faults.add("women, 'age'", "a value outside 18 to 110", "expected years")
        faults.raise_as(DataError)

    def __len__(self) -> int:
        return len(self.age)

    def select(self, which: NDArray[np.bool_]) -> Women:
        """Keep some of them, by a mask."""
        return replace(
            self,
            age=self.age[which],
            t_scores={n: v[which] for n, v in self.t_scores.items()},
            factors={n: v[which] for n, v in self.factors.items()},
            bmi=self.bmi[which],
            weights=self.weights[which],
        )


@dataclass(frozen=True)
class Group:
    """A trial's women as means and standard deviations; see ``validation/outcomes/groups.toml``."""

    name: str
    age: tuple[float, float]
    t_scores: Mapping[str, tuple[float, float]]
    factors: Mapping[str, float] = field(default_factory=dict)
    oncology: bool = False
    confidence: str = "assumed"
    note: str = ""

    def women(self) -> Women:
        """Spread the group over equally weighted women: normal in age and T-scores, the two T-scores correlated by 0.6.

        The same women every time: points of an even (additive recurrence) sequence, turned into normal numbers.
        """
        from scipy.special import ndtri

        root = 1.2207440846057596  # of x**4 = x + 1: the most even sequence in three dimensions (Roberts 2018)
        even = (0.5 + np.outer(np.arange(1, _NODES + 1), root ** -np.arange(1.0, 4.0))) % 1.0
        z = ndtri(even)
        neck, spine = (self.t_scores[s] for s in T_SITES)
        other = _CORRELATION * z[:, 1] + np.sqrt(1 - _CORRELATION**2) * z[:, 2]
        full = np.ones(_NODES)
        return Women(
            age=np.clip(self.age[0] + self.age[1] * z[:, 0], 30.0, 100.0),
            t_scores={"femoral_neck": neck[0] + neck[1] * z[:, 1], "lumbar_spine": spine[0] + spine[1] * other},
            factors={n: share * full for n, share in self.factors.items()},
            bmi=_USUAL_BMI * full,
            weights=full,
        )


def one_woman(
    age: float,
    t_femoral_neck: float | None = None,
    t_lumbar_spine: float | None = None,
    bmi: float = _USUAL_BMI,
    device: str = "hologic",
    **factors: ArrayLike,
) -> Women:
    """Describe a single woman.

    Parameters
    ----------
    age : float
        Years on day 0.
    t_femoral_neck, t_lumbar_spine : float, optional
        T-scores on day 0; by default one gives the other, and without both those that carry the mean risk of her age.
    bmi : float
        kg/m2.
    device : str
        Reference of the T-scores.
    **factors : bool or float
        Risk factors of ``fracture.toml``: ``prior_fracture=True``.

    Raises
    ------
    DataError
        If a factor is not known or a value is impossible.
    """
    usual = float(np.interp(age, _AGES, _T_AT))
    neck = t_femoral_neck if t_femoral_neck is not None else t_lumbar_spine if t_lumbar_spine is not None else usual
    spine = t_lumbar_spine if t_lumbar_spine is not None else neck
    scores = {"femoral_neck": np.array([float(neck)]), "lumbar_spine": np.array([float(spine)])}
    said = {n: np.array([float(np.asarray(v))]) for n, v in factors.items()}
    return Women(np.array([float(age)]), scores, said, np.array([float(bmi)]), np.ones(1), device)


def women_of(people: People) -> Women:
    """Take from sampled people their ages, true T-scores, risk factors, body mass and weights."""
    known = fracture_constants().factors
    return Women(
        age=people["age"],
        t_scores={s: people.t_score(s) for s in T_SITES},
        factors={n: people[n] for n in known if n in people.traits},
        bmi=people["bmi"],
        weights=people.weights,
        device=people.population.device,
    )


@cache
def groups(path: str | Path | None = None) -> Mapping[str, Group]:
    """Women of the trials whose fractures are compared, by name of the trial.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    data, lines = read_toml(Path(path) if path else outcomes_folder() / "groups.toml", error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)
    table = top.table("groups", required=True)
    made = {}
    for name in table.data:
        one = table.table(name)
        age, neck, spine = (one.numbers(k, required=True) for k in ("age", "t_femoral_neck", "t_lumbar_spine"))
        shares = one.table("factors")
        factors = {k: shares.number(k, low=0, high=1) or 0.0 for k in shares.data}
        outcome = one.choice("outcome", ("oncology",), "outcome")
        confidence = one.choice("confidence", ("verified", "memory", "assumed"), "confidence", required=True)
        note = one.text("note")
        one.close()
        if any(len(v) != 2 for v in (age, neck, spine)):
            faults.add(one.place(), "a mean without a standard deviation", "expected [mean, standard deviation]")
            continue
        scores = {"femoral_neck": (neck[0], neck[1]), "lumbar_spine": (spine[0], spine[1])}
        made[name] = Group(name, (age[0], age[1]), scores, factors, outcome == "oncology", confidence, note)
    top.close()
    faults.raise_as(DataError)
    return made
