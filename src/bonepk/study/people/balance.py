"""Weights that make a sample look like a published baseline table (entropy balancing)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Faults
from bonepk.study.people.people import People
from bonepk.study.people.population import Target

__all__ = ["balance"]

F8 = NDArray[np.float64]

_ROUNDS = 200
_CLOSE = 1e-9  # largest miss of a target, in standard deviations of the sample


def balance(people: People, targets: Sequence[Target] | None = None, *, least: float = 0.1) -> People:
    """Weight people so that they match targets, and change the weights as little as possible.

    Weights are those nearest to the present ones in relative entropy that meet every target exactly (Hainmueller 2012
    Polit Anal 20:25).

    Parameters
    ----------
    people : People
    targets : sequence of Target, optional
        By default those of the population.
    least : float
        Smallest effective sample size, as a part of the people.

    Returns
    -------
    People
        With weights of mean 1; `People.effective` says what they are worth.

    Raises
    ------
    DataError
        With every target that no weights can meet; or if they would leave too few people.
    """
    goals = people.population.targets if targets is None else tuple(targets)
    if not goals:
        return people
    faults = Faults()
    columns: list[F8] = []
    wanted: list[float] = []
    labels: list[str] = []
    for goal in goals:
        values = people[goal.trait]
        if goal.at_least is not None:
            values = (values >= goal.at_least).astype(np.float64)
        low, high = float(values.min()), float(values.max())
        whole = low == high == goal.mean and not goal.sd
        if not (low < goal.mean < high or whole):
            faults.add("targets", f"{goal.label}: {goal.mean:g}", f"people from {low:.4g} to {high:.4g}", "draw others")
            continue
        if whole:
            continue
        columns.append(values)
        wanted.append(goal.mean)
        labels.append(goal.label)
        if goal.sd is not None:
            reach = float(np.sqrt((goal.mean - low) * (high - goal.mean)))  # all people at the two ends
            if not 0 < goal.sd < reach:
                faults.add("targets", f"{goal.label}: SD {goal.sd:g}", f"between 0 and {reach:.4g} for these people")
            columns.append((values - goal.mean) ** 2)
            wanted.append(goal.sd**2)
            labels.append(f"SD of {goal.label}")
    faults.raise_as(DataError)
    if not columns:
        return people
    base = people.weights / people.weights.sum()
    table = np.column_stack(columns)
    scale = table.std(axis=0)
    gaps = (table - np.array(wanted)) / scale
    weights, missed = _solve(base, gaps)
    if missed.max() > _CLOSE * 1e3:
        for label, gap in zip(labels, missed, strict=True):
            if gap > _CLOSE * 1e3:
                faults.add(
                    "targets", f"{label} stays off by {gap:.2g} SD", "targets that these people can meet together"
                )
        faults.raise_as(DataError)
    made = replace(people, weights=weights * len(people))
    if made.effective < least * len(people):
        found = f"effective sample size {made.effective:.0f} of {len(people)} people"
        faults.add(
            "targets", found, f"at least {least * len(people):.0f}", "draw from a population nearer to the table"
        )
        faults.raise_as(DataError)
    return made


def _solve(base: F8, gaps: F8) -> tuple[F8, F8]:
    """Newton's method on the dual: weights proportional to base*exp(gaps @ m) with no gap left."""
    m = np.zeros(gaps.shape[1])

    def at(m: F8) -> tuple[float, F8]:
        log = np.log(np.maximum(base, 1e-300)) + gaps @ m
        top = float(log.max())
        w = np.exp(log - top)
        total = float(w.sum())
        return top + float(np.log(total)), w / total

    value, w = at(m)
    for _ in range(_ROUNDS):
        slope = gaps.T @ w
        if np.abs(slope).max() < _CLOSE:
            break
        curve = (gaps * w[:, None]).T @ gaps - np.outer(slope, slope)
        step = np.linalg.lstsq(curve + 1e-12 * np.eye(len(m)), slope, rcond=None)[0]
        length = 1.0
        while length > 1e-8:
            new, w_new = at(m - length * step)
            if new <= value - 1e-4 * length * float(slope @ step) + 1e-14:
                break
            length /= 2
        m, value, w = m - length * step, new, w_new
        if np.abs(m).max() > 500:  # runs away: the target lies on or outside the edge of what is possible
            break
    return w, np.abs(gaps.T @ w)
