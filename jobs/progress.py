"""A bar on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from services import human

if TYPE_CHECKING:
    from rich.console import Console

Unit = Literal["bytes", "items"]
_LOG_EVERY = 10.0  # seconds between two log lines of one task


class Progress:
    """Shows long work as it goes, on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: Unit = "bytes") -> Iterator[Callable[[int], None]]:
        """A function that is told how much was done since it was last called, in `unit`."""
        shown = self._bar if self._console.is_terminal else self._lines
        with shown(label, total, unit) as advance:
            yield advance

    @contextmanager
    def _bar(self, label: str, total: int | None, unit: Unit) -> Iterator[Callable[[int], None]]:
        from rich import progress

        amounts: tuple[progress.ProgressColumn, ...] = (progress.MofNCompleteColumn(),)
        if unit == "bytes":
            amounts = (progress.DownloadColumn(), progress.TransferSpeedColumn())
        columns = (progress.TextColumn("{task.description:<10}"), progress.BarColumn(), *amounts)
        with progress.Progress(
            *columns, progress.TimeRemainingColumn(), console=self._console, transient=True
        ) as display:
            task = display.add_task(label, total=total)
            yield lambda amount: display.advance(task, amount)

    @contextmanager
    def _lines(self, label: str, total: int | None, unit: Unit) -> Iterator[Callable[[int], None]]:
        from loguru import logger

        done, told = 0, time.monotonic()

        def advance(amount: int) -> None:
            nonlocal done, told
            done += amount
            if time.monotonic() - told >= _LOG_EVERY:
                told = time.monotonic()
                shown = human.size(done) if unit == "bytes" else f"{done:,}"
                of = "" if not total else f" ({done / total:.0%})"
                logger.info("{}: {}{}", label, shown, of)

        yield advance
