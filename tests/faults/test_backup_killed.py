"""Whatever is killed, and whenever: what is listed is whole, what was there stays, and the next run succeeds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.backups.naming import Naming
from services.backups.repository import BackupRepository, DumpOptions
from services.errors import BackupFailed
from services.local.postgres import Cluster
from services.local.stack import PROJECT
from services.postgres.client import Connection, Database
from services.s3.client import Aws, AwsAccess
from services.s3.multipart import SMALLEST, PartPlan
from services.s3.objects import Storage
from tests.archives import LEASE_SECONDS, PREFIX, Archives
from tests.command_line import FORKS
from tests.faults.conftest import filled
from tests.faults.proxy import Asked, FaultProxy

_SECONDS = 60  # until a condition that never comes true fails the test


@pytest.fixture
def gate(proxy: FaultProxy) -> Iterator[Gate]:
    """Parts of uploads wait here, so that a dump is surely in its middle."""
    gate = Gate()
    proxy.decide = gate.decide
    yield gate
    gate.opened.set()


class Gate:
    """Tells when a part has come, and lets parts pass once it is opened."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def decide(self, asked: Asked) -> None:
        """Holds a part."""
        if asked.is_part:
            self.arrived.set()
            self.opened.wait(_SECONDS)


def run_until(gate: Gate, act: Callable[[], None]) -> threading.Thread:
    """Does `act` when the dump is in its middle, then opens the gate."""

    def wait_and_act() -> None:
        assert gate.arrived.wait(_SECONDS)
        act()
        gate.opened.set()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def children(name: str, database: Database) -> list[psutil.Process]:
    """This process's children that run a program on a database."""
    found = [each for each in psutil.Process().children(recursive=True) if each.name() == name]
    return [each for each in found if each.environ().get("PGDATABASE") == database.name]


def test_a_pg_dump_that_is_killed_leaves_no_backup(
    archives: Archives, through_proxy: Storage, gate: Gate, large: Database
) -> None:
    def kill() -> None:
        (dump,) = children("pg_dump", large)
        dump.kill()

    patient = Storage(
        Aws(AwsAccess("us-east-1", endpoint_url=through_proxy.aws.access.endpoint_url)), through_proxy.bucket
    )
    thread = run_until(gate, kill)
    with pytest.raises(BackupFailed, match="pg_dump was killed by signal 9"):
        archives.back_up(large, patient)
    thread.join()
    assert archives.assert_whole() == []
    archives.assert_nothing_left()


def test_a_server_that_stops_in_the_middle_of_a_dump_leaves_no_backup(
    archives: Archives, through_proxy: Storage, gate: Gate, tmp_path: Path
) -> None:
    cluster = Cluster(
        tmp_path / "server", {"fsync": "off", "autovacuum": "off", "wal_level": "minimal", "max_wal_senders": "0"}
    )
    try:
        database = Database(cluster.start())
        filled(database, 90)
        patient = Storage(
            Aws(AwsAccess("us-east-1", endpoint_url=through_proxy.aws.access.endpoint_url)), through_proxy.bucket
        )
        thread = run_until(gate, lambda: cluster.stop("immediate"))
        with pytest.raises(BackupFailed, match="pg_dump failed with status 1"):
            archives.back_up(database, patient)
        thread.join()
        assert archives.assert_whole() == []
        archives.assert_nothing_left()
        archives.back_up(Database(cluster.start()), options=DumpOptions(globals="none"))
        assert len(archives.assert_whole()) == 1
    finally:
        cluster.stop("immediate")


def back_up_in_a_process(connection: Connection, endpoint: str, bucket: str, run_id: str) -> None:
    """What a run of the backup job does; run in a process that may be killed."""
    storage = Storage(Aws(AwsAccess("us-east-1", endpoint_url=endpoint)), bucket)
    archive = BackupRepository(storage, Naming(PREFIX), run_id, LEASE_SECONDS)
    with archive.lease("backup") as lease:
        archive.clear(archive.catalog.read(), lease)
        archive.create(Database(connection), lease, DumpOptions(parts=PartPlan(first=SMALLEST), globals="none"))


@pytest.mark.parametrize("part", range(6))
def test_a_job_that_is_killed_at_thirty_random_moments_loses_nothing(
    archives: Archives, stack: dict[str, str], medium: Database, part: int
) -> None:
    chance = random.Random(os.urandom(8))
    began = time.monotonic()
    kept = archives.back_up(medium)
    usual = time.monotonic() - began
    for _ in range(5):
        process = FORKS.Process(
            target=back_up_in_a_process,
            args=(medium.connection, stack["AWS_ENDPOINT_URL"], archives.storage.bucket, "killed"),
        )
        process.start()
        process.join(chance.uniform(0, usual * 1.5))
        process.kill()
        process.join()
        assert kept.key in {each.key for each in archives.assert_whole()}
    last = archives.back_up(medium)
    whole = {each.key for each in archives.assert_whole()}
    assert {kept.key, last.key} <= whole
    archives.assert_nothing_left()


def test_sigterm_takes_the_upload_back_and_exits_143(
    archives: Archives, proxy: FaultProxy, gate: Gate, large: Database, settings: dict[str, str], tmp_path: Path
) -> None:
    job = subprocess.Popen(
        [sys.executable, "-m", "jobs", "backup", "--json"],
        env={
            **settings,
            "PYTHONPATH": str(PROJECT),
            "PGDATABASE": large.name,
            "AWS_ENDPOINT_URL": proxy.url,
            "BACKUP_PART_SIZE": "5MiB",
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert gate.arrived.wait(_SECONDS)
    job.send_signal(signal.SIGTERM)
    gate.opened.set()
    output, errors = job.communicate(timeout=_SECONDS)
    assert job.returncode == 143, errors
    assert '"stopped by SIGTERM"' in output
    assert "Traceback" not in errors
    assert archives.assert_whole() == []
    archives.assert_nothing_left()
    began = time.monotonic()
    with archives.of(lease_seconds=30).lease("backup"):
        assert time.monotonic() - began < 20  # the lease was given back, not waited for
