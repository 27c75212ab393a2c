"""What the queries may read: tables with their columns and partition keys, and the views over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PartitionKey:
    """An integer partition key and the range that its partitions are declared over, both ends included.

    `digits` is the zero-padded width of its folder names: 2 for `month=01`.
    """

    name: str
    first: int
    last: int
    digits: int = 1

    def folder(self, value: int) -> str:
        """The folder of one value, as `month=01`."""
        return f"{self.name}={value:0{self.digits}d}"


@dataclass(frozen=True)
class TableSchema:
    """A table as the lake declares it.

    `columns` maps each stored column to its Athena type, in the order of the table; the partition keys are
    no stored columns: their values stand in the folders. `event_time` names the timestamp that a row is
    partitioned by.
    """

    name: str
    columns: Mapping[str, str]
    keys: tuple[PartitionKey, ...]
    event_time: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All columns in Athena's order: the stored ones, then the keys."""
        return (*self.columns, *(key.name for key in self.keys))


@dataclass(frozen=True)
class Catalog:
    """One Athena database: its tables and views by lower-case name."""

    database: str
    tables: Mapping[str, TableSchema]
    views: Mapping[str, str] = field(default_factory=dict)

    def known(self) -> str:
        """The names that a query may use, for a message."""
        return ", ".join(sorted([*self.tables, *self.views]))
