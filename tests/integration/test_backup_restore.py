"""A backup goes out, comes back, and is proved to be the same."""

from __future__ import annotations

from collections.abc import Callable

from services.database import Database
from tests.conftest import Shoreline
from tests.integration.schemas import AWKWARD

Execute = Callable[[str], None]


def test_a_backup_restores_into_a_new_database_and_a_drill_finds_it_equal(
    shoreline: Shoreline, execute: Execute, database: Database
) -> None:
    execute(AWKWARD)
    made = shoreline("backup", "--json")
    assert made.exit_code == 0, made.errors
    restored = shoreline("restore", "--latest", "--into", f"{database.name}_copy", "--json")
    assert restored.exit_code == 0, restored.errors
    copy = database.sibling(f"{database.name}_copy")
    assert copy.scalar("SELECT count(*) FROM users") == 500
    copy.drop()
    drilled = shoreline("drill", "--json")
    assert drilled.exit_code == 0, drilled.errors + drilled.output
    assert drilled.json["result"]["record"]["ok"] is True
    listed = shoreline("backups", "--json").json["result"]["backups"]
    assert [each["drill_ok"] for each in listed] == [True]
