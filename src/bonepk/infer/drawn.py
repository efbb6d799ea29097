"""A trial run over draws of a parameter set: every arm, each draw without and with shifts between trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonepk.model.draws import Draws, draw_set
from bonepk.model.sets import ParameterSet
from bonepk.model.system import System
from bonepk.simulate.draws import solved
from bonepk.simulate.endpoints import months_to_times
from bonepk.simulate.ensemble import simulate_many
from bonepk.simulate.plan import Plan
from bonepk.simulate.run import compiled_for
from bonepk.study.arms import check_arms, cohorts
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.evidence import Trial
from bonepk.study.predict import ArmRun, months_of, needed_arms

__all__ = ["SOURCES", "DrawnTrial", "drawn_trial"]

F8 = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

SOURCES = ("parameters", "parameters and trials")
"""What differs from draw to draw."""

_RTOL = 1e-5  # endpoints are then good to 0.001 percentage points, far below what a hundred draws can tell


@dataclass(frozen=True, eq=False)
class DrawnTrial:
    """Courses of every draw.

    Attributes
    ----------
    plain, mixed : tuple of mapping of str to ArmRun
        For each draw the arms by name: parameters drawn; parameters and shifts between trials drawn.
    months : ndarray, shape (times,)
    outputs : tuple of str
    skipped : int
        Draws that could not be solved; they are left out.
    """

    plain: tuple[Mapping[str, ArmRun], ...]
    mixed: tuple[Mapping[str, ArmRun], ...]
    months: F8
    outputs: tuple[str, ...]
    skipped: int

    def each(self, express: Callable[[Mapping[str, ArmRun]], F8 | float]) -> F8:
        """Express every draw.

        Parameters
        ----------
        express : callable
            From the arms of one draw to a number or a course.

        Returns
        -------
        ndarray, shape (2, draws, ...)
            In the order of `SOURCES`.
        """
        return np.array([[express(runs) for runs in group] for group in (self.plain, self.mixed)])

    def bands(self, express: Callable[[Mapping[str, ArmRun]], F8 | float], level: float = 0.9) -> F8:
        """Low, median and high of what `express` gives, shape (2, 3, ...)."""
        quantiles = np.quantile(self.each(express), [0.5 - level / 2, 0.5, 0.5 + level / 2], axis=1)
        return np.asarray(np.swapaxes(quantiles, 0, 1))


def drawn_trial(
    trial: Trial, system: System, chosen: ParameterSet, draws: int, seed: int, progress: Progress | None = None
) -> DrawnTrial:
    """Run the arms of a trial over draws, side by side in machine code where that is available.

    A trial that was fitted is treated as new, as a prediction without shifts is that of a typical trial: its shifts are
    drawn, not those the fit found for it, and a shift that some trials share is left out.

    Parameters
    ----------
    trial : Trial
    system : System
        With the drugs of the trial.
    chosen : ParameterSet
    draws, seed : int
    progress : callable, optional
        Called with (runs done, runs, what); it may raise to interrupt.

    Returns
    -------
    DrawnTrial

    Raises
    ------
    SolverError
        If more than a tenth of the draws cannot be solved.
    """
    check_arms(trial, system)
    arms, months = needed_arms(trial), months_of(trial)
    parts = [cohorts(trial, arm) for arm in arms]
    groups = [c for group in parts for c in group]
    # the same seed, so that a draw with shifts has the parameters of the one without
    known = [draw_set(system, chosen, draws, np.random.default_rng(seed), between=between) for between in (False, True)]
    plans: list[Plan] = [c.plan for c in groups for _ in range(2 * draws)]
    table = _table(system, [c.parameters for c in groups], known)
    outputs = tuple(dict.fromkeys(e.output for e in ENDPOINTS.values() if e.output in system.output_names))
    tell = progress or (lambda *_: None)
    made = simulate_many(
        system,
        plans,
        table,
        times=months_to_times(months.tolist(), time_unit=system.time_unit),
        variables=outputs,
        engine="native" if compiled_for(system).backend == "llvm" else "scipy",
        rtol=_RTOL,
        workers=1,
        progress=lambda done, total, _: tell(done, total, f"{trial.name}: draws"),
    )
    shape = (len(groups), 2, draws)
    fine = made["status"].values.reshape(shape) == 0
    good = np.all(fine, axis=(0, 1))
    reasons = made["reason"].values.reshape(-1, draws)
    first = reasons[np.argmax(reasons != "", axis=0), np.arange(draws)]
    kept = np.flatnonzero(solved(good, first, f"trial '{trial.name}'"))
    values = {name: made[name].values.reshape(*shape, len(months))[:, :, kept] for name in outputs}
    weights = [np.array([c.weight for c in group]) for group in parts]
    ends = np.cumsum([len(w) for w in weights])
    sides = []
    for side in range(2):
        each = []
        for k in range(len(kept)):
            runs = {}
            for arm, weight, end in zip(arms, weights, ends, strict=True):
                own = slice(end - len(weight), end)
                levels = {name: column[own, side, k] for name, column in values.items()}
                runs[arm.name] = ArmRun(arm, months, weight, levels)
            each.append(runs)
        sides.append(tuple(each))
    return DrawnTrial(sides[0], sides[1], months, outputs, draws - len(kept))


def _table(system: System, own: list[Mapping[str, float]], known: list[Draws]) -> dict[str, F8]:
    """Columns of every value that differs somewhere: cohorts, then without and with shifts, then draws."""
    blocks = [drawn.over(given, system) for given in own for drawn in known]
    names = dict.fromkeys(name for block in blocks for name in block)
    count = known[0].count
    return {
        name: np.concatenate([np.broadcast_to(block.get(name, system.values[name]), count) for block in blocks])
        for name in names
    }
