"""Spans of time as people write them, and the rules that turn them into days.

A month is 365.25/12 = 30.4375 days, so that twelve of them are a year of 365.25 days and
"every 6 months" keeps its place in the year; a week is 7 days.
"""

from __future__ import annotations

import math
import re

from bonepk.errors import RegimenError

__all__ = ["DAY", "MONTH", "WEEK", "YEAR", "days_of", "in_words", "per_day"]

DAY = 1.0
WEEK = 7.0
MONTH = 30.4375
YEAR = 365.25

_UNITS = {
    "s": 1 / 86400,
    "sec": 1 / 86400,
    "second": 1 / 86400,
    "min": 1 / 1440,
    "minute": 1 / 1440,
    "h": 1 / 24,
    "hr": 1 / 24,
    "hour": 1 / 24,
    "d": DAY,
    "day": DAY,
    "week": WEEK,
    "wk": WEEK,
    "month": MONTH,
    "mo": MONTH,
    "year": YEAR,
    "yr": YEAR,
    "y": YEAR,
    "a": YEAR,
}
_SPAN = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z]+)\s*\Z")


def days_of(span: str | float, place: str = "time") -> float:
    """Days in a span such as ``"6 months"``, ``"-2 years"``, ``"15 minutes"`` or a number of days.

    Parameters
    ----------
    span : str or float
    place : str
        What the span is for, to begin an error message with.

    Returns
    -------
    float
        Days.

    Raises
    ------
    RegimenError
        If the text is no number with a unit of time, or the number is not finite.
    """
    if isinstance(span, str):
        match = _SPAN.match(span)
        unit = match.group(2) if match else ""
        factor = _UNITS.get(unit) or _UNITS.get(unit.lower().rstrip("s"))
        if match is None or factor is None:
            known = "s, minutes, hours, days, weeks, months or years"
            raise RegimenError(f"{place}: '{span}' is no span of time; write a number and {known}")
        return float(match.group(1)) * factor
    value = float(span)
    if not math.isfinite(value):
        raise RegimenError(f"{place}: {value} is not finite; give a number of days or text such as '6 months'")
    return value


def per_day(time_unit: str) -> float:
    """How many of a model's time units make a day.

    Raises
    ------
    RegimenError
        If the unit of time is not known.
    """
    factor = _UNITS.get(time_unit) or _UNITS.get(time_unit.lower().rstrip("s"))
    if factor is None:
        raise RegimenError(
            f"model time unit '{time_unit}' is not known; use second, minute, hour, day, week, month or year"
        )
    return 1.0 / factor


def in_words(days: float) -> str:
    """Shortest exact way to write a number of days: ``'6 months'``, ``'15 minutes'``, ``'10.5 days'``."""
    if days == 0:
        return "0 days"
    for name, size in (
        ("year", YEAR),
        ("month", MONTH),
        ("week", WEEK),
        ("day", DAY),
        ("hour", 1 / 24),
        ("minute", 1 / 1440),
    ):
        count = round(days / size)
        if count and math.isclose(count * size, days, rel_tol=1e-12):
            return f"{count} {name}{'s' if abs(count) != 1 else ''}"
    return f"{days:.10g} days"
