"""Proves a backup: restores it into a scratch database, dumps that again, and compares."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from services.backups.catalog import Backup
from services.backups.dump import fingerprint
from services.backups.fingerprint import differences
from services.backups.load import Advance, LoadOptions, check, load
from services.backups.manifest import DrillRecord, ServerKind
from services.backups.naming import DRILL
from services.backups.rehearsal import rehearse
from services.backups.scratch import scratch
from services.backups.sealing import opened
from services.database import Database
from services.errors import BackupDamaged, BackupFailed, DatabaseError, RestoreFailed, ShorelineError
from services.operations.figures import Figure
from services.storage import Storage


@dataclass(frozen=True)
class Drill:
    """A backup, and how its drill ended."""

    key: str
    database: str
    record: DrillRecord
    refused: tuple[str, ...] = ()  # settings that the server did not take, as 'name' or 'role: name'
    notes: tuple[str, ...] = ()  # what a restore on this server would not give back


def drill(
    storage: Storage,
    backup: Backup,
    server: Database,
    options: LoadOptions,
    now: datetime,
    advance: Advance = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    *,
    server_kind: ServerKind | None = None,
    lacks: Callable[[ShorelineError], ShorelineError | None] = lambda _: None,
) -> Drill:
    """Restores `backup` into a scratch database of `server`, and compares that with the manifest.

    An error that the server is at fault for, which `lacks` says, is raised in place of the first, and not recorded.
    `say` is told of scratch databases that killed runs left, and that are gone now or will not go.
    The outcome is recorded beside the manifest, also that it could not be restored. Raises RestoreFailed or
    BackupDamaged then, whose figures say that the drill failed; ConnectionLost, or DatabaseError when what was
    restored cannot be compared, which say nothing of the backup and are not recorded.
    """
    check(backup, options)
    manifest = backup.manifest
    with scratch(server, manifest.traits, create_roles=options.create_roles, say=say) as fresh:
        began = time.monotonic()
        try:
            traits = opened(
                manifest.traits, options.identities, encrypted=manifest.encrypted and not options.allow_unencrypted
            )
            load(storage, backup, fresh, options, advance)
            applied = rehearse(fresh, traits)
        except (RestoreFailed, BackupDamaged) as error:
            seconds = round(time.monotonic() - began, 3)
            if (reason := lacks(error)) is not None:
                raise reason from error
            told, version = f"it could not be restored: {error}", str(fresh.version())
            _record(storage, backup, DrillRecord(now, False, seconds, 0, version, 0, 0, (told,), server_kind))
            error.figures = [Figure("shoreline_drill_success", 0.0, {"database": manifest.database})]
            raise
        record = _compare(backup, fresh, now, time.monotonic() - began, advance)
        differences = (*record.differences, *applied.differences)
        record = replace(record, ok=not differences, differences=differences, server_kind=server_kind)
        _record(storage, backup, record)  # whatever becomes of the scratch database
    notes = tuple(setting.sentence for setting in applied.refused)
    for note in notes:
        say(note)
    return Drill(backup.key, manifest.database, record, tuple(map(str, applied.refused)), notes)


def _compare(backup: Backup, fresh: Database, now: datetime, restored: float, advance: Advance) -> DrillRecord:
    began = time.monotonic()
    manifest, version = backup.manifest, fresh.version()
    try:
        found = fingerprint(fresh, advance, like=manifest.fingerprint)
    except BackupFailed as error:
        raise DatabaseError(f"What was restored could not be dumped again to compare it: {error}") from error
    majors = (version.major, fresh.client_version().major)
    same_words = _majors(manifest.server_version, manifest.client_version) == majors
    told = differences(manifest.fingerprint, found, compare_schema=same_words)
    return DrillRecord(
        drilled_at=now,
        ok=not told,
        restore_seconds=round(restored, 3),
        compare_seconds=round(time.monotonic() - began, 3),
        server_version=str(version),
        tables=len(found.tables),
        rows=found.rows,
        differences=tuple(told),
    )


def _record(storage: Storage, backup: Backup, record: DrillRecord) -> None:
    storage.put(backup.name.key(DRILL), record.to_json(), content_type="application/json")


def _majors(*versions: str) -> tuple[int, ...]:
    return tuple(int(version.partition(".")[0]) for version in versions)
