"""The exception tree, and how a message is written.

A message reads *place: what was found; what was expected; what to do*. Checks
collect every fault of a file or table in a :class:`Faults` and raise once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = [
    "BonepkError",
    "DataError",
    "Fault",
    "Faults",
    "MissingExtraError",
    "ModelTextError",
    "NotFoundError",
    "RegimenError",
    "SolverError",
    "UnitsError",
    "near",
]


@dataclass(frozen=True)
class Fault:
    """One thing wrong, where it is, and its cure.

    Parameters
    ----------
    place : str
        ``file:line [table.key]``, ``dose 3 of 'denosumab'``, ``data row 14``.
    found : str
        What was found there.
    expected : str, optional
        What was expected instead.
    cure : str, optional
        What to do.
    """

    place: str
    found: str
    expected: str = ""
    cure: str = ""

    def __str__(self) -> str:
        body = "; ".join(part for part in (self.found, self.expected, self.cure) if part)
        return f"{self.place}: {body}" if self.place else body


class BonepkError(Exception):
    """Root of every error bonepk raises on purpose.

    Parameters
    ----------
    faults : iterable of Fault or str, or str
        Everything that is wrong, in the order found.

    Attributes
    ----------
    faults : tuple of Fault
    """

    faults: tuple[Fault, ...]

    def __init__(self, faults: str | Fault | Iterable[Fault | str]) -> None:
        if isinstance(faults, (str, Fault)):
            faults = [faults]
        self.faults = tuple(f if isinstance(f, Fault) else Fault("", f) for f in faults)
        super().__init__("\n".join(str(f) for f in self.faults))

    def __reduce__(self) -> tuple[type[BonepkError], tuple[tuple[Fault, ...]]]:
        return (type(self), (self.faults,))


class ModelTextError(BonepkError, ValueError):
    """A model file, or a composition of files, is faulty."""


class UnitsError(BonepkError, ValueError):
    """A quantity has the wrong dimension or an unknown unit."""


class RegimenError(BonepkError, ValueError):
    """A plan or an event record cannot be carried out on this model."""


class DataError(BonepkError, ValueError):
    """A data table, trial file or evidence file is faulty."""


class NotFoundError(BonepkError, LookupError):
    """A name (model, drug, trial, parameter, output) is not known."""


class SolverError(BonepkError, RuntimeError):
    """An integration, steady-state search or fit stopped early."""


class MissingExtraError(BonepkError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class Faults:
    """Collects faults so that all of them are reported at once."""

    def __init__(self) -> None:
        self._items: list[Fault] = []

    def add(self, place: str, found: str, expected: str = "", cure: str = "") -> None:
        """Note one fault; a repeated identical fault is kept once."""
        fault = Fault(place, found, expected, cure)
        if fault not in self._items:
            self._items.append(fault)

    def extend(self, faults: Iterable[Fault]) -> None:
        """Note several faults."""
        for fault in faults:
            if fault not in self._items:
                self._items.append(fault)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def raise_as(self, error: type[BonepkError]) -> None:
        """Raise `error` with everything collected, or return if there is nothing."""
        if self._items:
            raise error(self._items)


def near(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the nearest known name, else an empty string."""
    candidates = list(known)
    hits = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    if not hits:  # case slips (Cl for CL) fall below the cutoff
        lowered = {c.lower(): c for c in candidates}
        hits = [lowered[name.lower()]] if name.lower() in lowered else []
    return f"did you mean '{hits[0]}'?" if hits else ""
