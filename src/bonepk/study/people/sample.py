"""Drawing people from a population, with entry criteria and weights; and taking people whose data are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bonepk.errors import DataError, Fault, Faults, near
from bonepk.study.people.draws import Key, key_of, normals
from bonepk.study.people.people import People
from bonepk.study.people.population import Population, Spread, load_population
from bonepk.study.people.population_text import correlation_factor
from bonepk.study.people.reference import SITES, t_of
from bonepk.study.people.traits import DRAWN, FLAGS, TRAITS, check_traits, derived

__all__ = ["people_from", "sample_people"]

F8 = NDArray[np.float64]

_BLOCK = 4096  # candidates looked at together; people do not depend on it
_RAREST = 1e-3  # share of candidates that must at least fit the entry criteria


def sample_people(
    population: str | Path | Population, people: int, rng: np.random.Generator | int, *, entry: bool = True
) -> People:
    """Draw people who meet the entry criteria.

    Parameters
    ----------
    population : str, Path or Population
    people : int
    rng : numpy.random.Generator or int
        Or a seed. The first n of more people are the same people.
    entry : bool
        Whether the population's entry criteria hold.

    Returns
    -------
    People
        With weights 1.

    Raises
    ------
    DataError
        If the number is not positive, or fewer than one candidate in a thousand meets the criteria.
    """
    who = load_population(population)
    if people < 1:
        raise DataError(Fault("people", f"{people}", "at least 1"))
    key = key_of(rng)
    parts: list[tuple[NDArray[np.int64], dict[str, F8], dict[str, F8]]] = []
    found = seen = 0
    while found < people:
        traits, deviates = _candidates(who, key, seen, _BLOCK)
        fit = _possible(traits)
        for rule in who.entry if entry else ():
            values = traits[rule.trait]
            fit &= (values >= rule.at_least) & (values < rule.below)
        places = np.flatnonzero(fit)
        parts.append(
            (places + seen, {n: v[places] for n, v in traits.items()}, {n: v[places] for n, v in deviates.items()})
        )
        found, seen = found + len(places), seen + _BLOCK
        if found < _RAREST * seen:
            rules = ", ".join(f"'{r.trait}'" for r in who.entry)
            found_text = f"{found} of {seen} candidates meet the entry criteria on {rules}"
            raise DataError(Fault(f"population '{who.name}'", found_text, "one in a thousand", "widen the criteria"))
    number = np.concatenate([p[0] for p in parts])[:people]
    return People(
        who,
        key,
        number,
        {n: np.concatenate([p[1][n] for p in parts])[:people] for n in parts[0][1]},
        {n: np.concatenate([p[2][n] for p in parts])[:people] for n in parts[0][2]},
        np.ones(people),
    )


def people_from(
    table: Mapping[str, ArrayLike],
    population: str | Path | Population = "postmenopausal",
    rng: np.random.Generator | int = 0,
) -> People:
    """Take people whose data are known, fully or in part.

    Parameters
    ----------
    table : mapping of str to array_like
        Values by trait, one a person; a single number holds for all. ``weight`` may stand for ``bmi``,
        ``years_since_menopause`` for ``age_at_menopause``, ``bmd_...`` for a T-score.
    population : str, Path or Population
        Gives what the table does not say: the middle of each trait, at the person's own age and build.
    rng : numpy.random.Generator or int
        For the differences between people that no table shows (see `People.deviates`).

    Returns
    -------
    People

    Raises
    ------
    DataError
        With every impossible person, unknown trait and missing age.
    """
    who = load_population(population)
    faults = Faults()
    given: dict[str, F8] = {}
    size = max((np.size(v) for v in table.values()), default=0)
    for name, values in table.items():
        if name not in TRAITS:
            faults.add("people", f"unknown trait '{name}'", near(name, TRAITS) or f"one of {', '.join(TRAITS)}")
        elif np.size(values) not in (1, size):
            faults.add("people", f"'{name}' has {np.size(values)} values", f"{size}, as the other traits")
        else:
            given[name] = np.array(np.broadcast_to(np.ravel(np.asarray(values, dtype=np.float64)), (size,)))
    if "age" not in table:
        faults.add("people", "no 'age'", cure="add it")
    faults.raise_as(DataError)
    known = dict(given)
    for site in SITES:
        if f"bmd_{site}" in known:
            known.setdefault(f"t_score_{site}", t_of(known.pop(f"bmd_{site}"), site, who.device))
    if "years_since_menopause" in known:
        known.setdefault("age_at_menopause", known["age"] - known["years_since_menopause"])
    check_traits({**given, **known} if "years_since_menopause" not in given else given)
    if "weight" in known:
        if "height" not in known:
            known["height"] = _middle(who.spreads["height"], known, size)
        known.setdefault("bmi", known["weight"] / known["height"] ** 2)
    if "creatinine_clearance" in known and "creatinine" not in known:
        bmi = known["bmi"] if "bmi" in known else _middle(who.spreads["bmi"], known, size)
        height = known["height"] if "height" in known else _middle(who.spreads["height"], known, size)
        weight = bmi * height**2
        known["creatinine"] = 0.85 * (140 - known["age"]) * weight / (72 * known["creatinine_clearance"])
    _fill(who, known, size)
    traits = {n: known[n] for n in DRAWN}
    traits |= derived(traits, who.device)
    for site in SITES:
        traits[f"measured_t_score_{site}"] = given.get(f"measured_t_score_{site}", traits[f"t_score_{site}"])
    key = key_of(rng)
    return People(who, key, np.arange(size), traits, _deviates(who, key, 0, size), np.ones(size))


def _fill(who: Population, known: dict[str, F8], size: int) -> None:
    """Add the traits that are not known: the middle, given those that are and go along with them."""
    names = tuple(who.spreads)
    factor = correlation_factor(names, dict(who.correlations))
    matrix = factor @ factor.T
    tied = {n for pair in who.correlations for n in pair}
    scores: dict[str, F8] = {}
    # what stands alone first, then what is known of the traits that go together, then the rest of them
    left = sorted(names, key=lambda n: (n in tied, n not in known))
    while left:  # slopes never go round in a circle, so someone is always next
        name = next(n for n in left if all(s.on in known for s in who.spreads[n].slopes))
        left.remove(name)
        spread = who.spreads[name]
        if name in known:
            if name in tied and spread.sd > 0 and spread.kind in {"normal", "lognormal"}:
                scores[name] = _score(spread, known)
            continue
        if name not in tied or not scores:
            known[name] = _middle(spread, known, size)
            continue
        given = [names.index(n) for n in scores]
        pull = np.linalg.solve(matrix[np.ix_(given, given)], matrix[given, names.index(name)])
        known[name] = _quantile(spread, _even(pull @ np.array(list(scores.values()))), known)


def _score(spread: Spread, known: Mapping[str, F8]) -> F8:
    """How far known values lie from their middle, in standard deviations; the cut at the bounds is left out."""
    values = np.log(known[spread.trait]) if spread.kind == "lognormal" else known[spread.trait]
    return np.asarray((values - _centre(spread, known, len(values))) / spread.sd, dtype=np.float64)


def _even(z: F8) -> F8:
    from scipy.special import ndtr

    return np.asarray(ndtr(z), dtype=np.float64)


def _centre(spread: Spread, traits: Mapping[str, F8], size: int) -> F8:
    """Middle of a normal trait, on the scale on which it is normal."""
    shift: F8 = np.zeros(size)
    for slope in spread.slopes:
        shift = shift + slope.per * (traits[slope.on] - slope.at)
    return (float(np.log(spread.centre)) if spread.kind == "lognormal" else spread.centre) + shift


def _middle(spread: Spread, known: Mapping[str, F8], size: int) -> F8:
    """Middle of a trait; a flag nobody spoke of is absent."""
    if spread.trait in FLAGS and spread.kind == "share":
        return np.zeros(size)
    return _quantile(spread, np.full(size, 0.5), known)


def _candidates(who: Population, key: Key, first: int, count: int) -> tuple[dict[str, F8], dict[str, F8]]:
    from scipy.special import ndtr

    names = tuple(who.spreads)
    z = np.column_stack([normals(key, f"trait {n}", first, count)[:, 0] for n in names])
    z = z @ correlation_factor(names, dict(who.correlations)).T
    traits: dict[str, F8] = {}
    for i, name in enumerate(names):
        traits[name] = _quantile(who.spreads[name], ndtr(z[:, i]), traits)
    traits |= derived(traits, who.device)
    for site in SITES:
        error = who.noise(site) * normals(key, f"scan {site}", first, count)[:, 0]
        measured = t_of(traits[f"bmd_{site}"] * (1 + error), site, who.device)
        traits[f"measured_t_score_{site}"] = measured
    return traits, _deviates(who, key, first, count)


def _deviates(who: Population, key: Key, first: int, count: int) -> dict[str, F8]:
    names = tuple(who.effects)
    if not names:
        return {}
    z = np.column_stack([normals(key, f"effect {n}", first, count)[:, 0] for n in names])
    z = z @ correlation_factor(names, dict(who.correlations)).T
    return {n: np.ascontiguousarray(z[:, i]) for i, n in enumerate(names)}


def _quantile(spread: Spread, u: F8, traits: Mapping[str, F8]) -> F8:
    """Value of a trait at a quantile, given the traits it depends on."""
    from scipy.special import expit, logit, ndtr, ndtri

    middle = _centre(spread, traits, len(u))
    if spread.kind == "fixed":
        return middle
    if spread.kind == "share":
        odds = expit(logit(spread.centre) + middle - spread.centre)
        return np.asarray(u > 1 - odds, dtype=np.float64)
    low, high = spread.low, spread.high
    if spread.kind == "lognormal":
        low, high = float(np.log(max(low, 1e-300))), float(np.log(high))
    if spread.sd == 0:
        value = middle
    else:
        below, above = ndtr((low - middle) / spread.sd), ndtr((high - middle) / spread.sd)
        value = middle + spread.sd * ndtri(below + u * (above - below))
    value = np.clip(value, low, high)
    return np.asarray(np.exp(value) if spread.kind == "lognormal" else value, dtype=np.float64)


def _possible(traits: Mapping[str, F8]) -> NDArray[np.bool_]:
    """Candidates who could live; a tail of two traits together may lie outside."""
    fit = np.ones(len(traits["age"]), dtype=bool)
    for name, values in traits.items():
        fit &= (values >= TRAITS[name].low) & (values <= TRAITS[name].high)
    return fit
