"""Tables that no file declares: what the lake's own manifest says of them, their DDL, and their rows counted by SQL."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from services.identifiers import quote
from services.lake.manifest import LakeManifest, Unreadable
from services.lake.partitions import keys
from services.lake.remote import RemoteLake
from services.queries.catalog import LakeCatalog, TableSchema
from services.queries.prediction import LakeFiles, predict


@dataclass(frozen=True)
class TableReport:
    """One table, by the footers of its files. `newest` is the folder of its newest partition, empty for none."""

    name: str
    columns: Mapping[str, str]
    partitions: int
    files: int
    rows: int
    bytes: int
    newest: str


def describe(catalog: LakeCatalog, lake: LakeFiles) -> list[TableReport]:
    """The tables in the order of the catalog. Raises FileDamaged for a file that is not a Parquet file."""
    found = []
    for name, table in catalog.tables.items():
        listed = lake.files_of(table)
        partitions = sorted({file.values for file in listed})
        found.append(
            TableReport(
                name=name,
                columns={**table.columns, **{key.name: "int" for key in table.keys}},
                partitions=len(partitions),
                files=len(listed),
                rows=sum(footer.rows for footer in lake.footers.read(listed)),
                bytes=sum(file.size for file in listed),
                newest=table.folder(partitions[-1]) if partitions else "",
            )
        )
    return found


def recorded_tables(lake: RemoteLake, declared: Container[str]) -> tuple[dict[str, TableSchema], dict[str, Unreadable]]:
    """Return the tables that the lake's manifests describe, other than those that are known; and those unreadable."""
    found, unreadable = {}, {}
    for name in lake.tables():
        if name in declared:
            continue
        try:
            manifest = lake.recorded(name).manifest
        except Unreadable as error:
            unreadable[name] = error
        else:
            if manifest.files:
                found[name] = recorded_schema(manifest)
    return found, unreadable


def recorded_schema(manifest: LakeManifest) -> TableSchema:
    """A table as its manifest records it."""
    columns = {column.name: column.athena for column in manifest.schema.columns}
    return TableSchema(manifest.table, columns, keys(*(manifest.years or (1, 1))))


def count_rows(lake: LakeFiles, table: TableSchema, days: Iterable[date]) -> dict[date, int]:
    """The rows of each of the days, as SQL counts them over the files in the bucket. Reads footers only."""
    catalog = LakeCatalog("lake", {table.name: table})
    from services.queries.offline.engine import DuckDbEngine  # lazy: describing tables does not need DuckDB

    engine = DuckDbEngine(lake)
    counted: dict[date, int] = {}
    try:
        for (year, month), group in groupby(sorted(days), key=lambda day: (day.year, day.month)):
            listed = ", ".join(str(day.day) for day in group)
            sql = (
                f"SELECT day, count(*) AS counted FROM {quote(table.name)}"  # noqa: S608  # a quoted name
                f" WHERE year = {year} AND month = {month} AND day IN ({listed}) GROUP BY day"
            )
            rows = engine.run(predict(sql, catalog, lake)).rows.to_pylist()
            counted |= {date(year, month, row["day"]): row["counted"] for row in rows}
    finally:
        engine.close()
    return counted
