"""A PostgreSQL server of the benchmark's own, its base backups, its WAL and its recoveries."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from isal import igzip, igzip_threaded

from services.database import Connection, Database
from services.local.postgres import Cluster, programs
from services.local.processes import free_port, unprivileged

_BLOCK = 2**20
_LEVEL = 3  # ISA-L's best: what Shoreline's backup compresses with
_PATIENCE = 600.0  # seconds until something that should have happened counts as failed
PAGE = 8192
SEGMENT = 16 * 2**20
_CHANGED_PAGES = """
SELECT count(DISTINCT (reldatabase, relfilenode, relforknumber, relblocknumber))
FROM pg_available_wal_summaries() AS summary,
     pg_wal_summary_contents(summary.tli, summary.start_lsn, summary.end_lsn)
WHERE end_lsn > %s::pg_lsn AND NOT is_limit_block
"""
_LOAD = """\\set order_id random(1, {orders})
\\set user_id random(1, {users})
BEGIN;
INSERT INTO events (user_id, event_type, payload) VALUES (:user_id, 'purchase', '{{"path": "/checkout"}}');
INSERT INTO orders (user_id, amount, status) VALUES (:user_id, 19.90, 'pending');
UPDATE orders SET status = 'shipped' WHERE order_id = :order_id;
COMMIT;
"""


@dataclass
class Stopwatch:
    """Seconds of wall time, known when the block has ended."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measures the block."""
    watch = Stopwatch()
    began = time.monotonic()
    yield watch
    watch.seconds = round(time.monotonic() - began, 3)


class Lab:
    """The server that is measured. Raises AssertionError where one of PostgreSQL's programs fails."""

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        self._cluster = Cluster(folder, options)
        self._connection: Connection | None = None

    def start(self, database: str) -> Connection:
        """Starts the server and gives the way to a database of it."""
        self._cluster.start()
        self._connection = self._cluster.connection(database)
        return self._connection

    def stop(self) -> None:
        """Stops the server."""
        self._cluster.stop()

    def command(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A started client program with its input and output as pipes."""
        assert self._connection is not None
        return subprocess.Popen(
            [str(programs() / name), *arguments],
            env=self._connection.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run_program(self, name: str, *arguments: str) -> str:
        """A program's output. A server's own programs do not run as root, and pay no heed to who asks."""
        identity = unprivileged(programs() / "postgres", self._cluster.folder)
        done = identity.run(
            [programs() / name, *arguments], cwd="/", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        )
        assert done.returncode == 0, f"{name}: {done.stderr.strip()}"
        return done.stdout

    def folder_for_server(self, folder: Path) -> Path:
        """A new folder that the server's user may write to."""
        folder.mkdir()
        unprivileged(programs() / "postgres", self._cluster.folder).own(folder)
        return folder

    @staticmethod
    def given(content: bytes, path: Path) -> Path:
        """A file with this content."""
        path.write_bytes(content)
        return path

    @staticmethod
    def settle(database: Database) -> None:
        """Brings statistics, visibility map and a checkpoint behind us, so that they are in no measurement."""
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")

    @staticmethod
    def changed_bytes(database: Database, since: str) -> int:
        """Bytes of the pages that changed since a WAL position, each page once.

        Waits for the WAL summarizer to have seen everything, as an incremental backup would.
        """
        now = database.scalar("SELECT pg_current_wal_lsn()")
        database.scalar("SELECT pg_switch_wal()")
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")  # a summary ends at one
        deadline = time.monotonic() + _PATIENCE
        while not database.scalar("SELECT summarized_lsn >= %s::pg_lsn FROM pg_get_wal_summarizer_state()", now):
            assert time.monotonic() < deadline, "the WAL summarizer does not catch up"
            time.sleep(0.1)
        pages = database.scalar(_CHANGED_PAGES, since)
        return int(pages) * PAGE

    @staticmethod
    def moment(database: Database) -> str:
        """The time on the server, after which nothing has been written yet."""
        return str(database.scalar("SELECT clock_timestamp()"))

    @staticmethod
    def make_a_mistake(database: Database) -> None:
        """Deletes what nobody wanted deleted."""
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM orders WHERE order_id % 3 = 0")

    def combine(self, backups: Sequence[Path], target: Path) -> Recovered:
        """Unpacks a full base backup and its incrementals, and combines them into one data folder."""
        parts = []
        for number, backup in enumerate(backups):
            part = self.folder_for_server(target.with_name(f"{target.name}-{number}"))
            identity = unprivileged(programs() / "postgres", self._cluster.folder)
            unpack = ["/bin/sh", "-c", 'tar -xzf "$0" -C "$1"', backup, part]
            done = identity.run(unpack, cwd="/")
            assert done.returncode == 0, done.stderr
            parts.append(str(part))
        home = self.folder_for_server(target)
        self.run_program("pg_combinebackup", "--output", str(home / "data"), *parts)
        for unpacked in parts:
            shutil.rmtree(unpacked)
        return Recovered(home, self._cluster.folder / "password", self)


class Recovered:
    """A combined base backup on its way to a point in time."""

    def __init__(self, home: Path, password: Path, lab: Lab) -> None:
        self._home, self._lab = home, lab
        shutil.copy(password, home / "password")
        self._log = home / "data" / "recovery.log"

    def recover(self, wal: Path, moment: str) -> Database:
        """Replays WAL to a moment and gives the measured database, open for writes."""
        settings = {
            "restore_command": f"cp '{wal}/%f' '%p'",
            "recovery_target_time": moment,
            "recovery_target_action": "promote",
            "summarize_wal": "off",
            "port": str(free_port()),  # the server that was backed up still listens on its own
        }
        lines = "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
        data = self._home / "data"
        script = 'printf "%s" "$1" >> "$0/postgresql.auto.conf" && touch "$0/recovery.signal" && chmod 700 "$0"'
        identity = unprivileged(programs() / "postgres", self._home)
        done = identity.run(["/bin/sh", "-c", script, data, lines], cwd="/")
        assert done.returncode == 0, done.stderr
        try:
            self._lab.run_program("pg_ctl", "-D", str(data), "start", "-t", str(int(_PATIENCE)), "-l", str(self._log))
        except AssertionError as error:
            error.add_note(self._log.read_text(encoding="utf-8"))
            raise
        database = Database(Cluster(self._home).connection("measured"))
        deadline = time.monotonic() + _PATIENCE
        while database.scalar("SELECT pg_is_in_recovery()"):
            assert time.monotonic() < deadline, "the recovery does not end"
            time.sleep(0.05)
        return database

    def replay(self) -> tuple[float, int]:
        """Seconds of replay and bytes of WAL, from the server's own log."""
        text = self._log.read_text(encoding="utf-8")
        begun = re.search(r"redo starts at ([0-9A-F]+)/([0-9A-F]+)", text)
        ended = re.search(r"redo done at ([0-9A-F]+)/([0-9A-F]+) .*elapsed: ([0-9.]+) s", text)
        assert begun, "the server's log does not tell where the replay began"
        assert ended, "the server's log does not tell where the replay ended"
        return float(ended[3]), _lsn(ended[1], ended[2]) - _lsn(begun[1], begun[2])

    def stop(self) -> None:
        """Stops the recovered server."""
        Cluster(self._home).stop()


@dataclass(frozen=True)
class Load:
    """A write load: where in the WAL it began, its transactions, its time and the WAL that it made."""

    began_at: str
    transactions: int
    seconds: float
    wal_bytes: int

    def full_segments(self) -> list[str]:
        """The names of the segments that lie wholly inside the load's WAL, on timeline 1."""
        begun = _lsn(*self.began_at.split("/"))
        numbers = range(begun // SEGMENT + 1, (begun + self.wal_bytes) // SEGMENT)
        return [f"{1:08X}{number // 256:08X}{number % 256:08X}" for number in numbers]


def measured_load(lab: Lab, database: Database, transactions: int, folder: Path) -> Load:
    """Runs pgbench with Shoreline's sample tables."""
    script = folder / "load.sql"
    counts = {table: database.scalar(f"SELECT max({table[:-1]}_id) FROM {table}") for table in ("orders", "users")}
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
        return len(igzip.compress(segment.read_bytes(), _LEVEL))

    def compressed(self, *loads: Load) -> dict[str, int]:
        """The segments that loads filled from their first byte to their last, and their bytes after compression."""
        segments = [self._awaited(name) for load in loads for name in load.full_segments()]
        assert segments, "the load is too small to fill a segment"
        return {
            "segments": len(segments),
            "segment_bytes": SEGMENT,
            "stored_bytes": sum(len(igzip.compress(path.read_bytes(), _LEVEL)) for path in segments),
        }

    def _awaited(self, name: str) -> Path:
        segment = self._folder / name
        deadline = time.monotonic() + _PATIENCE
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


def _opened(path: Path, mode: str) -> IO[bytes]:
    """A compressed file, (de)compressed by a thread beside."""
    opened = igzip_threaded.open(path, mode, compresslevel=_LEVEL, threads=1)  # type: ignore[no-untyped-call]
    return cast(IO[bytes], opened)


def compress(process: subprocess.Popen[bytes], target: Path) -> int:
    """A program's output, compressed into a file by a thread beside; gives the bytes before."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    count = 0
    with _opened(target, "wb") as file:
        while block := process.stdout.read(_BLOCK):
            count += len(block)
            file.write(block)
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    assert process.wait() == 0, errors
    return count


def decompressed(source: Path, process: subprocess.Popen[bytes]) -> None:
    """Feeds a compressed file into a program."""
    assert process.stdin is not None
    with _opened(source, "rb") as file:
        shutil.copyfileobj(file, process.stdin, _BLOCK)
    process.stdin.close()
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    assert process.wait() == 0, errors


def manifest_of(backup: Path) -> bytes:
    """The manifest inside a base backup that was streamed as tar."""
    with _opened(backup, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.name == "backup_manifest":
                content = archive.extractfile(member)
                assert content is not None
                return content.read()
    raise AssertionError("the base backup holds no manifest")


def checksums(database: Database) -> dict[str, tuple[int, str]]:
    """Rows and a hash over the content of each of the three tables, whatever their order on disk."""
    found = {}
    with database.connect() as connection, connection.cursor() as cursor:
        for table in ("users", "orders", "events"):
            cursor.execute(f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric)::text FROM {table} AS t")
            rows, content = cursor.fetchone()
            found[table] = (int(rows), str(content))
    return found


def _lsn(high: str, low: str) -> int:
    return (int(high, 16) << 32) + int(low, 16)
