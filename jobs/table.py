"""Aligned tables: folded to the terminal's width on a terminal, one line a row elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 1000  # columns of a page that is no terminal


def print_table(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> None:
    """Prints rows under their heads; the columns whose heads are in `right` end flush.

    Cells are text, never markup: a key may hold brackets.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if console.is_terminal:
        console.print(table)
        return
    written = StringIO()
    Console(file=written, width=_WIDE).print(table)
    for line in written.getvalue().splitlines():
        console.print(line.rstrip(), markup=False, soft_wrap=True)
