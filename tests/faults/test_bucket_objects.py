"""No object in the bucket, whatever is in it, stops a job or hides the backups."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.backups.drill import drill
from services.backups.lease import current
from services.backups.load import LoadOptions
from services.backups.manifest import DrillRecord
from services.backups.naming import DRILL, MANIFEST, Naming
from services.backups.repository import BackupRepository, DumpOptions
from services.errors import BackupDamaged, Busy, StorageUnreachable
from services.postgres.client import Database
from services.s3.objects import Storage
from services.s3.responses import AccessDenied
from tests.archives import PREFIX, Archives
from tests.conftest import Shoreline
from tests.faults.proxy import Answer, Asked, Fault, FaultProxy, Reset

LEASE = f"{PREFIX}/lease.json"
HELD = {"job": "backup", "host": "h", "run_id": "r", "since": "2025-06-10T14:30:22Z", "seconds": 60, "token": 7}
DEEP = b"[" * 100_000
UNREADABLE = [b"", b"\xff\xfe", DEEP, b"null", b"{}", b"x" * 20_000]


def lease(**changes: object) -> bytes:
    return json.dumps({**HELD, **changes}).encode()


DAMAGED = {"ETag": '"a"', "x-amz-checksum-crc32": "AAAAAA==", "Last-Modified": "Sat, 28 Nov 2026 09:00:00 GMT"}
FORGED_LEASES = [
    *UNREADABLE,
    *(lease(seconds=seconds) for seconds in (1e308, float("nan"), float("inf"), 31_536_000, 0, -1, "x")),
    lease(since="2025-06-10T14:30:22"),
    lease(token=-1),
    lease(token=10**30),
    lease(host="h" * 2000),
]
RECORD = {
    "drilled_at": "2025-06-10T14:30:22Z",
    "ok": True,
    "restore_seconds": 1,
    "compare_seconds": 1,
    "server_version": "18.4",
    "tables": 1,
    "rows": 1,
}
FORGED_RECORDS = [
    *UNREADABLE,
    *(
        json.dumps({**RECORD, **changes}).encode()
        for changes in (
            {"drilled_at": "2025-06-10T14:30:22"},
            {"drilled_at": 1e300},
            {"restore_seconds": float("inf")},
            {"restore_seconds": float("nan")},
            {"restore_seconds": -1},
            {"rows": 1e308},
            {"differences": "x"},
        )
    ),
]


@pytest.mark.parametrize("body", FORGED_LEASES, ids=range(len(FORGED_LEASES)))
def test_unreadable_lease_is_taken_over_once_it_is_old(archives: Archives, body: bytes) -> None:
    archives.storage.put(LEASE, body)
    assert current(archives.storage, PREFIX) is None
    with archives.of(lease_seconds=0.05).lease("backup") as held:
        assert held.token == 1


def test_unreadable_lease_that_is_renewed_counts_as_held(archives: Archives) -> None:
    archives.storage.put(LEASE, b"a later version's")

    def renew(_: str) -> None:
        archives.storage.put(LEASE, b"a later version's, renewed")

    with pytest.raises(Busy, match="not a readable lease"), archives.of(lease_seconds=4).lease("backup", renew):
        pass


def test_lease_that_never_takes_a_write_ends_the_wait(
    archives: Archives, through_proxy: Storage, proxy: FaultProxy
) -> None:
    failed = b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>"
    proxy.decide = lambda asked: Answer(412, failed) if asked.method == "PUT" else None
    with pytest.raises(Busy, match="tries"), archives.of(through_proxy).lease("backup"):
        pass


def test_forged_drill_records_count_as_absent(archives: Archives, database: Database, shoreline: Shoreline) -> None:
    backup = archives.back_up(database)
    key = backup.name.key(DRILL)
    for body in FORGED_RECORDS:
        archives.storage.put(key, body)
        (listed,) = archives.of().catalog.read().backups
        assert listed.drill is None, body[:200]
    status = shoreline("status", "--json")
    assert status.exit_code == 0, status.errors
    assert key in status.errors


@pytest.mark.parametrize("body", [b"", b"not a lease", lease(released=True)], ids=["empty", "text", "released"])
def test_lease_without_runs_hides_no_backups(archives: Archives, database: Database, body: bytes) -> None:
    outer = archives.of()
    folder = f"{PREFIX}/{database.name}"
    archives.storage.put(f"{folder}/lease.json", body)
    with outer.lease("backup") as held:
        first = outer.create(database, held, DumpOptions(globals="none"), own_folder=True)
    if body != lease(released=True):  # a readable one with backups is another prefix
        assert [each.key for each in outer.catalog.read().backups] == [first.key]


def test_lease_held_below_protects_a_first_backup(archives: Archives) -> None:
    inner = BackupRepository(archives.storage, Naming(f"{PREFIX}/eu"), "inner")
    with inner.lease("backup"):
        archives.storage.put(
            f"{PREFIX}/eu/2025/06/10/backup_20250610_143023.sql.gz", b"its manifest is not written yet"
        )
        found = archives.of().catalog.read()
        assert found.leftovers == ()
        assert found.inner == {"eu"}
    assert len(archives.of().catalog.read().leftovers) == 1


def test_damaged_manifest_is_named_and_others_are_listed(
    archives: Archives, database: Database, through_proxy: Storage, proxy: FaultProxy
) -> None:
    older, newer = archives.back_up(database), archives.back_up(database)
    stored = archives.storage.read(older.name.key(MANIFEST)) or b""

    def flip(asked: Asked) -> Answer | None:
        if asked.method != "GET" or not asked.path.endswith(older.name.key(MANIFEST)):
            return None
        return Answer(200, stored, DAMAGED)

    proxy.decide = flip
    found = archives.of(through_proxy).catalog.read()
    assert [each.key for each in found.backups] == [newer.key]
    assert [each.name for each in found.damaged] == [older.name]


REFUSED = Answer(403, b"<Error><Code>AccessDenied</Code><Message>Not this key.</Message></Error>")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (REFUSED, "Not this key"),
        (Answer(400, b"<Error><Code>InvalidRequest</Code><Message>Stored with SSE-C.</Message></Error>"), "SSE-C"),
        (Answer(500, b"<Error><Code>InternalError</Code><Message>Broken.</Message></Error>"), "Broken"),
        (Reset(), "not answer"),
    ],
    ids=["403", "400", "500", "reset"],
)
def test_manifest_that_the_store_refuses_is_damaged(
    archives: Archives, database: Database, through_proxy: Storage, proxy: FaultProxy, fault: Fault, reason: str
) -> None:
    older, newer = archives.back_up(database), archives.back_up(database)
    proxy.decide = lambda asked: fault if asked.path.endswith(newer.name.key(MANIFEST)) else None
    catalog = archives.of(through_proxy).catalog
    contents = catalog.read()
    assert [backup.key for backup in contents.backups] == [older.key]
    assert [(damaged.name, reason in damaged.problem) for damaged in contents.damaged] == [(newer.name, True)]
    assert contents.leftovers == ()
    assert catalog.newest(database.name).key == older.key
    with pytest.raises(BackupDamaged, match=reason):
        catalog.named(newer.key)


def test_manifests_that_are_all_refused_fail_the_listing(
    archives: Archives, database: Database, through_proxy: Storage, proxy: FaultProxy
) -> None:
    archives.back_up(database), archives.back_up(database)
    proxy.decide = lambda asked: REFUSED if asked.path.endswith(MANIFEST) else None
    catalog = archives.of(through_proxy).catalog
    with pytest.raises(AccessDenied):
        catalog.read()
    with pytest.raises(AccessDenied):
        catalog.newest(database.name)


def test_store_that_goes_away_is_no_damage(
    archives: Archives, database: Database, through_proxy: Storage, proxy: FaultProxy
) -> None:
    archives.back_up(database)
    gone = False

    def decide(asked: Asked) -> Fault | None:
        nonlocal gone
        gone = gone or asked.path.endswith(MANIFEST)
        return Reset() if gone else None

    proxy.decide = decide
    with pytest.raises(StorageUnreachable):
        archives.of(through_proxy).catalog.read()


def test_drill_record_that_the_store_refuses_counts_as_none(
    archives: Archives, database: Database, through_proxy: Storage, proxy: FaultProxy
) -> None:
    backup = archives.back_up(database)
    archives.storage.put(backup.name.key(DRILL), json.dumps(RECORD).encode())
    proxy.decide = lambda asked: REFUSED if asked.path.endswith(DRILL) else None
    (listed,) = archives.of(through_proxy).catalog.read().backups
    assert (listed.key, listed.drill) == (backup.key, None)


def test_damage_that_the_checksum_shows_is_a_recorded_failed_drill(
    archives: Archives, database: Database, through_proxy: Storage, proxy: FaultProxy, execute: Callable[[str], None]
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS id")
    backup = archives.back_up(database)
    stored = archives.storage.read(backup.key) or b""
    proxy.decide = lambda asked: (
        Answer(200, stored, DAMAGED) if asked.method == "GET" and asked.path.endswith(backup.key) else None
    )
    with pytest.raises(BackupDamaged) as caught:
        drill(through_proxy, backup, database, LoadOptions(), datetime.now(UTC))
    assert caught.value.exit_code == 13
    (listed,) = archives.of().catalog.read().backups
    assert listed.drill is not None
    assert not listed.drill.ok


def test_drill_record_of_an_older_version_is_read() -> None:
    record = DrillRecord.from_json(json.dumps(RECORD).encode())
    assert DrillRecord.from_json(record.to_json()) == record
    assert replace(record, rows=2).drilled_at - record.drilled_at == timedelta(0)
