"""A drill finds a good backup equal, every difference that counts, and says what it does not compare."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyrage
import pytest

from services.backups import load
from services.backups.catalog import Backup
from services.backups.drill import drill
from services.backups.dump import fingerprint
from services.backups.facts import compare_facts, facts_of
from services.backups.fingerprint import differences
from services.backups.load import LoadOptions
from services.backups.manifest import DrillRecord
from services.backups.naming import Format
from services.backups.repository import DumpOptions
from services.backups.restore import restore
from services.backups.stream import Blocks
from services.errors import BackupFailed, ShorelineError
from services.postgres.client import Database
from tests.archives import Archives
from tests.conftest import Shoreline

Execute = Callable[[str], None]
Drilled = Callable[..., DrillRecord]
FORMATS = pytest.mark.parametrize("format_", ["plain", "custom"])
# COPY into a table that an earlier transaction created puts short rows into the gaps that longer ones left.
UNEVEN = "CREATE TABLE uneven AS SELECT i, repeat('x', (i * 37) % 300) AS x FROM generate_series(1, 1600) i;"


@pytest.fixture
def drilled(archives: Archives, database: Database) -> Drilled:
    """Drills a backup, or first makes one in the given format, and returns the record."""

    def run(backup: Backup | Format, identities: tuple[Any, ...] = ()) -> DrillRecord:
        if isinstance(backup, str):
            backup = archives.back_up(database, options=DumpOptions(backup, globals="none"))
        return drill(archives.storage, backup, database, LoadOptions(identities), archives.storage.now()).record

    return run


@FORMATS
def test_drill_keeps_the_order_of_uneven_rows(drilled: Drilled, execute: Execute, format_: Format) -> None:
    execute(UNEVEN)
    record = drilled(format_)
    assert (record.differences, record.notes) == ((), ())


def out_of_order(monkeypatch: pytest.MonkeyPatch, rewrite: Callable[[bytes], bytes] = bytes) -> None:
    """Loads tables as their rows come, after `rewrite` changed the dump."""

    def without(blocks: Blocks) -> Iterator[bytes]:
        return (rewrite(block) for block in blocks)

    monkeypatch.setattr(load, "truncate_before_copy", without)


@FORMATS
def test_drill_ignores_order_when_only_order_differs(
    archives: Archives,
    database: Database,
    drilled: Drilled,
    execute: Execute,
    monkeypatch: pytest.MonkeyPatch,
    format_: Format,
) -> None:
    execute(f"{UNEVEN} CREATE TABLE child AS SELECT x, i FROM uneven; ALTER TABLE child INHERIT uneven")
    identity = pyrage.x25519.Identity.generate()
    options = DumpOptions(format_, recipients=(identity.to_public(),), globals="none")
    backup = archives.back_up(database, options=options)
    out_of_order(monkeypatch)
    record = drilled(backup, (identity,))
    assert record.ok
    (note,) = record.notes
    assert "public.child, public.uneven" in note


def test_drill_finds_another_row_of_equal_width(
    drilled: Drilled, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(UNEVEN)
    out_of_order(monkeypatch, lambda block: block.replace(b"\n7\txx", b"\n7\txX"))
    (difference,) = drilled("plain").differences
    assert "public.uneven" in difference


def test_column_order_of_late_inheritance_is_no_difference(drilled: Drilled, execute: Execute) -> None:
    execute(
        "CREATE TABLE parent (a int, b numeric(5, 2) DEFAULT 1.5);"
        "CREATE TABLE child (c text DEFAULT 'a, b', b numeric(5, 2), a int CHECK (a > 0 AND a < 9), d bytea);"
        "ALTER TABLE child ALTER d SET STORAGE external, ALTER c SET STATISTICS 7, ALTER a SET STATISTICS 9;"
        "ALTER TABLE child INHERIT parent; INSERT INTO child VALUES ('x', 1, 2, 'y')"
    )
    assert drilled("plain").differences == ()


def test_changed_column_of_late_inheritance_is_a_difference(database: Database, execute: Execute) -> None:
    execute("CREATE TABLE parent (a int); CREATE TABLE child (b int, a int); ALTER TABLE child INHERIT parent")
    before = fingerprint(database)
    execute("ALTER TABLE child ALTER b SET DEFAULT 7")
    assert differences(before, fingerprint(database, like=before)) == ["schema TABLE public.child: differs"]


@pytest.mark.parametrize(
    ("create", "change", "token"),
    [
        ("CREATE EXTENSION vector", "UPDATE pg_extension SET extversion = '0.0' WHERE extname = 'vector'", "version"),
        ("CREATE EXTENSION vector", "UPDATE pg_extension SET extowner = 9999 WHERE extname = 'vector'", "owner"),
        (
            "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE t ()",
            "ALTER TABLE t SET ACCESS METHOD heap2",
            "heap2",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, parent int CONSTRAINT own REFERENCES t)",
            "ALTER TABLE t DISABLE TRIGGER ALL",
            "own of public.t",
        ),
    ],
    ids=["extension version", "extension owner", "access method", "foreign key"],
)
def test_fact_that_pg_dump_omits_is_a_difference(
    database: Database, execute: Execute, create: str, change: str, token: str
) -> None:
    execute(create)
    before = facts_of(database)
    assert compare_facts(before, database).differences == ()
    execute(change)
    found = compare_facts(before, database)
    assert found.differences
    assert all(token in each for each in found.differences)
    execute("DROP EXTENSION IF EXISTS vector; DROP TABLE IF EXISTS t")


def test_fact_that_every_restore_changes_is_a_note(drilled: Drilled, execute: Execute) -> None:
    execute(
        "CREATE EXTENSION vector; UPDATE pg_extension SET extversion = '0.1' WHERE extname = 'vector';"
        "CREATE TABLE t (id int PRIMARY KEY, parent int CONSTRAINT own REFERENCES t);"
        "ALTER TABLE t DISABLE TRIGGER ALL"
    )
    record = drilled("plain")
    assert record.ok
    assert {"version 0.1" in note or "own of public.t" in note for note in record.notes} == {True}
    assert len(record.notes) == 5  # a foreign key has four triggers


def test_manifest_without_facts_is_reported_as_not_compared(
    archives: Archives, database: Database, drilled: Drilled, execute: Execute
) -> None:
    execute(UNEVEN)
    backup = archives.back_up(database)
    old = replace(backup.manifest.fingerprint, encoding=None)
    manifest = replace(backup.manifest, facts=None, fingerprint=old)
    record = drilled(replace(backup, manifest=manifest))
    assert record.ok
    assert any("older version" in each for each in record.not_compared)


def test_drill_prints_what_it_does_not_compare(shoreline: Shoreline, execute: Execute) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS id")
    assert shoreline("backup").exit_code == 0
    assert "planner statistics" in shoreline("drill").output
    record = shoreline("drill", "--json").json["result"]["record"]
    assert {"planner statistics", "contents of materialized views"} <= {*record["not_compared"]}


@pytest.fixture
def western(database: Database) -> Iterator[Database]:
    """A database in WIN1252 with a byte that has no equivalent in UTF-8, and a name that is not ASCII."""
    made = database.sibling(f"{database.name}_western")
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        locale = "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
        cursor.execute(f"CREATE DATABASE {made.name} TEMPLATE template0 ENCODING 'WIN1252' {locale}")
    with made.connect() as connection, connection.cursor() as cursor:
        cursor.execute(r"""CREATE TABLE "café" AS SELECT convert_from('\x81', 'WIN1252') AS odd, 'é'::text AS even""")
    yield made
    made.drop()


@FORMATS
def test_database_that_is_not_unicode_restores_equal(
    archives: Archives, western: Database, copy: Database, format_: Format
) -> None:
    backup = archives.back_up(western, options=DumpOptions(format_, globals="none"))
    assert backup.manifest.fingerprint.tables['public."café"'].rows == 1
    assert drill(archives.storage, backup, western, LoadOptions(), archives.storage.now()).record.differences == ()
    if format_ == "custom":
        restore(archives.storage, backup, copy, LoadOptions(tables=("café",)))
        assert copy.scalar('SELECT count(*) FROM "café"') == 1


def test_backup_made_as_unicode_still_drills_equal(
    archives: Archives, western: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with western.connect() as connection, connection.cursor() as cursor:
        cursor.execute("""UPDATE "café" SET odd = 'ü'""")
    with monkeypatch.context() as patched:
        patched.setattr(Database, "encoding", lambda _: "UTF8")
        backup = archives.back_up(western)
    old = replace(backup.manifest, fingerprint=replace(backup.manifest.fingerprint, encoding=None))
    record = drill(
        archives.storage, replace(backup, manifest=old), western, LoadOptions(), archives.storage.now()
    ).record
    assert record.differences == ()


def test_backup_refuses_objects_dropped_while_pg_dump_waits(
    archives: Archives, database: Database, execute: Execute
) -> None:
    execute(
        "CREATE TABLE t (a int); CREATE TABLE indexed (a int); CREATE INDEX soon_gone ON indexed (a);"
        "CREATE FUNCTION gone() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    raised: list[ShorelineError] = []

    def back_up() -> None:
        try:
            archives.back_up(database)
        except ShorelineError as error:
            raised.append(error)

    run = threading.Thread(target=back_up)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE t; LOCK TABLE indexed")
        run.start()
        while run.is_alive() and not database.scalar("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            pass
        cursor.execute("DROP FUNCTION gone(); DROP INDEX soon_gone")
    run.join()
    assert isinstance(raised[0], BackupFailed)
    assert "FUNCTION public.gone()" in str(raised[0])
    assert "soon_gone" in str(raised[0])
    archives.assert_nothing_left()
