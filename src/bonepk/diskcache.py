"""Small content-addressed store in the platform's cache directory.

Entries carry their own checksum: a damaged or truncated file reads as absent
and is written again. Writes go to a temporary file and are renamed, so
concurrent processes never see half an entry. ``BONEPK_CACHE_DIR`` moves the
store, ``BONEPK_CACHE=0`` turns it off; a directory that cannot be written to
only costs speed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["directory", "key_of", "read", "write"]

_MAGIC = b"bonepk1\n"


def directory() -> Path | None:
    """Folder of the store, or None when it is switched off."""
    if os.environ.get("BONEPK_CACHE", "1").lower() in {"0", "off", "no", "false"}:
        return None
    if chosen := os.environ.get("BONEPK_CACHE_DIR"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("bonepk", appauthor=False))


def key_of(*parts: str | bytes) -> str:
    """Hash of everything an entry depends on."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def read(kind: str, key: str) -> bytes | None:
    """Content of an entry, or None if it is absent, damaged or unreadable."""
    folder = directory()
    if folder is None:
        return None
    try:
        raw = (folder / kind / key).read_bytes()
    except OSError:
        return None
    head = len(_MAGIC)
    if raw[:head] != _MAGIC or hashlib.sha256(raw[head + 32 :]).digest() != raw[head : head + 32]:
        return None
    return raw[head + 32 :]


def write(kind: str, key: str, content: bytes) -> bool:
    """Store an entry atomically; False if the directory cannot be written."""
    folder = directory()
    if folder is None:
        return False
    try:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder / kind, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(content).digest() + content)
            Path(temporary).replace(folder / kind / key)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError:
        return False
    return True
