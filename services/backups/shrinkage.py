"""Whether a database lost most of its content between two backups. A pure judgement of their manifests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

SHRANK_BELOW = 0.5  # of the rows or of the bytes of the backup before
RECOVERED_FROM = 0.9  # of both


@dataclass(frozen=True)
class Shrinkage:
    """The last backup before a database shrank."""

    key: str  # without a suffix
    taken_at: datetime  # in UTC
    rows: int
    plain_bytes: int


def shrinkage(previous: Shrinkage, unresolved: Shrinkage | None, *, rows: int, plain_bytes: int) -> Shrinkage | None:
    """Return what a new backup of this many rows and bytes has shrunk from, or None.

    `previous` is the backup before it. `unresolved` is what that one had shrunk from, unless somebody accepted it: the
    database counts as shrunk until it has nearly recovered, however many small backups follow each other.
    """
    if unresolved is not None:
        recovered = rows >= unresolved.rows * RECOVERED_FROM and plain_bytes >= unresolved.plain_bytes * RECOVERED_FROM
        return None if recovered else unresolved
    shrank = rows < previous.rows * SHRANK_BELOW or plain_bytes < previous.plain_bytes * SHRANK_BELOW
    return previous if shrank else None
