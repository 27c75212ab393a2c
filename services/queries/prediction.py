"""What a query will scan, before it runs: from the partitions it selects and the footers of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from services.errors import LakeError, QueryRefused
from services.formatting import count, seconds, size
from services.queries.catalog import LakeCatalog, TableSchema
from services.queries.files import Files, LakeFile, list_table
from services.queries.footers import Footer, Footers, RowGroup, differing
from services.queries.guard import PartitionSet, Selection, check
from services.queries.guard.rule import check_existing
from services.queries.guard.statement import QueryNotUnderstood
from services.queries.resolve import CheckedQuery, resolve
from services.queries.statistics import can_hold, column_tests, csv_bytes
from services.queries.time_limit import WatchedCall

PLANNING_SECONDS = 60.0  # the parser's time doubles with each level of some nestings
_COSTLIEST = 5


class ScanTooLarge(QueryRefused):
    """The query would scan more than SCAN_LIMIT_BYTES."""

    next_step = "Select fewer partitions or columns, or raise SCAN_LIMIT_BYTES if that is what you want."


class SchemaDiffers(LakeError):
    """A file's columns are not of the types that the table declares."""

    next_step = "Write its day again (generate or export, then upload): all partitions of a table share one schema."


@dataclass(frozen=True)
class PartitionScan:
    """What a scan reads of one partition, in bytes."""

    folder: str
    bytes: int


@dataclass(frozen=True)
class ScanPrediction:
    """What one scan of a query will read.

    `columns` are the bytes of each column that is read, `groups` the row groups read of `all_groups` in the selected
    files. `unfiltered` is what the same columns take in all partitions, `as_csv` all columns of all partitions as
    CSV text, which is an estimate; so is `unfiltered` where not all footers were read, which `estimated` says.
    All bytes are those of the `times` that the scan is made: a CTE is read again for each place that names it.
    """

    table: str
    name: str
    times: int
    selected: PartitionSet
    files: tuple[Footer, ...]
    columns: Mapping[str, int]
    partitions: tuple[PartitionScan, ...]
    rows: int
    groups: int
    all_groups: int
    all_partitions: int
    unfiltered: int
    as_csv: int
    estimated: bool

    @property
    def bytes(self) -> int:
        return sum(self.columns.values())


@dataclass(frozen=True)
class Prediction:
    """What a query will scan, scan by scan. Sizes in bytes."""

    query: CheckedQuery
    scans: tuple[ScanPrediction, ...]

    @cached_property
    def bytes(self) -> int:
        """The column chunks that are read; the footers, which Athena does not bill, are left out."""
        return sum(scan.bytes for scan in self.scans)

    @property
    def estimated(self) -> bool:
        """Whether `unfiltered` and `as_csv` are estimates."""
        return any(scan.estimated for scan in self.scans)

    @property
    def unfiltered(self) -> int:
        return sum(scan.unfiltered for scan in self.scans)

    @property
    def as_csv(self) -> int:
        return sum(scan.as_csv for scan in self.scans)

    @property
    def costliest(self) -> list[tuple[str, int]]:
        """The partitions that cost most, each with its bytes."""
        found: dict[str, int] = {}
        for scan in self.scans:
            for partition in scan.partitions:
                found[partition.folder] = found.get(partition.folder, 0) + partition.bytes
        return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_COSTLIEST]

    def check(self, limit: int, query: str = "The query") -> None:
        """Raises ScanTooLarge, which says of which query, when the scan is larger than `limit` bytes."""
        if self.bytes <= limit:
            return
        partitions = sum(len(scan.partitions) for scan in self.scans)
        lines = [
            f"{query} would scan {size(self.bytes)}, over the limit of {size(limit)} (SCAN_LIMIT_BYTES).",
            f"It reads {count(partitions, 'partition')}; the ones that cost most:",
            *(f"  {folder:<44} {size(cost):>9}" for folder, cost in self.costliest),
        ]
        raise ScanTooLarge("\n".join(lines))


class LakeFiles:
    """The files and footers of a lake, as they were when first looked at."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.footers = Footers(files)
        self._listed: dict[str, list[LakeFile]] = {}
        self._text: dict[str, int] = {}

    def files_of(self, table: TableSchema) -> list[LakeFile]:
        """All files of a table, in key order."""
        if table.name not in self._listed:
            self._listed[table.name] = list_table(self.files, table)
        return self._listed[table.name]

    def csv_bytes(self, footer: Footer, table: TableSchema) -> int:
        """What the file's rows would take as CSV, estimated once."""
        key = footer.file.key
        if key not in self._text:
            self._text[key] = csv_bytes(footer, table)
        return self._text[key]


def predict(sql: str, catalog: LakeCatalog, lake: LakeFiles) -> Prediction:
    """Return what a query will scan, once the guard has let it pass. Reads the footers of the selected partitions.

    Raises QueryRefused where the query breaks a rule of the lake, FileDamaged for a file that cannot be read as
    Parquet, and SchemaDiffers for one of other types than declared.
    """
    planning = WatchedCall(lambda: resolve(check(sql, catalog)))
    query = planning.result(PLANNING_SECONDS, _too_complex, stop_seconds=0)
    tables = {chosen.scan.table.name: chosen.scan.table for chosen in query.selections}
    check_existing(
        query.guarded, {name: {file.values for file in lake.files_of(table)} for name, table in tables.items()}
    )
    scans = zip(query.selections, query.columns, strict=True)
    return Prediction(query, tuple(_predict_scan(selection, columns, lake) for selection, columns in scans))


def _too_complex(limit: float) -> QueryNotUnderstood:
    return QueryNotUnderstood(f"The query is too complex: it could not be checked within {seconds(limit)}.")


def _predict_scan(selection: Selection, columns: tuple[str, ...], lake: LakeFiles) -> ScanPrediction:
    table = selection.scan.table
    listed = lake.files_of(table)
    chosen = [file for file in listed if file.values in selection.partitions]
    footers = lake.footers.read(chosen)
    for footer in footers:
        if fault := differing(footer, table.columns, columns):
            raise SchemaDiffers(f"{lake.files.url(footer.file.key)} differs from the table {table.name}: {fault}.")
    tests, times = column_tests(selection.scan), selection.scan.times
    sizes = dict.fromkeys(columns, 0)
    partitions, rows, groups = [], 0, 0
    for values, members in groupby(footers, key=lambda footer: footer.file.values):
        before = sum(sizes.values())
        for footer in members:
            kept = [group for group in footer.groups if can_hold(group, tests)] if tests else footer.groups
            whole = len(kept) == len(footer.groups)
            for name in columns:
                sizes[name] += footer.sizes.get(name, 0) if whole else _length(kept, name)
            rows += footer.rows if whole else sum(group.rows for group in kept)
            groups += len(kept)
        partitions.append(PartitionScan(f"{table.name}/{table.folder(values)}", times * (sum(sizes.values()) - before)))
    unfiltered, as_csv, estimated = _without_filter(selection, columns, lake)
    return ScanPrediction(
        table=table.name,
        name=selection.scan.name,
        times=times,
        selected=selection.partitions,
        files=tuple(footers),
        columns={name: times * taken for name, taken in sizes.items()},
        partitions=tuple(partitions),
        rows=rows,
        groups=groups,
        all_groups=sum(len(footer.groups) for footer in footers),
        all_partitions=len({file.values for file in listed}),
        unfiltered=times * unfiltered,
        as_csv=times * as_csv,
        estimated=estimated,
    )


def _length(groups: Sequence[RowGroup], name: str) -> int:
    return sum(chunk.length for group in groups for chunk in group.chunks.get(name, ()))


def _without_filter(selection: Selection, columns: tuple[str, ...], lake: LakeFiles) -> tuple[int, int, bool]:
    """The bytes of these columns in all partitions, those of everything as CSV, and whether they are estimates.

    A file whose footer was not read counts by its size, in the proportion of those whose footer was.
    """
    table = selection.scan.table
    listed = lake.files_of(table)
    known = [footer for file in listed if (footer := lake.footers.known(file))]
    if not known and listed:
        known = lake.footers.read(listed[:1])
    read = sum(footer.file.size for footer in known)
    if not read:
        return 0, 0, False
    everything = sum(file.size for file in listed)
    of_columns = sum(footer.sizes.get(name, 0) for footer in known for name in columns)
    as_text = sum(lake.csv_bytes(footer, table) for footer in known)
    return of_columns * everything // read, as_text * everything // read, len(known) < len(listed)
