"""One self-contained page for a validation: summaries, the split, every trial with every number and its source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from bonepk.report.cells import HEADERS, USE_WORDS, Line, citation_numbers, line_of, others, scored_lines
from bonepk.report.scatter import scatter_svg
from bonepk.study.evidence import Citation
from bonepk.study.predict import RowResult, TrialResult, Validation
from bonepk.study.score import counts, scores, worst

__all__ = ["validation_page"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff;max-width:76rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.25rem;margin-top:2.4rem;border-bottom:1px solid #ddd}
h3{font-size:1.05rem;margin:2rem 0 .2rem}.quiet{color:#666;font-size:.88rem}
table{border-collapse:collapse;font-size:.86rem;margin:.6rem 0}th{text-align:left;border-bottom:1px solid #999}
td,th{padding:.18rem .7rem .18rem 0;vertical-align:top}td.r,th.r{text-align:right;font-variant-numeric:tabular-nums}
tr:nth-child(even) td{background:#f7f7f7}.in{color:#00694b}.out{color:#b34700}
.tag{font-size:.78rem;border-radius:.6rem;padding:.05rem .55rem;border:1px solid #999;color:#444;white-space:nowrap}
.prediction{border-color:#0072b2;color:#0072b2}.calibration{border-color:#b34700;color:#b34700}
.wide{overflow-x:auto}details{margin:.3rem 0}summary{cursor:pointer;color:#444}a{color:#0061a8}
"""


def validation_page(results: Validation, path: str | Path) -> Path:
    """Write the page of a validation.

    Parameters
    ----------
    results : Validation
        From `bonepk.study.validate`.
    path : str or Path
        Where to; the page needs no other file.

    Returns
    -------
    Path
    """
    used = [r for r in results.rows if r.use != "not_used"]
    found = ", ".join(f"{n} {what}" for what, n in counts(results.rows).items())
    parts = [
        f"<h1>bonepk validation</h1><p class=quiet>model {_e(results.model)}; {len(results.trials)} trials,"
        f" {len(results.rows)} published numbers: {_e(found)}</p>",
        "<p>Errors are predicted minus observed in percentage points. “Read” leaves out numbers that were recalled"
        " and not read. A trial marked <span class='tag prediction'>predicted, never fitted</span> had no part in"
        " finding the model's values.</p>",
        scatter_svg(used),
        "<h2>Summary errors</h2>",
        _scores_table("use and measure", used, ("use", "measure")),
        "<h3>By endpoint</h3>" + _scores_table("endpoint", used, ("use", "endpoint")),
        "<h3>By class of treatment</h3>" + _scores_table("treatment", used, ("treatment", "measure")),
        "<h2>Worst ten misfits</h2><h3>Bone density</h3>" + _worst(results, used, "BMD"),
        "<h3>Markers</h3>" + _worst(results, used, "marker"),
        "<h2>Split</h2>" + _split(results),
        "<h2>Trials</h2>",
        *(_trial(result, results) for result in results.trials),
    ]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
    target = Path(path)
    body = "\n".join(parts)
    head = f"<head>{head}<title>bonepk validation</title></head>"
    target.write_text(f"<!doctype html><html lang=en>{head}<body>{body}</body></html>\n", encoding="utf-8")
    return target


def _e(text: object) -> str:
    return escape(str(text), quote=True)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]], right: set[int]) -> str:
    """Rows of ready HTML."""

    def line(cells: Sequence[str], tag: str) -> str:
        marked = (f"<{tag}{' class=r' if i in right else ''}>{c}</{tag}>" for i, c in enumerate(cells))
        return f"<tr>{''.join(marked)}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    return f"<div class=wide><table>{line([_e(h) for h in headers], 'th')}\n{body}</table></div>"


def _scores_table(title: str, rows: Sequence[RowResult], by: tuple[str, str]) -> str:
    read = {s.group: s for s in scores(rows, by, confidence="verified")}
    lines = []
    for s in scores(rows, by):
        inside = f"{s.within} of {s.intervals}" if s.intervals else ""
        other = read.get(s.group)
        lines.append(
            [
                *(_e(USE_WORDS.get(g, g)) for g in s.group),
                str(s.n),
                f"{s.rmse:.2f}",
                f"{s.mae:.2f}",
                f"{s.bias:+.2f}",
                inside,
                str(other.n) if other else "0",
                f"{other.rmse:.2f}" if other else "",
            ]
        )
    headers = [title, "", "n", "RMSE", "MAE", "bias", "in interval", "n read", "RMSE read"]
    return _table(headers, lines, {2, 3, 4, 5, 6, 7, 8})


def _worst(results: Validation, rows: Sequence[RowResult], measure: str | None) -> str:
    trials = {t.trial.name: t.trial for t in results.trials}
    lines = []
    for r in worst(rows, 10, measure):
        line = line_of(r, trials[r.trial])
        cells = [_e(c) for c in line.cells[:6]]
        lines.append([f"<a href='#{_e(r.trial)}'>{_e(r.trial)}</a>", *cells, _tag(r.use)])
    return _table(["trial", *HEADERS[:6], "use"], lines, {1, 5, 6})


def _tag(use: str) -> str:
    return f"<span class='tag {_e(use)}'>{_e(USE_WORDS[use])}</span>"


def _split(results: Validation) -> str:
    split = results.split
    rules = "".join(f"<li>{_e(r)}</li>" for r in split.rules)
    rows = [[f"<a href='#{_e(n)}'>{_e(n)}</a>", _tag(use), _e(split.why[n])] for n, use in split.use.items()]
    rows += [[f"{_e(x.trial)}: some rows", _tag(x.use), _e(x.why)] for x in split.exceptions]
    left = [[_e(name), _e(why)] for name, why in split.left_out.items()]
    return (
        f"<ul>{rules}</ul><details><summary>{len(split.use)} trials</summary>"
        + _table(["trial", "use", "why"], rows, set())
        + f"</details><details><summary>{len(left)} published sources that are not encoded</summary>"
        + _table(["source", "why not"], left, set())
        + "</details>"
    )


def _trial(result: TrialResult, results: Validation) -> str:
    trial = result.trial
    who = trial.population
    n = f"; n = {who.n}" if who.n else ""
    years = f"Day 0 is {who.years_since_fmp:g} years after the final menstrual period ({who.years_source}: "
    parts = [
        f"<h3 id='{_e(trial.name)}'>{_e(trial.title)} ({trial.year}) {_tag(result.use)}</h3>",
        f"<p class=quiet>{_e(trial.design)}{n}; {_e(who.description)}. {_e(years + who.years_note)})."
        f" In the split: {_e(results.split.why.get(trial.name, ''))}.</p>",
    ]
    if who.approximations:
        items = "".join(f"<li>{_e(a)}</li>" for a in who.approximations)
        parts.append(f"<details><summary>assumptions</summary><ul class=quiet>{items}</ul></details>")
    parts += [f"<p class=out>{_e(run.arm.label)}: {_e(run.failure)}</p>" for run in result.arms if run.failure]
    shown = scored_lines(result)
    if shown:
        rows = [_cells(r, line, result) for r, line in shown]
        parts.append(_table([*HEADERS, "note"], rows, {0, 4, 5}))
    for reason, members in others(result.rows).items():
        rows = [_cells(r, line_of(r, trial), result) for r in members]
        inner = _table([*HEADERS, "note"], rows, {0, 4, 5})
        parts.append(f"<details><summary>{_e(reason)}: {len(members)}</summary>{inner}</details>")
    numbers = citation_numbers(trial)
    cited = "<br>".join(f"[{numbers[k]}] {_source(c)}" for k, c in trial.citations.items())
    parts.append(f"<p class=quiet>{cited}</p>")
    return "\n".join(parts)


def _cells(result: RowResult, line: Line, trial: TrialResult) -> list[str]:
    cells = [_e(c) for c in line.cells]
    if line.mark:
        cells[6] = f"<span class={line.mark}>{line.mark}</span>"
    where = result.row.place.partition(" ")[0].rpartition("/")[2]
    citation = trial.trial.citations[result.row.cite]
    cells[7] = f"<span title='{_e(citation)}; {_e(where)}'>{cells[7]} <span class=quiet>{_e(where)}</span></span>"
    return [*cells, f"<span class=quiet>{_e(line.note)}</span>"]


def _source(citation: Citation) -> str:
    text = _e(citation.text)
    if citation.doi:
        text += f", <a href='https://doi.org/{_e(citation.doi)}'>{_e(citation.doi)}</a>"
    if citation.found_at:
        text += f" (<a href='{_e(citation.found_at)}'>read here</a>)"
    return text
