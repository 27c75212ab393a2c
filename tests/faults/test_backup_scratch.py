"""Scratch databases that killed runs left are dropped by the next run. Tested on a separate server."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger

from services.backups import scratch
from services.backups.drill import drill
from services.backups.load import LoadOptions
from services.backups.restore import restore
from services.backups.traits import traits_of
from services.errors import DatabaseError
from services.local.postgres import Cluster
from services.postgres.client import Connection, Database
from services.s3.objects import Storage
from tests.archives import Archives
from tests.command_line import FORKS
from tests.conftest import Shoreline

_DETACH = "ALTER SUBSCRIPTION here DISABLE", "ALTER SUBSCRIPTION here SET (slot_name = NONE)", "DROP SUBSCRIPTION here"


def run(database: Database, *statements: str) -> None:
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A server on which no other test restores anything."""
    cluster = Cluster(tmp_path_factory.mktemp("postgres"), {"fsync": "off", "autovacuum": "off"})
    yield cluster.start()
    cluster.stop("immediate")


@pytest.fixture
def settings(settings: dict[str, str], server: Connection) -> dict[str, str]:
    """The environment of a job that works on this server."""
    return settings | {"PGPORT": str(server.port), "PGPASSWORD": server.password or ""}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The warnings that are logged."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


def die_before(step: str, database: Database) -> None:
    """Makes a scratch database, and is killed where it would go on with `step`; run in a process of its own."""
    setattr(scratch, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with scratch.scratch(database, traits_of(database)):
        pass


@pytest.mark.parametrize("step", ["_mark", "_open"])
def test_scratch_database_of_killed_creation_is_dropped_by_next_run(
    logged: list[str], database: Database, scratch_names: Callable[[str], list[str]], step: str
) -> None:
    process = FORKS.Process(target=die_before, args=(step, database))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (left,) = scratch_names(database.name)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('shoreline'), hashtext(%s))", (left,))  # its maker is gone
    closed = database.sibling(f"{database.name}_restoring_4567abcd")  # as a person may have named and closed one
    closed.create()
    try:
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {closed.name} ALLOW_CONNECTIONS false")
        assert left not in [each.name for each in database.all_on_server()]
        with scratch.scratch(database, traits_of(database)) as fresh:
            assert sorted(scratch_names(database.name)) == sorted([closed.name, fresh.name])
        assert [left in line for line in logged] == [True]
        assert scratch_names(database.name) == [closed.name]
    finally:
        closed.drop()


def test_cleanup_drops_scratch_databases_of_killed_restores(
    shoreline: Shoreline, storage: Storage, database: Database, execute: Callable[[str], None]
) -> None:
    left = database.sibling(f"{database.name}_restoring_0123abcd")
    left.create()
    execute(f"COMMENT ON DATABASE {left.name} IS 'shoreline: scratch'")
    alike = database.sibling(f"{database.name}_restoring_4567abcd")  # as a person may have named one
    alike.create()
    try:
        outcome = shoreline("cleanup", "--yes", "--json", "--scratch")
        assert outcome.exit_code == 0, outcome.errors
        checks = {check["resource"]: check["verdict"] for check in outcome.json["result"]["checks"]}
        assert checks[f"scratch database {left.name}"] == "gone"
        assert (left.exists(), alike.exists()) == (False, True)
    finally:
        left.drop()
        alike.drop()


def test_cleanup_drops_scratch_databases_on_the_drill_host(
    shoreline: Shoreline, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cluster = Cluster(tmp_path_factory.mktemp("drills"), {"fsync": "off", "autovacuum": "off"})
    server = cluster.start()
    try:
        left = Database(server).sibling("drill_app_restoring_0123abcd")
        left.create()
        run(left, f"COMMENT ON DATABASE {left.name} IS 'shoreline: scratch'")
        env = {"DRILL_HOST": server.host, "DRILL_PORT": str(server.port), "DRILL_PASSWORD": server.password or ""}
        outcome = shoreline("cleanup", "--yes", "--json", "--scratch", env=env)
        assert outcome.exit_code == 0, outcome.errors
        checks = {check["resource"]: check["verdict"] for check in outcome.json["result"]["checks"]}
        assert checks[f"scratch database {left.name}"] == "gone"
        assert not left.exists()
    finally:
        cluster.stop("immediate")


def test_restore_succeeds_when_leftover_scratch_database_stays(
    logged: list[str], database: Database, scratch_names: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = database.sibling(f"{database.name}_restoring_89abcdef")
    stuck.create()
    run(database, f"COMMENT ON DATABASE {stuck.name} IS 'shoreline: scratch'")
    monkeypatch.setattr(scratch, "_UNUSED", f"SELECT '{stuck.name}'")  # a session that came after the look
    try:
        with stuck.connect(), scratch.scratch(database, traits_of(database)) as fresh:
            assert fresh.exists()
        assert scratch_names(database.name) == [stuck.name]
        assert [f"could not drop {stuck.name}" in line for line in logged] == [True]
    finally:
        stuck.drop()


def test_subscribed_database_is_replaced_and_keeps_publisher_slot(
    logged: list[str], archives: Archives, database: Database, scratch_names: Callable[[str], list[str]]
) -> None:
    publisher = "CONNECTION 'host=127.0.0.1 port=1' PUBLICATION there WITH (connect = false, slot_name = theirs)"
    run(database, "CREATE TABLE t AS SELECT 1 AS id", f"CREATE SUBSCRIPTION here {publisher}")
    try:
        backup = archives.back_up(database)
        drilled = drill(archives.storage, backup, database.sibling("drilled"), LoadOptions(), archives.storage.now())
        assert drilled.record.differences == ()
        restored = restore(archives.storage, backup, database, replace=True)
        assert scratch_names("") == []
        assert database.scalar("SELECT subslotname FROM pg_subscription") == "theirs"
        assert "keep WAL for them: theirs of subscription here. Drop each there" in logged[0]
        assert [note in line for note, line in zip(restored.notes, logged, strict=True)] == [True]
    finally:
        run(database, *_DETACH)


def test_restore_warns_of_logical_slots_dropped_with_replaced_database(shoreline: Shoreline, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "autovacuum": "off", "wal_level": "logical"})
    try:
        app = Database(cluster.start()).sibling("app")
        app.create()
        run(app, "CREATE TABLE t AS SELECT 1 AS id", "SELECT pg_create_logical_replication_slot('reader', 'pgoutput')")
        env = {"PGPORT": str(app.connection.port), "PGPASSWORD": app.connection.password or "", "PGDATABASE": "app"}
        assert shoreline("backup", env=env).exit_code == 0
        outcome = shoreline("restore", "--replace", "--yes", "--json", env=env)
        assert outcome.exit_code == 0, outcome.errors
        (note,) = outcome.json["result"]["notes"]
        assert "reader" in note
        assert outcome.errors.index(note) < outcome.errors.index("restore done")
        assert app.scalar("SELECT count(*) FROM pg_replication_slots") == 0
    finally:
        cluster.stop("immediate")


def test_restore_completes_when_its_idle_connection_is_lost(
    archives: Archives, database: Database, scratch_names: Callable[[str], list[str]]
) -> None:
    run(database, "CREATE TABLE t AS SELECT 1 AS id")
    backup = archives.back_up(database)
    cut: list[int] = []

    def cut_off(_: int) -> None:
        if not cut:
            cut.append(
                database.scalar(
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = 'postgres'"
                )
            )

    restore(archives.storage, backup, database, replace=True, advance=cut_off)
    assert cut == [1]
    assert database.scalar("SELECT count(*) FROM t") == 1
    assert scratch_names("") == []


def test_replaced_database_that_cannot_be_dropped_is_named(
    archives: Archives, database: Database, scratch_names: Callable[[str], list[str]]
) -> None:
    run(database, "CREATE TABLE t AS SELECT 1 AS id")
    backup = archives.back_up(database)
    run(database, "DROP TABLE t", f"ALTER DATABASE {database.name} IS_TEMPLATE true")  # PostgreSQL drops no template
    with pytest.raises(DatabaseError, match=f"The backup is restored as {database.name}") as raised:
        restore(archives.storage, backup, database, replace=True)
    (old,) = scratch_names(database.name)
    assert old in (raised.value.next_step or "")
    assert database.scalar("SELECT count(*) FROM t") == 1
    run(database, f"ALTER DATABASE {old} IS_TEMPLATE false")
    assert scratch.drop_abandoned(database) == [old]
