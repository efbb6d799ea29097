"""Typed look-up in a read TOML table: what is missing, unknown or of the wrong type becomes a located fault."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from bonepk.errors import Faults, RegimenError, near
from bonepk.model.toml_lines import Lines
from bonepk.simulate.calendar import days_of

__all__ = ["Fields"]

Path = tuple[str | int, ...]


class Fields:
    """One table of a file: gives typed values and notes every fault.

    Parameters
    ----------
    data : mapping
        The table as read.
    path : tuple
        Where the table stands in the file.
    lines : Lines
        Line numbers of the file.
    faults : Faults
        Collects what is wrong.
    """

    def __init__(self, data: Any, path: Path, lines: Lines, faults: Faults) -> None:
        self.path = path
        self.lines = lines
        self.faults = faults
        self._seen: set[str] = set()
        self.data: Mapping[str, Any] = {}
        if isinstance(data, dict):
            self.data = data
        else:
            self._wrong(path, data, "a table")

    def place(self, *inner: str | int) -> str:
        """``file:line [table.key]`` of a key of this table."""
        return self.lines.place((*self.path, *inner))

    def _wrong(self, path: Path, found: Any, expected: str) -> None:
        self.faults.add(self.lines.place(path), f"found {_shown(found)}", f"expected {expected}")

    def _get(self, key: str, required: bool) -> Any:
        self._seen.add(key)
        if key in self.data:
            return self.data[key]
        if required:
            self.faults.add(self.place(), f"no '{key}'", cure=f"add {key} = ...")
        return None

    def text(self, key: str, required: bool = False) -> str:
        """Look up a string, empty if there is none."""
        value = self._get(key, required)
        if value is None:
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            self._wrong((*self.path, key), value, "text in quotes")
            return ""
        return value

    def number(self, key: str, required: bool = False, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Look up a finite number within bounds, or None."""
        value = self._get(key, required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self._wrong((*self.path, key), value, "a finite number")
            return None
        if not low <= value <= high:
            bound = f"at least {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
            self._wrong((*self.path, key), value, bound)
            return None
        return float(value)

    def whole(self, key: str, required: bool = False, low: int = 1) -> int | None:
        """Look up a whole number, or None."""
        value = self._get(key, required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            self._wrong((*self.path, key), value, f"a whole number of at least {low}")
            return None
        return value

    def flag(self, key: str) -> bool:
        """Look up a boolean, false if there is none."""
        value = self._get(key, False)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._wrong((*self.path, key), value, "true or false")
        return False

    def duration(self, key: str, required: bool = False) -> float | None:
        """Look up a duration in days, or None."""
        value = self._get(key, required)
        if value is None:
            return None
        if isinstance(value, str):
            with contextlib.suppress(RegimenError):
                return days_of(value)
        self._wrong((*self.path, key), value, 'a duration such as "6 months", "1 day" or "15 minutes"')
        return None

    def choice(self, key: str, known: Iterable[str], what: str, required: bool = False) -> str:
        """One of some names; a misspelt one is noted with its near miss."""
        value = self.text(key, required)
        known = list(known)
        if value and value not in known:
            cure = near(value, known) or "one of " + ", ".join(known)
            self.faults.add(self.place(key), f"unknown {what} '{value}'", cure)
            return ""
        return value

    def raw(self, key: str) -> Any:
        """Look up a value as it stands, or None."""
        return self._get(key, False)

    def texts(self, key: str) -> tuple[str, ...]:
        """Look up a list of strings."""
        value = self._get(key, False)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self._wrong((*self.path, key), value, "a list of texts")
            return ()
        return tuple(value)

    def numbers(self, key: str, required: bool = False) -> tuple[float, ...]:
        """Read a list of finite numbers."""
        value = self._get(key, required)
        if value is None:
            return ()
        good = isinstance(value, list) and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in value
        )
        if not good:
            self._wrong((*self.path, key), value, "a list of finite numbers")
            return ()
        return tuple(float(v) for v in value)

    def table(self, key: str, required: bool = False) -> Fields:
        """Open a table inside this one; an empty one if there is none."""
        value = self._get(key, required)
        return Fields({} if value is None else value, (*self.path, key), self.lines, self.faults)

    def tables(self, key: str, required: bool = False) -> list[Fields]:
        """Open a list of tables inside this one."""
        value = self._get(key, required)
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong((*self.path, key), value, "a list of tables")
            return []
        return [Fields(item, (*self.path, key, i), self.lines, self.faults) for i, item in enumerate(value)]

    def close(self) -> None:
        """Note every key that nobody asked for."""
        for key in self.data:
            if key not in self._seen:
                cure = near(key, self._seen) or "known here: " + ", ".join(sorted(self._seen))
                self.faults.add(self.place(key), f"unknown key '{key}'", cure)


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
