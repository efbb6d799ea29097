"""Pieces of a job, each kept in a journal as soon as it is there: on threads here, or on the workers of a Dask cluster.

A piece is a call of a function. What it gives does not depend on where or when it is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.study.virtual.journal import PieceJournal

__all__ = ["on_client", "on_threads"]

Arrays = dict[str, NDArray[np.generic]]
Arriving = Generator[tuple[int, Arrays]]


def on_threads(
    run: Callable[..., Arrays],
    arguments: Callable[[int], tuple[Any, ...]],
    keys: Sequence[str],
    kept: PieceJournal,
    threads: int | None = None,
) -> Arriving:
    """Run pieces side by side in this process, and yield them as they come.

    Parameters
    ----------
    run : callable
        Makes a piece.
    arguments : callable
        What to call it with, by the number of the piece.
    keys : sequence of str
        Name of each piece in the journal.
    kept : PieceJournal
        A piece that is there is not run again.
    threads : int, optional
        All processors by default.

    Yields
    ------
    tuple of int and dict of str to ndarray
        Number of a piece, and the piece.
    """

    def one(number: int) -> Arrays:
        known = kept.get(keys[number])
        if known is None:
            known = run(*arguments(number))
            kept.put(keys[number], known)
        return known

    pool = ThreadPoolExecutor(max(1, threads or os.cpu_count() or 1))
    try:
        waiting = {pool.submit(one, number): number for number in range(len(keys))}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def on_client(
    run: Callable[..., Arrays],
    arguments: Callable[[int], tuple[Any, ...]],
    keys: Sequence[str],
    kept: PieceJournal,
    bounds: Sequence[tuple[int, int]],
    client: Any,
) -> Arriving:
    """Run pieces on the workers of a client, and yield them as they come. This process alone keeps them.

    Parameters
    ----------
    run, arguments, keys, kept
        As for `on_threads`; everything must pickle.
    bounds : sequence of (int, int)
        First person and end of each piece.
    client : dask.distributed.Client

    Yields
    ------
    tuple of int and dict of str to ndarray
        Number of a piece, and the piece.

    Raises
    ------
    MissingExtraError, DataError, SolverError
        As `bonepk.simulate.cluster.tasks_on`.
    """
    from bonepk.simulate.cluster import tasks_on

    todo: dict[int, int] = {}
    for number, (first, _) in enumerate(bounds):
        known = kept.get(keys[number])
        if known is None:
            todo[first] = number
        else:
            yield number, known
    tasks = ((*bounds[number], arguments(number)) for number in todo.values())
    with closing(tasks_on(client, run, tasks, "give workers more memory")) as arrivals:
        for first, _, piece in arrivals:
            kept.put(keys[todo[first]], piece)
            yield todo[first], piece
