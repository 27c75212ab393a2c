"""What long work shows as it goes."""

from __future__ import annotations

import io

from rich.console import Console

from jobs.cli.progress import Progress


def test_a_bar_of_files_shows_bytes_files_and_the_time_left() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=140, color_system=None)
    with Progress(console).task("upload", 4_000_000, files=3) as advance:
        advance(1_000_000, 1)
        advance(1_000_000)
    last = shown.getvalue()
    assert "2.0/4.0 MB" in last
    assert "1/3 files" in last
    assert "0:00:0" in last or "-:--:--" in last
