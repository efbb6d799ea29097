"""TOML with line numbers: every fault found later can say where it stands.

`tomllib` reads the values; a second, lenient pass over the same text notes the line of every
key, which `tomllib` does not keep.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bonepk.errors import BonepkError, Fault, ModelTextError

__all__ = ["MAX_BYTES", "Lines", "read_toml", "shown_path"]

MAX_BYTES = 5_000_000
"""Largest file that is opened."""

Key = tuple[str | int, ...]


class Lines:
    """Where each key of a TOML text stands.

    Parameters
    ----------
    file : str
        Name for messages.
    table : mapping of key path to line number
        A key path holds table and key names, and positions for arrays of tables.
    """

    def __init__(self, file: str, table: Mapping[Key, int]) -> None:
        self.file = file
        self._table = table

    def of(self, path: Sequence[str | int]) -> int:
        """Line (from 1) of a key, or of the nearest table above it; 1 if there is none."""
        key = tuple(path)
        if key not in self._table:  # a dotted name may stand as keys of its own
            parts = (part.split(".") if isinstance(part, str) else [part] for part in key)
            dotted: Key = tuple(name for part in parts for name in part)
            key = dotted if dotted in self._table else key
        while key:
            if key in self._table:
                return self._table[key]
            key = key[:-1]
        return 1

    def place(self, path: Sequence[str | int] = ()) -> str:
        """``file:line [table.key]`` for a message."""
        inside = ""
        for part in path:
            inside += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if inside else part
        return f"{self.file}:{self.of(path)} [{inside}]" if inside else f"{self.file}:{self.of(path)}"


def shown_path(path: str | Path) -> str:
    """Path as a message shows it: relative to the working folder when inside it."""
    full = Path(path).absolute()
    try:
        return full.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return full.as_posix()


def read_toml(
    source: str | Path, *, file: str | None = None, error: type[BonepkError] = ModelTextError
) -> tuple[dict[str, Any], Lines]:
    """Read TOML from a file, or from text when `file` names what the text is.

    Parameters
    ----------
    source : Path or str
        Path of a file; or the text itself if `file` is given.
    file : str, optional
        Name of the text for messages.
    error : type, optional
        Class to raise.

    Returns
    -------
    dict
        What `tomllib` reads.
    Lines
        Where every key stands.

    Raises
    ------
    ModelTextError (or `error`)
        If the file cannot be read, or is not TOML; the message has file and line.
    """
    if file is None:
        file = shown_path(source)
        text = _text_of(Path(source), file, error)
    else:
        text = str(source)
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise error(_located(str(problem), file, text)) from None
    except RecursionError:
        raise error(Fault(file, "brackets nested too deep", cure="model text needs no nested lists")) from None
    except ValueError as problem:  # an integer beyond what Python will convert
        raise error(Fault(file, f"not readable as TOML: {problem}")) from None
    scanner = _Scanner(text)
    scanner.run()
    return data, Lines(file, scanner.table)


def _text_of(path: Path, file: str, error: type[BonepkError]) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise error(Fault(file, f"file of {size} bytes", f"at most {MAX_BYTES}"))
        raw = path.read_bytes()
    except OSError as problem:
        raise error(Fault(file, f"cannot be read ({problem.strerror})", cure="check path and permission")) from None
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        raise error(Fault(f"{file}:{line}", "not UTF-8 text", cure="save the file as UTF-8")) from None


def _located(message: str, file: str, text: str) -> Fault:
    """Turn a message of tomllib into a fault with a line."""
    if match := re.search(r" \(at line (\d+), column (\d+)\)", message):
        line = int(match.group(1))
        found = message.replace(match.group(0), "")
    else:
        line = text.count("\n") + 1
        found = re.sub(r" \(at end of document\)", " at the end of the file", message)
    found = found.rstrip(".").replace("\n", "\\n")
    found = found[:1].lower() + found[1:]
    cures = {
        "cannot overwrite": "the same name is given twice; remove one",
        "cannot declare": "the same table stands twice; join the two",
        "unescaped": "a backslash needs doubling, or use '...' quotes",
        "invalid value": "put text and expressions in quotes",
        "expected '=' after a key": "write name = value",
        "unclosed array": "add the missing ']'",
        "unclosed inline table": "add the missing '}'; an inline table stays on one line",
        "unterminated string": "add the missing quote",
    }
    cure = next((c for start, c in cures.items() if start in found.lower()), "")
    return Fault(f"{file}:{line}", f"not TOML: {found}", cure=cure)


_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:"(?P<basic>(?:[^"\\\n]|\\.)*)"|'(?P<literal>[^'\n]*)'|(?P<bare>[A-Za-z0-9_-]+))[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""+' r"|'''.*?'''+" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]\}\s#]+(?: [0-9][^,\]\}\s#]*)?")


class _Scanner:
    """Walks text that tomllib has accepted; on anything odd it stops with what it has."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.table: dict[Key, int] = {}
        self._at = 0
        self._line = 1
        self._counted = 0
        self._arrays: dict[Key, int] = {}

    def run(self) -> None:
        prefix: Key = ()
        try:
            while True:
                self._skip(_SPACE)
                if self._at >= len(self.text):
                    return
                if self.text[self._at] == "[":
                    prefix = self._header()
                else:
                    self._pair(prefix)
        except (_StopError, RecursionError):
            return

    def _line_here(self) -> int:
        self._line += self.text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self._at)
        if match is None:
            raise _StopError
        self._at = match.end()
        return match.group()

    def _name(self) -> tuple[str, ...]:
        names: list[str] = []
        while True:
            match = _KEY.match(self.text, self._at)
            if match is None:
                raise _StopError
            self._at = match.end()
            name = match.group(match.lastgroup or 0)
            names.append(_unescape(name) if match.lastgroup == "basic" else name)
            if self.text[self._at : self._at + 1] != ".":
                return tuple(names)
            self._at += 1

    def _resolve(self, names: tuple[str, ...]) -> Key:
        """Insert the current position into every array of tables on the way."""
        key: Key = ()
        for name in names:
            key = (*key, name)
            if key in self._arrays:
                key = (*key, self._arrays[key])
        return key

    def _header(self) -> Key:
        line = self._line_here()
        double = self.text.startswith("[[", self._at)
        self._at += 2 if double else 1
        names = self._name()
        self._at += 2 if double else 1
        if double:
            stem = (*self._resolve(names[:-1]), names[-1])
            self._arrays[stem] = self._arrays.get(stem, -1) + 1
            self.table.setdefault(stem, line)
            key: Key = (*stem, self._arrays[stem])
        else:
            key = self._resolve(names)
        self._note(key, line)
        return key

    def _note(self, key: Key, line: int) -> None:
        self.table.setdefault(key, line)
        for n in range(1, len(key)):
            self.table.setdefault(key[:n], line)

    def _pair(self, prefix: Key) -> None:
        line = self._line_here()
        key = (*prefix, *self._name())
        self._note(key, line)
        if self.text[self._at : self._at + 1] != "=":
            raise _StopError
        self._at += 1
        self._value(key)

    def _value(self, key: Key) -> None:
        self._skip(_SPACE)
        first = self.text[self._at : self._at + 1]
        if first in {'"', "'"}:
            self._skip(_STRING)
        elif first == "[":
            self._at += 1
            self._items(key)
        elif first == "{":
            self._at += 1
            self._inline(key)
        else:
            self._skip(_PLAIN)

    def _items(self, key: Key) -> None:
        position = 0
        while True:
            self._skip(_SPACE)
            if self.text.startswith("]", self._at):
                self._at += 1
                return
            item = (*key, position)
            self.table.setdefault(item, self._line_here())
            self._value(item)
            position += 1
            self._skip(_SPACE)
            if self.text.startswith(",", self._at):
                self._at += 1

    def _inline(self, key: Key) -> None:
        while True:
            self._skip(_SPACE)
            if self.text.startswith("}", self._at):
                self._at += 1
                return
            self._pair(key)
            self._skip(_SPACE)
            if self.text.startswith(",", self._at):
                self._at += 1


class _StopError(Exception):
    pass


def _unescape(name: str) -> str:
    if "\\" not in name:
        return name
    import tomllib

    return next(iter(tomllib.loads(f'"{name}" = 0')))
