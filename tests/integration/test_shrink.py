"""An emptied database reaches people, fails the status and keeps its last good backup, until somebody accepts it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable

import pytest

from services.postgres.client import Database
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.integration.test_backup_jobs import later as later  # a fixture
from tests.integration.test_operations import Listener
from tests.integration.test_operations import listener as listener


def command_in(text: str, job: str) -> list[str]:
    """The arguments of a command that a message prints."""
    found = re.search(rf"`shoreline ({job} [^`]+)`", text)
    assert found is not None, text
    return shlex.split(found[1])


def test_a_truncated_database_is_an_alarm_until_accepted(
    shoreline: Shoreline,
    execute: Callable[[str], None],
    database: Database,
    storage: Storage,
    listener: Listener,
    later: Callable[[float], dict[str, str]],
) -> None:
    execute("CREATE TABLE settings AS SELECT 'theme' AS name; CREATE TABLE t AS SELECT generate_series(1, 5000) AS n")
    full = shoreline("backup", "--json").json["result"]["backups"][0]
    execute("TRUNCATE t")
    told = {"NOTIFY_URLS": f"json://{listener.url}/hook"}
    for _ in range(2):  # the second small backup must not hide the first
        assert shoreline("backup", env=told).exit_code == 0
    titles = [json.loads(body)["title"] for body in listener.bodies("/hook")]
    assert [title.endswith("SHRANK") for title in titles] == [True, True]

    status = shoreline("status", "--json")
    assert status.exit_code == 23
    assert "5,001 rows" in status.json["error"]
    restored = database.sibling(f"{database.name}_restored")
    try:
        assert "shrank" in shoreline("restore", "--into", restored.name).errors
        assert "shrank" in shoreline("drill").errors
        assert restored.scalar("SELECT count(*) FROM t") == 0
        restored.drop()
        assert shoreline(*command_in(status.json["next_step"], "restore")).exit_code == 0
        assert restored.scalar("SELECT count(*) FROM t") == 5000
    finally:
        restored.drop()

    shoreline("backup", env=later(100))
    assert storage.head(full["key"]) is not None  # long past its time, and the last with rows
    accepted = shoreline(*command_in(shoreline("status", "--json").json["next_step"], "status"), env=later(100))
    assert accepted.exit_code == 0, accepted.errors
    shoreline("backup", env=later(101))
    assert storage.head(full["key"]) is None


@pytest.mark.usefixtures("database")
def test_accepting_what_did_not_shrink_is_refused(shoreline: Shoreline) -> None:
    key = shoreline("backup", "--json").json["result"]["backups"][0]["key"]
    outcome = shoreline("status", "--accept-shrink", key)
    assert outcome.exit_code == 2
    assert "nothing to accept" in outcome.errors
