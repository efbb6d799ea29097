"""Random numbers by name and by person: the same for a person whoever else is drawn, in whatever order.

A counter-based generator (Philox) is opened at the place a person owns in the stream of a name. So numbers do not
depend on how people are cut into chunks, on the number of workers, or on which other traits are drawn.
"""

from __future__ import annotations

import hashlib
from typing import NewType

import numpy as np
from numpy.typing import NDArray

__all__ = ["Key", "key_of", "normals", "uniforms"]

F8 = NDArray[np.float64]

Key = NewType("Key", int)
"""What all random numbers of a sample follow from."""

_LANES = 4  # numbers the generator makes for one count


def key_of(rng: np.random.Generator | int | Key) -> Key:
    """Key of a sample.

    Parameters
    ----------
    rng : numpy.random.Generator or int
        A generator gives its next number, so it moves on; a whole number not below 0 is a seed.

    Returns
    -------
    Key

    Raises
    ------
    ValueError
        If a seed is negative.
    """
    if isinstance(rng, np.random.Generator):
        return Key(int(rng.integers(2**63)))
    return Key(int(np.random.SeedSequence(int(rng)).generate_state(1, np.uint64)[0]))


def uniforms(key: Key, name: str, first: int, count: int, width: int = 1) -> F8:
    """Draw numbers evenly between 0 and 1, both excluded.

    Parameters
    ----------
    key : Key
    name : str
        Name of the stream.
    first, count : int
        Number of the first person, and how many people.
    width : int
        Numbers a person.

    Returns
    -------
    ndarray, shape (count, width)
    """
    stream = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    before = first * width
    made = np.random.Philox(key=np.array([key, stream], dtype=np.uint64), counter=before // _LANES)
    skip = before % _LANES
    drawn = np.random.Generator(made).random(skip + count * width)[skip:]
    return (drawn + 2.0**-54).reshape(count, width)


def normals(key: Key, name: str, first: int, count: int, width: int = 1) -> F8:
    """Draw standard normal numbers, shape (count, width); see `uniforms`."""
    from scipy.special import ndtri

    return np.asarray(ndtri(uniforms(key, name, first, count, width)), dtype=np.float64)
