"""Refits as tables: Markdown to read, CSV to count with."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from bonepk.infer.refits import Refit, RefitRow, Refits, Score

__all__ = ["refits_text", "save_refits"]

_BONE = "bmd"


def refits_text(made: Refits) -> str:
    """Write refits as Markdown: what each is worth, the rows held out, and which rows suffer."""
    every = (made.full, *made.variants)
    parts = [f"# {made.title}: refits", _HOW, *_worth(every), *_held(made.variants), *_suffering(made.variants)]
    return "\n".join(parts) + "\n"


def save_refits(made: Refits, path: str | Path) -> tuple[Path, Path, Path]:
    """Write refits as Markdown, and beside it two CSV files: scores (``.csv``) and every row (``-rows.csv``)."""
    text = Path(path)
    scores, rows = text.with_suffix(".csv"), text.with_name(f"{text.stem}-rows.csv")
    text.write_text(refits_text(made), encoding="utf-8", newline="\n")
    for target, content in ((scores, _score_lines(made)), (rows, _row_lines(made))):
        made_text = StringIO()
        csv.writer(made_text, lineterminator="\n").writerows(content)
        target.write_text(made_text.getvalue(), encoding="utf-8", newline="\n")
    return text, scores, rows


_HOW = """
Change: cost of the refit minus that of the full fit on the same rows, in units of log likelihood (priors and shifts
included), both with the full fit's standard deviations; a parameter that is fixed pays no prior. Where a part is
switched off, this is what the part is worth; where one is let in, it gains what lies below 0. Where rows are left out,
it is what the rest gains by being without them.

Errors are root mean square, with the mean absolute error in brackets, in the unit of the rows (of published trials
percentage points). Typical: without any shift of the trial. Predicted: trials that no fit has seen.
"""


def _worth(every: Sequence[Refit]) -> list[str]:
    fitted, ahead = _families(every, "fitted"), _families(every, "predicted")
    head = ["variant", "standard deviations", "starts agreeing", "change"]
    head += [f"{kin} fitted ({_count(every, 'fitted', kin)})" for kin in fitted]
    head += [f"{kin} typical" for kin in fitted if kin == _BONE]
    head += [f"{kin} predicted ({_count(every, 'predicted', kin)})" for kin in ahead]
    head += [f"{kin} predicted, in the 90 % interval" for kin in ahead if kin == _BONE]
    lines = []
    for one in every:
        if one.fit is None:
            lines.append([_name(one), one.variant.spreads, "", f"failed: {one.failure}"])
            continue
        agree = f"{one.fit.agreeing} of {len(one.fit.ends)}{'' if one.fit.settled else ', not settled'}"
        line = [_name(one), one.variant.spreads, agree, f"{one.change:+.1f}"]
        line += [_error(one.score("fitted", kin)) for kin in fitted]
        line += [_error(one.score("fitted", kin, "typical")) for kin in fitted if kin == _BONE]
        line += [_error(one.score("predicted", kin)) for kin in ahead]
        line += [_covered(one.score("predicted", kin)) for kin in ahead if kin == _BONE]
        lines.append(line)
    return ["## What each is worth", "", *_table(head, lines), ""]


def _count(every: Sequence[Refit], part: str, kin: str) -> str:
    """Count the rows of the full fit, which comes first."""
    score = every[0].score(part, kin)
    return "0" if score is None else str(score.n)


def _held(variants: Sequence[Refit]) -> Iterator[str]:
    some = [one for one in variants if one.families("held")]
    if not some:
        return
    head = ["variant", "rows", "n", "root mean square", "mean absolute", "bias", "in the 90 % interval"]
    head += ["full fit, with shifts", "full fit, typical"]
    lines = []
    for one in some:
        for kin in one.families("held"):
            classes = one.treatments("held", kin)
            lines.append(_held_score(one, kin, None))
            lines += [_held_score(one, kin, name) for name in classes if len(classes) > 1]
    yield from ["## Rows left out, and predicted", "", *_table(head, lines), ""]
    head = ["trial", "arm", "number", "month", "class", "published", "full fit", "without", "90 % interval"]
    for one in some:
        lines = [_held_line(r) for r in one.rows if r.part == "held"]
        yield from [f"### {_name(one)}", "", *_table(head, lines), ""]


def _held_score(one: Refit, kin: str, treatment: str | None) -> list[str]:
    made, by_full, typical = (one.score("held", kin, by, treatment) for by in ("predicted", "full", "full_typical"))
    what = kin if treatment is None else f"{kin}, {treatment or 'no class'}"
    numbers = [] if made is None else [str(made.n), f"{made.rmse:.2f}", f"{made.mae:.2f}", f"{made.bias:+.2f}"]
    return [_name(one), what, *numbers, _covered(made), _error(by_full), _error(typical)]


def _held_line(r: RefitRow) -> list[str]:
    arm = f"{r.row.arm} - {r.row.versus}" if r.row.versus else r.row.arm
    month = f"{r.row.since:g} to {r.row.month:g}" if r.row.since else f"{r.row.month:g}"
    what = f"{r.row.output} a year" if r.row.per != 1 else r.row.output
    numbers = [f"{r.row.value:.1f}", f"{r.full:.1f}", f"{r.predicted:.1f}", f"{r.low:.1f} to {r.high:.1f}"]
    return [r.block, arm, what, month, r.treatment, *numbers]


def _suffering(variants: Sequence[Refit]) -> Iterator[str]:
    head = ["variant", "trial", "number", "published", "full fit", "variant", "misfit"]
    lines = [
        [
            _name(one),
            r.block,
            r.row.label or r.row.output,
            *(f"{v:.1f}" for v in (r.row.value, r.full, r.predicted)),
            f"{r.rise:+.1f}",
        ]
        for one in variants
        for r in one.worst()
    ]
    if lines:
        yield from ["## What goes wrong", "", "Fitted rows whose misfit rises most, three for each variant.", ""]
        yield from [*_table(head, lines), ""]


def _name(one: Refit) -> str:
    return one.variant.title or one.variant.name


def _families(every: Sequence[Refit], part: str) -> tuple[str, ...]:
    """Families of any refit, bone density first, comparisons of different women left out."""
    found = {kin for one in every for kin in one.families(part) if not kin.endswith("_between")}
    return tuple(sorted(found, key=lambda kin: (kin != _BONE, kin)))


def _error(score: Score | None) -> str:
    return "" if score is None else f"{score.rmse:.2f} ({score.mae:.2f})"


def _covered(score: Score | None) -> str:
    return "" if score is None or math.isnan(score.covered) else f"{100 * score.covered:.0f} % of {score.n}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    cells = [[*line, *[""] * (len(head) - len(line))] for line in (head, *lines)]
    made = [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in cells]
    return [made[0], f"|{'---|' * len(head)}", *made[1:]]


def _score_lines(made: Refits) -> Iterator[list[object]]:
    yield ["variant", "title", "change", "part", "by", "family", "n", "rmse", "mae", "bias", "covered"]
    for one in (made.full, *made.variants):
        head: list[object] = [one.variant.name, one.variant.title, _number(one.change)]
        if one.fit is None:
            yield [*head, f"failed: {one.failure}", *[""] * 7]
        for part in ("fitted", "held", "predicted"):
            for kin in one.families(part):
                for by in ("predicted", "typical", "full", "full_typical"):
                    score = one.score(part, kin, by)
                    if score is not None:
                        numbers = (score.rmse, score.mae, score.bias, score.covered)
                        yield [*head, part, by, kin, score.n, *map(_number, numbers)]


def _row_lines(made: Refits) -> Iterator[list[object]]:
    words = ["variant", "part", "trial", "arm", "versus", "output", "family", "since", "month", "per", "treatment"]
    numbers = ["observed", "full", "full_typical", "predicted", "typical", "low", "high", "rise"]
    yield [*words, *numbers]
    for one in (made.full, *made.variants):
        for r in one.rows:
            place = [one.variant.name, r.part, r.block, r.row.arm, r.row.versus, r.row.output, r.row.kin]
            when = [_number(r.row.since), _number(r.row.month), _number(r.row.per), r.treatment]
            values = (r.row.value, r.full, r.full_typical, r.predicted, r.typical, r.low, r.high, r.rise)
            yield [*place, *when, *map(_number, values)]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
