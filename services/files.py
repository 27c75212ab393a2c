"""Folders of this machine, never seen in part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def walk(folder: Path | str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder, the names of its folders and of its files, as os.walk gives them; nothing of one that is not there.

    Raises OSError for a folder that cannot be listed: os.walk takes it for an empty one, and what lies in it would pass
    for gone.
    """
    return os.walk(folder, onerror=_raise)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # removed since it was seen
        raise error


_PRIVATE = 0o640  # the owner writes, the group reads: files that hold customers' rows


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that other users may not read. Raises OSError, also where there is a file."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(content)


def make_private(path: Path) -> None:
    """Put an empty file in the place of any other, for a library that opens it by its path. Raises OSError."""
    path.unlink(missing_ok=True)
    write_private(path, b"")
