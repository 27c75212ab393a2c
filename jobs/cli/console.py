"""Output to a terminal, a pipe or a file that survives a closed pipe: tables, JSON values, questions."""

from __future__ import annotations

import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from io import StringIO
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from services.errors import NotConfirmed, ShorelineError
from services.formatting import printable


def confirm(question: str, name: str, refusal: str) -> None:
    """Ask the user to type a name. Raises NotConfirmed with the message `refusal` for any other answer."""
    console = Output(stderr=True)
    try:
        typed = console.input(f"{question} ({name}): ")
    except EOFError:
        typed = ""
    except KeyboardInterrupt:
        console.print()  # so that the next output starts a new line
        raise
    if typed.strip() != name:
        raise NotConfirmed(refusal, next_step="Run it again and type the exact name.")


def jsonable(value: Any) -> Any:
    """Return a value in JSON's types.

    Dataclasses become objects, times ISO 8601, durations seconds, money a string of its exact digits, bytes pairs of
    hexadecimal digits as Athena prints them, NaN and infinity strings, errors their message.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | Path | ShorelineError):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    return value


_FILE_WIDTH = 1000  # columns where there is no terminal
_GAPS = (3, 2, 1)  # columns between cells, the widest that fits


def print_table(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> None:
    """Print rows under their headings; the columns whose headings are in `right` are right-aligned.

    Headings and cells are printed as plain text with control characters escaped. Columns of several words wrap; single
    words break only if that is not enough.
    """
    from rich.table import Table
    from rich.text import Text

    heads, rows = [printable(head) for head in heads], [[printable(cell) for cell in row] for row in rows]
    right = [printable(head) for head in right]
    page = console.width if console.is_terminal else _FILE_WIDTH
    gap, widths = _layout(heads, rows, right, page)
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for head, width in zip(heads, widths, strict=True):
        table.add_column(Text(head), justify="right" if head in right else "left", overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    if console.is_terminal:
        console.print(table)
        return
    text = StringIO()
    Console(file=text, width=_FILE_WIDTH, force_terminal=False, color_system=None).print(table)
    for line in text.getvalue().splitlines():
        console.print(line.rstrip(), soft_wrap=True)


def _layout(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], page: int
) -> tuple[int, list[int | None]]:
    """Return the gap and the width of each column that must not wrap: numbers and single words.

    The width is None for columns of several words, and for all columns if the page is too narrow.
    """
    from rich.cells import cell_len

    widths: list[int | None] = []
    needed = 0
    for number, head in enumerate(heads):
        cells = [head, *(row[number] for row in rows)]
        whole = max(map(cell_len, cells))
        word = max(cell_len(part) for cell in cells for part in cell.split() or [""])
        fixed = head in right or whole == word
        widths.append(whole if fixed else None)
        needed += whole if fixed else word
    for gap in _GAPS:
        if needed + gap * (len(heads) - 1) <= page:
            return gap, widths
    return _GAPS[0], [None] * len(heads)


class Output(Console):
    """A console that prints names as data and survives a closed pipe.

    Brackets are not markup, `:name:` is not an emoji, and control characters are escaped, so that each string stays on
    one line. Styled text is passed as `rich.text.Text`. A failing write to standard error does not stop the job.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects, with the control characters in strings escaped."""
        try:
            super().print(*(printable(item) if isinstance(item, str) else item for item in objects), **options)
        except OSError:
            if not self.stderr:
                raise
            redirect_to_devnull(self.file)

    def on_broken_pipe(self) -> None:
        """Discard further output, where rich would exit with code 1."""
        redirect_to_devnull(self.file)


@contextmanager
def tolerate_broken_pipe(file: IO[Any] | None) -> Iterator[None]:
    """Ignore a closed pipe while writing to `file`, which is None where the shell has closed it.

    Raises OSError for other failures, after discarding the buffered rest.
    """
    try:
        yield
        if file is not None:
            file.flush()
    except OSError as error:
        if file is not None:
            redirect_to_devnull(file)
        if not isinstance(error, BrokenPipeError):
            raise


def redirect_to_devnull(file: IO[Any]) -> None:
    """Discard everything that is written to the file from now on."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, file.fileno())
    os.close(devnull)


def silence_terminals() -> None:
    """Discard output to terminals from now on; output to files stays."""
    for file in (sys.stdout, sys.stderr):
        if file is not None and stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
            redirect_to_devnull(file)
