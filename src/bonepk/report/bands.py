"""Bands around simulated courses and bars beside published points: what draws of a fit give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonepk.study.predict import ArmRun

if TYPE_CHECKING:
    from bonepk.infer.intervals import TrialIntervals

__all__ = ["band_handles", "draw_band", "draw_expected"]

F8 = NDArray[np.float64]

_INNER, _OUTER = 0.26, 0.13  # opacity: the outer band lies below the inner one


def draw_band(
    axes: Any, intervals: TrialIntervals | None, colour: str, express: Callable[[Mapping[str, ArmRun]], F8]
) -> None:
    """Draw the two bands of a course: parameters, and parameters with the spread between trials.

    Parameters
    ----------
    axes : matplotlib axes
    intervals : TrialIntervals or None
        None, or one without courses, draws nothing.
    colour : str
    express : callable
        From the arms of one draw to the course.
    """
    if intervals is None or intervals.drawn is None:
        return
    inner, outer = intervals.drawn.bands(express, intervals.level)
    for (low, _, high), alpha, order in ((outer, _OUTER, 1.4), (inner, _INNER, 1.6)):
        axes.fill_between(intervals.drawn.months, low, high, color=colour, alpha=alpha, linewidth=0, zorder=order)


def draw_expected(axes: Any, month: float, low: float, high: float, colour: str, width: float) -> None:
    """Draw where one published number is expected, as a thin bar with caps `width` months wide."""
    axes.vlines(month, low, high, color=colour, linewidth=0.8, zorder=3.5)
    axes.hlines([low, high], month - width / 2, month + width / 2, color=colour, linewidth=0.8, zorder=3.5)


def band_handles(intervals: TrialIntervals | None) -> list[Any]:
    """Entries of the legend for bands and bars."""
    if intervals is None or intervals.drawn is None:
        return []
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    level = f"{100 * intervals.level:g} %"
    grey = "#444444"
    found: list[Any] = [
        # the two lie on each other wherever there is an inner band
        Patch(color=grey, alpha=1 - (1 - _INNER) * (1 - _OUTER), linewidth=0, label=f"{level} of draws: parameters"),
        Patch(color=grey, alpha=_OUTER, linewidth=0, label=f"{level} of draws: and between trials"),
    ]
    if intervals.rows:
        found.append(
            Line2D(
                [],
                [],
                color=grey,
                linestyle="none",
                marker="|",
                markeredgewidth=0.8,
                markersize=9,
                label=f"{level} interval for the number",
            )
        )
    return found
