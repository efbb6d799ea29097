"""A clinic simulated: one woman, one guideline, a schedule of scans, and the drug that follows.

At each visit the clinic sees what it would see: her age, measured T-scores and the loss between two measured scans. It
asks the guideline, and once bone treatment is indicated it starts a drug the limits on dosing allow. What happens to
bone is the model's business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.decide.decision import Finding, find, look_up
from bonepk.decide.dxa import LSC_FACTOR, precision, t_score
from bonepk.decide.facts import Facts
from bonepk.decide.limits import breaches, fit_agent
from bonepk.decide.policy import Followed, Patient, Policy, Visit
from bonepk.decide.rules import Agent
from bonepk.decide.scans import density_at, scan_visits
from bonepk.decide.vocabulary import Value
from bonepk.errors import DataError
from bonepk.simulate.calendar import MONTH, WEEK, YEAR
from bonepk.simulate.endpoints import months_to_times
from bonepk.simulate.plan import Plan, dose, every

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["follow", "start_months"]

F8 = NDArray[np.float64]

_LOSSES = ("lumbar_spine", "total_hip")


def follow(
    patient: Patient,
    policy: Policy,
    *,
    model: str = "aibl",
    rng: np.random.Generator | int | None,
    months: float | None = None,
    engine: str = "native",
) -> Followed:
    """Follow one patient under a policy.

    Parameters
    ----------
    patient : Patient
    policy : Policy
    model : str
        Core model, by name or path.
    rng : Generator or int or None
        Source of scan error; the same source gives the same course. None measures without error.
    months : float, optional
        Length of the run; by default to the last scan.
    engine : {"native", "scipy"}

    Returns
    -------
    Followed

    Raises
    ------
    DataError
        If treatment is indicated but neither policy nor guideline names a drug the model has and the limits allow.
    """
    from bonepk.model import load
    from bonepk.simulate.run import simulate
    from bonepk.study.trial_text import known_drugs

    times = np.asarray(policy.months, dtype=np.float64)
    end = float(times[-1]) if months is None else max(float(months), float(times[-1]))
    draw = None if rng is None else np.random.default_rng(rng)
    factors = _errors(patient, policy, len(times), draw)

    def run(plan: Plan) -> xr.Dataset:
        system = load(model, drugs=list(plan.drugs))
        grid = months_to_times(times.tolist(), list(range(math.floor(end) + 1)), [0.0, end], time_unit=system.time_unit)
        return simulate(system, plan, times=grid, parameters=dict(patient.parameters), engine=engine)

    plan: Plan = patient.plan
    agent: Agent | None = None
    start: float | None = None
    notes: tuple[str, ...] = ()
    result = run(plan)
    true = density_at(result, times, patient.t_scores, policy.device)
    visits: list[Visit] = []
    for k, month in enumerate(times.tolist()):
        measured = {s: v * factors[s] for s, v in true.items()}
        facts = _seen(patient, policy, measured, times, k)
        if start is not None:
            facts = _treated(facts, agent, (month - start) / 12)
        finding = _ask(policy, facts)
        begins = start is None and _starts(policy, finding)
        if begins:
            agent, notes = fit_agent(policy.agents or finding.agents, facts, known_drugs())
            if agent is None:
                why = "; ".join(notes) or "the guideline names none"
                raise DataError(f"month {month:g}: treatment is indicated but no drug is left; {why}; give agents=")
            start, plan = month, patient.plan + _course(agent, month, patient, policy, end)
            notes += tuple(str(b) for b in breaches(plan, facts, until=end * MONTH))
            result = run(plan)
            true = density_at(result, times, patient.t_scores, policy.device)
        visits.append(Visit(month, facts, finding, start is not None))
    measured = {s: v * factors[s] for s, v in true.items()}
    scans = _scans(policy, visits, true, measured, start, agent)
    return Followed(tuple(visits), start, agent, notes, plan, result, scans)


def start_months(
    patient: Patient,
    policy: Policy,
    n: int = 1000,
    *,
    model: str = "aibl",
    rng: np.random.Generator | int,
    engine: str = "native",
) -> xr.Dataset:
    """Say when treatment would start, many times over with other scan errors.

    Until it starts the woman is the same, so the model runs once.

    Parameters
    ----------
    patient, policy, model, engine
        See `follow`.
    n : int
        Repetitions.
    rng : Generator or int

    Returns
    -------
    xarray.Dataset
        ``start`` over ``repetition`` in months, nan where treatment never starts; ``started`` over ``month``, the share
        that has begun by each visit; ``without_error``, when it starts if scans have none.

    Raises
    ------
    DataError
        If n is not positive.
    """
    import xarray as xr

    from bonepk.model import load
    from bonepk.simulate.run import simulate

    if n < 1:
        raise DataError(f"start_months: n = {n}; a whole number of at least 1")
    times = np.asarray(policy.months, dtype=np.float64)
    system = load(model, drugs=list(patient.plan.drugs))
    grid = months_to_times([0.0], times.tolist(), time_unit=system.time_unit)
    run = simulate(system, patient.plan, times=grid, parameters=dict(patient.parameters), engine=engine)
    true = density_at(run, times, patient.t_scores, policy.device)
    draw = np.random.default_rng(rng)
    starts = np.array([_first(patient, policy, true, times, draw) for _ in range(n)])
    exact = _first(patient, policy, true, times, None)
    share = (starts[:, None] <= times[None, :]).mean(axis=0)
    return xr.Dataset(
        {
            "start": ("repetition", starts, {"units": "month", "long_name": "start of bone treatment"}),
            "started": ("month", share, {"units": "1", "long_name": "share on bone treatment"}),
            "without_error": (
                (),
                exact,
                {"units": "month", "long_name": "start of bone treatment, scans without error"},
            ),
        },
        {"month": ("month", times, {"units": "month"})},
        {"guideline": look_up(policy.guideline).name, "device": policy.device, "precision": policy.precision},
    )


def _first(
    patient: Patient, policy: Policy, true: Mapping[str, F8], times: F8, draw: np.random.Generator | None
) -> float:
    """Month treatment starts, or nan."""
    factors = _errors(patient, policy, len(times), draw)
    measured = {s: v * factors[s] for s, v in true.items()}
    for k, month in enumerate(times.tolist()):
        if _starts(policy, _ask(policy, _seen(patient, policy, measured, times, k))):
            return float(month)
    return math.nan


def _errors(patient: Patient, policy: Policy, visits: int, draw: np.random.Generator | None) -> dict[str, F8]:
    """Relative reading of every scan, drawn at once so that what is given does not change later errors."""
    ones = {site: np.ones(visits) for site in patient.t_scores}
    return scan_visits(ones, draw, policy.device, policy.precision)


def _ask(policy: Policy, facts: Facts) -> Finding:
    return find(facts, policy.guideline, policy.topic)


def _starts(policy: Policy, finding: Finding) -> bool:
    read = policy.gaps == "read" and finding.outcome == "gap" and finding.reading in policy.treat_on
    return finding.outcome in policy.treat_on or read


def _seen(patient: Patient, policy: Policy, measured: Mapping[str, F8], times: F8, k: int) -> Facts:
    """Collect what the clinic knows at a visit."""
    scores = {f"t_{s}": float(t_score(v[k], s, policy.device)) for s, v in measured.items()}
    losses: dict[str, Value] = {}
    if k:
        years = (times[k] - times[k - 1]) / 12
        for site in _LOSSES:
            if site in measured:
                lost = 100 * (1 - measured[site][k] / measured[site][k - 1])
                lsc = LSC_FACTOR * precision(site, policy.device, policy.precision).cv
                shown = lost if policy.losses == "measured" or abs(lost) >= lsc else 0.0
                losses[f"loss_{site}"] = float(np.clip(shown / years, -40, 40))
        losses["same_machine"] = True
    age = float(patient.facts.age or 0.0) + times[k] / 12
    return replace(patient.facts, age=float(age), **scores, **losses)  # type: ignore[arg-type]


def _treated(facts: Facts, agent: Agent | None, years: float) -> Facts:
    """Bone drug taken so far, which limits ask for."""
    if agent is None or years <= 0:
        return facts
    if agent.drug == "denosumab":
        return replace(facts, denosumab_years=(facts.denosumab_years or 0.0) + years)
    if agent.drug == "zoledronate":
        return replace(facts, iv_bisphosphonate_years=(facts.iv_bisphosphonate_years or 0.0) + years)
    return replace(facts, oral_bisphosphonate_years=(facts.oral_bisphosphonate_years or 0.0) + years)


def _course(agent: Agent, month: float, patient: Patient, policy: Policy, end: float) -> Plan:
    """Plan of a drug from a month on."""
    start = month * MONTH
    if not agent.interval:
        return dose(agent.drug, agent.dose, start, over=agent.over, route=agent.route)
    last = start + policy.years * YEAR if policy.years is not None else patient.plan.end
    if last <= start:  # her own plan is over or has no end: treat to the end of the run
        last = max(end * MONTH, start + agent.interval)
    last = max(last - WEEK, start + 1)  # no dose in the last days of the drug she is protected from
    spread = agent.interval < MONTH  # tablets of years are given evenly; the hours after one do not matter to bone
    return every(
        agent.drug,
        agent.dose,
        days=agent.interval,
        until=last,
        start=start,
        over=agent.over,
        route=agent.route,
        spread=spread,
    )


def _scans(
    policy: Policy,
    visits: Sequence[Visit],
    true: Mapping[str, F8],
    measured: Mapping[str, F8],
    start: float | None,
    agent: Agent | None,
) -> xr.Dataset:
    import xarray as xr

    from bonepk.decide.words import agent_words

    both, sites = ("site", "month"), list(true)
    scores = np.stack([t_score(measured[s], s, policy.device) for s in sites])
    units = {"units": "g/cm2"}
    return xr.Dataset(
        {
            "true": (both, np.stack([true[s] for s in sites]), {**units, "long_name": "bone density"}),
            "measured": (
                both,
                np.stack([measured[s] for s in sites]),
                {**units, "long_name": "bone density, measured"},
            ),
            "t_score": (both, scores, {"units": "1", "long_name": "T-score, measured"}),
            "outcome": ("month", [v.finding.outcome for v in visits], {"long_name": "what the guideline says"}),
            "branch": ("month", [v.finding.branch for v in visits], {"long_name": "which branch says it"}),
            "treated": ("month", [v.on_treatment for v in visits], {"units": "1", "long_name": "on bone treatment"}),
        },
        {"site": sites, "month": ("month", [v.month for v in visits], {"units": "month"})},
        {
            "guideline": look_up(policy.guideline).name,
            "device": policy.device,
            "precision": policy.precision,
            "start": math.nan if start is None else start,
            "agent": "none" if agent is None else agent_words(agent),
            "warning": "research software; no medical advice",
        },
    )
