"""PostgreSQL: its versions, its databases, and its own programs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
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

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_TIMEOUT = 10  # seconds until a server that does not answer counts as unreachable
_ALIVE = 60  # seconds of silence until TCP asks whether the other end is there: routers forget idle connections sooner
MAINTENANCE = "postgres"  # the database that one is connected to while others are made, renamed and dropped
SCRATCH = "shoreline: scratch"  # the comment of a database that a restore or a drill made, and will drop
# As it is from its first moment on, until it has its comment: closed to all. CREATE DATABASE takes no comment.
_UNMARKED = "(NOT datallowconn AND datconnlimit = 0 AND shobj_description(oid, 'pg_database') IS NULL)"
IS_SCRATCH = f"""
(datname ~ '_(restoring|old)_[0-9a-f]{{8}}$'
 AND (coalesce(shobj_description(oid, 'pg_database'), '') = '{SCRATCH}' OR {_UNMARKED}))
"""  # a condition on a row of pg_database
_PASSED_ON = (
    "PATH",
    "HOME",
    "SSL_CERT_FILE",
    "LD_LIBRARY_PATH",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSERVICEFILE",
)
_SAMPLE = "saas_platform"  # PGDATABASE's default, which the job `database` makes
_CREATEDB = "Allow it with `ALTER ROLE ... CREATEDB`, or name another role in PGUSER; a drill may run on any server."
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_NEXT_STEPS = (  # by what libpq or the server says; where that is not in English, the error's own advice is as good
    (
        re.compile("authentication failed|no password supplied|no pg_hba.conf entry"),
        "Check PGUSER and PGPASSWORD (or PGPASSWORD_FILE); pg_hba.conf on the server says who may connect, and how.",
    ),
    (re.compile("SSL|certificate"), "Check PGSSLMODE and PGSSLROOTCERT, and whether the server offers TLS."),
    (
        re.compile("refused|timeout|could not translate|No route|unreachable"),
        "Check PGHOST and PGPORT: is the server running, and can it be reached from here?",
    ),
)


@dataclass(frozen=True)
class Connection:
    """How to reach one database. `programs` is the folder of pg_dump and psql, or None for PATH.

    `options` are settings of each session, as 'name=value'.
    """

    host: str
    port: int
    user: str
    database: str
    password: str | None = field(default=None, repr=False)
    passfile: Path | None = None
    sslmode: str = "prefer"
    sslrootcert: str | None = None  # a file, or libpq's word "system"
    programs: Path | None = None
    options: tuple[str, ...] = ()

    def environment(self, *options: str) -> dict[str, str]:
        """The environment of a PostgreSQL program: the password travels here, never on a command line.

        `options` are more settings of its session.
        """
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        env |= {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
            "PGSSLMODE": self.sslmode,
            "PGCONNECT_TIMEOUT": str(_TIMEOUT),
            "PGAPPNAME": "shoreline",
            "PGTZ": "UTC",
            "PGOPTIONS": _set(*self.options, *options),
            "LC_ALL": "C.UTF-8",
        }
        if self.password is not None:
            env["PGPASSWORD"] = self.password
        if self.passfile is not None:
            env["PGPASSFILE"] = str(self.passfile)
        if self.sslrootcert is not None:
            env["PGSSLROOTCERT"] = self.sslrootcert
        return env


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
        """Another database of the same server; it need not exist."""
        return Database(replace(self.connection, database=name))

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Iterator[Any]:
        """A psycopg2 connection, committed at the end, rolled back by an exception.

        Raises DatabaseUnreachable when there is none to be had, DatabaseError for what PostgreSQL refuses.
        """
        connection = self._open()
        try:
            if autocommit:
                connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            yield connection
            connection.commit()
        except psycopg2.Error as error:
            step = _CREATEDB if "permission denied to create database" in str(error) else None
            raise DatabaseError(f"PostgreSQL refused: {_first_line(error)}", next_step=step) from error
        finally:
            connection.close()

    def _open(self) -> Any:
        given = self.connection
        try:
            return psycopg2.connect(
                host=given.host,
                port=given.port,
                user=given.user,
                dbname=given.database,
                password=given.password,
                passfile=str(given.passfile) if given.passfile else None,
                sslmode=given.sslmode,
                sslrootcert=given.sslrootcert,
                connect_timeout=_TIMEOUT,
                application_name="shoreline",
                client_encoding="UTF8",  # else psycopg2 takes what a SQL_ASCII database holds for ASCII
                keepalives_idle=_ALIVE,
                keepalives_interval=10,
                keepalives_count=6,
                options=_set("timezone=UTC", *given.options),
            )
        except psycopg2.OperationalError as error:
            where = f"{given.user}@{given.host}:{given.port}/{given.database}"
            told = _first_line(error)
            missing = _NO_DATABASE.search(told) is not None
            step = self._missing() if missing else next((step for says, step in _NEXT_STEPS if says.search(told)), None)
            raise DatabaseUnreachable(f"No connection to {where}: {told}", next_step=step) from error

    def _missing(self) -> str:
        """What to do about a database that does not exist: it may have been dropped, or PGDATABASE names another."""
        there = []
        if self.name != MAINTENANCE:
            with suppress(ShorelineError):
                there = [each.name for each in self.sibling(MAINTENANCE).all_on_server()]
        restore = shlex.join(["shoreline", "restore", f"--database={self.name}"])
        steps = [
            f"The server has {', '.join(there)}." if there else "",
            f"If it was dropped, `{restore}` brings its newest backup back; else correct PGDATABASE.",
            "For a first try, `shoreline database` makes the sample." if self.name == _SAMPLE else "",
        ]
        return " ".join(step for step in steps if step)

    def scalar(self, query: str, *arguments: object) -> Any:
        """The first column of the first row of a query's answer."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            row = cursor.fetchone()
            return None if row is None else row[0]

    def version(self) -> Version:
        """The server's version."""
        number = int(self.scalar("SHOW server_version_num"))
        return Version(number // 10000, number % 10000)

    def tls(self) -> str | None:
        """The version of TLS that this connection is encrypted with, such as 'TLSv1.3'; None when it is not."""
        found = self.scalar("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl")
        return None if found is None else str(found)

    def encoding(self) -> str:
        """The encoding of what the database holds, as PostgreSQL calls it."""
        return str(self.scalar("SHOW server_encoding"))

    def size(self) -> int:
        """Bytes that the database takes on the server's disk."""
        return int(self.scalar("SELECT pg_database_size(current_database())"))

    def all_on_server(self) -> list[Database]:
        """Every database of the server that one can connect to, by name; templates and scratch databases left out."""
        return [self.sibling(name) for name in self._on_server(permitted=True)]

    def closed_on_server(self) -> list[str]:
        """Those that are left out as this user may not connect to them, as a managed server's own."""
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
        """Whether the database is there, asked of the server's maintenance database."""
        maintenance = self.sibling(MAINTENANCE)
        return bool(maintenance.scalar("SELECT count(*) FROM pg_database WHERE datname = %s", self.name))

    def create(self) -> None:
        """Makes the database, empty, in UTF-8 from template0, so that a dump restores into it as it was."""
        with self.sibling(MAINTENANCE).connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(self.name))
            )

    def drop(self) -> None:
        """Drops the database, with its connections, when it is there."""
        with self.sibling(MAINTENANCE).connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def program(self, name: str) -> Path:
        """The path of one of PostgreSQL's client programs. Raises SettingsError when it is not installed."""
        folder = self.connection.programs
        found = shutil.which(name, path=str(folder) if folder else None)
        if found is None:
            message = f"{name} is not {f'in {folder}' if folder else 'on PATH'}."
            raise SettingsError(
                message, next_step="Install PostgreSQL's client programs, or set PG_BIN to their folder."
            )
        return Path(found)

    def client_version(self) -> Version:
        """The version of the installed pg_dump."""
        program = self.program("pg_dump")
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        found = _VERSION.search(answer.stdout)
        if found is None:
            raise SettingsError(f"{program} does not tell its version: {answer.stderr.strip()}")
        return Version(int(found[1]), int(found[2] or 0))

    def check_versions(self) -> tuple[Version, Version]:
        """The server's and pg_dump's versions. Raises ServerNewerThanClient when pg_dump cannot read the server."""
        server, client = self.version(), self.client_version()
        if server.major > client.major:
            raise ServerNewerThanClient(
                f"The server is PostgreSQL {server}, pg_dump is {client}: pg_dump refuses newer servers."
            )
        return server, client


def _set(*options: str) -> str:
    """Settings as libpq takes them: a space within one has a backslash before it."""
    escaped = (option.replace("\\", "\\\\").replace(" ", "\\ ") for option in options)
    return " ".join(f"-c {option}" for option in escaped)


def _first_line(error: psycopg2.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
