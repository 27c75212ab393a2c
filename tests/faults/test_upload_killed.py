"""An upload that is killed in the middle leaves whole files only, and the next one does the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.lake.generate import generate
from services.lake.population import Population
from services.lake.remote import RemoteLake
from services.local.stack import PROJECT
from services.storage import Storage
from tests.conftest import Shoreline

DAYS = [date(2025, 1, 1) + timedelta(number) for number in range(300)]


@pytest.mark.parametrize(("signalled", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_killed_upload_is_finished_by_the_next(
    settings: dict[str, str], storage: Storage, shoreline: Shoreline, tmp_path: Path, signalled: int, code: int
) -> None:
    output = tmp_path / "output"
    generate(output, Population(20, 20, seed=1), ("orders",), DAYS, workers=2)
    lake = RemoteLake(storage, "datalake")
    job = subprocess.Popen(
        [sys.executable, "-m", "jobs", "upload"],
        env={**settings, "PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(lake.listed("orders")) < 20:
        assert job.poll() is None
        time.sleep(0.02)
    job.send_signal(signalled)
    assert job.wait(60) == code

    there = lake.listed("orders")
    assert len(there) < len(DAYS)
    for path in list(there)[:5]:
        assert storage.read(lake.key("orders", path)) == (output / "orders" / path).read_bytes()
    assert lake.recorded("orders").etag is None

    finished = shoreline("upload", "--json").json["result"]
    (plan,) = finished["plans"]
    assert len(plan["keep"]) >= 20
    assert len(plan["keep"]) + len(plan["send"]) == len(DAYS)
    assert len(lake.recorded("orders").manifest.files) == len(DAYS)
    assert "0 sent" in shoreline("upload").output
