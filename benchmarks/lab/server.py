"""The server that is measured, and what is recovered from its backups."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local.postgres import Cluster, programs
from services.local.processes import free_port, unprivileged
from services.postgres.client import Connection, Database

PATIENCE = 600.0  # seconds until something that should have happened counts as failed
PAGE = 8192
_CHANGED_PAGES = """
SELECT count(DISTINCT (reldatabase, relfilenode, relforknumber, relblocknumber))
FROM pg_available_wal_summaries() AS summary,
     pg_wal_summary_contents(summary.tli, summary.start_lsn, summary.end_lsn)
WHERE end_lsn > %s::pg_lsn AND NOT is_limit_block
"""


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
        deadline = time.monotonic() + PATIENCE
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
            cursor.execute("DELETE FROM public.orders WHERE order_id % 3 = 0")

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
            self._lab.run_program("pg_ctl", "-D", str(data), "start", "-t", str(int(PATIENCE)), "-l", str(self._log))
        except AssertionError as error:
            error.add_note(self._log.read_text(encoding="utf-8"))
            raise
        database = Database(Cluster(self._home).connection("measured"))
        deadline = time.monotonic() + PATIENCE
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
        return float(ended[3]), lsn(ended[1], ended[2]) - lsn(begun[1], begun[2])

    def stop(self) -> None:
        """Stops the recovered server."""
        Cluster(self._home).stop()


def checksums(database: Database) -> dict[str, tuple[int, str]]:
    """Rows and a hash over the content of each of the three tables, whatever their order on disk."""
    found = {}
    with database.connect() as connection, connection.cursor() as cursor:
        for table in ("users", "orders", "events"):
            cursor.execute(
                f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric)::text FROM public.{table} AS t"
            )
            rows, content = cursor.fetchone()
            found[table] = (int(rows), str(content))
    return found


def lsn(high: str, low: str) -> int:
    return (int(high, 16) << 32) + int(low, 16)
