"""The embedded servers: private, reused, wherever the project lies."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from loguru import logger

from jobs.cli import embedded
from services.local.localstack import LocalStack
from services.local.postgres import Cluster
from services.local.stack import PROJECT, Stack, Started
from services.postgres.client import Database


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of the test's own, in a folder whose name has a space and a quote in it."""
    folder = Stack().folder / "tests" / f"own server's {os.getpid()}"
    made = Cluster(folder, {"fsync": "off"})
    yield made
    made.stop("immediate")
    shutil.rmtree(folder)


def test_a_server_in_a_folder_with_spaces_starts_stops_and_keeps_its_data(cluster: Cluster) -> None:
    first = Database(cluster.start())
    with first.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    cluster.stop()
    assert not cluster.running()
    assert Database(cluster.start()).scalar("SELECT answer FROM kept") == 42


def test_a_server_needs_no_locale_of_the_operating_system(cluster: Cluster) -> None:
    database = Database(cluster.start())
    found = "SELECT concat_ws(' ', datlocprovider, datlocale, datcollate, datctype) FROM pg_database WHERE datname = %s"
    assert database.scalar(found, "template0") == "b C.UTF-8 C C"
    assert database.scalar("SELECT upper('straße çé')") == "STRAßE ÇÉ"  # letters beyond ASCII have cases all the same


def test_a_server_that_runs_is_reused(cluster: Cluster) -> None:
    assert cluster.start() == cluster.start()


def test_a_port_that_is_taken_is_avoided(cluster: Cluster) -> None:
    port = cluster.start().port
    cluster.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert cluster.start().port != port


def test_the_server_never_runs_as_root_and_its_password_is_private(cluster: Cluster) -> None:
    cluster.start()
    pid = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
    if os.geteuid() == 0:
        uids = psutil.Process(pid).uids()
        namespace = Path(f"/proc/{pid}/ns/user")
        assert uids.effective != 0 or namespace.readlink() != Path("/proc/self/ns/user").readlink()
    assert (cluster.folder / "password").stat().st_mode & 0o077 == 0


def test_both_servers_listen_on_the_loopback_interface_only(stack: dict[str, str]) -> None:
    ports = {int(stack["PGPORT"]), int(stack["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])}
    found = {
        each.laddr.port: each.laddr.ip
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port in ports
    }
    assert found == dict.fromkeys(ports, "127.0.0.1")


def test_a_pid_that_belongs_to_another_program_by_now_is_not_killed(tmp_path: Path) -> None:
    localstack = LocalStack(tmp_path, tmp_path / "environment", PROJECT / "localstack")
    (tmp_path / "pid").write_text(f"{os.getpid()} 4566")
    assert localstack.endpoint() is None
    localstack.stop()
    assert psutil.pid_exists(os.getpid())


@pytest.mark.parametrize(
    ("job", "engine", "told"), [("athena", "athena", True), ("athena", "duckdb", False), ("backup", "athena", False)]
)
def test_a_query_of_the_embedded_stack_says_that_athena_does_not_answer_it(
    job: str, engine: str, told: bool, stack: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Running:
        def up(self) -> Started:
            return Started(stack, empty=False)

    monkeypatch.setattr(embedded, "embedded_stack", Running)
    monkeypatch.setenv("QUERY_ENGINE", engine)
    heard: list[str] = []
    listener = logger.add(heard.append, level="WARNING")
    try:
        assert embedded.embedded_settings(job).query_engine == "duckdb"
    finally:
        logger.remove(listener)
    assert any("ignoring QUERY_ENGINE=athena" in line for line in heard) == told
