"""Proves a backup: restores it into a scratch database, dumps that again, and compares."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from services.backups.catalog import Backup
from services.backups.dump import fingerprint
from services.backups.fingerprint import differences
from services.backups.load import Advance, LoadOptions, load
from services.backups.manifest import DrillRecord
from services.backups.naming import DRILL
from services.backups.scratch import scratch
from services.database import Database
from services.storage import Storage


@dataclass(frozen=True)
class Drill:
    """A backup, and how its drill ended."""

    key: str
    database: str
    record: DrillRecord


def drill(
    storage: Storage,
    backup: Backup,
    server: Database,
    options: LoadOptions,
    now: datetime,
    advance: Advance = lambda _: None,
) -> Drill:
    """Restores `backup` into a scratch database of `server`, and compares that with the manifest.

    The outcome is recorded beside the manifest. Raises RestoreFailed or BackupDamaged when it cannot be restored.
    """
    manifest = backup.manifest
    began = time.monotonic()
    with scratch(server, manifest.traits, create_roles=options.create_roles) as fresh:
        load(storage, backup, fresh, options, advance)
        restored = time.monotonic()
        found = fingerprint(fresh, advance)
        version = fresh.version()
        majors = (version.major, fresh.client_version().major)
        same_words = _majors(manifest.server_version, manifest.client_version) == majors
        told = differences(manifest.fingerprint, found, compare_schema=same_words)
    record = DrillRecord(
        drilled_at=now,
        ok=not told,
        restore_seconds=round(restored - began, 3),
        compare_seconds=round(time.monotonic() - restored, 3),
        server_version=str(version),
        tables=len(found.tables),
        rows=found.rows,
        differences=tuple(told),
    )
    storage.put(backup.name.key(DRILL), record.to_json(), content_type="application/json")
    return Drill(backup.key, manifest.database, record)


def _majors(*versions: str) -> tuple[int, ...]:
    return tuple(int(version.partition(".")[0]) for version in versions)
