"""Names of a system as identifiers of another tool, one to one and always the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["C_WORDS", "identifiers", "plain", "unused"]

C_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    abs auto bool break case catch char class const continue cos default delete do double else enum exp
    extern false float for fabs goto if inline int log long max min namespace new operator pow private public
    register return short signed sin sizeof sqrt static struct switch tan tanh template this throw true try
    typedef union unsigned using virtual void volatile while
    """,
    )
)
"""Words no identifier of a C-like language may be."""


def plain(name: str, dot: str = "_") -> str:
    """Write a qualified name without its dot, and any other stranger as ``_``."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name.replace(".", dot))
    return text if text[:1].isalpha() or text[:1] == "_" else f"_{text}"


def unused(wanted: str, taken: Iterable[str]) -> str:
    """Return `wanted`, or `wanted` with the first number that makes it new."""
    known = set(taken)
    name, count = wanted, 1
    while name in known:
        count += 1
        name = f"{wanted}_{count}"
    return name


def identifiers(
    names: Iterable[str],
    reserved: Iterable[str] = (),
    *,
    dot: str = "_",
    fold: bool = False,
    adapt: Callable[[str], str] | None = None,
) -> dict[str, str]:
    """Map names to distinct identifiers.

    Parameters
    ----------
    names : iterable of str
        Names of a system, in its order; the order decides who keeps the plain form.
    reserved : iterable of str
        Words the tool keeps for itself.
    dot : str
        What stands for the dot of a qualified name.
    fold : bool
        The tool does not tell upper from lower case.
    adapt : callable, optional
        Applied to each plain form, for what only one tool forbids.

    Returns
    -------
    dict of str to str
    """

    def key(text: str) -> str:
        return text.upper() if fold else text

    taken = {key(word) for word in reserved}
    out: dict[str, str] = {}
    for name in names:
        if name in out:
            continue
        wanted = plain(name, dot)
        if adapt is not None:
            wanted = adapt(wanted)
        chosen, count = wanted, 1
        while key(chosen) in taken:
            count += 1
            chosen = f"{wanted}_{count}"
        taken.add(key(chosen))
        out[name] = chosen
    return out
