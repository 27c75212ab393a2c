"""What kept backups tell about a database: its size, how it compresses, and how it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from services import formatting
from services.errors import BackupNotFound

YEAR_DAYS = 365


class _Object(Protocol):
    @property
    def bytes(self) -> int: ...


class Taken(Protocol):
    """What is read of a manifest."""

    @property
    def taken_at(self) -> datetime: ...
    @property
    def database_bytes(self) -> int: ...
    @property
    def object(self) -> _Object: ...


@dataclass(frozen=True)
class History:
    """`sizes` in bytes: now, and in a year where it grows; `dump_ratio` as bytes of dump a byte of the database."""

    sizes: tuple[int, ...]
    dump_ratio: Decimal
    words: str


def history_of(manifests: Sequence[Taken], database: str) -> History:
    """What the manifests of one database tell. Raises BackupNotFound when there are none.

    The growth is that between the oldest and the newest backup, in a straight line; over less than a day
    there is none to tell.
    """
    if not manifests:
        raise BackupNotFound(
            f"There is no backup of {database} to take its size from.", next_step="Run `shoreline backup` first."
        )
    ordered = sorted(manifests, key=lambda manifest: manifest.taken_at)
    oldest, newest = ordered[0], ordered[-1]
    ratio = Decimal(newest.object.bytes) / newest.database_bytes
    words = (
        f"{formatting.count(len(ordered), 'backup')} of {database}: {formatting.size(newest.database_bytes)}, "
        f"dumped to {ratio:.1%} of that"
    )
    days = (newest.taken_at - oldest.taken_at).total_seconds() / 86400
    grown = newest.database_bytes - oldest.database_bytes
    if days < 1 or grown <= 0:
        return History((newest.database_bytes,), ratio, words)
    in_a_year = newest.database_bytes + int(grown / days * YEAR_DAYS)
    grows = f", growing by {formatting.size(int(grown / days))} a day to {formatting.size(in_a_year)} in a year"
    return History((newest.database_bytes, in_a_year), ratio, words + grows)
