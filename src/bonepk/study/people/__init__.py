"""Virtual people: who they are, drawn from a population or given by a table."""

from bonepk.study.people.balance import balance
from bonepk.study.people.draws import Key, key_of
from bonepk.study.people.people import People
from bonepk.study.people.population import (
    Effect,
    Entry,
    Population,
    Slope,
    Spread,
    Target,
    load_population,
    population_names,
)
from bonepk.study.people.population_text import read_population
from bonepk.study.people.reference import SITES, bmd_of, reference, t_of
from bonepk.study.people.sample import people_from, sample_people
from bonepk.study.people.traits import TRAITS, cockcroft_gault

__all__ = [
    "SITES",
    "TRAITS",
    "Effect",
    "Entry",
    "Key",
    "People",
    "Population",
    "Slope",
    "Spread",
    "Target",
    "balance",
    "bmd_of",
    "cockcroft_gault",
    "key_of",
    "load_population",
    "people_from",
    "population_names",
    "read_population",
    "reference",
    "sample_people",
    "t_of",
]
