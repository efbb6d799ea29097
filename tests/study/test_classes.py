"""Every number falls into one of the classes that summaries promise."""

import pytest

from bonepk.study import load_trial, trial_names
from bonepk.study.classes import CLASSES, treatment_class

PROMISED = {"AI alone", "AI after tamoxifen", "AI with bisphosphonate", "AI with denosumab"}
PROMISED |= {"menopause, natural", "menopause, surgical", "ovarian suppression", "tamoxifen", "estrogen"}
PROMISED |= {"stopped: AI", "stopped: denosumab", "stopped: bisphosphonate"}


def rows():
    for name in trial_names():
        trial = load_trial(name)
        for row in trial.rows:
            if not row.obstacle and not trial.arm(row.arm).not_simulated:
                yield trial, row


def test_every_number_has_a_class_and_every_promised_class_has_numbers():
    found = {(t.name, r.arm, r.month): treatment_class(t, t.arm(r.arm), r.month) for t, r in rows()}
    assert {k: v for k, v in found.items() if v not in CLASSES} == {}
    assert set(found.values()) >= PROMISED
    assert len(set(CLASSES)) == len(CLASSES)


@pytest.mark.parametrize(
    ("name", "arm", "month", "expected"),
    [
        ("z-fast", "upfront", 36, "AI with bisphosphonate"),
        ("z-fast", "upfront", 61, "AI with bisphosphonate"),  # five years on the drug, read at the visit after them
        ("z-fast", "delayed", 36, "AI alone"),
        ("abcsg-18", "denosumab", 36, "AI with denosumab"),
        ("atac", "anastrozole", 60, "AI alone"),
        ("atac", "anastrozole", 72, "stopped: AI"),
        ("atac", "tamoxifen", 84, "stopped: tamoxifen"),
        ("ies", "exemestane", 6, "AI after tamoxifen"),
        ("n03cc", "delayed", 12, "AI after tamoxifen"),
        ("n03cc", "upfront", 12, "AI with bisphosphonate"),
        ("ma-17", "letrozole", 24, "AI after tamoxifen"),
        ("ma-17", "placebo", 24, "stopped: tamoxifen"),
        ("lonning", "exemestane", 24, "AI alone"),
        ("bekker", "denosumab", 6, "denosumab without AI"),  # one dose lasts six months
        ("bekker", "denosumab", 9, "stopped: denosumab"),
        ("freedom", "denosumab", 36, "denosumab without AI"),
        ("freedom", "placebo", 36, "no drug, late after menopause"),
        ("flex", "stopped", 60, "stopped: bisphosphonate"),
        ("abcsg-12", "tamoxifen", 36, "ovarian suppression with AI or tamoxifen"),
        ("abcsg-12", "zoledronate", 60, "stopped: AI"),
        ("zebra", "goserelin", 24, "ovarian suppression"),
        ("nafarelin", "nafarelin", 12, "stopped: ovarian suppression"),
        ("swan", "natural", 84, "menopause, natural"),
        ("ferrara", "surgical", 102, "menopause, surgical"),
        ("royal-marsden", "pre-placebo", 36, "no drug, before menopause"),
        ("data-switch", "combination", 24, "osteoanabolic drug"),
        ("data-switch", "combination-denosumab", 48, "denosumab without AI"),
        ("pepi", "estrogen", 36, "estrogen"),
    ],
)
def test_class(name, arm, month, expected):
    trial = load_trial(name)
    assert treatment_class(trial, trial.arm(arm), month) == expected
