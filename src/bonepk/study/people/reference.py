"""What a T-score is counted from: bone density of young women by device and site.

`confidence` is ``verified`` where the number was read in a text, ``memory`` where it was recalled and should be checked
before it carries weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bonepk.errors import Fault, NotFoundError, near

__all__ = ["DEVICES", "SITES", "Reference", "bmd_of", "reference", "t_of"]

SITES = ("lumbar_spine", "total_hip", "femoral_neck")
"""Sites with a T-score; the model output of a site is ``bmd_`` and its name."""


@dataclass(frozen=True)
class Reference:
    """Mean and standard deviation of young women, in g/cm2."""

    device: str
    site: str
    mean: float
    sd: float
    source: str
    confidence: str


_LOOKER = "Looker 1998, NHANES III, non-Hispanic white women of 20 to 29 years, doi:10.1007/s001980050093"
_NHANES = "NHANES women of 21 to 30 years, all ethnicities, as printed in doi:10.3389/fendo.2026.1748490, table 3"
_ROWS = (
    Reference("hologic", "lumbar_spine", 1.047, 0.110, "manufacturer, L1 to L4", "memory"),
    Reference("hologic", "total_hip", 0.942, 0.122, _LOOKER, "memory"),
    Reference("hologic", "femoral_neck", 0.858, 0.120, _LOOKER, "memory"),
    Reference("lunar", "lumbar_spine", 1.18, 0.12, "manufacturer, L1 to L4", "memory"),
    Reference("lunar", "total_hip", 1.008, 0.126, "manufacturer", "memory"),
    Reference("lunar", "femoral_neck", 1.038, 0.139, "manufacturer", "memory"),
    Reference("nhanes", "lumbar_spine", 1.064, 0.106, _NHANES, "verified"),
    Reference("nhanes", "total_hip", 0.971, 0.114, _NHANES, "verified"),
    Reference("nhanes", "femoral_neck", 0.858, 0.120, _LOOKER, "memory"),
)
_TABLE = {(r.device, r.site): r for r in _ROWS}

DEVICES = tuple(dict.fromkeys(r.device for r in _ROWS))
"""Devices, or reference groups, with a reference for every site."""


def reference(site: str, device: str = "hologic") -> Reference:
    """Look up the reference of a site.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    if (device, site) not in _TABLE:
        known = DEVICES if device not in DEVICES else SITES
        name = device if device not in DEVICES else site
        raise NotFoundError(Fault("reference", f"unknown '{name}'", near(name, known) or f"one of {', '.join(known)}"))
    return _TABLE[device, site]


def t_of(bmd: ArrayLike, site: str, device: str = "hologic") -> NDArray[np.float64]:
    """T-score of a bone density in g/cm2."""
    ref = reference(site, device)
    return (np.asarray(bmd, dtype=np.float64) - ref.mean) / ref.sd


def bmd_of(t: ArrayLike, site: str, device: str = "hologic") -> NDArray[np.float64]:
    """Bone density in g/cm2 of a T-score."""
    ref = reference(site, device)
    return ref.mean + ref.sd * np.asarray(t, dtype=np.float64)
