"""One door to every format, and files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bonepk.errors import DataError, Fault, NotFoundError, RegimenError, near
from bonepk.model.system import System

if TYPE_CHECKING:
    from bonepk.simulate.plan import Plan

__all__ = ["FORMATS", "export", "export_command", "import_model", "write_export", "write_whole"]

FORMATS = ("sbml", "mrgsolve", "rxode2", "nonmem", "latex", "markdown")
"""What a model can be written as; a calibration problem becomes PEtab through `to_petab`."""


def export(system: System, to: str, *, plan: Plan | None = None, label: str = "", estimate: Sequence[str] = ()) -> str:
    """Write a system as text of another tool.

    Parameters
    ----------
    system : System
    to : {"sbml", "mrgsolve", "rxode2", "nonmem", "latex", "markdown"}
    plan : Plan, optional
        Doses and switches; only SBML can hold them.
    label : str
        Name of the parameter set, for the head of the text.
    estimate : sequence of str
        Parameters that become THETA (NONMEM).

    Returns
    -------
    str
        The same text in every process.

    Raises
    ------
    NotFoundError
        If the format or a name is not known.
    RegimenError
        If a plan is given to a format that cannot hold it, or does not fit the model.
    ModelTextError
        If the format cannot say what the model says.
    """
    if to not in FORMATS:
        cure = near(to, FORMATS) or f"known are {', '.join(FORMATS)}"
        raise NotFoundError(Fault("export", f"no format '{to}'", "", cure))
    if plan and to != "sbml":
        raise RegimenError(Fault(f"{to} export", "a plan", "a data set of the tool", "export the plan as sbml"))
    if to == "sbml":
        from bonepk.interop.sbml_write import to_sbml

        return to_sbml(system, plan)
    if to == "mrgsolve":
        from bonepk.interop.mrgsolve import to_mrgsolve

        return to_mrgsolve(system, label)
    if to == "rxode2":
        from bonepk.interop.rxode2 import to_rxode2

        return to_rxode2(system, label)
    if to == "nonmem":
        from bonepk.interop.nonmem_model import to_nonmem

        return to_nonmem(system, label, estimate)
    return _page(system, to, label)


def _page(system: System, to: str, label: str) -> str:
    from bonepk.interop.code_text import header
    from bonepk.model.describe import show

    begin, end = ("%", "") if to == "latex" else ("<!--", " -->")
    head = [line + end for line in header(system, begin, label)]
    return "\n".join([*head, "", show(system, to).rstrip("\n")]) + "\n"


def write_whole(text: str, path: str | Path) -> Path:
    """Write a text file so that it is either whole or unchanged.

    Raises
    ------
    DataError
        If the folder cannot be written to.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            temporary.chmod(0o644)
            temporary.replace(target)
        except BaseException:
            temporary.unlink()
            raise
    except OSError as error:
        raise DataError(
            Fault(str(target), f"cannot be written ({error.strerror})", "", "choose another path")
        ) from None
    return target


def write_export(
    system: System,
    to: str,
    path: str | Path,
    *,
    plan: Plan | None = None,
    label: str = "",
    estimate: Sequence[str] = (),
) -> Path:
    """Write `export` into a file; nothing is written if it fails."""
    return write_whole(export(system, to, plan=plan, label=label, estimate=estimate), path)


def export_command(
    system: System, to: str, out: str | Path | None = None, *, label: str = "", problem: Any = None
) -> str:
    """Do what ``bonepk model export`` does.

    Parameters
    ----------
    system : System
    to : str
        One of `FORMATS`, or ``"petab"``.
    out : str or Path, optional
        The file to write (for PEtab the folder); by default the text is returned.
    label : str
        Name of the parameter set.
    problem : bonepk.infer.problem.Problem, optional
        The calibration problem that becomes PEtab.

    Returns
    -------
    str
        What to print: the text, or where it was written.

    Raises
    ------
    DataError
        If PEtab is asked for without a problem or a folder, or something cannot be written.
    NotFoundError
        If the format is not known.
    """
    if to == "petab":
        if problem is None or out is None:
            found = "no calibration problem" if problem is None else "no folder to write to"
            cure = "--problem FILE.toml --out FOLDER; a model alone is written with --to sbml"
            raise DataError(Fault("petab export", found, "", cure))
        from bonepk.interop.petab_text import problem_files, write_petab

        return str(write_petab(problem_files(problem), out))
    text = export(system, to, label=label)
    return text if out is None else str(write_whole(text, out))


def import_model(
    source: str | Path,
    path: str | Path,
    *,
    time_unit: str = "",
    without_events: Sequence[str] = (),
    flags: str = "as written",
) -> tuple[str, ...]:
    """Turn an SBML file into a model file that `bonepk.load` reads.

    Parameters
    ----------
    source : str or Path
        SBML file.
    path : str or Path
        The model file to write (``.toml``).
    time_unit, without_events, flags
        As for `bonepk.interop.read_sbml`.

    Returns
    -------
    tuple of str
        What a reader should know.

    Raises
    ------
    ModelTextError
        With everything that cannot be carried exactly; then nothing is written.
    """
    from bonepk.interop.sbml_import import read_sbml
    from bonepk.model.compose import compose
    from bonepk.model.text import read_component_text

    found = read_sbml(source, time_unit=time_unit, without_events=without_events, flags=flags, doses=False)
    compose(read_component_text(found.text, Path(path).stem))  # what is written must load
    write_whole(found.text, path)
    plan = (f"the plan in the file is no part of a model file: {found.plan!r}",) if found.plan else ()
    return (*found.remarks, *plan)
