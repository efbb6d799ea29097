"""A calibration problem as a value, and `calibrate`, which turns it into a `Fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk import diskcache
from bonepk.errors import Fault, SolverError
from bonepk.infer.descent import Descent, Tolerance, descend
from bonepk.infer.fit import Fit
from bonepk.infer.free import Effect, Free, check_free
from bonepk.infer.journal import Journal
from bonepk.infer.loss import Loss
from bonepk.infer.objective import Objective
from bonepk.infer.predictor import Predictor
from bonepk.infer.rows import ErrorModel
from bonepk.infer.search import Progress, search, starting_points
from bonepk.infer.variance import update
from bonepk.version import __version__

__all__ = ["Problem", "calibrate"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What is to be fitted to what.

    Attributes
    ----------
    predictor : Predictor
        Rows and predictions: `Trials`, `Table`, or anything of that protocol.
    free : tuple of Free
    effects : tuple of Effect
        Shifts from block to block.
    errors : mapping of str to ErrorModel
        By family of rows. A family without one has its rows' standard errors only.
    loss : Loss
    starts : int
        Number of starts: the start values, then draws.
    spread : float
        How far drawn starts lie: 1 spans the priors, or the bounds.
    rounds : int
        Rounds in which standard deviations marked `estimate` are updated and the fit repeated.
    seed : int
    tolerance : Tolerance
    shifts : mapping of str to mapping of str to float
        Where the first start has its shifts, by effect and block as in `Fit.shifts`; 0 where none is named.
    title : str
    place : str
        For messages, such as the problem file.
    """

    predictor: Predictor
    free: tuple[Free, ...]
    effects: tuple[Effect, ...] = ()
    errors: Mapping[str, ErrorModel] = field(default_factory=dict)
    loss: Loss = field(default_factory=Loss)
    starts: int = 1
    spread: float = 1.0
    rounds: int = 6
    seed: int = 0
    tolerance: Tolerance = field(default_factory=Tolerance)
    shifts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    title: str = ""
    place: str = "problem"

    def __post_init__(self) -> None:
        check_free(self.free, self.effects, list(self.predictor.defaults) or None, self.place)

    @property
    def objective(self) -> Objective:
        """The sum of squares at the given standard deviations."""
        return Objective(self.predictor, self.free, self.effects, dict(self.errors), self.loss)

    @cached_property
    def key(self) -> str:
        """Hash of everything the numbers depend on, versions included."""
        import scipy

        parts = [self.free, self.effects, sorted(self.errors.items()), self.loss, self.starts, self.spread, self.seed]
        if self.shifts:
            parts.append({effect: sorted(mine.items()) for effect, mine in sorted(self.shifts.items())})
        versions = (__version__, np.__version__, scipy.__version__)
        return diskcache.key_of(self.predictor.fingerprint, repr(parts), repr(self.tolerance), *versions)


def calibrate(
    problem: Problem, *, workers: int = 1, folder: str | Path | None = None, progress: Progress | None = None
) -> Fit:
    """Fit the parameters of a problem.

    Parameters
    ----------
    problem : Problem
    workers : int
        Processes for the starts. The numbers do not depend on it.
    folder : str or Path, optional
        Where the search keeps its journals. A killed search called again with the same folder goes on where it was
        and ends at the same numbers.
    progress : callable, optional
        Called as ``progress(done, total, what)``; it may raise to interrupt.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        If the problem is faulty, or the folder holds journals of another one.
    SolverError
        If there is no solution at the start values.
    """
    objective, key = problem.objective, problem.key
    where = None if folder is None else Path(folder)
    points = starting_points(objective, problem.starts, np.random.default_rng(problem.seed), problem.spread)
    points[0][objective.n_free :] = [
        problem.shifts.get(objective.effects[k].name, {}).get(block, 0.0) for block, k in objective.shifts
    ]
    ends = search(
        objective, points, key=key, folder=where, workers=workers, tolerance=problem.tolerance, progress=progress
    )
    arrived = [d for d in ends if d is not None]
    if not arrived:
        raise SolverError(Fault(problem.place, "no start could be solved", cure="move 'start' or the bounds"))
    best = min(arrived, key=lambda d: d.cost)
    objective, best, settled = _settle(problem, objective, best, where, key, progress)
    return Fit(
        title=problem.title,
        key=key,
        seed=problem.seed,
        objective=objective,
        point=objective.point(best.x),
        best=best,
        ends=tuple(ends),
        settled=settled,
    )


def _settle(
    problem: Problem,
    objective: Objective,
    best: Descent,
    folder: Path | None,
    key: str,
    progress: Progress | None,
) -> tuple[Objective, Descent, bool]:
    """Alternate between standard deviations and fit until they change by less than two percent."""
    wanted = any(e.estimate for e in problem.effects) or any(m.estimate for m in objective.errors.values())
    if not wanted:
        return objective, best, True
    for turn in range(problem.rounds):
        objective, change = update(objective, best.x, objective.point(best.x))

        def tell(count: int, cost: float, turn: int = turn) -> None:
            if progress is not None:
                progress(turn, problem.rounds, f"spread, round {turn + 1}: evaluation {count}, cost {cost:.6g}")

        journal = Journal(None if folder is None else folder / f"round-{turn}.journal", key)
        best = replace(
            descend(objective, best.x, journal=journal, tolerance=problem.tolerance, tell=tell), trace=best.trace
        )
        if change < 0.02:
            return objective, best, True
    return objective, best, False
