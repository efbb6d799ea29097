"""From a run to fractures in one call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from bonepk.errors import DataError, Fault
from bonepk.study.outcomes.constants import FractureConstants
from bonepk.study.outcomes.fracture import LONGEST_STEP, NEEDED, YEARS, Fractures, Untreated, bone_of, fractures
from bonepk.study.outcomes.women import Women

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fracture_risk"]


def fracture_risk(
    run: xr.Dataset, women: Women, reference: Untreated, constants: FractureConstants | None = None
) -> Fractures:
    """Work out the fractures of women along a run.

    Parameters
    ----------
    run : Dataset
        From `bonepk.simulate`, stored at least monthly, with day 0. Months before day 0 are left out.
    women : Women
        `one_woman(age=64, t_femoral_neck=-1.4)`, or a group that shares the course.
    reference : Untreated
        `untreated(model)` of the model the run was made with.
    constants : FractureConstants, optional
        By default those that come with bonepk.

    Returns
    -------
    Fractures

    Raises
    ------
    DataError
        If the run lacks an output or day 0, or is stored too seldom (more than 2 months apart).

    Examples
    --------
    >>> import bonepk as bp
    >>> from bonepk.study.outcomes import fracture_risk, one_woman, untreated
    >>> model = bp.load("aibl", drugs=["anastrozole"])
    >>> run = bp.simulate(model, bp.daily("anastrozole", "1 mg", years=5, spread=True), years=10)
    >>> risk = fracture_risk(run, one_woman(age=60, t_femoral_neck=-1.5), untreated(model))
    >>> float(risk.incidence_beside_death("fracture_clinical")[-1]) > 0.05
    True
    """
    for name in NEEDED:
        if name not in run:
            raise DataError(Fault("run", f"no output '{name}'", "fractures follow from it", "run the model 'aibl'"))
    months = np.asarray(run["month"].values, dtype=np.float64)
    kept = months >= 0
    if not kept.any() or months[kept][0] != 0:
        raise DataError(Fault("run", "day 0 is not stored", "T-scores are those of day 0"))
    if np.diff(months[kept]).max(initial=0.0) > LONGEST_STEP:
        raise DataError(
            Fault("run", "stored more than 2 months apart", "expected a step a month", 'give every="1 month"')
        )
    years = json.loads(run.attrs.get("parameters", "{}")).get(YEARS, reference.years_since_fmp)
    values = {n: np.asarray(run[n].values, dtype=np.float64)[kept][None, :] for n in NEEDED}
    return fractures(bone_of(months[kept], values, float(years), reference), women, constants)
