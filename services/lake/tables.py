"""The sample tables of the lake. Add one here, then write its DDL with `python -m services.queries.ddl`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from services.lake.parquet import athena_type
from services.lake.partitions import PartitionKey, keys
from services.lake.schema import Schema

EVENT_TIME = pa.timestamp("ms", tz="UTC")


def _required(name: str, kind: Any) -> Any:
    return pa.field(name, kind, nullable=False)


@dataclass(frozen=True)
class Table:
    """A table of the lake.

    `schema` holds the stored columns in order: partition keys are not stored, their values are in the
    folders' names. `time_column` is the event time that a row is partitioned by, `sort_by` the order of the
    rows in each day, `source` the table of PostgreSQL that holds the same rows.
    """

    name: str
    source: str
    time_column: str
    schema: pa.Schema
    sort_by: tuple[str, ...]
    keys: tuple[PartitionKey, ...] = field(default_factory=lambda: keys(2024, 2030))
    comment: str = ""  # for Athena's catalog
    comments: Mapping[str, str] = field(default_factory=dict)  # of its columns, by name

    @property
    def athena_columns(self) -> dict[str, str]:
        """The stored columns with their Athena types, in order."""
        return {column.name: athena_type(column.type) for column in self.schema}

    @property
    def declared_schema(self) -> Schema:
        """The stored columns as a manifest records them."""
        return Schema.of({column.name: (str(column.type), athena_type(column.type)) for column in self.schema})

    @property
    def years(self) -> tuple[int, int]:
        """The first and the last year that its partitions are declared for: a query finds no row of another."""
        return self.keys[0].first, self.keys[0].last

    def undeclared_years(self, days: Iterable[date]) -> list[int]:
        """Return the years of these days that its partitions are not declared for."""
        first, last = self.years
        return sorted({day.year for day in days if not first <= day.year <= last})


ORDERS = Table(
    name="orders",
    source="public.orders",
    time_column="created_at",
    schema=pa.schema(
        [
            _required("order_id", pa.int64()),
            _required("user_id", pa.int64()),
            _required("amount", pa.decimal128(12, 2)),
            _required("status", pa.string()),
            _required("created_at", EVENT_TIME),
        ]
    ),
    sort_by=("created_at", "order_id"),
    comment="What was bought, by the day of created_at in UTC",
    comments={"amount": "US dollars", "created_at": "UTC"},
)

EVENTS = Table(
    name="events",
    source="public.events",
    time_column="created_at",
    schema=pa.schema(
        [
            _required("event_id", pa.int64()),
            _required("user_id", pa.int64()),
            _required("event_type", pa.string()),
            _required("payload", pa.string()),
            _required("created_at", EVENT_TIME),
        ]
    ),
    sort_by=("created_at", "event_id"),
    comment="What users did, by the day of created_at in UTC",
    comments={"payload": "a JSON object", "created_at": "UTC"},
)

TABLES = {table.name: table for table in (ORDERS, EVENTS)}
