"""``python -m bonepk.study.outcomes``: published against simulated, as Markdown; ``--fit`` fits the constants."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bonepk.errors import BonepkError, DataError, Fault
from bonepk.study.evidence import load_trial
from bonepk.study.outcomes.calibrate import FractureFit, fit_fractures, fitted_trials, write_fit
from bonepk.study.outcomes.rows import event_rows
from bonepk.study.outcomes.table import fracture_lines, recurrence_lines, recurrence_rows, summary
from bonepk.study.outcomes.women import groups
from bonepk.study.predict import RowResult, fracture_courses, predict_trial

_BEGIN, _END = "<!-- tables -->", "<!-- end of tables -->"


def fit() -> FractureFit:
    """Run the fitted trials and fit the constants."""
    return fit_fractures({name: fracture_courses(load_trial(name)) for name in fitted_trials()})


def table() -> str:
    """Write everything as Markdown; takes some ten seconds."""
    rows: list[RowResult] = []
    for name in groups():
        trial = load_trial(name)
        wanted = {row.place for row in event_rows(trial)}
        rows += [r for r in predict_trial(trial).rows if r.row.place in wanted]
    parts = []
    for use, title in (("calibration", "Fractures, fitted"), ("prediction", "Fractures, predicted")):
        parts += [f"### {title}", "", *fracture_lines(rows, use), "", f"Verified rows: {summary(rows, use)}.", ""]
    parts += ["### Recurrence in bone", "", *recurrence_lines(recurrence_rows())]
    return "\n".join(parts)


def replace_tables(page: Path, text: str) -> None:
    """Put the tables between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, found, after = rest.partition(_END)
    if not found:
        raise DataError(Fault(str(page), "no marks for the tables", f"expected '{_BEGIN}' and '{_END}'"))
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bonepk.study.outcomes", description=__doc__)
    parser.add_argument("--fit", action="store_true", help="fit the constants and print them")
    parser.add_argument("--write", action="store_true", help="with --fit: write them into the file of constants")
    parser.add_argument("--into", type=Path, metavar="PATH", help="replace the tables of this page (docs/outcomes.md)")
    options = parser.parse_args(argv)
    try:
        if options.fit:
            found = fit()
            for name, value in found.values.items():
                print(f"{name} = {value.value:.4g} (se {value.se:.2g})")
            print(f"chi2 = {found.chi2:.1f} for {found.rows} rows and {len(found.values)} constants")
            if options.write:
                write_fit(found)
            return 0
        if options.into is None:
            print(table())
        else:
            replace_tables(options.into, table())
    except BonepkError as error:
        print(f"bonepk: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
