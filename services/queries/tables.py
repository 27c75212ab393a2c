"""What the lake's tables hold: partitions, rows, bytes, the newest day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.queries.catalog import Catalog
from services.queries.prediction import Lake


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


def describe(catalog: Catalog, lake: Lake) -> list[TableReport]:
    """The tables in the order of the catalog. Raises FileDamaged for a file that is no Parquet file."""
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
