"""Output whose reader may leave before its end, as `head` does, or whose disk may be full."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console

from services.human import printable


class Output(Console):
    """A console that prints names as data and goes on without a reader.

    Text is printed as it is: brackets are not markup, `:name:` is no emoji, and control characters are escaped, so that
    each string is one line. What is meant as style comes as `rich.text.Text`. Standard error that cannot be written, as
    on a full disk, does not stop the job.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects; strings with their control characters escaped."""
        try:
            super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)
        except OSError:
            if not self.stderr:
                raise
            to_nowhere(self.file)

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
