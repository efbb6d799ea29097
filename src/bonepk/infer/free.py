"""What is fitted: named parameters on a transformed scale, their priors, and shifts from trial to trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bonepk.errors import DataError, Fault, Faults, near
from bonepk.model.spreads import SCALES

__all__ = ["SCALES", "Effect", "Free", "Prior", "check_free"]


@dataclass(frozen=True)
class Prior:
    """Normal on the transformed scale, centred at the transform of `value`.

    On the log scale `sd` is close to a coefficient of variation: 0.3 is about 30 %.
    """

    value: float
    sd: float
    source: str = ""


@dataclass(frozen=True)
class Free:
    """One fitted parameter.

    Attributes
    ----------
    name : str
        As the model has it (``tau_formation``, ``denosumab.kappa``).
    start : float
        Where the first start begins, in the parameter's own unit.
    low, high : float
        Bounds in the parameter's own unit. With ``logit`` they are the open ends of the scale.
    scale : {"log", "logit", "identity"}
    prior : Prior, optional
    also : tuple of str
        Parameters that always have the same value.
    """

    name: str
    start: float
    low: float
    high: float
    scale: str = "log"
    prior: Prior | None = None
    also: tuple[str, ...] = ()

    def inward(self, value: float) -> float:
        """Transform a value to the scale the fit works on."""
        if self.scale == "log":
            return math.log(value)
        if self.scale == "logit":
            return math.log((value - self.low) / (self.high - value))
        return value

    def outward(self, z: float) -> float:
        """Transform back to the parameter's own unit."""
        if self.scale == "log":
            return math.exp(z)
        if self.scale == "logit":
            return self.low + (self.high - self.low) * _expit(z)
        return z

    def slope(self, z: float) -> float:
        """Differentiate `outward`."""
        if self.scale == "log":
            return math.exp(z)
        if self.scale == "logit":
            p = _expit(z)
            return (self.high - self.low) * p * (1 - p)
        return 1.0

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds on the transformed scale."""
        if self.scale == "logit":
            return -math.inf, math.inf
        return self.inward(self.low), self.inward(self.high)


@dataclass(frozen=True)
class Effect:
    """A shift that differs from trial to trial: normal around 0 with a standard deviation.

    Every parameter named moves together: times exp(b) on the log scale, plus b on the identity
    scale, and on the logit scale as a share between 0 and 1. A name starting with ``+`` is an
    addition to what the arms of a trial say themselves (``+years_since_fmp``).

    Attributes
    ----------
    name : str
        Word for the report (``turnover``).
    parameters : tuple of str
    sd : float
        Standard deviation on the scale; the start if it is estimated.
    scale : {"log", "logit", "identity"}
    estimate : bool
        Estimate the standard deviation from the fit (empirical Bayes).
    together : tuple of str
        Blocks that share one shift, the others having none (a kind of women, such as those chosen for low bone
        density). Empty: every block has its own.
    """

    name: str
    parameters: tuple[str, ...]
    sd: float
    scale: str = "log"
    estimate: bool = False
    together: tuple[str, ...] = ()

    def apply(self, value: float, b: float) -> tuple[float, float, float]:
        """Shift a value.

        Returns
        -------
        value, by_value, by_b : float
            The shifted value, and its derivatives with respect to the value and the shift.
        """
        if self.scale == "log":
            factor = math.exp(b)
            return value * factor, factor, value * factor
        if self.scale == "logit":
            p = _expit(math.log(value / (1 - value)) + b)
            inner = p * (1 - p)
            return p, inner / (value * (1 - value)), inner
        return value + b, 1.0, 1.0


def check_free(free: Sequence[Free], effects: Sequence[Effect], known: Sequence[str] | None, place: str) -> None:
    """Raise one `DataError` with everything wrong in parameters and effects.

    Parameters
    ----------
    known : sequence of str or None
        Names the predictor can set; None if it takes any.
    place : str
        For messages, such as the problem file.
    """
    faults = Faults()
    seen: set[str] = set()
    for p in free:
        at = f"{place} [parameters.{p.name}]"
        for name in (p.name, *p.also):
            if name in seen:
                faults.add(at, f"'{name}' stands twice")
            seen.add(name)
            if known is not None and name not in known:
                faults.add(at, f"unknown parameter '{name}'", near(name, known) or "'bonepk model show' lists them")
        _check_scale(p.scale, at, faults)
        if not (math.isfinite(p.low) and math.isfinite(p.high) and p.low < p.high):
            faults.add(at, f"bounds {p.low:g} to {p.high:g}", "expected two finite numbers, the lower first")
            continue
        if p.scale == "log" and p.low <= 0:
            faults.add(at, f"lower bound {p.low:g}", "expected more than 0 on the log scale")
        inside = p.low < p.start < p.high if p.scale == "logit" else p.low <= p.start <= p.high
        if not inside:
            faults.add(at, f"start {p.start:g}", f"expected a value within {p.low:g} to {p.high:g}")
        if p.prior is not None:
            if not p.prior.sd > 0:
                faults.add(at, f"prior sd {p.prior.sd:g}", "expected more than 0")
            if not p.low < p.prior.value < p.high:
                faults.add(at, f"prior at {p.prior.value:g}", f"expected a value within {p.low:g} to {p.high:g}")
    for e in effects:
        at = f"{place} [effects.{e.name}]"
        _check_scale(e.scale, at, faults)
        if not e.sd > 0:
            faults.add(at, f"sd {e.sd:g}", "expected more than 0")
        for name in e.parameters:
            bare = name.removeprefix("+")
            if known is not None and bare not in known:
                faults.add(at, f"unknown parameter '{bare}'", near(bare, known))
            if name.startswith("+") and e.scale != "identity":
                faults.add(at, f"'{name}' on the {e.scale} scale", 'an addition needs scale = "identity"')
    if not free:
        faults.add(place, "no parameter to fit", cure="add one to [parameters]")
    faults.raise_as(DataError)


def _check_scale(scale: str, at: str, faults: Faults) -> None:
    if scale not in SCALES:
        faults.extend([Fault(at, f"unknown scale '{scale}'", near(scale, SCALES) or "one of " + ", ".join(SCALES))])


def _expit(z: float) -> float:
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    e = math.exp(z)
    return e / (1 + e)
