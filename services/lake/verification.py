"""That the lake holds what was exported: PostgreSQL's count of each day, the files', and SQL's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from services.errors import LakeError
from services.lake.manifest import LakeManifest
from services.lake.partitions import day_of_file, is_own
from services.lake.plan import TablePlan
from services.lake.record import ExportRecord
from services.lake.remote import RemoteLake

Count = Callable[[LakeManifest, Iterable[date]], Mapping[date, int]]
"""Counts the rows of days in the bucket by SQL."""


def agree_with_export(
    lake: RemoteLake, plan: TablePlan, manifest: LakeManifest, exported: ExportRecord | None, count: Count
) -> None:
    """Raises LakeError unless each day has as many rows in the lake as PostgreSQL counted when it was exported.

    The manifest is held against the export on every day, SQL on those that were sent. Files of other programs count
    in neither: of a day that has some, SQL must find the exported rows at least. Where all agree, the next export is
    told that it need not write these days again. Files that come from elsewhere put an end to that.
    """
    if exported is None:
        if plan.send or plan.remove:
            lake.forget_export(plan.table)
        return
    _hold(manifest.table, "the files", exported.differences(manifest.own_rows_by_day()))
    sent = _days(change.path for change in plan.send)
    by_sql = dict(count(manifest, sent)) if sent else {}
    for day in sent & _days([*plan.foreign, *(path for path in manifest.files if not is_own(path))]):
        by_sql[day] = min(by_sql.get(day, 0), exported.days[day].rows if day in exported.days else 0)
    _hold(manifest.table, "SQL", exported.only(sent).differences(by_sql))
    if lake.export_record(manifest.table) != exported:
        lake.record_export(exported)


def _hold(table: str, reader: str, found: Sequence[str]) -> None:
    if found:
        more = f" (and {len(found) - 1} days more)" if len(found) > 1 else ""
        raise LakeError(
            f"{table} is not what was exported, by {reader}: on {found[0]}{more}.",
            next_step="Run `shoreline export --full`, then upload again.",
        )


def require_exported_days(
    table: str, url: str, exported: ExportRecord, last: ExportRecord | None, rows: Mapping[date, int]
) -> None:
    """Raises LakeError unless an upload of the export would leave the lake as PostgreSQL was, before anything is sent.

    `last` is what the lake says was exported last, `rows` are those of each day there.
    """
    step = "Run `shoreline export`, then upload again."
    if exported.is_older_than(last):
        raise LakeError(f"{table} was exported and uploaded again since this export, by another run.", next_step=step)
    left = exported.only(exported.unwritten).differences(rows)
    if left:
        raise LakeError(
            f"The export of {table} was made for a lake that has its unchanged days, and {url} does not: on {left[0]}.",
            next_step="Run `shoreline export --full`, then upload again.",
        )


def _days(paths: Iterable[str]) -> set[date]:
    days = (day_of_file(path) for path in paths)
    return {day for day in days if day is not None}
