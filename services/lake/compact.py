"""Merges the small files of a day: each file costs a request, and its footer, in every query."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import Busy, LakeError, ShorelineError
from services.lake.files import MAX_FILE_BYTES, ROWS_PER_GROUP, DayWriter, local_files
from services.lake.journal import DayMerge, Journal, close_journal, open_journal, read_journal, recover, superfluous
from services.lake.manifest import Unreadable
from services.lake.parquet import is_encrypted
from services.lake.partitions import MERGED, OWN, file_number, is_own, is_read
from services.lake.plan import TablePlan
from services.lake.record import write_record
from services.lake.remote import RemoteLake
from services.lake.tables import TABLES
from services.lake.transfer import THREADS, of_files
from services.lake.upload import Count, RemovalRules, upload
from services.progress import StartTask
from services.s3.objects import StoredObject

SMALL_BYTES = 64_000_000
_SORTED_BYTES = 50_000_000  # sorting takes several times a file's size in memory


@dataclass(frozen=True)
class Merge:
    """The files of a day to be merged.

    Shoreline's own files and those of other programs are never merged with each other: an upload of the day replaces
    the former and keeps the latter.
    """

    table: str
    day_folder: str
    files: Mapping[str, StoredObject]  # present files by path
    size: int  # of all files, in bytes
    stem: str = OWN  # how names of the results begin


@dataclass(frozen=True)
class CompactReport:
    """The days that were merged, or with `dry_run` would be; `files_after` is 0 then."""

    dry_run: bool
    merges: tuple[Merge, ...]
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    unreadable: Mapping[str, str] = field(default_factory=dict)  # tables that were left out, and why


def plan_merges(table: str, listed: Mapping[str, StoredObject], own: Collection[str]) -> list[Merge]:
    """Return the days that have two or more small files, and more files than their bytes need. Touches nothing."""
    merges = []
    for (folder, stem), files in sorted(_by_day(listed, own).items()):
        size = sum(found.size for found in files.values())
        small = sum(found.size < SMALL_BYTES for found in files.values())
        if small > 1 and len(files) > -(-size // MAX_FILE_BYTES):
            merges.append(Merge(table, folder, files, size, stem))
    return merges


def _by_day(listed: Mapping[str, StoredObject], own: Collection[str]) -> dict[tuple[str, str], dict[str, StoredObject]]:
    """Group the files that a query reads by the folder of their day, and by whether Shoreline wrote them.

    A file of Shoreline's names that is not its own is left out: merged, its rows would be taken for exported ones.
    """
    days: dict[tuple[str, str], dict[str, StoredObject]] = {}
    for path, found in listed.items():
        if is_read(path) and is_own(path) == (path in own):
            days.setdefault((path.rpartition("/")[0], OWN if path in own else MERGED), {})[path] = found
    return days


def _own_files(lake: RemoteLake, table: str, listed: Mapping[str, StoredObject]) -> set[str]:
    """Return the paths of the files that Shoreline wrote."""
    stored = lake.identify(listed, {}, lake.recorded(table).manifest)
    return {path for path, file in stored.items() if file.own}


def merged_sizes(merge: Merge) -> list[int]:
    """Return the estimated sizes of the merged files: as many bytes as now, in the fewest files."""
    full, rest = divmod(merge.size, MAX_FILE_BYTES)
    return [MAX_FILE_BYTES] * full + [rest] * bool(rest)


def compact(
    lake: RemoteLake,
    tables: Sequence[str],
    start: StartTask,
    *,
    count: Count,
    dry_run: bool = False,
    before_reading: Callable[[Sequence[Merge]], object] = lambda _: None,
) -> CompactReport:
    """Merge the small files of each day of the tables in the bucket.

    The new files are verified before the old ones are deleted; in between, a query finds the rows of the day twice. A
    day whose files changed meanwhile is left alone. What a killed compact left is cleaned up first. `before_reading`
    receives the merges before anything is read, and may raise. Raises LakeError for files with incompatible columns,
    Busy when someone else writes to the same days.
    """
    lake.storage.require()
    merges, unreadable = _planned(lake, tables, dry_run=dry_run)
    before = sum(len(merge.files) for merge in merges)
    size = sum(merge.size for merge in merges)
    if dry_run or not merges:
        return CompactReport(dry_run, tuple(merges), before, 0, size, 0, unreadable)
    before_reading(merges)
    with tempfile.TemporaryDirectory(prefix="shoreline-compact-") as folder:
        output = Path(folder)
        with start("compact", size, files=before) as advance:
            for merge in merges:
                _merge(lake, merge, output)
                advance(merge.size, len(merge.files))
        for table in {merge.table for merge in merges}:
            if (record := lake.export_record(table)) is not None:
                write_record(output, record)  # the rows are still those that were exported
        written = [path.stat().st_size for path in output.rglob("*.parquet")]
        _replace(lake, merges, output, start, count)
    return CompactReport(dry_run, tuple(merges), before, len(written), size, sum(written), unreadable)


def _planned(lake: RemoteLake, tables: Sequence[str], *, dry_run: bool) -> tuple[list[Merge], dict[str, str]]:
    """Return the merges, and the tables whose manifest or export record cannot be read, each with the reason.

    What a killed compact left is cleaned up first. A dry run only ignores it.
    """
    gone: set[str] = set()
    if (journal := read_journal(lake)) is not None:
        if dry_run:
            gone = superfluous(lake, journal)
        else:
            recover(lake, journal)
    merges: list[Merge] = []
    unreadable: dict[str, str] = {}
    for table in tables:
        listed = {path: file for path, file in lake.listed(table).items() if file.key not in gone}
        try:
            planned = plan_merges(table, listed, _own_files(lake, table, listed))
            if planned:
                lake.export_record(table)
        except Unreadable as error:
            unreadable[table] = str(error)
        else:
            merges += planned
    return merges, unreadable


def _replace(lake: RemoteLake, merges: Sequence[Merge], output: Path, start: StartTask, count: Count) -> None:
    """Replace the old files by the merged ones. The journal lets the next compact finish or undo it."""
    journal = _journal(merges, output)
    begun = False

    def begin(plans: Sequence[TablePlan]) -> None:  # the manifests are read by now, so `recover` can fence them
        nonlocal begun
        _unchanged(lake, merges, plans)
        open_journal(lake, journal)
        begun = True

    try:
        upload(output, lake, start, rules=RemovalRules(replaced=_sources(merges)), before_sending=begin, count=count)
    except Exception:
        with suppress(ShorelineError):  # otherwise the next compact recovers
            if begun:
                recover(lake, journal)
        raise
    close_journal(lake, journal)


def _sources(merges: Sequence[Merge]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for merge in merges:
        found.setdefault(merge.table, set()).update(merge.files)
    return found


def _journal(merges: Sequence[Merge], output: Path) -> Journal:
    results: dict[tuple[str, str], dict[str, str]] = {}
    files = local_files(output)
    for file, sha256 in zip(files, of_files([(file.location, file.size) for file in files]), strict=True):
        results.setdefault((file.table, file.path.rpartition("/")[0]), {})[file.path] = sha256
    tables: dict[str, dict[str, DayMerge]] = {}
    for merge in merges:
        if merged := results.get((merge.table, merge.day_folder)):  # files without rows have no result
            days = tables.setdefault(merge.table, {})
            other = days.get(merge.day_folder, DayMerge({}, {}))
            sources = {path: found.etag for path, found in merge.files.items()}
            days[merge.day_folder] = DayMerge({**other.sources, **sources}, merged)
    return Journal(tables)


def _merge(lake: RemoteLake, merge: Merge, output: Path) -> None:
    """Write the day's rows into few files, and check that none is lost."""
    with tempfile.TemporaryDirectory(dir=output, prefix="_") as folder, ThreadPoolExecutor(THREADS) as pool:
        names = sorted(merge.files)
        fetched = pool.map(lambda path: _fetch(lake, merge, path, Path(folder)), names)
        files = list(fetched)
        expected = sum(file.metadata.num_rows for file in files)
        schema = _common_schema(merge, files)
        with DayWriter(output / merge.table / merge.day_folder, first=_first_free(merge), stem=merge.stem) as writer:
            for group in _ordered(merge, _groups(files, schema), schema):
                for start in range(0, max(group.num_rows, 1), ROWS_PER_GROUP):
                    writer.write(group.slice(start, ROWS_PER_GROUP))
            written = writer.finish().rows
    if written != expected:
        raise LakeError(f"{merge.table}/{merge.day_folder}: only {written:,} of {expected:,} rows were merged.")


def _first_free(merge: Merge) -> int:
    """Return the first free file number of the day: a result never overwrites one of its sources."""
    numbers = (file_number(path.rpartition("/")[2], merge.stem) for path in merge.files)
    return max((number + 1 for number in numbers if number is not None), default=0)


def _fetch(lake: RemoteLake, merge: Merge, path: str, folder: Path) -> pq.ParquetFile:
    key = lake.key(merge.table, path)
    body = lake.storage.read(key)
    if body is None or len(body) != merge.files[path].size:
        raise Busy(f"{lake.storage.url(key)} changed while it was being read.")
    file = folder / path.rpartition("/")[2]
    file.write_bytes(body)
    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise LakeError(f"{lake.storage.url(key)} is not a complete Parquet file: {error}") from error
    if is_encrypted(file, opened.metadata):
        raise LakeError(f"{lake.storage.url(key)} has encrypted columns, which cannot be merged.")
    return opened


def _ordered(merge: Merge, groups: Iterator[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Return the rows sorted as the table declares if the day fits into memory, else in the files' order."""
    declared = TABLES.get(merge.table)
    keys = [name for name in declared.sort_by if name in schema.names] if declared else []
    if not keys or merge.size > _SORTED_BYTES:
        return groups
    return iter([pa.concat_tables(groups).sort_by([(name, "ascending") for name in keys])])


def _common_schema(merge: Merge, files: Sequence[pq.ParquetFile]) -> pa.Schema:
    try:
        return pa.unify_schemas([file.schema_arrow for file in files])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise LakeError(f"The files of {merge.table}/{merge.day_folder} differ in their types: {error}") from error


def _groups(files: Sequence[pq.ParquetFile], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of all files in groups of about a million."""
    held: list[pa.Table] = []
    rows = 0
    for file in files:
        for number in range(file.metadata.num_row_groups):
            group = file.read_row_group(number)
            missing = [name for name in schema.names if name not in group.schema.names]
            for name in missing:
                group = group.append_column(name, pa.nulls(group.num_rows, schema.field(name).type))
            held.append(group.select(schema.names).cast(schema))
            rows += group.num_rows
            if rows >= ROWS_PER_GROUP:
                yield pa.concat_tables(held).combine_chunks()
                held, rows = [], 0
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _unchanged(lake: RemoteLake, merges: Sequence[Merge], plans: Sequence[TablePlan]) -> None:
    """Raise Busy if the files of a merged day have changed since: removing them would lose rows."""
    now = {}
    for plan in plans:
        listed = lake.listed(plan.table)
        now[plan.table] = _by_day(listed, _own_files(lake, plan.table, listed))
    for merge in merges:
        files = now[merge.table].get((merge.day_folder, merge.stem), {})
        if {path: found.etag for path, found in files.items()} != {
            path: found.etag for path, found in merge.files.items()
        }:
            raise Busy(f"{merge.table}/{merge.day_folder} was written to while it was being merged.")
