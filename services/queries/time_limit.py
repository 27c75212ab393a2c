"""Work that must end: on a thread of its own, watched by one that signals and time limits still reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Generic, TypeVar

from services import formatting
from services.errors import QueryFailed

QUERY_SECONDS = 1800.0
"""Athena's own limit of a query, and the default of QUERY_TIMEOUT_SECONDS."""
_STOP_SECONDS = 3.0  # for an interrupted query to end; a single call of a function on huge text does not look up
_INTERRUPT_EVERY_SECONDS = 0.05

T = TypeVar("T")


class QueryTimedOut(QueryFailed):
    """The query took longer than QUERY_TIMEOUT_SECONDS."""

    next_step = "Select fewer partitions or join fewer rows, or raise QUERY_TIMEOUT_SECONDS."


def timed_out(seconds: float) -> QueryTimedOut:
    """The error of a query that ran for so many seconds."""
    return QueryTimedOut(
        f"The query was stopped after {formatting.seconds(seconds)}, the limit of QUERY_TIMEOUT_SECONDS."
    )


class WatchedCall(Generic[T]):
    """A function that runs on a thread of its own, so that a signal's handler runs while C code works.

    `interrupt` asks the function to end; it is called again and again, as it may come before there is what to
    interrupt. `abandoned` says that the function went on all the same.
    """

    def __init__(self, work: Callable[[], T], interrupt: Callable[[], object] = lambda: None) -> None:
        self._work = work
        self._interrupt = interrupt
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._ended = Event()  # a join that a signal breaks off takes the thread for ended (CPython 3.11)

    @property
    def abandoned(self) -> bool:
        return not self._ended.is_set()

    def result(self, seconds: float, error: Callable[[float], Exception], stop_seconds: float = _STOP_SECONDS) -> T:
        """The function's result, or what it raises. Raises `error(seconds)` when it takes longer than that.

        Whatever ends the wait, Ctrl-C and SIGTERM among it, interrupts the function first.
        """
        Thread(target=self._run, daemon=True).start()  # an abandoned one keeps no process alive
        try:
            if not self._ended.wait(seconds):
                raise error(seconds)
        except BaseException:
            self._stop(stop_seconds)
            raise
        if self._errors:
            raise self._errors[0]
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # raised again by the thread that waits
            self._errors.append(error)
        finally:
            self._ended.set()

    def _stop(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while not self._ended.is_set() and time.monotonic() < ends:
            self._interrupt()
            self._ended.wait(_INTERRUPT_EVERY_SECONDS)
