from pathlib import Path

import pytest

import bonepk as bp


@pytest.fixture(scope="session")
def marker():
    """A marker in days with history: two routes, one switch."""
    return bp.load(Path(__file__).parent / "models" / "marker.toml")
