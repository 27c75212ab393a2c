"""Whether files have the shape of their table: found before anything is uploaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from services.errors import LakeError
from services.lake.manifest import ManifestColumn, Schema
from services.lake.tables import Table
from services.lake.types import athena_type

_SHOWN = 5


class SchemaDrift(LakeError):
    """Files have another shape than their table."""

    next_step = "Fix what writes the files. If the change is wanted, write every day anew and add --accept-drift."


def schema_of(table: Table) -> Schema:
    """The shape that a table is declared with."""
    return Schema(tuple(ManifestColumn(each.name, str(each.type), athena_type(each.type)) for each in table.schema))


def drift(before: Schema, after: Schema) -> list[str]:
    """What a query on the files before would miss in those after: columns that are gone, types that changed.

    A column that is new is no drift: older files give NULL for it.
    """
    gone = [f"the column {name} is gone" for name in before.types if name not in after.types]
    return gone + changed_types(before, after)


def changed_types(before: Schema, after: Schema) -> list[str]:
    """The columns of both whose types differ: no query reads files of both."""
    new = after.types
    return [f"{name} was {old} and is {new[name]}" for name, old in before.types.items() if new.get(name, old) != old]


def check_shape(
    table: str,
    files: Mapping[Path, Schema],
    recorded: Schema,
    staying: Iterable[Schema],
    *,
    accept_drift: bool,
) -> None:
    """Raises SchemaDrift, with each file and what is wrong, unless the new files fit the table and each other.

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
            "\n".join([f"Files of {table} have another shape than the table:", *problems[:_SHOWN], *left])
        )
