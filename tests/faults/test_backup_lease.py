"""One run at a time writes; who was asleep for too long learns it before it commits or deletes."""

from __future__ import annotations

import json
import threading

import pytest

from services.backups.naming import Naming
from services.backups.repository import BackupRepository, DumpOptions
from services.errors import BackupFailed, Busy
from services.postgres.client import Database
from services.s3.objects import PreconditionFailed
from tests.archives import LEASE_SECONDS, PREFIX, Archives
from tests.conftest import Shoreline


@pytest.mark.usefixtures("database")
def test_a_second_run_says_who_holds_the_lease_and_since_when(archives: Archives, shoreline: Shoreline) -> None:
    holder = archives.of(lease_seconds=4)
    with holder.lease("backup") as lease:
        second = shoreline("backup", "--json")
        prune = shoreline("prune", "--json")
    since = f"{lease.holder.since:%Y-%m-%d %H:%M:%S} UTC"
    for outcome in (second, prune):
        assert outcome.exit_code == 19, outcome.errors
        assert f"backup (run {holder.run_id} on {lease.holder.host}), since {since}" in outcome.json["error"]
    assert shoreline("backup").exit_code == 0


def test_the_lease_of_a_run_that_died_is_taken_over_with_a_higher_token(archives: Archives) -> None:
    died = archives.of()
    died.storage.put(
        f"{PREFIX}/lease.json",
        json.dumps(
            {
                "job": "backup",
                "host": "gone",
                "run_id": "dead",
                "since": "2025-06-10T14:30:22Z",
                "seconds": 1,
                "token": 7,
            }
        ).encode(),
    )
    heard: list[str] = []
    with archives.of().lease("backup", heard.append) as lease:
        assert lease.token == 8
    assert heard == ["waiting: the lease is held by backup (run dead on gone), since 2025-06-10 14:30:22 UTC"]


def test_a_run_that_lost_its_lease_commits_nothing(
    archives: Archives, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep, awake = archives.of(), archives.of()
    with asleep.lease("backup") as lost:
        lost._over.set()  # no sign of life any more
        with awake.lease("backup") as lease:
            assert lease.token > lost.token
            with pytest.raises(Busy, match=awake.run_id):
                asleep.create(database, lost, DumpOptions(globals="none"))
            with pytest.raises(Busy):
                asleep.remove(archives.of().catalog.read().backups or (None,), lost)  # type: ignore[arg-type]
    assert archives.assert_whole() == []
    archives.assert_nothing_left()


def test_of_many_runs_that_want_a_free_lease_one_has_it_at_a_time(archives: Archives) -> None:
    inside, most, done = 0, 0, []
    lock = threading.Lock()

    def want() -> None:
        nonlocal inside, most
        try:
            with archives.of(lease_seconds=3).lease("backup"):
                with lock:
                    inside += 1
                    most = max(most, inside)
                    done.append(True)
                with lock:
                    inside -= 1
        except Busy:
            done.append(False)

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert len(done) == 6
    assert any(done)


def test_something_else_under_the_leases_key_is_not_taken_for_a_lease(archives: Archives) -> None:
    archives.storage.put(f"{PREFIX}/lease.json", b"not a lease")
    with archives.of().lease("backup") as lease:
        assert lease.token == 1
        with pytest.raises(PreconditionFailed):
            archives.storage.put(f"{PREFIX}/lease.json", b"x", only_if_etag='"other"')
    assert LEASE_SECONDS < 1


def test_backups_whose_prefix_lies_below_are_another_runs_and_left_alone(
    archives: Archives, database: Database
) -> None:
    inner = BackupRepository(archives.storage, Naming(f"{PREFIX}/eu"), "inner")
    with inner.lease("backup") as lease:
        made = inner.create(database, lease, DumpOptions(globals="none"))
        day = f"{inner.naming.prefix}/2025/06/10"
        begun = archives.storage.start_upload(f"{day}/backup_20250610_143022.sql.gz", content_type="text/plain")
        archives.storage.put(f"{day}/backup_20250610_143023.sql.gz", b"its manifest is not written yet")
        outer = archives.of()
        with outer.lease("backup") as held:
            found = outer.catalog.read()
            assert (found.backups, found.leftovers) == ((), ())
            assert outer.clear(found, held) == 0
    assert [each.upload_id for each in archives.storage.uploads("")] == [begun.upload_id]
    assert [each.key for each in inner.catalog.read().backups] == [made.key]


def test_no_backup_is_put_where_another_prefix_hides_it(archives: Archives, database: Database) -> None:
    inner = BackupRepository(archives.storage, Naming(f"{PREFIX}/{database.name}"), "inner")
    with inner.lease("backup") as lease:
        made = inner.create(database, lease, DumpOptions(globals="none"))
    outer = archives.of()
    with outer.lease("backup") as lease:
        with pytest.raises(BackupFailed, match=f"{database.name}/lease.json") as refused:
            outer.create(database, lease, DumpOptions(globals="none"), own_folder=True)
        assert "BACKUP_PREFIX" in str(refused.value)
        assert [each.key for each in inner.catalog.read().backups] == [made.key]
        archives.storage.delete([f"{inner.naming.prefix}/lease.json"])
        ours = outer.create(database, lease, DumpOptions(globals="none"), own_folder=True)
    assert {each.key for each in outer.catalog.read().backups} == {made.key, ours.key}
