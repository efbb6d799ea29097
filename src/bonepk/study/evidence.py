"""Published trials as values: what a file of ``validation/trials`` says, once read.

The numbers are the publications' own; nothing here has been fitted or smoothed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bonepk.errors import Fault, NotFoundError, near
from bonepk.simulate.plan import Plan
from bonepk.study.endpoints import ENDPOINTS, KINDS

__all__ = [
    "Arm",
    "Citation",
    "Population",
    "Row",
    "Spread",
    "Stratum",
    "Trial",
    "evidence_folder",
    "load_trial",
    "trial_names",
]


NO_PLAN = Plan()


@dataclass(frozen=True)
class Citation:
    """Where a number was published, and where it was read."""

    key: str
    text: str
    doi: str = ""
    found_at: str = ""

    def __str__(self) -> str:
        return f"{self.text}, doi:{self.doi}" if self.doi else self.text


@dataclass(frozen=True)
class Spread:
    """Bounds around a value.

    `type` is ``ci95`` or ``se`` (uncertainty of the mean), ``sd`` (between women) or ``range`` (as stated).
    """

    type: str
    low: float
    high: float

    @property
    def of_mean(self) -> bool:
        """Whether the bounds say how well the mean is known."""
        return self.type in {"ci95", "se"}


@dataclass(frozen=True)
class Row:
    """One published number.

    `arm`, `versus` and `month` are empty where the publication does not say. `since` is the month a change is counted
    from (0: the baseline, before calcium and vitamin D begin). A row with `not_scored` is shown beside the prediction
    but enters no summary.
    """

    endpoint: str
    kind: str
    value: float
    unit: str
    cite: str
    confidence: str
    arm: str = ""
    versus: str = ""
    month: float | None = None
    since: float = 0.0
    spread: Spread | None = None
    n: int | None = None
    note: str = ""
    not_scored: str = ""
    place: str = field(default="", compare=False)

    @property
    def obstacle(self) -> str:
        """Why no model output predicts this number, or an empty string."""
        if not ENDPOINTS[self.endpoint].output or not KINDS[self.kind].computed:
            return "not predicted yet"
        if not self.arm:
            return "no single arm"
        if self.month is None:
            return "the time is not stated"
        return ""


@dataclass(frozen=True)
class Stratum:
    """A part of an arm or of the whole population that is simulated on its own."""

    weight: float
    label: str
    plan: Plan = NO_PLAN
    years_since_fmp: float | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """A randomised arm, or a group that is followed."""

    name: str
    label: str
    n: int | None = None
    plan: Plan = NO_PLAN
    strata: tuple[Stratum, ...] = ()
    years_since_fmp: float | None = None
    not_simulated: str = ""
    note: str = ""


@dataclass(frozen=True)
class Population:
    """Who took part, and what every arm had in common."""

    description: str
    years_since_fmp: float
    years_source: str
    years_note: str
    n: int | None = None
    prior: str = ""
    approximations: tuple[str, ...] = ()
    background: Plan = NO_PLAN
    strata: tuple[Stratum, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A published trial: arms, what they were given, and every number with its citation."""

    name: str
    title: str
    year: int
    design: str
    citations: Mapping[str, Citation]
    population: Population
    arms: tuple[Arm, ...]
    rows: tuple[Row, ...]
    overlaps: tuple[str, ...] = ()
    path: str = field(default="", compare=False)

    def arm(self, name: str) -> Arm:
        """Look up an arm by name."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        known = [a.name for a in self.arms]
        raise NotFoundError(
            Fault(f"trial '{self.name}'", f"unknown arm '{name}'", near(name, known) or f"one of {', '.join(known)}")
        )


def evidence_folder() -> Path:
    """Folder of the evidence: inside an installed wheel, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "_data" / "validation"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "validation"


def trial_names() -> tuple[str, ...]:
    """Names of the trials that come with bonepk, in alphabetical order."""
    return tuple(sorted(p.stem for p in (evidence_folder() / "trials").glob("*.toml")))


def load_trial(name: str | Path) -> Trial:
    """Read a trial by name, or from a file.

    Parameters
    ----------
    name : str or Path
        A name from `trial_names`, or a path to a ``.toml`` file.

    Raises
    ------
    NotFoundError
        If there is no such trial.
    DataError
        If the file is faulty; the message lists every fault with file and line.
    """
    from bonepk.study.trial_text import read_trial

    path = Path(name)
    if path.suffix != ".toml":
        path = evidence_folder() / "trials" / f"{name}.toml"
        if not path.is_file():
            cure = near(str(name), trial_names()) or "'bonepk trials' lists them"
            raise NotFoundError(Fault("trial", f"unknown trial '{name}'", cure))
    return read_trial(path)
