"""How services report the progress of long work, whoever shows it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Protocol

Unit = Literal["bytes", "items"]


class Advance(Protocol):
    """Reports the amount that was done since the last call, and the files that were completed."""

    def __call__(self, amount: int, files: int = 0, /) -> None: ...


class StartTask(Protocol):
    """Shows a task until the context ends; `files` is their number in all, without it none are shown."""

    def __call__(
        self, label: str, total: int | None = None, unit: Unit = "bytes", *, files: int | None = None
    ) -> AbstractContextManager[Advance]: ...
