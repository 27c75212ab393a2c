"""The object store fails, lies, goes away or has another time: nothing is half visible, the next run succeeds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.backups.drill import drill
from services.backups.load import LoadOptions
from services.backups.naming import MANIFEST
from services.backups.repository import DumpOptions
from services.backups.stream import Digest
from services.backups.upload import upload
from services.errors import BackupFailed, Busy, StorageError, StorageUnreachable
from services.postgres.client import Database
from services.s3.client import Aws, AwsAccess
from services.s3.multipart import MIB, SMALLEST, PartPlan
from services.s3.objects import Storage
from tests.archives import Archives
from tests.faults.proxy import SLOW_DOWN, Answer, Asked, Cut, Fault, FaultProxy, Reset, Stall, every


@pytest.mark.parametrize(
    "fault",
    [SLOW_DOWN, Reset(), Reset(after_asking=True), Stall()],
    ids=["503", "reset", "answer lost", "stall"],
)
def test_one_request_in_five_that_fails_stops_neither_backup_nor_drill(
    archives: Archives, through_proxy: Storage, proxy: FaultProxy, medium: Database, fault: Fault
) -> None:
    proxy.decide = every(5, fault)
    backup = archives.back_up(medium, through_proxy)
    assert drill(through_proxy, backup, medium, LoadOptions(), datetime.now(UTC)).record.ok
    assert proxy.faults >= 2
    assert [each.key for each in archives.assert_whole()] == [backup.key]


def test_a_download_that_is_cut_off_goes_on_where_it_was(
    archives: Archives, through_proxy: Storage, proxy: FaultProxy, medium: Database
) -> None:
    backup = archives.back_up(medium)

    def decide(asked: Asked) -> Fault | None:
        return Cut() if asked.method == "GET" and ".sql.gz" in asked.path and proxy.faults < 4 else None

    proxy.decide = decide
    assert drill(through_proxy, backup, medium, LoadOptions(), datetime.now(UTC)).record.ok
    assert proxy.faults == 4


@pytest.mark.parametrize("moment", ["the first part", "the manifest"])
def test_a_store_that_is_gone_for_good_fails_the_run_and_the_next_one_clears_up(
    archives: Archives, through_proxy: Storage, proxy: FaultProxy, medium: Database, moment: str
) -> None:
    gone = False

    def decide(asked: Asked) -> Fault | None:
        nonlocal gone
        gone = gone or (asked.is_part if moment == "the first part" else MANIFEST in asked.path)
        return Reset() if gone else None

    proxy.decide = decide
    with pytest.raises(StorageUnreachable):
        archives.back_up(medium, through_proxy)
    assert archives.assert_whole() == []
    archives.back_up(medium)
    assert len(archives.assert_whole()) == 1
    archives.assert_nothing_left()


@pytest.mark.parametrize("then", ["is back", "is gone"])
def test_a_manifest_whose_answer_was_lost_is_taken_back_or_its_backup_stays_whole(
    archives: Archives, through_proxy: Storage, proxy: FaultProxy, database: Database, then: str
) -> None:
    written = False

    def decide(asked: Asked) -> Fault | None:
        nonlocal written
        if MANIFEST in asked.path and asked.method == "PUT":
            written = True
            return Reset(after_asking=True)
        return Reset() if written and then == "is gone" else None

    proxy.decide = decide
    with pytest.raises(StorageUnreachable):
        archives.back_up(database, through_proxy)
    assert len(archives.assert_whole()) == (0 if then == "is back" else 1)
    archives.assert_nothing_left()


def test_a_backup_of_the_same_second_in_another_format_leaves_the_first_alone(
    archives: Archives, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = archives.back_up(database)
    monkeypatch.setattr(Storage, "now", lambda _: first.taken_at)
    with pytest.raises(BackupFailed, match="There is a backup"):
        archives.back_up(database, options=DumpOptions("custom", globals="none"))
    assert [each.key for each in archives.assert_whole()] == [first.key]
    with pytest.raises(BackupFailed, match="ended by someone else"):
        archives.back_up(database)
    assert [each.key for each in archives.assert_whole()] == [first.key]
    archives.assert_nothing_left()


def test_backups_that_follow_each_other_within_a_second_have_names_of_their_own(
    archives: Archives, database: Database
) -> None:
    made = [archives.back_up(database).key for _ in range(3)]
    assert len(set(made)) == 3
    assert {each.key for each in archives.assert_whole()} == set(made)


def test_deletes_that_only_seem_to_work_are_an_error(
    archives: Archives, through_proxy: Storage, proxy: FaultProxy, database: Database
) -> None:
    backup = archives.back_up(database)
    lie = Answer(200, b"<DeleteResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'/>")
    proxy.decide = lambda asked: lie if asked.is_delete_objects else None
    archive = archives.of(through_proxy)
    with archive.lease("prune") as lease, pytest.raises(StorageError, match="holds it still"):
        archive.remove([backup], lease)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_host_whose_clock_is_an_hour_off_names_and_guards_backups_by_the_stores(
    archives: Archives, through_proxy: Storage, proxy: FaultProxy, database: Database, hours: int
) -> None:
    proxy.skew = timedelta(hours=hours)  # from here, the store's clock differs from ours by so much
    before = datetime.now(UTC) + proxy.skew
    backup = archives.back_up(database, through_proxy)
    assert before - timedelta(seconds=2) <= backup.taken_at <= datetime.now(UTC) + proxy.skew
    holder = archives.of(through_proxy, lease_seconds=4)
    with holder.lease("backup"), pytest.raises(Busy, match=holder.run_id):
        archives.back_up(database, through_proxy)  # the lease looks neither expired nor eternal


def test_more_parts_than_the_store_takes_are_never_needed(storage: Storage) -> None:
    blocks, plan, digest = [os.urandom(MIB) for _ in range(40)], PartPlan(first=SMALLEST, most=6), Digest()
    upload(storage, "stream", digest.watch(iter(blocks)), digest=digest, plan=plan, owner="me")
    assert storage.read("stream") == b"".join(blocks)  # eight parts of the first size


@pytest.mark.parametrize("after", [0, 3, 12])
def test_an_upload_whose_source_breaks_leaves_nothing(storage: Storage, after: int) -> None:
    def source() -> Iterator[bytes]:
        for _ in range(after):
            yield os.urandom(MIB)
        raise StorageError("broken")

    digest = Digest()
    with pytest.raises(StorageError, match="broken"):
        upload(storage, "stream", digest.watch(source()), digest=digest, plan=PartPlan(SMALLEST), owner="me")
    assert storage.head("stream") is None
    assert list(storage.uploads("")) == []


def test_a_store_without_s3s_checksums_takes_backups(
    archives: Archives, stack: dict[str, str], medium: Database, storage: Storage
) -> None:
    access = AwsAccess("us-east-1", endpoint_url=stack["AWS_ENDPOINT_URL"], request_checksums="when_required")
    backup = archives.back_up(medium, Storage(Aws(access), storage.bucket))
    assert [each.key for each in archives.assert_whole()] == [backup.key]
    answer = storage.aws.s3.head_object(Bucket=storage.bucket, Key=backup.key, ChecksumMode="ENABLED")
    assert answer.get("ChecksumType") != "FULL_OBJECT" or "ChecksumCRC32" not in answer
