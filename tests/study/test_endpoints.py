"""Endpoints and their families."""

from bonepk.study.endpoints import family_of


def test_families():
    assert family_of("bmd_total_hip") == "bmd"
    assert family_of("serum_ntx") == "ntx"
    assert family_of("p1np") == "p1np"
    assert family_of("bmd_total_hip", "versus_premenopausal") == "bmd_between"
