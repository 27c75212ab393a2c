"""Aligned tables: folded to the terminal's width on a terminal, one line a row elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

from services.human import printable

if TYPE_CHECKING:
    from rich.console import Console

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
    written = StringIO()
    Console(file=written, width=_WIDE, force_terminal=False, color_system=None).print(table)
    for line in written.getvalue().splitlines():
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
