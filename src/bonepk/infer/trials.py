"""Published trials as something to fit: rows of ``validation/trials`` by their use, predicted arm by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonepk import diskcache
from bonepk.errors import DataError, Fault
from bonepk.infer.exact import GradedArm
from bonepk.infer.predictor import DERIVATIVES, RowClass, check_derivatives, slopes_as
from bonepk.infer.published import TYPICAL, observation, percent_of
from bonepk.infer.rows import Block
from bonepk.infer.runs import Runner
from bonepk.model import System, load
from bonepk.simulate.endpoints import months_to_times
from bonepk.simulate.graded import slope_of
from bonepk.study.arms import YEARS, check_arms, cohorts, drugs_of, exposure, treatment
from bonepk.study.classes import treatment_class
from bonepk.study.endpoints import ENDPOINTS, KINDS, family_of
from bonepk.study.evidence import Arm, Trial, load_trial, trial_names
from bonepk.study.evidence import Row as Published
from bonepk.study.predict import ArmRun, express
from bonepk.study.split import read_split

__all__ = ["TYPICAL", "Trials"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class _Block:
    """A trial ready to run: arms with weights of their cohorts, and the rows to express."""

    arms: tuple[Arm, ...]
    weights: tuple[FloatArray, ...]
    months: FloatArray
    rows: tuple[Published, ...]
    runner: Runner


@dataclass(frozen=True)
class Trials:
    """Rows of published trials and their predictions; a `Predictor` with derivatives.

    Attributes
    ----------
    model : str
        A core: a name or a path.
    use : str
        Rows the split gives this use: ``calibration``, ``prediction``; empty for all that can be predicted.
    names : tuple of str
        Trials to take; empty for all.
    families : tuple of str
        Families of endpoints to take (``bmd``, ``ctx``); empty for all.
    memory : float
        Weight of rows that were recalled, not read; 0 leaves them out.
    typical : mapping of str to float
        Standard deviation between women by family, for rows without a spread.
    parameters : mapping of str to float
        Values over the model's that are not fitted.
    rtol : float
        Of the runs.
    derivatives : {"differences", "exact"}
        Forward differences of runs side by side in one batch, or derivatives carried along one run of each cohort.
    """

    model: str = "aibl"
    use: str = "calibration"
    names: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    memory: float = 0.25
    typical: Mapping[str, float] = field(default_factory=lambda: dict(TYPICAL))
    parameters: Mapping[str, float] = field(default_factory=dict)
    rtol: float = 1e-6
    derivatives: str = DERIVATIVES[0]

    def __post_init__(self) -> None:
        check_derivatives(self.derivatives)

    def __getstate__(self) -> dict[str, Any]:
        """Leave compiled code and runs behind: a worker makes its own, of the same evidence."""
        state = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return state | {"_trials": self._trials}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    @cached_property
    def _trials(self) -> dict[str, tuple[Trial, tuple[Published, ...]]]:
        split = read_split()
        found: dict[str, tuple[Trial, tuple[Published, ...]]] = {}
        for name in self.names or trial_names():
            trial = load_trial(name)
            rows = tuple(r for r in trial.rows if self._takes(trial, r, split.of(trial.name, r)))
            if rows:
                found[trial.name] = (trial, rows)
        if not found:
            wanted = f"use '{self.use}'" if self.use else "any use"
            raise DataError(Fault("trials", f"no row of {wanted} can be predicted", cure="see validation/split.toml"))
        return found

    def _takes(self, trial: Trial, row: Published, use: str) -> bool:
        if row.obstacle or row.not_scored or (self.use and use != self.use) or row.kind == "level":
            return False
        if self.families and family_of(row.endpoint, row.kind) not in self.families:
            return False
        if not self.memory and row.confidence == "memory":
            return False
        return not any(trial.arm(a).not_simulated for a in (row.arm, row.versus) if a)

    @cached_property
    def _blocks(self) -> dict[str, _Block]:
        systems: dict[tuple[str, ...], System] = {}
        made = {}
        for name, (trial, rows) in self._trials.items():
            arms = self._arms(trial, rows)
            drugs = drugs_of(trial, arms)
            if drugs not in systems:
                systems[drugs] = self._load(drugs)
            system = systems[drugs]
            check_arms(trial, system)
            parts = [cohorts(trial, a) for a in arms]
            months = np.unique([m for r in rows for m in (r.month or 0.0, r.since, 0.0)])
            times = np.array(months_to_times(months.tolist(), time_unit=system.time_unit))
            plans = [(c.plan, dict(c.parameters)) for group in parts for c in group]
            runner = Runner(system, plans, [times] * len(plans), self.rtol)
            weights = tuple(np.array([c.weight for c in group]) for group in parts)
            made[name] = _Block(arms, weights, months, rows, runner)
        return made

    @staticmethod
    def _arms(trial: Trial, rows: Sequence[Published]) -> tuple[Arm, ...]:
        wanted = {a for r in rows for a in (r.arm, r.versus) if a}
        return tuple(a for a in trial.arms if a.name in wanted)

    def _load(self, drugs: Sequence[str]) -> System:
        bare = load(self.model, drugs=list(drugs))
        mine = {n: v for n, v in self.parameters.items() if "." not in n or n.split(".", 1)[0] in bare.components}
        return load(self.model, drugs=list(drugs), parameters=mine) if mine else bare

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """A block for each trial."""
        return tuple(
            Block(name, tuple(observation(trial, r, self.typical, self.memory) for r in rows))
            for name, (trial, rows) in self._trials.items()
        )

    def classes(self, block: str) -> tuple[RowClass, ...]:
        """Say what each row of a trial is about."""
        trial, rows = self._trials[block]
        made = []
        for r in rows:
            arms = [trial.arm(a) for a in (r.arm, r.versus if KINDS[r.kind].two_arms else "") if a]
            given, stopped = zip(*(exposure(trial, a, r.month) for a in arms), strict=True)
            made.append(
                RowClass(
                    treatment=treatment_class(trial, arms[0], r.month) or treatment(trial, arms[0], r.month),
                    given=frozenset().union(*given),
                    stopped=frozenset().union(*stopped),
                    recalled=r.confidence == "memory",
                )
            )
        return tuple(made)

    @cached_property
    def defaults(self) -> dict[str, float]:
        """Parameters of the core with every drug of the trials."""
        known: dict[str, float] = {}
        for block in self._blocks.values():
            known |= {p.name: p.value for p in block.runner.system.parameters}
        return known

    @cached_property
    def units(self) -> dict[str, str]:
        """Unit of every parameter."""
        return {p.name: p.unit for b in self._blocks.values() for p in b.runner.system.parameters}

    @property
    def model_name(self) -> str:
        """Name of the core."""
        return next(iter(self._blocks.values())).runner.system.name

    @cached_property
    def model_hash(self) -> str:
        """Hash of the core with every drug of the trials."""
        drugs = {d for trial, rows in self._trials.values() for d in drugs_of(trial, self._arms(trial, rows))}
        return load(self.model, drugs=sorted(drugs)).hash

    @cached_property
    def evidence_hash(self) -> str:
        """Hash of the rows, and of the arms they come from; not of where their files lie."""
        parts = ((t.arms, t.population, tuple(replace(r, place="") for r in rows)) for t, rows in self._trials.values())
        return diskcache.key_of(*map(repr, parts))

    @property
    def fingerprint(self) -> str:
        """Hash of model, evidence and settings."""
        settings = repr((self.memory, sorted(self.typical.items()), sorted(self.parameters.items()), self.rtol))
        more = (
            [] if self.derivatives == DERIVATIVES[0] else [self.derivatives]
        )  # keys of older fits stay what they were
        return diskcache.key_of(self.model_hash, self.evidence_hash, settings, *more)

    def uses(self, block: str, name: str) -> bool:
        """Whether a parameter can change the predictions of a trial."""
        return self._blocks[block].runner.sets(name)

    def predict(self, block: str, values: Mapping[str, float]) -> FloatArray:
        """Predictions for the rows of a trial, in percentage points or as the row has it."""
        return np.asarray(self._expressed(block, [values])[0])

    def jacobian(self, block: str, values: Mapping[str, float], names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Predictions and derivatives, as `derivatives` says."""
        used = [n for n in names if self.uses(block, n)]
        return slopes_as(
            self.derivatives,
            lambda: self._exact(block, values, names, used),
            lambda every: self._expressed(block, every),
            values,
            names,
            used,
        )

    def _exact(
        self, name: str, values: Mapping[str, float], names: Sequence[str], used: Sequence[str]
    ) -> tuple[FloatArray, FloatArray]:
        block = self._blocks[name]
        outputs, slopes = block.runner.slopes(values, used)
        column = self._columns(block)
        runs: dict[str, ArmRun] = {}
        at = 0
        for arm, weights in zip(block.arms, block.weights, strict=True):
            part = range(at, at + len(weights))
            at += len(weights)
            levels = {n: np.array([outputs[k][:, i] for k in part]) for n, i in column.items()}
            by = {n: np.array([slopes[k][:, i] for k in part]) for n, i in column.items()}
            runs[arm.name] = GradedArm(arm, block.months, weights, levels, slopes=by)
        made = [express(r, runs) * percent_of(r) for r in block.rows]
        full = np.zeros((len(made), len(names)))
        full[:, [names.index(n) for n in used]] = [slope_of(m) for m in made]
        return np.array(made, dtype=np.float64), full

    @staticmethod
    def _columns(block: _Block) -> dict[str, int]:
        """Place of every output that the rows of a block need."""
        names = block.runner.system.output_names
        return {n: names.index(n) for n in dict.fromkeys(ENDPOINTS[r.endpoint].output for r in block.rows)}

    def _expressed(self, name: str, values: Sequence[Mapping[str, float]]) -> FloatArray:
        block = self._blocks[name]
        outputs = block.runner.outputs(values)
        column = self._columns(block)
        made = np.empty((len(values), len(block.rows)))
        for v in range(len(values)):
            runs, at = {}, 0
            for arm, weights in zip(block.arms, block.weights, strict=True):
                part = outputs[at : at + len(weights)]
                at += len(weights)
                levels = {n: np.array([p[v, :, i] for p in part]) for n, i in column.items()}
                runs[arm.name] = ArmRun(arm, block.months, weights, levels)
            made[v] = [express(r, runs) * percent_of(r) for r in block.rows]
        return made


ENTRY = f"+{YEARS}"
"""Name under which a trial's entry time is shifted."""
