"""The largest misfits, each with what is thought to cause it; and named comparisons of rows and facts."""

from __future__ import annotations

import numpy as np

from bonepk.report.cells import USE_WORDS, anchor, interval_words, line_of, number
from bonepk.report.grid import Cell, Grid
from bonepk.report.report import Report
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.predict import RowResult
from bonepk.study.remarks import Comparison, Fact, why_of
from bonepk.study.score import worst

__all__ = ["NO_WORDS", "comparison_grid", "worst_grid"]

NO_WORDS = "no explanation recorded"
"""Stands beside a misfit that nobody has explained."""


def worst_grid(report: Report, measure: str, n: int = 10) -> Grid:
    """Scored rows with the largest errors, fitted and predicted, with the sentence recorded for each."""
    used = [r for r in report.results.rows if r.use in {"calibration", "prediction"}]
    rows = []
    for r in worst(used, n, measure):
        why = why_of(r, report.misfits)
        points = Cell(number(r.points or 0.0, True), mark="out" if r.covered is False else "")
        rows.append((*_cells(report, r), points, Cell(USE_WORDS[r.use], mark=f"tag {r.use}"), why or NO_WORDS))
    headers = (*_headers(report), "error, points", "use", "thought to cause it")
    return Grid(headers, tuple(rows), frozenset({1, 4, 5, len(headers) - 3}))


def comparison_grid(report: Report, comparison: Comparison) -> Grid | None:
    """Rows and facts of a comparison; None if none of its trials was run."""
    rows: list[tuple[Cell | str, ...]] = []
    for one in comparison.rows:
        found = report.trial(one.trial)
        members = [r for r in found.rows if r.predicted is not None and one.holds_for(r.trial, r.row)] if found else []
        for r in members:
            state = {True: "inside", False: "outside", None: ""}[None if r.status else r.covered]
            mark = {"inside": "in", "outside": "out", "": ""}[state]
            use = Cell(USE_WORDS[r.use], mark=f"tag {r.use}")
            rows.append((*_cells(report, r), *((Cell(state, mark=mark),) if report.has_intervals else ()), use))
    for fact in comparison.facts:
        rows += _fact(report, fact)
    inside = ("",) if report.has_intervals else ()
    return Grid((*_headers(report), *inside, "use"), tuple(rows), frozenset({1, 4, 5})) if rows else None


def _headers(report: Report) -> tuple[str, ...]:
    interval = (f"{100 * report.made.level:g} % interval",) if report.has_intervals else ()
    return ("trial", "month", "endpoint", "arm", "published", "predicted", *interval)


def _cells(report: Report, r: RowResult) -> tuple[Cell | str, ...]:
    found = report.trial(r.trial)
    assert found is not None  # rows come from the results themselves
    line = line_of(r, found.trial)
    published = line.observed + (", recalled" if r.row.confidence == "memory" else "")
    if r.row.not_scored:
        published += f" ({r.row.not_scored})"
    cells = (Cell(r.trial, link=f"#{anchor(r)}"), line.month, line.endpoint, line.arm, published, line.predicted)
    return (*cells, Cell(interval_words(r), mark="nw")) if report.has_intervals else cells


def _fact(report: Report, fact: Fact) -> list[tuple[Cell | str, ...]]:
    """Read a number off the course of an arm; nothing if the trial was not run or its course ends before."""
    found = report.trial(fact.trial)
    output = ENDPOINTS[fact.endpoint].output
    if found is None or fact.arm not in found.courses.coords["arm"] or output not in found.courses:
        return []
    months = np.asarray(found.courses["month"].values)
    course = np.asarray(found.courses[output].sel(arm=fact.arm).values)
    end = fact.at if fact.until is None else fact.until
    if months[-1] < end - 0.01:
        return []
    if fact.kind == "peak":
        window = np.flatnonzero((months >= fact.at) & (months <= end))
        at = int(window[np.argmax(course[window])])
    else:
        at = int(np.abs(months - fact.at).argmin())
    interval = _band(report, fact, output, float(months[at]))
    what = f"{ENDPOINTS[fact.endpoint].label}, " + (fact.label or ("highest" if fact.kind == "peak" else "course"))
    cells: tuple[Cell | str, ...] = (
        Cell(fact.trial, link=f"#{fact.trial}"),
        f"{months[at]:g}",
        what,
        found.trial.arm(fact.arm).label,
        "computed only",
        number(float(course[at]), True),
    )
    return [(*cells, Cell(interval, mark="nw"), "", "") if report.has_intervals else (*cells, "")]


def _band(report: Report, fact: Fact, output: str, month: float) -> str:
    known = report.intervals.get(fact.trial)
    if known is None or known.courses is None or output not in known.courses:
        return ""
    band = known.courses[output].sel(arm=fact.arm, source="parameters and trials").sel(month=month, method="nearest")
    return f"{number(float(band.sel(bound='low')), True)} to {number(float(band.sel(bound='high')), True)}"
