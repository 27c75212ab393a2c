"""A write load, and the WAL that is received while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from isal import igzip

from benchmarks.lab.server import PATIENCE, Lab, lsn
from services.backups.stream import GZIP_LEVEL
from services.postgres.client import Database

SEGMENT = 16 * 2**20
_LOAD = """\\set order_id random(1, {orders})
\\set user_id random(1, {users})
BEGIN;
INSERT INTO public.events (user_id, event_type, payload) VALUES (:user_id, 'purchase', '{{"path": "/checkout"}}');
INSERT INTO public.orders (user_id, amount, status) VALUES (:user_id, 19.90, 'pending');
UPDATE public.orders SET status = 'shipped' WHERE order_id = :order_id;
COMMIT;
"""


@dataclass(frozen=True)
class Load:
    """A write load: where in the WAL it began, its transactions, its time and the WAL that it made."""

    began_at: str
    transactions: int
    seconds: float
    wal_bytes: int

    def full_segments(self) -> list[str]:
        """The names of the segments that lie wholly inside the load's WAL, on timeline 1."""
        begun = lsn(*self.began_at.split("/"))
        numbers = range(begun // SEGMENT + 1, (begun + self.wal_bytes) // SEGMENT)
        return [f"{1:08X}{number // 256:08X}{number % 256:08X}" for number in numbers]


def measured_load(lab: Lab, database: Database, transactions: int, folder: Path) -> Load:
    """Runs pgbench with Shoreline's sample tables."""
    script = folder / "load.sql"
    counts = {
        table: database.scalar(f"SELECT max({table[:-1]}_id) FROM public.{table}") for table in ("orders", "users")
    }
    script.write_text(_LOAD.format(**counts), encoding="utf-8")
    before = database.scalar("SELECT pg_current_wal_lsn()")
    began = time.monotonic()
    clients = 2
    each = str(transactions // clients)
    process = lab.command("pgbench", "-n", "-c", str(clients), "-j", "2", "-t", each, "-f", str(script), database.name)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    seconds = time.monotonic() - began
    written = database.scalar("SELECT pg_current_wal_lsn() - %s::pg_lsn", before)
    return Load(before, int(each) * clients, seconds, int(written))


class ReceivedWal:
    """The segments that pg_receivewal has written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def closed_segment(self, database: Database) -> int:
        """Closes the current segment with one small change in it, and gives its compressed bytes."""
        database.scalar("SELECT pg_switch_wal()")
        database.scalar("SELECT pg_logical_emit_message(true, 'shoreline', 'a small change')")
        name = database.scalar("SELECT pg_walfile_name(pg_current_wal_lsn())")
        database.scalar("SELECT pg_switch_wal()")
        segment = self._awaited(str(name))
        return len(igzip.compress(segment.read_bytes(), GZIP_LEVEL))

    def compressed(self, *loads: Load) -> dict[str, int]:
        """The segments that loads filled from their first byte to their last, and their bytes after compression."""
        segments = [self._awaited(name) for load in loads for name in load.full_segments()]
        assert segments, "the load is too small to fill a segment"
        return {
            "segments": len(segments),
            "segment_bytes": SEGMENT,
            "stored_bytes": sum(len(igzip.compress(path.read_bytes(), GZIP_LEVEL)) for path in segments),
        }

    def _awaited(self, name: str) -> Path:
        segment = self._folder / name
        deadline = time.monotonic() + PATIENCE
        while not segment.exists():
            assert time.monotonic() < deadline, "pg_receivewal does not receive"
            time.sleep(0.05)
        return segment


@contextmanager
def receiving_wal(lab: Lab, folder: Path) -> Iterator[ReceivedWal]:
    """Receives WAL into a folder for as long as the block lasts."""
    slot = ("--slot=benchmark", "--no-password")
    made = lab.command("pg_receivewal", *slot, "--create-slot")
    assert made.wait() == 0, cast(IO[bytes], made.stderr).read().decode()
    receiver = lab.command("pg_receivewal", *slot, "-D", str(folder))
    try:
        yield ReceivedWal(folder)
    finally:
        receiver.terminate()
        receiver.communicate()
        for segment in folder.iterdir():
            segment.chmod(0o644)  # received as ourselves, read by the server's user
