"""A thousand people: threads and lanes, each against one thread or one lane of the same code."""

import time

import numpy as np
import pytest

from bonepk.engine.batch import integrate_batch
from bonepk.engine.jit import vector_lanes
from cases import flagship, peterson_riggs

CASES = {"peterson_riggs2012": peterson_riggs, "aibl": flagship}


def _people(name, n=1000):
    c, line = CASES[name]()
    rng = np.random.default_rng(1)
    p = np.tile(c.parameter_vector(), (2 * n, 1))
    # five percent of spread on every tenth parameter: people differ in their step lengths
    varied = np.arange(0, c.n_parameters, 10)
    p[:, varied] *= np.exp(rng.normal(0, 0.05, (2 * n, len(varied))))
    # some draws have no derivative at the start (a power of a negative number); others take their place
    good = [q for q in p if np.isfinite(c.rhs(0.0, c.initial(q), c.prepare(q))).all()]
    return c, line, np.array(good[:n])


@pytest.mark.parametrize("name", CASES)
def test_two_threads(against, name):
    c, line, p = _people(name)
    assert (integrate_batch(c, p, line, rtol=1e-4, outputs=False).status == 0).all()

    def run(workers):
        return integrate_batch(c, p, line, rtol=1e-4, workers=workers, outputs=False)

    off = float(np.max(np.abs(run(2).y - run(1).y)))
    against(lambda: run(2), lambda: run(1), "one thread", off, None, seconds=8.0, clock=time.perf_counter)


@pytest.mark.parametrize("name", CASES)
def test_lanes(against, name):
    c, line, p = _people(name)

    def run(lanes):
        return integrate_batch(c, p, line, rtol=1e-4, workers=1, lanes=lanes, outputs=False)

    same = run(1).y
    size = np.abs(same).max(axis=0)
    off = float(np.max(np.abs(run(vector_lanes()).y - same) / np.where(size > 0, size, 1.0)))
    against(lambda: run(vector_lanes()), lambda: run(1), "one lane", off, None, seconds=8.0)
