"""Everything a report on the trials says, gathered once: predictions, their intervals, remarks, and what made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bonepk import diskcache
from bonepk.model import load
from bonepk.model.library import find_set
from bonepk.model.sets import ParameterSet, set_text
from bonepk.study.arms import drugs_of
from bonepk.study.evidence import evidence_folder, load_trial, trial_names
from bonepk.study.predict import Progress, TrialResult, Validation, validate
from bonepk.study.remarks import Comparison, Misfit, check_remarks, read_comparisons, read_misfits
from bonepk.version import __version__

if TYPE_CHECKING:
    from bonepk.infer.intervals import TrialIntervals

__all__ = ["Made", "Report", "banded", "gather"]


@dataclass(frozen=True)
class Made:
    """What a report was made from. The same things give the same numbers.

    Attributes
    ----------
    model, model_hash : str
        The core, and the hash of its text with every drug of the trials, before a set is put over it.
    parameters, parameters_hash : str
        The set put over the model's values; empty for none.
    uncertainty, uncertainty_hash : str
        The set the draws come from; empty for none.
    evidence_hash : str
        Of every trial file and the split.
    version : str
        Of bonepk.
    draws, seed : int
        As asked for.
    level : float
        Of the intervals.
    note : str
        Why there are no intervals, or what they leave out; empty if nothing is to be said.
    """

    model: str
    model_hash: str
    parameters: str
    parameters_hash: str
    uncertainty: str
    uncertainty_hash: str
    evidence_hash: str
    version: str
    draws: int
    seed: int
    level: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """A validation with intervals on its rows, and what is said of it."""

    results: Validation
    made: Made
    misfits: tuple[Misfit, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    intervals: Mapping[str, TrialIntervals] = field(default_factory=dict)

    @property
    def has_intervals(self) -> bool:
        """Whether any row has a predictive interval."""
        return any(r.low is not None for r in self.results.rows)

    def trial(self, name: str) -> TrialResult | None:
        """Look up a trial by name; None if it was not run."""
        return next((t for t in self.results.trials if t.trial.name == name), None)


def gather(
    names: Iterable[str] | None = None,
    model: str | Path = "aibl",
    parameters: ParameterSet | str | Path | None = None,
    draws: int = 100,
    seed: int = 0,
    level: float = 0.9,
    progress: Progress | None = None,
) -> Report:
    """Run trials through a model, with intervals, and add the remarks that come with bonepk.

    Parameters
    ----------
    names : iterable of str, optional
        By default every trial that comes with bonepk.
    model : str or Path
        A core.
    parameters : ParameterSet, str or Path, optional
        A set over the model's values.
    draws : int
        Of the parameters and shifts between trials; 0 leaves intervals out.
    seed : int
    level : float
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    Report

    Raises
    ------
    NotFoundError, DataError, RegimenError
        As `bonepk.study.validate`; and if a remark is about no row.
    """
    misfits, comparisons = read_misfits(), read_comparisons()
    check_remarks({name: load_trial(name) for name in trial_names()}, misfits, comparisons)
    over = find_set(parameters) if isinstance(parameters, (str, Path)) else parameters  # read once, not for every trial
    results = validate(names, model, over, progress)
    intervals: dict[str, TrialIntervals] = {}
    if draws:
        from bonepk.infer.intervals import validate_intervals

        trials = [t.trial for t in results.trials]
        intervals = validate_intervals(trials, model, over, draws, seed, level, progress)
    made = _made(model, over, intervals, draws, seed, level)
    return Report(banded(results, intervals), made, misfits, comparisons, intervals)


def banded(results: Validation, intervals: Mapping[str, TrialIntervals]) -> Validation:
    """Put the intervals of trials on their rows."""
    from bonepk.infer.intervals import with_intervals

    known = [(t, intervals.get(t.trial.name)) for t in results.trials]
    return replace(results, trials=tuple(with_intervals(t, found) if found else t for t, found in known))


def _made(
    model: str | Path,
    over: ParameterSet | None,
    intervals: Mapping[str, TrialIntervals],
    draws: int,
    seed: int,
    level: float,
) -> Made:
    drugs = {d for name in trial_names() for d in drugs_of(load_trial(name))}
    text = load(model, drugs=sorted(drugs))
    known = any(i.rows for i in intervals.values())
    under = (over or find_set(text.fit)) if known else None
    notes = dict.fromkeys(i.note.removeprefix("no intervals: ") for i in intervals.values() if i.note)
    return Made(
        model=text.name,
        model_hash=text.hash,
        parameters=over.name if over else "",
        parameters_hash=_hash(over),
        uncertainty=under.name if under else "",
        uncertainty_hash=_hash(under),
        evidence_hash=_evidence(),
        version=__version__,
        draws=draws,
        seed=seed,
        level=level,
        note="; ".join(notes) if draws else "no draws were asked for",
    )


def _hash(chosen: ParameterSet | None) -> str:
    return diskcache.key_of(set_text(chosen)) if chosen else ""


def _evidence() -> str:
    folder = evidence_folder()
    files = [folder / "split.toml", *(folder / "trials" / f"{name}.toml" for name in trial_names())]
    return diskcache.key_of(*(part for f in files for part in (f.name, f.read_text(encoding="utf-8"))))
