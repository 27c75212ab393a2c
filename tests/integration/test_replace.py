"""A restore that replaces a database shows both sides, and asks."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.postgres.client import MAINTENANCE, Database
from tests.command_line import environment
from tests.conftest import Shoreline

ROWS = "SELECT count(*) FROM t"


class Terminal:
    """A job on a terminal, where somebody types an answer when a question ends in `: `."""

    def __init__(self, arguments: list[str], settings: dict[str, str], folder: Path) -> None:
        master, slave = pty.openpty()
        self._master, self.shown = master, ""
        env = environment({**settings, "TERM": "xterm", "COLUMNS": "200"}, None)
        command = [sys.executable, "-m", "jobs", *arguments]
        self.process = subprocess.Popen(
            command, env=env, cwd=folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self._read()

    def answer(self, text: str) -> int:
        """Type a line, and give the exit code."""
        os.write(self._master, f"{text}\n".encode())
        while self._read():
            pass
        return self.process.wait(60)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 60)[0]:
            return False
        try:
            read = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += read.decode()
        return bool(read)


@pytest.fixture
def changed(shoreline: Shoreline, execute: Callable[[str], None], database: Database) -> Database:
    """A database that was backed up with five rows and has seven."""
    execute("CREATE TABLE t AS SELECT generate_series(1, 5) AS n")
    assert shoreline("backup").exit_code == 0
    execute("INSERT INTO t VALUES (6), (7)")
    return database


def test_without_a_terminal_replacing_takes_yes(shoreline: Shoreline, changed: Database) -> None:
    refused = shoreline("restore", "--replace", "--json")
    assert refused.exit_code == 25
    assert "--yes" in refused.json["error"]
    assert "5 rows" in refused.json["error"]
    assert "--yes" not in refused.json["next_step"]
    assert changed.scalar(ROWS) == 7
    assert shoreline("restore", "--replace", "--yes").exit_code == 0
    assert changed.scalar(ROWS) == 5


@pytest.mark.parametrize(("typed", "exit_code", "rows"), [("yes", 25, 7), (None, 0, 5)])
def test_on_a_terminal_the_databases_name_is_asked_for(
    changed: Database, settings: dict[str, str], tmp_path: Path, typed: str | None, exit_code: int, rows: int
) -> None:
    terminal = Terminal(["restore", "--replace"], settings, tmp_path)
    terminal.read_until("to replace it")
    assert f"{changed.name} now: " in terminal.shown
    assert "the backup: " in terminal.shown
    assert terminal.answer(typed or changed.name) == exit_code, terminal.shown
    assert changed.scalar(ROWS) == rows


def test_a_kept_database_is_there_under_another_name(shoreline: Shoreline, changed: Database) -> None:
    outcome = shoreline("restore", "--replace", "--keep-old", "--yes", "--json")
    assert outcome.exit_code == 0, outcome.errors
    kept = changed.sibling(outcome.json["result"]["kept_as"])
    try:
        assert re.fullmatch(rf"{changed.name}_before_\d{{8}}_\d{{4}}", kept.name)
        assert kept.scalar(ROWS) == 7
        assert changed.scalar(ROWS) == 5
        comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        assert changed.sibling(MAINTENANCE).scalar(comment, kept.name) is None  # not a scratch database
    finally:
        kept.drop()


def test_an_empty_database_is_replaced_without_a_question(
    shoreline: Shoreline, changed: Database, copy: Database
) -> None:
    copy.create()
    assert shoreline("restore", "--replace", "--into", copy.name).exit_code == 0
    assert copy.scalar(ROWS) == 5
    refused = shoreline("restore", "--into", copy.name, "--json")
    assert refused.exit_code == 14
    assert f"--into={copy.name} --replace`" in refused.json["next_step"]
    assert changed.scalar(ROWS) == 7
