"""An upload that is killed in the middle leaves whole files only, and the next one does the rest."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.lake.generate import generate
from services.lake.population import Population
from services.lake.remote import RemoteLake
from services.s3.objects import Storage
from tests import command_line
from tests.conftest import Shoreline
from tests.faults.proxy import Asked, FaultProxy

DAYS = [date(2025, 1, 1) + timedelta(number) for number in range(100)]
FIRST = 40  # more than are under way at once, so that some are there


@pytest.mark.parametrize(("signalled", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_killed_upload_is_finished_by_the_next(
    settings: dict[str, str],
    storage: Storage,
    proxy: FaultProxy,
    shoreline: Shoreline,
    tmp_path: Path,
    signalled: int,
    code: int,
) -> None:
    output = tmp_path / "output"
    generate(output, Population(20, 20, seed=1), ("orders",), DAYS, workers=2)
    lake = RemoteLake(storage, "datalake")
    numbers, held, released = itertools.count(), threading.Event(), threading.Event()

    def decide(asked: Asked) -> None:
        """Holds every file but the first ones, until the job was signalled."""
        if asked.method == "PUT" and asked.path.endswith(".parquet") and next(numbers) >= FIRST:
            held.set()
            released.wait(60)

    proxy.decide = decide
    env = command_line.environment(settings, {"AWS_ENDPOINT_URL": proxy.url})
    job = command_line.begun(["upload"], env, tmp_path)
    assert held.wait(60)
    assert job.pid is not None
    os.kill(job.pid, signalled)
    released.set()
    job.join(60)
    assert job.exitcode == code

    there = lake.listed("orders")
    assert 0 < len(there) < len(DAYS)
    for path in list(there)[:5]:
        assert storage.read(lake.key("orders", path)) == (output / "orders" / path).read_bytes()
    assert lake.recorded("orders").etag is None

    finished = shoreline("upload", "--json").json["result"]
    (plan,) = finished["plans"]
    assert len(plan["keep"]) >= len(there)
    assert len(plan["keep"]) + len(plan["send"]) == len(DAYS)
    assert len(lake.recorded("orders").manifest.files) == len(DAYS)
    assert "0 sent" in shoreline("upload").output
