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
