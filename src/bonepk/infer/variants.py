"""Problems made from a problem: from a saved set, at another weight of memory, or varied in parts and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from bonepk.errors import DataError, Fault
from bonepk.infer.fit import Fit
from bonepk.infer.free import Free
from bonepk.infer.predictor import Classified, Predictor, RowClass
from bonepk.infer.problem import Problem
from bonepk.infer.rows import ErrorModel, Row
from bonepk.infer.trials import Trials
from bonepk.infer.view import View
from bonepk.model.library import find_set

__all__ = ["SPREADS", "Chosen", "Variant", "from_set", "row_classes", "varied", "with_memory"]

SPREADS = ("held", "estimated")
"""What a refit does with standard deviations of shifts and model errors."""

_UNKNOWN = RowClass("", frozenset(), frozenset(), False)


@dataclass(frozen=True)
class Chosen:
    """Rows that match every field that is given; none if nothing is.

    Attributes
    ----------
    trials : tuple of str
        Blocks.
    treatments : tuple of str
        Classes of treatment of the row's arm at its month.
    given, stopped : tuple of str
        The arm, or the one it is compared with, was given (had stopped) one of these by the row's month.
    families, outputs : tuple of str
    """

    trials: tuple[str, ...] = ()
    treatments: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def holds_for(self, block: str, row: Row, about: RowClass) -> bool:
        """Whether a row is meant."""
        return bool(self) and (
            (not self.trials or block in self.trials)
            and (not self.treatments or about.treatment in self.treatments)
            and (not self.given or bool(about.given.intersection(self.given)))
            and (not self.stopped or bool(about.stopped.intersection(self.stopped)))
            and (not self.families or row.kin in self.families)
            and (not self.outputs or row.output in self.outputs)
        )

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True)
class Variant:
    """A change to a problem, to be refitted.

    Attributes
    ----------
    name : str
        A short word: the folder of its journals.
    title : str
        For tables.
    fixed : mapping of str to float
        Values of parameters that are not fitted then.
    tied : mapping of str to str
        Parameters that take the value of a fitted one.
    free : tuple of Free
        Parameters fitted beside the others.
    without : tuple of Chosen
        Rows that leave the data and are predicted instead.
    memory : float, optional
        Weight of recalled rows; 0 takes them out of the data as `without` does.
    spreads : {"held", "estimated"}
        Standard deviations of shifts and model errors: those of the full fit, or estimated again where the problem
        says `estimate`.
    starts : int
        The full fit, then draws.
    """

    name: str
    title: str = ""
    fixed: Mapping[str, float] = field(default_factory=dict)
    tied: Mapping[str, str] = field(default_factory=dict)
    free: tuple[Free, ...] = ()
    without: tuple[Chosen, ...] = ()
    memory: float | None = None
    spreads: str = "held"
    starts: int = 1

    def weights(self, whole: Predictor) -> dict[str, tuple[float, ...]]:
        """Weights of the rows of every block that changes; 0 for a row that leaves."""
        made = {}
        for block in whole.blocks:
            mine = []
            for row, about in zip(block.rows, row_classes(whole, block.name), strict=True):
                weight = self.memory if about.recalled and self.memory is not None else row.weight
                gone = any(one.holds_for(block.name, row, about) for one in self.without)
                mine.append(0.0 if gone else weight)
            if mine != [row.weight for row in block.rows]:
                made[block.name] = tuple(mine)
        return made


def row_classes(predictor: Predictor, block: str) -> tuple[RowClass, ...]:
    """Say what each row of a block is about; nothing is known if the predictor does not tell."""
    if isinstance(predictor, Classified):
        return tuple(predictor.classes(block))
    return (_UNKNOWN,) * len(next(b.rows for b in predictor.blocks if b.name == block))


def varied(problem: Problem, variant: Variant, full: Fit) -> Problem:
    """Make the problem of a variant.

    Priors, bounds, loss and effects are those of the problem; the search begins where the full fit ended, with its
    standard deviations.

    Raises
    ------
    DataError
        If the variant is at odds with the problem.
    """
    at, gone = full.values, {*variant.fixed, *variant.tied}
    free = []
    for p in problem.free:
        names = [n for n in (p.name, *p.also) if n not in gone]
        names += [n for n, to in variant.tied.items() if to in names]
        if names:
            start = min(max(at[p.name], p.low), p.high)
            free.append(replace(p, name=names[0], also=tuple(names[1:]), start=start))
    again = variant.spreads == "estimated"
    errors: dict[str, ErrorModel] = {
        kin: replace(model, estimate=model.estimate and again) for kin, model in full.objective.errors.items()
    }
    return replace(
        problem,
        predictor=View(problem.predictor, variant.weights(problem.predictor), variant.fixed),
        free=(*free, *variant.free),
        effects=tuple(replace(e, estimate=e.estimate and again) for e in full.objective.effects),
        errors=errors,
        starts=variant.starts,
        shifts=full.shifts,
        title=f"{problem.title}: {variant.title or variant.name}",
        place=f"{problem.place}, variant '{variant.name}'",
    )


def from_set(problem: Problem, name: str | Path) -> Problem:
    """Start a problem at the values of a parameter set, once.

    Parameters
    ----------
    name : str or Path
        As for `bonepk.load`. Parameters it does not name start where the problem has them; values beyond the bounds
        start at the bound.

    Raises
    ------
    NotFoundError
        If there is no such set.
    DataError
        If it names none of the fitted parameters.
    """
    values = {v.name: v.value for v in find_set(name).values}
    if not any(p.name in values for p in problem.free):
        raise DataError(Fault(f"set '{name}'", "names no parameter that is fitted", cure=f"see {problem.place}"))
    free = []
    for p in problem.free:
        inset = 1e-9 * (p.high - p.low) if p.scale == "logit" else 0.0  # the ends of a logit scale are open
        start = values.get(p.name, p.start)
        free.append(replace(p, start=min(max(start, p.low + inset), p.high - inset)))
    return replace(problem, free=tuple(free), starts=1)


def with_memory(problem: Problem, weight: float) -> Problem:
    """Weigh rows that were recalled, not read; 0 leaves them out.

    Raises
    ------
    DataError
        If the weight is not between 0 and 1, or the data are no published trials.
    """
    if not 0 <= weight <= 1:
        raise DataError(Fault("memory", f"weight {weight:g}", "expected 0 to 1"))
    if not isinstance(problem.predictor, Trials):
        raise DataError(Fault(problem.place, "no row of a table is known as recalled", cure="leave 'memory' out"))
    return replace(problem, predictor=replace(problem.predictor, memory=weight))
