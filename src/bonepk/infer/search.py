"""Several starts, in parallel processes, each with its journal; the same numbers at any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import SolverError
from bonepk.infer.descent import Descent, Tolerance, descend
from bonepk.infer.journal import Journal
from bonepk.infer.objective import Objective
from bonepk.infer.pool import Progress, each

__all__ = ["Progress", "search", "starting_points"]

FloatArray = NDArray[np.float64]


def starting_points(
    objective: Objective, count: int, rng: np.random.Generator, spread: float = 1.0
) -> list[FloatArray]:
    """Start values first, then points from a Latin hypercube; shifts start at 0.

    A parameter with a prior is drawn within the prior's middle 95 % (times `spread`), one without within its bounds
    (shrunk towards the start by `spread`).
    """
    from scipy.stats import norm, qmc

    made = [objective.start.copy()]
    if count < 2:
        return made
    cube = qmc.LatinHypercube(objective.n_free, rng=rng).random(count - 1)
    for row in cube:
        x = objective.start.copy()
        for i, (p, u) in enumerate(zip(objective.free, row, strict=True)):
            low, high = p.bounds
            if p.prior is not None:
                z = p.inward(p.prior.value) + spread * p.prior.sd * float(norm.ppf(0.025 + 0.95 * u))
            else:
                if not np.isfinite(low):  # logit: from 5 % to 95 % of the way
                    low, high = -3.0, 3.0
                z = x[i] + spread * (low + u * (high - low) - x[i])
            x[i] = float(np.clip(z, low, high))
        made.append(x)
    return made


def search(
    objective: Objective,
    starts: Sequence[FloatArray],
    *,
    key: str,
    folder: Path | None = None,
    workers: int = 1,
    tolerance: Tolerance | None = None,
    progress: Progress | None = None,
) -> list[Descent | None]:
    """Search from each start.

    Parameters
    ----------
    key : str
        Hash of the problem, for the journals.
    folder : Path, optional
        Where journals go (``start-0.journal`` ...); none are kept without it.
    workers : int
        Processes; 1 works in this one.
    progress : callable, optional
        Called as ``progress(done, total, what)``. It may raise to interrupt: what is computed stays in the journals.

    Returns
    -------
    list of Descent or None
        In the order of the starts; None where there was no solution at the start.
    """
    jobs = [
        (i, x, None if folder is None else folder / f"start-{i}.journal", key, tolerance) for i, x in enumerate(starts)
    ]
    return each(_run, objective, jobs, workers=workers, progress=progress)


Job = tuple[int, FloatArray, Path | None, str, Tolerance | None]


def _run(objective: Objective, job: Job, tell: Callable[[str], None]) -> Descent | None:
    i, x, path, key, tolerance = job

    def line(count: int, cost: float) -> None:
        tell(f"start {i + 1}: evaluation {count}, cost {cost:.6g}")

    try:
        return descend(objective, x, journal=Journal(path, key), tolerance=tolerance, tell=line)
    except SolverError:
        if i == 0:  # the user's own start must work; a drawn one may lie where nothing can be solved
            raise
        return None
