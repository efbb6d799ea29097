"""Pieces of work over people as tasks of a Dask cluster: of an ensemble, or of anything else that is cut up by people.

Results come back to this process, which alone writes: workers need no common disk, and a worker
that dies takes nothing with it but the pieces it was at, which Dask gives to another.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault, MissingExtraError, SolverError
from bonepk.simulate.piece import Job, Piece, run_piece

__all__ = ["pieces_on", "tasks_on"]

T = TypeVar("T")


def pieces_on(
    client: Any,
    job: Job,
    values: NDArray[np.float64],
    plan: NDArray[np.int64],
    todo: Sequence[tuple[int, int]],
) -> Generator[tuple[int, int, Piece]]:
    """Run pieces of an ensemble on the workers of a client, and yield them as they come; see `tasks_on`.

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
    """
    tasks = ((first, end, (job, values[first:end], plan[first:end])) for first, end in todo)
    return tasks_on(client, run_piece, tasks, "take a smaller chunk=, or give workers more memory")


def tasks_on(
    client: Any, function: Callable[..., T], tasks: Iterable[tuple[int, int, tuple[Any, ...]]], cure: str
) -> Generator[tuple[int, int, T]]:
    """Call a function for pieces of people on the workers of a client, and yield what comes as it comes.

    Close the generator (`contextlib.closing`) to cancel what is still under way: after an error or an interruption a
    traceback keeps it alive.

    Parameters
    ----------
    client : dask.distributed.Client
    function : callable
    tasks : iterable of (int, int, tuple)
        First person and end of each piece, and the arguments of the call. They are taken only as they are needed.
    cure : str
        What may help if workers keep dying over a piece.

    Yields
    ------
    tuple of int, int and what the function returns

    Raises
    ------
    MissingExtraError
        If dask.distributed is not installed.
    DataError
        If something cannot be sent to another process.
    SolverError
        If workers keep dying over a piece.
    """
    try:
        from distributed import KilledWorker, as_completed
    except ImportError:
        raise MissingExtraError(
            Fault("client", "dask.distributed is not installed", "", "pip install bonepk[dask]")
        ) from None
    waiting = iter(tasks)
    running: dict[Any, tuple[int, int]] = {}
    arrivals = as_completed()

    def submit() -> None:
        for first, end, arguments in waiting:
            # the arguments are small: they travel with each task, so that no worker's memory is the only copy
            try:
                future = client.submit(function, *arguments, pure=False)
            except TypeError as error:  # what Dask says of something that does not pickle; its cause names it
                found = f"cannot be sent to another process ({error.__cause__ or error})"
                raise DataError(Fault(f"people {first} to {end - 1}", found, "arguments that pickle")) from None
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
                result = future.result()
            except KilledWorker:
                found = "worker after worker died at them"
                raise SolverError(Fault(f"people {first} to {end - 1}", found, "", cure)) from None
            future.release()
            yield first, end, result
            submit()
    finally:
        client.cancel(list(running))
