"""A query ends when it is told to: by a signal, and by its limit of time."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import QueryFailed
from services.queries.files import FolderFiles, LakeFile
from services.queries.offline.engine import DuckDbEngine, memory_limit
from services.queries.prediction import LakeFiles, predict
from services.queries.time_limit import QueryTimedOut, WatchedCall, timed_out
from tests.unit.queries.lake import LAKE
from tests.unit.queries.offline import answer, offline

_NUMBERS = ", ".join(map(str, range(100)))
ENDLESS = f"""
WITH t(x) AS (VALUES {_NUMBERS})
SELECT count(*) FROM t a, t b, t c, t d, t e, t f, t g, t h WHERE a.x * b.x + c.x * d.x + e.x * f.x = g.x * h.x + 3
"""  # a constant


class Stopped(BaseException):
    """What the handler of a signal raises."""


class SignallingFiles(FolderFiles):
    """Sends a signal to this process when a column chunk is read next."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder)
        self.number = number
        self.armed = False

    def read(self, file: LakeFile, start: int, length: int) -> bytes:
        if self.armed:
            self.armed = False
            os.kill(os.getpid(), self.number)
        return super().read(file, start, length)


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def stopping(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal whose handler raises, as those of a job do."""

    def stop(*_: object) -> None:
        raise Stopped

    before = signal.signal(request.param, stop)
    yield request.param
    signal.signal(request.param, before)


def test_running_query_ends_at_once_on_signal(sample: Path, stopping: int) -> None:
    files = SignallingFiles(sample, stopping)
    engine = DuckDbEngine(LakeFiles(files))
    sql = (
        "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e WHERE "
        + " AND ".join(f"{name}.year = 2025" for name in "abcde")
        + " AND a.user_id * b.user_id + c.user_id = d.user_id * e.user_id"
    )
    prediction = predict(sql, LAKE, engine.lake)
    engine.lake.footers.tails.clear()  # so that every chunk is read from the files
    files.armed = True
    with pytest.raises(Stopped):
        engine.run(prediction)
    assert answer(engine, "SELECT 1 AS x").rows.to_pylist() == [{"x": 1}]
    engine.close()


def test_query_past_its_time_limit_is_stopped(tmp_path: Path) -> None:
    engine = DuckDbEngine(LakeFiles(FolderFiles(tmp_path)), timeout_seconds=0.3)
    with pytest.raises(QueryTimedOut, match="QUERY_TIMEOUT_SECONDS"):
        answer(engine, ENDLESS)
    assert answer(engine, "SELECT 1 AS x").rows.to_pylist() == [{"x": 1}]
    engine.close()


def test_call_that_ignores_its_interrupt_is_abandoned() -> None:
    released = threading.Event()
    call = WatchedCall(released.wait)
    with pytest.raises(QueryTimedOut):
        call.result(0.01, timed_out, stop_seconds=0.01)
    assert call.abandoned
    released.set()


def test_failure_in_a_later_batch_is_the_querys_own(tmp_path: Path) -> None:
    sql = f"""
    WITH t(x) AS (VALUES {_NUMBERS})
    SELECT 1 / CASE WHEN a.x + b.x + c.x + d.x = 396 THEN 0 ELSE 1 END AS y FROM t a, t b, t c, t d
    """
    with offline(tmp_path) as engine, pytest.raises(QueryFailed, match=r"[Dd]ivision by zero"):
        answer(engine, sql)


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("0::/job\n", {"job/memory.max": "1000", "memory.max": "max"}, 600),
        ("0::/job\n", {"job/memory.max": "max", "memory.max": "500"}, 300),
        ("4:cpu,memory:/job\n", {"memory/job/memory.limit_in_bytes": "2000"}, 1200),
    ],
)
def test_memory_limit_is_a_fraction_of_the_containers(
    membership: str, limits: dict[str, str], expected: int, tmp_path: Path
) -> None:
    (tmp_path / "membership").write_text(membership)
    for name, value in limits.items():
        (tmp_path / "cgroups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroups" / name).write_text(f"{value}\n")
    assert memory_limit(tmp_path / "cgroups", tmp_path / "membership") == expected


def test_memory_limit_is_the_machines_without_a_container(tmp_path: Path) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory_limit(tmp_path, tmp_path / "missing") == int(machine * 0.6)
