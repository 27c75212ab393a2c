"""A restored database is like the one that was backed up, in part where asked for, and nothing is left over."""

from __future__ import annotations

import fcntl
import json
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import extensions
from pyrage.x25519 import Identity

from services.backups.catalog import Backup
from services.backups.drill import drill
from services.backups.dump import fingerprint
from services.backups.load import LoadOptions
from services.backups.manifest import DatabaseTraits
from services.backups.naming import MANIFEST
from services.backups.repository import DumpOptions
from services.backups.restore import is_empty, restore
from services.backups.scratch import scratch
from services.backups.traits import apply, create_like, traits_of
from services.errors import BackupDamaged, BackupNotFound, InputError, RestoreFailed, SettingsError
from services.local.postgres import Cluster
from services.postgres.client import Database
from tests.archives import Archives
from tests.conftest import Shoreline
from tests.integration.schemas import AWKWARD

Execute = Callable[[str], None]


@pytest.fixture
def custom(archives: Archives, database: Database, execute: Execute) -> Backup:
    """A backup in PostgreSQL's custom format."""
    execute(AWKWARD)
    return archives.back_up(database, options=DumpOptions("custom", globals="none"))


def test_the_owner_settings_grants_and_comment_come_back(
    archives: Archives, database: Database, copy: Database, execute: Execute
) -> None:
    role = f"{database.name}_role"
    execute(
        f"CREATE ROLE {role};"
        f'ALTER DATABASE {database.name} SET search_path TO "$user", public, other;'
        f"ALTER DATABASE {database.name} SET application_name TO 'it''s mine';"
        f"ALTER ROLE {role} IN DATABASE {database.name} SET search_path TO app, public;"
        f"ALTER ROLE {role} IN DATABASE {database.name} SET statement_timeout TO '5s';"
        f"ALTER DATABASE {database.name} CONNECTION LIMIT 7;"
        f"COMMENT ON DATABASE {database.name} IS 'precious';"
        f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC;"
        f"GRANT CONNECT ON DATABASE {database.name} TO {role} WITH GRANT OPTION"
    )
    before = traits_of(database)
    restore(archives.storage, archives.back_up(database), copy)
    assert traits_of(copy) == before
    assert before.comment == "precious"
    assert role in before.roles
    assert before.connection_limit == 7
    assert [each.setting for each in before.role_settings] == ["search_path=app, public", "statement_timeout=5s"]
    copy.drop()
    execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_restore_may_give_its_database_to_a_role_whose_rights_it_has_not(
    archives: Archives, database: Database, copy: Database, execute: Execute
) -> None:
    owner, maker = f"{database.name}_owner", f"{database.name}_maker"
    execute(
        f"CREATE ROLE {owner}; CREATE ROLE {maker} LOGIN CREATEDB PASSWORD 'x';"
        f"GRANT {owner} TO {maker} WITH INHERIT FALSE, SET TRUE;"
        f"ALTER DATABASE {database.name} OWNER TO {owner}; ALTER DATABASE {database.name} CONNECTION LIMIT 7"
    )
    before = traits_of(database)
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {maker}")
        create_like(cursor, copy.name, before)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {maker}")
        apply(cursor, copy.name, before)
    assert traits_of(copy) == before
    copy.drop()
    execute(f"ALTER DATABASE {database.name} OWNER TO postgres; DROP ROLE {maker}; DROP ROLE {owner}")


def test_a_setting_of_a_role_that_a_restore_may_not_set_is_told_and_stops_it_not(
    archives: Archives, database: Database, execute: Execute, shoreline: Shoreline
) -> None:
    maker, other = f"{database.name}_maker", f"{database.name}_other"
    execute(
        f"CREATE ROLE {other}; CREATE ROLE {maker} LOGIN CREATEDB PASSWORD 'x';"
        f"ALTER DATABASE {database.name} OWNER TO {maker}; CREATE TABLE t (id integer); ALTER TABLE t OWNER TO {maker};"
        f"ALTER ROLE {other} IN DATABASE {database.name} SET work_mem TO '7MB';"
        f"ALTER ROLE {maker} IN DATABASE {database.name} SET work_mem TO '8MB'"
    )
    archives.back_up(database, options=DumpOptions(globals="none"))
    try:
        env = {"PGUSER": maker, "PGPASSWORD": "x"}
        outcome = shoreline("restore", "--replace", "--yes", "--json", env=env)
        assert outcome.exit_code == 0, outcome.errors
        assert outcome.json["result"]["refused"] == [f"{other}: work_mem"]
        assert f"work_mem of role {other} was not restored" in outcome.errors
        assert [each.setting for each in traits_of(database).role_settings] == ["work_mem=8MB"]
    finally:
        execute(f"ALTER DATABASE {database.name} OWNER TO postgres; DROP OWNED BY {maker}; DROP ROLE {maker}, {other}")


def test_a_manifest_of_before_roles_settings_and_the_form_of_hashes_is_restored_drilled_and_listed(
    archives: Archives, database: Database, execute: Execute, shoreline: Shoreline
) -> None:
    execute(AWKWARD)
    backup = archives.back_up(database)
    fields = json.loads(backup.manifest.to_json())
    del fields["warnings"], fields["fingerprint"]["form"]
    for name in ("role_settings", "connection_limit", "sealed", "icu_rules", "tablespace", "lc_monetary"):
        del fields["traits"][name]
    fields["fingerprint"]["schema"] = dict.fromkeys(fields["fingerprint"]["schema"], "0123456789abcdef")
    archives.storage.put(backup.name.key(MANIFEST), json.dumps(fields | {"notes": {}}).encode())
    for job in ("backups", "drill", "status", "restore"):
        outcome = shoreline(job, *(["--replace", "--yes"] if job == "restore" else []))
        assert outcome.exit_code == 0, outcome.errors
    before = backup.manifest.fingerprint
    assert fingerprint(database, like=before).tables == before.tables


def test_settings_of_an_encrypted_backup_are_read_by_its_recipients_only(
    archives: Archives, database: Database, execute: Execute
) -> None:
    role = f"{database.name}_role"
    execute(
        f"CREATE ROLE {role}; ALTER DATABASE {database.name} SET app.jwt_secret TO 'hunter2';"
        f"ALTER ROLE {role} IN DATABASE {database.name} SET app.jwt_secret TO 'hunter3'"
    )
    before, mine, other = traits_of(database), Identity.generate(), Identity.generate()
    backup = archives.back_up(database, options=DumpOptions(recipients=[mine.to_public()], globals="none"))
    manifest = archives.storage.read(backup.name.key(MANIFEST)) or b""
    assert b"hunter" not in manifest
    with pytest.raises(BackupDamaged, match="cannot be decrypted"):
        restore(archives.storage, backup, database, LoadOptions([other]), replace=True)
    broken = replace(backup, manifest=replace(backup.manifest, traits=replace(backup.manifest.traits, sealed="x")))
    with pytest.raises(BackupDamaged, match="settings in its manifest"):
        restore(archives.storage, broken, database, LoadOptions([mine]), replace=True)
    with pytest.raises(BackupDamaged, match="settings in its manifest"):
        drill(archives.storage, broken, database, LoadOptions([mine]), archives.storage.now())
    assert drill(archives.storage, backup, database, LoadOptions([mine]), archives.storage.now()).record.ok
    restore(archives.storage, backup, database, LoadOptions([mine]), replace=True)
    assert traits_of(database) == before
    execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_the_roles_that_a_backup_names_are_those_that_own_or_have_settings_in_it_the_first_superuser_too(
    database: Database, execute: Execute
) -> None:
    role = f"{database.name}_role"
    execute(
        f"CREATE ROLE {role}; ALTER DATABASE {database.name} OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role};"
        f"CREATE EXTENSION vector; CREATE TABLE t (id integer); ALTER TABLE t OWNER TO {role}"
    )
    assert traits_of(database).roles == (role,)
    execute("CREATE TABLE ours (id integer)")
    assert traits_of(database).roles == ("postgres", role)
    execute(
        f"DROP TABLE ours; ALTER DATABASE {database.name} OWNER TO postgres; DROP OWNED BY {role};"
        f"ALTER ROLE {role} IN DATABASE {database.name} SET work_mem TO '1MB'"
    )
    assert traits_of(database).roles == ("postgres", role)
    execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "locale",
    [
        "LOCALE_PROVIDER libc LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
        "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C' LC_COLLATE 'C' LC_CTYPE 'C'",
    ],
)
def test_a_database_of_another_locale_than_the_servers_is_made_like_it_was(database: Database, locale: str) -> None:
    odd, copy = database.sibling(f"{database.name}_odd"), database.sibling(f"{database.name}_copy")
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {odd.name} TEMPLATE template0 ENCODING 'UTF8' {locale}")
        try:
            before = traits_of(odd)
            create_like(cursor, copy.name, before)
            assert traits_of(copy) == before
        finally:
            odd.drop()
            copy.drop()


def test_a_database_goes_back_into_its_tablespace_and_where_there_is_none_that_is_told(
    archives: Archives, tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "autovacuum": "off"})
    server = Database(cluster.start())
    spaced, copy = server.sibling("spaced"), server.sibling("copy")
    inside = "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = 'copy'"
    try:
        with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("SET allow_in_place_tablespaces = on")
            cursor.execute("CREATE TABLESPACE fast LOCATION ''")
            cursor.execute("CREATE DATABASE spaced TABLESPACE fast")
            backup = archives.back_up(spaced)
            assert restore(archives.storage, backup, copy).notes == ()
            assert server.scalar(inside) == "fast"
            for database in (copy, spaced):
                database.drop()
            cursor.execute("DROP TABLESPACE fast")
        assert drill(archives.storage, backup, copy, LoadOptions(), archives.storage.now()).record.ok
        assert "has no tablespace fast" in restore(archives.storage, backup, copy).notes[0]
        assert server.scalar(inside) == "pg_default"
    finally:
        cluster.stop("immediate")


def test_prepared_transactions_that_hold_a_database_are_told_before_anything_is_done(
    archives: Archives, tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "autovacuum": "off", "max_prepared_transactions": "2"})
    held = Database(cluster.start()).sibling("held")
    held.create()
    try:
        backup = archives.back_up(held)
        with held.connect() as connection:
            connection.tpc_begin("it's open")
            connection.cursor().execute("CREATE TABLE t (id integer)")
            connection.tpc_prepare()
            connection.reset()
        with pytest.raises(RestoreFailed, match=r"prepared transactions.*: 'it''s open'"):
            restore(archives.storage, backup, held, replace=True)
        with held.connect(autocommit=True) as connection:
            connection.cursor().execute("ROLLBACK PREPARED 'it''s open'")
        restore(archives.storage, backup, held, replace=True)
    finally:
        cluster.stop("immediate")


def test_money_is_read_by_the_locale_that_it_was_written_in(
    archives: Archives, database: Database, copy: Database, execute: Execute
) -> None:
    execute(f"ALTER DATABASE {database.name} SET lc_monetary TO 'POSIX'")
    assert traits_of(database).lc_monetary is None
    execute("CREATE DOMAIN price AS money; CREATE TABLE t AS SELECT '1234.56'::price AS price")
    backup = archives.back_up(database)
    assert backup.manifest.traits.lc_monetary == "POSIX"
    with scratch(copy, backup.manifest.traits) as fresh:  # it has no settings yet
        assert fresh.scalar("SHOW lc_monetary") == "POSIX"
        assert "lc_monetary=POSIX" in fresh.connection.environment()["PGOPTIONS"]
    assert drill(archives.storage, backup, copy, LoadOptions(), archives.storage.now()).record.ok


def test_the_rules_of_an_icu_locale_are_those_of_the_database(database: Database) -> None:
    asked: list[str] = []

    class Noting(extensions.cursor):
        """Asks nothing: the embedded PostgreSQL has no ICU."""

        def execute(self, query: Any, _: object = None) -> None:
            asked.append(query.as_string(self))

    with database.connect() as connection:
        traits = DatabaseTraits("UTF8", "icu", "C", "C", locale="und", icu_rules="&b < a")
        create_like(connection.cursor(cursor_factory=Noting), "copy", traits)
    assert asked[0].endswith("ICU_LOCALE 'und' ICU_RULES '&b < a'")


def test_the_database_that_a_restore_works_from_is_never_a_target(archives: Archives, database: Database) -> None:
    with pytest.raises(InputError, match="cannot be restored into"):
        restore(archives.storage, archives.back_up(database), database.sibling("postgres"), replace=True)


def test_a_restore_that_replaces_ends_the_connections_to_the_old_database(
    archives: Archives, database: Database, execute: Execute
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS id")
    backup = archives.back_up(database)
    execute("DROP TABLE t")
    connection = database._open()
    restore(archives.storage, backup, database, replace=True)
    assert database.scalar("SELECT count(*) FROM t") == 1
    connection.close()


def test_a_killed_restores_scratch_database_goes_with_the_next_one_and_a_running_ones_does_not(
    archives: Archives, database: Database, copy: Database
) -> None:
    backup = archives.back_up(database)
    running, done = threading.Event(), threading.Event()

    def hold() -> None:
        with scratch(copy, backup.manifest.traits) as fresh:
            held.append(fresh)
            running.set()
            done.wait(60)

    held: list[Database] = []
    holder = threading.Thread(target=hold)
    holder.start()
    assert running.wait(60)
    left = copy.sibling(f"{copy.name}_restoring_0123abcd")
    left.create()
    mine = copy.sibling(f"{copy.name}_restoring_mine")
    mine.create()
    with copy.sibling("postgres").connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE \"{left.name}\" IS 'shoreline: scratch'")
    listed = [each.name for each in database.all_on_server()]
    assert held[0].name not in listed
    assert left.name not in listed
    assert mine.name in listed
    restore(archives.storage, backup, copy)
    assert not left.exists()
    assert mine.exists()
    assert held[0].exists()
    done.set()
    holder.join()
    assert not held[0].exists()
    mine.drop()


def test_single_tables_come_out_of_a_custom_archive(archives: Archives, custom: Backup, copy: Database) -> None:
    options = LoadOptions(tables=("public.hen", "public.egg"))
    restore(archives.storage, custom, copy, options)
    assert copy.scalar("SELECT count(*) FROM hen") == 1
    assert copy.scalar("SELECT to_regclass('events')") is None


@pytest.mark.parametrize("name", ["events", "public.events"])
def test_a_partitioned_table_alone_is_refused_as_its_rows_are_elsewhere(
    archives: Archives, custom: Backup, copy: Database, name: str
) -> None:
    with pytest.raises(InputError, match=f"{name} is partitioned"):
        restore(archives.storage, custom, copy, LoadOptions(tables=("public.hen", name)))
    assert not copy.exists()
    restore(archives.storage, custom, copy, LoadOptions(tables=("events_rest",)))
    assert copy.scalar("SELECT count(*) FROM events_rest") == 145
    copy.drop()
    restore(archives.storage, custom, copy, LoadOptions(tables=(name,), schema_only=True))


def test_a_table_of_a_schema_of_its_own_comes_out_alone_and_one_that_needs_more_says_so(
    archives: Archives, custom: Backup, copy: Database
) -> None:
    restore(archives.storage, custom, copy, LoadOptions(tables=('Odd Schéma.Ta"ble ünd; --',)))
    assert copy.scalar('SELECT count(*) FROM "Odd Schéma"."Ta""ble ünd; --"') == 3
    copy.drop()
    with pytest.raises(RestoreFailed, match="mood") as failed:
        restore(archives.storage, custom, copy, LoadOptions(tables=("users",)))
    assert "--into" in (failed.value.next_step or "")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_table_that_the_backup_does_not_hold_fails_the_restore(
    archives: Archives, custom: Backup, copy: Database, jobs: int
) -> None:
    with pytest.raises(RestoreFailed, match="hne") as refused:
        restore(archives.storage, custom, copy, LoadOptions(tables=("hen", "hne"), jobs=jobs))
    assert "public.hen" in refused.value.next_step
    assert not copy.exists()


@pytest.mark.parametrize("options", [LoadOptions(tables=("hen",)), LoadOptions(schema_only=True)])
def test_a_part_never_takes_the_place_of_the_whole(
    archives: Archives, custom: Backup, database: Database, copy: Database, options: LoadOptions
) -> None:
    before = fingerprint(database)
    with pytest.raises(InputError, match="by a part") as refused:
        restore(archives.storage, custom, database, options, replace=True)
    assert "--into NAME" in refused.value.next_step
    with pytest.raises(RestoreFailed, match="is not empty") as occupied:
        restore(archives.storage, custom, database, options)
    assert "--into" in occupied.value.next_step
    assert fingerprint(database) == before
    assert restore(archives.storage, custom, copy, options).part


def test_the_schema_alone_comes_out_of_a_custom_archive(archives: Archives, custom: Backup, copy: Database) -> None:
    restore(archives.storage, custom, copy, LoadOptions(schema_only=True))
    assert copy.scalar("SELECT count(*) FROM users") == 0
    assert copy.scalar("SELECT speak()") is not None


def test_several_connections_restore_a_custom_archive(archives: Archives, custom: Backup, copy: Database) -> None:
    restore(archives.storage, custom, copy, LoadOptions(jobs=2))
    assert copy.scalar("SELECT count(*) FROM users") == 500


def test_the_archive_that_a_killed_restore_left_on_disk_goes_with_the_next_and_a_running_ones_does_not(
    archives: Archives, custom: Backup, copy: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, used = (tmp_path / f"shoreline-restore-{name}" / "archive.dump" for name in ("left", "used"))
    for archive in (left, used):
        archive.parent.mkdir()
        archive.write_bytes(b"decrypted")
    with used.open("rb") as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        restore(archives.storage, custom, copy, LoadOptions(jobs=2))
    assert list(tmp_path.iterdir()) == [used.parent]
    assert used.read_bytes() == b"decrypted"


def test_plain_sql_is_restored_whole_or_not_at_all(archives: Archives, database: Database, copy: Database) -> None:
    backup = archives.back_up(database)
    with pytest.raises(InputError, match="custom format"):
        restore(archives.storage, backup, copy, LoadOptions(tables=("t",)))
    assert not copy.exists()


def test_an_encrypted_backup_without_a_key_says_what_is_missing(
    archives: Archives, database: Database, copy: Database
) -> None:
    import pyrage

    key = pyrage.x25519.Identity.generate()
    backup = archives.back_up(database, options=DumpOptions(recipients=[key.to_public()], globals="none"))
    with pytest.raises(SettingsError, match="BACKUP_AGE_IDENTITY  is not set"):
        restore(archives.storage, backup, copy)
    assert not copy.exists()
    restore(archives.storage, backup, copy, LoadOptions(identities=[key]))
    assert copy.exists()


def test_a_dump_that_a_lifecycle_moved_tells_its_class_which_a_restore_pays_for(
    archives: Archives, database: Database
) -> None:
    backup = archives.back_up(database, options=DumpOptions(globals="none"))
    assert archives.of().catalog.named(backup.key).storage_class == "STANDARD"
    bucket, key = archives.storage.bucket, backup.key
    archives.storage.aws.s3.copy_object(
        Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key}, StorageClass="GLACIER_IR"
    )
    assert archives.of().catalog.named(backup.key).storage_class == "GLACIER_IR"


def test_the_last_part_of_a_key_names_a_backup_only_where_no_other_has_it(
    archives: Archives, database: Database
) -> None:
    archive, other = archives.of(), "other"
    with archive.lease("backup") as lease:
        backup = archive.create(database, lease, DumpOptions(globals="none"), own_folder=True)
    last = backup.key.rpartition("/")[2]
    assert archive.catalog.named(last).key == backup.key
    for key in backup.keys:
        archives.storage.put(key.replace(database.name, other), archives.storage.read(key) or b"")
    theirs = replace(backup.name, folder=other)
    archives.storage.put(theirs.key(MANIFEST), replace(backup.manifest, database=other).to_json())
    with pytest.raises(BackupNotFound, match="names 2 backups") as unclear:
        archive.catalog.named(last)
    assert "whole key" in unclear.value.next_step
    for named in (backup.key, backup.name.stem, archives.storage.url(backup.key)):
        assert archive.catalog.named(named).key == backup.key
    assert archive.catalog.named(last, other).manifest.database == other
    with pytest.raises(BackupNotFound, match="of other under"):
        archive.catalog.named(backup.key, other)


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE t ()",
        "CREATE TYPE t AS ENUM ('a')",
        "CREATE DOMAIN d AS text",
        "CREATE SCHEMA s",
        "CREATE SEQUENCE s",
        "CREATE VIEW v AS SELECT 1 AS one",
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION vector",
        "CREATE PUBLICATION p",
        "CREATE CAST (text AS integer) WITH INOUT",
        "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "SELECT lo_create(0)",
        "SELECT lo_create(1)",
    ],
)
def test_whatever_somebody_made_makes_a_database_not_empty(database: Database, execute: Execute, made: str) -> None:
    assert is_empty(database)
    execute(made)
    assert not is_empty(database)
