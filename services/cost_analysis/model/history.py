"""The size, compression and growth of a database, from its backups."""

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
    """The part of a manifest that is read."""

    @property
    def taken_at(self) -> datetime: ...
    @property
    def database_bytes(self) -> int: ...
    @property
    def object(self) -> _Object: ...


@dataclass(frozen=True)
class History:
    """The size and compression of a database."""

    sizes: tuple[int, ...]  # bytes: now, and in a year if it grows
    dump_ratio: Decimal  # bytes of dump per byte of the database
    words: str  # a summary for the user


def history_of(manifests: Sequence[Taken], database: str) -> History:
    """Return the history by the manifests of one database. Raises BackupNotFound without any.

    The growth is linear between the oldest and the newest backup; it is unknown over less than a day.
    """
    if not manifests:
        raise BackupNotFound(
            f"No backup of {database} exists to take its size from.", next_step="Run `shoreline backup` first."
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
