"""Local files: folders listed completely, and files that other users cannot read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def walk(folder: Path | str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder with the names of its folders and files, as os.walk does; nothing for a missing folder.

    Raises OSError for a folder that cannot be listed, which os.walk treats as empty.
    """
    return os.walk(folder, onerror=_raise)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # removed in the meantime
        raise error


_PRIVATE = 0o640  # for files with rows of a database: the owner writes, the group reads


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that other users may not read. Raises OSError, also if the file exists."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(content)


def make_private(path: Path) -> None:
    """Create an empty file, replacing any other, for a library that opens it by its path. Raises OSError."""
    path.unlink(missing_ok=True)
    write_private(path, b"")
