"""Tables for the terminal: one trial, the list of trials, the summary of a validation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bonepk.errors import MissingExtraError
from bonepk.report.cells import HEADERS, USE_WORDS, interval_words, line_of, others, scored_lines
from bonepk.report.summaries import density, not_density
from bonepk.study.evidence import Trial, load_trial, trial_names
from bonepk.study.predict import TrialResult, Validation
from bonepk.study.score import Score, counts, scores, worst
from bonepk.study.split import read_split

if TYPE_CHECKING:
    from rich.table import Table

    from bonepk.infer.intervals import TrialIntervals

__all__ = ["trial_table", "trial_text", "trials_text", "validation_text"]

_WIDTH = 118


def trial_text(result: TrialResult, intervals: TrialIntervals | None = None) -> str:
    """Observed beside predicted for one trial, as plain text.

    Parameters
    ----------
    result : TrialResult
        From `bonepk.study.predict_trial`.
    intervals : TrialIntervals, optional
        From `bonepk.infer.trial_intervals`: a column with the predictive interval of each published number, and
        whether it holds the number.

    Returns
    -------
    str
        Head, assumptions, table, what is not predicted and why, summary error, citations.
    """
    trial = result.trial
    result = _with(result, intervals)
    parts = [_head(result)]
    lines = [line for _, line in scored_lines(result)]
    if lines:
        marks: dict[str, str] = {}
        for line in lines:
            if line.note and line.note not in marks:
                marks[line.note] = _letter(len(marks))
        headers, table = _columns(result, intervals)
        cells = [(*row, marks.get(line.note, "")) for row, line in zip(table, lines, strict=True)]
        parts.append(_grid([(*headers, ""), *cells], right={0, 4, headers.index("error")}))
        if marks:
            parts.append("\n".join(_wrap(f"  {mark}  {note}", "     ") for note, mark in marks.items()))
    if intervals is not None:
        parts.append("\n".join(_wrap(line, "  ") for line in _about(intervals)))
    for reason, rows in others(result.rows).items():
        kept = [line_of(r, trial) for r in rows]
        cells = [(k.month, k.endpoint, k.arm, k.observed, k.citation, k.note) for k in kept]
        parts.append(f"{reason} ({len(rows)})\n" + _grid(cells, right={0}))
    total = scores(result.rows, by=("measure",))
    if total:
        parts.append("\n".join(f"{s.group[0]}: {_score_words(s)}" for s in total))
    sources = [f"  [{i + 1}] {c}" for i, c in enumerate(trial.citations.values())]
    parts.append("sources\n" + "\n".join(_wrap(s, "      ") for s in sources))
    return "\n\n".join(parts)


def _with(result: TrialResult, intervals: TrialIntervals | None) -> TrialResult:
    if intervals is None:
        return result
    from bonepk.infer.intervals import with_intervals

    return with_intervals(result, intervals)


def _columns(result: TrialResult, intervals: TrialIntervals | None) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headers and cells, with the interval after the prediction where there are intervals."""
    found = scored_lines(result)
    if intervals is None or not intervals.rows:
        return HEADERS, [line.cells for _, line in found]
    headers = (*HEADERS[:5], f"{100 * intervals.level:g} % interval", "holds it", *HEADERS[5:])
    words = {True: "yes", False: "no", None: ""}
    rows = [(*line.cells[:5], interval_words(row), words[row.covered], *line.cells[5:]) for row, line in found]
    return headers, rows


def _about(intervals: TrialIntervals) -> list[str]:
    """Say what the intervals are made of, or why there are none."""
    if not intervals.rows:
        return [intervals.note] if intervals.note else []
    skipped = f", {intervals.skipped} not solved" if intervals.skipped else ""
    lines = [
        f"{100 * intervals.level:g} % interval: where the published number is expected; {intervals.draws} draws of set "
        f"'{intervals.parameters}'{skipped}, spread between trials (this one taken as new), model error, sampling. "
        "'holds it': the published number lies in it. 'in', 'out': the prediction in the published interval of the "
        "mean."
    ]
    return [*lines, intervals.note] if intervals.note else lines


def _head(result: TrialResult) -> str:
    trial = result.trial
    who = trial.population
    n = f", n = {who.n}" if who.n else ""
    assumed = f"({who.years_source}: {who.years_note})"
    lines = [
        f"{trial.title} ({trial.year})",
        f"{trial.design}{n}; {who.description}",
        f"day 0: {who.years_since_fmp:g} years since the final menstrual period {assumed}",
        f"use: {USE_WORDS[result.use]}; model {result.model} {result.model_hash[:10]}",
    ]
    lines += [f"- {a}" for a in who.approximations]
    failed = [f"! {run.arm.label}: {run.failure}" for run in result.arms if run.failure]
    return "\n".join(_wrap(line, "  ") for line in [*lines, *failed])


def trial_table(result: TrialResult, intervals: TrialIntervals | None = None) -> Table:
    """Observed beside predicted for one trial, as a table of the package rich; intervals as in `trial_text`.

    Raises
    ------
    MissingExtraError
        If rich is not installed.
    """
    try:
        from rich.table import Table
    except ImportError:
        raise MissingExtraError("coloured tables need rich; pip install 'bonepk[cli]'") from None
    table = Table(title=f"{result.trial.title} ({USE_WORDS[result.use]})", title_justify="left")
    result = _with(result, intervals)
    headers, rows = _columns(result, intervals)
    for header in headers:
        table.add_column(header, justify="right" if header in {"month", "predicted", "error"} else "left")
    colour = {True: "green", False: "red", None: ""}
    for cells, (_, line) in zip(rows, scored_lines(result), strict=True):
        table.add_row(*cells, style=colour[line.good])
    return table


def trials_text() -> str:
    """List the trials that come with bonepk: name, use, number of rows, title."""
    split = read_split()
    rows = []
    for name in trial_names():
        trial = load_trial(name)
        able = sum(not row.obstacle and not _blocked(trial, row.arm) for row in trial.rows)
        rows.append((name, USE_WORDS[split.use.get(name, "unlisted")], f"{able}/{len(trial.rows)}", trial.title))
    return _grid([("trial", "use", "rows", "title"), *rows], right={2})


def _blocked(trial: Trial, arm: str) -> bool:
    return bool(arm and trial.arm(arm).not_simulated)


def validation_text(results: Validation) -> str:
    """Summary errors of a validation as plain text.

    Parameters
    ----------
    results : Validation
        From `bonepk.study.validate`.

    Returns
    -------
    str
    """
    rows = results.rows
    used = [r for r in rows if r.use in {"calibration", "prediction"}]
    banded = any(r.low is not None for r in rows)
    found = ", ".join(f"{n} {what}" for what, n in counts(rows).items())
    parts = [
        f"{len(results.trials)} trials, {len(rows)} numbers: {found}",
        "errors are predicted minus observed, in percentage points; 'read' leaves out recalled numbers"
        + ("; 'covered': published numbers in the interval they are expected in" if banded else ""),
        _scores_grid("use", scores(used), scores(used, confidence="verified")),
    ]
    bone, rest = density(used), not_density(used)
    for title, some, by in (
        ("endpoint", used, ("use", "endpoint")),
        ("bone density by class", bone, ("use", "class")),
        ("markers by class", rest, ("class", "family")),
    ):
        if some:
            parts.append(_scores_grid(title, scores(some, by), scores(some, by, confidence="verified")))
    trials = {t.trial.name: t.trial for t in results.trials}
    for measure in ("BMD", "marker"):
        bad = worst(used, 10, measure)
        lines = [(r.trial, *line_of(r, trials[r.trial]).cells[:6], USE_WORDS[r.use]) for r in bad]
        if lines:
            parts.append(f"worst ten, {measure}\n" + _grid([("trial", *HEADERS[:6], "use"), *lines], right={1, 5, 6}))
    arms = [(t.trial.name, run) for t in results.trials for run in t.arms]
    failed = [f"{name}: {run.arm.label}: {run.failure}" for name, run in arms if run.failure]
    if failed:
        parts.append("failed\n" + "\n".join(f"  {line}" for line in failed))
    return "\n\n".join(parts)


def _scores_grid(title: str, every: Sequence[Score], read: Sequence[Score]) -> str:
    by_group = {s.group: s for s in read}
    bands = any(s.bands for s in every)
    share = "covered" if bands else "in interval"
    rows: list[tuple[str, ...]] = [(title, "", "n", "RMSE", "MAE", "bias", share, "n read", "RMSE read")]
    for s in every:
        other = by_group.get(s.group)
        part, whole = (s.covered, s.bands) if bands else (s.within, s.intervals)
        inside = f"{part}/{whole}" if whole else ""
        read_cells = (str(other.n), f"{other.rmse:.2f}") if other else ("0", "")
        first = [USE_WORDS.get(g, g) for g in s.group]
        rows.append(
            (*first, str(s.n), f"{s.rmse:.2f}", f"{s.mae:.2f}", f"{s.bias:+.2f}", inside, *read_cells),
        )
    return _grid(rows, right={2, 3, 4, 5, 6, 7, 8})


def _score_words(s: Score) -> str:
    inside = f", {s.within} of {s.intervals} within the interval of the mean" if s.intervals else ""
    return f"{s.n} scored, RMSE {s.rmse:.2f}, MAE {s.mae:.2f}, bias {s.bias:+.2f} points{inside}"


def _grid(rows: Iterable[Sequence[str]], right: set[int]) -> str:
    """Align columns; the last one is left as it is."""
    table = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _letter(i: int) -> str:
    return chr(ord("a") + i) if i < 26 else _letter(i // 26 - 1) + _letter(i % 26)


def _wrap(line: str, indent: str) -> str:
    return textwrap.fill(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
