"""The progress of long work: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from services import formatting

if TYPE_CHECKING:
    from rich.console import Console

    from services.progress import Advance, Unit

_LOG_SECONDS = 10.0  # between two log lines of a task


class Progress:
    """Shows progress on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(
        self, label: str, total: int | None = None, unit: Unit = "bytes", *, files: int | None = None
    ) -> Iterator[Advance]:
        """Yield a function that adds to the amount done, in `unit`, and to the number of finished files.

        `files` is their total; without it no files are shown.
        """
        display = self._bar if self._console.is_terminal else self._lines
        with display(label, total, unit, files) as advance:
            yield advance

    @contextmanager
    def _bar(self, label: str, total: int | None, unit: Unit, files: int | None) -> Iterator[Advance]:
        from rich import progress

        amounts: tuple[progress.ProgressColumn, ...] = (progress.MofNCompleteColumn(),)
        if unit == "bytes":
            amounts = (progress.DownloadColumn(), progress.TransferSpeedColumn())
        if files is not None:
            amounts = (*amounts, progress.TextColumn("{task.fields[done]:,}/{task.fields[files]:,} files"))
        columns = (progress.TextColumn("{task.description:<10}"), progress.BarColumn(), *amounts)
        with progress.Progress(
            *columns, progress.TimeRemainingColumn(), console=self._console, transient=True
        ) as display:
            task = display.add_task(label, total=total, done=0, files=files)
            complete, lock = 0, Lock()

            def advance(amount: int, more_files: int = 0, /) -> None:
                nonlocal complete
                with lock:
                    complete += more_files
                    display.update(task, advance=amount, done=complete)

            yield advance

    @contextmanager
    def _lines(self, label: str, total: int | None, unit: Unit, files: int | None) -> Iterator[Advance]:
        from loguru import logger

        done, complete, logged_at = 0, 0, time.monotonic()

        def advance(amount: int, more_files: int = 0, /) -> None:
            nonlocal done, complete, logged_at
            done += amount
            complete += more_files
            if time.monotonic() - logged_at >= _LOG_SECONDS:
                logged_at = time.monotonic()
                shown = formatting.size(done) if unit == "bytes" else f"{done:,}"
                of = "" if not total else f" ({done / total:.0%})"
                counted = "" if files is None else f", {complete:,} of {formatting.count(files, 'file')}"
                logger.info("{}: {}{}{}", label, shown, of, counted)

        yield advance
