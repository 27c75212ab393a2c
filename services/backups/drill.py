"""Proves a backup: restores it into a scratch database, dumps that again, and compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from loguru import logger

from services.backups.catalog import Backup
from services.backups.download import archive_to_sql, download
from services.backups.dump import fingerprint
from services.backups.encryption import AgeIdentity, decrypted, opened
from services.backups.facts import Comparison, compare_facts
from services.backups.fingerprint import Content, Fingerprint, compared_by_name, differences, reordered
from services.backups.load import Advance, LoadOptions, check, load
from services.backups.manifest import BackupManifest, DrillRecord, ServerKind
from services.backups.naming import DRILL
from services.backups.rehearsal import rehearse
from services.backups.scanner import Scanner
from services.backups.scratch import scratch
from services.backups.stream import decompressed, prefetch
from services.errors import BackupDamaged, BackupFailed, DatabaseError, RestoreFailed, ShorelineError
from services.operations.figures import MetricSample
from services.postgres.client import Database
from services.s3.objects import Storage

_MAX_TABLES_IN_MESSAGE = 20
_NEVER_COMPARED = (
    "planner statistics",
    "values of stored generated columns",
    "contents of materialized views",
)


@dataclass(frozen=True)
class Drill:
    """The outcome of a backup's drill."""

    key: str
    database: str
    record: DrillRecord
    refused: tuple[str, ...] = ()  # settings that the server did not accept, as 'name' or 'role: name'
    notes: tuple[str, ...] = ()  # what a restore on this server would not restore


def drill(
    storage: Storage,
    backup: Backup,
    server: Database,
    options: LoadOptions,
    now: datetime,
    advance: Advance = lambda _: None,
    *,
    server_kind: ServerKind | None = None,
    server_fault: Callable[[ShorelineError], ShorelineError | None] = lambda _: None,
) -> Drill:
    """Restore `backup` into a scratch database of `server`, compare that with the manifest, and record the outcome.

    The record lies beside the manifest. RestoreFailed and BackupDamaged are recorded as a failed drill, and raised with
    its metric. ConnectionLost, and DatabaseError when the comparison fails, are raised and not recorded, because they
    do not show that the backup is bad. Nor are errors that the server is at fault for: `server_fault` returns the error
    to raise instead.
    """
    check(backup, options)
    manifest = backup.manifest
    with scratch(server, manifest.traits, create_roles=options.create_roles) as fresh:
        began = time.monotonic()
        try:
            traits = opened(
                manifest.traits, options.identities, encrypted=manifest.encrypted and not options.allow_unencrypted
            )
            load(storage, backup, fresh, options, advance)
            applied = rehearse(fresh, traits)
        except (RestoreFailed, BackupDamaged) as error:
            seconds = round(time.monotonic() - began, 3)
            if (reason := server_fault(error)) is not None:
                raise reason from error
            failure, version = f"it could not be restored: {error}", str(fresh.version())
            _record(storage, backup, DrillRecord(now, False, seconds, 0, version, 0, 0, (failure,), server_kind))
            error.figures = [MetricSample("shoreline_drill_success", 0.0, {"database": manifest.database})]
            raise
        record = _compare(storage, backup, fresh, options.identities, now, time.monotonic() - began, advance)
        differing = (*record.differences, *applied.differences)
        record = replace(record, ok=not differing, differences=differing, server_kind=server_kind)
        _record(storage, backup, record)  # before the scratch database is dropped, which may fail
    notes = tuple(setting.sentence for setting in applied.refused)
    for note in notes:
        logger.warning(note)
    return Drill(backup.key, manifest.database, record, tuple(map(str, applied.refused)), notes)


def _compare(
    storage: Storage,
    backup: Backup,
    fresh: Database,
    identities: Sequence[AgeIdentity],
    now: datetime,
    restored: float,
    advance: Advance,
) -> DrillRecord:
    began = time.monotonic()
    manifest, version = backup.manifest, fresh.version()
    majors = (version.major, fresh.client_version().major)
    same_majors = _majors(manifest.server_version, manifest.client_version) == majors
    left_out = manifest.facts.left_out if manifest.facts else ()
    try:
        found, moved = _fingerprint_of_copy(storage, backup, fresh, identities, advance)
    except BackupFailed as error:
        raise DatabaseError(f"The restored database could not be dumped for the comparison: {error}") from error
    lines = differences(manifest.fingerprint, found, compare_schema=same_majors, left_out=left_out)
    facts = compare_facts(manifest.facts, fresh) if manifest.facts else Comparison((), ())
    return DrillRecord(
        drilled_at=now,
        ok=not lines and not facts.differences,
        restore_seconds=round(restored, 3),
        compare_seconds=round(time.monotonic() - began, 3),
        server_version=str(version),
        tables=len(found.tables),
        rows=found.rows,
        differences=(*lines, *facts.differences),
        notes=(*moved, *facts.notes),
        not_compared=_not_compared(manifest, found, same_majors=same_majors),
    )


def _fingerprint_of_copy(
    storage: Storage, backup: Backup, fresh: Database, identities: Sequence[AgeIdentity], advance: Advance
) -> tuple[Fingerprint, tuple[str, ...]]:
    """Return the fingerprint of the copy, and a note when only the order of its rows differs from the backup's.

    Such tables have the backup's hash in the fingerprint.
    """
    expected = backup.manifest.fingerprint
    found = fingerprint(fresh, advance, like=expected)
    suspects = reordered(expected, found)
    if not suspects:
        return found, ()
    before = _rows_in_any_order(storage, backup, identities, fresh, suspects)
    after = fingerprint(fresh, like=expected, unordered=suspects).tables
    moved = {name: expected.tables[name] for name in sorted(suspects) if before[name] == after[name]}
    if not moved:
        return found, ()
    note = f"rows in another order than in the backup, and equal when compared in any order: {_join_names(moved)}"
    return replace(found, tables={**found.tables, **moved}), (note,)


def _rows_in_any_order(
    storage: Storage, backup: Backup, identities: Sequence[AgeIdentity], programs: Database, tables: Collection[str]
) -> Mapping[str, Content]:
    """Return the content of the tables in a stored backup; the rows of `tables` are hashed in any order.

    `programs` is the database whose client programs read the backup. Raises BackupDamaged.
    """
    stored: Iterable[bytes] = prefetch(download(storage, backup.key, backup.manifest.object.bytes))
    if backup.manifest.encrypted:
        stored = decrypted(stored, list(identities))
    statements = decompressed(stored) if backup.manifest.format == "plain" else archive_to_sql(stored, programs)
    recorded = backup.manifest.fingerprint
    scanner = Scanner(recorded.encoding or "UTF8", columns=recorded.columns, unordered=tables)
    for block in statements:
        scanner.feed(block)
    return scanner.finish().tables


def _not_compared(manifest: BackupManifest, found: Fingerprint, *, same_majors: bool) -> tuple[str, ...]:
    """Return what this drill does not compare, with the reason where other drills do."""
    parts = list(_NEVER_COMPARED)
    if manifest.facts is None:
        parts.append(
            "versions and owners of extensions, access methods, triggers of foreign keys (recorded by an older version)"
        )
    elif manifest.facts.left_out:
        parts.append(
            f"content of unlogged tables, which a standby does not have ({_join_names(manifest.facts.left_out)})"
        )
    if not same_majors:
        parts.append("SQL of the schema (written by another major version of PostgreSQL)")
    elif names := compared_by_name(manifest.fingerprint, found):
        parts.append(f"SQL of objects that an older version recorded in another form ({_join_names(sorted(names))})")
    return tuple(parts)


def _join_names(names: Collection[str]) -> str:
    more = f" and {len(names) - _MAX_TABLES_IN_MESSAGE} more" if len(names) > _MAX_TABLES_IN_MESSAGE else ""
    return ", ".join([*names][:_MAX_TABLES_IN_MESSAGE]) + more


def _record(storage: Storage, backup: Backup, record: DrillRecord) -> None:
    storage.put(backup.name.key(DRILL), record.to_json(), content_type="application/json")


def _majors(*versions: str) -> tuple[int, ...]:
    return tuple(int(version.partition(".")[0]) for version in versions)
