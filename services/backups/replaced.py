"""The database that a restore would replace: what it holds now, and the name that it may keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.database import Database
from services.errors import RestoreFailed

_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1
_LIVE = """
SELECT pg_catalog.pg_database_size(pg_catalog.current_database()),
 (SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_catalog.pg_stat_user_tables),
 (SELECT count(*) FROM pg_catalog.pg_stat_activity
  WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid())
"""


@dataclass(frozen=True)
class LiveDatabase:
    """What a database holds now."""

    bytes: int  # on the server's disk
    rows: int  # as the server's statistics estimate them
    sessions: int  # of others


def live(database: Database) -> LiveDatabase:
    """Return what a database holds now, without reading its tables."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_LIVE)
        return LiveDatabase(*cursor.fetchone())


def name_of_old(database: Database, now: datetime) -> str:
    """Return the name for a database that is kept when another takes its place: shop_before_20261128_1632.

    Raises RestoreFailed when there is such a database already.
    """
    suffix = f"_before_{now:%Y%m%d_%H%M}"
    name = database.name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix
    if database.sibling(name).exists():
        raise RestoreFailed(
            f"There is a database {name} already.", next_step="Try again in a minute, or drop it first."
        )
    return name
