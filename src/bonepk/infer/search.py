"""Several starts, in parallel processes, each with its journal; the same numbers at any number of workers."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import SolverError
from bonepk.infer.descent import Descent, Stopped, Tolerance, descend
from bonepk.infer.journal import Journal
from bonepk.infer.objective import Objective

__all__ = ["Progress", "search", "starting_points"]

FloatArray = NDArray[np.float64]
Progress = Callable[[int, int, str], None]


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
    if workers == 1 or len(jobs) == 1:
        return [_serial(objective, job, len(jobs), progress) for job in jobs]
    return _parallel(objective, jobs, workers, progress)


Job = tuple[int, FloatArray, Path | None, str, Tolerance | None]


def _serial(objective: Objective, job: Job, total: int, progress: Progress | None) -> Descent | None:
    i = job[0]

    def tell(count: int, cost: float) -> None:
        if progress is not None:
            progress(i, total, _line(i, count, cost))

    return _run(objective, job, tell)


def _run(objective: Objective, job: Job, tell: Callable[[int, float], None]) -> Descent | None:
    i, x, path, key, tolerance = job
    try:
        return descend(objective, x, journal=Journal(path, key), tolerance=tolerance, tell=tell)
    except SolverError:
        if i == 0:  # the user's own start must work; a drawn one may lie where nothing can be solved
            raise
        return None


def _line(i: int, count: int, cost: float) -> str:
    return f"start {i + 1}: evaluation {count}, cost {cost:.6g}"


_worker: dict[str, Any] = {}


def _begin(objective: Objective, stop: Any, news: Any) -> None:
    _worker.update(objective=objective, stop=stop, news=news)


def _work(job: Job) -> Descent | None:
    def tell(count: int, cost: float) -> None:
        _worker["news"].put((job[0], count, cost))
        if _worker["stop"].is_set():
            raise Stopped

    return _run(_worker["objective"], job, tell)


def _parallel(
    objective: Objective, jobs: Sequence[Job], workers: int, progress: Progress | None
) -> list[Descent | None]:
    # spawned, not forked: a forked child would share compiled code and open threads with this process
    context = multiprocessing.get_context("spawn")
    stop, news = context.Event(), context.Queue()
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _begin, (objective, stop, news)) as pool:
        futures: list[Future[Descent | None]] = [pool.submit(_work, job) for job in jobs]
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                _relay(news, len(futures) - len(waiting), len(futures), progress)
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
        return [future.result() for future in futures]


def _relay(news: Any, done: int, total: int, progress: Progress | None) -> None:
    while True:
        try:
            i, count, cost = news.get_nowait()
        except queue.Empty:
            return
        if progress is not None:
            progress(done, total, _line(i, count, cost))
