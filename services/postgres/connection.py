"""The description of a connection, for psycopg2 and for PostgreSQL's programs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import DatabaseUnreachable

CONNECT_SECONDS = 10  # before a silent server counts as unreachable
KEEPALIVES = {"keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "6"}  # seconds, seconds, probes
# Shoreline's queries use only PostgreSQL's own functions and operators, whatever a database or role sets.
# Source: PostgreSQL's advice since CVE-2018-1058.
SAFE_PATH = "pg_catalog, pg_temp"
LOCK_SECONDS = 60.0
OPTIONS_MARK = ("shoreline.options", "kept")  # a custom setting that shows whether a pooler drops startup options
# Connection keywords of libpq that Shoreline does not set itself, by variable.
# Source: libpq, "Environment Variables" and "Parameter Key Words".
EXTRA_KEYWORDS = {
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGLOADBALANCEHOSTS": "load_balance_hosts",
    "PGCHANNELBINDING": "channel_binding",
    "PGREQUIREAUTH": "require_auth",
    "PGREQUIREPEER": "requirepeer",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGSSLCRL": "sslcrl",
    "PGSSLCRLDIR": "sslcrldir",
    "PGSSLCERTMODE": "sslcertmode",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGGSSENCMODE": "gssencmode",
    "PGKRBSRVNAME": "krbsrvname",
}
_NEWER_TIMEOUTS = {"idle_session_timeout": 14_00_00, "transaction_timeout": 17_00_00}  # by the first version with it
_OWN_KEYWORDS = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGDATABASE": "dbname",
    "PGPASSFILE": "passfile",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGAPPNAME": "application_name",
}
_CHILD_VARIABLES = ("PATH", "HOME", "SSL_CERT_FILE", "LD_LIBRARY_PATH")
# Variables that libpq reads as defaults. A connection must depend on its description only.
_AMBIENT = (
    *_OWN_KEYWORDS,
    *EXTRA_KEYWORDS,
    *("PGPASSWORD", "PGOPTIONS", "PGSERVICE", "PGSERVICEFILE", "PGTZ", "PGDATESTYLE", "PGGEQO", "PGCLIENTENCODING"),
    *("PGSSLSNI", "PGSSLCOMPRESSION", "PGREQUIRESSL", "PGGSSLIB", "PGGSSDELEGATION"),
    *("PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION"),
)


def forget_ambient_settings() -> None:
    """Remove libpq's variables from this process; descriptions of connections contain what they need of them."""
    for name in _AMBIENT:
        os.environ.pop(name, None)


@dataclass(frozen=True)
class Server:
    """The server that the first connection reached."""

    host: str
    address: str | None
    version: int = 0  # as server_version_num
    keeps_options: bool = True  # whether a pooler in between passes startup options on


@dataclass(frozen=True)
class Connection:
    """The description of a connection to one database."""

    host: str
    port: int
    user: str
    database: str
    password: str | None = field(default=None, repr=False)
    passfile: Path | None = None
    sslmode: str = "prefer"
    sslrootcert: str | None = None  # a file, or libpq's word "system"
    programs: Path | None = None  # the folder of pg_dump and psql; None for PATH
    options: tuple[str, ...] = ()  # settings of each session, as 'name=value'
    hostaddr: str | None = None
    libpq: tuple[tuple[str, str], ...] = ()  # further keywords and values
    search_path: str | None = SAFE_PATH  # None for that of the database, for queries that qualify every name
    lock_seconds: float = LOCK_SECONDS
    application: str = "shoreline"
    # The servers that were reached: all connections and programs of a job use the same one.
    servers: dict[tuple[str, str | None, int], Server] = field(default_factory=dict, compare=False, repr=False)

    @property
    def server(self) -> Server | None:
        """The server that this description has reached; None before the first connection."""
        return self.servers.get((self.host, self.hostaddr, self.port))

    def remember(self, server: Server) -> None:
        """Direct later connections and programs to the same server."""
        self.servers[self.host, self.hostaddr, self.port] = server

    @property
    def where(self) -> str:
        """User, host, port and database, for messages."""
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def keywords(self) -> dict[str, str]:
        """Return libpq's keywords for this connection, without the password."""
        reached = self.server
        keywords = {
            "host": reached.host if reached else self.host,
            "hostaddr": reached.address if reached else self.hostaddr,
            "port": str(self.port),
            "user": self.user,
            "dbname": self.database,
            "passfile": str(self.passfile) if self.passfile else None,
            "sslmode": self.sslmode,
            "sslrootcert": self.sslrootcert,
            "connect_timeout": str(CONNECT_SECONDS),
            "application_name": self.application,
            **KEEPALIVES,
            **dict(self.libpq),
        }
        if reached:
            keywords.pop("load_balance_hosts", None)  # the server is fixed now
        return {keyword: value for keyword, value in keywords.items() if value is not None}

    def settings(self) -> dict[str, str]:
        """Return the settings of each session, which override those of roles and databases."""
        settings: dict[str, str | None] = {
            OPTIONS_MARK[0]: OPTIONS_MARK[1],
            "search_path": self.search_path,
            "timezone": "UTC",
            "datestyle": "ISO, YMD",
            "intervalstyle": "postgres",
            "bytea_output": "hex",
            "extra_float_digits": "1",
            "standard_conforming_strings": "on",
            "statement_timeout": "0",
            "lock_timeout": str(round(self.lock_seconds * 1000)),
            "idle_in_transaction_session_timeout": "0",
            "default_transaction_read_only": "off",
            "default_transaction_isolation": "read committed",
            "default_transaction_deferrable": "off",
        }
        version = self.server.version if self.server else 0
        settings |= {name: "0" for name, since in _NEWER_TIMEOUTS.items() if version >= since}
        own = dict(option.split("=", 1) for option in self.options)
        return {name: value for name, value in {**settings, **own}.items() if value is not None}

    def conninfo(self) -> str:
        """Return the connection string for a program. A libpq refuses keywords that it does not know."""
        return " ".join(f"{keyword}={_quoted(value)}" for keyword, value in self.keywords().items())

    def environment(self, *options: str) -> dict[str, str]:
        """Return the environment of a PostgreSQL program, with the password, which never goes on a command line.

        `options` are further settings of its session.
        """
        if self.options and self.server and not self.server.keeps_options:
            raise DatabaseUnreachable(
                f"{self.where} is a pooler that drops the startup parameter options, which a restore needs.",
                next_step="Set PGHOST and PGPORT to the server itself.",
            )
        env = {name: os.environ[name] for name in _CHILD_VARIABLES if name in os.environ}
        keywords = self.keywords()
        for variable, keyword in (_OWN_KEYWORDS | EXTRA_KEYWORDS).items():
            if keyword in keywords:
                env[variable] = keywords[keyword]
        env |= {"PGTZ": "UTC", "LC_ALL": "C.UTF-8"}
        env["PGOPTIONS"] = self.session_options(*options)
        if self.password is not None:
            env["PGPASSWORD"] = self.password
        return env

    def session_options(self, *options: str) -> str:
        """Return the settings of a session in libpq's format, where a backslash escapes white space."""
        settings = self.settings() | dict(option.split("=", 1) for option in options)
        return " ".join(f"-c {_escaped(f'{name}={value}')}" for name, value in settings.items())


def _escaped(option: str) -> str:
    return "".join(f"\\{character}" if character in "\\ \t\n\r\v\f" else character for character in option)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
