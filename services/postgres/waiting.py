"""Watches a pg_dump that writes nothing: which session blocks it, and when to give up."""

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
_SECONDS_BEFORE_LOOKUP = 2  # of silence, before the server is asked what pg_dump waits for
_MAX_QUERY_CHARACTERS = 100
_GRACE_SECONDS = 10  # beyond the limit, for waits that pg_dump does not limit itself: it limits LOCK TABLE only
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
    """Time limits of a dump."""

    lock_seconds: float = LOCK_SECONDS  # for which pg_dump may wait for a lock
    stall_seconds: float = STALL_SECONDS  # for which it may write nothing


class DumpWatch:
    """A watch over one pg_dump, which has a unique application_name."""

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
        """Return the database as pg_dump connects to it."""
        return Database(replace(self._server.connection, application=self._application))

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options that pg_dump needs."""
        return (f"--lock-wait-timeout={round(self._limits.lock_seconds * 1000)}",)

    def on_silence(self, seconds: float) -> None:
        """Report what pg_dump waits for. Raises BackupFailed when it has waited for too long."""
        if seconds >= _SECONDS_BEFORE_LOOKUP:
            self._find_blockers(seconds)
        if self._since is None:
            if seconds >= self._limits.stall_seconds:
                raise BackupFailed(
                    f"pg_dump wrote nothing for {formatting.seconds(seconds)}.",
                    next_step="Check the server and the network, or raise BACKUP_STALL_TIMEOUT.",
                )
        elif seconds - self._since >= self._limits.lock_seconds + _GRACE_SECONDS:
            raise self.lock_failure()

    def explain(self, error: ShorelineError) -> ShorelineError:
        """Return the failure of pg_dump, with the blocking session when it was a wait for a lock."""
        timed_out = re.search(r"due to (statement|lock) timeout", str(error)) or "LOCK TABLE" in str(error)
        return self.lock_failure() if self._blockers and timed_out else error

    def lock_failure(self) -> BackupFailed:
        """Return the failure of a wait for a lock."""
        return BackupFailed(
            f"pg_dump waited {formatting.seconds(self._limits.lock_seconds)} for a lock. {self._blockers}",
            next_step="End that session, run the backup after it has ended, or raise BACKUP_LOCK_TIMEOUT.",
        )

    def _find_blockers(self, seconds: float) -> None:
        with suppress(ShorelineError):  # a failed lookup must not end the dump
            blockers = _blockers(self._server, self._application)
            if not blockers:  # or pg_dump has just given up: then who held the lock explains its failure
                self._since = None
            elif self._since is None:
                self._since = seconds
            if blockers and blockers != self._blockers:
                self._blockers = blockers
                self._say(f"{self._server.name}: pg_dump waits for a lock. {blockers}")


def _blockers(database: Database, application: str) -> str:
    """Return a sentence on each session that blocks the one with this application_name; empty without a wait."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_BLOCKERS, (application,))
        return " ".join(_described(*row) for row in cursor.fetchall())


def _described(pid: int | None, user: Any, application: Any, state: Any, query: Any, since: Any) -> str:
    if pid is None:
        return "A prepared transaction holds it: see pg_prepared_xacts."
    if state is None:  # a session of another role, which this role may not see
        return f"Process {pid} of {user or 'another role'} holds it; GRANT pg_read_all_stats lets Shoreline say more."
    named = f" ({application})" if application else ""
    return f"Process {pid} of {user}{named}, {state}, in a transaction since {since} UTC: {without_literals(query)}"


def without_literals(query: str) -> str:
    """Return the beginning of a query in one line, with question marks for values, which may be secret."""
    text = " ".join(_LITERAL.sub("?", query).split())
    return text if len(text) <= _MAX_QUERY_CHARACTERS else f"{text[:_MAX_QUERY_CHARACTERS]}..."
