"""One DuckDB view a scan: the files of its partitions, with the columns and types that Athena gives."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.identifiers import literal, quote
from services.queries.catalog import TableSchema
from services.queries.footers import Footer
from services.queries.offline.types import TIMESTAMP, UTC_COLUMN, of_athena


def view(name: str, table: TableSchema, footers: Sequence[Footer], paths: Sequence[str], read: Collection[str]) -> str:
    """The statement that makes the view. A column that no file has is NULL, as Athena reads it.

    So is one that is not among those that the query reads: DuckDB carries some through joins of correlated subqueries
    that nothing asks for, and would scan them.
    """
    stored = {column for footer in footers for column in footer.types if column in read}
    outputs = [_column(column, kind, column in stored) for column, kind in table.columns.items()]
    outputs += [quote(key.name) if footers else f"CAST(NULL AS INTEGER) AS {quote(key.name)}" for key in table.keys]
    outputs += [
        f"{_stored_time(column, column in stored)} AS {quote(UTC_COLUMN.format(column))}"
        for column, kind in table.columns.items()
        if of_athena(kind) == TIMESTAMP
    ]
    source = f"FROM {_read(table, footers, paths)}" if footers else "WHERE FALSE"
    return f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS SELECT {', '.join(outputs)} {source}"


def _column(name: str, kind: str, stored: bool) -> str:
    made = of_athena(kind)
    if not stored:
        return f"CAST(NULL AS {made.sql if made.arrow is not None else 'VARCHAR'}) AS {quote(name)}"
    # Parquet's UTC timestamps are TIMESTAMP WITH TIME ZONE to DuckDB, and plain ones to Athena.
    return f"CAST({quote(name)} AS TIMESTAMP) AS {quote(name)}" if made == TIMESTAMP else quote(name)


def _stored_time(name: str, stored: bool) -> str:
    return quote(name) if stored else "CAST(NULL AS TIMESTAMPTZ)"


def _read(table: TableSchema, footers: Sequence[Footer], paths: Sequence[str]) -> str:
    alike = len({tuple(sorted(footer.types)) for footer in footers}) == 1
    listed = ", ".join(map(literal, paths))
    keys = ", ".join(f"{literal(key.name)}: INTEGER" for key in table.keys)
    options = f"hive_partitioning = true, hive_types = {{{keys}}}"
    return f"read_parquet([{listed}], {options}{'' if alike else ', union_by_name = true'})"
