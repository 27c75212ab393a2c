"""What to do about an error of PostgreSQL or libpq: a setting, a grant or a command."""

from __future__ import annotations

import re

_POOLER = (
    "PGHOST and PGPORT point to a pooler: set them to the server itself, or give the pooler a database with"
    " pool_mode = session, and ignore_startup_parameters = options in pgbouncer.ini."
)
_NOT_UNICODE = (
    "PostgreSQL cannot convert this database's encoding to UTF8, which Shoreline needs: back this database up with"
    " `pg_dump`, and list the others in PGDATABASE."
)
# By the English message of libpq or the server. In other languages the error's default advice remains.
_CONNECTION_ADVICE = (
    (re.compile("unsupported startup parameter"), _POOLER),
    (
        re.compile("invalid connection option|invalid .* value|not supported by this build"),
        "The libpq of psycopg2 or of the client programs does not know this setting: unset it, or install newer ones.",
    ),
    (
        re.compile("not (read-write|read-only)|is (not )?in (hot standby|recovery|read-only)|standby mode|session is"),
        "No server in PGHOST matches PGTARGETSESSIONATTRS.",
    ),
    (
        re.compile(r'database ".*" does not exist|no such database'),
        "Set PGDATABASE to an existing database, or create the sample: `shoreline database`.",
    ),
    (
        re.compile("channel binding|authentication method requirement"),
        "Check PGCHANNELBINDING and PGREQUIREAUTH: the server offers another authentication method.",
    ),
    (
        re.compile("authentication failed|no password supplied|no pg_hba.conf entry"),
        "Check PGUSER and PGPASSWORD (or PGPASSWORD_FILE); pg_hba.conf on the server defines who may connect, and how.",
    ),
    (
        re.compile("conversion between .* is not supported"),
        _NOT_UNICODE,
    ),
    (re.compile("SSL|certificate"), "Check PGSSLMODE and PGSSLROOTCERT, and whether the server offers TLS."),
    (
        re.compile("too many clients|connection slots are reserved|too many connections"),
        "Raise max_connections on the server or the limit of PGUSER, or run the job when fewer are connected.",
    ),
    (
        re.compile("refused|timeout|could not translate|No route|unreachable"),
        "Check PGHOST and PGPORT, and that the server is running and reachable.",
    ),
)
_LOCKS = "Raise max_locks_per_transaction on the server and restart it: a dump locks every table at once."
_READ_PRIVILEGE = (
    "Let the role read everything, as a superuser: GRANT pg_read_all_data TO <PGUSER>;"
    " for tables with row-level security also: ALTER ROLE <PGUSER> BYPASSRLS;"
)
_STANDBY = (
    "Set hot_standby_feedback = on, or a longer max_standby_streaming_delay, on the standby; or back up the primary."
)
_READ_ONLY = "This server, database or role is read-only: set PGHOST to the primary, or use another PGUSER."
_TOO_LARGE = (
    "PostgreSQL writes a value as text of at most 1 GB, and bytea takes two characters a byte: store values over"
    " 500 MB as large objects, or in pieces."
)
_LOCKED = (
    "End the session that holds the lock, or wait longer: BACKUP_LOCK_TIMEOUT. To find it:"
    ' psql -c "SELECT pid, usename, state, query FROM pg_stat_activity WHERE pid IN'
    ' (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity)"'
)
_ADVICE = (
    (re.compile("max_locks_per_transaction|out of shared memory"), _LOCKS),
    (re.compile("due to conflict with recovery"), _STANDBY),
    (
        re.compile("invalid memory alloc request size|out of memory|string buffer exceeds maximum|Cannot enlarge"),
        _TOO_LARGE,
    ),
    (re.compile("lock timeout|could not obtain lock"), _LOCKED),
    (
        re.compile(
            r"permission denied for (table|sequence|schema|view|materialized view|large object|foreign table)(?! pg_)"
        ),
        _READ_PRIVILEGE,
    ),
    (re.compile("row-level security"), _READ_PRIVILEGE),
    (re.compile("read-only transaction|during recovery"), _READ_ONLY),
    (re.compile("invalid connection option"), _CONNECTION_ADVICE[1][1]),
)
_BY_STATE = {"55P03": _LOCKED, "25006": _READ_ONLY}


def advice(text: str, state: str | None = None) -> str | None:
    """Return the next step for a message of PostgreSQL or one of its programs, or None."""
    if state in _BY_STATE:
        return _BY_STATE[state]
    return next((step for says, step in _ADVICE if says.search(text)), None)


def connection_advice(text: str) -> str | None:
    """Return the next step for a failed connection, or None."""
    return next((step for says, step in _CONNECTION_ADVICE if says.search(text)), None)


def first_line(error: Exception) -> str:
    """Return the first line of an error, or its class if it is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
