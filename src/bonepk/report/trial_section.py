"""One trial on the validation page: who took part, every number with its interval, and where each was published."""

from __future__ import annotations

from bonepk.report.cells import (
    USE_WORDS,
    anchor,
    citation_numbers,
    interval_words,
    line_of,
    others,
    scored_lines,
    source_line,
)
from bonepk.report.forest import Scale, bar_svg, drawable, scale_of
from bonepk.report.grid import e
from bonepk.report.report import Report
from bonepk.study.evidence import Citation, Trial
from bonepk.study.predict import RowResult, TrialResult

__all__ = ["tag", "trial_section"]

_WIDTH = 150  # pixels of the small picture in a row


def tag(use: str) -> str:
    """Write a use of the split as a label."""
    return f"<span class='tag {e(use)}'>{e(USE_WORDS[use])}</span>"


def trial_section(report: Report, result: TrialResult) -> str:
    """Write the section of a trial."""
    trial = result.trial
    who = trial.population
    n = f"; n = {who.n}" if who.n else ""
    years = f"Day 0 is {who.years_since_fmp:g} years after the final menstrual period ({who.years_source}: "
    parts = [
        f"<h3 id='{e(trial.name)}'>{e(trial.title)} ({trial.year}) {tag(result.use)}</h3>",
        f"<p class=quiet>{e(trial.design)}{n}; {e(who.description)}. {e(years + who.years_note)})."
        f" In the split: {e(report.results.split.why.get(trial.name, ''))}.</p>",
    ]
    if who.approximations:
        items = "".join(f"<li>{e(a)}</li>" for a in who.approximations)
        parts.append(f"<details><summary>assumptions</summary><ul class=quiet>{items}</ul></details>")
    parts += [f"<p class=out>{e(run.arm.label)}: {e(run.failure)}</p>" for run in result.arms if run.failure]
    shown = [r for r, _ in scored_lines(result)]
    if shown:
        parts.append(_table(report, result, shown))
    for reason, members in others(result.rows).items():
        inner = _table(report, result, members)
        parts.append(f"<details><summary>{e(reason)}: {len(members)}</summary>{inner}</details>")
    numbers = citation_numbers(trial)
    cited = "<br>".join(
        f"<span id='{e(_cite(trial, k))}'>[{numbers[k]}]</span> {_source(c)}" for k, c in trial.citations.items()
    )
    parts.append(f"<p class=quiet>{cited}</p>")
    return "\n".join(parts)


def _table(report: Report, result: TrialResult, rows: list[RowResult]) -> str:
    predicted = any(r.predicted is not None for r in rows)
    bands = report.has_intervals and predicted
    heads = ["month", "site or marker", "arm", "published"]
    if predicted:
        heads += ["predicted", *((f"{100 * report.made.level:g} % interval", "published is") if bands else ())]
        heads += ["error", "in published interval", ""]
    heads += ["source", "note"]
    right = {i for i, h in enumerate(heads) if h in {"month", "predicted", "error"}}
    drawn = drawable(rows)
    scales = {density: scale_of([r for r in drawn if _density(r) is density], 4, _WIDTH) for density in (True, False)}
    body = []
    for r in rows:
        cells = _cells(result, r, predicted, bands, scales[_density(r)] if r in drawn else None)
        marked = "".join(f"<td{' class=r' if i in right else ''}>{c}</td>" for i, c in enumerate(cells))
        body.append(f"<tr id='{e(anchor(r))}'>{marked}</tr>")
    head = "".join(f"<th{' class=r' if i in right else ''}>{e(h)}</th>" for i, h in enumerate(heads))
    return f"<div class=wide><table><tr>{head}</tr>\n{chr(10).join(body)}</table></div>"


def _density(r: RowResult) -> bool:
    return r.row.endpoint.startswith("bmd_")


def _cells(result: TrialResult, r: RowResult, predicted: bool, bands: bool, scale: Scale | None) -> list[str]:
    line = line_of(r, result.trial)
    cells = [e(line.month), e(line.endpoint), e(line.arm), e(line.observed)]
    if predicted:
        cells.append(e(line.predicted))
        if bands:
            cells += [f"<span class=nw>{e(interval_words(r))}</span>", _inside(r)]
        mark = f"<span class={line.mark}>{line.mark}</span>" if line.mark else ""
        cells += [e(line.error), mark, bar_svg(r, scale) if scale else ""]
    citation = result.trial.citations[r.row.cite]
    where = f"<a href='#{e(_cite(result.trial, r.row.cite))}'>{e(line.citation)}</a>"
    where = f"<span title='{e(citation)}'>{where} <span class='quiet nw'>{e(source_line(r.row))}</span></span>"
    return [*cells, where, f"<span class=quiet>{e(line.note)}</span>"]


def _inside(r: RowResult) -> str:
    if r.covered is None:
        return ""
    return "<span class=in>inside</span>" if r.covered else "<span class=out>outside</span>"


def _cite(trial: Trial, key: str) -> str:
    return f"{trial.name}-{key}"


def _source(citation: Citation) -> str:
    text = e(citation.text)
    if citation.doi:
        text += f", <a href='https://doi.org/{e(citation.doi)}'>{e(citation.doi)}</a>"
    if citation.found_at:
        text += f" (<a href='{e(citation.found_at)}'>read here</a>)"
    return text
