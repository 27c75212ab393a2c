"""PostgreSQL: its versions, its databases, and its own programs."""

from __future__ import annotations

import os
import queue
import re
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from services.errors import (
    DatabaseError,
    DatabaseUnreachable,
    ServerNewerThanClient,
    SettingsError,
    ShorelineError,
)
from services.postgres.connection import CONNECT_SECONDS, Server, forget_ambient_settings
from services.postgres.connection import Connection as Connection
from services.postgres.errors import advice, connection_advice, first_line

# The first minor versions without a known vulnerability that a dump can exploit. Source: PostgreSQL, CVE-2026-18408.
_FIRST_GOOD_MINOR = {14: 24, 15: 19, 16: 15, 17: 11, 18: 6}
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_IDENTIFY = """
SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('shoreline.options', true),
       pg_catalog.concat(pg_catalog.current_setting('bytea_output'), '/',
                         pg_catalog.current_setting('standard_conforming_strings'))
"""  # the session's backend, whether it kept its options, and how it writes values
MAINTENANCE = "postgres"  # connected to while other databases are created, renamed and dropped
SCRATCH = "shoreline: scratch"  # the comment of a temporary database of a restore or drill
# The state of a temporary database before it gets its comment: CREATE DATABASE cannot set one.
_UNMARKED = "(NOT datallowconn AND datconnlimit = 0 AND shobj_description(oid, 'pg_database') IS NULL)"
IS_SCRATCH = f"""
(datname ~ '_(restoring|old)_[0-9a-f]{{8}}$'
 AND (coalesce(shobj_description(oid, 'pg_database'), '') = '{SCRATCH}' OR {_UNMARKED}))
"""  # a condition on a row of pg_database
_SAMPLE = "saas_platform"  # PGDATABASE's default, which the job `database` creates
_NO_DATABASE = re.compile(r'database ".*" does not exist')


@dataclass(frozen=True, order=True)
class Version:
    """A PostgreSQL version, such as 17.6."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Database:
    """One database of one server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def name(self) -> str:
        """The database's name."""
        return self.connection.database

    def sibling(self, name: str) -> Database:
        """Return another database of the same server; it need not exist."""
        return Database(replace(self.connection, database=name))

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Iterator[Any]:
        """Open a psycopg2 connection, committed at the end and rolled back by an exception.

        Raises DatabaseUnreachable without a connection, DatabaseError for a refused command.
        """
        connection = self._open()
        try:
            if autocommit:
                connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            yield connection
            connection.commit()
        except psycopg2.Error as error:
            raise DatabaseError(
                f"PostgreSQL refused: {first_line(error)}", next_step=advice(str(error), error.pgcode)
            ) from error
        finally:
            connection.close()

    def _open(self) -> Any:
        """Open a connection with the session settings of its description, also through a pooler."""
        connection = self._connect()
        try:
            if self.connection.server is None:
                self._identify_server(connection)
            settings = self.connection.settings().items()
            calls = ", ".join(["pg_catalog.set_config(%s, %s, false)"] * len(settings))
            _one_row(connection, f"SELECT {calls}", *(word for setting in settings for word in setting))
        except psycopg2.Error as error:
            connection.close()
            raise self._unreachable(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> Any:
        """Open a connection with libpq."""
        description = self.connection
        forget_ambient_settings()
        try:
            keywords: dict[str, Any] = {**description.keywords(), "password": description.password}
            return psycopg2.connect(
                **keywords,
                client_encoding="UTF8",  # otherwise psycopg2 decodes the text of a SQL_ASCII database as ASCII
                options=description.session_options(),
            )
        except psycopg2.Error as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: psycopg2.Error) -> DatabaseUnreachable:
        text = str(error)
        step = self._missing() if _NO_DATABASE.search(text) else connection_advice(text)
        return DatabaseUnreachable(f"No connection to {self.connection.where}: {first_line(error)}", next_step=step)

    def _identify_server(self, connection: Any) -> None:
        """Remember which server was reached. Raises DatabaseUnreachable for a pooler that mixes sessions."""
        pid, kept, written = _one_row(connection, _IDENTIFY)
        keeps_options = kept == "kept"
        if pid != connection.info.backend_pid and self._shares_backend(pid):
            raise DatabaseUnreachable(
                f"{self.connection.where} is a pooler that changes the session with each transaction: the session"
                " settings of a backup would affect other clients.",
                next_step="Set PGHOST and PGPORT to the server itself, or give the pooler a database with"
                " pool_mode=session.",
            )
        if not keeps_options and written != "hex/on":
            raise DatabaseUnreachable(
                f"{self.connection.where} is a pooler that drops the startup parameter options, and the role or the"
                f" database sets bytea_output and standard_conforming_strings to {written}.",
                next_step="Set PGHOST and PGPORT to the server itself.",
            )
        self.connection.remember(Server(*_peer(connection), connection.server_version, keeps_options))

    def _shares_backend(self, pid: int) -> bool:
        """Return whether a second connection gets the backend of the first, which is still open."""
        backends: queue.Queue[int] = queue.Queue()

        def identify() -> None:
            with suppress(psycopg2.Error, DatabaseUnreachable), closing(self._connect()) as other:
                backends.put(_one_row(other, _IDENTIFY)[0])

        threading.Thread(target=identify, daemon=True, name="second connection").start()
        try:
            return backends.get(timeout=CONNECT_SECONDS) == pid
        except queue.Empty:  # it waits for a separate backend
            return False

    def _missing(self) -> str:
        """Return the next step for a missing database: it was dropped, or PGDATABASE is wrong."""
        names = []
        if self.name != MAINTENANCE:
            with suppress(ShorelineError):
                names = [database.name for database in self.sibling(MAINTENANCE).all_on_server()]
        restore = shlex.join(["shoreline", "restore", f"--database={self.name}"])
        steps = [
            f"The server has {', '.join(names)}." if names else "",
            f"If it was dropped, `{restore}` restores its newest backup; otherwise correct PGDATABASE.",
            "`shoreline database` creates the sample." if self.name == _SAMPLE else "",
        ]
        return " ".join(step for step in steps if step)

    def scalar(self, query: str, *arguments: object) -> Any:
        """Return the first column of the first row of a query's result."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            row = cursor.fetchone()
            return None if row is None else row[0]

    def version(self) -> Version:
        """Return the server's version."""
        number = int(self.scalar("SHOW server_version_num"))
        return Version(number // 10000, number % 10000)

    def tls(self) -> str | None:
        """Return the TLS version of a connection, such as 'TLSv1.3'; None if it is not encrypted."""
        found = self.scalar("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl")
        return None if found is None else str(found)

    def search_path(self) -> str:
        """Return the default search_path of the role in the database."""
        return str(Database(replace(self.connection, search_path=None)).scalar("SHOW search_path"))

    def encoding(self) -> str:
        """Return the encoding of the database under PostgreSQL's name."""
        return str(self.scalar("SHOW server_encoding"))

    def size(self) -> int:
        """Return the bytes of the database on the server's disk."""
        return int(self.scalar("SELECT pg_database_size(current_database())"))

    def all_on_server(self) -> list[Database]:
        """Return the databases that the user may connect to, by name, without templates and temporary databases."""
        return [self.sibling(name) for name in self._on_server(permitted=True)]

    def closed_on_server(self) -> list[str]:
        """Return the names of databases that the user may not connect to, as of a managed server."""
        return self._on_server(permitted=False)

    def _on_server(self, *, permitted: bool) -> list[str]:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT datname FROM pg_database"  # noqa: S608  # our own condition
                f" WHERE datallowconn AND NOT datistemplate AND NOT {IS_SCRATCH}"
                " AND has_database_privilege(oid, 'CONNECT') = %s ORDER BY datname",
                (permitted,),
            )
            return [row[0] for row in cursor.fetchall()]

    def exists(self) -> bool:
        """Return whether the database exists."""
        maintenance = self.sibling(MAINTENANCE)
        return bool(maintenance.scalar("SELECT count(*) FROM pg_database WHERE datname = %s", self.name))

    def create(self) -> None:
        """Create the database, empty, in UTF-8 and from template0."""
        with self.sibling(MAINTENANCE).connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(self.name))
            )

    def drop(self) -> None:
        """Drop the database and its connections, if it exists."""
        with self.sibling(MAINTENANCE).connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def program(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's client programs. Raises SettingsError if it is not installed."""
        folder = self.connection.programs
        found = shutil.which(name, path=str(folder) if folder else None)
        if found is None:
            message = f"{name} is not {f'in {folder}' if folder else 'on PATH'}."
            raise SettingsError(
                message, next_step="Install PostgreSQL's client programs, or set PG_BIN to their folder."
            )
        return Path(found)

    def client_version(self) -> Version:
        """Return the version of the installed pg_dump."""
        program = self.program("pg_dump")
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        found = _VERSION.search(answer.stdout)
        if found is None:
            raise SettingsError(f"Could not read the version of {program}: {answer.stderr.strip()}")
        return Version(int(found[1]), int(found[2] or 0))

    def client_warning(self) -> str | None:
        """Return a warning for client programs with a known vulnerability; None for others, or if there are none."""
        try:
            client = self.client_version()
        except SettingsError:  # reported when a program is needed
            return None
        first_good = _FIRST_GOOD_MINOR.get(client.major, 0 if client.major > max(_FIRST_GOOD_MINOR) else None)
        if first_good is None:
            return f"PostgreSQL's client programs are version {client}, which gets no more fixes: install newer ones."
        if client.minor >= first_good:
            return None
        return (
            f"PostgreSQL's client programs are version {client}: update to {client.major}.{first_good}, which fixes"
            " CVE-2026-18408 (a dump can run commands on the host that restores it)."
        )

    def check_versions(self) -> tuple[Version, Version]:
        """Return the versions of the server and of pg_dump. Raises ServerNewerThanClient if pg_dump is too old."""
        server, client = self.version(), self.client_version()
        if server.major > client.major:
            raise ServerNewerThanClient(
                f"The server is PostgreSQL {server}, pg_dump is {client}: pg_dump refuses newer servers."
            )
        return server, client


def _one_row(connection: Any, query: str, *arguments: object) -> Any:
    """Return the first row of a query, in a separate transaction."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments or None)
        row = cursor.fetchone()
    connection.commit()
    return row


def _peer(connection: Any) -> tuple[str, str | None]:
    """Return the host and the address that were reached, out of several."""
    with socket.socket(fileno=os.dup(connection.fileno())) as peer:
        family, address = peer.family, peer.getpeername()
    return connection.info.host, None if family == socket.AF_UNIX else address[0]
