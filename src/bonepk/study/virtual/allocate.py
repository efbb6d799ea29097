"""Randomisation: permuted blocks within strata."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import DataError, Fault
from bonepk.study.people.draws import uniforms
from bonepk.study.people.people import People
from bonepk.study.people.traits import FLAGS
from bonepk.study.virtual.conduct import Allocation

__all__ = ["allocate"]


def allocate(people: People, arms: int, how: Allocation) -> NDArray[np.int64]:
    """Arm of each person, in the order in which they come.

    Parameters
    ----------
    people : People
    arms : int
        Number of arms.
    how : Allocation
        A stratum that is no flag is split at its median.

    Returns
    -------
    ndarray of int64, shape (people,)

    Raises
    ------
    DataError
        If the ratio does not fit the number of arms.
    """
    ratio = how.ratio or (1,) * arms
    if len(ratio) != arms:
        raise DataError(Fault("allocation", f"a ratio of {len(ratio)} numbers", f"{arms}, one an arm"))
    share = sum(ratio)
    block = how.block if how.block % share == 0 else share * max(1, round(how.block / share))
    stratum = np.zeros(len(people), dtype=np.int64)
    for name in how.strata:
        values = people[name]
        high = values > 0.5 if name in FLAGS else values > np.median(values)
        stratum = 2 * stratum + high
    arm = np.zeros(len(people), dtype=np.int64)
    pattern = np.repeat(np.arange(arms), np.array(ratio) * (block // share))
    for code in np.unique(stratum):
        members = np.flatnonzero(stratum == code)
        blocks = -(-len(members) // block)
        order = np.argsort(uniforms(people.key, f"blocks of stratum {code}", 0, blocks, block), axis=1, kind="stable")
        arm[members] = pattern[order].ravel()[: len(members)]
    return arm
