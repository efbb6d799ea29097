"""The results as files that are kept beside the code: a table of every row, and a summary to read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from bonepk.report.cells import source_line
from bonepk.report.grid import grid_markdown
from bonepk.report.page import command_words, made_lines
from bonepk.report.remarks import comparison_grid, worst_grid
from bonepk.report.report import Report
from bonepk.report.summaries import GROUP_WORDS, density, group_rows, in_short, not_density, score_grid
from bonepk.study.predict import RowResult
from bonepk.study.score import counts

__all__ = ["COLUMNS", "results_summary", "results_table", "row_cells"]

COLUMNS = (
    "trial",
    "arm",
    "versus",
    "endpoint",
    "kind",
    "unit",
    "since",
    "month",
    "observed",
    "observed_low",
    "observed_high",
    "observed_spread",
    "predicted",
    "low",
    "high",
    "inside",
    "use",
    "class",
    "confidence",
    "cite",
    "line",
    "status",
)
"""Columns of the table, in order."""


def results_table(report: Report, path: str | Path) -> Path:
    """Write every row of a validation as CSV.

    Parameters
    ----------
    report : Report
        From `bonepk.report.gather`.
    path : str or Path

    Returns
    -------
    Path
        The same report always gives the same bytes.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row_cells(r) for r in report.results.rows)
    target = Path(path)
    target.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    return target


def row_cells(r: RowResult) -> tuple[str, ...]:
    """Cells of one row, in the order of `COLUMNS`."""
    row, spread = r.row, r.row.spread
    return (
        r.trial,
        row.arm,
        row.versus,
        row.endpoint,
        row.kind,
        row.unit,
        f"{row.since:g}",
        _number(row.month),
        f"{row.value:.10g}",
        _number(spread.low if spread else None),
        _number(spread.high if spread else None),
        spread.type if spread else "",
        _fixed(r.predicted),
        _fixed(r.low),
        _fixed(r.high),
        {True: "yes", False: "no", None: ""}[r.covered],
        r.use,
        r.treatment_class,
        row.confidence,
        row.cite,
        source_line(row),
        r.status,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{round(value, 3) + 0.0:.3f}"  # no "-0.000"


def results_summary(report: Report, path: str | Path) -> Path:
    """Write the summaries, the worst misfits and the named comparisons as Markdown.

    Parameters
    ----------
    report : Report
        From `bonepk.report.gather`.
    path : str or Path

    Returns
    -------
    Path
        The same report always gives the same bytes.
    """
    results, made = report.results, report.made
    found = ", ".join(f"{n} {what}" for what, n in counts(results.rows).items())
    split = results.split
    parts = [
        "# Validation",
        f"Made by `{command_words(made)} --table validation/results.csv --summary docs/validation.md`; do not edit."
        " The table has every row; the page that the command writes has every number beside its citation.",
        "\n".join(f"- {key}: `{value}`" for key, value in made_lines(made)),
        f"{len(results.trials)} trials, {len(results.rows)} published numbers: {found}.",
        "Errors are predicted minus published, in percentage points. “Read” leaves out numbers that were recalled and"
        " not read. “Against other women” compares different women, before and after menopause; it is apart from"
        " changes in the same women. Trials held out by rule were fixed before any fit and are part of the predicted"
        f" ones: {', '.join(split.held_out)}.",
        "## In short",
        grid_markdown(in_short(report)),
        "## Held out by rule, by trial",
        grid_markdown(score_grid(report, group_rows(report, "held_out"), ("trial", "family"))),
    ]
    for use in ("prediction", "calibration"):
        rows = group_rows(report, use)
        parts += [
            f"## {GROUP_WORDS[use].capitalize()}, by class of treatment",
            "Bone density:",
            grid_markdown(score_grid(report, density(rows), ("class",))),
            "Markers, and bone density against that of other women:",
            grid_markdown(score_grid(report, not_density(rows), ("class", "family"))),
        ]
    parts += [
        "## Worst ten misfits",
        "What is thought to cause each is kept in `validation/misfits.toml`.",
        grid_markdown(worst_grid(report, "BMD")),
        grid_markdown(worst_grid(report, "marker")),
        "## A few named comparisons",
    ]
    for one in report.comparisons:
        grid = comparison_grid(report, one)
        if grid is not None:
            parts += [f"### {one.title}", *([one.note] if one.note else []), grid_markdown(grid)]
    target = Path(path)
    target.write_text("\n\n".join(parts) + "\n", encoding="utf-8", newline="\n")
    return target
