"""A dump holds what the database does, whatever is set for it; what pg_dump leaves out is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from services.backups.drill import drill
from services.backups.load import LoadOptions
from services.backups.naming import Format
from services.backups.repository import DumpOptions
from services.backups.restore import restore
from services.local.stack import PROJECT
from services.postgres.client import Database
from tests.archives import Archives
from tests.conftest import Shoreline

Execute = Callable[[str], None]


@pytest.fixture
def bytes_only(database: Database) -> Iterator[Database]:
    """A database without an encoding, which holds bytes that are no UTF-8, in a name too."""
    made = database.sibling(f"{database.name}_bytes")
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        locale = "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
        cursor.execute(f"CREATE DATABASE {made.name} TEMPLATE template0 ENCODING 'SQL_ASCII' {locale}")
    with made.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE {made.name} IS 'café'")
        cursor.execute(r"DO $$ BEGIN EXECUTE E'CREATE TABLE \"caf\\xe9\" (name text)'; END $$")
        cursor.execute(r"DO $$ BEGIN EXECUTE E'INSERT INTO \"caf\\xe9\" VALUES (''caf\\xe9'')'; END $$")
    yield made
    made.drop()


@pytest.mark.parametrize("format_", ["plain", "custom"])
def test_a_database_of_bytes_that_are_no_utf_8_restores_equal(
    archives: Archives, bytes_only: Database, format_: Format
) -> None:
    backup = archives.back_up(bytes_only, options=DumpOptions(format_, globals="none"))
    assert backup.manifest.fingerprint.tables[r'public."caf\xe9"'].rows == 1
    restore(archives.storage, backup, bytes_only, replace=True)
    assert (
        bytes_only.scalar(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", bytes_only.name
        )
        == "café"
    )
    drilled = drill(archives.storage, backup, bytes_only, LoadOptions(), archives.storage.now())
    assert drilled.record.differences == ()


def test_expressions_of_all_kinds_have_the_hashes_that_they_had_once_they_were_restored(
    archives: Archives, database: Database, execute: Execute
) -> None:
    execute((PROJECT / "tests" / "integration" / "expressions.sql").read_text())
    backup = archives.back_up(database)
    assert len(backup.manifest.fingerprint.schema) > 80
    drilled = drill(archives.storage, backup, database, LoadOptions(), archives.storage.now())
    assert drilled.record.differences == ()


def test_how_the_database_writes_bytes_by_itself_is_no_difference(
    archives: Archives, database: Database, execute: Execute
) -> None:
    execute(
        f"ALTER DATABASE {database.name} SET bytea_output TO 'escape';"
        r"CREATE TABLE t AS SELECT '\x00ff41'::bytea AS bytes"
    )
    drilled = drill(archives.storage, archives.back_up(database), database, LoadOptions(), archives.storage.now())
    assert drilled.record.differences == ()


def test_what_pg_dump_may_not_read_and_leaves_out_is_warned_of(
    shoreline: Shoreline, archives: Archives, database: Database, execute: Execute
) -> None:
    role = f"{database.name}_role"
    execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT pg_read_all_data TO {role};"
        "CREATE SUBSCRIPTION here CONNECTION 'port=1' PUBLICATION there WITH (connect = false, slot_name = NONE)"
    )
    try:
        env = {"PGUSER": role, "PGPASSWORD": "x", "BACKUP_GLOBALS": "none"}
        outcome = shoreline("backup", "--json", env=env)
        assert outcome.exit_code == 0, outcome.errors
        assert "subscriptions not dumped" in outcome.json["result"]["backups"][0]["warning"]
        assert f"{database.name}: pg_dump: warning: subscriptions not dumped" in outcome.errors
        (backup,) = archives.assert_whole()
        assert "subscriptions not dumped" in backup.manifest.warnings[0]
    finally:
        execute(f"DROP SUBSCRIPTION here; DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_trigger_on_login_that_writes_does_so_in_no_copy(
    archives: Archives, database: Database, execute: Execute
) -> None:
    execute(
        "CREATE TABLE logins (at timestamptz DEFAULT now());"
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO public.logins DEFAULT VALUES; END $$;"
        "CREATE EVENT TRIGGER noted ON login EXECUTE FUNCTION note();"
        "ALTER EVENT TRIGGER noted ENABLE ALWAYS"
    )
    backup = archives.back_up(database)
    assert backup.manifest.fingerprint.rows > 0
    drilled = drill(archives.storage, backup, database, LoadOptions(), archives.storage.now())
    assert drilled.record.differences == ()
