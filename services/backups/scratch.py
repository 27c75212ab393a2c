"""Scratch databases: made beside the real ones, and removed even after the run that made them was killed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import errorcodes, sql

from services.backups.manifest import DatabaseTraits
from services.backups.traits import apply, create_like, provide_roles
from services.database import IS_SCRATCH, SCRATCH, Database
from services.errors import DatabaseError, RestoreFailed

_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1
_ATTEMPTS = 20
_LOCK = "SELECT pg_try_advisory_lock(hashtext('shoreline'), hashtext(%s))"


@contextmanager
def scratch(target: Database, traits: DatabaseTraits, *, create_roles: bool = False) -> Iterator[Database]:
    """A new, empty database beside `target`; at the end it is dropped, unless it has another name by then.

    It is marked, and a lock is held for as long as it is used: the next run drops what a killed one left. Until it
    has its mark it is closed, which is a mark of its own.
    """
    fresh = target.sibling(_derived(target.name, "restoring"))
    with target.sibling("postgres").connect(autocommit=True) as connection, connection.cursor() as cursor:
        provide_roles(cursor, traits, create=create_roles)
        _drop_abandoned(cursor)
        cursor.execute(_LOCK, (fresh.name,))
        try:
            create_like(cursor, fresh.name, traits, closed=True)
            _mark(cursor, fresh.name)
            _open(cursor, fresh.name)
            yield fresh
        finally:
            _drop(cursor, fresh.name)


def swap(fresh: Database, target: Database, traits: DatabaseTraits) -> bool:
    """Gives `fresh` the target's name, in one transaction, and drops the database that had it; says whether one had."""
    old = _derived(target.name, "old")
    replaced = target.exists()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _rename_both(fresh, target, old if replaced else None, traits)
            break
        except DatabaseError as error:  # somebody may connect between our disconnecting them and the rename
            if attempt == _ATTEMPTS or getattr(error.__cause__, "pgcode", None) != errorcodes.OBJECT_IN_USE:
                raise RestoreFailed(f"The names could not be exchanged: {error}") from error
    if replaced:
        with target.sibling("postgres").connect(autocommit=True) as connection, connection.cursor() as cursor:
            _drop(cursor, old)
    return replaced


def _rename_both(fresh: Database, target: Database, old: str | None, traits: DatabaseTraits) -> None:
    with target.sibling("postgres").connect() as connection, connection.cursor() as cursor:
        if old is not None:
            _disconnect(cursor, target.name)
            _rename(cursor, target.name, old)
            _mark(cursor, old)
        _disconnect(cursor, fresh.name)
        _rename(cursor, fresh.name, target.name)
        apply(cursor, target.name, traits)


def abandoned(server: Database) -> list[str]:
    """The scratch databases that killed runs left on the server, by name."""
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        return _abandoned(cursor)


def drop_abandoned(server: Database) -> list[str]:
    """Drops the scratch databases that killed runs left on the server, and names them."""
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        return _drop_abandoned(cursor)


def _drop_abandoned(cursor: Any) -> list[str]:
    names = _abandoned(cursor)
    for name in names:
        _drop(cursor, name)
    return names


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


def _drop(cursor: Any, name: str) -> None:
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _disconnect(cursor: Any, name: str) -> None:
    cursor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (name,),
    )


def _rename(cursor: Any, name: str, new: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new)))
