"""Cleanup removes exactly what is Shoreline's, and proves it by looking again."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from services.backups.naming import Naming
from services.backups.repository import BackupRepository
from services.errors import ShorelineError
from services.local.stack import PROJECT
from services.s3.bucket import policy_statements
from services.s3.client import Aws
from services.s3.objects import Storage
from tests.conftest import Outcome, Shoreline
from tests.integration.filled import fill, neighbour_of

NOT_OURS, BUSY, INCOMPLETE, WRONG_ACCOUNT, NOT_CONFIRMED = 9, 19, 21, 24, 25


def checks(outcome: Outcome) -> dict[str, str]:
    """What the proof found, by resource."""
    return {check["resource"]: check["verdict"] for check in outcome.json["result"]["checks"]}


def keys(storage: Storage) -> list[str]:
    """The keys in the bucket, without the lease's, which stays where backups do."""
    return [each.key for each in storage.objects("") if not each.key.endswith("/lease.json")]


def test_cleanup_removes_everything_and_keeps_a_similarly_named_bucket(
    shoreline: Shoreline, storage: Storage, aws: Aws
) -> None:
    fill(storage, objects=20, versions=3, uploads=3)
    neighbour = neighbour_of(storage)
    outcome = shoreline("cleanup", "--yes", "--json")
    assert outcome.exit_code == 0, outcome.errors
    assert not storage.exists()
    assert set(checks(outcome).values()) == {"gone"}
    assert len(list(neighbour.objects(""))) == 1
    removed = outcome.json["result"]["removed"]
    assert (removed["versions"], removed["uploads"], removed["bucket"]) == (20 * 4, 3, True)


def test_cleanup_reports_absent_resources_as_not_there(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("datalake/orders/data.parquet", b"rows")
    outcome = shoreline("cleanup", "--yes", "--json")
    assert outcome.exit_code == 0, outcome.errors
    actions = {check["resource"]: check["action"] for check in outcome.json["result"]["checks"]}
    assert actions["objects datalake/"] == actions[f"bucket {storage.bucket}"] == "deleted"
    assert actions["objects athena-results/"] == "not there"
    again = shoreline("cleanup", "--yes", "--json")
    assert {check["action"] for check in again.json["result"]["checks"]} == {"not there"}


def test_cleanup_without_terminal_prints_the_plan_only(shoreline: Shoreline, storage: Storage) -> None:
    fill(storage, objects=4, versions=2, uploads=1)
    outcome = shoreline("cleanup")
    assert outcome.exit_code == 0, outcome.errors
    assert "Nothing was removed" in outcome.output
    assert "1 unfinished upload" in outcome.output
    assert storage.exists()
    assert len(list(storage.uploads(""))) == 1


def test_a_dry_run_removes_nothing_even_with_yes(shoreline: Shoreline, storage: Storage) -> None:
    fill(storage, objects=2, versions=1, uploads=0)
    outcome = shoreline("cleanup", "--yes", "--dry-run", "--json")
    assert outcome.json["result"]["carried_out"] is False
    assert storage.exists()


def test_keep_backups_removes_the_lake_only(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("backups/postgres/2025/06/10/backup_20250610_143022.sql.gz", b"dump")
    storage.put("datalake/orders/year=2025/month=01/day=10/data.parquet", b"rows")
    storage.put("athena-results/query.csv", b"answer")
    outcome = shoreline("cleanup", "--yes", "--json", "--keep-backups")
    assert outcome.exit_code == 0, outcome.errors
    assert keys(storage) == ["backups/postgres/2025/06/10/backup_20250610_143022.sql.gz"]
    assert checks(outcome)["objects backups/postgres/"] == "kept"
    plainly = shoreline("cleanup", "--yes", "--keep-backups").output
    assert "What stays costs $0.0000" in plainly
    assert "Nothing billable is left" not in plainly


def test_the_command_after_a_plan_carries_out_that_plan(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("backups/postgres/2025/06/10/backup_20250610_143022.sql.gz", b"dump")
    storage.put("datalake/orders/data.parquet", b"rows")
    for asked in (["--keep-backups"], ["--keep-backups", "--dry-run"], ["--yes", "--dry-run", "--keep-backups"]):
        planned = shoreline("cleanup", *asked)
        program, *command = shlex.split(planned.errors.rpartition("Next: ")[2])
        assert (program, command[0]) == ("shoreline", "cleanup")
        assert command[1:] == ["--keep-backups"]
    assert shoreline(*command, "--yes").exit_code == 0
    assert keys(storage) == ["backups/postgres/2025/06/10/backup_20250610_143022.sql.gz"]


def test_keep_backups_keeps_backups_inside_the_lake_prefix(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("all/backups/backup.sql.gz", b"dump")
    storage.put("all/orders/data.parquet", b"rows")
    env = {"BACKUP_PREFIX": "all/backups", "LAKE_PREFIX": "all"}
    outcome = shoreline("cleanup", "--yes", "--json", "--keep-backups", env=env)
    assert outcome.exit_code == 0, outcome.errors
    assert keys(storage) == ["all/backups/backup.sql.gz"]


def test_cleanup_keeps_foreign_objects_and_their_bucket(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("datalake2/theirs.parquet", b"theirs")
    storage.put("datalake", b"theirs too")
    storage.put("datalake/orders/data.parquet", b"ours")
    outcome = shoreline("cleanup", "--yes")
    assert outcome.exit_code == 0, outcome.errors
    assert keys(storage) == ["datalake", "datalake2/theirs.parquet"]
    assert "holds objects that are not Shoreline's" in outcome.output


@pytest.mark.parametrize("prefix", ["backups/eu", "datalake/backups"])
def test_cleanup_stops_at_an_installation_below_a_prefix(
    prefix: str, shoreline: Shoreline, storage: Storage, execute: Callable[[str], None]
) -> None:
    execute("CREATE TABLE t AS SELECT 1")
    for each in ("backups", prefix):
        assert shoreline("backup", env={"BACKUP_PREFIX": each}).exit_code == 0
    before = keys(storage)
    for how in ("--dry-run", "--yes"):
        outcome = shoreline("cleanup", how, env={"BACKUP_PREFIX": "backups"})
        assert outcome.exit_code == NOT_OURS
        assert f"at {storage.url(prefix)}/: it has {prefix}/" in outcome.errors
    assert keys(storage) == before
    for each in (prefix, "backups"):
        assert shoreline("cleanup", "--yes", env={"BACKUP_PREFIX": each}).exit_code == 0
    assert not storage.exists()


def test_installation_below_the_backups_does_not_keep_the_lake(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("backups/eu/lease.json", b"{}")
    storage.put("datalake/orders/data.parquet", b"rows")
    outcome = shoreline("cleanup", "--yes", "--keep-backups", env={"BACKUP_PREFIX": "backups"})
    assert outcome.exit_code == 0, outcome.errors
    assert [each.key for each in storage.objects("datalake/")] == []


def test_cleanup_keeps_the_tag_for_another_installation(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("eu/lease.json", b"{}")
    storage.put("datalake/orders/data.parquet", b"rows")
    outcome = shoreline("cleanup", "--yes")
    assert outcome.exit_code == 0, outcome.errors
    assert "another installation uses it: eu" in outcome.output
    assert [each.key for each in storage.objects("")] == ["eu/lease.json"]
    assert shoreline("cleanup", "--yes", env={"BACKUP_PREFIX": "eu", "BACKUP_LEASE_SECONDS": "2"}).exit_code == 0
    assert not storage.exists()


def test_cleanup_removes_only_its_settings_from_kept_bucket(shoreline: Shoreline, storage: Storage, aws: Aws) -> None:
    name = storage.bucket
    storage.put("theirs.txt", b"theirs")
    rule = {"Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 9}}
    rules: Any = [{"ID": "shoreline-expire", **rule}, {"ID": "theirs", **rule}]
    aws.s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    theirs = {
        "Sid": "Theirs",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{name}/no/*",
    }
    statements = [theirs, *policy_statements(name, "000000000000")]
    aws.s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    tags: Any = [{"Key": "team", "Value": "data"}, {"Key": "project", "Value": "shoreline"}]
    aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    outcome = shoreline("cleanup", "--yes", "--json")
    assert outcome.exit_code == 0, outcome.errors
    assert checks(outcome)[f"settings of {name}"] == "gone"
    assert keys(storage) == ["theirs.txt"]
    left = aws.s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert [each["ID"] for each in left] == ["theirs"]
    assert json.loads(aws.s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"] == [theirs]
    assert aws.s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags[:1]


def test_cleanup_removes_nothing_while_a_backup_runs(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("backups/postgres/a.sql.gz", b"dump")
    with BackupRepository(storage, Naming("backups/postgres"), "run-1", lease_seconds=4).lease("backup"):
        outcome = shoreline("cleanup", "--yes")
    assert outcome.exit_code == BUSY
    assert "backup (run run-1" in outcome.errors
    assert keys(storage) == ["backups/postgres/a.sql.gz"]


def test_the_receipt_keeps_the_proof_with_the_request_ids(
    shoreline: Shoreline, storage: Storage, tmp_path: Path
) -> None:
    fill(storage, objects=3, versions=2, uploads=1)
    outcome = shoreline("cleanup", "--yes")
    assert outcome.exit_code == 0, outcome.errors
    (path,) = (tmp_path / "receipts").glob("cleanup_*.json")
    proof = json.loads(path.read_text())["proof"]
    asked = {(each["operation"], each["status"]) for each in proof["requests"]}
    assert {("DeleteObjects", 200), ("AbortMultipartUpload", 204), ("DeleteBucket", 204), ("HeadBucket", 404)} <= asked
    assert all(each["request_id"] for each in proof["requests"])
    assert {check["verdict"] for check in proof["checks"]} == {"gone"}


def test_cleanup_removes_receipts_and_keeps_other_files(shoreline: Shoreline, storage: Storage, tmp_path: Path) -> None:
    folder = tmp_path / "receipts"
    folder.mkdir()
    (folder / "backup_20250610_143022.json").write_text("{}")
    (folder / "budget.json").write_text("{}")
    assert shoreline("cleanup", "--yes").exit_code == 0
    assert (folder / "backup_20250610_143022.json").exists()
    outcome = shoreline("cleanup", "--yes", "--receipts")
    assert outcome.exit_code == 0, outcome.errors
    assert not (folder / "backup_20250610_143022.json").exists()
    assert (folder / "budget.json").exists()


@pytest.mark.parametrize(("typed", "exit_code"), [("{bucket}", 0), ("yes", NOT_CONFIRMED), ("", NOT_CONFIRMED)])
def test_on_a_terminal_the_buckets_name_is_typed(
    settings: Mapping[str, str], storage: Storage, tmp_path: Path, typed: str, exit_code: int
) -> None:
    mine, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "jobs", "cleanup"],
        env={**settings, "PYTHONPATH": str(PROJECT), "TERM": "dumb"},
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while b"Type the bucket's name" not in shown:
        shown += os.read(mine, 1024)
    os.write(mine, f"{typed.format(bucket=storage.bucket)}\n".encode())
    with suppress(OSError):  # what a terminal answers when the program at its other end is gone
        while os.read(mine, 1024):
            pass
    assert running.wait(60) == exit_code
    os.close(mine)
    assert storage.exists() == (exit_code != 0)


def test_a_bucket_without_the_tag_is_not_touched(shoreline: Shoreline, storage: Storage, aws: Aws) -> None:
    storage.put("datalake/orders/data.parquet", b"someone's")
    aws.s3.delete_bucket_tagging(Bucket=storage.bucket)
    outcome = shoreline("cleanup", "--yes")
    assert outcome.exit_code == NOT_OURS
    assert len(list(storage.objects(""))) == 1
    assert "Traceback" not in outcome.errors


def test_another_account_than_the_expected_one_stops_everything(shoreline: Shoreline, storage: Storage) -> None:
    storage.put("datalake/orders/data.parquet", b"rows")
    outcome = shoreline("cleanup", "--yes", env={"AWS_EXPECTED_ACCOUNT_ID": "999999999999"})
    assert outcome.exit_code == WRONG_ACCOUNT
    assert len(list(storage.objects(""))) == 1


def test_a_second_run_finds_nothing_and_succeeds(shoreline: Shoreline, storage: Storage) -> None:
    assert shoreline("cleanup", "--yes").exit_code == 0
    again = shoreline("cleanup", "--yes")
    assert again.exit_code == 0, again.errors
    assert not storage.exists()


def test_local_output_goes_and_other_files_and_links_stay(shoreline: Shoreline, tmp_path: Path) -> None:
    day = tmp_path / "output" / "orders" / "year=2025" / "month=01" / "day=10"
    day.mkdir(parents=True)
    (day / "data.parquet").write_bytes(b"rows")
    precious = tmp_path / "precious.parquet"
    precious.write_bytes(b"theirs")
    (tmp_path / "output" / "notes.txt").write_text("mine")
    elsewhere = tmp_path / "elsewhere" / "year=2025" / "month=01" / "day=10"
    elsewhere.mkdir(parents=True)
    (elsewhere / "data.parquet").write_bytes(b"theirs")
    (tmp_path / "output" / "linked").symlink_to(tmp_path / "elsewhere")
    outcome = shoreline("cleanup", "--yes")
    assert outcome.exit_code == 0, outcome.errors
    assert not (tmp_path / "output" / "orders").exists()
    assert (tmp_path / "output" / "notes.txt").read_text() == "mine"
    assert (elsewhere / "data.parquet").exists()
    assert precious.exists()


def test_cleanup_removes_the_records_folder_but_not_a_link(shoreline: Shoreline, tmp_path: Path) -> None:
    records = tmp_path / "output" / "_export"
    records.mkdir(parents=True)
    assert shoreline("cleanup", "--yes").exit_code == 0
    assert not records.parent.exists()
    (tmp_path / "elsewhere").mkdir()
    records.parent.mkdir()
    records.symlink_to(tmp_path / "elsewhere")
    assert shoreline("cleanup", "--yes").exit_code == 0
    assert records.is_symlink()
    assert (tmp_path / "elsewhere").exists()


def test_cleanup_names_locked_versions_before_and_after(shoreline: Shoreline, aws: Aws, storage: Storage) -> None:
    name = f"{storage.bucket}-locked"
    aws.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "project", "Value": "shoreline"}]})
    locked = Storage(aws, name)
    locked.put("backups/postgres/free.sql.gz", b"free")
    locked.put("backups/postgres/held.sql.gz", b"held")
    aws.s3.put_object_legal_hold(Bucket=name, Key="backups/postgres/held.sql.gz", LegalHold={"Status": "ON"})
    planned = shoreline("cleanup", env={"BUCKET": name})
    assert "1 legal hold: backups/postgres/held.sql.gz" in planned.output
    outcome = shoreline("cleanup", "--yes", "--json", env={"BUCKET": name})
    assert outcome.exit_code == INCOMPLETE
    assert checks(outcome)["objects backups/postgres/"] == "LEFT"
    assert keys(locked) == ["backups/postgres/held.sql.gz"]
    assert "held.sql.gz" in json.dumps(outcome.json["result"]["removed"]["refused"])


def test_a_prefix_without_its_closing_slash_is_refused() -> None:
    from services.cleanup import Area

    with pytest.raises(ShorelineError, match="Invalid prefix"):
        Area("lake", "datalake")


def test_cleanup_with_nothing_to_remove_prints_no_table(shoreline: Shoreline) -> None:
    outcome = shoreline("cleanup", env={"BUCKET": "no-such-bucket-of-ours"})
    assert outcome.exit_code == 0, outcome.errors
    assert outcome.output.splitlines() == [
        "Account 000000000000, bucket no-such-bucket-of-ours:",
        "Nothing to remove.",
    ]
