"""The lake's files into the bucket: only what differs, verified, and no day without its rows on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Protocol

from services.errors import LakeError
from services.lake.files import FolderContents, LocalFile, contents, local_files, of_files
from services.lake.manifest import LakeManifest, ManifestEntry, Schema, Unreadable
from services.lake.partitions import day_of_file
from services.lake.plan import Stored, TablePlan, plan_table
from services.lake.record import ExportRecord, read_records
from services.lake.remote import Recorded, RemoteLake
from services.lake.shape import check_shape, schema_of
from services.lake.tables import TABLES
from services.lake.transfer import Advance, Sending, Sent, require_unchanged, send_all
from services.lake.verification import Count, agree_with_export, require_exported_days
from services.s3.objects import StoredObject


class Task(Protocol):
    """Opens a progress display of bytes and files, and gives what is told of those that are done."""

    def __call__(self, label: str, total: int, *, files: int) -> AbstractContextManager[Advance]: ...


@dataclass(frozen=True)
class UploadReport:
    """What was done, or with `dry_run` what would be; `rows` counts each table's rows in the bucket afterwards.

    `widened` are tables whose new rows lie in years that no statement made before has declared, with those that
    `athena` declares from now on, first and last.
    """

    target: str
    dry_run: bool
    plans: tuple[TablePlan, ...]
    rows: Mapping[str, int]
    widened: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)  # tables that were left out, and why


@dataclass(frozen=True)
class Rules:
    """What an upload removes from the bucket.

    `delete` are days of a table without an export that are gone locally, `delete_foreign` files of other programs in
    days that are sent or removed; `keep_vanished` keeps days that PostgreSQL no longer has. `replaced` are a compact's
    sources by table: then exactly those are removed, and all that lies locally is sent.
    """

    delete: bool = False
    delete_foreign: bool = False
    keep_vanished: bool = False
    replaced: Mapping[str, Collection[str]] | None = None


@dataclass(frozen=True)
class _Table:
    """One table, here and in the bucket. `described` are the files that its manifest does not know yet.

    `sums` holds the checksums of those that may be in the bucket already, `present` is the manifest without files
    that are no longer there.
    """

    name: str
    local: Mapping[str, LocalFile]
    sums: Mapping[str, str]
    before: Recorded
    present: LakeManifest
    listed: Mapping[str, StoredObject]
    stored: Mapping[str, Stored]
    plan: TablePlan
    described: Mapping[str, FolderContents]


def upload(
    output: Path,
    lake: RemoteLake,
    task: Task,
    *,
    dry_run: bool = False,
    rules: Rules = Rules(),
    accept_drift: bool = False,
    agree: Callable[[Sequence[TablePlan]], object] = lambda _: None,
    count: Count,
) -> UploadReport:
    """Makes the bucket's days equal to those that were exported or generated under `output`.

    Of an exported table only the days that its record says were written are taken: others there are from older
    exports. New and changed files are sent and verified, then recorded in their table's manifest, and only then are
    files removed that their day no longer has. Stopped anywhere, the next run does what is left. Raises
    LakeError before anything is sent when a file is damaged or has another shape than its table; `agree` sees
    the plans before that too, and may raise. Of a table that was exported, `count` counts rows by SQL
    afterwards, and LakeError is raised when PostgreSQL counted others.
    """
    lake.storage.require()
    records = read_records(output)
    files = {name: list(group) for name, group in groupby(local_files(output), key=lambda file: file.table)}
    if not files and not records:
        raise LakeError(
            f"There is nothing to upload under {output}.", next_step="Run `shoreline generate` or `shoreline export`."
        )
    names = sorted({*files, *records})
    tables: list[_Table] = []
    unreadable: dict[str, str] = {}
    for name in names:
        try:
            tables.append(_look(lake, name, files.get(name, []), records.get(name), rules))
        except Unreadable as error:  # of this table only
            unreadable[name] = str(error)
    for table in tables:
        if rules.replaced is None and (exported := records.get(table.name)) is not None:
            require_exported_days(
                table.name, lake.url, exported, lake.export_record(table.name), table.present.own_rows_by_day()
            )
        _check(table, accept_drift=accept_drift)
    plans = tuple(table.plan for table in tables)
    if dry_run:
        return UploadReport(lake.url, dry_run, plans, {}, unreadable=unreadable)
    agree(plans)
    sent = _send(lake, tables, task)
    settled = [_settle(lake, table, sent) for table in tables]
    for table, manifest in zip(tables, settled, strict=True):
        agree_with_export(lake, table.plan, manifest, records.get(table.name), count)
    rows = {manifest.table: manifest.rows for manifest in settled}
    widened = dict(filter(None, map(_widened, tables, settled)))
    return UploadReport(lake.url, dry_run, plans, rows, widened, unreadable)


def _widened(table: _Table, after: LakeManifest) -> tuple[str, tuple[int, int]] | None:
    declared, wanted = table.before.manifest.years, after.years
    if table.name in TABLES or declared is None or wanted is None:
        return None
    covered = declared[0] <= wanted[0] and max(day.year for day in after.rows_by_day()) <= declared[1]
    return None if covered else (table.name, wanted)


def _look(
    lake: RemoteLake, name: str, files: Sequence[LocalFile], exported: ExportRecord | None, rules: Rules
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
    for file in unknown:  # else its manifest would tell of other bytes than were hashed
        require_unchanged(file)
    return _Table(name, local, sums, before, _present(before.manifest, listed), listed, stored, plan, described)


def _present(manifest: LakeManifest, listed: Mapping[str, StoredObject]) -> LakeManifest:
    """The manifest without files that are gone from the bucket, or that someone else wrote over."""
    files = {
        path: entry
        for path, entry in manifest.files.items()
        if path in listed and (listed[path].size, listed[path].etag) == (entry.size, entry.etag)
    }
    return replace(manifest, files=files)


def _sums(local: Mapping[str, LocalFile], stored: Mapping[str, Stored]) -> dict[str, str]:
    """The checksums of files that have the size of what lies at their place; of others they are taken on the way."""
    alike = [file for path, file in local.items() if path in stored and stored[path].may_be(file.size)]
    hashed = of_files([(file.location, file.size) for file in alike])
    return {file.path: sha256 for file, sha256 in zip(alike, hashed, strict=True)}


def _check(table: _Table, *, accept_drift: bool) -> None:
    """Raises SchemaDrift unless the new files fit the table: as declared, else as recorded."""
    manifest = table.before.manifest
    replaced = {*table.described, *(change.path for change in table.plan.remove)}
    staying = {entry.schema for path, entry in manifest.files.items() if path not in replaced}
    declared = TABLES.get(table.name)
    check_shape(
        table.name,
        {table.local[path].location: found.schema for path, found in table.described.items()},
        schema_of(declared) if declared else manifest.schema,
        [manifest.schemas[digest] for digest in sorted(staying)],
        accept_drift=accept_drift,
    )


def _send(lake: RemoteLake, tables: Sequence[_Table], task: Task) -> dict[str, Sent]:
    """Sends what the plans say; gives what is under each key."""
    files = []
    for table in tables:
        for change in table.plan.send:
            file = table.local[change.path]
            key = lake.key(table.name, change.path)
            files.append(Sending(file.location, key, file.size, file.modified_ns))
    with task("upload", sum(file.size for file in files), files=len(files)) as advance:
        return send_all(lake.storage, files, advance)


def _settle(lake: RemoteLake, table: _Table, sent: Mapping[str, Sent]) -> LakeManifest:
    """Verifies that all files of the table are there, records them, removes strays; gives what there is now."""
    listed = lake.listed(table.name) if table.plan.send else table.listed
    files = dict(_present(table.before.manifest, listed).files)
    schemas: dict[str, Schema] = {}
    for path, file in table.local.items():
        there = sent.get(lake.key(table.name, path)) or Sent(table.stored[path].etag, table.sums[path])
        found = listed.get(path)
        if found is None or (found.size, found.etag) != (file.size, there.etag):
            raise LakeError(
                f"{lake.storage.url(lake.key(table.name, path))} is not what was uploaded.",
                next_step="Does another program write there? Upload again.",
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
