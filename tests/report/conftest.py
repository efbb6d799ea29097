"""A validation of a few trials, with intervals made up for the tests, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bonepk.infer.intervals import RowInterval, TrialIntervals
from bonepk.report.report import Made, Report, banded
from bonepk.study import validate
from bonepk.study.choice import RowChoice
from bonepk.study.remarks import Comparison, Fact, Misfit

NAMES = ["z-fast", "atac", "swan", "azure", "ibis-ii"]
HALF = 2.0  # half width of every interval, in the unit of the row

MADE = Made(
    model="aibl",
    model_hash="a" * 64,
    parameters="some-set",
    parameters_hash="b" * 64,
    uncertainty="some-set",
    uncertainty_hash="b" * 64,
    evidence_hash="c" * 64,
    version="1.2.3",
    draws=50,
    seed=7,
    level=0.9,
)

MISFITS = (
    Misfit(trial="z-fast", arm="delayed", endpoint="ntx", why="a cause that is <known>"),
    Misfit(trial="atac", arm="tamoxifen", endpoint="ntx", predicted="high", guess=True, why="perhaps the median"),
)

COMPARISONS = (
    Comparison(
        title="Markers of one trial",
        note="a note",
        rows=(RowChoice(trial="z-fast", arm="delayed", month=12.0),),
        facts=(
            Fact(trial="z-fast", arm="delayed", endpoint="ctx", kind="value", at=12.0, label="a year on letrozole"),
            Fact(trial="z-fast", arm="delayed", endpoint="ctx", kind="peak", at=0.0, until=24.0),
            Fact(trial="z-fast", arm="delayed", endpoint="ctx", kind="value", at=600.0, label="past the end"),
        ),
        places=("",),
    ),
    Comparison(title="Of a trial that was not run", rows=(RowChoice(trial="freedom"),), places=("",)),
)


def made_up(result):
    """Intervals two units around every prediction, and bands one unit around the courses."""
    rows = {
        i: RowInterval(r.predicted - HALF, r.predicted + HALF, 1, 1, 1, 1, abs(r.error) <= HALF)
        for i, r in enumerate(result.rows)
        if r.predicted is not None and not r.row.obstacle
    }
    bands = {
        name: (("arm", "source", "bound", "month"), np.stack([np.stack([c - 1, c, c + 1], axis=1)] * 2, axis=1))
        for name, c in ((n, v.values) for n, v in result.courses.data_vars.items())
    }
    coords = {
        "arm": result.courses["arm"].values,
        "source": ["parameters", "parameters and trials"],
        "bound": ["low", "median", "high"],
        "month": result.courses["month"].values,
    }
    courses = xr.Dataset(bands, coords) if bands else None
    return TrialIntervals(result.trial.name, rows, courses, draws=50, parameters="some-set")


@pytest.fixture(scope="package")
def validation():
    return validate(NAMES)


@pytest.fixture(scope="package")
def report(validation):
    intervals = {t.trial.name: made_up(t) for t in validation.trials}
    return Report(banded(validation, intervals), MADE, MISFITS, COMPARISONS, intervals)


@pytest.fixture(scope="package")
def plain(validation):
    """The same without intervals."""
    made = replace(MADE, uncertainty="", uncertainty_hash="", draws=0, note="the set has no covariance")
    return Report(validation, made, MISFITS, COMPARISONS)
