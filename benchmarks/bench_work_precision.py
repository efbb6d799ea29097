"""One five-year run at several tolerances, against SciPy's LSODA on the same machine code."""

import numpy as np
import pytest

from bonepk.engine.batch import integrate_batch
from bonepk.engine.integrate import integrate
from cases import error, flagship, peterson_riggs

CASES = {"peterson_riggs2012": peterson_riggs, "aibl": flagship}

# tolerances at which both reach about the same largest error (the table states what each reached)
PAIRS = [(1e-3, 1e-4), (1e-4, 1e-5), (1e-5, 1e-6), (1e-6, 1e-7), (1e-7, 1e-8)]


@pytest.mark.parametrize(("native", "scipy"), PAIRS)
@pytest.mark.parametrize("name", CASES)
def test_run(against, name, native, scipy):
    case = CASES[name]
    c, line = case()
    p = c.parameter_vector()

    def run():
        return integrate_batch(c, p, line, rtol=native, workers=1)

    def ruler():
        return integrate(c, p, line, rtol=scipy)

    ruler_error = error(case, np.asarray(ruler().y))
    against(run, ruler, f"LSODA rtol {scipy:.0e}, same code", error(case, run().y), ruler_error)
