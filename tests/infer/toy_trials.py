"""A model with a closed form behind the predictor protocol: an exponential approach in two arms of each trial."""

from dataclasses import dataclass, field

import numpy as np

from bonepk.errors import SolverError
from bonepk.infer.predictor import RowClass
from bonepk.infer.rows import Block, Row

TRUE = {"rate": 0.05, "gain": 8.0, "loss": 2.0}
MONTHS = (6.0, 12.0, 24.0, 36.0)


def course(values, arm, month):
    """Change in percent: the treated arm gains towards `gain`, both arms lose `loss` a year."""
    treated = values["gain"] * (1 - np.exp(-values["rate"] * month)) if arm == "drug" else 0.0
    return treated - values["loss"] * month / 12 + values.get("+entry", 0.0) * month / 36


@dataclass
class Toy:
    """Trials of the toy model; `calls` counts evaluations, `fuse` stops at one of them."""

    blocks: tuple[Block, ...]
    defaults: dict = field(default_factory=lambda: {**TRUE, "entry": 0.0})
    fuse: int = 10**9
    calls: int = 0

    @property
    def fingerprint(self):
        return repr(self.blocks)

    def uses(self, block, name):
        return True

    def predict(self, block, values):
        self.calls += 1
        if self.calls > self.fuse:
            raise KeyboardInterrupt
        if values.get("rate", 0.0) > 5:
            raise SolverError("toy: rate too high")
        values = {**self.defaults, **values}
        made = []
        for row in next(b for b in self.blocks if b.name == block).rows:
            value = course(values, row.arm, row.month)
            if row.versus:
                value -= course(values, row.versus, row.month)
            made.append(value)
        return np.array(made)


class Exact(Toy):
    """The same with its own derivatives, by complex step."""

    def jacobian(self, block, values, names):
        base = self.predict(block, values)
        made = np.zeros((base.size, len(names)))
        full = {**self.defaults, **values}
        for k, name in enumerate(names):
            moved = {**full, name: full.get(name, 0.0) + 1e-20j}
            for i, row in enumerate(next(b for b in self.blocks if b.name == block).rows):
                value = course(moved, row.arm, row.month)
                if row.versus:
                    value = value - course(moved, row.versus, row.month)
                made[i, k] = np.imag(value) / 1e-20
        return base, made


def trials(rng, count=8, se=0.3, shift=None, model_sd=0.0, visits=0.7, kind=Exact, name="trial"):
    """Simulated trials: errors correlated between visits as the error model says; `shift` is the sd of log gain."""
    blocks = []
    gap = np.abs(np.subtract.outer(MONTHS, MONTHS)) / 12
    root = np.linalg.cholesky(visits**gap)
    for i in range(count):
        values = dict(TRUE)
        if shift:
            values["gain"] *= np.exp(rng.normal(0, shift))
        rows = []
        for arm in ("drug", "placebo"):
            noise = root @ rng.normal(0, np.hypot(se, model_sd), len(MONTHS))
            rows += [
                Row("bmd", float(course(values, arm, m) + e), se, arm, m) for m, e in zip(MONTHS, noise, strict=True)
            ]
        blocks.append(Block(f"{name}-{i}", tuple(rows)))
    return kind(tuple(blocks))


class Told(Exact):
    """The same, and its rows say what they are about: a drug stopped after month 24, and month 6 recalled."""

    def classes(self, block):
        made = []
        for row in next(b for b in self.blocks if b.name == block).rows:
            given = frozenset({"drug"} if row.arm == "drug" else ())
            stopped = given if row.month > 24 else frozenset()
            word = "stopped: drug" if stopped else "drug" if given else "no drug"
            made.append(RowClass(word, given, stopped, row.month == 6))
        return made
