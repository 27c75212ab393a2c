"""The sample database `saas_platform`: users, orders and events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2 import sql

from services.errors import DatabaseError
from services.postgres.client import Database

SQL = Path(__file__).resolve().parents[2] / "sql"
TABLES = {"users": "user_id", "orders": "order_id", "events": "event_id"}


@dataclass(frozen=True)
class PlatformReport:
    """The sample database after the job."""

    database: str
    made: bool  # whether this run created it
    rows: dict[str, int]  # by table
    size: int  # bytes on disk


def create(database: Database, rows: int) -> PlatformReport:
    """Create the database if it is missing, with its tables and at least `rows` rows in each.

    Raises DatabaseError for a database with other tables, which is not changed.
    """
    is_new = not database.exists()
    if is_new:
        database.create()
    with database.connect() as connection, connection.cursor() as cursor:
        present = _tables(cursor)
        if present and not set(TABLES) <= present:
            raise DatabaseError(
                f"The database {database.name} contains other tables ({', '.join(sorted(present)[:3])}).",
                next_step="Set PGDATABASE to an unused name: the sample tables need a separate database.",
            )
        if not present:
            _run(cursor, "01_tables", "02_seed")
        _fill(cursor, rows)
        if not present:
            _run(cursor, "03_keys")  # after the rows: a load is several times as fast without indexes
        counts = _counts(cursor)
    return PlatformReport(database.name, is_new, counts, database.size())


def _run(cursor: Any, *scripts: str) -> None:
    for script in scripts:
        cursor.execute((SQL / "postgres" / f"{script}.sql").read_text(encoding="utf-8"))


def _tables(cursor: Any) -> set[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in cursor.fetchall()}


def _counts(cursor: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in TABLES:
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", table)))
        counts[table] = cursor.fetchone()[0]
    return counts


def _fill(cursor: Any, rows: int) -> None:
    """Add the missing rows with one statement per table; the rows are the same every time."""
    from loguru import logger

    cursor.execute("SELECT setseed(0.42)")
    for table, key in TABLES.items():
        cursor.execute(
            sql.SQL("SELECT coalesce(max({}), 0) FROM {}").format(sql.Identifier(key), sql.Identifier("public", table))
        )
        first = cursor.fetchone()[0] + 1
        if first > rows:
            continue
        logger.info("filling {} up to {:,} rows", table, rows)
        script = (SQL / "fill" / f"{table}.sql").read_text(encoding="utf-8")
        cursor.execute(script, {"first": first, "last": rows, "users": rows})
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", (f"public.{table}", key, rows))
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier("public", table)))
