"""What a parameter set says of its own uncertainty, beside covariance and draws.

How far trials differ from each other, how far predictions of a perfect trial would still be off, and the loss the fit
was made with: all it takes to make an interval without the fit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk.errors import Faults, near
from bonepk.model.toml_lines import Lines

__all__ = [
    "LOSSES",
    "SCALES",
    "SPREAD_TABLES",
    "SetEffect",
    "SetError",
    "SetLoss",
    "quoted",
    "read_spreads",
    "shifted",
    "spreads_text",
]

F8 = NDArray[np.float64]

SCALES = ("log", "logit", "identity")
"""Scales a parameter can be fitted, and shifted, on."""
LOSSES = ("linear", "soft_l1", "huber", "student_t")
"""Losses a fit can be made with."""
SPREAD_TABLES = ("effects", "errors", "loss")
"""Tables of a set that are read here."""


@dataclass(frozen=True)
class SetEffect:
    """A shift that differs from trial to trial: normal around 0.

    Attributes
    ----------
    name : str
    parameters : tuple of str
        They move together; a name starting with ``+`` is added to what an arm sets itself.
    scale : {"log", "logit", "identity"}
    sd : float
        Standard deviation on the scale.
    together : tuple of str
        Trials that share one shift, the others having none; empty if every trial has its own.
    shift : float
        The fitted one of a shared shift.
    draws : tuple of float
        The shared shift in each draw of the set; empty if there are none.
    """

    name: str
    parameters: tuple[str, ...]
    scale: str
    sd: float
    together: tuple[str, ...] = ()
    shift: float = 0.0
    draws: tuple[float, ...] = ()


@dataclass(frozen=True)
class SetError:
    """Error of the model for one family of rows, in the unit of the rows.

    Attributes
    ----------
    family : str
        ``bmd``, ``ctx``.
    sd : float
        Of a number of one arm; 0 if none was seen.
    shared, visits, outputs : float
        Share of the variance common to all arms of a trial; correlation of visits a year apart; of outputs.
    typical : float or None
        Standard deviation between women, for numbers whose publication states no spread.
    """

    family: str
    sd: float
    shared: float = 0.0
    visits: float = 0.0
    outputs: float = 0.0
    typical: float | None = None


@dataclass(frozen=True)
class SetLoss:
    """Loss of the fit, and with it the distribution of its errors: t for ``student_t``, else normal."""

    name: str
    width: float


def shifted(scale: str, values: F8, by: F8) -> F8:
    """Shift values on a scale: times exp(by), plus by, or plus by as logit of a share between 0 and 1."""
    if scale == "log":
        return np.asarray(values * np.exp(by))
    if scale == "logit":
        return np.asarray(1.0 / (1.0 + (1.0 - values) / values * np.exp(-by)))
    return np.asarray(values + by)


def read_spreads(
    data: Mapping[str, Any], draws: int, lines: Lines, faults: Faults
) -> tuple[tuple[SetEffect, ...], tuple[SetError, ...], SetLoss | None]:
    """Read the tables of `SPREAD_TABLES`, noting every fault.

    Parameters
    ----------
    data : mapping
        The whole set as TOML.
    draws : int
        Number of draws of the set; those of an effect must be as many.
    """
    effects, errors = [], []
    for name, one in _entries(data, "effects", lines, faults):
        sd = one.number("sd", required=True, low=0.0)
        together = one.texts("together")
        given = one.numbers("draws")
        effects.append(
            SetEffect(
                name,
                one.texts("parameters", required=True),
                one.choice("scale", SCALES),
                sd,
                together,
                one.number("shift"),
                given,
            )
        )
        for key in ("shift", "draws"):
            if key in one.raw and not together:
                one.fault(key, f"'{key}' of an effect that every trial has for itself", cure="add together = [...]")
        if given and len(given) != draws:
            one.fault("draws", f"{len(given)} draws", f"expected {draws}, as [draws] has rows")
        one.close()
    for name, one in _entries(data, "errors", lines, faults):
        parts = {key: one.number(key, low=0.0, below=1.0) for key in ("shared", "visits", "outputs")}
        sd, typical = one.number("sd", required=True, low=0.0), one.number("typical", low=0.0)
        errors.append(SetError(name, sd, **parts, typical=typical if "typical" in one.raw else None))
        one.close()
    loss = None
    if "loss" in data:
        one = _Entry(("loss",), data["loss"], lines, faults)
        loss = SetLoss(one.choice("name", LOSSES), one.number("width", required=True, above=0.0))
        one.close()
    return tuple(effects), tuple(errors), loss


def _entries(data: Mapping[str, Any], table: str, lines: Lines, faults: Faults) -> list[tuple[str, _Entry]]:
    raw = data.get(table, {})
    if not isinstance(raw, dict):
        faults.add(lines.place((table,)), f"'{table}' is no table", cure=f"write [{table}]")
        return []
    return [(name, _Entry((table, name), entry, lines, faults)) for name, entry in raw.items()]


class _Entry:
    """One entry, which knows what was asked of it."""

    def __init__(self, path: tuple[str, ...], raw: Any, lines: Lines, faults: Faults) -> None:
        self.path, self.lines, self.faults = path, lines, faults
        self.raw: dict[str, Any] = raw if isinstance(raw, dict) else {}
        self.asked: set[str] = set()
        if not isinstance(raw, dict):
            self.fault("", f"'{path[-1]}' is no table", cure=f"write {path[-1]} = {{ ... }}")

    def fault(self, key: str, found: str, expected: str = "", cure: str = "") -> None:
        self.faults.add(self.lines.place((*self.path, key) if key in self.raw else self.path), found, expected, cure)

    def number(
        self,
        key: str,
        required: bool = False,
        low: float = -math.inf,
        above: float = -math.inf,
        below: float = math.inf,
    ) -> float:
        self.asked.add(key)
        if key not in self.raw:
            if required:
                self.fault(key, f"no '{key}'", "expected a finite number")
            return 0.0
        value = self.raw[key]
        if not _is_number(value):
            self.fault(key, f"'{key}' is {value}", "expected a finite number")
            return 0.0
        if value < low or value <= above or value >= below:
            bound = f"{low:g} or more" if value < low else f"more than {above:g}" if value <= above else ""
            self.fault(key, f"'{key}' is {value:g}", f"expected {bound or f'less than {below:g}'}")
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        self.asked.add(key)
        value = self.raw.get(key, [])
        if not isinstance(value, list) or not all(_is_number(x) for x in value):
            self.fault(key, f"'{key}' is no list of finite numbers")
            return ()
        return tuple(float(x) for x in value)

    def texts(self, key: str, required: bool = False) -> tuple[str, ...]:
        self.asked.add(key)
        value = self.raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
            self.fault(key, f"'{key}' is no list of names", cure=f'write {key} = ["..."]')
            return ()
        if required and not value:
            self.fault(key, f"no '{key}'", cure=f'add {key} = ["..."]')
        return tuple(value)

    def choice(self, key: str, known: Sequence[str]) -> str:
        self.asked.add(key)
        value = self.raw.get(key)
        if value not in known:
            cure = (near(value, known) if isinstance(value, str) else "") or f"one of {', '.join(known)}"
            self.fault(key, f"{key} = '{value}'" if key in self.raw else f"no '{key}'", cure=cure)
            return known[0]
        return str(value)

    def close(self) -> None:
        for key in self.raw:
            if key not in self.asked:
                cure = near(key, sorted(self.asked)) or f"known are {', '.join(sorted(self.asked))}"
                self.fault(key, f"unknown key '{key}'", cure=cure)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def spreads_text(effects: Sequence[SetEffect], errors: Sequence[SetError], loss: SetLoss | None) -> list[str]:
    """Lines of TOML; the same values always give the same lines."""
    lines: list[str] = []
    if effects:
        lines += ["", "[effects]"]
    for e in effects:
        parts = [f"parameters = {_texts(e.parameters)}", f"scale = {quoted(e.scale)}", f"sd = {e.sd!r}"]
        if e.together:
            parts += [f"together = {_texts(e.together)}", f"shift = {e.shift!r}"]
            parts += [f"draws = [{', '.join(map(repr, e.draws))}]"] if e.draws else []
        lines.append(f"{_key(e.name)} = {{ {', '.join(parts)} }}")
    if errors:
        lines += ["", "[errors]"]
    for m in errors:
        parts = [f"{key} = {getattr(m, key)!r}" for key in ("sd", "shared", "visits", "outputs")]
        parts += [f"typical = {m.typical!r}"] if m.typical is not None else []
        lines.append(f"{_key(m.family)} = {{ {', '.join(parts)} }}")
    if loss is not None:
        lines += ["", "[loss]", f"name = {quoted(loss.name)}", f"width = {loss.width!r}"]
    return lines


def quoted(text: str) -> str:
    """Write a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(items: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, items))}]"


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else quoted(name)
