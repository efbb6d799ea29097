"""Jobs of one kind in this process or in several, with news of where each is and an end without loss."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, TypeVar

__all__ = ["Progress", "Stopped", "each"]

Progress = Callable[[int, int, str], None]
Shared = TypeVar("Shared")
Job = TypeVar("Job")
Made = TypeVar("Made")


class Stopped(Exception):  # noqa: N818 - a signal between processes, not an error
    """The work was told to stop; what it has written is complete up to here."""


def each(
    task: Callable[[Shared, Job, Callable[[str], None]], Made],
    shared: Shared,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Made]:
    """Do every job and give the results in the order of the jobs.

    Parameters
    ----------
    task : callable
        Called as ``task(shared, job, tell)``. With several workers it must be a function of a module. ``tell(what)``
        says where the job is; it may raise to stop.
    shared : object
        What all jobs need; each process gets it once.
    jobs : sequence
    workers : int
        Processes; 1 works in this one. The results do not depend on it.
    progress : callable, optional
        Called as ``progress(done, total, what)``. It may raise to interrupt: every job then stops where it next tells.
    """
    if workers == 1 or len(jobs) < 2:
        return [_here(task, shared, jobs, i, progress) for i in range(len(jobs))]
    return _parallel(task, shared, jobs, workers, progress)


def _here(task: Any, shared: Any, jobs: Sequence[Any], i: int, progress: Progress | None) -> Any:
    def tell(what: str) -> None:
        if progress is not None:
            progress(i, len(jobs), what)

    return task(shared, jobs[i], tell)


_worker: dict[str, Any] = {}


def _begin(task: Any, shared: Any, stop: Any, news: Any) -> None:
    _worker.update(task=task, shared=shared, stop=stop, news=news)


def _work(job: Any) -> Any:
    def tell(what: str) -> None:
        _worker["news"].put(what)
        if _worker["stop"].is_set():
            raise Stopped
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            os._exit(1)  # it was killed: nobody waits, and whoever calls again writes the same files

    return _worker["task"](_worker["shared"], job, tell)


def _parallel(task: Any, shared: Any, jobs: Sequence[Any], workers: int, progress: Progress | None) -> list[Any]:
    # spawned, not forked: a forked child would share compiled code and open threads with this process
    context = multiprocessing.get_context("spawn")
    stop, news = context.Event(), context.Queue()
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _begin, (task, shared, stop, news)) as pool:
        futures: list[Future[Any]] = [pool.submit(_work, job) for job in jobs]
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
            what = news.get_nowait()
        except queue.Empty:
            return
        if progress is not None:
            progress(done, total, what)
