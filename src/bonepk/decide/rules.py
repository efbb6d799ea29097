"""Guidelines as values: topics, the branches of each in printed order, and the gaps between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bonepk.decide.logic import Condition, RiskList
from bonepk.errors import Fault, NotFoundError, near
from bonepk.study.evidence import Citation, evidence_folder

__all__ = ["OUTCOMES", "Advice", "Agent", "Entry", "Guideline", "Limit", "Topic", "guideline_names", "load_guideline"]

OUTCOMES: dict[str, str] = {
    "treat": "bone treatment is indicated",
    "consider": "bone treatment may be considered",
    "discuss": "to be discussed with her",
    "observe": "no bone treatment now; look again",
    "measure": "a measurement comes first",
    "use": "these drugs",
    "follow_on": "another bone drug must follow",
    "wait": "not yet",
    "adjust": "at another dose",
    "hold": "not until something is put right",
    "caution": "with extra care",
    "reassess": "weigh again whether to go on",
    "allowed": "no objection",
    "never": "not to be given",
    "not_recommended": "not recommended",
}
"""What a branch can say, in words."""


@dataclass(frozen=True)
class Advice:
    """Something said to everyone the guideline is for."""

    say: str
    cite: str
    confidence: str


@dataclass(frozen=True)
class Agent:
    """A drug at a dose.

    Attributes
    ----------
    name : str
        As branches refer to it.
    drug, dose : str
        Name in the model library if it is there, and amount with unit.
    interval : float
        Days between doses; 0 for a single dose.
    over : float
        Days of an infusion.
    route : str
        Needed only where a drug has several.
    note, cite, confidence : str
    """

    name: str
    drug: str
    dose: str
    interval: float
    over: float
    route: str
    note: str
    cite: str
    confidence: str


@dataclass(frozen=True)
class Limit:
    """A number a plan is held to, in a unit, with its source."""

    name: str
    value: float
    unit: str
    note: str
    cite: str
    confidence: str


@dataclass(frozen=True)
class Entry:
    """A branch of a rule, or a gap that its print leaves.

    Attributes
    ----------
    name : str
    gap : str
        Empty for a branch; ``printed`` if the source itself leaves the case open, ``record`` if what was at hand of
        the source does.
    when : Condition
    outcome : str
        A key of `OUTCOMES`. Of a gap: what bonepk's reading would be, empty for none. Never passed off as printed.
    say, why : str
        What to do, and the reason; of a gap: the reading, and what is open.
    agents : tuple of str
    repeat_dxa : tuple of float, or None
        Months to the next scan, least and most.
    dose : str
        Dose of the drug the topic is about.
    cite, locator, confidence : str
    place : str
        Where it stands.
    """

    name: str
    gap: str
    when: Condition
    outcome: str
    say: str
    why: str
    agents: tuple[str, ...] = ()
    repeat_dxa: tuple[float, float] | None = None
    dose: str = ""
    cite: str = ""
    locator: str = ""
    confidence: str = ""
    place: str = field(default="", compare=False)


@dataclass(frozen=True)
class Topic:
    """One question a guideline answers: the first entry that holds is the answer, gaps after all branches."""

    name: str
    title: str
    applies: Condition
    branches: tuple[Entry, ...]
    gaps: tuple[Entry, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Branches, then gaps."""
        return self.branches + self.gaps


@dataclass(frozen=True)
class Guideline:
    """A guideline, or a set of limits on dosing; `year` is 0 where its text bears none."""

    name: str
    title: str
    year: int
    kind: str
    about: str
    notes: tuple[str, ...]
    citations: Mapping[str, Citation]
    applies: Condition
    lists: Mapping[str, RiskList]
    agents: Mapping[str, Agent]
    limits: Mapping[str, Limit]
    advice: tuple[Advice, ...]
    topics: tuple[Topic, ...]
    path: str = field(default="", compare=False)

    @property
    def heading(self) -> str:
        """Title with its year."""
        return f"{self.title} ({self.year or 'undated'})"

    def topic(self, name: str) -> Topic:
        """Look up a topic by name."""
        for topic in self.topics:
            if topic.name == name:
                return topic
        known = [t.name for t in self.topics]
        raise NotFoundError(
            Fault(f"guideline '{self.name}'", f"no topic '{name}'", near(name, known) or f"one of {', '.join(known)}")
        )


def _folder() -> Path:
    return evidence_folder() / "guidelines"


def guideline_names(kind: str = "guideline") -> tuple[str, ...]:
    """Names of the guidelines (or of another `kind`: ``limits``) that come with bonepk, in alphabetical order."""
    return tuple(p.stem for p in sorted(_folder().glob("*.toml")) if load_guideline(p.stem).kind == kind)


_READ: dict[tuple[str, int, int, bool], Guideline] = {}


def load_guideline(name: str | Path) -> Guideline:
    """Read a guideline by name, or from a file; an unchanged file is read once.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    DataError
        If the file is faulty; the message lists every fault with file and line.
    """
    from bonepk.decide.rule_text import read_guideline

    path = Path(name)
    shipped = path.suffix != ".toml"
    if shipped:
        path = _folder() / f"{name}.toml"
        if not path.is_file():
            known = [p.stem for p in sorted(_folder().glob("*.toml"))]
            cure = near(str(name), known) or f"one of {', '.join(known)}"
            raise NotFoundError(Fault("guideline", f"unknown guideline '{name}'", cure))
    if not path.is_file():
        return read_guideline(path)  # raises with the reason
    about = path.stat()
    key = (str(path.absolute()), about.st_mtime_ns, about.st_size, shipped)
    if key not in _READ:
        _READ[key] = read_guideline(path, cases=not shipped)  # the tests try the cases of those that ship
    return _READ[key]
