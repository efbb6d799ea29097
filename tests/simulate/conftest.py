from pathlib import Path

import numpy as np
import pytest

import bonepk as bp


@pytest.fixture(scope="session")
def marker():
    """A marker in days with history: two routes, one switch."""
    return bp.load(Path(__file__).parent / "models" / "marker.toml")


@pytest.fixture(scope="session")
def runaway():
    """``level = 1/(1/start - k*t)``: bounded for k < 0, gone at a finite time for k > 0."""
    return bp.load(Path(__file__).parent / "models" / "runaway.toml")


@pytest.fixture(scope="session")
def crowd():
    """Twenty-three people for the marker: no multiple of a vector's length."""
    rng = np.random.default_rng(7)
    return {
        "k_out": 0.01 * rng.lognormal(0, 0.3, 23),
        "F": rng.uniform(0.2, 0.9, 23),
        "years_before": rng.uniform(0.5, 9, 23),
        "supplement": rng.choice([0.0, 0.5], 23),
    }
