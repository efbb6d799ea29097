"""Summary errors as tables: what was fitted and what was predicted strictly apart, all numbers beside the read ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bonepk.report.grid import Cell, Grid
from bonepk.report.report import Report
from bonepk.study.classes import CLASSES
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.predict import RowResult
from bonepk.study.score import FAMILIES, Score, scores

__all__ = ["GROUP_WORDS", "density", "group_rows", "in_short", "not_density", "score_grid"]

GROUP_WORDS = {
    "held_out": "held out by rule",
    "prediction": "all predicted, never fitted",
    "calibration": "fitted",
}
"""What the three groups of rows are called. The first is part of the second."""

_ORDER: dict[str, Sequence[str]] = {
    "family": list(FAMILIES.values()),
    "class": CLASSES,
    "endpoint": [e.label for e in ENDPOINTS.values()],
}


def group_rows(report: Report, group: str) -> list[RowResult]:
    """Rows of one of the groups of `GROUP_WORDS`."""
    if group == "held_out":
        split = report.results.split
        return [r for r in report.results.rows if r.use == "prediction" and r.trial in split.held_out]
    return [r for r in report.results.rows if r.use == group]


def density(rows: Sequence[RowResult]) -> list[RowResult]:
    """Pick changes of bone density; comparisons with other women are apart."""
    return [r for r in rows if r.row.endpoint.startswith("bmd_") and r.row.kind != "versus_premenopausal"]


def not_density(rows: Sequence[RowResult]) -> list[RowResult]:
    """Pick turnover markers and estradiol, and bone density against that of other women."""
    return [r for r in rows if not r.row.endpoint.startswith("bmd_") or r.row.kind == "versus_premenopausal"]


def in_short(report: Report) -> Grid:
    """One line a group of rows and family."""
    keys: list[tuple[str, ...]] = []
    every: list[Score] = []
    read: dict[tuple[str, ...], Score] = {}
    for group, words in GROUP_WORDS.items():
        rows = group_rows(report, group)
        found = {s.group: s for s in scores(rows, ("family",), confidence="verified")}
        for s in sorted(scores(rows, ("family",)), key=_rank(("family",))):
            keys.append((words, *s.group))
            every.append(s)
            if s.group in found:
                read[words, *s.group] = found[s.group]
    return _grid(("", ""), keys, every, read, report, {})


def score_grid(report: Report, rows: Sequence[RowResult], by: Sequence[str], links: bool = False) -> Grid:
    """Summary errors by one or two groupings; `links` leads from names of trials to their sections."""
    found = {s.group: s for s in scores(rows, by, confidence="verified")}
    every = sorted(scores(rows, by), key=_rank(by))
    anchors = {t.trial.name: f"#{t.trial.name}" for t in report.results.trials} if links else {}
    return _grid(tuple(by), [s.group for s in every], every, found, report, anchors)


def _rank(by: Sequence[str]) -> Callable[[Score], tuple[tuple[int, str], ...]]:
    def rank(score: Score) -> tuple[tuple[int, str], ...]:
        known = [list(_ORDER.get(name, ())) for name in by]
        return tuple(
            (order.index(g) if g in order else len(order), g) for order, g in zip(known, score.group, strict=True)
        )

    return rank


def _grid(
    first: tuple[str, ...],
    keys: Sequence[tuple[str, ...]],
    every: Sequence[Score],
    read: dict[tuple[str, ...], Score],
    report: Report,
    links: dict[str, str],
) -> Grid:
    bands = report.has_intervals
    inside = (f"in {100 * report.made.level:g} %",) if bands else ()
    measures = ("n", "RMSE", "MAE", "bias", *inside)
    rows: list[tuple[Cell | str, ...]] = []
    for key, score in zip(keys, every, strict=True):
        names = [Cell(k, link=links.get(k, "")) for k in key]
        rows.append((*names, *_numbers(score, bands), *_numbers(read.get(key), bands)))
    headers = (*first, *measures, *(f"{m}, read" for m in measures))
    return Grid(headers, tuple(rows), frozenset(range(len(first), len(headers))))


def _numbers(score: Score | None, bands: bool) -> tuple[str, ...]:
    if score is None:
        return ("0", *("",) * (3 + bands))
    share = f"{score.covered}/{score.bands}" if score.bands else ""
    cells = (str(score.n), f"{score.rmse:.2f}", f"{score.mae:.2f}", f"{score.bias:+.2f}")
    return (*cells, share) if bands else cells
