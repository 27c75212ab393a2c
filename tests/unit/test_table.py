"""Tables on a terminal: readable at 80 columns."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from jobs.cli.console import print_table

ACTIONS = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
WHY = "look whether the bucket is there and whose it is; list the keys below it and count their bytes"


def printed(width: int, terminal: bool) -> list[str]:
    file = StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, no_color=True, highlight=False)
    rows = [(each, "keys below BACKUP_PREFIX", WHY, "1.2 MB") for each in ACTIONS]
    print_table(console, ("Action", "On", "What for", "Size"), rows, right=["Size"])
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [75, 80, 100])
def test_what_folds_are_sentences_and_not_names_or_figures(width: int) -> None:
    lines = printed(width, terminal=True)
    assert max(map(len, lines[1:])) <= width
    for action in ACTIONS:
        assert any(line.startswith(f"{action} ") for line in lines)
    assert sum("1.2 MB" in line for line in lines) == 2


def test_what_is_no_terminal_gets_one_line_a_row() -> None:
    assert len(printed(30, terminal=False)) == 1 + len(ACTIONS)
