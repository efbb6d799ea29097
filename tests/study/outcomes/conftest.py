"""A model and its untreated woman, made once."""

import numpy as np
import pytest

import bonepk as bp
from bonepk.study.outcomes import bone_of, untreated
from bonepk.study.outcomes.fracture import NEEDED


@pytest.fixture(scope="session")
def model():
    return bp.load("aibl", drugs=["anastrozole", "denosumab", "zoledronate"])


@pytest.fixture(scope="session")
def reference(model):
    return untreated(model)


@pytest.fixture(scope="session")
def bone(model, reference):
    """Bone of a woman under a plan, every half month."""

    def make(plan=None, years_since_fmp=14.0, months=120.0):
        grid = np.arange(0, months + 0.25, 0.5)
        times = (grid * 30.4375).tolist()
        given = bp.Plan() if plan is None else plan
        run = bp.simulate(model, given, times=times, parameters={"years_since_fmp": years_since_fmp}, rtol=1e-6)
        return bone_of(grid, {n: run[n].values for n in NEEDED}, years_since_fmp, reference)

    return make
