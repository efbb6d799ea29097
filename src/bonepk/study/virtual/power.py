"""Power of a trial as virtual people show it: how often smaller trials drawn from a large one would have found it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bonepk.study.people.draws import key_of
from bonepk.study.virtual.statistics import power_of
from bonepk.study.virtual.trial import VirtualTrial

__all__ = ["Power", "simulated_power"]


@dataclass(frozen=True)
class Power:
    """Power of a comparison.

    Attributes
    ----------
    n : int
        People measured in each arm.
    simulated, low, high : float
        Part of the drawn trials with p below alpha, and its 95 % interval (Wilson).
    analytic : float
        From the virtual difference and spread, by the t test.
    """

    n: int
    simulated: float
    low: float
    high: float
    analytic: float


def simulated_power(
    result: VirtualTrial,
    arm: str,
    versus: str,
    output: str,
    month: float,
    n: int,
    *,
    trials: int = 1000,
    alpha: float = 0.05,
    rng: np.random.Generator | int = 0,
) -> Power:
    """Draw trials of `n` people an arm, with replacement, and count those that find the difference.

    Parameters
    ----------
    result : VirtualTrial
    arm, versus : str
    output : str
    month : float
        A stored month.
    n : int
        People measured in each arm.
    trials : int
        How many are drawn.
    alpha : float
        Level of the two-sided test.
    rng : numpy.random.Generator or int

    Returns
    -------
    Power
    """
    from scipy.special import stdtr

    draw = np.random.Generator(np.random.Philox(key=int(key_of(rng))))
    means, variances = [], []
    for name in (arm, versus):
        who = result.in_arm(name)
        values, weights = result.changes(output, month)[who], result.people.weights[who]
        good = np.isfinite(values)
        values, weights = values[good], weights[good] / weights[good].sum()
        drawn = draw.choice(values, size=(trials, n), p=weights)
        means.append(drawn.mean(axis=1))
        variances.append(drawn.var(axis=1, ddof=1) / n)
    total = variances[0] + variances[1]
    freedom = total**2 / ((variances[0] ** 2 + variances[1] ** 2) / (n - 1))
    p = 2 * stdtr(freedom, -np.abs(means[0] - means[1]) / np.sqrt(total))
    share = float((p < alpha).mean())
    z2 = 1.959963984540054**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = np.sqrt(z2) / (1 + z2 / trials) * np.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    gap = result.difference(arm, versus, output, month)
    return Power(n, share, float(middle - reach), float(middle + reach), power_of(gap.value, gap.sd, n, alpha=alpha))
