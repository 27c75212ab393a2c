"""The statements that make the tables and their partitions, in one of three modes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.errors import LakeError
from services.queries.catalog import LakeCatalog, TableSchema
from services.queries.ddl.parser import parse_table
from services.queries.ddl.table import CreateTable, literal
from services.queries.guard.statement import without_end

PartitionMode = Literal["projection", "alter", "msck"]
TABLES = Path(__file__).resolve().parents[3] / "sql" / "athena" / "tables"
# An ALTER TABLE may name many partitions; BatchCreatePartition behind it takes 100.
_BATCH = 100


@dataclass(frozen=True)
class Statement:
    """One DDL statement, as Athena takes it one a call, and what it is for; `table` is what it creates, if any."""

    what: str
    sql: str
    table: CreateTable | None = None


def read_tables(
    catalog: LakeCatalog, lake: str, folder: Path = TABLES, generated: Mapping[str, str] | None = None
) -> dict[str, CreateTable]:
    """The DDL of every table of the catalog, with `lake`, the s3:// address of the lake's root, put in.

    `generated` holds the DDL of tables that have no file. Raises DdlRefused for DDL that Athena would not take or
    that differs from the declared table, and LakeError for a table without any.
    """
    texts = generated or {}
    return {
        name: _parse(texts.get(name) or _read(folder / f"{name}.sql", name), table, catalog.database, lake)
        for name, table in catalog.tables.items()
    }


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise LakeError(f"The table {name} has no DDL: there is no {path}.") from None


def _parse(text: str, table: TableSchema, database: str, lake: str) -> CreateTable:
    text = text.replace("{{database}}", database).replace("{{lake}}", lake.rstrip("/"))
    return parse_table(text, table, source=f"{table.name}.sql")


def statements(
    catalog: LakeCatalog,
    tables: Mapping[str, CreateTable],
    mode: PartitionMode,
    partitions: Mapping[str, Sequence[tuple[int, ...]]],
) -> list[Statement]:
    """What to run, in order: the database, each table, and the partitions of those that are there.

    `projection` registers none: Athena computes them from the table's properties. `alter` names each partition with
    its folder. `msck` lets Athena look for folders.
    """
    # The property is how cleanup knows the database for Shoreline's.
    made = f"CREATE DATABASE IF NOT EXISTS {catalog.database} WITH DBPROPERTIES ('project' = 'shoreline')"
    found = [Statement(f"database {catalog.database}", made)]
    for name, table in tables.items():
        shown = table if mode == "projection" else table.without_projection()
        found.append(Statement(f"table {name}", str(shown), shown))
        if mode == "alter":
            found += _added(catalog.tables[name], shown, partitions.get(name, ()))
        elif mode == "msck":
            found.append(Statement(f"partitions of {name}", f"MSCK REPAIR TABLE {shown.address}"))
    for name, select in catalog.views.items():
        made = f"CREATE OR REPLACE VIEW {catalog.database}.{name} AS\n{without_end(select)}"
        found.append(Statement(f"view {name}", made))
    return found


def _added(schema: TableSchema, table: CreateTable, partitions: Iterable[tuple[int, ...]]) -> Iterator[Statement]:
    every = sorted(partitions)
    for start in range(0, len(every), _BATCH):
        batch = every[start : start + _BATCH]
        lines = [
            f"  PARTITION ({_equalities(schema, values)}) LOCATION {_folder(schema, table, values)}" for values in batch
        ]
        head = f"ALTER TABLE {table.address} ADD IF NOT EXISTS"
        yield Statement(f"{len(batch)} partitions of {table.name}", "\n".join([head, *lines]))


def _equalities(schema: TableSchema, values: tuple[int, ...]) -> str:
    return ", ".join(f"{key.name} = {value}" for key, value in zip(schema.keys, values, strict=True))


def _folder(schema: TableSchema, table: CreateTable, values: tuple[int, ...]) -> str:
    return literal(f"{table.location}{schema.folder(values)}/")
