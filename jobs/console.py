"""Output whose reader may leave before its end, as `head` does, or whose disk may be full."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console


class Output(Console):
    """A console that goes on without a reader: the work is done, and is counted and told to others all the same."""

    def on_broken_pipe(self) -> None:
        """Rich itself ends the process here, with the exit code of a bug."""
        to_nowhere(self.file)


@contextmanager
def written(file: IO[Any] | None) -> Iterator[None]:
    """Around what writes to standard output: passes over a reader who has left.

    `file` is None where a shell has closed it. Raises OSError for what else the system refuses, and lets nothing of it
    be written at the end.
    """
    try:
        yield
        if file is not None:
            file.flush()
    except OSError as error:
        if file is not None:
            to_nowhere(file)
        if not isinstance(error, BrokenPipeError):
            raise


def to_nowhere(file: IO[Any]) -> None:
    """Whatever is still written to a file of this process is thrown away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def terminals_to_nowhere() -> None:
    """Whatever is still written to a terminal is thrown away; what goes to files stays."""
    for file in (sys.stdout, sys.stderr):
        if file is not None and stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
            to_nowhere(file)
