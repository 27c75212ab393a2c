"""Scratch databases: made beside the real ones, and removed even after the run that made them was killed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from psycopg2 import errorcodes, sql

from services.backups.configuration import RefusedSetting
from services.backups.manifest import DatabaseTraits
from services.backups.traits import apply, create_like, provide_roles
from services.errors import DatabaseError, RestoreFailed, ShorelineError
from services.postgres.client import IS_SCRATCH, MAINTENANCE, SCRATCH, Database

# A subscription's slot is on its publisher, which dropping a copy's subscription must not touch.
_SUBSCRIBED = """
SELECT subslotname || ' of subscription ' || subname
FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
WHERE datname = %s AND subslotname IS NOT NULL ORDER BY 1
"""
_PUBLISHED = "SELECT slot_name FROM pg_replication_slots WHERE database = %s AND slot_type = 'logical' ORDER BY 1"


def lost_by_replacing(cursor: Any, database: str) -> Iterator[str]:
    """A sentence for each kind of replication slot that replacing a database leaves behind or drops; none as a rule."""

    def names(query: str) -> str:
        cursor.execute(query, (database,))
        return ", ".join(name for (name,) in cursor.fetchall())

    if subscribed := names(_SUBSCRIBED):
        yield (
            f"Slots stay on the publishers, which keep WAL for them: {subscribed}."
            " Drop each there with pg_drop_replication_slot, unless the restored subscription goes on with it."
        )
    if published := names(_PUBLISHED):
        yield f"Slots of {database} go with it, and who reads from them has to start anew: {published}."


_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1
_ATTEMPTS = 20
_SUBSCRIPTIONS = "SELECT subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = %s"
# Of a transaction, which keeps its connection to the server even through a pooler: a pooler hands the lock of a session
# to whoever comes next.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('shoreline'), hashtext(%s))"
_LIMITS = "('idle_in_transaction_session_timeout', 'transaction_timeout')"
_UNUSED = f"""
SELECT datname FROM pg_database d WHERE {IS_SCRATCH}
AND NOT EXISTS (SELECT FROM pg_stat_activity a
                WHERE a.datid = d.oid AND backend_type IS DISTINCT FROM 'autovacuum worker')
"""  # noqa: S608  # our own condition


@contextmanager
def scratch(
    target: Database,
    traits: DatabaseTraits,
    *,
    create_roles: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Database]:
    """Create an empty database beside `target`, and drop it at the end, unless it has another name by then.

    It is marked, a lock and a session in it are held for as long as it is used, and PUBLIC has no rights in it: the
    next run drops what a killed one left, and reports it to `say`. Until it has its mark it is closed, which is a mark
    of its own.
    """
    server = target.sibling(MAINTENANCE)
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        fresh = _loading(target.sibling(_derived(target.name, "restoring")), cursor, traits)
        provide_roles(cursor, traits, create=create_roles)
    _drop_abandoned(server, say)
    with _claimed(server, fresh.name):
        try:
            _create(server, fresh.name, traits)
            with _claimed(fresh, fresh.name):
                yield fresh
        except BaseException:
            with suppress(ShorelineError):  # the error that is raised matters; the next run drops what is left
                _drop(server, fresh.name)
            raise
        _drop(server, fresh.name)


def _create(server: Database, name: str, traits: DatabaseTraits) -> None:
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        create_like(cursor, name, traits, closed=True)
        _mark(cursor, name)
        _close_to_public(cursor, name)
        _open(cursor, name)


@contextmanager
def _claimed(database: Database, name: str) -> Iterator[None]:
    """Hold the lock of a scratch database in an open transaction; the work goes on when that connection is cut off."""
    finished = False
    try:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN {_LIMITS}")  # noqa: S608
            cursor.execute(_LOCK, (name,))
            yield
            finished = True
    except DatabaseError:
        if not finished:
            raise


@dataclass(frozen=True)
class Swapped:
    """Whether there was a database to replace, and the settings that the server refused."""

    replaced: bool
    refused: tuple[RefusedSetting, ...]


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
        _drop(target.sibling(MAINTENANCE), old, template=False)
    except ShorelineError as error:
        raise DatabaseError(
            f"The backup is restored as {target.name}, and the database that it replaced could not be dropped: {error}",
            next_step=f"Find what holds it, then drop it yourself: its name is {old} now.",
        ) from error


def _rename_both(
    fresh: Database, target: Database, old: str | None, traits: DatabaseTraits, *, doomed: bool
) -> tuple[RefusedSetting, ...]:
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
    """Return the names of the scratch databases that killed runs left on the server."""
    with server.connect() as connection, connection.cursor() as cursor:
        return _abandoned(cursor)


def drop_abandoned(server: Database) -> list[str]:
    """Drop the scratch databases that killed runs left on the server, and return their names."""
    return _drop_abandoned(server, lambda _: None)


def _drop_abandoned(server: Database, say: Callable[[str], None]) -> list[str]:
    """Drop what killed runs left. A database that cannot be dropped does not stop the run."""
    dropped = []
    with server.connect() as connection, connection.cursor() as cursor:
        for name in _abandoned(cursor):
            try:
                _drop(server, name, force=False)
            except ShorelineError as error:
                say(f"{name}, which a killed restore or drill left, could not be dropped: {error}")
            else:
                say(f"{name} was dropped: a killed restore or drill left it.")
                dropped.append(name)
    return dropped


def _abandoned(cursor: Any) -> list[str]:
    """Return those that nobody uses or has claimed; this transaction holds their locks from now on."""
    cursor.execute(_UNUSED)
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
    cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(SCRATCH)))


def _close_to_public(cursor: Any, name: str) -> None:
    """Keep out the roles that may not connect to the original: `apply` gives PUBLIC its rights back."""
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def _open(cursor: Any, name: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true CONNECTION LIMIT -1").format(sql.Identifier(name)))


def _drop(server: Database, name: str, *, force: bool = True, template: bool = True) -> None:
    """Drop a database, with its sessions if `force`, even when it is marked as a `template`.

    On a connection of its own: one that was idle while all was restored may have been cut off.
    """
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(_SUBSCRIPTIONS, (name,))
        _drop_subscriptions(server.sibling(name), [row[0] for row in cursor.fetchall()])
        cursor.execute("SELECT FROM pg_database WHERE datname = %s AND datistemplate", (name,))
        if template and cursor.fetchone() is not None:
            cursor.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
        option = sql.SQL(" WITH (FORCE)") if force else sql.SQL("")
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)) + option)


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


def _disconnect(cursor: Any, name: str) -> None:
    cursor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (name,),
    )


def _rename(cursor: Any, name: str, new: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new)))
