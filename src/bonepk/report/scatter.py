"""Predicted against observed as inline SVG, for the validation page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bonepk.report.cells import USE_WORDS, anchor
from bonepk.report.forest import COLOURS
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.predict import RowResult

__all__ = ["scatter_svg"]

_SIZE, _LEFT, _TOP = 330, 48, 26
_KINDS = {"percent_change", "difference", "relative_difference", "versus_premenopausal"}


def scatter_svg(rows: Sequence[RowResult]) -> str:
    """Draw two panels, bone density and markers: one point for each scored number in percent or points.

    A point leads to its line in the page; its interval, where it has one, is a faint bar.
    """
    shown = [r for r in rows if r.points is not None and r.row.kind in _KINDS]
    density = [r for r in shown if r.row.endpoint.startswith("bmd_")]
    marker = [r for r in shown if not r.row.endpoint.startswith("bmd_")]
    width, height = 2 * (_SIZE + _LEFT + 30), _SIZE + _TOP + 62
    parts = [
        f"<svg viewBox='0 0 {width} {height}' width='{width}' role='img' aria-label='predicted against observed'"
        " font-family='system-ui,sans-serif' font-size='11'>",
        _panel(density, "bone density (%, points)", _LEFT),
        _panel(marker, "markers (%)", 2 * _LEFT + _SIZE + 30),
    ]
    x = _LEFT
    for use, colour in COLOURS.items():
        parts.append(f"<circle cx='{x}' cy='{height - 8}' r='4' fill='{colour}' fill-opacity='.65'/>")
        parts.append(f"<text x='{x + 9}' y='{height - 4}'>{USE_WORDS[use]}</text>")
        x += 170
    return "".join([*parts, "</svg>"])


def _panel(rows: Sequence[RowResult], title: str, left: float) -> str:
    if not rows:
        return ""
    values = [v for r in rows for v in (r.row.value, r.predicted or 0.0)]
    step = 5 if max(values) - min(values) < 60 else 50
    low = step * (min(values) // step)
    high = -step * (-max(values) // step)

    def x(v: float) -> float:
        return left + (v - low) / (high - low) * _SIZE

    def y(v: float) -> float:
        return _TOP + _SIZE - (v - low) / (high - low) * _SIZE

    parts = [f"<text x='{left}' y='14' font-size='13'>{escape(title)}</text>"]
    tick = low
    while tick <= high:
        parts.append(f"<line x1='{x(low)}' x2='{x(high)}' y1='{y(tick):.1f}' y2='{y(tick):.1f}' stroke='#e6e6e6'/>")
        parts.append(f"<text x='{left - 6}' y='{y(tick) + 4:.1f}' text-anchor='end'>{tick:g}</text>")
        parts.append(f"<text x='{x(tick):.1f}' y='{_TOP + _SIZE + 16}' text-anchor='middle'>{tick:g}</text>")
        tick += step
    parts.append(f"<line x1='{x(low)}' y1='{y(low)}' x2='{x(high)}' y2='{y(high)}' stroke='#888'/>")
    parts.append(f"<text x='{left + _SIZE / 2}' y='{_TOP + _SIZE + 32}' text-anchor='middle'>observed</text>")
    at = f"{left - 36},{_TOP + _SIZE / 2}"
    parts.append(f"<text transform='translate({at}) rotate(-90)' text-anchor='middle'>predicted</text>")
    ordered = sorted(rows, key=lambda r: r.use == "prediction")
    for r in ordered:
        if r.low is not None and r.high is not None:
            across, stroke = x(r.row.value), COLOURS.get(r.use, "#777")
            ends = f"y1='{y(min(max(r.low, low), high)):.1f}' y2='{y(min(max(r.high, low), high)):.1f}'"
            line = f"<line x1='{across:.1f}' x2='{across:.1f}' {ends} stroke='{stroke}' stroke-opacity='.22'/>"
            parts.append(line)
    for r in ordered:
        label = f"{r.trial}, {ENDPOINTS[r.row.endpoint].label}, month {r.row.month:g}: {r.row.value:g} observed"
        parts.append(
            f"<a href='#{escape(anchor(r), quote=True)}'>"
            f"<circle cx='{x(r.row.value):.1f}' cy='{y(r.predicted or 0.0):.1f}' r='4'"
            f" fill='{COLOURS.get(r.use, '#777')}' fill-opacity='.65'>"
            f"<title>{escape(label)}, {r.predicted:.1f} predicted</title></circle></a>"
        )
    return "".join(parts)
