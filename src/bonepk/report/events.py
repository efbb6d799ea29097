"""Events of a virtual trial: Kaplan-Meier curves and hazard ratios beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError
from bonepk.report.cells import number
from bonepk.study.evidence import Row
from bonepk.study.outcomes import HazardRatio, KaplanMeier, hazard_ratio, kaplan_meier, observed

if TYPE_CHECKING:
    from bonepk.study.virtual import VirtualTrial

__all__ = ["draw_events", "event_lines", "event_ratio", "survival_of"]

EVENTS = {"clinical": "fracture_clinical", "vertebral": "fracture_vertebral", "hip": "fracture_hip"}
"""Event of a virtual trial and the published endpoint it stands beside."""

_WORDS = {"clinical": "first clinical fracture", "vertebral": "vertebral fracture on films", "hip": "hip fracture"}


def survival_of(result: VirtualTrial, arm: str, event: str) -> KaplanMeier:
    """Kaplan-Meier curve of an event in an arm; women lost and the end of the study censor."""
    months, seen = _followed(result, event)
    who = result.in_arm(arm)
    return kaplan_meier(months[who], seen[who])


def event_ratio(result: VirtualTrial, event: str, arm: str, versus: str) -> HazardRatio | None:
    """Cox hazard ratio of one arm over another; None where an arm has no event."""
    months, seen = _followed(result, event)
    first, other = result.in_arm(arm), result.in_arm(versus)
    both = first | other
    try:
        return hazard_ratio(months[both], seen[both], first[both])
    except DataError:
        return None


def _followed(result: VirtualTrial, event: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    lost = result.followed.courses.dropout.clip(max=result.conduct.months)
    return observed(result.followed.events[event], lost)


def event_lines(result: VirtualTrial) -> list[str]:
    """Lines of text: cumulative incidence by arm and hazard ratios, published beside virtual."""
    lines: list[str] = []
    for event, endpoint in EVENTS.items():
        if event not in result.followed.events:
            continue
        rows = [r for r in result.trial.rows if r.endpoint == endpoint]
        months = sorted(
            {r.month for r in rows if r.kind == "incidence" and r.month is not None} | {result.conduct.months}
        )
        lines += ["", f"{_WORDS[event]}: Kaplan-Meier (%), and hazard ratio (Cox)"]
        for arm in result.arms:
            curve = survival_of(result, arm.name, event)
            for month in months:
                part, low, high = (100 * v for v in curve.at(month))
                lines.append(
                    f"  month {month:g}  {arm.label}: {part:.1f} ({low:.1f} to {high:.1f})"
                    + _published(rows, "incidence", arm.name, month=month)
                )
        if len(result.arms) == 2:
            first, other = (a.name for a in result.arms)
            ratio = event_ratio(result, event, first, other)
            found = "no ratio: an arm without events" if ratio is None else _interval(ratio)
            beside = _published(rows, "hazard_ratio", first, other)
            lines.append(f"  hazard ratio  {first} / {other}: {found}{beside}")
    return lines


def _interval(ratio: HazardRatio) -> str:
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}), {ratio.events} events"


def _published(rows: Sequence[Row], kind: str, arm: str, versus: str = "", month: float | None = None) -> str:
    found = [
        r
        for r in rows
        if r.kind == kind and r.arm == arm and r.versus == versus and (month is None or r.month == month)
    ]
    if not found:
        return ""
    # subgroups have their own n; the row of everyone comes first in a file
    row = next((r for r in found if r.spread is not None), found[0])
    digits = 2 if kind == "hazard_ratio" else 1
    text = number(row.value, False, digits)
    if row.spread is not None:
        text += f" ({number(row.spread.low, False, digits)} to {number(row.spread.high, False, digits)})"
    recalled = ", recalled" if row.confidence == "memory" else ""
    return f"   published {text}{recalled}"


def draw_events(axes: Any, result: VirtualTrial, event: str, colours: Sequence[str]) -> None:
    """Draw the Kaplan-Meier curves of an event with their intervals, and published points."""
    rows = [r for r in result.trial.rows if r.endpoint == EVENTS[event]]
    for arm, colour in zip(result.arms, colours, strict=False):
        curve = survival_of(result, arm.name, event)
        months = np.concatenate(([0.0], curve.months, [result.conduct.months]))
        part, low, high = (
            np.concatenate(([0.0], 100 * v, 100 * v[-1:])) for v in (curve.incidence, curve.low, curve.high)
        )
        axes.fill_between(months, low, high, step="post", color=colour, alpha=0.2, linewidth=0, zorder=2)
        axes.step(months, part, where="post", color=colour, linewidth=1.9, zorder=4)
        for row in rows:
            if row.kind == "incidence" and row.arm == arm.name and not row.versus and row.month is not None:
                axes.plot(row.month, row.value, "o", color=colour, markersize=5.5, markeredgecolor="white", zorder=6)
    title = _WORDS[event]
    if len(result.arms) == 2:
        ratio = event_ratio(result, event, *(a.name for a in result.arms))
        if ratio is not None:
            title += f": HR {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("months since study start", fontsize=8)
    axes.set_ylabel("with the event (%)", fontsize=8)
    axes.set_xticks(np.arange(0, result.conduct.months + 1, 12))
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=8, length=3, color="#888888")
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.6, zorder=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
