"""Scratch databases: made beside the real ones, and removed even after the run that made them was killed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from psycopg2 import errorcodes, sql

from services.backups.manifest import DatabaseTraits
from services.backups.traits import apply, create_like, provide_roles
from services.database import IS_SCRATCH, MAINTENANCE, SCRATCH, Database
from services.errors import DatabaseError, RestoreFailed, ShorelineError

_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1
_ATTEMPTS = 20
_SUBSCRIPTIONS = "SELECT subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = %s"
_LOCK = "SELECT pg_try_advisory_lock(hashtext('shoreline'), hashtext(%s))"


@contextmanager
def scratch(
    target: Database,
    traits: DatabaseTraits,
    *,
    create_roles: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Database]:
    """A new, empty database beside `target`; at the end it is dropped, unless it has another name by then.

    It is marked, and a lock is held for as long as it is used: the next run drops what a killed one left, which `say`
    is told by name. Until it has its mark it is closed, which is a mark of its own.
    """
    server = target.sibling(MAINTENANCE)
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        _idle_for_long(cursor)
        fresh = _loading(target.sibling(_derived(target.name, "restoring")), cursor, traits)
        provide_roles(cursor, traits, create=create_roles)
        _drop_abandoned(server, cursor, say)
        cursor.execute(_LOCK, (fresh.name,))
        try:
            create_like(cursor, fresh.name, traits, closed=True)
            _mark(cursor, fresh.name)
            _open(cursor, fresh.name)
            yield fresh
        except BaseException:
            with suppress(ShorelineError):  # what went wrong is told; the next run drops what is left
                _drop(server, fresh.name)
            raise
        _drop(server, fresh.name)


@dataclass(frozen=True)
class Swapped:
    """Whether there was a database to replace, and the settings of roles that were refused, as 'role: name'."""

    replaced: bool
    refused: tuple[str, ...]


def swap(fresh: Database, target: Database, traits: DatabaseTraits, keep_as: str | None = None) -> Swapped:
    """Gives `fresh` the target's name, in one transaction, and drops the database that had it, or keeps it renamed."""
    old = keep_as or _derived(target.name, "old")
    replaced = target.exists()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            refused = _rename_both(fresh, target, old if replaced else None, traits, doomed=keep_as is None)
            break
        except DatabaseError as error:  # somebody may connect between our disconnecting them and the rename
            if attempt == _ATTEMPTS or getattr(error.__cause__, "pgcode", None) != errorcodes.OBJECT_IN_USE:
                raise RestoreFailed(f"The names could not be exchanged: {error}") from error
    if replaced and keep_as is None:
        _drop_replaced(target, old)
    return Swapped(replaced, refused)


def _drop_replaced(target: Database, old: str) -> None:
    try:
        _drop(target.sibling(MAINTENANCE), old)
    except ShorelineError as error:
        raise DatabaseError(
            f"The backup is restored as {target.name}, and the database that it replaced could not be dropped: {error}",
            next_step=f"Find what holds it, then drop it yourself: its name is {old} now.",
        ) from error


def _rename_both(
    fresh: Database, target: Database, old: str | None, traits: DatabaseTraits, *, doomed: bool
) -> tuple[str, ...]:
    with target.sibling(MAINTENANCE).connect() as connection, connection.cursor() as cursor:
        if old is not None:
            _disconnect(cursor, target.name)
            _rename(cursor, target.name, old)
            if doomed:
                _mark(cursor, old)
        _disconnect(cursor, fresh.name)
        _rename(cursor, fresh.name, target.name)
        return apply(cursor, target.name, traits)


def abandoned(server: Database) -> list[str]:
    """The scratch databases that killed runs left on the server, by name."""
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        return _abandoned(cursor)


def drop_abandoned(server: Database) -> list[str]:
    """Drops the scratch databases that killed runs left on the server, and names them."""
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        return _drop_abandoned(server, cursor, lambda _: None)


def _drop_abandoned(server: Database, cursor: Any, say: Callable[[str], None]) -> list[str]:
    """One that will not go keeps nobody from a restore."""
    dropped = []
    for name in _abandoned(cursor):
        try:
            _drop(server, name)
        except ShorelineError as error:
            say(f"{name}, which a killed restore or drill left, could not be dropped: {error}")
        else:
            say(f"{name} was dropped: a killed restore or drill left it.")
            dropped.append(name)
    return dropped


def _abandoned(cursor: Any) -> list[str]:
    """Those whose maker is gone; their locks are held by this connection from now on."""
    cursor.execute(f"SELECT datname FROM pg_database WHERE {IS_SCRATCH}")  # noqa: S608  # our own condition
    found = []
    for (name,) in cursor.fetchall():
        cursor.execute(_LOCK, (name,))
        if cursor.fetchone()[0]:
            found.append(name)
    return found


def _derived(name: str, purpose: str) -> str:
    suffix = f"_{purpose}_{secrets.token_hex(4)}"
    return name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


def _mark(cursor: Any, name: str) -> None:
    cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS %s").format(sql.Identifier(name)), (SCRATCH,))


def _open(cursor: Any, name: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true CONNECTION LIMIT -1").format(sql.Identifier(name)))


def _drop(server: Database, name: str) -> None:
    """On a connection of its own: one that was idle while all was restored may be gone."""
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(_SUBSCRIPTIONS, (name,))
        _drop_subscriptions(server.sibling(name), [row[0] for row in cursor.fetchall()])
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_subscriptions(database: Database, names: list[str]) -> None:
    """PostgreSQL drops no database that has some. The publisher's slots stay: they are not this copy's."""
    if not names:
        return
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        for name in map(sql.Identifier, names):
            cursor.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(name))
            cursor.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(name))
            cursor.execute(sql.SQL("DROP SUBSCRIPTION {}").format(name))


def _loading(fresh: Database, cursor: Any, traits: DatabaseTraits) -> Database:
    """The same, with what its sessions need until it has settings of its own.

    Amounts of money are read as they were written. Where that is allowed, errors are in English, out of which values
    are taken, and event triggers are off, where PostgreSQL can do that: one on login may write into a table.
    """
    options = [] if traits.lc_monetary is None else [f"lc_monetary={traits.lc_monetary}"]
    cursor.execute("SELECT current_setting('is_superuser')::bool, current_setting('event_triggers', true) IS NOT NULL")
    allowed, has_switch = cursor.fetchone()
    options += ["lc_messages=C"] if allowed else []
    options += ["event_triggers=off"] if allowed and has_switch else []
    return Database(replace(fresh.connection, options=tuple(options)))


def _idle_for_long(cursor: Any) -> None:
    """The connection that holds the lock says nothing while all is restored; its end would be the lock's."""
    cursor.execute("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'")


def _disconnect(cursor: Any, name: str) -> None:
    cursor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (name,),
    )


def _rename(cursor: Any, name: str, new: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new)))
