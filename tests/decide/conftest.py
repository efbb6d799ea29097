"""Runs that several tests read."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def letrozole_run():
    """Eight years, five of them on letrozole, eleven years past menopause."""
    import bonepk as bp

    model = bp.load("aibl", drugs=["letrozole"], parameters={"years_since_fmp": 11})
    return bp.simulate(model, bp.daily("letrozole", "2.5 mg", years=5, spread=True), years=8, engine="native")
