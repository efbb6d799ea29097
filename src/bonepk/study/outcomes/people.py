"""Fractures of sampled people, as an outcome of virtual trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault
from bonepk.study.outcomes.constants import FractureConstants, fracture_constants
from bonepk.study.outcomes.cumulative import event_months
from bonepk.study.outcomes.fracture import LONGEST_STEP, NEEDED, Bone, Fractures, Untreated, bone_of, fractures
from bonepk.study.outcomes.women import women_of

if TYPE_CHECKING:
    from bonepk.study.virtual.courses import Courses

__all__ = ["FractureOutcome"]

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FractureOutcome:
    """First fractures of each person along her own course: an `Outcome` of `bonepk.study.virtual`.

    Attributes
    ----------
    reference : Untreated
        From `untreated(model)`: the typical woman without any drug. Who resorbs more than she does is at higher risk.
    constants : FractureConstants
    name : str
    """

    reference: Untreated
    constants: FractureConstants = field(default_factory=fracture_constants)
    name: str = "fractures 1"

    def hazards(self, courses: Courses) -> Fractures:
        """Work out the hazards of every person.

        A person whose run failed gets those of unchanged bone; `__call__` gives her no event.

        Raises
        ------
        DataError
            If courses are stored more than 2 months apart: turnover swings between doses.
        """
        if np.diff(courses.months).max(initial=0.0) > LONGEST_STEP:
            raise DataError(Fault("courses", f"stored more than {LONGEST_STEP:g} months apart", "expected monthly"))
        years = courses.people["years_since_menopause"]
        values = {n: np.asarray(courses.values[n], dtype=np.float64) for n in NEEDED}
        bone = bone_of(courses.months, values, years, self.reference)
        relative = {s: np.nan_to_num(v, nan=1.0) for s, v in bone.relative.items()}
        bone = Bone(bone.months, np.nan_to_num(bone.excess, nan=0.0), relative)
        return fractures(bone, women_of(courses.people), self.constants)

    def __call__(self, courses: Courses) -> Mapping[str, F8]:
        """Draw months of first fractures.

        Keys are ``hip``, ``vertebral`` (on films), ``noticed`` (vertebral, of those that come to notice), ``other``,
        and ``clinical``: the first of hip, noticed and other. Draws belong to the person (`People.uniforms`), so a
        change of her course after a month leaves earlier events alone.
        """
        found = self.hazards(courses)
        share = self.constants.spine_share
        parts = {
            "hip": found.hazards["hip"],
            "noticed": share * found.hazards["vertebral"],
            "unnoticed": (1 - share) * found.hazards["vertebral"],
            "other": found.hazards["other"],
        }
        draw = courses.people.uniforms
        failed = ~np.isfinite(np.stack([courses.values[n] for n in NEEDED])).all(axis=(0, 2))
        first = {n: event_months(found.months, h, draw(f"fracture {n}")[:, 0]) for n, h in parts.items()}
        for months in first.values():
            months[failed] = np.inf
        return {
            "hip": first["hip"],
            "vertebral": np.minimum(first["noticed"], first["unnoticed"]),
            "noticed": first["noticed"],
            "other": first["other"],
            "clinical": np.minimum.reduce([first["hip"], first["noticed"], first["other"]]),
        }
