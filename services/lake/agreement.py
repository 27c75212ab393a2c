"""That the lake holds what was exported: PostgreSQL's count of each day, the files', and SQL's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from services.errors import LakeError
from services.lake.manifest import Manifest
from services.lake.partitions import day_of_file
from services.lake.plan import TablePlan
from services.lake.record import ExportRecord
from services.lake.remote import RemoteLake

Count = Callable[[Manifest, Iterable[date]], Mapping[date, int]]
"""Counts the rows of days in the bucket by SQL."""


def agree_with_export(
    lake: RemoteLake, plan: TablePlan, manifest: Manifest, exported: ExportRecord | None, count: Count
) -> None:
    """Raises LakeError unless each day has as many rows in the lake as PostgreSQL counted when it was exported.

    The manifest is held against the export on every day, SQL on those that were sent. Where all agree, the next
    export is told that it need not write these days again. Files that come from elsewhere put an end to that.
    """
    if exported is None:
        if plan.send or plan.remove:
            lake.forget_export(plan.table)
        return
    _hold(manifest.table, "the files", exported.differences(manifest.rows_by_day()))
    sent = _days(change.path for change in plan.send)
    by_sql = count(manifest, sent) if sent else {}
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


def _days(paths: Iterable[str]) -> set[date]:
    days = (day_of_file(path) for path in paths)
    return {day for day in days if day is not None}
