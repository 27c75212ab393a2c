"""Nobody gains rights by a backup, and a drill restores what a restore does: settings, owner, grants and all."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyrage.x25519 import Identity

from services.backups.catalog import Backup
from services.backups.drill import drill
from services.backups.dump import fingerprint
from services.backups.load import ConnectionLost, LoadOptions
from services.backups.manifest import DatabaseGrant, DatabaseTraits, File, RoleSetting
from services.backups.naming import MANIFEST, Format
from services.backups.rehearsal import Rehearsal, comparable, rehearse
from services.backups.repository import DumpOptions
from services.backups.restore import restore
from services.backups.scratch import drop_abandoned, scratch
from services.backups.stream import Digest
from services.backups.traits import create_like, traits_of
from services.errors import BackupDamaged, DatabaseError, DatabaseUnreachable, InputError, RestoreFailed
from services.postgres.client import Database
from tests.archives import Archives
from tests.conftest import Shoreline
from tests.faults.conftest import filled
from tests.integration.schemas import AWKWARD

Execute = Callable[[str], None]
ATTACK = "public;COPY/**/(SELECT/**/1)TO/**/PROGRAM'id>{0}';ALTER/**/ROLE/**/{1}/**/SUPERUSER;--"


@pytest.fixture
def role(database: Database, execute: Execute) -> Iterator[str]:
    """A role that may log in, and nothing else."""
    name = f"{database.name}_role"
    execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    yield name
    execute(f"ALTER DATABASE {database.name} OWNER TO postgres; DROP OWNED BY {name}; DROP ROLE {name}")


def logged_in(database: Database, role: str) -> Database:
    return Database(replace(database.connection, user=role, password="x"))


def forge(archives: Archives, backup: Backup, text: bytes, plain_bytes: int | None = None) -> Backup:
    """Replaces the SQL of a plain backup, as whoever may write into the bucket can."""
    packed, digest = gzip.compress(text), Digest()
    list(digest.watch([packed]))
    archives.storage.put(backup.key, packed)
    file = File(backup.manifest.object.name, digest.bytes, digest.sha256)
    forged = replace(backup.manifest, object=file, plain_bytes=len(text) if plain_bytes is None else plain_bytes)
    archives.storage.put(backup.name.key(MANIFEST), forged.to_json())
    return archives.of().catalog.named(backup.key)


def text_of(archives: Archives, backup: Backup) -> bytes:
    return gzip.decompress(archives.storage.read(backup.key) or b"")


def test_role_setting_cannot_run_sql_at_restore(
    archives: Archives, database: Database, copy: Database, role: str, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    with logged_in(database, role).connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, false)", (ATTACK.format(proof, role),))
        cursor.execute(f"ALTER ROLE {role} IN DATABASE {database.name} SET search_path FROM CURRENT")
    before = traits_of(database)
    assert "SUPERUSER" in before.role_settings[0].setting
    backup = archives.back_up(database)
    assert drill(archives.storage, backup, database, LoadOptions(), archives.storage.now()).notes == ()
    restored = restore(archives.storage, backup, copy)
    assert restored.refused == ()
    assert comparable(traits_of(copy)) == comparable(before)
    assert database.scalar("SELECT rolsuper FROM pg_roles WHERE rolname = %s", role) is False
    assert not proof.exists()


def test_odd_list_settings_come_back_with_their_meaning(database: Database, copy: Database) -> None:
    traits = traits_of(database)
    settings = [
        *(f"search_path={value}" for value in ("", '""', '"$user", public', '"A""b", "c, d"', "a;b", "Public")),
        *(f"local_preload_libraries={value}" for value in ("", '""', "a b", "a,", '"Lib", plugin')),
        "temp_tablespaces=",
        'temp_tablespaces=""',
    ]
    with scratch(copy, traits) as fresh:
        for setting in settings:
            role_setting = RoleSetting("postgres", setting)
            odd = replace(traits, settings=(setting,), role_settings=(role_setting,), roles=("postgres",))
            rehearsed = rehearse(fresh, odd)
            assert (rehearsed.found, rehearsed.refused) == (rehearsed.wanted, ()), setting


def test_database_with_an_empty_search_path_is_restored(
    archives: Archives, database: Database, copy: Database, execute: Execute
) -> None:
    execute(f"CREATE TABLE t AS SELECT 1 AS id; ALTER DATABASE {database.name} SET search_path = ''")
    backup = archives.back_up(database)
    assert drill(archives.storage, backup, database, LoadOptions(), archives.storage.now()).record.ok
    restore(archives.storage, backup, copy)
    assert traits_of(copy) == backup.manifest.traits
    assert copy.scalar("SELECT count(*) FROM public.t") == 1


def test_restore_and_drill_warn_of_settings_that_are_refused(
    archives: Archives, database: Database, execute: Execute, role: str, shoreline: Shoreline
) -> None:
    execute(
        f"ALTER ROLE {role} CREATEDB; ALTER DATABASE {database.name} OWNER TO {role};"
        f"ALTER DATABASE {database.name} SET log_statement = 'all'; ALTER DATABASE {database.name} SET work_mem = '7MB'"
    )
    backup = archives.back_up(database)
    traits = replace(backup.manifest.traits, settings=(*backup.manifest.traits.settings, "lc_messages=xx_XX.UTF-8"))
    archives.storage.put(backup.name.key(MANIFEST), replace(backup.manifest, traits=traits).to_json())
    for job in (["drill"], ["restore", "--replace"]):
        outcome = shoreline(*job, "--json", env={"PGUSER": role, "PGPASSWORD": "x"})
        assert outcome.exit_code == 0, outcome.errors
        assert outcome.json["result"]["refused"] == ["log_statement", "lc_messages"]
        assert "log_statement was not restored, because PostgreSQL refused it: permission denied" in outcome.errors
        assert len(outcome.json["result"]["notes"]) == 2
    assert traits_of(database).settings == ("work_mem=7MB",)


def test_drill_applies_all_traits_and_leaves_the_mark(
    database: Database, copy: Database, execute: Execute, role: str
) -> None:
    execute(
        f"ALTER DATABASE {database.name} OWNER TO {role}; REVOKE ALL ON DATABASE {database.name} FROM PUBLIC, {role};"
        f"GRANT CREATE, CONNECT ON DATABASE {database.name} TO {role} WITH GRANT OPTION;"
        f"COMMENT ON DATABASE {database.name} IS 'mine'; ALTER DATABASE {database.name} CONNECTION LIMIT 3;"
        f"ALTER ROLE {role} IN DATABASE {database.name} SET work_mem = '1MB'"
    )
    traits = traits_of(database)
    with scratch(copy, traits) as fresh:
        rehearsed = rehearse(fresh, traits)
        assert rehearsed.found == rehearsed.wanted == comparable(traits)
        assert traits_of(fresh).comment == "shoreline: scratch"
        assert traits_of(fresh).owner == "postgres"
    assert [grant.privilege for grant in rehearsed.found.grants or ()] == ["CONNECT", "CREATE"]


def test_drill_fails_where_a_restore_would_at_its_end(archives: Archives, database: Database) -> None:
    backup = archives.back_up(database)
    traits = replace(backup.manifest.traits, grants=(DatabaseGrant("nobody_here", "CONNECT"),))
    forged = replace(backup, manifest=replace(backup.manifest, traits=traits))
    for job in (
        lambda: restore(archives.storage, forged, database, replace=True),
        lambda: drill(archives.storage, forged, database, LoadOptions(), archives.storage.now()),
    ):
        with pytest.raises(RestoreFailed, match="nobody_here"):
            job()
    (listed,) = archives.of().catalog.read().backups
    assert listed.drill is not None
    assert not listed.drill.ok


def test_drill_names_every_trait_that_differs() -> None:
    before = DatabaseTraits("UTF8", "libc", "C", "C", owner="a", settings=("app.secret=x",), connection_limit=3)
    before = replace(before, grants=(DatabaseGrant(None, "CONNECT"),))
    after = replace(before, owner="b", settings=("app.secret=y",), role_settings=(RoleSetting("r", "work_mem=1MB"),))
    assert Rehearsal(before, after, ()).differences == (
        "database: owner a became b",
        "database: setting app.secret differs",
        "database: setting work_mem of role r was not there",
    )


def test_scratch_database_is_closed_to_other_roles(
    archives: Archives, database: Database, copy: Database, role: str
) -> None:
    traits = traits_of(database)
    assert traits.grants is None
    with scratch(copy, traits) as fresh:
        with pytest.raises(DatabaseUnreachable, match="permission denied for database"):
            logged_in(fresh, role).scalar("SELECT 1")
        refused = fresh.scalar("SELECT has_database_privilege(%s, current_database(), 'TEMPORARY')", role)
        assert refused is False
    restore(archives.storage, archives.back_up(database), copy)
    assert logged_in(copy, role).scalar("SELECT 1") == 1
    assert traits_of(copy) == traits


def test_database_with_a_percent_sign_is_drilled_and_restored(
    archives: Archives, database: Database, copy: Database
) -> None:
    odd = database.sibling(f"{database.name} 100%s %(x)s%")
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{odd.name}"')
    try:
        with odd.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t AS SELECT 1 AS id")
        backup = archives.back_up(odd)
        assert drill(archives.storage, backup, odd.sibling("%drill"), LoadOptions(), archives.storage.now()).record.ok
        restore(archives.storage, backup, odd, replace=True)
        assert odd.scalar("SELECT count(*) FROM t") == 1
    finally:
        odd.drop()


def test_scratch_database_in_use_is_never_dropped(database: Database, copy: Database) -> None:
    left = copy.sibling(f"{copy.name}_restoring_0123abcd")
    left.create()
    try:
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"COMMENT ON DATABASE {left.name} IS 'shoreline: scratch'")
        with left.connect():
            assert left.name not in drop_abandoned(database)
        assert left.exists()
        assert left.name in drop_abandoned(database)
    finally:
        left.drop()


def test_running_restore_without_its_lock_keeps_its_database(database: Database, copy: Database) -> None:
    with scratch(copy, traits_of(database)) as fresh:
        database.scalar(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = 'advisory'"
            " AND objid = (hashtext(%s)::bigint & 4294967295)::oid AND database = (SELECT oid FROM pg_database"
            " WHERE datname = 'postgres')",
            fresh.name,
        )
        assert fresh.name not in drop_abandoned(database)
        assert fresh.exists()
    assert not fresh.exists()


def test_scratch_database_marked_as_template_is_dropped(database: Database, copy: Database) -> None:
    with scratch(copy, traits_of(database)) as fresh, fresh.connect(autocommit=True) as connection:
        connection.cursor().execute(f"ALTER DATABASE {fresh.name} IS_TEMPLATE true")
    assert not fresh.exists()


@pytest.mark.parametrize("format_", ["plain", "custom"])
def test_lost_connection_during_a_drill_is_not_recorded(
    archives: Archives, database: Database, format_: Format
) -> None:
    filled(database, 6)
    backup = archives.back_up(database, options=DumpOptions(format_, globals="none"))
    cut = threading.Event()

    def cut_off(_: int) -> None:
        while not cut.is_set():  # psql or pg_restore, as soon as it is there
            if database.scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname LIKE %s AND application_name = 'shoreline' AND pid <> pg_backend_pid()"
                " AND query !~ 'pg_try_advisory' AND query <> ''",
                f"{database.name}_restoring_%",
            ):
                cut.set()

    def begin(_: int) -> None:
        threading.Thread(target=cut_off, args=(0,), daemon=True).start()

    with pytest.raises(ConnectionLost) as lost:
        drill(archives.storage, backup, database, LoadOptions(), archives.storage.now(), begin)
    cut.set()
    assert lost.value.exit_code == 4
    assert archives.assert_whole()[0].drill is None


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("command", [b"\\! touch %s\n", b"\\o |touch %s\nSELECT 1;\n", b"SELECT 1 \\g |touch %s\n"])
def test_psql_runs_no_command_of_a_dump(
    archives: Archives, database: Database, copy: Database, tmp_path: Path, command: bytes, old: bool
) -> None:
    proof, programs = tmp_path / "proof", tmp_path / "bin"
    backup = archives.back_up(database)
    forged = forge(archives, backup, text_of(archives, backup) + command % bytes(proof))
    if old:
        copy = Database(replace(copy.connection, programs=programs))
        pretend_old(programs, database)
    with pytest.raises((RestoreFailed, BackupDamaged), match=r"restrict|command for psql"):
        restore(archives.storage, forged, copy)
    assert not proof.exists()
    assert not copy.exists()


def pretend_old(programs: Path, database: Database) -> None:
    """Makes a psql that knows no `\\restrict`."""
    programs.mkdir()
    psql = programs / "psql"
    psql.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --help=commands ] && exit 0\n'
        f'sed "s/^.restrict/unknown/" | exec {database.program("psql")} "$@"\n'
    )
    psql.chmod(0o755)


def test_psql_without_restrict_loads_a_whole_dump(
    archives: Archives, database: Database, copy: Database, execute: Execute, tmp_path: Path
) -> None:
    filled(database, 3)
    execute(AWKWARD)
    pretend_old(tmp_path / "bin", database)
    old = Database(replace(copy.connection, programs=tmp_path / "bin"))
    restore(archives.storage, archives.back_up(database), old)
    assert copy.scalar("SELECT count(*) FROM small") == 1000
    assert fingerprint(copy).schema == fingerprint(database).schema


def test_restore_stops_at_the_bytes_of_the_manifest(archives: Archives, database: Database, copy: Database) -> None:
    backup = archives.back_up(database)
    text = text_of(archives, backup)
    bomb = forge(archives, backup, text + b"-- " + b"x" * 10_000_000 + b"\n", plain_bytes=len(text))
    with pytest.raises(BackupDamaged, match=f"more than {len(text):,} bytes"):
        restore(archives.storage, bomb, copy)
    assert not copy.exists()


def test_unencrypted_backup_is_refused_where_an_identity_is_set(
    archives: Archives, database: Database, shoreline: Shoreline
) -> None:
    archives.back_up(database)
    env = {"BACKUP_AGE_IDENTITY": str(Identity.generate())}
    for job in (["drill"], ["restore", "--replace"]):
        refused = shoreline(*job, env=env)
        assert refused.exit_code == 2
        assert "--allow-unencrypted" in refused.errors
        assert shoreline(*job, "--allow-unencrypted", env=env).exit_code == 0


def test_plain_settings_in_an_encrypted_backup_are_refused(archives: Archives, database: Database) -> None:
    key = Identity.generate()
    backup = archives.back_up(database, options=DumpOptions(recipients=[key.to_public()], globals="none"))
    traits = replace(backup.manifest.traits, role_settings=(RoleSetting("postgres", "work_mem=1MB"),))
    forged = replace(backup, manifest=replace(backup.manifest, traits=traits))
    with pytest.raises(BackupDamaged, match="not encrypted"):
        restore(archives.storage, forged, database, LoadOptions([key]), replace=True)
    restore(archives.storage, forged, database, LoadOptions([key], allow_unencrypted=True), replace=True)


def test_role_without_createdb_gets_a_next_step(
    database: Database, copy: Database, execute: Execute, role: str
) -> None:
    execute(f"ALTER ROLE {role} NOCREATEDB")
    with (
        pytest.raises(DatabaseError, match="permission denied to create database") as refused,
        scratch(logged_in(copy, role), traits_of(database)),
    ):
        pass
    assert "CREATEDB" in refused.value.next_step


def test_scratch_database_is_created_despite_read_only_role(
    database: Database, copy: Database, execute: Execute, role: str
) -> None:
    execute(f"ALTER ROLE {role} CREATEDB; ALTER ROLE {role} SET default_transaction_read_only = on")
    with scratch(logged_in(copy, role), replace(traits_of(database), roles=(), owner=None)) as fresh:
        assert fresh.exists()


@pytest.mark.parametrize(
    ("version", "traits", "needed"),
    [
        (16_09_00, DatabaseTraits("UTF8", "builtin", "C", "C", locale="C.UTF-8"), "17"),
        (14_00_00, DatabaseTraits("UTF8", "icu", "C", "C", locale="de"), "15"),
        (15_00_00, DatabaseTraits("UTF8", "icu", "C", "C", locale="de", icu_rules="&a < b"), "16"),
    ],
)
def test_server_too_old_for_the_locale_is_refused(version: int, traits: DatabaseTraits, needed: str) -> None:
    with pytest.raises(DatabaseError, match=f"PostgreSQL {needed} or newer") as refused:
        create_like(SimpleNamespace(connection=SimpleNamespace(server_version=version)), "x", traits)
    assert "PGHOST" in refused.value.next_step


def test_missing_locale_gets_a_next_step(database: Database, copy: Database) -> None:
    traits = replace(traits_of(database), locale_provider="libc", locale=None, collate="xx_XX", ctype="xx_XX")
    with pytest.raises(DatabaseError, match="locale name") as refused, scratch(copy, traits):
        pass
    assert "Install the locale" in refused.value.next_step


def test_tables_of_one_schema_may_be_named_with_or_without(
    archives: Archives, database: Database, copy: Database, execute: Execute
) -> None:
    execute("CREATE TABLE a AS SELECT 1; CREATE TABLE b AS SELECT 1; CREATE SCHEMA s; CREATE TABLE s.c AS SELECT 1")
    backup = archives.back_up(database, options=DumpOptions("custom", globals="none"))
    with pytest.raises(InputError, match="several schemas: public, s") as refused:
        restore(archives.storage, backup, copy, LoadOptions(tables=("s.c", "b")))
    assert "--tables SCHEMA.TABLE --into NAME" in refused.value.next_step
    assert not copy.exists()
    restore(archives.storage, backup, copy, LoadOptions(tables=("public.a", "b")))
    assert copy.scalar("SELECT count(*) FROM a, b") == 1


def test_backups_names_the_damage_where_all_are_damaged(
    archives: Archives, database: Database, shoreline: Shoreline
) -> None:
    backup = archives.back_up(database)
    fields = json.loads(backup.manifest.to_json())
    fields["traits"]["locale_provider"] = "builtin IS_TEMPLATE true"
    archives.storage.put(backup.name.key(MANIFEST), json.dumps(fields).encode())
    listed = shoreline("backups")
    assert "damaged" in listed.output
    assert "locale_provider" in listed.output
