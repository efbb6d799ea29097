"""A virtual trial in words and as a figure: means with their spread, and what was published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Fault, MissingExtraError
from bonepk.report.cells import USE_WORDS, decimals, number
from bonepk.report.events import draw_events, event_lines
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.people.reference import SITES
from bonepk.study.split import read_split
from bonepk.study.virtual import Estimate, VirtualRow, VirtualTrial

__all__ = ["virtual_figure", "virtual_text"]

F8 = NDArray[np.float64]

# Okabe and Ito: told apart with any kind of colour vision
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_DIFFERENCE = "#222222"


def virtual_text(result: VirtualTrial) -> str:
    """Table of a virtual trial: published numbers beside virtual ones, then every arm at the last visits.

    Intervals are 95 % of the mean; SD is the spread between women, errors of measurement included.
    """
    conduct, people = result.conduct, result.people
    years = conduct.months / 12
    lines = [
        f"{result.trial.title} ({USE_WORDS[read_split().use.get(result.trial.name, 'unlisted')]})",
        f"virtual: {len(people)} people, effective {people.effective:.0f}, {years:g} years, seed {result.seed}; "
        f"model {result.model} {result.model_hash[:8]}",
    ]
    if result.failed:
        lines.append(f"left out: {result.failed} people whose run stopped early")
    head = ("month", "endpoint", "arm", "published", "SD", "virtual", "SD", "")
    lines += ["", *_table([head, *(_cells(row) for row in result.rows)])]
    if any(row.published_sd is not None for row in result.rows):
        lines.append("published SD follows from the interval and the number randomised: an upper bound")
    lines += ["", "change in the arms (%)"]
    months = [m for m in conduct.visits if m <= result.courses.months[-1]]
    table = [("month", "arm", "n", *(ENDPOINTS[f"bmd_{s}"].label for s in SITES))]
    for month in months[-3:]:
        for arm in result.arms:
            found = [result.change(arm.name, f"bmd_{s}", month) for s in SITES if _has(result, s)]
            table.append((f"{month:g}", arm.label, f"{found[0].n:.0f}", *(_with_sd(e) for e in found)))
    lines += _table(table)
    for i, rule in enumerate(conduct.rescue):
        for name in rule.arms:
            share = result.rescued_share(name, conduct.months)
            label = next(a.label for a in result.arms if a.name == name)
            lines.append(
                f"rule {i + 1}: {rule.drug} started in {share.value:.0f} % of '{label}' by month {conduct.months:g}"
            )
    lines += event_lines(result)
    lines += ["", *(f"{what}: {note}" for what, note in conduct.notes.items())]
    return "\n".join(lines)


def _has(result: VirtualTrial, site: str) -> bool:
    return f"bmd_{site}" in result.courses.values


def _cells(found: VirtualRow) -> tuple[str, ...]:
    row, virtual = found.row, found.virtual
    digits = max(decimals(row), 1)
    published = number(row.value, True, digits)
    if row.spread is not None and row.spread.of_mean:
        published += f" ({number(row.spread.low, True, digits)} to {number(row.spread.high, True, digits)})"
    spread = "" if found.published_sd is None else f"{found.published_sd:.1f}"
    arm = f"{row.arm} - {row.versus}" if row.versus else row.arm
    mark = {True: "in", False: "out", None: ""}[found.within]
    label = ENDPOINTS[row.endpoint].label
    return (f"{row.month:g}", label, arm, published, spread, _interval(virtual), f"{virtual.sd:.1f}", mark)


def _interval(e: Estimate) -> str:
    return f"{number(e.value, True, 1)} ({number(e.low, True, 1)} to {number(e.high, True, 1)})"


def _with_sd(e: Estimate) -> str:
    return f"{number(e.value, True, 1)} (SD {e.sd:.1f})"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(r[i]) for r in rows if i < len(r)) for i in range(max(len(r) for r in rows))]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=False)).rstrip() for r in rows]


def virtual_figure(result: VirtualTrial, path: str | Path) -> Path:
    """Draw the arms of a virtual trial and save the figure.

    One panel a site: lines are means, bands the middle 68 % of the women as measured, dark bands the 95 % interval of
    the mean. The black line is the difference between the first arm and the other. Points with bars are published means
    with their intervals. Trials run with fractures get a panel of Kaplan-Meier curves with their 95 % intervals.

    Parameters
    ----------
    result : VirtualTrial
    path : str or Path
        Where to; the ending chooses the format.

    Returns
    -------
    Path

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            Fault("figure", "matplotlib is not installed", cure="pip install 'bonepk[plot]'")
        ) from None
    sites = [s for s in SITES if _has(result, s)]
    events = [e for e in ("clinical",) if e in result.followed.events]
    panels = len(sites) + len(events)
    figure = Figure(figsize=(4.2 * panels + 0.4, 4.4), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(1, panels, squeeze=False)[0]
    for axes, site in zip(grid[: len(sites)], sites, strict=True):
        _panel(axes, result, f"bmd_{site}")
    for axes, event in zip(grid[len(sites) :], events, strict=True):
        draw_events(axes, result, event, _COLOURS)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, fontsize=8, frameon=False)
    people = result.people
    about = f"{len(people)} virtual people, seed {result.seed}; model {result.model} {result.model_hash[:8]}"
    figure.suptitle(result.trial.title, x=0.05, ha="left", fontsize=12, weight="bold")
    figure.text(0.05, 0.9, about, fontsize=8.5, color="#555555")
    figure.subplots_adjust(left=0.055, right=0.99, top=0.82, bottom=0.2, wspace=0.2)
    target = Path(path)
    figure.savefig(target, dpi=160)
    return target


def _panel(axes: Any, result: VirtualTrial, output: str) -> None:
    months = np.array([0.0, *(m for m in result.conduct.visits)])
    axes.axhline(0, color="#999999", linewidth=0.7, zorder=1)
    for arm, colour in zip(result.arms, _COLOURS, strict=False):
        mean, low, high, lower, upper = (np.zeros(len(months)) for _ in range(5))
        who = result.in_arm(arm.name)
        for k, month in enumerate(months[1:].tolist(), start=1):
            e = result.change(arm.name, output, month)
            mean[k], low[k], high[k] = e.value, e.low, e.high
            lower[k], upper[k] = _middle(result.changes(output, month)[who], result.people.weights[who])
        axes.fill_between(months, lower, upper, color=colour, alpha=0.13, linewidth=0, zorder=2)
        axes.fill_between(months, low, high, color=colour, alpha=0.45, linewidth=0, zorder=3)
        axes.plot(months, mean, color=colour, linewidth=1.9, zorder=4, label=arm.label)
    if len(result.arms) == 2:
        first, other = (a.name for a in result.arms)
        gaps = [0.0, *(result.difference(first, other, output, m).value for m in months[1:].tolist())]
        axes.plot(months, gaps, color=_DIFFERENCE, linewidth=1.4, linestyle=(0, (4, 2)), zorder=4, label="difference")
    names = [a.name for a in result.arms]
    shown = False
    for row in (r.row for r in result.rows):
        if ENDPOINTS[row.endpoint].output != output or row.since or row.month is None:
            continue
        turned = bool(row.versus) and names.index(row.arm) > names.index(row.versus)
        sign = -1.0 if turned else 1.0
        colour = _DIFFERENCE if row.versus else _COLOURS[names.index(row.arm) % len(_COLOURS)]
        if row.spread is not None and row.spread.of_mean:
            axes.plot(
                [row.month] * 2, [sign * row.spread.low, sign * row.spread.high], color=colour, linewidth=1.6, zorder=5
            )
        label = None if shown else "published"
        axes.plot(
            row.month,
            sign * row.value,
            "o",
            color=colour,
            markersize=5.5,
            markeredgecolor="white",
            zorder=6,
            label=label,
        )
        shown = True
    axes.set_title(ENDPOINTS[output].label, fontsize=10, loc="left")
    axes.set_xlabel("months since study start", fontsize=8)
    axes.set_ylabel("change from day 0 (%)", fontsize=8)
    axes.set_xticks(np.arange(0, months[-1] + 1, 12))
    axes.tick_params(labelsize=8, length=3, color="#888888")
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.6, zorder=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _middle(values: F8, weights: F8) -> tuple[float, float]:
    """Quantiles 16 and 84 % of weighted values."""
    good = np.isfinite(values)
    if not good.any():
        return np.nan, np.nan
    order = np.argsort(values[good])
    x, w = values[good][order], weights[good][order]
    at = (np.cumsum(w) - w / 2) / w.sum()
    low, high = np.interp([0.16, 0.84], at, x)
    return float(low), float(high)
