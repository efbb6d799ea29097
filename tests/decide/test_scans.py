import numpy as np
import pytest

from bonepk.decide import precision, scan_run, t_score
from bonepk.errors import DataError, NotFoundError
from bonepk.study.people import bmd_of

BASE = {"lumbar_spine": -1.0, "total_hip": -0.8}
YEARLY = (0, 12, 24, 36, 48, 60)


def test_without_error_the_scan_is_the_model(letrozole_run):
    import bonepk as bp

    scans = scan_run(letrozole_run, YEARLY, BASE, rng=None)
    change = bp.percent_change(letrozole_run, "bmd_lumbar_spine", YEARLY)
    assert scans.change.sel(site="lumbar_spine").values == pytest.approx(change.values, abs=1e-9)
    assert float(scans.true.sel(site="total_hip", month=0)) == pytest.approx(float(bmd_of(-0.8, "total_hip")))
    assert float(scans.t_score.sel(site="lumbar_spine", month=0)) == pytest.approx(-1.0)
    # 6 % lost in five years is more than 2.77 times 1.08 %, and most of one year is not
    assert bool(scans.beyond_error.sel(site="lumbar_spine", month=60))
    assert not scans.beyond_error_before.sel(site="lumbar_spine", month=[24, 36, 48, 60]).any()
    assert not scans.beyond_error.sel(month=0).any()


def test_error_has_the_size_of_the_precision_and_follows_its_seed(letrozole_run):
    months = [float(m) for m in range(97)]
    one, same, other = (scan_run(letrozole_run, months, BASE, rng=seed) for seed in (4, 4, 5))
    assert one.identical(same)
    assert not one.measured.equals(other.measured)
    for site in BASE:
        off = (one.measured / one.true - 1).sel(site=site).values * 100
        cv = precision(site).cv
        assert np.std(off) == pytest.approx(cv, rel=0.3)  # four standard errors of 97 draws
        shown = one.measured.sel(site=site).values
        assert one.t_score.sel(site=site).values == pytest.approx(t_score(shown, site))


def test_what_cannot_be_scanned_is_refused(letrozole_run):
    with pytest.raises(DataError, match="did you mean 'total_hip'"):
        scan_run(letrozole_run, [0], {"totalhip": -1.0}, rng=None)
    with pytest.raises(DataError, match="rising months"):
        scan_run(letrozole_run, [12, 0], BASE, rng=None)
    with pytest.raises(DataError, match="T-score -11"):
        scan_run(letrozole_run, [0], {"total_hip": -11}, rng=None)
    with pytest.raises(NotFoundError, match="month 120"):
        scan_run(letrozole_run, [0, 120], BASE, rng=None)
