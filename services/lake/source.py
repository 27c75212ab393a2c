"""What PostgreSQL says of the tables to export, seen in one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.database import Database
from services.errors import LakeError
from services.lake.declaration import Source
from services.lake.pgtypes import PgColumn, quote
from services.lake.record import DayState

# One text for one value, whatever the server is set to; hidden rows are an error, not a smaller table.
SESSION = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET row_security = off; SET work_mem = '64MB'; SET statement_timeout = 0;
"""
_TIMES = {"date", "timestamp", "timestamptz"}
_TELL_TRANSACTIONS = (
    "rpm"  # tables, partitioned ones and materialised views have xmin; views and foreign tables have not
)

_RELATION = """
SELECT c.oid, c.relkind, leaves.bytes, leaves.rows,
       ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
             JOIN pg_am m ON m.oid = x.relam
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND m.amname IN ('btree', 'brin') AND i.indisvalid AND i.indpred IS NULL)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
     LATERAL (SELECT sum(pg_table_size(l.oid))::bigint AS bytes, sum(greatest(l.reltuples, 0))::bigint AS rows
              FROM pg_class l WHERE l.oid = c.oid OR l.oid IN (SELECT relid FROM pg_partition_tree(c.oid))) AS leaves
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
"""
# Domains become what they are made of, arrays their elements.
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
SELECT attname, t.typname, t.typtype, is_array, modifier, required
FROM resolved JOIN pg_type t ON t.oid = resolved.type
WHERE t.typtype <> 'd' AND t.typcategory <> 'A' ORDER BY attnum
"""


@dataclass(frozen=True)
class Relation:
    """A table, view or the like of PostgreSQL: its columns, primary key, and what an export's plan needs.

    `size` is in bytes, `rows` an estimate; `indexed` says whether an index finds a span of time.
    """

    oid: int
    kind: str
    columns: tuple[PgColumn, ...]
    primary_key: tuple[str, ...]
    size: int
    rows: int
    indexed: bool
    time_type: str

    @property
    def tells_transactions(self) -> bool:
        """Whether its rows say which transaction wrote them."""
        return self.kind in _TELL_TRANSACTIONS


class Snapshot:
    """One view of the database for all tables and all connections."""

    def __init__(self, cursor: Any, name: str, origin: str, horizon: int) -> None:
        self._cursor = cursor
        self.name = name
        self.origin = origin
        self.horizon = horizon

    def relation(self, source: Source) -> Relation:
        """What the source is. Raises LakeError when it is not there or its time column is none."""
        self._cursor.execute(_RELATION, (source.schema, source.relation))
        found = self._cursor.fetchone()
        if found is None:
            raise LakeError(f"There is no table {source.shown}.", next_step="Check its name, and PGDATABASE.")
        oid, kind, size, rows, primary_key, indexed = found
        self._cursor.execute(_COLUMNS, (oid,))
        columns = tuple(
            PgColumn(name, kind, typtype, array, modifier, required)
            for name, kind, typtype, array, modifier, required in self._cursor.fetchall()
        )
        by_name = {column.name: column for column in columns}
        time = by_name.get(source.time_column)
        if time is None or time.type not in _TIMES or time.array:
            what = "is not there" if time is None else f"is of type {time.type}{'[]' if time.array else ''}"
            raise LakeError(
                f"{source.shown}: the time column {source.time_column} {what}.",
                next_step=f"Name a column of type date, timestamp or timestamptz of {', '.join(by_name)}.",
            )
        return Relation(oid, kind, columns, tuple(primary_key), size, rows, source.time_column in indexed, time.type)

    def days(
        self, source: Source, relation: Relation, first: date | None, last: date | None, *, transactions: bool
    ) -> dict[date, DayState]:
        """The rows of each day from `first` to `last`, as PostgreSQL counts them.

        With `transactions` also the newest that wrote one, which keeps PostgreSQL from counting in parallel.

        Raises LakeError for rows that have no day: NULL, infinity, years that no partition is named after.
        """
        aged = transactions and relation.tells_transactions
        day, newest = day_of_row(source), "min(age(xmin))" if aged else "NULL"
        # Grouped by the date: its text is then made once a day, not once a row.
        query = (
            f"SELECT ({day})::text, count(*), {newest} FROM {from_where(source, relation, first, last)} GROUP BY {day}"  # noqa: S608
        )
        self._cursor.execute(query)
        counted = self._cursor.fetchall()
        following = self._next() if aged else 0
        states: dict[date, DayState] = {}
        for text, rows, age in counted:
            known = _day(text)
            if known is None:
                raise LakeError(
                    f"{source.shown}: {rows:,} rows have {text or 'NULL'} in {source.time_column}, which is no day.",
                    next_step="Mend them, or export a view without them.",
                )
            states[known] = DayState(rows, None if age is None else following - age)
        return states

    def _next(self) -> int:
        """The transaction from which this one counts the age of rows."""
        self._cursor.execute("SELECT %s::bigint + age(%s::text::xid)", (self.horizon, self.horizon % 2**32))
        return int(self._cursor.fetchone()[0])


@contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """One REPEATABLE READ snapshot, exported for other connections for as long as this one is open."""
    with database.connect() as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        cursor.execute(SESSION)
        cursor.execute("SELECT pg_export_snapshot(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        name, horizon = cursor.fetchone()
        yield Snapshot(cursor, name, _origin(cursor), horizon)


def _origin(cursor: Any) -> str:
    """The server and the database: numbers of transactions mean nothing in another one."""
    cursor.execute("SAVEPOINT origin")
    try:
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        server = cursor.fetchone()[0]
    except Exception as error:  # a server may keep it from ordinary users
        if getattr(error, "pgcode", None) != "42501":
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT origin")
        server = "unknown"
    cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
    return f"{server}/{cursor.fetchone()[0]}"


def day_of_row(source: Source) -> str:
    """The SQL of the day in UTC that a row belongs to, in a session that is in UTC."""
    return f"{quote(source.time_column)}::date"


def from_where(source: Source, relation: Relation, first: date | None, last: date | None) -> str:
    """The SQL of the rows from `first` to `last`, both included, by bounds that an index can find."""
    column = quote(source.time_column)
    zone = "+00" if relation.time_type == "timestamptz" else ""
    bounds = [f"{column} >= '{first.isoformat()} 00:00:00{zone}'"] if first else []
    if last:
        bounds.append(f"{column} < '{last.isoformat()} 00:00:00{zone}'::{relation.time_type} + interval '1 day'")
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    return f"{quote(source.schema)}.{quote(source.relation)} AS t{where}"


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
