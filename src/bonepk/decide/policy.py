"""A patient, how a clinic acts, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bonepk.decide.decision import Finding
from bonepk.decide.facts import Facts
from bonepk.decide.rules import Agent, Guideline
from bonepk.errors import DataError, Faults
from bonepk.simulate.plan import Plan

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Followed", "Patient", "Policy", "Visit"]

_SCANNED = ("t_lumbar_spine", "t_total_hip", "t_femoral_neck", "loss_lumbar_spine", "loss_total_hip")


@dataclass(frozen=True)
class Patient:
    """One woman.

    Attributes
    ----------
    facts : Facts
        On day 0, without T-scores and losses: these are measured.
    t_scores : mapping of str to float
        True T-scores on day 0 of the sites that are scanned.
    plan : Plan
        What she takes whatever the clinic does, such as an aromatase inhibitor.
    parameters : mapping of str to float
        Of the model, such as ``years_since_fmp``.

    Raises
    ------
    DataError
        If facts hold scans, or her age is missing.
    """

    facts: Facts
    t_scores: Mapping[str, float]
    plan: Plan = field(default_factory=Plan)
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = Faults()
        for name in _SCANNED:
            if name in self.facts.known:
                faults.add(
                    f"fact '{name}'", "given for a patient who is scanned", cure="give true T-scores in t_scores"
                )
        if self.facts.age is None:
            faults.add("fact 'age'", "not known", "it rises from visit to visit", "give it")
        faults.raise_as(DataError)


@dataclass(frozen=True)
class Policy:
    """How a clinic acts.

    Attributes
    ----------
    guideline : str, Path or Guideline
    topic : str
        Question whose answer starts bone treatment; empty is the guideline's main one.
    months : sequence of float
        Of the scans, from 0. Every one to two years is usual.
    agents : sequence of Agent
        Drugs in order of preference; empty takes those the guideline names.
    years : float or None
        Length of bone treatment; None is to the end of the patient's own plan (the end of her aromatase inhibitor).
    treat_on : tuple of str
        Outcomes that start treatment.
    gaps : {"observe", "read"}
        Where the rule leaves a case open: wait, or follow bonepk's reading of it.
    losses : {"measured", "real"}
        Whether a loss within the least significant change counts as a loss.
    device, precision : str
        See `bonepk.decide.precision`.
    """

    guideline: str | Path | Guideline = "iof-cabs-2017"
    topic: str = ""
    months: Sequence[float] = (0, 12, 24, 36, 48, 60)
    agents: Sequence[Agent] = ()
    years: float | None = None
    treat_on: tuple[str, ...] = ("treat",)
    gaps: str = "observe"
    losses: str = "measured"
    device: str = "hologic"
    precision: str = "review"

    def __post_init__(self) -> None:
        faults = Faults()
        months = np.asarray(self.months, dtype=np.float64)
        if months.ndim != 1 or not len(months) or months[0] < 0 or not (np.diff(months) > 0).all():
            faults.add("policy, months", f"{list(self.months)}", "rising months from 0 or later")
        if self.gaps not in {"observe", "read"}:
            faults.add("policy, gaps", f"'{self.gaps}'", "'observe' or 'read'")
        if self.losses not in {"measured", "real"}:
            faults.add("policy, losses", f"'{self.losses}'", "'measured' or 'real'")
        if self.years is not None and not self.years > 0:
            faults.add("policy, years", f"{self.years:g}", "above 0, or None")
        faults.raise_as(DataError)


@dataclass(frozen=True)
class Visit:
    """One scan and what the clinic made of it."""

    month: float
    facts: Facts
    finding: Finding
    on_treatment: bool


@dataclass(frozen=True, eq=False)
class Followed:
    """A patient followed.

    Attributes
    ----------
    visits : tuple of Visit
    start : float or None
        Month treatment began.
    agent : Agent or None
        What was given.
    notes : tuple of str
        Drugs passed over or changed, and why.
    plan : Plan
        All she took.
    run : xarray.Dataset
        The model's run.
    scans : xarray.Dataset
        Dimension ``month``: true and measured density and T-score of each site, outcome, branch, and whether treated.
    """

    visits: tuple[Visit, ...]
    start: float | None
    agent: Agent | None
    notes: tuple[str, ...]
    plan: Plan
    run: xr.Dataset
    scans: xr.Dataset
