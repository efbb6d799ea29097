"""A thousand people: threads and lanes, each against one thread or one lane of the same code."""

import numpy as np
import pytest

from bonepk.engine.batch import integrate_batch
from bonepk.engine.jit import vector_lanes
from cases import flagship, peterson_riggs

CASES = {"peterson_riggs2012": peterson_riggs, "aibl": flagship}


def _people(name, n=1000):
    c, line = CASES[name]()
    rng = np.random.default_rng(1)
    p = np.tile(c.parameter_vector(), (n, 1))
    # a tenth of spread on every tenth parameter: people differ in their step lengths, nobody breaks down
    varied = np.arange(0, c.n_parameters, 10)
    p[:, varied] *= np.exp(rng.normal(0, 0.05, (n, len(varied))))
    return c, line, p


@pytest.mark.parametrize("name", CASES)
def test_two_threads(against, name):
    c, line, p = _people(name)

    def run(workers):
        return integrate_batch(c, p, line, rtol=1e-4, workers=workers, outputs=False)

    against(lambda: run(2), lambda: run(1), "one thread", int((run(2).status != 0).sum()), 0, seconds=8.0)


@pytest.mark.parametrize("name", CASES)
def test_lanes(against, name):
    c, line, p = _people(name)

    def run(lanes):
        return integrate_batch(c, p, line, rtol=1e-4, workers=1, lanes=lanes, outputs=False)

    same = run(1).y
    off = float(np.nanmax(np.abs(run(vector_lanes()).y - same) / np.nanmax(np.abs(same), axis=0)))
    against(lambda: run(vector_lanes()), lambda: run(1), "one lane", off, 0.0, seconds=8.0)
