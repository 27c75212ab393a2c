"""What the queries may read: tables with their columns and partition keys, and the views over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.lake.partitions import PartitionKey

if TYPE_CHECKING:
    from services.lake.tables import Table

DATA_CATALOG = "awsdatacatalog"
"""The catalog that Glue's databases are in, as a query may call it; any other is another data source."""


@dataclass(frozen=True)
class TableSchema:
    """A table as the lake declares it. The values of its partition keys are in the folders' names, not in the files."""

    name: str
    columns: Mapping[str, str]  # the stored columns in order, with their Athena types
    keys: tuple[PartitionKey, ...]
    event_time: str | None = None  # the timestamp column whose day chooses a row's partition
    comment: str = ""
    comments: Mapping[str, str] = field(default_factory=dict)  # of the columns, by name

    @property
    def names(self) -> tuple[str, ...]:
        """All columns in Athena's order: the stored ones, then the keys."""
        return (*self.columns, *(key.name for key in self.keys))

    def folder(self, values: tuple[int, ...]) -> str:
        """The folder of a partition below its table's."""
        return "/".join(key.folder(value) for key, value in zip(self.keys, values, strict=True))


@dataclass(frozen=True)
class LakeCatalog:
    """One Athena database: its tables and views by lower-case name."""

    database: str
    tables: Mapping[str, TableSchema]
    views: Mapping[str, str] = field(default_factory=dict)

    def known(self) -> str:
        """The names that a query may use, for a message."""
        return ", ".join(sorted([*self.tables, *self.views]))


def catalog_of(database: str, tables: Mapping[str, Table], views: Mapping[str, str] | None = None) -> LakeCatalog:
    """The catalog of the lake's declared tables."""
    schemas = {
        name: TableSchema(name, table.athena_columns, table.keys, table.time_column, table.comment, table.comments)
        for name, table in tables.items()
    }
    return LakeCatalog(database, schemas, views or {})
