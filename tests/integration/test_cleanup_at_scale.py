"""A full bucket goes whole, its neighbour stays, and a killed cleanup is finished by the next."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from services.s3.objects import Storage
from tests import command_line
from tests.conftest import Shoreline
from tests.integration.filled import fill, neighbour_of

_KILLS = 10
_QUICK = {"BACKUP_LEASE_SECONDS": "2"}  # how long a killed run keeps the next one waiting


def test_cleanup_removes_thousands_and_keeps_the_neighbour(shoreline: Shoreline, storage: Storage) -> None:
    fill(storage, objects=1500, versions=3, uploads=20)  # each of three folders is more than a page of a listing
    neighbour = neighbour_of(storage)
    outcome = shoreline("cleanup", "--yes", "--json", timeout=240)
    assert outcome.exit_code == 0, outcome.errors
    result = outcome.json["result"]
    assert (result["removed"]["versions"], result["removed"]["uploads"]) == (6_000, 20)
    assert {check["verdict"] for check in result["checks"]} == {"gone"}
    assert not storage.exists()
    assert [each.key for each in neighbour.objects("")] == ["datalake/orders/year=2025/month=01/day=10/data.parquet"]


def test_killed_cleanup_is_finished_by_the_next(
    settings: Mapping[str, str], shoreline: Shoreline, storage: Storage, tmp_path: Path
) -> None:
    fill(storage, objects=1500, versions=2, uploads=10)
    neighbour = neighbour_of(storage)
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    left = []
    for _ in range(_KILLS):
        running = command_line.begun(["cleanup", "--yes"], command_line.environment(settings, _QUICK), tmp_path)
        running.join(moments.uniform(0.1, 1.1))
        running.kill()
        running.join()
        left.append(storage.exists())
    outcome = shoreline("cleanup", "--yes", "--json", env=_QUICK)
    assert outcome.exit_code == 0, f"seed {seed}: {outcome.errors}"
    assert not storage.exists(), f"seed {seed}"
    assert len(list(neighbour.objects(""))) == 1
    assert any(left), "every kill came after the end: the bucket is too small for this machine"
