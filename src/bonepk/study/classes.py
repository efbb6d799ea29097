"""Classes of treatment that summaries are given by: coarser than `treatment`, and every one of them is named here."""

from __future__ import annotations

from bonepk.study.arms import cohorts, treatment
from bonepk.study.evidence import Arm, Trial

__all__ = ["CLASSES", "treatment_class"]

CLASSES: tuple[str, ...] = (
    "AI alone",
    "AI after tamoxifen",
    "AI with bisphosphonate",
    "AI with denosumab",
    "stopped: AI",
    "stopped: denosumab",
    "stopped: bisphosphonate",
    "stopped: tamoxifen",
    "stopped: ovarian suppression",
    "menopause, natural",
    "menopause, surgical",
    "ovarian suppression",
    "ovarian suppression with AI or tamoxifen",
    "tamoxifen",
    "estrogen",
    "denosumab without AI",
    "bisphosphonate without AI",
    "osteoanabolic drug",
    "no drug, before menopause",
    "no drug, late after menopause",
)
"""Every class, in the order of tables. AI is an aromatase inhibitor."""

_AI = "aromatase inhibitor"
_ANABOLIC = {"teriparatide", "romosozumab"}


def treatment_class(trial: Trial, arm: Arm, month: float | None) -> str:
    """Class of a number at a month: one of `CLASSES`, or empty for a combination that none of them covers.

    It is that of the cohort with the largest weight, so an arm of which a part was given zoledronate late counts as
    AI alone. Of several drugs the first counts in the order osteoanabolic, ovarian suppression, denosumab,
    bisphosphonate. After the end of treatment the drug that was stopped counts, by the order denosumab, AI,
    bisphosphonate, ovarian suppression, tamoxifen.
    """
    words = treatment(trial, arm, month)
    if words.startswith("after "):
        stopped = set(words.removeprefix("after ").split(" + "))
        for name in ("denosumab", _AI, "bisphosphonate", "ovarian suppression", "tamoxifen"):
            if name in stopped:
                return f"stopped: {'AI' if name == _AI else name}"
        return ""
    return _ongoing(set(words.split(" + ")), _had_tamoxifen(trial, arm))


def _ongoing(now: set[str], after_tamoxifen: bool) -> str:
    if now & _ANABOLIC:
        return "osteoanabolic drug"
    if "ovarian suppression" in now:
        return "ovarian suppression with AI or tamoxifen" if now & {_AI, "tamoxifen"} else "ovarian suppression"
    for drug in ("denosumab", "bisphosphonate"):
        if drug in now:
            return f"AI with {drug}" if _AI in now else f"{drug} without AI"
    if _AI in now:
        return "AI after tamoxifen" if after_tamoxifen else "AI alone"
    single = {
        "tamoxifen": "tamoxifen",
        "estrogen": "estrogen",
        "oophorectomy": "menopause, surgical",
        "menopause, no drug": "menopause, natural",
        "before menopause, no drug": "no drug, before menopause",
        "no drug": "no drug, late after menopause",
    }
    return next((cls for word, cls in single.items() if word in now), "")


def _had_tamoxifen(trial: Trial, arm: Arm) -> bool:
    cohort = max(cohorts(trial, arm), key=lambda c: c.weight)
    return any(course.drug == "tamoxifen" and course.start < 0 for course in cohort.plan.courses)
