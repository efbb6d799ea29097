"""What became of people: trajectories, compactly, and what a scan or an assay would have shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, near
from bonepk.simulate.plan import Plan
from bonepk.study.people.people import People
from bonepk.study.people.reference import SITES, bmd_of, t_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["STORED", "Courses", "Outcome", "Policy", "measured"]

F8 = NDArray[np.float64]
F4 = NDArray[np.float32]

STORED = (
    "bmd_lumbar_spine",
    "bmd_total_hip",
    "bmd_femoral_neck",
    "ctx",
    "ntx",
    "p1np",
    "bsap",
    "estradiol",
    "resorption",
    "formation_trabecular",
)
"""Outputs kept for each person, where the model has them."""


@dataclass(frozen=True, eq=False)
class Courses:
    """Trajectories of a group of people.

    Attributes
    ----------
    people : People
    arm : ndarray of int64, shape (people,)
    months : ndarray, shape (times,)
        From day 0.
    values : mapping of str to ndarray of float32, shape (people, times)
        Levels of the outputs, in the model's unit (bone density times that of the young woman). NaN for a failed run.
    dropout : ndarray, shape (people,)
        Month at which a person was lost; inf for those who stayed.
    """

    people: People
    arm: NDArray[np.int64]
    months: F8
    values: Mapping[str, F4]
    dropout: F8

    def at(self, month: float) -> int:
        """Place of a stored month.

        Raises
        ------
        DataError
            If it is not stored.
        """
        place = int(np.abs(self.months - month).argmin())
        if abs(self.months[place] - month) > 1e-6:
            stored = ", ".join(f"{m:g}" for m in self.months)
            raise DataError(Fault("courses", f"month {month:g} is not stored", f"stored are {stored}"))
        return place

    def level(self, output: str, month: float) -> F8:
        """Look up the true level of an output at a stored month, shape (people,)."""
        if output not in self.values:
            raise DataError(Fault("courses", f"no output '{output}'", near(output, self.values)))
        return self.values[output][:, self.at(month)].astype(np.float64)

    def change(self, output: str, month: float, since: float = 0.0) -> F8:
        """Work out the true percent change since a month, shape (people,)."""
        return 100.0 * (self.level(output, month) / self.level(output, since) - 1.0)

    def bmd(self, site: str, month: float) -> F8:
        """Work out the true bone density in g/cm2, shape (people,)."""
        rise = self.level(f"bmd_{site}", month) / self.level(f"bmd_{site}", 0.0)
        return np.asarray(self.people[f"bmd_{site}"] * rise, dtype=np.float64)

    def t_score(self, site: str, month: float) -> F8:
        """Work out the true T-score, shape (people,)."""
        return t_of(self.bmd(site, month), site, self.people.population.device)

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Courses:
        """Courses of some of the people."""
        values = {n: v[which] for n, v in self.values.items()}
        return Courses(self.people.select(which), self.arm[which], self.months, values, self.dropout[which])

    @property
    def dataset(self) -> xr.Dataset:
        """Everything as a labelled table, dimensions ``person`` and ``month``; a trait may say ``entry_``."""
        import xarray as xr

        columns = {n: (("person", "month"), v) for n, v in self.values.items()}
        made = xr.Dataset(columns, {"person": self.people.number, "month": self.months})
        made["arm"] = ("person", self.arm)
        made["dropout_month"] = ("person", self.dropout)
        who = self.people.dataset
        return made.merge(who.rename({n: f"entry_{n}" for n in who if n in made}), combine_attrs="no_conflicts")


class Outcome(Protocol):
    """Something that befalls people as their bones change: fractures, for example.

    The month of an event may depend on what happened before it, and on numbers of the person's own
    (``courses.people.uniforms(name)``), but on nothing that comes later: a drug started after the event changes the
    course behind it, and the outcome is asked again.
    """

    @property
    def name(self) -> str:
        """Name and version: results are kept under it."""

    def __call__(self, courses: Courses) -> Mapping[str, F8]:
        """Months of first events by name, shape (people,) each; inf for people without one."""
        ...


class Policy(Protocol):
    """Something that starts drugs at visits, such as a clinic that follows a guideline.

    At each visit it is asked for everyone; it may look at what was measured up to that visit (`measured`), and at
    nothing later. Each of its plans starts once at most for a person.
    """

    name: str
    """Name and version: results are kept under it."""

    starts: tuple[Plan, ...]
    """What it may start, with days counted from the visit."""

    def __call__(self, courses: Courses, month: float) -> NDArray[np.int64]:
        """Place in `starts` of what each person is to start at this visit, -1 for nothing, shape (people,)."""
        ...


def measured(courses: Courses, output: str, month: float) -> F8:
    """Level with the errors of a scan or an assay, shape (people,).

    Bone density has the error of a scan (that at entry is the one the entry criteria saw) and what a person's own value
    wanders between visits; a marker has the error of the assay and biological variation.

    Parameters
    ----------
    courses : Courses
    output : str
        A stored output.
    month : float
        A stored month.

    Returns
    -------
    ndarray
        g/cm2 for bone density, else the model's unit.
    """
    people = courses.people
    who = people.population
    site = output.removeprefix("bmd_")
    if site in SITES:
        device = who.device
        if month == 0:
            return bmd_of(people[f"measured_t_score_{site}"], site, device)
        return courses.bmd(site, month) * (1 + who.noise(site) * people.normals(f"scan {site} month {month:g}")[:, 0])
    noise = np.sqrt(np.log1p(who.noise(output) ** 2)) * people.normals(f"assay {output} month {month:g}")[:, 0]
    return np.asarray(courses.level(output, month) * np.exp(noise), dtype=np.float64)
