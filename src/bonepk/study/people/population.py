"""A population as a value: how traits are spread, how bone and drug handling differ, who may enter a trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bonepk.errors import Fault, NotFoundError, near

__all__ = [
    "Effect",
    "Entry",
    "Population",
    "Slope",
    "Spread",
    "Target",
    "load_population",
    "population_folder",
    "population_names",
]


@dataclass(frozen=True)
class Slope:
    """Change per unit of another trait, counted from `at`."""

    on: str
    per: float
    at: float = 0.0


@dataclass(frozen=True)
class Spread:
    """How one trait is spread over a population.

    Attributes
    ----------
    trait : str
    kind : {"normal", "lognormal", "share", "fixed"}
        Normal (`centre` is the mean), log-normal (`centre` is the median, `sd` that of the logarithm), a share of
        people with the flag (`centre`), or one value for all.
    centre, sd : float
    low, high : float
        Nobody is outside; the distribution is cut there and scaled up between.
    slopes : tuple of Slope
        Shift of the mean, of the log of the median, or of the log odds.
    source : str
        Where the numbers were read, or ``assumed``.
    note : str
    """

    trait: str
    kind: str
    centre: float
    sd: float = 0.0
    low: float = float("-inf")
    high: float = float("inf")
    slopes: tuple[Slope, ...] = ()
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Effect:
    """How a model parameter, or input, differs between people.

    Attributes
    ----------
    parameter : str
        Name in the model, ``denosumab.CL`` for a drug's own; an effect on a drug that is not in the model is left out.
    form : {"log", "logit"}
        Scale on which it is normal; ``logit`` for a share.
    sd : float
        Standard deviation on that scale.
    slopes : tuple of Slope
        Shift on that scale.
    """

    parameter: str
    form: str
    sd: float
    slopes: tuple[Slope, ...] = ()
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """A criterion people must meet to take part."""

    trait: str
    at_least: float = float("-inf")
    below: float = float("inf")
    note: str = ""


@dataclass(frozen=True)
class Target:
    """What a published baseline table says of a trait: its mean (the share, for a flag), and its standard deviation."""

    trait: str
    mean: float
    sd: float | None = None
    at_least: float | None = None
    source: str = ""

    @property
    def label(self) -> str:
        """In words: ``share with age of at least 65``."""
        return self.trait if self.at_least is None else f"share with '{self.trait}' of at least {self.at_least:g}"


@dataclass(frozen=True)
class Population:
    """Who is drawn.

    Attributes
    ----------
    name, title, description : str
    device : str
        Device, or reference group, of T-scores; see `bonepk.study.people.reference`.
    spreads : mapping of str to Spread
        One for each drawn trait.
    correlations : mapping of (str, str) to float
        Between traits, or between parameters, on the scale on which they are normal.
    effects : mapping of str to Effect
    precision : mapping of str to float
        Error of one scan by site, and of one assay by marker, as a coefficient of variation.
    visit_noise : mapping of str to float
        What a person's own level of an output wanders between visits, as a coefficient of variation: biological
        variation of a marker.
    entry : tuple of Entry
    targets : tuple of Target
    """

    name: str
    title: str
    description: str
    device: str
    spreads: Mapping[str, Spread]
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    precision: Mapping[str, float] = field(default_factory=dict)
    visit_noise: Mapping[str, float] = field(default_factory=dict)
    entry: tuple[Entry, ...] = ()
    targets: tuple[Target, ...] = ()

    def noise(self, measure: str) -> float:
        """Coefficient of variation of one measurement around a person's own level, of a site or a marker."""
        return math.hypot(self.precision.get(measure, 0.0), self.visit_noise.get(measure, 0.0))


def population_folder() -> Path:
    """Folder of the populations that come with bonepk."""
    from bonepk.study.evidence import evidence_folder

    return evidence_folder() / "populations"


def population_names() -> tuple[str, ...]:
    """Names of the populations that come with bonepk, in alphabetical order."""
    return tuple(sorted(p.stem for p in population_folder().glob("*.toml")))


def load_population(name: str | Path | Population) -> Population:
    """Read a population by name, or from a file.

    Raises
    ------
    NotFoundError
        If there is no such population.
    DataError
        If the file is faulty; the message lists every fault with file and line.
    """
    if isinstance(name, Population):
        return name
    from bonepk.study.people.population_text import read_population

    return read_population(find_population(name))


def find_population(name: str | Path) -> Path:
    """Path of a population file, by name or path.

    Raises
    ------
    NotFoundError
        If there is no such file.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = population_folder() / f"{name}.toml"
    if not path.is_file():
        known = population_names()
        cure = near(str(name), known) or f"one of {', '.join(known)}"
        raise NotFoundError(Fault("population", f"unknown population '{name}'", cure))
    return path
