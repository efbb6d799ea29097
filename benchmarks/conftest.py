"""One measurement: a run and its ruler, in the same process, each with the error it reached."""

from __future__ import annotations

import pytest

from cases import best


@pytest.fixture
def against(benchmark):
    """Time `run`, time `ruler` beside it, and note both errors."""

    def measure(run, ruler, ruler_name, error=None, ruler_error=None, seconds=2.0):
        run()
        ruler()
        slow = best(ruler, seconds)
        benchmark.pedantic(run, rounds=max(3, min(200, int(seconds / best(run, 0.3)))), iterations=1)
        # the ruler again: on a shared machine the quieter moment counts
        slow = min(slow, best(ruler, seconds))
        benchmark.extra_info.update(
            ruler=ruler_name,
            ruler_ms=slow * 1e3,
            ratio=slow / benchmark.stats["min"],
            error=error,
            ruler_error=ruler_error,
        )

    return measure
