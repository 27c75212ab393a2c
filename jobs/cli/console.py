"""Output whose reader may leave before its end, as `head` does, or whose disk may be full."""

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
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console

from services.errors import NotConfirmed, ShorelineError
from services.formatting import printable

if TYPE_CHECKING:
    from rich.console import Console


def confirm(question: str, name: str, refusal: str) -> None:
    """Ask for a name to be typed. Raises NotConfirmed, which says `refusal`, for anything else."""
    console = Output(stderr=True)
    try:
        typed = console.input(f"{question} ({name}): ")
    except EOFError:
        typed = ""
    except KeyboardInterrupt:
        console.print()  # what follows begins a line of its own
        raise
    if typed.strip() != name:
        raise NotConfirmed(refusal, next_step="Run it again, and type the name exactly.")


def jsonable(value: Any) -> Any:
    """Return a value of JSON: dataclasses as objects, times in ISO 8601, spans in seconds, decimals as exact strings.

    Bytes are pairs of hexadecimal digits, as Athena prints them. JSON has no NaN and infinity: they are strings. An
    error is its message.
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


_WIDE = 1000  # columns of a page that is no terminal
_GAPS = (3, 2, 1)  # columns between two cells: as many as the page leaves room for


def print_table(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> None:
    """Prints rows under their heads; the columns whose heads are in `right` end flush.

    Heads and cells are text, never markup, with their control characters escaped: a key may hold brackets. What folds
    are columns of several words; only where that does not suffice are single words broken.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heads, rows = [printable(head) for head in heads], [[printable(cell) for cell in row] for row in rows]
    right = [printable(head) for head in right]
    page = console.width if console.is_terminal else _WIDE
    gap, widths = _layout(heads, rows, right, page)
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for head, width in zip(heads, widths, strict=True):
        table.add_column(Text(head), justify="right" if head in right else "left", overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    if console.is_terminal:
        console.print(table)
        return
    tolerate_broken_pipe = StringIO()
    Console(file=tolerate_broken_pipe, width=_WIDE, force_terminal=False, color_system=None).print(table)
    for line in tolerate_broken_pipe.getvalue().splitlines():
        console.print(line.rstrip(), soft_wrap=True)


def _layout(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], page: int
) -> tuple[int, list[int | None]]:
    """The gap, and the width of each column that is not to be folded: of figures and single words.

    None for the columns of several words, and for all where the page is too narrow even so.
    """
    from rich.cells import cell_len

    widths: list[int | None] = []
    needed = 0
    for number, head in enumerate(heads):
        cells = [head, *(row[number] for row in rows)]
        whole = max(map(cell_len, cells))
        word = max(cell_len(each) for cell in cells for each in cell.split() or [""])
        fixed = head in right or whole == word
        widths.append(whole if fixed else None)
        needed += whole if fixed else word
    for gap in _GAPS:
        if needed + gap * (len(heads) - 1) <= page:
            return gap, widths
    return _GAPS[0], [None] * len(heads)


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
            redirect_to_devnull(self.file)

    def on_broken_pipe(self) -> None:
        """Rich itself ends the process here, with the exit code of a bug."""
        redirect_to_devnull(self.file)


@contextmanager
def tolerate_broken_pipe(file: IO[Any] | None) -> Iterator[None]:
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
            redirect_to_devnull(file)
        if not isinstance(error, BrokenPipeError):
            raise


def redirect_to_devnull(file: IO[Any]) -> None:
    """Whatever is still written to a file of this process is thrown away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def silence_terminals() -> None:
    """Whatever is still written to a terminal is thrown away; what goes to files stays."""
    for file in (sys.stdout, sys.stderr):
        if file is not None and stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
            redirect_to_devnull(file)
