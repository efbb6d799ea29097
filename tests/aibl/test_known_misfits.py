"""Published numbers the typical prediction misses by more than trials differ: known, documented, and within intervals.

Each is held twice: the published value lies in the model's own 90 % predictive interval, and the miss is no larger
than it is now, with a little room for rounding and small refits.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bonepk.infer import trial_intervals
from bonepk.study import load_trial, predict_trial


def missed(name: str, more=None, **which) -> float:
    """Prediction minus published value of the one row meant, after a check that its interval holds the latter."""
    trial = load_trial(name)
    if more is not None:
        trial = replace(trial, rows=(*trial.rows, more(trial.rows)))
    (at,) = (k for k, r in enumerate(trial.rows) if all(getattr(r, key) == value for key, value in which.items()))
    row = trial.rows[at]
    interval = trial_intervals(trial, draws=50).rows[at]  # 50 draws know the ends to about a sixth of the width
    assert interval.low <= row.value <= interval.high
    assert interval.inside
    predicted = predict_trial(trial).rows[at].predicted
    assert predicted is not None
    return predicted - row.value


def test_spine_is_lost_too_slowly_across_the_final_menstrual_period() -> None:
    """SWAN: -7.38 % from 1 year before to 2 years after, -5.5 in the model (docs/aibl.md, "Known misfits")."""
    off = missed("swan", endpoint="bmd_lumbar_spine", kind="percent_change", since=48, month=84)
    assert off == pytest.approx(0, abs=2.5)


def test_formation_falls_too_fast_after_one_dose_of_denosumab() -> None:
    """FREEDOM, recalled: P1NP -18 % against placebo at one month, -31 in the model (docs/aibl.md, "Known misfits")."""
    off = missed("freedom", endpoint="p1np", month=1)
    assert off == pytest.approx(0, abs=17)  # one standard deviation of the model's error for P1NP


def test_estrogen_gains_too_much_at_the_hip_early_after_menopause() -> None:
    """PEPI: +1.7 % in three years on conjugated estrogens, +2.9 in the model (docs/aibl.md, "Known misfits")."""
    off = missed("pepi", arm="estrogen", endpoint="bmd_total_hip")
    assert off == pytest.approx(0, abs=1.6)


def test_estrogen_gains_too_much_at_the_hip_over_placebo() -> None:
    """WHI: +3.7 and +0.14 % in three years, +5.3 apart in the model (docs/aibl.md, "Known misfits").

    The women on placebo, whose hip grew, are what the model misses (-1.7 %); those on hormones are met.
    """

    def apart(rows):
        hip = {r.arm: r for r in rows if r.endpoint == "bmd_total_hip"}
        value = hip["hormone"].value - hip["placebo"].value
        return replace(hip["hormone"], versus="placebo", kind="difference", value=value, unit="points")

    off = missed("whi-ep", apart, endpoint="bmd_total_hip", kind="difference")
    assert off == pytest.approx(0, abs=2.2)
    assert missed("whi-ep", arm="hormone", endpoint="bmd_total_hip") == pytest.approx(0, abs=1)
