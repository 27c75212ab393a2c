"""Where a drill restores, and what its backup's code can do there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.errors import StackError
from services.postgres.client import Database
from tests.conftest import Shoreline


@pytest.fixture
def parent() -> Iterator[Path]:
    """A TMPDIR of the test's own, with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def tenant(database: Database) -> Iterator[str]:
    """A role that can do nothing but log in and own what is in its schema."""
    name = f"{database.name}_tenant"
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN; CREATE SCHEMA AUTHORIZATION {name}")
    yield name
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def attack(tenant: str) -> str:
    """A table whose CHECK makes its owner a superuser wherever a superuser loads it."""
    return f"""
SET ROLE {tenant};
CREATE FUNCTION {tenant}.rise(int) RETURNS bool LANGUAGE plpgsql AS $$BEGIN
  IF current_setting('is_superuser') = 'on' THEN EXECUTE 'ALTER ROLE {tenant} SUPERUSER'; END IF; RETURN true; END$$;
CREATE TABLE {tenant}.t (a int CHECK ({tenant}.rise(a)));
INSERT INTO {tenant}.t VALUES (1);
"""


def test_drill_makes_no_table_owner_superuser(
    shoreline: Shoreline, database: Database, execute: Callable[[str], None], tenant: str, parent: Path
) -> None:
    execute(attack(tenant))
    assert shoreline("backup").exit_code == 0
    elsewhere = {"DRILL_HOST": "", "TMPDIR": str(parent), "PGHOSTADDR": "127.0.0.1"}
    drilled = shoreline("drill", "--json", env=elsewhere, fresh=True)
    assert drilled.exit_code == 0, drilled.errors
    assert drilled.json["result"]["record"]["server_kind"] == "throwaway"
    assert database.scalar("SELECT rolsuper FROM pg_roles WHERE rolname = %s", tenant) is False
    assert list(parent.iterdir()) == []
    (status,) = shoreline("status", "--json").json["result"]["databases"]
    assert status["restore_server_kind"] == "throwaway"


def test_superusers_drill_on_source_says_whom_it_trusts(shoreline: Shoreline, execute: Callable[[str], None]) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS a")
    assert shoreline("backup").exit_code == 0
    drilled = shoreline("drill", "--json", env={"DRILL_HOST": "localhost"})  # another name of the same server
    assert drilled.exit_code == 0, drilled.errors
    assert drilled.json["result"]["record"]["server_kind"] == "source"
    assert "every owner of a table" in drilled.errors


def test_drill_user_without_drill_host_is_refused(shoreline: Shoreline, execute: Callable[[str], None]) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS a")
    assert shoreline("backup").exit_code == 0
    drilled = shoreline("drill", env={"DRILL_HOST": "", "DRILL_USER": "driller"})
    assert drilled.exit_code == 2
    assert "DRILL_HOST is not" in drilled.errors


def test_drill_without_server_programs_says_what_to_do(
    shoreline: Shoreline, execute: Callable[[str], None], storage_manifest: Callable[[str, str], None]
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS a")
    assert shoreline("backup").exit_code == 0
    storage_manifest('"client_version": "18', '"client_version": "99')
    drilled = shoreline("drill", env={"DRILL_HOST": ""})
    assert drilled.exit_code == StackError.exit_code
    assert "DRILL_HOST" in drilled.errors
    assert "never" in shoreline("backups").output


@pytest.mark.skipif(not Path("/usr/lib/postgresql/15/bin/postgres").is_file(), reason="needs PostgreSQL 15")
def test_throwaway_server_has_roles_tablespaces_and_extensions(
    shoreline: Shoreline, database: Database, parent: Path
) -> None:
    """Of another server than the embedded one, whose wheel has no extensions."""
    from services.local.installed import installed_servers
    from services.local.throwaway import throwaway_server

    (programs,) = (each for each in installed_servers() if each.version.major == 15)
    statements = (
        "CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'x'; CREATE ROLE readers; CREATE ROLE app IN ROLE readers",
        "SET allow_in_place_tablespaces = on",
        "CREATE TABLESPACE fast LOCATION ''",
        "CREATE DATABASE app OWNER app",
    )
    inside = (
        "SET search_path = public; CREATE EXTENSION hstore;"
        " CREATE TABLE public.t (h hstore) TABLESPACE fast; INSERT INTO public.t VALUES ('a=>1');"
        "CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO readers; ALTER TABLE t OWNER TO app;"
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e(); ALTER EVENT TRIGGER e OWNER TO boss"
    )
    with throwaway_server(programs, parent, database_bytes=1 << 20, objects=10) as source:
        server = Database(source.connection)
        with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        with server.sibling("app").connect() as connection, connection.cursor() as cursor:
            cursor.execute(inside)
        env = {"PGHOST": str(source.folder), "PGPORT": "5432", "PGDATABASE": "app", "PG_BIN": str(programs.folder)}
        made = shoreline("backup", env=env)
        assert made.exit_code == 0, made.errors
    drilled = shoreline("drill", "--database=app", "--json", env={"DRILL_HOST": "", "TMPDIR": str(parent)}, fresh=True)
    assert drilled.exit_code == 0, drilled.errors
    assert drilled.json["result"]["record"]["server_version"].startswith("15.")
    assert drilled.json["result"]["record"]["differences"] == []


def test_missing_extension_fails_the_drill_and_records_nothing(
    shoreline: Shoreline,
    execute: Callable[[str], None],
    storage_manifest: Callable[[str, str], None],
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS a")
    assert shoreline("backup").exit_code == 0
    storage_manifest('"schema": {', '"schema": {"EXTENSION not_there": "00",')
    drilled = shoreline("drill", env={"DRILL_HOST": ""})
    assert drilled.exit_code == StackError.exit_code
    assert "not_there" in drilled.errors
    assert "DRILL_HOST" in drilled.errors
    assert "never" in shoreline("backups").output


@pytest.fixture
def storage_manifest(storage: object) -> Callable[[str, str], None]:
    """Change the text of the newest backup's manifest."""
    from services.s3.objects import Storage

    assert isinstance(storage, Storage)
    bucket = storage

    def change(old: str, new: str) -> None:
        (key,) = (each.key for each in bucket.objects("") if each.key.endswith(".manifest.json"))
        text = (bucket.read(key) or b"").decode()
        assert old in text
        bucket.put(key, text.replace(old, new).encode(), content_type="application/json")

    return change
