"""A real PgBouncer between the jobs and PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.local.processes import free_port
from services.postgres.client import Connection, Database
from tests.command_line import Shoreline

pytestmark = pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="PgBouncer is not installed")
_NOBODY = 65534
_CONFIG = """
[databases]
* = host={server.host} port={server.port} user={server.user} password={server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users
pool_mode = {mode}
{more}
"""


class Pooler:
    """Starts PgBouncers in front of a server, and ends them."""

    def __init__(self, server: Connection) -> None:
        self._server = server
        self._running: list[subprocess.Popen[bytes]] = []
        self._folder = Path(tempfile.mkdtemp())

    def start(self, mode: str, more: str = "ignore_startup_parameters = options") -> int:
        """The port of a new one, which answers."""
        port = free_port()
        config = self._folder / f"{port}.ini"
        config.write_text(_CONFIG.format(server=self._server, port=port, mode=mode, more=more, folder=self._folder))
        (self._folder / "users").write_text(f'"{self._server.user}" ""\n')
        if os.getuid() == 0:  # PgBouncer refuses to run as root
            for path in (self._folder, config, self._folder / "users"):
                os.chown(path, _NOBODY, _NOBODY)
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        self._running.append(subprocess.Popen(["pgbouncer", "-q", *user, str(config)], stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return port
        raise AssertionError("PgBouncer does not answer")

    def stop(self) -> None:
        """Ends all of them."""
        for process in self._running:
            process.kill()
            process.wait()
        shutil.rmtree(self._folder)


@pytest.fixture
def pooler(server: Connection) -> Iterator[Pooler]:
    made = Pooler(server)
    yield made
    made.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_pooler_that_refuses_options_names_the_setting_that_helps(
    shoreline: Shoreline, database: Database, pooler: Pooler, mode: str
) -> None:
    done = shoreline("backup", env={"PGPORT": str(pooler.start(mode, ""))})
    assert (done.exit_code, database.exists()) == (4, True)
    assert "ignore_startup_parameters" in done.errors


def test_pooler_that_mixes_sessions_is_refused(shoreline: Shoreline, database: Database, pooler: Pooler) -> None:
    done = shoreline("backup", env={"PGPORT": str(pooler.start("transaction"))})
    assert (done.exit_code, database.exists()) == (4, True)
    assert "pool_mode" in done.errors


def test_backup_through_session_pooler_equals_backup_of_server(
    shoreline: Shoreline, execute: Callable[[str], None], pooler: Pooler
) -> None:
    execute("CREATE TABLE public.t AS SELECT n, '\\x00ff'::bytea AS b FROM generate_series(1, 10) n")
    env = {"BACKUP_GLOBALS": "none"}
    through = shoreline("backup", "--json", env={**env, "PGPORT": str(pooler.start("session"))})
    assert through.exit_code == 0, through.errors
    drilled = shoreline("drill", env=env)
    assert drilled.exit_code == 0, drilled.errors


def test_pooler_that_loses_needed_settings_is_refused(
    shoreline: Shoreline, database: Database, execute: Callable[[str], None], pooler: Pooler
) -> None:
    execute(f"ALTER DATABASE {database.name} SET bytea_output = escape")
    done = shoreline("backup", env={"PGPORT": str(pooler.start("session"))})
    assert done.exit_code == 4
    assert "bytea_output" in done.errors
