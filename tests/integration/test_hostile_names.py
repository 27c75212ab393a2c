"""Names in brackets, with escape sequences and line breaks go through jobs as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.backups.naming import MANIFEST
from services.postgres.client import Database
from tests.archives import Archives
from tests.conftest import Shoreline

NAME = "[/y]\x1b[2K\n15:00:00 INFO    drill done"
SHOWN = "[/y]\\x1b[2K\\n15:00:00 INFO    drill done"


def test_drill_names_a_different_table_with_a_hostile_name(
    archives: Archives, database: Database, execute: Callable[[str], None], shoreline: Shoreline
) -> None:
    execute(f'CREATE TABLE "{NAME}" AS SELECT 1 AS id')
    assert shoreline("backup").exit_code == 0
    (listed,) = archives.of().catalog.read().backups
    manifest = archives.of().catalog.named(listed.key).manifest
    tables = {name: replace(content, rows=7) for name, content in manifest.fingerprint.tables.items()}
    forged = replace(manifest, fingerprint=replace(manifest.fingerprint, tables=tables))
    archives.storage.put(listed.name.key(MANIFEST), forged.to_json())
    drilled = shoreline("drill")
    assert drilled.exit_code == 15, drilled.errors
    assert "[/y]" in drilled.output
    told = drilled.output + drilled.errors
    assert "\x1b" not in told
    assert not any(line.startswith("15:00:00") for line in told.splitlines())


def test_backup_of_a_hostile_database_succeeds(database: Database, shoreline: Shoreline) -> None:
    hostile = database.sibling(f"{NAME} {database.name}")
    hostile.create()
    try:
        env = {"PGDATABASE": f'"{hostile.name}"'}
        made = shoreline("backup", env=env)
        assert made.exit_code == 0, made.errors
        assert SHOWN in made.output
        for job in ("backups", "status", "prune"):
            shown = shoreline(job, env=env)
            assert shown.exit_code == 0, shown.errors
            assert "\x1b" not in shown.output + shown.errors
            assert not any(line.startswith("15:00:00") for line in (shown.output + shown.errors).splitlines())
    finally:
        hostile.drop()
