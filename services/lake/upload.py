"""Uploads the lake's files: only what differs, verified, and never leaving a day without its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from pathlib import Path

from services.errors import LakeError
from services.lake.files import FolderContents, LocalFile, contents, local_files
from services.lake.manifest import LakeManifest, ManifestEntry, Unreadable
from services.lake.partitions import day_of_file, is_own
from services.lake.plan import StoredFile, TablePlan, plan_table
from services.lake.record import ExportRecord, read_records
from services.lake.remote import RemoteLake, StoredManifest
from services.lake.schema import Schema, check_shape
from services.lake.tables import TABLES
from services.lake.transfer import Sending, Sent, of_files, require_unchanged, send_all
from services.progress import StartTask
from services.s3.objects import StoredObject

Count = Callable[[LakeManifest, Iterable[date]], Mapping[date, int]]
"""Counts the rows of days in the bucket by SQL."""


@dataclass(frozen=True)
class UploadReport:
    """The result of an upload, or the plan of a dry run."""

    target: str
    dry_run: bool
    plans: tuple[TablePlan, ...]
    rows: Mapping[str, int]  # of each table in the bucket, after the upload
    widened: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # new first and last year for `athena`
    unreadable: Mapping[str, str] = field(default_factory=dict)  # tables that were left out, and why


@dataclass(frozen=True)
class RemovalRules:
    """The rules by which an upload removes files from the bucket."""

    delete: bool = False  # days of generated tables that are missing locally
    delete_foreign: bool = False  # files of other programs in days that are sent or removed
    keep_vanished: bool = False  # keep days that PostgreSQL no longer has
    replaced: Mapping[str, Collection[str]] | None = None  # a compact's sources by table: only these are removed


@dataclass(frozen=True)
class _Table:
    """One table, here and in the bucket. `described` are the files that its manifest does not know yet.

    `sums` holds the checksums of those that may be in the bucket already, `present` is the manifest without files
    that are no longer there.
    """

    name: str
    local: Mapping[str, LocalFile]
    sums: Mapping[str, str]
    before: StoredManifest
    present: LakeManifest
    listed: Mapping[str, StoredObject]
    stored: Mapping[str, StoredFile]
    plan: TablePlan
    described: Mapping[str, FolderContents]


def upload(
    output: Path,
    lake: RemoteLake,
    start: StartTask,
    *,
    dry_run: bool = False,
    rules: RemovalRules = RemovalRules(),
    accept_drift: bool = False,
    before_sending: Callable[[Sequence[TablePlan]], object] = lambda _: None,
    count: Count,
) -> UploadReport:
    """Make the bucket's days equal to those that were exported or generated under `output`.

    Of an exported table only the days that its record says were written are taken: others there are from older
    exports. New and changed files are sent and verified, then recorded in their table's manifest, and only then are
    files removed that their day no longer has. Stopped anywhere, the next run does what is left. Raises
    LakeError before anything is sent when a file is damaged or has another shape than its table; `before_sending` sees
    the plans before that too, and may raise. Of a table that was exported, `count` counts rows by SQL
    afterwards, and LakeError is raised when PostgreSQL counted others.
    """
    lake.storage.require()
    records = read_records(output)
    files = {name: list(group) for name, group in groupby(local_files(output), key=lambda file: file.table)}
    if not files and not records:
        raise LakeError(
            f"Nothing to upload under {output}.", next_step="Run `shoreline generate` or `shoreline export`."
        )
    names = sorted({*files, *records})
    tables: list[_Table] = []
    unreadable: dict[str, str] = {}
    for name in names:
        try:
            tables.append(_prepare(lake, name, files.get(name, []), records.get(name), rules))
        except Unreadable as error:  # of this table only
            unreadable[name] = str(error)
    for table in tables:
        if rules.replaced is None and (exported := records.get(table.name)) is not None:
            require_exported_days(
                table.name, lake.url, exported, lake.export_record(table.name), table.present.own_rows_by_day()
            )
        _check_drift(table, accept_drift=accept_drift)
    plans = tuple(table.plan for table in tables)
    if dry_run:
        return UploadReport(lake.url, dry_run, plans, {}, unreadable=unreadable)
    before_sending(plans)
    sent = _send(lake, tables, start)
    manifests = [_verify_and_record(lake, table, sent) for table in tables]
    for table, manifest in zip(tables, manifests, strict=True):
        verify_row_counts(lake, table.plan, manifest, records.get(table.name), count)
    rows = {manifest.table: manifest.rows for manifest in manifests}
    widened = dict(filter(None, map(_new_years, tables, manifests)))
    return UploadReport(lake.url, dry_run, plans, rows, widened, unreadable)


def _new_years(table: _Table, after: LakeManifest) -> tuple[str, tuple[int, int]] | None:
    declared, wanted = table.before.manifest.years, after.years
    if table.name in TABLES or declared is None or wanted is None:
        return None
    covered = declared[0] <= wanted[0] and max(day.year for day in after.rows_by_day()) <= declared[1]
    return None if covered else (table.name, wanted)


def _prepare(
    lake: RemoteLake, name: str, files: Sequence[LocalFile], exported: ExportRecord | None, rules: RemovalRules
) -> _Table:
    merging = rules.replaced is not None
    if exported is not None and not merging:
        files = [file for file in files if day_of_file(file.path) in exported.written]
    local = {file.path: file for file in files}
    before = lake.recorded(name)
    listed = lake.listed(name)
    stored = lake.identify(listed, local, before.manifest)
    sums = _sums(local, stored)
    here = {path: (file.size, sums.get(path)) for path, file in local.items()}
    vanished: set[date] = set()
    if exported is not None and not rules.keep_vanished and not merging:
        days = (day_of_file(path) for path in listed)
        vanished = {day for day in days if day is not None and exported.is_vanished(day)}
    plan = plan_table(
        name,
        here,
        stored,
        delete=rules.delete and exported is None,
        vanished=vanished,
        delete_foreign=rules.delete_foreign,
        replaced=rules.replaced.get(name, ()) if rules.replaced is not None else None,
    )
    known = {path: entry.sha256 for path, entry in before.manifest.files.items()}
    unknown = [file for path, file in local.items() if path not in sums or known.get(path) != sums[path]]
    described = dict(zip((file.path for file in unknown), contents(unknown), strict=True))
    for file in unknown:  # otherwise the manifest would describe other bytes
        require_unchanged(file)
    return _Table(name, local, sums, before, _present(before.manifest, listed), listed, stored, plan, described)


def _present(manifest: LakeManifest, listed: Mapping[str, StoredObject]) -> LakeManifest:
    """Return the manifest without files that were deleted from the bucket or overwritten there."""
    files = {
        path: entry
        for path, entry in manifest.files.items()
        if path in listed and (listed[path].size, listed[path].etag) == (entry.size, entry.etag)
    }
    return replace(manifest, files=files)


def _sums(local: Mapping[str, LocalFile], stored: Mapping[str, StoredFile]) -> dict[str, str]:
    """Return the checksums of files with the size of their object; others are hashed while they are sent."""
    alike = [file for path, file in local.items() if path in stored and stored[path].may_be(file.size)]
    hashed = of_files([(file.location, file.size) for file in alike])
    return {file.path: sha256 for file, sha256 in zip(alike, hashed, strict=True)}


def _check_drift(table: _Table, *, accept_drift: bool) -> None:
    """Raise SchemaDrift unless the new files have the columns of the table, as declared or else as recorded."""
    manifest = table.before.manifest
    replaced = {*table.described, *(change.path for change in table.plan.remove)}
    staying = {entry.schema for path, entry in manifest.files.items() if path not in replaced}
    declared = TABLES.get(table.name)
    check_shape(
        table.name,
        {table.local[path].location: found.schema for path, found in table.described.items()},
        declared.declared_schema if declared else manifest.schema,
        [manifest.schemas[digest] for digest in sorted(staying)],
        accept_drift=accept_drift,
    )


def _send(lake: RemoteLake, tables: Sequence[_Table], start: StartTask) -> dict[str, Sent]:
    """Send the files of the plans, and return the results by key."""
    files = []
    for table in tables:
        for change in table.plan.send:
            file = table.local[change.path]
            key = lake.key(table.name, change.path)
            files.append(Sending(file.location, key, file.size, file.modified_ns))
    with start("upload", sum(file.size for file in files), files=len(files)) as advance:
        return send_all(lake.storage, files, advance)


def _verify_and_record(lake: RemoteLake, table: _Table, sent: Mapping[str, Sent]) -> LakeManifest:
    """Verify that all files of the table are stored, record them, remove strays, and return the new manifest."""
    listed = lake.listed(table.name) if table.plan.send else table.listed
    files = dict(_present(table.before.manifest, listed).files)
    schemas: dict[str, Schema] = {}
    for path, file in table.local.items():
        there = sent.get(lake.key(table.name, path)) or Sent(table.stored[path].etag, table.sums[path])
        found = listed.get(path)
        if found is None or (found.size, found.etag) != (file.size, there.etag):
            raise LakeError(
                f"{lake.storage.url(lake.key(table.name, path))} is not the file that was uploaded.",
                next_step="Make sure that no other program writes there, and upload again.",
            )
        files[path] = _entry(table, path, there)
        if path in table.described:
            schemas[table.described[path].schema.digest] = table.described[path].schema
    strays = [change.path for change in table.plan.remove]
    for path in strays:
        files.pop(path, None)
    after = table.before.manifest.with_files(files, schemas)
    if after != table.before.manifest:
        lake.record(after, table.before)
    lake.storage.delete(lake.key(table.name, path) for path in strays)
    return after


def _entry(table: _Table, path: str, there: Sent) -> ManifestEntry:
    found = table.described.get(path)
    if found is None:
        return replace(table.before.manifest.files[path], etag=there.etag)
    return ManifestEntry(
        table.local[path].size, found.rows, there.sha256, there.etag, found.schema.digest, found.least, found.most
    )


def verify_row_counts(
    lake: RemoteLake, plan: TablePlan, manifest: LakeManifest, exported: ExportRecord | None, count: Count
) -> None:
    """Raise LakeError unless each day of the lake has as many rows as PostgreSQL counted in the export.

    The manifest is compared on every day, SQL on the days that were sent. A day with files of other programs must have
    at least the exported rows. If all counts match, the export is recorded, so that the next one skips unchanged days.
    An upload of files that no export wrote deletes that record.
    """
    if exported is None:
        if plan.send or plan.remove:
            lake.forget_export(plan.table)
        return
    _require_match(manifest.table, "the manifest", exported.differences(manifest.own_rows_by_day()))
    sent = _days(change.path for change in plan.send)
    by_sql = dict(count(manifest, sent)) if sent else {}
    for day in sent & _days([*plan.foreign, *(path for path in manifest.files if not is_own(path))]):
        by_sql[day] = min(by_sql.get(day, 0), exported.days[day].rows if day in exported.days else 0)
    _require_match(manifest.table, "SQL", exported.only(sent).differences(by_sql))
    if lake.export_record(manifest.table) != exported:
        lake.record_export(exported)


def _require_match(table: str, reader: str, differences: Sequence[str]) -> None:
    if differences:
        more = f" (and {len(differences) - 1} more days)" if len(differences) > 1 else ""
        raise LakeError(
            f"{table} does not have the exported rows, according to {reader}: on {differences[0]}{more}.",
            next_step="Run `shoreline export --full`, then upload again.",
        )


def require_exported_days(
    table: str, url: str, exported: ExportRecord, last: ExportRecord | None, rows: Mapping[date, int]
) -> None:
    """Raise LakeError, before anything is sent, unless the upload would complete the lake.

    `last` is the lake's export record, `rows` its rows of each day.
    """
    step = "Run `shoreline export`, then upload again."
    if exported.is_older_than(last):
        raise LakeError(
            f"The export of {table} is out of date: another run has exported and uploaded it since.", next_step=step
        )
    left = exported.only(exported.unwritten).differences(rows)
    if left:
        raise LakeError(
            f"The export of {table} is incremental, and {url} lacks its unchanged days: on {left[0]}.",
            next_step="Run `shoreline export --full`, then upload again.",
        )


def _days(paths: Iterable[str]) -> set[date]:
    days = (day_of_file(path) for path in paths)
    return {day for day in days if day is not None}
