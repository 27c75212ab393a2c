"""What was damaged in the store is never restored, never 'latest', never counted; the target stays as it was."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.backups.catalog import Backup
from services.backups.drill import drill
from services.backups.dump import fingerprint
from services.backups.load import LoadOptions
from services.backups.manifest import BackupManifest
from services.backups.naming import MANIFEST, Format
from services.backups.repository import DumpOptions, decide
from services.backups.restore import restore
from services.backups.retention import Retention
from services.errors import BackupDamaged, BackupNotFound, DatabaseError, RestoreFailed, ShorelineError
from services.postgres.client import Database
from services.s3.objects import Storage
from tests.archives import Archives
from tests.conftest import Shoreline
from tests.faults.conftest import filled

Scratch = Callable[[str], list[str]]


def damage(storage: Storage, backup: Backup, change: Callable[[bytearray], object]) -> None:
    text = bytearray(storage.read(backup.key) or b"")
    change(text)
    storage.put(backup.key, bytes(text))


@pytest.mark.parametrize("format_", ["plain", "custom"])
@pytest.mark.parametrize("where", [0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found_and_the_target_stays_as_it_was(
    archives: Archives, database: Database, scratch_names: Scratch, format_: Format, where: float
) -> None:
    filled(database, 1)
    backup = archives.back_up(database, options=DumpOptions(format_, globals="none"))
    before = fingerprint(database)

    def flip(text: bytearray) -> None:
        text[int(len(text) * where)] ^= 1

    damage(archives.storage, backup, flip)
    with pytest.raises(BackupDamaged, match="SHA-256 differs"):
        restore(archives.storage, backup, database, replace=True)
    assert fingerprint(database) == before
    assert scratch_names(database.name) == []


def test_a_change_that_is_good_gzip_and_good_sql_is_found_too(archives: Archives, database: Database) -> None:
    filled(database, 1)
    backup = archives.back_up(database)
    text = gzip.decompress(archives.storage.read(backup.key) or b"").replace(b"row 17\n", b"row 71\n")
    forged = gzip.compress(text)
    archives.storage.put(backup.key, forged)
    with pytest.raises(BackupDamaged):
        restore(archives.storage, backup, database, replace=True)
    assert database.scalar("SELECT count(*) FROM small WHERE name = 'row 17'") == 1


def test_a_drill_names_every_table_that_differs_and_records_that_it_failed(
    archives: Archives, database: Database, execute: Callable[[str], None], shoreline: Shoreline
) -> None:
    execute("CREATE TABLE held AS SELECT 1 AS id; CREATE TABLE same AS SELECT 1 AS id; CREATE SEQUENCE s")
    backup = archives.back_up(database)
    key = backup.name.key(MANIFEST)
    manifest = backup.manifest
    tables = dict(manifest.fingerprint.tables)
    tables["public.held"] = replace(tables["public.held"], rows=2)
    archives.storage.put(
        key, replace(manifest, fingerprint=replace(manifest.fingerprint, tables=tables, sequences={})).to_json()
    )
    drilled = shoreline("drill", "--json")
    assert drilled.exit_code == 15
    assert drilled.json["result"]["record"]["differences"] == [
        "table public.held: 2 rows became 1",
        "sequence public.s: was not there",
    ]
    assert shoreline("status").exit_code == 23
    (listed,) = archives.of().catalog.read().backups
    assert listed.drill is not None
    assert not listed.drill.ok


def test_a_drill_of_a_damaged_backup_is_recorded_as_failed(archives: Archives, database: Database) -> None:
    filled(database, 1)
    backup = archives.back_up(database)
    damage(archives.storage, backup, lambda text: text.__setitem__(len(text) // 2, text[len(text) // 2] ^ 1))
    with pytest.raises(BackupDamaged):
        drill(archives.storage, backup, database, LoadOptions(), datetime.now(UTC))
    (listed,) = archives.of().catalog.read().backups
    assert listed.drill is not None
    assert "could not be restored" in listed.drill.differences[0]


def test_a_drill_that_cannot_restore_tells_prometheus_that_the_last_one_failed(
    archives: Archives, database: Database, shoreline: Shoreline, tmp_path: Path
) -> None:
    filled(database, 1)
    backup = archives.back_up(database)
    metrics = tmp_path / "shoreline.prom"

    def success() -> str:
        return next(line for line in metrics.read_text().splitlines() if line.startswith("shoreline_drill_success{"))

    assert shoreline("drill", env={"METRICS_FILE": str(metrics)}).exit_code == 0
    assert success() == f'shoreline_drill_success{{database="{database.name}"}} 1.0'
    damage(archives.storage, backup, lambda text: text.__setitem__(len(text) // 2, text[len(text) // 2] ^ 1))
    assert shoreline("drill", env={"METRICS_FILE": str(metrics)}).exit_code == 13
    assert success() == f'shoreline_drill_success{{database="{database.name}"}} 0.0'
    assert f"{database.name}: the last drill failed" in shoreline("status").errors


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_object_is_damaged_and_latest_passes_it_over(
    archives: Archives, database: Database, keep: int
) -> None:
    older = archives.back_up(database)
    newer = archives.back_up(database)
    damage(archives.storage, newer, lambda text: text.__delitem__(slice(keep, None)))
    catalog = archives.of().catalog
    assert [each.name for each in catalog.read().damaged] == [newer.name]
    assert catalog.newest(database.name).key == older.key
    with pytest.raises(BackupDamaged, match=r"bytes instead of"):
        catalog.named(newer.key)


def test_a_manifest_without_its_object_is_no_backup_and_retention_does_not_count_it(
    archives: Archives, database: Database
) -> None:
    older = archives.back_up(database)
    newer = archives.back_up(database)
    archives.storage.delete([newer.key])
    contents = archives.of().catalog.read()
    assert [each.problem for each in contents.damaged] == [f"{newer.manifest.object.name} is missing"]
    decisions = decide(contents.of(database.name), Retention(minimum=1), datetime.now(UTC))
    assert [(each.key, each.reason) for each in decisions] == [(older.name.stem, "the newest")]
    archives.storage.delete([newer.name.key(MANIFEST)])  # as status says
    archives.back_up(database)
    archives.assert_whole()
    archives.assert_nothing_left()


def test_an_object_without_a_manifest_is_no_backup_and_goes_with_the_next_run(
    archives: Archives, database: Database
) -> None:
    backup = archives.back_up(database)
    archives.storage.delete([backup.name.key(MANIFEST)])
    catalog = archives.of().catalog
    assert catalog.read().backups == ()
    with pytest.raises(BackupNotFound):
        catalog.newest(database.name)
    archives.back_up(database)
    archives.assert_nothing_left()


def test_a_manifest_that_is_no_json_is_damage(archives: Archives, database: Database) -> None:
    backup = archives.back_up(database)
    archives.storage.put(backup.name.key(MANIFEST), b"{")
    (damaged,) = archives.of().catalog.read().damaged
    assert "its manifest cannot be read" in damaged.problem


def test_a_backup_that_postgresql_refuses_leaves_the_target_and_no_scratch_database(
    archives: Archives, database: Database, execute: Callable[[str], None], scratch_names: Scratch
) -> None:
    execute(
        "CREATE TABLE later (id integer); INSERT INTO later VALUES (1);"
        "CREATE FUNCTION has_later() RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.later)';"
        "CREATE TABLE checked (id integer CHECK (has_later())); INSERT INTO checked VALUES (4711)"
    )
    backup = archives.back_up(database)
    before = fingerprint(database)
    with pytest.raises(RestoreFailed, match='violates check constraint "checked_check"') as refused:
        restore(archives.storage, backup, database, replace=True)
    assert "COPY checked, line 1" in str(refused.value)
    assert "4711" not in str(refused.value)
    assert fingerprint(database) == before
    assert scratch_names(database.name) == []


def test_a_database_that_is_not_empty_is_never_touched_without_replace(archives: Archives, database: Database) -> None:
    backup = archives.back_up(database)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE precious (id integer)")
    with pytest.raises(RestoreFailed, match="is not empty") as caught:
        restore(archives.storage, backup, database)
    assert "--replace" in caught.value.next_step
    assert database.scalar("SELECT count(*) FROM precious") == 0
    restore(archives.storage, backup, database, replace=True)
    assert database.scalar("SELECT to_regclass('precious')") is None


def test_a_role_that_the_server_lacks_is_told_before_anything_is_made(
    archives: Archives, database: Database, scratch_names: Scratch
) -> None:
    backup = archives.back_up(database)
    key = backup.name.key(MANIFEST)
    text = archives.storage.read(key) or b""
    archives.storage.put(key, text.replace(b'"roles": [', b'"roles": ["nobody_here",').replace(b",]", b"]"))
    changed = archives.of().catalog.named(backup.key)
    assert BackupManifest.from_json(archives.storage.read(key) or b"").traits.roles[0] == "nobody_here"
    with pytest.raises(ShorelineError, match="nobody_here"):
        restore(archives.storage, changed, database, LoadOptions(), replace=True)
    assert scratch_names(database.name) == []


def test_a_drill_whose_comparison_breaks_off_says_so_and_records_nothing(
    archives: Archives, medium: Database, scratch_names: Scratch
) -> None:
    backup = archives.back_up(medium)
    loaded = 0

    def end_the_second_dump(size: int) -> None:
        nonlocal loaded
        loaded += size
        if loaded > backup.manifest.object.bytes:
            medium.scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname LIKE %s AND query ~ '^COPY'",
                f"{medium.name}_restoring_%",
            )

    with pytest.raises(DatabaseError, match="could not be dumped") as raised:
        drill(archives.storage, backup, medium, LoadOptions(), archives.storage.now(), end_the_second_dump)
    assert raised.value.exit_code == 5
    assert archives.assert_whole()[0].drill is None
    assert scratch_names(medium.name) == []
