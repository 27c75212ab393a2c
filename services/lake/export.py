"""PostgreSQL's tables as Parquet, partitioned by each row's own day: one snapshot, every row counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import LakeError
from services.lake.copy import BLOCKS, RowTooWide, copy
from services.lake.declaration import ExportSource
from services.lake.export_plan import DaySelection, TableExport, prepare
from services.lake.files import DayFiles
from services.lake.layout import TooLarge, write_sorted, write_unsorted
from services.lake.manifest import Unreadable
from services.lake.partitions import SPAN_BYTES, Span
from services.lake.record import ExportRecord, write_record
from services.lake.source import snapshot
from services.postgres.client import Database
from services.progress import Advance, StartTask

_UNSORTED_BYTES = 4 * SPAN_BYTES  # a span that turns out wider than planned is read again, in order


@dataclass(frozen=True)
class ExportedTable:
    """What was written of one table, or with a dry run what would be.

    A dry run has no files.
    """

    name: str
    source: str
    days: Mapping[date, str]  # that were written, with the reason
    unchanged: int  # days that were not written
    gone: int  # days of the lake that are no longer in PostgreSQL
    rows: int
    files: int
    size: int  # in bytes
    cut: Mapping[str, int]  # times that were truncated to the millisecond, by column


@dataclass(frozen=True)
class ExportReport:
    """What was written, and where."""

    output: Path
    dry_run: bool
    tables: tuple[ExportedTable, ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)  # tables that were left out, and why


@dataclass(frozen=True)
class _Written:
    days: Mapping[date, DayFiles]
    cut: Counter[str]


def export(
    database: Database,
    sources: Sequence[ExportSource],
    output: Path,
    wanted: DaySelection,
    last_record: Callable[[str], ExportRecord | None],
    start: StartTask,
    *,
    workers: int,
    dry_run: bool = False,
) -> ExportReport:
    """Write the wanted days of each table under `output`, replacing existing files of these days.

    `last_record` returns the record of what the lake holds of a table. All tables are read in one snapshot. Raises
    LakeError for columns and values that cannot be stored, and if a day's files do not hold as many rows as
    PostgreSQL counted. Then nothing is recorded, and the next export starts over.
    """
    with snapshot(database) as seen:
        plans: list[TableExport] = []
        unreadable: dict[str, str] = {}
        for source in sources:
            try:
                plans.append(prepare(seen, source, output, wanted, last_record))
            except Unreadable as error:  # of this table only
                unreadable[source.name] = str(error)
        if dry_run:
            planned = tuple(_report(plan, _Written({}, Counter())) for plan in plans)
            return ExportReport(output, dry_run, planned, unreadable)
        with start("export", sum(plan.rows for plan in plans), "items") as advance:
            written = _write_all(plans, partial(_write, database, seen.name, advance), workers)
    for plan, done in zip(plans, written, strict=True):
        _verify(plan, done)
    for plan in plans:
        write_record(output, plan.record)
    reports = (_report(plan, done) for plan, done in zip(plans, written, strict=True))
    return ExportReport(output, dry_run, tuple(reports), unreadable)


def _write_all(
    plans: Sequence[TableExport], write: Callable[[TableExport, Span], _Written], workers: int
) -> list[_Written]:
    """Write the spans of all tables, the largest first, one per worker at a time."""
    spans = sorted(((plan, span) for plan in plans for span in plan.spans()), key=lambda pair: -pair[1].rows)
    with ThreadPoolExecutor(workers) as pool:
        started = [(plan, pool.submit(write, plan, span)) for plan, span in spans]
        try:
            wait([future for _, future in started], return_when=FIRST_EXCEPTION)
        finally:  # after a failure or an interruption; otherwise nothing is left to cancel
            pool.shutdown(cancel_futures=True)
        done = [(plan, future.result()) for plan, future in started if not future.cancelled()]
    gathered = []
    for plan in plans:
        parts = [part for owner, part in done if owner is plan]
        days = {day: files for part in parts for day, files in part.days.items()}
        gathered.append(_Written(days, sum((part.cut for part in parts), Counter())))
    return gathered


def _write(database: Database, snapshot: str, advance: Advance, plan: TableExport, span: Span) -> _Written:
    cut: Counter[str] = Counter()
    blocks = list(BLOCKS)

    def rows(*, ordered: bool) -> Iterator[pa.Table]:
        cut.clear()
        try:
            yield from copy(database, snapshot, plan.query(span, ordered=ordered), plan.columns, cut, blocks[0])
        except LakeError as error:  # it names the column, not the table
            raise type(error)(f"{plan.source.shown}: {error}", next_step=error.next_step) from error

    def write() -> Mapping[date, DayFiles]:
        if not span.sorted:
            with suppress(TooLarge):
                return write_unsorted(rows(ordered=False), plan.layout, _UNSORTED_BYTES)
        return write_sorted(rows(ordered=True), plan.layout)

    while True:
        try:
            days = write()
            break
        except RowTooWide:  # the span is read again, in larger blocks
            if not blocks[1:]:
                raise
            blocks.pop(0)
    advance(span.rows)
    return _Written(days, cut)


def _verify(plan: TableExport, written: _Written) -> None:
    """Raise LakeError unless the files of each day hold the rows that PostgreSQL counted."""
    counted = {day: plan.states[day].rows for day in plan.changed}
    held = {day: sum(pq.read_metadata(path).num_rows for path in files.paths) for day, files in written.days.items()}
    if counted != held:
        day = min(day for day in {*counted, *held} if counted.get(day) != held.get(day))
        raise LakeError(
            f"{plan.source.shown}: PostgreSQL counted {counted.get(day, 0):,} rows on {day}, but the files hold"
            f" {held.get(day, 0):,}.",
            next_step="Make sure that no other program writes there, and run the export again.",
        )


def _report(plan: TableExport, written: _Written) -> ExportedTable:
    files = written.days.values()
    return ExportedTable(
        name=plan.source.name,
        source=plan.source.shown,
        days=dict(sorted(plan.changed.items())),
        unchanged=len(plan.states) - len(plan.changed),
        gone=plan.gone,
        rows=plan.rows,
        files=sum(len(day.paths) for day in files),
        size=sum(day.size for day in files),
        cut=dict(written.cut),
    )
