"""What people say of single rows, kept as data: causes of misfits, and rows shown together by name.

``validation/misfits.toml`` and ``validation/comparisons.toml``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonepk.errors import DataError, Faults, near
from bonepk.model.toml_lines import read_toml
from bonepk.study.choice import RowChoice, choice_fields
from bonepk.study.endpoints import ENDPOINTS
from bonepk.study.evidence import Trial, evidence_folder, trial_names
from bonepk.study.fields import Fields
from bonepk.study.predict import RowResult

__all__ = ["Comparison", "Fact", "Misfit", "check_remarks", "read_comparisons", "read_misfits", "why_of"]

DIRECTIONS = ("low", "high")
FACTS = ("value", "peak")


@dataclass(frozen=True, kw_only=True)
class Misfit(RowChoice):
    """What is thought to cause the error of some rows.

    `predicted` says which way the sentence explains: the prediction is ``low`` or ``high`` against the published
    number; empty for both. `guess` marks a sentence nobody has checked.
    """

    why: str
    predicted: str = ""
    guess: bool = False
    place: str = ""

    def explains(self, result: RowResult) -> bool:
        """Whether the sentence is about this row and about an error of this sign."""
        if not self.holds_for(result.trial, result.row):
            return False
        error = result.error
        return not self.predicted or error is None or (error < 0) == (self.predicted == "low")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A number read off the simulated course of an arm, as percent change from day 0.

    `kind` is ``value`` (at month `at`) or ``peak`` (the highest between months `at` and `until`).
    """

    trial: str
    arm: str
    endpoint: str
    kind: str
    at: float
    until: float | None = None
    label: str = ""
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Rows, and facts beside them, that are shown together."""

    title: str
    note: str = ""
    rows: tuple[RowChoice, ...] = ()
    facts: tuple[Fact, ...] = ()
    places: tuple[str, ...] = ()


def read_misfits(source: str | Path | None = None, *, file: str | None = None) -> tuple[Misfit, ...]:
    """Read the sentences on misfits.

    Parameters
    ----------
    source : Path or str, optional
        Path of a file, or its text if `file` is given; by default the file that comes with bonepk.
    file : str, optional
        Name of the text for messages.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    top, faults = _open(source, file, "misfits.toml")
    found = []
    for one in top.tables("misfits"):
        chosen = choice_fields(one, trial_names())
        found.append(
            Misfit(
                **chosen,
                why=one.text("why", required=True),
                predicted=one.choice("predicted", DIRECTIONS, "direction"),
                guess=one.flag("guess"),
                place=one.place(),
            )
        )
        one.close()
    top.close()
    faults.raise_as(DataError)
    return tuple(found)


def read_comparisons(source: str | Path | None = None, *, file: str | None = None) -> tuple[Comparison, ...]:
    """Read the named comparisons; parameters and faults as for `read_misfits`."""
    top, faults = _open(source, file, "comparisons.toml")
    found = []
    for one in top.tables("comparisons"):
        rows, facts, places = [], [], []
        for chosen in one.tables("rows"):
            rows.append(RowChoice(**choice_fields(chosen, trial_names())))
            places.append(chosen.place())
            chosen.close()
        for fact in one.tables("facts"):
            facts.append(_fact(fact))
            fact.close()
        title = one.text("title", required=True)
        found.append(
            Comparison(title=title, note=one.text("note"), rows=tuple(rows), facts=tuple(facts), places=tuple(places))
        )
        if not rows and not facts:
            faults.add(one.place(), f"comparison '{title}' has neither rows nor facts", cure="add rows or facts")
        one.close()
    top.close()
    faults.raise_as(DataError)
    return tuple(found)


def check_remarks(trials: Mapping[str, Trial], misfits: Sequence[Misfit], comparisons: Sequence[Comparison]) -> None:
    """Raise if a sentence or a comparison is about no row of the trials given; other trials are passed over.

    Raises
    ------
    DataError
        With every one of them.
    """
    faults = Faults()
    chosen: list[tuple[str, RowChoice]] = [(m.place, m) for m in misfits]
    for comparison in comparisons:
        chosen += zip(comparison.places, comparison.rows, strict=True)
        for fact in comparison.facts:
            arms = [a.name for a in trials[fact.trial].arms] if fact.trial in trials else [fact.arm]
            if fact.arm not in arms:
                cure = near(fact.arm, arms) or f"one of {', '.join(arms)}"
                faults.add(fact.place, f"no arm '{fact.arm}' in '{fact.trial}'", cure=cure)
    for place, one in chosen:
        if one.trial in trials and not one.matches(trials[one.trial]):
            faults.add(place, f"no row of '{one.trial}' matches", cure="check arm, versus, endpoint, kind and month")
    faults.raise_as(DataError)


def why_of(result: RowResult, misfits: Collection[Misfit]) -> str:
    """Sentence on a row, the first that explains it; empty if there is none. A guess says that it is one."""
    for one in misfits:
        if one.explains(result):
            return f"guess: {one.why}" if one.guess else one.why
    return ""


def _open(source: str | Path | None, file: str | None, name: str) -> tuple[Fields, Faults]:
    data, lines = read_toml(evidence_folder() / name if source is None else source, file=file, error=DataError)
    faults = Faults()
    return Fields(data, (), lines, faults), faults


def _fact(one: Fields) -> Fact:
    kind = one.choice("kind", FACTS, "kind of fact", required=True)
    fact = Fact(
        trial=one.choice("trial", trial_names(), "trial", required=True),
        arm=one.text("arm", required=True),
        endpoint=one.choice("endpoint", [e.name for e in ENDPOINTS.values() if e.output], "endpoint", required=True),
        kind=kind,
        at=one.number("at", required=True, low=0) or 0.0,
        until=one.number("until", required=kind == "peak", low=0),
        label=one.text("label"),
        place=one.place(),
    )
    if fact.until is not None and fact.until <= fact.at:
        one.faults.add(
            one.place("until"), f"until {fact.until:g} is not after at {fact.at:g}", cure="give a later month"
        )
    return fact
