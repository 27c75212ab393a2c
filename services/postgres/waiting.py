"""A pg_dump that writes nothing: what it waits for, who holds that, and when the wait is over."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from services import formatting
from services.errors import BackupFailed, ShorelineError
from services.postgres.client import Database
from services.postgres.connection import LOCK_SECONDS

STALL_SECONDS = 600.0
_LOOK_SECONDS = 2  # of silence before the server is asked what pg_dump waits for
_SHOWN = 100  # characters of a query
_GRACE_SECONDS = 10  # after which a wait ends that pg_dump has no limit for: it limits those of LOCK TABLE only
_LITERAL = re.compile(r"[$](\w*)[$].*?(?:[$]\1[$]|\Z)|[eE]?'(?:[^'\\]|''|\\.)*(?:'|\Z)|\b\d[\d.]*\b", re.DOTALL)
_BLOCKERS = """
SELECT b.pid, b.usename, b.application_name, b.state, b.query,
       to_char(coalesce(b.xact_start, b.state_change, b.backend_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_stat_activity a, LATERAL unnest(pg_blocking_pids(a.pid)) AS blocking(pid)
LEFT JOIN pg_stat_activity b ON b.pid = blocking.pid
WHERE a.application_name = %s AND a.pid <> pg_backend_pid() AND a.wait_event_type = 'Lock'
ORDER BY b.xact_start LIMIT 3
"""


@dataclass(frozen=True)
class Limits:
    """For how many seconds pg_dump may wait for a lock, and write nothing."""

    lock_seconds: float = LOCK_SECONDS
    stall_seconds: float = STALL_SECONDS


class DumpWatch:
    """Watches one pg_dump, which it knows by an application_name of its own."""

    def __init__(
        self, database: Database, limits: Limits = Limits(), say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._server = database
        self._limits = limits
        self._say = say
        self._application = f"shoreline dump {secrets.token_hex(4)}"
        self._since: float | None = None  # seconds of silence when the lock was first seen
        self._blockers = ""

    @property
    def database(self) -> Database:
        """The database as pg_dump connects to it."""
        return Database(replace(self._server.connection, application=self._application))

    @property
    def options(self) -> tuple[str, ...]:
        """The options of pg_dump."""
        return (f"--lock-wait-timeout={round(self._limits.lock_seconds * 1000)}",)

    def on_silence(self, seconds: float) -> None:
        """Say what pg_dump waits for. Raises BackupFailed when it has waited for too long."""
        if seconds >= _LOOK_SECONDS:
            self._look(seconds)
        if self._since is None:
            if seconds >= self._limits.stall_seconds:
                raise BackupFailed(
                    f"pg_dump wrote nothing for {formatting.seconds(seconds)}.",
                    next_step="Look at the server and the network; BACKUP_STALL_TIMEOUT allows a longer silence.",
                )
        elif seconds - self._since >= self._limits.lock_seconds + _GRACE_SECONDS:
            raise self.lock_failure()

    def explain(self, error: ShorelineError) -> ShorelineError:
        """The failure of pg_dump; where it waited for a lock until its time was over, with who holds it."""
        timed_out = re.search(r"due to (statement|lock) timeout", str(error)) or "LOCK TABLE" in str(error)
        return self.lock_failure() if self._blockers and timed_out else error

    def lock_failure(self) -> BackupFailed:
        """The failure of a wait for a lock."""
        return BackupFailed(
            f"pg_dump waited {formatting.seconds(self._limits.lock_seconds)} for a lock. {self._blockers}",
            next_step="End that session, run the backup when it is over, or wait longer: BACKUP_LOCK_TIMEOUT.",
        )

    def _look(self, seconds: float) -> None:
        with suppress(ShorelineError):  # the watch is no reason to fail
            found = _blockers(self._server, self._application)
            if not found:  # or pg_dump has just given up: then who held the lock explains its failure
                self._since = None
            elif self._since is None:
                self._since = seconds
            if found and found != self._blockers:
                self._blockers = found
                self._say(f"{self._server.name}: pg_dump waits for a lock. {found}")


def _blockers(database: Database, application: str) -> str:
    """Who holds the lock that the session with this name waits for, in a sentence for each; empty without a wait."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_BLOCKERS, (application,))
        return " ".join(_described(*row) for row in cursor.fetchall())


def _described(pid: int | None, user: Any, application: Any, state: Any, query: Any, since: Any) -> str:
    if pid is None:
        return "A prepared transaction holds it: see pg_prepared_xacts."
    if state is None:  # of another role, whose sessions this one may not see
        return f"Process {pid} of {user or 'another role'} holds it; GRANT pg_read_all_stats lets Shoreline say more."
    named = f" ({application})" if application else ""
    return f"Process {pid} of {user}{named}, {state}, in a transaction since {since} UTC: {without_literals(query)}"


def without_literals(query: str) -> str:
    """The beginning of a query in one line, with a question mark for each value: values may be secret."""
    text = " ".join(_LITERAL.sub("?", query).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
