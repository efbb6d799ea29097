"""The command line: ``bonepk trial abcsg-18``, ``bonepk validate``, ``bonepk models``.

Exit codes: 0 done, 1 a run failed, 2 bad input (the message says what and where; nothing is
written). Results go to standard output, progress and messages to standard error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bonepk.errors import BonepkError, SolverError
from bonepk.version import __version__

if TYPE_CHECKING:
    from bonepk.infer import Problem
    from bonepk.model.system import System

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    options = _parser(words[:1] == ["guideline"]).parse_args(words)
    try:
        code: int = options.run(options)
    except BonepkError as error:
        print(f"bonepk: {error}", file=sys.stderr)
        return 1 if isinstance(error, SolverError) else 2
    except KeyboardInterrupt:
        print("bonepk: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe left early, as `head` does
        sys.stderr.close()
        return 0
    return code


def _parser(guideline_facts: bool) -> argparse.ArgumentParser:
    # the vocabulary of facts is read only where it is asked for: other commands start faster
    parser = argparse.ArgumentParser(
        prog="bonepk", description="Bone under estrogen loss and its drugs: models, trials, predictions."
    )
    parser.add_argument("--version", action="version", version=f"bonepk {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list the models")
    models.set_defaults(run=_models)

    model = commands.add_parser("model", help="show, check, export or import one model")
    actions = model.add_subparsers(title="actions", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="states, parameters with sources, equations, fluxes")
    _one_model(show)
    show.add_argument("--format", choices=("text", "markdown", "latex", "flow", "mermaid", "dot"), default="text")
    show.set_defaults(run=_model_show)
    check = actions.add_parser("check", help="run every check a model file must pass")
    _one_model(check)
    check.set_defaults(run=_model_check)
    export = actions.add_parser("export", help="write a model for another tool")
    _one_model(export)
    export.add_argument(
        "--to", required=True, metavar="FORMAT", help="sbml, petab, mrgsolve, rxode2, nonmem, latex or markdown"
    )
    export.add_argument("--out", type=Path, metavar="PATH", help="the file (for petab the folder); default: print it")
    export.add_argument("--problem", type=Path, metavar="FILE", help="calibration problem that becomes PEtab")
    export.set_defaults(run=_model_export)
    read = actions.add_parser("import", help="turn an SBML file into a model file")
    read.add_argument("source", type=Path, help="SBML file")
    read.add_argument("--out", type=Path, required=True, metavar="PATH", help="the model file to write (.toml)")
    read.add_argument("--time-unit", default="", metavar="UNIT", help="unit of time, where the file states none")
    read.add_argument("--flags", default="as written", metavar="RULE", help="'as written' or 'condition'")
    read.add_argument(
        "--without-event", action="append", default=[], metavar="ID", help="leave an event out; repeatable"
    )
    read.set_defaults(run=_model_import)

    trials = commands.add_parser("trials", help="list the published trials")
    trials.set_defaults(run=_trials)

    trial = commands.add_parser("trial", help="simulate the arms of a trial, observed beside predicted")
    trial.add_argument("name", help="a name from 'bonepk trials', or a path to a .toml file")
    _common(trial)
    trial.add_argument("--draws", type=int, default=100, metavar="N", help="for intervals (default 100; 0: none)")
    trial.add_argument("--seed", type=int, default=1, help="same seed, same draws and people (default 1)")
    trial.add_argument("--no-figure", action="store_true", help="print the table only")
    trial.add_argument("--figure", type=Path, metavar="PATH", help="where the figure goes (default NAME.png)")
    virtual = trial.add_argument_group("virtual people")
    virtual.add_argument("--people", type=int, metavar="N", help="run the trial on N virtual people")
    virtual.add_argument("--no-fractures", action="store_true", help="bone density only")
    virtual.add_argument("--workers", type=int, metavar="N", help="threads (default all processors)")
    virtual.add_argument("--resume", type=Path, metavar="FOLDER", help="keep finished parts here and go on from them")
    trial.set_defaults(run=_trial)

    validate = commands.add_parser("validate", help="every trial on one page")
    _common(validate)
    validate.add_argument(
        "--page", type=Path, default=Path("validation.html"), metavar="PATH", help="the page to write"
    )
    validate.add_argument("--draws", type=int, default=100, metavar="N", help="for intervals (default 100; 0: none)")
    validate.add_argument("--seed", type=int, default=1, help="same seed, same intervals (default 1)")
    validate.add_argument("--table", type=Path, metavar="PATH", help="also write every row as CSV")
    validate.add_argument("--summary", type=Path, metavar="PATH", help="also write the summaries as Markdown")
    validate.set_defaults(run=_validate)

    guideline = commands.add_parser("guideline", help="what guidelines say of one woman; no medical advice")
    guideline.add_argument("name", nargs="?", help="a guideline; without it all side by side")
    guideline.add_argument("--list", action="store_true", help="list the guidelines, or with a name show its rules")
    guideline.set_defaults(run=_guideline)
    if guideline_facts:
        _guideline_facts(guideline.add_argument_group("facts"))

    calibrate = commands.add_parser("calibrate", help="fit named parameters of a model to trials or your own data")
    calibrate.add_argument("problem", type=Path, help="problem file (.toml), see docs/calibration.md")
    calibrate.add_argument(
        "--out", type=Path, metavar="PATH", help="the parameter set to write (default PROBLEM-fit.toml)"
    )
    calibrate.add_argument("--folder", type=Path, metavar="FOLDER", help="keep the search here and go on from it")
    calibrate.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    calibrate.add_argument("--from", dest="begin", metavar="SET", help="one start, at the values of a parameter set")
    calibrate.add_argument("--memory", type=float, metavar="W", help="weight of recalled numbers; 0 leaves them out")
    refits = calibrate.add_argument_group("refits: what a part is worth, what a class of trials is worth")
    refits.add_argument("--variants", type=Path, metavar="FILE", help="refit under each variant of this file (.toml)")
    refits.add_argument("--table", type=Path, metavar="PATH", help="Markdown, with CSV beside (default VARIANTS.md)")
    calibrate.set_defaults(run=_calibrate)
    return parser


def _one_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a name from 'bonepk models', or a path to a .toml file")
    parser.add_argument("--with", dest="drugs", default="", metavar="DRUGS", help="drugs, comma separated")
    parser.add_argument("--modules", default="", metavar="MODULES", help="modules, comma separated")
    parser.add_argument("--set", dest="parameters", metavar="SET", help="parameter set: a name or a path")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="aibl", help="core model: a name or a path (default aibl)")
    parser.add_argument("--set", dest="parameters", metavar="SET", help="parameter set: a name or a path")


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _system(options: argparse.Namespace) -> System:
    from bonepk.model import load

    return load(options.name, _names(options.drugs), _names(options.modules), options.parameters)


def _models(_: argparse.Namespace) -> int:
    from bonepk.model import list_text

    print(list_text())
    return 0


def _model_show(options: argparse.Namespace) -> int:
    from bonepk.model import show

    print(show(_system(options), options.format))
    return 0


def _model_check(options: argparse.Namespace) -> int:
    from bonepk.model import check, check_model

    system = check_model(options.name, _names(options.drugs), _names(options.modules))
    if options.parameters:
        system = _system(options)
        check(system)
    print(f"{system.name}: {len(system.states)} states, {len(system.parameters)} parameters, every check passed")
    return 0


def _model_export(options: argparse.Namespace) -> int:
    from bonepk.interop import export_command

    problem = None
    if options.problem is not None:
        from bonepk.infer import load_problem

        problem = load_problem(options.problem)
    label = options.parameters or ""
    print(export_command(_system(options), options.to, options.out, label=label, problem=problem))
    return 0


def _model_import(options: argparse.Namespace) -> int:
    from bonepk.interop import import_model

    notes = import_model(
        options.source,
        options.out,
        time_unit=options.time_unit,
        without_events=options.without_event,
        flags=options.flags,
    )
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(options.out)
    return 0


def _trials(_: argparse.Namespace) -> int:
    from bonepk.report import trials_text

    print(trials_text())
    return 0


def _trial(options: argparse.Namespace) -> int:
    if options.people is not None:
        return _virtual(options)
    from bonepk.report import trial_figure, trial_text
    from bonepk.study import predict_trial

    intervals = None
    with _Progress() as tell:
        result = predict_trial(options.name, model=options.model, parameters=options.parameters, progress=tell)
        if options.draws:
            from bonepk.infer import trial_intervals

            intervals = trial_intervals(
                result.trial, options.model, options.parameters, options.draws, options.seed, progress=tell
            )
    print(trial_text(result, intervals))
    if not options.no_figure and any(row.predicted is not None and not row.row.obstacle for row in result.rows):
        path = options.figure or Path(f"{result.trial.name}.png")
        trial_figure(result, path, intervals)
        print(f"figure: {path}")
    return 0


def _virtual(options: argparse.Namespace) -> int:
    from bonepk.report import virtual_figure, virtual_text
    from bonepk.study.outcomes import FractureOutcome, untreated
    from bonepk.study.virtual import virtual_trial

    with _Progress() as tell:
        outcome = None
        if not options.no_fractures:
            from bonepk.model import load

            outcome = FractureOutcome(untreated(load(options.model, parameters=options.parameters)))
        result = virtual_trial(
            options.name,
            options.people,
            options.seed,
            model=options.model,
            parameters=options.parameters,
            outcome=outcome,
            workers=options.workers,
            progress=tell,
            resume=options.resume,
        )
    print(virtual_text(result))
    if not options.no_figure:
        path = options.figure or Path(f"{result.trial.name}-virtual.png")
        virtual_figure(result, path)
        print(f"figure: {path}")
    return 0


def _validate(options: argparse.Namespace) -> int:
    from bonepk.report import gather, results_summary, results_table, validation_page, validation_text

    with _Progress() as tell:
        report = gather(None, options.model, options.parameters, options.draws, options.seed, progress=tell)
    print(validation_text(report.results))
    print(f"page: {validation_page(report, options.page)}")
    if options.table is not None:
        print(f"table: {results_table(report, options.table)}")
    if options.summary is not None:
        print(f"summary: {results_summary(report, options.summary)}")
    return 0


def _guideline_facts(group: argparse._ArgumentGroup) -> None:
    from bonepk.decide import FACTS

    for name, fact in FACTS.items():
        known = ("yes", "no") if fact.kind == "flag" else fact.choices or None
        unit = None if known else fact.unit or name.upper()
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, dest=f"fact_{name}", choices=known, metavar=unit, help=fact.label.replace("%", "%%"))


def _guideline(options: argparse.Namespace) -> int:
    from bonepk.decide import (
        FACTS,
        assess,
        compare,
        comparison_text,
        decision_text,
        facts_from_text,
        guideline_text,
        guidelines_text,
        load_guideline,
    )

    if options.list:
        print(guideline_text(load_guideline(options.name)) if options.name else guidelines_text())
        return 0
    facts = facts_from_text({name: getattr(options, f"fact_{name}") for name in FACTS})
    print(decision_text(assess(facts, options.name)) if options.name else comparison_text(compare(facts)))
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from bonepk.infer import calibrate, fit_text, from_set, load_problem, save, with_memory

    problem = load_problem(options.problem)
    if options.memory is not None:
        problem = with_memory(problem, options.memory)
    if options.begin is not None:
        problem = from_set(problem, options.begin)
    if options.variants is not None:
        return _refit(options, problem)
    with _Progress() as tell:
        fit = calibrate(problem, workers=options.workers, folder=options.folder, progress=tell)
    print(fit_text(fit))
    path = save(fit, options.out or Path(f"{options.problem.stem}-fit.toml"))
    print(f"parameter set: {path}")
    return 0


def _refit(options: argparse.Namespace, problem: Problem) -> int:
    from bonepk.infer import load_variants, refit, refits_text, save, save_refits

    variants = load_variants(options.variants, problem)
    with _Progress() as tell:
        made = refit(problem, variants, workers=options.workers, folder=options.folder, progress=tell)
    print(refits_text(made))
    if options.out is not None and made.full.fit is not None:
        print(f"parameter set of the full fit: {save(made.full.fit, options.out)}")
    table, scores, rows = save_refits(made, options.table or Path(f"{options.variants.stem}.md"))
    print(f"table: {table}, scores: {scores}, rows: {rows}")
    return 1 if all(one.fit is None for one in made.variants) else 0


class _Progress:
    """A progress bar on standard error once the work has taken a second."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._bar: Callable[[int, int, str], None] | None = None
        self._stop: Callable[[], None] | None = None

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._stop is not None:
            self._stop()

    def _tell(self, done: int, total: int, what: str) -> None:
        if time.monotonic() - self._begun < 1.0 or not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar, self._stop = _rich_bar() or _plain_bar()
        self._bar(done, total, what)


def _rich_bar() -> tuple[Callable[[int, int, str], None], Callable[[], None]] | None:
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        return None
    progress = Progress(console=Console(stderr=True), transient=True)
    progress.start()
    task = progress.add_task("", total=None)

    def tell(done: int, total: int, what: str) -> None:
        progress.update(task, completed=done, total=total, description=what)

    return tell, progress.stop


def _plain_bar() -> tuple[Callable[[int, int, str], None], Callable[[], None]]:
    def tell(done: int, total: int, what: str) -> None:
        print(f"\r{done}/{total} {what:<40}", end="", file=sys.stderr, flush=True)

    return tell, lambda: print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
