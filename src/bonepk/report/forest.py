"""Published numbers with their intervals above predicted ones with theirs, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bonepk.report.cells import anchor, line_of, number
from bonepk.report.grid import e
from bonepk.report.report import Report
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.predict import RowResult

__all__ = ["COLOURS", "Scale", "bar_svg", "forest_svg", "scale_of"]

COLOURS = {"prediction": "#0072B2", "calibration": "#D55E00"}
"""Colour of a prediction by its use."""

_PLAIN = {"percent_change", "difference", "relative_difference", "annual_change", "annual_difference"}
_PLAIN |= {"versus_premenopausal"}
_ROW, _LABEL, _PLOT, _NUMBERS, _TOP = 19, 420, 460, 190, 30


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` onto `width` pixels from `left`."""

    low: float
    high: float
    left: float
    width: float

    def __call__(self, value: float) -> float:
        """Give the place of a value, held within the ends."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + part * self.width


def scale_of(rows: Sequence[RowResult], left: float, width: float) -> Scale:
    """Scale that holds every number and bound of some rows, and 0."""
    low, high = 0.0, 0.0
    for r in rows:
        spread = r.row.spread
        bounds = (spread.low, spread.high) if spread and spread.of_mean else ()
        known = [v for v in (r.row.value, r.predicted, r.low, r.high, *bounds) if v is not None]
        low, high = min(low, *known), max(high, *known)
    room = 0.03 * (high - low) or 1.0
    return Scale(low - room, high + room, left, width)


def drawable(rows: Sequence[RowResult]) -> list[RowResult]:
    """Scored rows in percent or points, which one axis can carry."""
    return [r for r in rows if r.points is not None and r.row.kind in _PLAIN]


def bar_svg(result: RowResult, scale: Scale) -> str:
    """Draw one row as a small picture: published above, predicted below."""
    width = scale.left + scale.width + 4
    return (
        f"<svg viewBox='0 0 {width:g} 18' width='{width:g}' height='18' role='img'"
        f" aria-label='published {result.row.value:g}, predicted {result.predicted:.1f}'>"
        f"<line x1='{scale(0):.1f}' x2='{scale(0):.1f}' y1='0' y2='18' stroke='#ccc'/>{_marks(result, scale, 9)}</svg>"
    )


def forest_svg(report: Report, rows: Sequence[RowResult], title: str) -> str:
    """Draw rows of several trials below one another on one axis; each leads to its line in the page."""
    shown = drawable(rows)
    if not shown:
        return ""
    names = list(dict.fromkeys(r.trial for r in shown))
    width, height = _LABEL + _PLOT + _NUMBERS, _TOP + _ROW * (len(shown) + len(names)) + 60
    scale = scale_of(shown, _LABEL, _PLOT)
    bottom = height - 52
    parts = [
        f"<svg viewBox='0 0 {width} {height}' width='{width}' role='img' aria-label='{e(title)}'"
        " font-family='system-ui,sans-serif' font-size='11.5'>",
        f"<text x='0' y='16' font-size='13' font-weight='600'>{e(title)}</text>",
        f"<text x='{_LABEL + _PLOT + 12}' y='16'>published, predicted</text>",
    ]
    step = _step(scale.high - scale.low)
    tick = step * -(-scale.low // step)
    while tick <= scale.high:
        stroke = "#888" if abs(tick) < step / 2 else "#e6e6e6"
        x = scale(tick)
        parts.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{_TOP - 6}' y2='{bottom}' stroke='{stroke}'/>")
        parts.append(f"<text x='{x:.1f}' y='{bottom + 14}' text-anchor='middle'>{number(tick, True, 0)}</text>")
        tick += step
    y = _TOP + 6
    for name in names:
        parts.append(f"<text x='0' y='{y + 4}' font-weight='600'>{e(name)}</text>")
        y += _ROW
        for r in (r for r in shown if r.trial == name):
            parts.append(_row(report, r, scale, y))
            y += _ROW
    return "".join([*parts, _legend(report, height - 14), "</svg>"])


def _row(report: Report, r: RowResult, scale: Scale, y: float) -> str:
    found = report.trial(r.trial)
    line = None if found is None else line_of(r, found.trial)
    what = ENDPOINTS[r.row.endpoint].label.removesuffix(" BMD")
    who = line.arm if line else r.row.arm
    form = f", {line.form}" if line and line.form and not line.form.startswith("difference") else ""
    label = f"{r.row.month:g} months, {what}{form}: {who}"
    recalled = " (recalled)" if r.row.confidence == "memory" else ""
    label = label if len(label + recalled) <= 74 else label[: 72 - len(recalled)] + "…"
    numbers = f"{number(r.row.value, True)}, {number(r.predicted or 0.0, True)}"
    out = r.covered is False
    return (
        f"<a href='#{e(anchor(r))}'><text x='10' y='{y + 4}' fill='#333'>{e(label + recalled)}</text></a>"
        f"{_marks(r, scale, y)}"
        f"<text x='{_LABEL + _PLOT + 12}' y='{y + 4}' fill='{'#b34700' if out else '#333'}'>{numbers}"
        f"{'  outside' if out else ''}</text>"
    )


def _marks(r: RowResult, scale: Scale, y: float) -> str:
    """Draw what was published in black above the middle, what is predicted in colour below it."""
    colour = COLOURS.get(r.use, "#777")
    spread = r.row.spread
    parts = []
    if spread and spread.of_mean:
        parts.append(_bar(scale, spread.low, spread.high, y - 3.5, "#1c1c1c", 1.4))
    if r.low is not None and r.high is not None:
        parts.append(_bar(scale, r.low, r.high, y + 3.5, colour, 3))
    parts.append(f"<circle cx='{scale(r.row.value):.1f}' cy='{y - 3.5:g}' r='3' fill='#1c1c1c'/>")
    parts.append(f"<circle cx='{scale(r.predicted or 0.0):.1f}' cy='{y + 3.5:g}' r='3' fill='{colour}'/>")
    return "".join(parts)


def _bar(scale: Scale, low: float, high: float, y: float, colour: str, width: float) -> str:
    opacity = "" if width < 2 else " stroke-opacity='.4'"
    return (
        f"<line x1='{scale(low):.1f}' x2='{scale(high):.1f}' y1='{y:g}' y2='{y:g}' stroke='{colour}'"
        f" stroke-width='{width:g}'{opacity}/>"
    )


def _legend(report: Report, y: float) -> str:
    text = "black: published, with the 95 % interval or standard error of its mean where stated; colour: predicted"
    if report.has_intervals:
        text += f", with the {100 * report.made.level:g} % interval a published number is expected in"
    return f"<text x='0' y='{y}' fill='#555'>{e(text)}</text>"


def _step(span: float) -> float:
    return next((s for s in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if span / s <= 10), 100.0)
