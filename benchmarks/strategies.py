"""Measures two backup strategies on one database: logical dumps, and physical base backups with WAL.

    python -m benchmarks.strategies --rows 2000000 --transactions 60000

1. Logical: pg_dump, compressed as Shoreline's backup does, restored with psql, compared row by row.
2. Physical: pg_basebackup, WAL received by pg_receivewal while pgbench writes, an incremental base backup, and
   a recovery to a point in time just before a mistake, compared row by row with what was there at that time.

The results go to services/cost_analysis/measurements/strategies.json, from which `shoreline cost` calculates.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.record import machine
from benchmarks.lab.server import Lab, checksums
from benchmarks.lab.streams import compress, decompressed, manifest_of, timed
from benchmarks.lab.wal import measured_load, receiving_wal
from services.cost_analysis.model.figures import MEASUREMENTS
from services.postgres import sample_database as platform
from services.postgres.client import Database

RESULTS = MEASUREMENTS / "strategies.json"
SERVER = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "summarize_wal": "on",
    "wal_keep_size": "64MB",
    "max_wal_senders": "5",
}


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows in each of the three tables")
    parser.add_argument(
        "--transactions", type=int, default=60_000, help="of the write load, half of them after the incremental"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="strategies-"))
    folder.chmod(0o755)
    try:
        results = measure(folder, options.rows, options.transactions, print)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"written: {options.output}")


def measure(folder: Path, rows: int, transactions: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All measurements. Raises AssertionError when a restored database differs from its source."""
    busy = round(os.getloadavg()[0], 1)  # what else the machine had to do
    lab = Lab(folder / "primary", SERVER)
    database = Database(lab.start("postgres")).sibling("measured")
    try:
        say(f"filling three tables with {rows:,} rows each")
        made = platform.create(database, rows)
        lab.settle(database)
        size = database.size()
        say(f"the database has {size:,} bytes; logical dump and restore")
        logical = measure_logical(lab, database, folder)
        say("physical: base backup, write load, incremental, recovery to a point in time")
        physical, wal = measure_physical(lab, database, folder, transactions, say)
    finally:
        lab.stop()
    return {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "load_average_before": busy,
        "postgres": str(database_version(lab)),
        "database": {"bytes": size, "rows": made.rows},
        "logical": logical,
        "physical": physical,
        "wal": wal,
    }


def database_version(lab: Lab) -> str:
    """The server's version, as its programs print it."""
    return lab.run_program("postgres", "--version").split()[-1]


def measure_logical(lab: Lab, database: Database, folder: Path) -> dict[str, Any]:
    """pg_dump through the compressor into a file, and back with psql into a new database."""
    dump = folder / "dump.sql.gz"
    before = checksums(database)
    with timed() as dumping:
        plain = compress(lab.command("pg_dump", "--format=plain", "--no-password", database.name), dump)
    target = database.sibling("restored")
    target.create()
    with timed() as restoring:
        psql = lab.command("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-d", target.name)
        decompressed(dump, psql)
    lab.settle(target)
    assert checksums(target) == before, "the restored database differs from its source"
    stored = dump.stat().st_size
    dump.unlink()
    target.drop()
    return {
        "backup_seconds": dumping.seconds,
        "plain_bytes": plain,
        "stored_bytes": stored,
        "restore_seconds": restoring.seconds,
        "compared_equal": True,
    }


def measure_physical(
    lab: Lab, database: Database, folder: Path, transactions: int, say: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Full and incremental base backups with a write load between and after them, and the recovery."""
    wal = lab.folder_for_server(folder / "wal")
    full, incremental = folder / "full.tar.gz", folder / "incremental.tar.gz"
    with receiving_wal(lab, wal) as received:
        with timed() as backing_up:
            full_bytes = compress(lab.command(*_BASE_BACKUP), full)
        first = measured_load(lab, database, transactions // 2, folder)
        changed = lab.changed_bytes(database, first.began_at)
        with timed() as adding:
            manifest = lab.given(manifest_of(full), folder / "full.manifest")
            incremental_bytes = compress(lab.command(*_BASE_BACKUP, f"--incremental={manifest}"), incremental)
        second = measured_load(lab, database, transactions - transactions // 2, folder)
        segments = received.compressed(first, second)
        wanted, moment = checksums(database), lab.moment(database)
        lab.make_a_mistake(database)
        assert checksums(database) != wanted
        idle_segment = received.closed_segment(database)
        received.closed_segment(database)
    say(f"recovery to {moment}")
    with timed() as restoring:
        restored = lab.combine([full, incremental], folder / "recovered")
        recovered = restored.recover(wal, moment)
    assert checksums(recovered) == wanted, "the recovered database is not what it was at that time"
    replay_seconds, replay_bytes = restored.replay()
    restored.stop()
    physical = {
        "backup_seconds": backing_up.seconds,
        "plain_bytes": full_bytes,
        "stored_bytes": full.stat().st_size,
        "incremental_seconds": adding.seconds,
        "incremental_plain_bytes": incremental_bytes,
        "incremental_stored_bytes": incremental.stat().st_size,
        "restore_seconds": restoring.seconds,
        "replay_seconds": replay_seconds,
        "replay_bytes": replay_bytes,
        "recovered_to": moment,
        "compared_equal": True,
    }
    return physical, {
        "load": "pgbench, 2 clients: an order and an event inserted, a random order updated",
        "transactions": first.transactions + second.transactions,
        "seconds": round(first.seconds + second.seconds, 3),
        "bytes": first.wal_bytes + second.wal_bytes,
        "before_incremental_bytes": first.wal_bytes,
        "before_incremental_changed_bytes": changed,
        **segments,
        "idle_segment_stored_bytes": idle_segment,
    }


_BASE_BACKUP = ("pg_basebackup", "-D", "-", "-Ft", "-X", "none", "--checkpoint=fast", "--no-password")

if __name__ == "__main__":
    main()
