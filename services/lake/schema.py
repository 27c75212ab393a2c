"""The stored columns of a table's files, and the check that new files fit them before anything is uploaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from services.errors import LakeError

ColumnName = Annotated[str, Field(min_length=1, max_length=255)]
_SHOWN = 5


@dataclass(frozen=True)
class ManifestColumn:
    """A stored column: its type as Parquet's readers see it, and as Athena's DDL declares it."""

    name: ColumnName
    type: str
    athena: str


@dataclass(frozen=True)
class Schema:
    """The stored columns of a file, in order."""

    columns: tuple[ManifestColumn, ...]

    @classmethod
    def of(cls, types: Mapping[str, tuple[str, str]]) -> Schema:
        """Create a schema from each column's type and Athena type."""
        return cls(tuple(ManifestColumn(name, *both) for name, both in types.items()))

    @property
    def digest(self) -> str:
        """A hash of the names and types in their order, in hex."""
        return hashlib.sha256(json.dumps([[column.name, column.type] for column in self.columns]).encode()).hexdigest()[
            :16
        ]

    @property
    def types(self) -> dict[str, str]:
        """Each column's type."""
        return {column.name: column.type for column in self.columns}


class SchemaDrift(LakeError):
    """The columns of files differ from those of their table."""

    next_step = "Fix what writes the files. If the change is intended, rewrite all days and upload with --accept-drift."


def drift(before: Schema, after: Schema) -> list[str]:
    """Describe columns that were dropped and types that changed.

    A new column is not drift: older files return NULL for it.
    """
    gone = [f"column {name} is missing" for name in before.types if name not in after.types]
    return gone + changed_types(before, after)


def changed_types(before: Schema, after: Schema) -> list[str]:
    """Describe common columns with different types: no query reads files of both."""
    new = after.types
    return [
        f"column {name} was {old}, is now {new[name]}"
        for name, old in before.types.items()
        if new.get(name, old) != old
    ]


def check_shape(
    table: str,
    files: Mapping[Path, Schema],
    recorded: Schema,
    staying: Iterable[Schema],
    *,
    accept_drift: bool,
) -> None:
    """Raise SchemaDrift, with each file and what is wrong, unless the new files fit the table and each other.

    `recorded` is what the table is known to hold, `staying` the shapes of files that the bucket keeps. With
    `accept_drift` columns may go, and types may change when no file of the old type stays.
    """
    problems: list[str] = []
    seen: dict[str, list[str]] = {}
    agreed = list(staying)
    for path, schema in files.items():
        if schema.digest not in seen:
            found = [] if accept_drift else drift(recorded, schema)
            for other in agreed:
                found += changed_types(other, schema)
            seen[schema.digest] = list(dict.fromkeys(found))
            agreed.append(schema)
        problems += [f"  {path}: {what}" for what in seen[schema.digest]]
    if problems:
        left = [f"  and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise SchemaDrift(
            "\n".join([f"Files of {table} do not have the columns of the table:", *problems[:_SHOWN], *left])
        )
