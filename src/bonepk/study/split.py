"""Which trials the model was fitted to, which it predicts, and which are not used: ``validation/split.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bonepk.errors import DataError, Faults, near
from bonepk.model.toml_lines import Lines, read_toml
from bonepk.study.choice import RowChoice, choice_fields
from bonepk.study.evidence import Row, Trial, evidence_folder
from bonepk.study.fields import Fields

__all__ = ["USES", "RowUse", "Split", "check_split", "read_split"]

USES = ("calibration", "prediction", "not_used")
"""What a trial may be used for."""


@dataclass(frozen=True, kw_only=True)
class RowUse(RowChoice):
    """Rows of a trial that are used otherwise than the trial."""

    use: str
    why: str


@dataclass(frozen=True)
class Split:
    """The split as read.

    `why` says for each trial why it is where it is; `held_out` names the predicted trials that a rule fixed before any
    fit; `left_out` names published sources that are not encoded at all.
    """

    use: Mapping[str, str]
    why: Mapping[str, str]
    exceptions: tuple[RowUse, ...] = ()
    rules: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    held_out: tuple[str, ...] = ()
    lines: Lines | None = field(default=None, compare=False, repr=False)

    def of(self, trial: str, row: Row) -> str:
        """Use of one row; ``unlisted`` for a trial that is not in the split."""
        for one in self.exceptions:
            if one.holds_for(trial, row):
                return one.use
        return self.use.get(trial, "unlisted")


def read_split(source: str | Path | None = None, *, file: str | None = None) -> Split:
    """Read the split.

    Parameters
    ----------
    source : Path or str, optional
        Path of a file, or its text if `file` is given; by default the split that comes with bonepk.
    file : str, optional
        Name of the text for messages.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    data, lines = read_toml(evidence_folder() / "split.toml" if source is None else source, file=file, error=DataError)
    faults = Faults()
    top = Fields(data, (), lines, faults)
    use: dict[str, str] = {}
    why: dict[str, str] = {}
    for section in USES:
        table = top.table(section, required=True)
        for trial in table.data:
            if trial in use:
                faults.add(table.place(trial), f"'{trial}' also stands under [{use[trial]}]", cure="keep one")
            use[trial], why[trial] = section, table.text(trial, required=True)
    exceptions = []
    for one in top.tables("rows"):
        chosen = choice_fields(one, use)
        use_of_rows = one.choice("use", USES, "use", required=True)
        exceptions.append(RowUse(**chosen, use=use_of_rows, why=one.text("why", required=True)))
        one.close()
    left = top.table("left_out")
    left_out = {name: left.text(name, required=True) for name in left.data}
    rules, held_out = top.texts("rules"), top.texts("held_out")
    for name in held_out:
        if use.get(name) != "prediction":
            cure = near(name, [n for n, u in use.items() if u == "prediction"]) or "add it under [prediction]"
            faults.add(top.place("held_out"), f"'{name}' is held out, but does not stand under [prediction]", cure=cure)
    top.close()
    faults.raise_as(DataError)
    return Split(use, why, tuple(exceptions), rules, left_out, held_out, lines)


def check_split(split: Split, trials: Mapping[str, Trial]) -> None:
    """Raise if the split and the trials do not fit together.

    Every trial stands in the split and the other way round, every exception meets a row, and no trial that is predicted
    shares women with one the model was fitted to.

    Raises
    ------
    DataError
        With everything that does not fit.
    """
    faults = Faults()
    lines = split.lines or Lines("split", {})
    for name, use in split.use.items():
        if name not in trials:
            faults.add(lines.place((use, name)), f"no trial '{name}'", near(name, trials))
    for name, trial in trials.items():
        if name not in split.use:
            faults.add(lines.place(), f"trial '{name}' is not in the split", cure=f"add it under {', '.join(USES)}")
        for other in trial.overlaps:
            if other not in trials:
                faults.add(trial.path, f"overlaps with unknown trial '{other}'", near(other, trials))
            elif {split.use.get(name), split.use.get(other)} == {"calibration", "prediction"}:
                found = f"'{name}' and '{other}' share women, and one is fitted, the other predicted"
                faults.add(lines.place((split.use[name], name)), found, cure="move one to [not_used]")
    for i, one in enumerate(split.exceptions):
        if one.trial in trials and not one.matches(trials[one.trial]):
            faults.add(
                lines.place(("rows", i)), f"no row of '{one.trial}' matches", cure="check arm, endpoint and month"
            )
    faults.raise_as(DataError)
