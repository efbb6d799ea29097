"""Derivatives of a five-year run by thirty parameters, against the run alone and against differences."""

import numpy as np

from bonepk.engine.batch import integrate_batch
from bonepk.engine.sensitivity import integrate_sensitivity
from cases import flagship

RTOL = 1e-5


def _differences(c, line, p, names, rtol):
    table = np.tile(p, (2 * len(names), 1))
    steps = np.empty(len(names))
    for k, name in enumerate(names):
        at = c.index(name)
        steps[k] = 1e-4 * (abs(p[at]) or 1.0)
        table[2 * k, at] += steps[k]
        table[2 * k + 1, at] -= steps[k]
    y = integrate_batch(c, table, line, rtol=rtol, workers=1, outputs=False).block[1]
    return ((y[0::2] - y[1::2]) / (2 * steps[:, None, None])).transpose(1, 2, 0)


def _off(c, names, p, got, true, size):
    scale = np.array([abs(p[c.index(name)]) for name in names])
    return float(np.max(np.abs(got - true) * scale / size[:, None]))


def test_thirty_parameters_over_one_run(against):
    c, line = flagship()
    p, names = c.parameter_vector(), list(c.layout.parameters[:30])
    true = integrate_sensitivity(c, p, line, names, rtol=1e-10)
    size = np.abs(true.run.y).max(axis=0)
    size[size == 0] = 1.0

    def run():
        return integrate_sensitivity(c, p, line, names, rtol=RTOL, workers=1)

    def alone():
        return integrate_batch(c, p, line, rtol=RTOL, workers=1)

    against(run, alone, "the run alone", _off(c, names, p, run().dy, true.dy, size), None)


def test_thirty_parameters_over_differences(against):
    c, line = flagship()
    p, names = c.parameter_vector(), list(c.layout.parameters[:30])
    true = integrate_sensitivity(c, p, line, names, rtol=1e-10)
    size = np.abs(true.run.y).max(axis=0)
    size[size == 0] = 1.0

    def run():
        return integrate_sensitivity(c, p, line, names, rtol=RTOL, workers=1)

    def ruler():
        return _differences(c, line, p, names, 1e-9)

    errors = [_off(c, names, p, d, true.dy, size) for d in (run().dy, ruler())]
    against(run, ruler, "central differences, 60 native runs at rtol 1e-9", *errors)
