"""A figure of one trial: observed points with their intervals on the simulated courses, one panel for each endpoint."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, MissingExtraError
from bonepk.report.bands import band_handles, draw_band, draw_expected
from bonepk.report.cells import USE_WORDS
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.predict import ArmRun, RowResult, TrialResult

if TYPE_CHECKING:
    from bonepk.infer.intervals import TrialIntervals

__all__ = ["trial_figure"]

F8 = NDArray[np.float64]

# Okabe and Ito: told apart with any kind of colour vision
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00")
_DIFFERENCE = "#222222"
_BESIDE: dict[str, Any] = {
    "linewidth": 1.2,
    "alpha": 0.65,
    "linestyle": (0, (4, 2)),
}  # an arm without points of its own
_FORMS = {
    "percent_change": "change",
    "annual_change": "change",
    "difference": "difference",
    "annual_difference": "difference",
    "relative_difference": "relative",
    "versus_premenopausal": "premenopausal",
    "level": "level",
    "ratio": "ratio",
}
_STEP = 0.009  # between points of one month, as a part of the last month
_UNITS = {
    "change": "change from day 0 (%)",
    "difference": "change from day 0 (%), difference (points)",
    "relative": "relative difference between arms (%)",
    "premenopausal": "against premenopausal (%)",
    "ratio": "ratio of levels",
}


def trial_figure(result: TrialResult, path: str | Path, intervals: TrialIntervals | None = None) -> Path:
    """Draw a trial and save it.

    Solid lines are simulated; points are published values with the interval of their mean (thin bars: spread between
    women). Filled points were predicted and never fitted, open ones belong to fitted trials, grey crosses are not
    scored. A change counted from a later month stands on the simulated course at that month.

    With intervals, the dark band around a course is what draws of the parameters give, the light one adds the spread
    between trials; the thin bar beside a point is where that published number is expected, with the errors of the
    model and of sampling.

    Parameters
    ----------
    result : TrialResult
        From `bonepk.study.predict_trial`.
    path : str or Path
        Where to; the ending chooses the format (``.png``, ``.svg``, ``.pdf``).
    intervals : TrialIntervals, optional
        From `bonepk.infer.trial_intervals`.

    Returns
    -------
    Path

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    DataError
        If the trial has no row that can be predicted.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError('figures need matplotlib; pip install "bonepk[plot]"') from None
    if intervals is not None:
        from bonepk.infer.intervals import with_intervals

        result = with_intervals(result, intervals)
    panels = _panels(result)
    if not panels:
        place = f"trial '{result.trial.name}'"
        raise DataError(Fault(place, "no row that can be predicted", cure="print the table instead"))
    columns = min(3, len(panels)) if len(panels) != 4 else 2
    rows = -(-len(panels) // columns)
    title = textwrap.wrap(result.trial.title, int((4.1 * max(columns, 1.4) - 0.4) / 0.118))
    sources = _sources(result, 52 * columns + 10)
    names = [run.arm.name for run in result.arms]
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    handles = _handles(result, panels, colours) + band_handles(intervals)
    legend_rows = -(-len(handles) // (columns + 1))
    # inches: head (title, use), foot (axis label, legend, sources)
    head = 0.14 + 0.24 * len(title) + 0.28
    low = 0.12 + 0.135 * len(sources)
    foot = low + 0.1 + 0.2 * legend_rows
    width = 4.1 * columns + 0.5 if columns > 1 else 6.4
    height = 2.95 * rows + head + foot + 0.75
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.68 / width,
        right=1 - 0.2 / width,
        bottom=(foot + 0.48) / height,
        top=1 - (head + 0.27) / height,
        hspace=0.42,
        wspace=0.26,
    )
    for axes, (endpoint, form, members) in zip(grid.flat, panels, strict=False):
        _panel(axes, result, endpoint, form, members, colours, intervals)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.text(0.68 / width, 1 - 0.14 / height, "\n".join(title), fontsize=12.5, weight="bold", va="top")
    about = f"{USE_WORDS[result.use]}; model {result.model} {result.model_hash[:8]}"
    figure.text(0.68 / width, 1 - (head - 0.22) / height, about, fontsize=9, color="#555555", va="top")
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, low / height),
        ncols=-(-len(handles) // legend_rows),
        fontsize=8,
        frameon=False,
        handlelength=1.6,
        columnspacing=1.4,
    )
    figure.text(0.68 / width, 0.1 / height, "\n".join(sources), fontsize=7, color="#555555", va="bottom")
    target = Path(path)
    figure.savefig(target, dpi=160)
    return target


def _panels(result: TrialResult) -> list[tuple[str, str, list[RowResult]]]:
    """Endpoint, form and rows of each panel, in the order of the endpoints."""
    found: dict[tuple[str, str], list[RowResult]] = {}
    for row in result.rows:
        if row.predicted is not None and not row.row.obstacle:  # events have no course
            found.setdefault((row.row.endpoint, _FORMS[row.row.kind]), []).append(row)
    for endpoint, form in list(found):  # differences join the panel of the arms, which they share a unit with
        if form == "difference" and (endpoint, "change") in found:
            found[endpoint, "difference"] += found.pop((endpoint, "change"))
    order = list(ENDPOINTS)
    return [(e, f, rows) for (e, f), rows in sorted(found.items(), key=lambda item: order.index(item[0][0]))]


def _panel(
    axes: Any,
    result: TrialResult,
    endpoint: str,
    form: str,
    members: Sequence[RowResult],
    colours: dict[str, str],
    intervals: TrialIntervals | None,
) -> None:
    output = ENDPOINTS[endpoint].output
    runs = {run.arm.name: run for run in result.arms if not run.failure}
    axes.axhline(0 if form not in {"level", "ratio"} else np.nan, color="#999999", linewidth=0.7, zorder=1)
    pairs = dict.fromkeys((r.row.arm, r.row.versus) for r in members if r.row.versus)
    only_pairs = len(pairs) > 1 and not any(not m.row.versus for m in members)
    if form != "relative" and not only_pairs:
        measured = {m.row.arm for m in members if not m.row.versus}
        _arms(axes, runs, output, form, measured, colours)
        for name in runs if form != "difference" else measured:
            draw_band(axes, intervals, colours[name], _express(name, "", output, form))
    for arm, versus in pairs:
        colour = colours[arm] if len(pairs) > 1 else _DIFFERENCE
        course = _between(runs[arm], runs[versus], output, form)
        axes.plot(runs[arm].months, course, color=colour, linewidth=2.1, zorder=3)
        draw_band(axes, intervals, colour, _express(arm, versus, output, form))
    last = max(float(run.months[-1]) for run in runs.values())
    shift = _shifts(members, last)
    for member in members:
        name = member.row.arm
        colour = colours[name] if not member.row.versus or len(pairs) > 1 else _DIFFERENCE
        _point(axes, member, runs[name], output, form, colour, shift[id(member)], last)
    axes.set_title(ENDPOINTS[endpoint].label, fontsize=10, loc="left")
    unit = _UNITS.get(form) or f"level ({members[0].row.unit})"
    if only_pairs and form == "difference":
        unit = f"difference from {' or '.join(dict.fromkeys(v for _, v in pairs))} (points)"
    axes.set_ylabel(unit, fontsize=8)
    axes.set_xlabel("months since study start", fontsize=8)
    axes.tick_params(labelsize=8, length=3, color="#888888")
    axes.set_xlim(-0.02 * last, (1.04 if all(m.low is None for m in members) else 1.075) * last)
    step = 12 if last <= 84 else 24
    axes.set_xticks(np.arange(0, last + 1, step if last > 12 else 3))
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.6, zorder=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#888888")


def _arms(
    axes: Any, runs: Mapping[str, ArmRun], output: str, form: str, measured: set[str], colours: dict[str, str]
) -> None:
    """Draw the arms; those without a point of their own beside a difference are dashed and thin."""
    drawn: list[F8] = []
    for name, run in runs.items():
        course = _course(run, output, form)
        line = axes.plot(run.months, course, color=colours[name], linewidth=1.9, zorder=2)[0]
        if form == "difference" and name not in measured:
            line.set(**_BESIDE)
        elif any(np.allclose(course, other, atol=1e-6) for other in drawn):
            line.set_linestyle((0, (3, 3)))  # lets the equal line below show through
        drawn.append(course)


def _course(run: ArmRun, output: str, form: str) -> F8:
    values = run.values[output]
    if form == "level":
        return np.asarray(run.weights @ values)
    if form == "ratio":
        return np.asarray(run.weights @ (values / values[:, :1]))
    if form == "premenopausal":
        return np.asarray(100 * (run.weights @ values - 1))
    return np.asarray(run.weights @ (100 * (values / values[:, :1] - 1)))


def _between(run: ArmRun, other: ArmRun, output: str, form: str) -> F8:
    mine, theirs = _course(run, output, "change"), _course(other, output, "change")
    return 100 * ((1 + mine / 100) / (1 + theirs / 100) - 1) if form == "relative" else mine - theirs


def _express(arm: str, versus: str, output: str, form: str) -> Callable[[Mapping[str, ArmRun]], F8]:
    """Course of an arm, or of its difference from another, from the arms of one draw."""
    if not versus:
        return lambda runs: _course(runs[arm], output, form)
    return lambda runs: _between(runs[arm], runs[versus], output, form)


def _shifts(members: Sequence[RowResult], last: float) -> dict[int, float]:
    """Move points of one month apart, in months, so that intervals do not hide each other."""
    at: dict[float, list[RowResult]] = {}
    for member in members:
        at.setdefault(member.row.month or 0.0, []).append(member)
    found = {}
    for group in at.values():
        for i, member in enumerate(group):
            wide = 1.0 if member.low is None else 2.6  # room for the bar of what was expected
            found[id(member)] = (i - (len(group) - 1) / 2) * wide * _STEP * last
    return found


def _point(
    axes: Any, member: RowResult, run: ArmRun, output: str, form: str, colour: str, shift: float, last: float
) -> None:
    row = member.row
    month = (row.month or 0.0) + shift
    low, high = (row.spread.low, row.spread.high) if row.spread else (row.value, row.value)
    expected = (np.nan, np.nan) if member.low is None or member.high is None else (member.low, member.high)
    values = np.array([low, row.value, high, *expected])
    if row.kind.startswith("annual"):
        values = values * ((row.month or 0.0) - row.since) / 12
    if row.since and form == "change":  # stands on the simulated course at the month it is counted from
        base = 1 + run.change(output, row.since) / 100
        values = 100 * (base * (1 + values / 100) - 1)
    low, value, high = values[:3]
    if np.isfinite(expected).all():
        draw_expected(axes, month + 1.1 * _STEP * last, values[3], values[4], colour, 0.8 * _STEP * last)
    if row.spread:
        thick = 1.5 if row.spread.of_mean else 0.7
        axes.plot([month, month], [low, high], color=colour, linewidth=thick, zorder=4, solid_capstyle="butt")
    if member.status:
        axes.plot(month, value, marker="x", color="#777777", markersize=5, linestyle="none", zorder=5)
        return
    fill = colour if member.use == "prediction" else "white"
    marker = "D" if row.confidence == "memory" else "o"
    size = 4.6 if marker == "D" else 5.6
    axes.plot(
        month, value, marker=marker, markersize=size, color=colour, markerfacecolor=fill, linestyle="none", zorder=6
    )


def _always_beside(name: str, panels: Sequence[tuple[str, str, list[RowResult]]]) -> bool:
    """Whether every line in the colour of an arm is one drawn beside a difference."""
    for _, form, members in panels:
        pairs = {(m.row.arm, m.row.versus) for m in members if m.row.versus}
        if form != "difference" or len(pairs) > 1 or any(m.row.arm == name and not m.row.versus for m in members):
            return False
    return True


def _handles(
    result: TrialResult, panels: Sequence[tuple[str, str, list[RowResult]]], colours: dict[str, str]
) -> list[Any]:
    """Entries of the legend: arms, a difference, and what the points mean."""
    from matplotlib.lines import Line2D

    shown = [r for r in result.rows if r.predicted is not None and not r.row.obstacle]
    found = [Line2D([], [], color=colours[r.arm.name], linewidth=2, label=r.arm.label) for r in result.arms]
    for run, line in zip(result.arms, found, strict=True):
        if _always_beside(run.arm.name, panels):
            line.set(**_BESIDE)
    pairs = {(r.row.arm, r.row.versus) for r in shown if r.row.versus}
    if len(pairs) == 1:
        arm, versus = next(iter(pairs))
        found.append(Line2D([], [], color=_DIFFERENCE, linewidth=2, label=f"{arm} against {versus}"))
    for use in USE_WORDS:
        fill = "#444444" if use == "prediction" else "white"
        for confidence, marker in (("verified", "o"), ("memory", "D")):
            if any(r.use == use and r.row.confidence == confidence and not r.status for r in shown):
                recalled = ", recalled" if confidence == "memory" else ""
                point = Line2D([], [], marker=marker, color="#444444", markersize=5.5, linestyle="none")
                point.set_markerfacecolor(fill)
                point.set_label(f"published{recalled} ({USE_WORDS[use]})")
                found.append(point)
    if any(r.status for r in shown):
        found.append(Line2D([], [], marker="x", color="#777777", linestyle="none", markersize=5, label="not scored"))
    return found


def _sources(result: TrialResult, width: int) -> list[str]:
    used = {r.row.cite for r in result.rows if r.predicted is not None and not r.row.obstacle}
    texts = [str(c) for key, c in result.trial.citations.items() if key in used]
    return textwrap.wrap("Sources: " + "; ".join(dict.fromkeys(texts)), width, break_on_hyphens=False)
