"""The tables to export and their days as PostgreSQL reports them, in one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.errors import InputError, LakeError
from services.identifiers import quote
from services.lake.declaration import ExportSource
from services.lake.postgres_types import PgColumn
from services.lake.record import DayState
from services.postgres.client import Database
from services.postgres.connection import SAFE_PATH

# One text for one value, whatever the server is set to; hidden rows are an error, not a smaller table; and no timeout,
# of which older servers have fewer, ends the transaction that keeps the snapshot while others copy.
SESSION = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET row_security = off; SET work_mem = '64MB'; SET statement_timeout = 0;
DO $$BEGIN
    PERFORM pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
    WHERE name OPERATOR(pg_catalog.=) ANY (ARRAY['idle_in_transaction_session_timeout', 'transaction_timeout']);
END$$;
"""
_DAY = "interval '1 day'"
_TIMES = {"date", "timestamp", "timestamptz"}
_KINDS_WITH_XMIN = "rpm"  # tables, partitioned ones and materialised views have xmin; views and foreign tables have not

_RELATION = """
SELECT c.oid, c.relkind, tree.bytes, tree.rows, tree.parts, tree.is_foreign,
       ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
             JOIN pg_am m ON m.oid = x.relam
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND m.amname IN ('btree', 'brin') AND i.indisvalid AND i.indpred IS NULL)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
     LATERAL (WITH RECURSIVE below AS (SELECT c.oid UNION
                  SELECT i.inhrelid FROM pg_inherits i JOIN below ON i.inhparent = below.oid)
              SELECT sum(pg_table_size(l.oid))::bigint AS bytes, sum(greatest(l.reltuples, 0))::bigint AS rows,
                     count(*) > 1 AS parts, bool_or(l.relkind = 'f') AS is_foreign
              FROM below JOIN pg_class l ON l.oid = below.oid) AS tree
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
"""
# Domains are resolved to their base types, arrays to their elements.
_COLUMNS = """
WITH RECURSIVE resolved AS (
    SELECT attnum, attname, attnotnull AS required, atttypid AS type, atttypmod AS modifier, false AS is_array
    FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT attnum, attname, required OR t.typnotnull,
           CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
           CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE modifier END,
           is_array OR t.typtype <> 'd'
    FROM resolved JOIN pg_type t ON t.oid = resolved.type
    WHERE t.typtype = 'd' OR t.typcategory = 'A'
)
SELECT attname, t.typname, t.typtype, is_array, modifier, required, attnum,
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY oid)
       || ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
FROM resolved JOIN pg_type t ON t.oid = resolved.type
WHERE t.typtype <> 'd' AND t.typcategory <> 'A' ORDER BY attnum
"""


# Rows and newest transaction of each day in each partition; the attachment of a partition counts as a write to it.
# It runs with the database's own search_path, as functions in views may need that: so every name is qualified.
_DAYS_OF_PARTS = """
WITH RECURSIVE linked AS (
    SELECT {oid}::pg_catalog.oid AS part, NULL::int AS age
    UNION ALL
    SELECT i.inhrelid, least(linked.age, pg_catalog.age(i.xmin))
    FROM pg_catalog.pg_inherits i JOIN linked ON i.inhparent OPERATOR(pg_catalog.=) linked.part
), counted AS (
    SELECT {day} AS day, tableoid AS part, pg_catalog.count(*) AS rows, pg_catalog.min(pg_catalog.age(xmin)) AS age
    FROM {rows} GROUP BY {day}, tableoid
)
SELECT day::pg_catalog.text, pg_catalog.sum(rows)::bigint, pg_catalog.min(least(counted.age, youngest.age))
FROM counted LEFT JOIN (SELECT part, pg_catalog.min(age) AS age FROM linked GROUP BY part) AS youngest
    ON counted.part OPERATOR(pg_catalog.=) youngest.part GROUP BY day
"""

# The control file has a new timeline minutes after a promotion: the name of the WAL that is written has it at once. A
# standby has no such name. While it runs, it only goes forward, so its start time identifies it.
_STARTED = "'since ' || extract(epoch FROM pg_postmaster_start_time())"
_SERVER = f"""
SELECT system_identifier || '.' || CASE WHEN pg_is_in_recovery() THEN {_STARTED}
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int::text END
FROM pg_control_system()
"""  # noqa: S608  # our own words


@dataclass(frozen=True)
class Relation:
    """A table, view or the like of PostgreSQL: its columns, primary key, and what an export's plan needs.

    `size` is in bytes, `rows` an estimate; `indexed` says whether an index finds a span of time, `parts` whether
    partitions or heirs hold rows of it, `is_foreign` whether one of them is a foreign table.
    """

    oid: int
    kind: str
    columns: tuple[PgColumn, ...]
    primary_key: tuple[str, ...]
    size: int
    rows: int
    indexed: bool
    time_type: str
    parts: bool
    is_foreign: bool

    @property
    def has_xmin(self) -> bool:
        """Whether xmin identifies the transaction that wrote a row: foreign tables have none."""
        return self.kind in _KINDS_WITH_XMIN and not self.is_foreign


_SNAPSHOT = """
SELECT pg_export_snapshot(), pg_snapshot_xmin(now.seen)::text::bigint, pg_snapshot_xmax(now.seen)::text::bigint
FROM (SELECT pg_current_snapshot() AS seen) AS now
"""


class Snapshot:
    """One view of the database for all tables and all connections.

    It sees all transactions before `horizon`, and none from `moment` on.
    """

    def __init__(self, cursor: Any, name: str, origin: str, horizon: int, moment: int, search_path: str) -> None:
        self._cursor = cursor
        self._search_path = search_path  # of the database
        self.name = name
        self.origin = origin
        self.horizon = horizon
        self.moment = moment

    def relation(self, source: ExportSource) -> Relation:
        """Return a source's relation. Raises InputError for an unknown table, LakeError for an unusable time column."""
        self._cursor.execute(_RELATION, (source.schema, source.relation))
        found = self._cursor.fetchone()
        if found is None:
            raise InputError(f"Table {source.shown} does not exist.", next_step="Check its name, and PGDATABASE.")
        oid, kind, size, rows, parts, is_foreign, primary_key, indexed = found
        self._cursor.execute(_COLUMNS, (oid,))
        columns = tuple(
            PgColumn(name, type_, typtype, array, modifier, required, number, tuple(spelling))
            for name, type_, typtype, array, modifier, required, number, spelling in self._cursor.fetchall()
        )
        by_name = {column.name: column for column in columns}
        time = by_name.get(source.time_column)
        if time is None or time.type not in _TIMES or time.array:
            what = "does not exist" if time is None else f"is of type {time.type}{'[]' if time.array else ''}"
            raise LakeError(
                f"{source.shown}: the time column {source.time_column} {what}.",
                next_step=f"Choose a column of type date, timestamp or timestamptz from {', '.join(by_name)}.",
            )
        found_by_index = source.time_column in indexed
        return Relation(
            oid, kind, columns, tuple(primary_key), size, rows, found_by_index, time.type, parts, is_foreign
        )

    def days(
        self, source: ExportSource, relation: Relation, first: date | None, last: date | None, *, transactions: bool
    ) -> dict[date, DayState]:
        """Return the rows of each day from `first` to `last`, as PostgreSQL counts them.

        With `transactions` also the newest that wrote one, which keeps PostgreSQL from counting in parallel.

        Raises LakeError for rows that have no day: NULL, infinity, years that no partition is named after.
        """
        aged = transactions and relation.has_xmin
        counting = _counting(day_of_row(source), relation, from_where(source, relation, first, last), aged)
        self._set_search_path(self._search_path)
        self._cursor.execute(counting)
        counted = self._cursor.fetchall()
        self._set_search_path(SAFE_PATH)
        following = self._next() if aged else 0
        states: dict[date, DayState] = {}
        for text, rows, age in counted:
            known = _day(text)
            if known is None:
                raise LakeError(
                    f"{source.shown}: {rows:,} rows have {text or 'NULL'} in {source.time_column}, which is not a day.",
                    next_step="Correct them, or export a view without them.",
                )
            states[known] = DayState(rows, None if age is None else following - age)
        return states

    def _set_search_path(self, path: str) -> None:
        self._cursor.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (path,))

    def _next(self) -> int:
        """Return the transaction number that the age of rows is relative to."""
        self._cursor.execute("SELECT %s::bigint + age(%s::text::xid)", (self.horizon, self.horizon % 2**32))
        return int(self._cursor.fetchone()[0])


def _counting(day: str, relation: Relation, rows: str, aged: bool) -> str:
    """Return the SQL of each day with its rows and, where `aged`, the age of their newest transaction."""
    if aged and relation.parts:
        return _DAYS_OF_PARTS.format(oid=relation.oid, day=day, rows=rows)
    newest = "pg_catalog.min(pg_catalog.age(xmin))" if aged else "NULL"
    # Grouped by the date: the text is then produced once per day, not per row.
    return f"SELECT ({day})::pg_catalog.text, pg_catalog.count(*), {newest} FROM {rows} GROUP BY {day}"  # noqa: S608


@contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """Open a REPEATABLE READ snapshot, which other connections can use while this one is open."""
    search_path = database.search_path()
    with database.connect() as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        cursor.execute(SESSION)
        cursor.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (SAFE_PATH,))
        cursor.execute(_SNAPSHOT)
        name, horizon, moment = cursor.fetchone()
        yield Snapshot(cursor, name, _origin(cursor), horizon, moment, search_path)


def _origin(cursor: Any) -> str:
    """Identify the server, its timeline and the database: transaction numbers are comparable only within them.

    A restore to a point in time, or a failover, begins a timeline that reuses transaction numbers. Where
    the timeline is unknown, as on a standby or Aurora, the server's start time is used: to go back, it must restart.
    """
    cursor.execute("SAVEPOINT origin")
    try:
        cursor.execute(_SERVER)
        server = cursor.fetchone()[0]
    except Exception as error:  # a server may deny it to ordinary users, or lack the function
        if getattr(error, "pgcode", None) not in {"42501", "0A000", "42883"}:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT origin")
        cursor.execute(f"SELECT {_STARTED}")
        server = cursor.fetchone()[0]
    cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
    return f"{server}/{cursor.fetchone()[0]}"


def day_of_row(source: ExportSource) -> str:
    """Return the SQL of the day in UTC that a row belongs to, in a session that is in UTC."""
    return f"{quote(source.time_column)}::pg_catalog.date"


def from_where(source: ExportSource, relation: Relation, first: date | None, last: date | None) -> str:
    """Return the SQL of the rows from `first` to `last`, both included, by bounds that an index can find."""
    column = quote(source.time_column)
    zone = "+00" if relation.time_type == "timestamptz" else ""
    bounds = [f"{column} OPERATOR(pg_catalog.>=) '{first.isoformat()} 00:00:00{zone}'"] if first else []
    if last:
        end = f"('{last.isoformat()} 00:00:00{zone}'::pg_catalog.{relation.time_type} OPERATOR(pg_catalog.+) {_DAY})"
        bounds.append(f"{column} OPERATOR(pg_catalog.<) {end}")
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    return f"{quote(source.schema)}.{quote(source.relation)} AS t{where}"


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
