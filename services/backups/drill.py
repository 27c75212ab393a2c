"""Proves a backup: restores it into a scratch database, dumps that again, and compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.backups.catalog import Backup
from services.backups.dump import fingerprint
from services.backups.encryption import AgeIdentity, opened
from services.backups.facts import Comparison, compare_facts
from services.backups.fingerprint import Fingerprint, compared_by_name, differences, reordered
from services.backups.load import Advance, LoadOptions, check, load
from services.backups.manifest import BackupManifest, DrillRecord, ServerKind
from services.backups.naming import DRILL
from services.backups.rehearsal import rehearse
from services.backups.reread import rows_in_any_order
from services.backups.scratch import scratch
from services.errors import BackupDamaged, BackupFailed, DatabaseError, RestoreFailed, ShorelineError
from services.operations.figures import MetricSample
from services.postgres.client import Database
from services.s3.objects import Storage

_NAMED = 20  # tables that a sentence names
_NEVER_COMPARED = (
    "planner statistics",
    "values of stored generated columns",
    "contents of materialized views",
)


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
            error.figures = [MetricSample("shoreline_drill_success", 0.0, {"database": manifest.database})]
            raise
        record = _compare(storage, backup, fresh, options.identities, now, time.monotonic() - began, advance)
        differing = (*record.differences, *applied.differences)
        record = replace(record, ok=not differing, differences=differing, server_kind=server_kind)
        _record(storage, backup, record)  # whatever becomes of the scratch database
    notes = tuple(setting.sentence for setting in applied.refused)
    for note in notes:
        say(note)
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
    same_words = _majors(manifest.server_version, manifest.client_version) == majors
    left_out = manifest.facts.left_out if manifest.facts else ()
    try:
        found, moved = _found(storage, backup, fresh, identities, advance)
    except BackupFailed as error:
        raise DatabaseError(f"What was restored could not be dumped again to compare it: {error}") from error
    told = differences(manifest.fingerprint, found, compare_schema=same_words, left_out=left_out)
    facts = compare_facts(manifest.facts, fresh) if manifest.facts else Comparison((), ())
    return DrillRecord(
        drilled_at=now,
        ok=not told and not facts.differences,
        restore_seconds=round(restored, 3),
        compare_seconds=round(time.monotonic() - began, 3),
        server_version=str(version),
        tables=len(found.tables),
        rows=found.rows,
        differences=(*told, *facts.differences),
        notes=(*moved, *facts.notes),
        not_compared=_not_compared(manifest, found, same_words=same_words),
    )


def _found(
    storage: Storage, backup: Backup, fresh: Database, identities: Sequence[AgeIdentity], advance: Advance
) -> tuple[Fingerprint, tuple[str, ...]]:
    """Return the fingerprint of the copy as if its rows were in the backup's order, and a note if they are not."""
    expected = backup.manifest.fingerprint
    found = fingerprint(fresh, advance, like=expected)
    suspects = reordered(expected, found)
    if not suspects:
        return found, ()
    before = rows_in_any_order(storage, backup, identities, fresh, suspects)
    after = fingerprint(fresh, like=expected, unordered=suspects).tables
    moved = {name: expected.tables[name] for name in sorted(suspects) if before[name] == after[name]}
    if not moved:
        return found, ()
    note = f"rows in another order than in the backup, and equal when compared in any order: {_listed(moved)}"
    return replace(found, tables={**found.tables, **moved}), (note,)


def _not_compared(manifest: BackupManifest, found: Fingerprint, *, same_words: bool) -> tuple[str, ...]:
    """What this drill does not look at, each with its reason where other drills do."""
    told = list(_NEVER_COMPARED)
    if manifest.facts is None:
        told.append(
            "versions and owners of extensions, access methods, triggers of foreign keys (recorded by an older version)"
        )
    elif manifest.facts.left_out:
        told.append(f"content of unlogged tables, which a standby does not have ({_listed(manifest.facts.left_out)})")
    if not same_words:
        told.append("SQL of the schema (written by another major version of PostgreSQL)")
    elif names := compared_by_name(manifest.fingerprint, found):
        told.append(f"SQL of objects that an older version recorded in another form ({_listed(sorted(names))})")
    return tuple(told)


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join([*names][:_NAMED]) + more


def _record(storage: Storage, backup: Backup, record: DrillRecord) -> None:
    storage.put(backup.name.key(DRILL), record.to_json(), content_type="application/json")


def _majors(*versions: str) -> tuple[int, ...]:
    return tuple(int(version.partition(".")[0]) for version in versions)
