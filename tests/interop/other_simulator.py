"""libRoadRunner, the other simulator of these tests."""

from __future__ import annotations

import numpy as np
import pytest


def roadrunner_run(text, selections, times, *, max_step=None, rtol=1e-11, atol=1e-13):
    """Values of `selections` at `times`, shape (times, selections)."""
    roadrunner = pytest.importorskip("roadrunner", reason="libroadrunner has no wheel for this Python")
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    runner = roadrunner.RoadRunner(text)
    integrator = runner.integrator
    integrator.relative_tolerance, integrator.absolute_tolerance = rtol, atol
    integrator.maximum_num_steps = 10**7
    if max_step:  # its adaptive steps pass over switches in time
        integrator.maximum_time_step = max_step
    runner.timeCourseSelections = ["time", *selections]
    return np.array(runner.simulate(times=[float(t) for t in times]))[:, 1:]
