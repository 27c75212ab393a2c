"""The DDL that creates the lake's tables in Athena, generated from their declarations.

`python -m services.queries.ddl` writes the statements of the declared tables to sql/athena/tables/, for people to read
and copy; a test compares them. Nothing reads them back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.errors import InputError
from services.identifiers import quote
from services.lake.tables import TABLES
from services.queries.catalog import LakeCatalog, TableSchema, catalog_of
from services.queries.guard.statement import without_end

PartitionMode = Literal["projection", "alter", "msck"]
FOLDER = Path(__file__).resolve().parents[2] / "sql" / "athena" / "tables"
PARTITIONS_PER_STATEMENT = 100  # the most that BatchCreatePartition, which ALTER TABLE calls, takes

# https://docs.aws.amazon.com/athena/latest/ug/reserved-words.html, "Reserved keywords to escape in DDL statements"
RESERVED = frozenset(
    """ALL ALTER AND ARRAY AS AUTHORIZATION BETWEEN BIGINT BINARY BOOLEAN BOTH BY CASE CASHE CAST CHAR COLUMN CONF
    CONSTRAINT COMMIT CREATE CROSS CUBE CURRENT CURRENT_DATE CURRENT_TIMESTAMP CURSOR DATABASE DATE DAYOFWEEK DECIMAL
    DELETE DESCRIBE DISTINCT DIV DOUBLE DROP ELSE END EXCHANGE EXISTS EXTENDED EXTERNAL EXTRACT FALSE FETCH FLOAT FLOOR
    FOLLOWING FOR FOREIGN FROM FULL FUNCTION GRANT GROUP GROUPING HAVING IF IMPORT IN INNER INSERT INT INTEGER
    INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LESS LIKE LOCAL MACRO MAP MORE NONE NOT NULL NUMERIC OF ON ONLY OR
    ORDER OUT OUTER OVER PARTIALSCAN PARTITION PERCENT PRECEDING PRECISION PRESERVE PRIMARY PROCEDURE RANGE READS
    REDUCE REFERENCES REGEXP REVOKE RIGHT RLIKE ROLLBACK ROLLUP ROW ROWS SELECT SET SMALLINT START TABLE TABLESAMPLE
    THEN TIME TIMESTAMP TO TRANSFORM TRIGGER TRUE TRUNCATE UNBOUNDED UNION UNIQUEJOIN UPDATE USER USING UTC_TIMESTAMP
    VALUES VARCHAR VIEWS WHEN WHERE WINDOW WITH""".split()  # noqa: SIM905  # a list of words reads best as text
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*|\{\{\w+\}\}")  # a word, or a placeholder of the committed files
_TYPE = re.compile(r"[a-z0-9_:,<>()]+")
_FIELD = re.compile(r"(\w+):")
_COMMITTED = """\
-- Generated from services/lake/tables.py by `python -m services.queries.ddl`. Athena computes the partitions of {name}
-- from the projection below, so that a new day is queried as soon as its folder exists; with ATHENA_PARTITIONS=alter or
-- msck the projection is left out.
{ddl}
"""


class TableNotDeclarable(InputError):
    """Athena's DDL cannot declare a table of the lake."""

    next_step = "Rename the column in PostgreSQL, or cast it, then run `shoreline export` and `shoreline upload`."


@dataclass(frozen=True)
class DdlColumn:
    """A column or partition key."""

    name: str
    kind: str  # its Athena type
    comment: str = ""

    @property
    def sql(self) -> str:
        """The column as DDL declares it."""
        return f"{hive_name(self.name)} {self.kind}" + (f" COMMENT {literal(self.comment)}" if self.comment else "")


@dataclass(frozen=True)
class CreateTable:
    """A CREATE EXTERNAL TABLE. `tables --ddl --json` prints its fields."""

    database: str
    name: str
    columns: tuple[DdlColumn, ...]
    keys: tuple[DdlColumn, ...]
    location: str  # an s3:// folder, with a slash at the end
    properties: Mapping[str, str]
    comment: str = ""
    stored_as: str = "PARQUET"
    serde: str = ""  # none: STORED AS chooses it

    @property
    def address(self) -> str:
        """The database and the table as DDL writes them."""
        return f"{hive_name(self.database)}.{hive_name(self.name)}"

    @property
    def projected(self) -> bool:
        """Whether its partitions come from projection: those in the catalog are then ignored."""
        return "projection.enabled" in self.properties

    @property
    def sql(self) -> str:
        """The statement, without a semicolon. Athena requires this order of the clauses.

        Source: https://docs.aws.amazon.com/athena/latest/ug/create-table.html
        """
        properties = (f"  {literal(name)} = {literal(value)}" for name, value in self.properties.items())
        return "\n".join(
            [
                f"CREATE EXTERNAL TABLE IF NOT EXISTS {self.address} (",
                ",\n".join(f"  {column.sql}" for column in self.columns),
                ")",
                *([f"COMMENT {literal(self.comment)}"] if self.comment else []),
                f"PARTITIONED BY ({', '.join(key.sql for key in self.keys)})",
                f"STORED AS {self.stored_as}",
                f"LOCATION {literal(self.location)}",
                "TBLPROPERTIES (",
                ",\n".join(properties),
                ")",
            ]
        )


@dataclass(frozen=True)
class Statement:
    """One DDL statement: Athena runs one per call."""

    what: str
    sql: str
    table: CreateTable | None = None  # what it creates, if that is a table


def create_table(table: TableSchema, database: str, lake: str, *, projection: bool = True) -> CreateTable:
    """Return the DDL of a table below `lake`, the s3:// address of the lake's root.

    Raises TableNotDeclarable for a column that Athena's DDL cannot declare.
    """
    columns = {name.lower(): kind.lower() for name, kind in table.columns.items()}
    _require_declarable(table, columns)
    location = f"{lake.rstrip('/')}/{table.name}/"
    properties = {"classification": "parquet"} | (_projection(table, location) if projection else {})
    declared = tuple(DdlColumn(name, kind, table.comments.get(name, "")) for name, kind in columns.items())
    keys = tuple(DdlColumn(key.name, "int") for key in table.keys)
    return CreateTable(database, table.name.lower(), declared, keys, location, properties, table.comment)


def _projection(table: TableSchema, location: str) -> dict[str, str]:
    properties = {"projection.enabled": "true"}
    for key in table.keys:
        properties[f"projection.{key.name}.type"] = "integer"
        properties[f"projection.{key.name}.range"] = f"{key.first},{key.last}"
        if len(str(key.first)) < key.digits:
            properties[f"projection.{key.name}.digits"] = str(key.digits)
    folders = "".join(f"{key.name}=${{{key.name}}}/" for key in table.keys)
    return properties | {"storage.location.template": location + folders}


def _require_declarable(table: TableSchema, columns: Mapping[str, str]) -> None:
    """Raise TableNotDeclarable for a name that occurs twice, and for a type that would break the statement."""
    names = Counter([*(name.lower() for name in table.columns), *(key.name for key in table.keys)])
    repeated = [name for name, times in names.items() if times > 1]
    if repeated:
        raise TableNotDeclarable(
            f"Table {table.name} has several columns named {repeated[0]}: Athena ignores case, and the partition keys "
            f"{', '.join(key.name for key in table.keys)} are columns too."
        )
    for name, kind in columns.items():
        fields = _FIELD.findall(kind)
        bad_field = next((part for part in fields if part.upper() in RESERVED or part.startswith("_")), None)
        if not _TYPE.fullmatch(kind) or bad_field:
            why = f": its field {bad_field} has a reserved name" if bad_field else ""
            raise TableNotDeclarable(f"Athena cannot declare {table.name}.{name} of type {kind}{why}.")


def statements(
    catalog: LakeCatalog, lake: str, mode: PartitionMode, partitions: Mapping[str, Sequence[tuple[int, ...]]]
) -> list[Statement]:
    """Return what to run, in order: the database, each table with its partitions, and the views.

    `projection` registers no partitions: Athena computes them from the table's properties. `alter` names each one of
    `partitions` with its folder. `msck` makes Athena search for folders.
    """
    # Cleanup recognizes Shoreline's database by the property.
    database = f"CREATE DATABASE IF NOT EXISTS {catalog.database} WITH DBPROPERTIES ('project' = 'shoreline')"
    result = [Statement(f"database {catalog.database}", database)]
    for name, schema in catalog.tables.items():
        table = create_table(schema, catalog.database, lake, projection=mode == "projection")
        result.append(Statement(f"table {name}", table.sql, table))
        if mode == "alter":
            result += _add_partitions(schema, table, partitions.get(name, ()))
        elif mode == "msck":
            result.append(Statement(f"partitions of {name}", f"MSCK REPAIR TABLE {table.address}"))
    for name, select in catalog.views.items():
        view = f"CREATE OR REPLACE VIEW {catalog.database}.{name} AS\n{without_end(select)}"
        result.append(Statement(f"view {name}", view))
    return result


def _add_partitions(
    schema: TableSchema, table: CreateTable, partitions: Iterable[tuple[int, ...]]
) -> Iterator[Statement]:
    ordered = sorted(partitions)
    for start in range(0, len(ordered), PARTITIONS_PER_STATEMENT):
        batch = ordered[start : start + PARTITIONS_PER_STATEMENT]
        lines = [f"ALTER TABLE {table.address} ADD IF NOT EXISTS"]
        for values in batch:
            pairs = ", ".join(f"{key.name} = {value}" for key, value in zip(schema.keys, values, strict=True))
            lines.append(f"  PARTITION ({pairs}) LOCATION {literal(f'{table.location}{schema.folder(values)}/')}")
        yield Statement(f"{len(batch)} partitions of {table.name}", "\n".join(lines))


def hive_name(name: str) -> str:
    """Return an identifier as Athena's DDL takes it: in backticks where it is reserved or has other characters."""
    plain = _PLAIN.fullmatch(name) and name.upper() not in RESERVED
    return name if plain else quote(name, "`")


def literal(text: str) -> str:
    """Return a DDL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def committed_tables() -> dict[str, str]:
    """Return the text of each file under sql/athena/tables/, by table."""
    catalog = catalog_of("{{database}}", TABLES)
    return {
        name: _COMMITTED.format(name=name, ddl=create_table(schema, catalog.database, "{{lake}}").sql)
        for name, schema in catalog.tables.items()
    }


if __name__ == "__main__":
    for table_name, text in committed_tables().items():
        (FOLDER / f"{table_name}.sql").write_text(text, encoding="utf-8")
