"""One self-contained page for a validation: summaries, the split, every trial with every number and its source."""

from __future__ import annotations

from pathlib import Path

from bonepk.report.forest import forest_svg
from bonepk.report.grid import Cell, Grid, e, grid_html
from bonepk.report.remarks import comparison_grid, worst_grid
from bonepk.report.report import Made, Report
from bonepk.report.scatter import scatter_svg
from bonepk.report.summaries import GROUP_WORDS, density, group_rows, in_short, not_density, score_grid
from bonepk.report.trial_section import tag, trial_section
from bonepk.study.score import counts

__all__ = ["command_words", "made_lines", "validation_page"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff;max-width:84rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.25rem;margin-top:2.4rem;border-bottom:1px solid #ddd}
h3{font-size:1.05rem;margin:2rem 0 .2rem}h4{font-size:.95rem;margin:1.2rem 0 .1rem}.quiet{color:#666;font-size:.88rem}
table{border-collapse:collapse;font-size:.86rem;margin:.6rem 0}th{text-align:left;border-bottom:1px solid #999}
td,th{padding:.18rem .7rem .18rem 0;vertical-align:top}td.r,th.r{text-align:right;font-variant-numeric:tabular-nums}
tr:nth-child(even) td{background:#f7f7f7}tr:target td{background:#fff3c4}.in{color:#00694b}.out{color:#b34700}
.tag{font-size:.78rem;border-radius:.6rem;padding:.05rem .55rem;border:1px solid #999;color:#444;white-space:nowrap}
.prediction{border-color:#0072b2;color:#0072b2}.calibration{border-color:#b34700;color:#b34700}
.wide{overflow-x:auto}details{margin:.3rem 0}summary{cursor:pointer;color:#444}a{color:#0061a8}
.nw{white-space:nowrap}td svg{display:block}
svg a:hover text{text-decoration:underline}nav a{margin-right:1rem}code{font-size:.85em}
"""

_SECTIONS = {
    "short": "In short",
    "held-out": "Held out by rule",
    "prediction": "Predicted, never fitted",
    "calibration": "Fitted",
    "worst": "Worst misfits",
    "comparisons": "A few named comparisons",
    "split": "Split",
    "trials": "Trials",
}


def validation_page(report: Report, path: str | Path) -> Path:
    """Write the page of a validation.

    Parameters
    ----------
    report : Report
        From `bonepk.report.gather`.
    path : str or Path
        Where to; the page needs no other file.

    Returns
    -------
    Path
    """
    results = report.results
    used = [r for r in results.rows if r.use in {"calibration", "prediction"}]
    found = ", ".join(f"{n} {what}" for what, n in counts(results.rows).items())
    nav = "".join(f"<a href='#{key}'>{e(words)}</a>" for key, words in _SECTIONS.items())
    parts = [
        f"<h1>bonepk validation</h1><nav class=quiet>{nav}</nav>",
        _made(report),
        f"<p class=quiet>{len(results.trials)} trials, {len(results.rows)} published numbers: {e(found)}.</p>",
        f"<p>{e(_reading(report))} A trial marked {tag('prediction')} had no part in finding the model's values."
        " Every number leads to its line: file and line of the evidence, and the citation it was taken from.</p>",
        scatter_svg(used),
        _head("short") + grid_html(in_short(report)),
        _head("held-out") + _held_out(report),
        _head("prediction") + _group(report, "prediction"),
        _head("calibration") + _group(report, "calibration"),
        _head("worst") + "<h3>Bone density</h3>" + grid_html(worst_grid(report, "BMD")),
        "<h3>Markers</h3>" + grid_html(worst_grid(report, "marker")),
        "<p class=quiet>Sentences are kept in <code>validation/misfits.toml</code>; a guess says that it is one.</p>",
        _comparisons(report),
        _head("split") + _split(report),
        _head("trials"),
        *(trial_section(report, result) for result in results.trials),
    ]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
    target = Path(path)
    body = "\n".join(parts)
    head = f"<head>{head}<title>bonepk validation</title></head>"
    target.write_text(f"<!doctype html><html lang=en>{head}<body>{body}</body></html>\n", encoding="utf-8")
    return target


def made_lines(made: Made) -> list[tuple[str, str]]:
    """Say what a report was made from, in pairs of words."""
    over = f"{made.parameters}, {made.parameters_hash}" if made.parameters else "none: the model's own values"
    lines = [
        ("bonepk", made.version),
        ("model", f"{made.model}, {made.model_hash}"),
        ("parameter set", over),
        ("evidence", made.evidence_hash),
    ]
    if not made.uncertainty:
        return [*lines, ("intervals", f"none: {made.note}")]
    source = f"{100 * made.level:g} % from {made.draws} draws of {made.uncertainty}, {made.uncertainty_hash}"
    lines.append(("intervals", f"{source}; seed {made.seed}"))
    return [*lines, ("of the intervals", made.note)] if made.note else lines


def command_words(made: Made) -> str:
    """Command that makes the same numbers again."""
    words = ["bonepk validate"]
    words += [f"--model {made.model}"] if made.model != "aibl" else []
    words += [f"--set {made.parameters}"] if made.parameters else []
    return " ".join([*words, f"--draws {made.draws}", f"--seed {made.seed}"])


def _head(key: str) -> str:
    return f"<h2 id='{key}'>{e(_SECTIONS[key])}</h2>"


def _made(report: Report) -> str:
    rows = "".join(f"<tr><td>{e(k)}</td><td><code>{e(v)}</code></td></tr>" for k, v in made_lines(report.made))
    again = f"<tr><td>again</td><td><code>{e(command_words(report.made))}</code></td></tr>"
    return f"<div class=wide><table>{rows}{again}</table></div>"


def _reading(report: Report) -> str:
    text = "Errors are predicted minus published, in percentage points. Columns marked “read” leave out numbers"
    text += " that were recalled and not read."
    if report.has_intervals:
        share = f"{100 * report.made.level:g} %"
        text += (
            f" The {share} interval is where the published number of a new trial is expected: uncertainty of the"
            " parameters, spread between trials, the model's error and the trial's sampling together."
        )
    if report.made.note:
        text += f" {'Of the intervals' if report.has_intervals else 'No predictive intervals'}: {report.made.note}."
    return text


def _held_out(report: Report) -> str:
    rows = group_rows(report, "held_out")
    if not rows:
        return "<p>None of these trials was run.</p>"
    names = ", ".join(report.results.split.held_out)
    note = f"<p class=quiet>{e(names)}: fixed before any fit, in <code>validation/split.toml</code>.</p>"
    return (
        note
        + grid_html(score_grid(report, rows, ("trial", "family"), links=True))
        + forest_svg(report, density(rows), "bone density, % or points")
        + forest_svg(report, not_density(rows), "markers, %")
    )


def _group(report: Report, use: str) -> str:
    rows = group_rows(report, use)
    if not rows:
        return f"<p>No row is {e(GROUP_WORDS[use])}.</p>"
    bone, rest = density(rows), not_density(rows)
    parts = ["<h4>Bone density by class of treatment</h4>", grid_html(score_grid(report, bone, ("class",)))]
    if rest:
        parts += [
            "<h4>Markers, and bone density against that of other women, by class of treatment</h4>",
            grid_html(score_grid(report, rest, ("class", "family"))),
        ]
    inner = grid_html(score_grid(report, rows, ("endpoint",)))
    parts.append(f"<details><summary>by site and marker</summary>{inner}</details>")
    inner = grid_html(score_grid(report, rows, ("trial", "family"), links=True))
    parts.append(f"<details><summary>by trial</summary>{inner}</details>")
    return "".join(parts)


def _comparisons(report: Report) -> str:
    parts = []
    for one in report.comparisons:
        grid = comparison_grid(report, one)
        if grid is not None:
            note = f"<p class=quiet>{e(one.note)}</p>" if one.note else ""
            parts.append(f"<h3>{e(one.title)}</h3>{note}{grid_html(grid)}")
    return _head("comparisons") + ("".join(parts) or "<p>None of their trials was run.</p>")


def _split(report: Report) -> str:
    split = report.results.split
    rules = "".join(f"<li>{e(r)}</li>" for r in split.rules)

    def use(name: str) -> Cell:
        return Cell(name.replace("_", " "), mark=f"tag {name}")

    rows = [(Cell(n, link=f"#{n}"), use(u), split.why[n]) for n, u in split.use.items()]
    rows += [(Cell(f"{x.trial}: some rows"), use(x.use), x.why) for x in split.exceptions]
    left = tuple(split.left_out.items())
    return (
        f"<ul>{rules}</ul><details><summary>{len(split.use)} trials</summary>"
        + grid_html(Grid(("trial", "use", "why"), tuple(rows)))
        + f"</details><details><summary>{len(left)} published sources that are not encoded</summary>"
        + grid_html(Grid(("source", "why not"), left))
        + "</details>"
    )
