"""One measurement: a run and its ruler, in the same process, each with the error it reached."""

from __future__ import annotations

import time

import pytest

from cases import best


@pytest.fixture
def against(benchmark):
    """Time `run`, time `ruler` beside it, and note both errors."""

    def measure(run, ruler, ruler_name, error=None, ruler_error=None, seconds=2.0, clock=time.process_time):
        run()
        ruler()
        # in turns, so that a change of the machine's mood meets both
        taken = [(best(run, seconds / 2, clock), best(ruler, seconds / 2, clock)) for _ in range(3)]
        ms, ruler_ms = (1e3 * min(times) for times in zip(*taken, strict=True))
        benchmark.pedantic(run, rounds=3, iterations=1)
        benchmark.extra_info.update(
            ms=ms, ruler=ruler_name, ruler_ms=ruler_ms, ratio=ruler_ms / ms, error=error, ruler_error=ruler_error
        )

    return measure
