"""A published number as an observation: its value, its standard error, and which errors it shares with others."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bonepk.infer.rows import Row
from bonepk.study.endpoints import KINDS, family_of
from bonepk.study.evidence import Row as Published
from bonepk.study.evidence import Trial

__all__ = ["TYPICAL", "observation", "percent_of"]

TYPICAL: Mapping[str, float] = {
    "bmd": 4.5,
    "ctx": 35.0,
    "ntx": 40.0,
    "p1np": 35.0,
    "bsap": 30.0,
    "bmd_between": 15.0,
    "ntx_between": 50.0,
    "p1np_between": 50.0,
    "ctx_between": 50.0,
    "bsap_between": 40.0,
}
"""Standard deviation between women by family, for rows whose publication states no spread, in percent."""

_SMALL = 40  # women assumed in an arm whose number is not known


def percent_of(row: Published) -> float:
    """Percent (or points) that one unit of a row is: 100 for a ratio, more or less for a level, 1 for the others."""
    if row.kind == "ratio":
        return 100.0
    if row.kind == "level":
        return 100.0 / (abs(row.value) or 1.0)
    return 1.0


def observation(trial: Trial, row: Published, typical: Mapping[str, float], memory: float = 1.0) -> Row:
    """Turn a published number into an observation in percent or percentage points.

    Parameters
    ----------
    trial : Trial
    row : Row
        One that can be predicted (no `obstacle`).
    typical : mapping of str to float
        Standard deviation between women by family, for rows without a spread.
    memory : float
        Weight of rows that were recalled, not read.

    Returns
    -------
    bonepk.infer.rows.Row
    """
    years = ((row.month or 0.0) - row.since) / 12
    per = years if row.kind in {"annual_change", "annual_difference"} else 1.0
    scale = percent_of(row)
    return Row(
        output=row.endpoint,
        value=row.value * scale,
        se=_se(trial, row, typical, per, scale),
        arm=row.arm,
        versus=row.versus if KINDS[row.kind].two_arms else "",
        month=row.month or 0.0,
        since=row.since,
        per=per,
        weight=memory if row.confidence == "memory" else 1.0,
        family=family_of(row.endpoint, row.kind),
        label=f"{row.arm}{' - ' + row.versus if row.versus else ''} {row.endpoint} {row.kind} month {row.month:g}",
    )


def _se(trial: Trial, row: Published, typical: Mapping[str, float], per: float, scale: float) -> float:
    spread, n = row.spread, row.n or trial.arm(row.arm).n
    if spread is not None and spread.type in {"ci95", "se"}:
        return scale * (spread.high - spread.low) / (3.92 if spread.type == "ci95" else 2.0)
    if spread is not None and spread.type == "sd":
        return scale * (spread.high - spread.low) / 2 / math.sqrt(n or _SMALL)
    sd = typical.get(family_of(row.endpoint, row.kind), 30.0)
    two = KINDS[row.kind].two_arms
    counts = [n or _SMALL, trial.arm(row.versus).n or _SMALL] if two else [n or _SMALL]
    return sd * math.sqrt(sum(1 / c for c in counts)) / per
