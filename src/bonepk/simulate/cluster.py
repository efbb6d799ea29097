"""Pieces of an ensemble as tasks of a Dask cluster.

Results come back to this process, which alone writes: workers need no common disk, and a worker
that dies takes nothing with it but the pieces it was at, which Dask gives to another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Fault, MissingExtraError, SolverError
from bonepk.simulate.piece import Job, Piece, run_piece

__all__ = ["pieces_on"]


def pieces_on(
    client: Any,
    job: Job,
    values: NDArray[np.float64],
    plan: NDArray[np.int64],
    todo: Sequence[tuple[int, int]],
) -> Iterator[tuple[int, int, Piece]]:
    """Run pieces on the workers of a client, and yield them as they come.

    Parameters
    ----------
    client : dask.distributed.Client
    job : Job
    values : ndarray, shape (people, names)
    plan : ndarray of int64, shape (people,)
    todo : sequence of (int, int)
        First person and end of each piece.

    Yields
    ------
    tuple of int, int and Piece

    Raises
    ------
    SolverError
        If workers keep dying over a piece.
    """
    try:
        from distributed import KilledWorker, as_completed
    except ImportError:
        raise MissingExtraError(
            Fault("client", "dask.distributed is not installed", "", "pip install bonepk[dask]")
        ) from None
    waiting = iter(todo)
    running: dict[Any, tuple[int, int]] = {}
    arrivals = as_completed()

    def submit() -> None:
        for first, end in waiting:
            # the job is small: it travels with each task, so that no worker's memory is the only copy
            future = client.submit(run_piece, job, values[first:end], plan[first:end], pure=False)
            running[future] = (first, end)
            arrivals.add(future)
            return

    try:
        # twice as many as there are threads: nobody waits, and few results are ever in memory at a time
        for _ in range(2 * max(sum(client.nthreads().values()), 1)):
            submit()
        for future in arrivals:
            first, end = running.pop(future)
            try:
                piece = future.result()
            except KilledWorker:
                found = "worker after worker died at them"
                raise SolverError(
                    Fault(
                        f"people {first} to {end - 1}", found, "", "take a smaller chunk=, or give workers more memory"
                    )
                ) from None
            future.release()
            yield first, end, piece
            submit()
    finally:
        client.cancel(list(running))
