"""Scratch databases: created beside the real ones, and dropped later when the run that created them was killed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
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
    """Yield a warning for each kind of replication slot that replacing a database leaves behind or drops."""

    def names(query: str) -> str:
        cursor.execute(query, (database,))
        return ", ".join(name for (name,) in cursor.fetchall())

    if subscribed := names(_SUBSCRIBED):
        yield (
            f"Slots stay on the publishers, which keep WAL for them: {subscribed}."
            " Drop each there with pg_drop_replication_slot, unless the restored subscription goes on with it."
        )
    if published := names(_PUBLISHED):
        yield f"Slots of {database} are dropped with it, and their readers must start again: {published}."


_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1
_ATTEMPTS = 20
_SUBSCRIPTIONS = "SELECT subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = %s"
# The lock belongs to a transaction, which keeps its server connection even behind a pooler. A session's lock would pass
# to the pooler's next client.
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
) -> Iterator[Database]:
    """Create an empty database beside `target`, and drop it at the end, unless it was renamed.

    It has a comment that marks it, this run holds a lock and a session in it, and PUBLIC has no rights in it. So the
    next run can drop it when this one is killed. Before it has the comment, it accepts no connections, by which the
    next run recognizes it too.
    """
    server = target.sibling(MAINTENANCE)
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        fresh = _with_load_options(target.sibling(_derived(target.name, "restoring")), cursor, traits)
        provide_roles(cursor, traits, create=create_roles)
    drop_abandoned(server)
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
    """Hold the lock of a scratch database in an open transaction. Losing that connection does not stop the work."""
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
class SwapResult:
    """The outcome of a swap."""

    replaced: bool  # whether a database had the target's name
    refused: tuple[RefusedSetting, ...]  # settings that the server did not accept


def swap(fresh: Database, target: Database, traits: DatabaseTraits, keep_as: str | None = None) -> SwapResult:
    """Give `fresh` the target's name in one transaction, and drop the database that had it, or rename it `keep_as`."""
    old = keep_as or _derived(target.name, "old")
    replaced = target.exists()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            refused = _rename_both(fresh, target, old if replaced else None, traits, doomed=keep_as is None)
            break
        except DatabaseError as error:  # somebody may connect after we ended all sessions
            if attempt == _ATTEMPTS or getattr(error.__cause__, "pgcode", None) != errorcodes.OBJECT_IN_USE:
                raise RestoreFailed(f"Renaming {fresh.name} to {target.name} failed: {error}") from error
    if replaced and keep_as is None:
        _drop_replaced(target, old)
    return SwapResult(replaced, refused)


def _drop_replaced(target: Database, old: str) -> None:
    try:
        _drop(target.sibling(MAINTENANCE), old, template=False)
    except ShorelineError as error:
        raise DatabaseError(
            f"The backup is restored as {target.name}, but the replaced database could not be dropped: {error}",
            next_step=f"Find what uses it, then drop it: it is named {old} now.",
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
    """Drop the scratch databases that killed runs left on the server, and return their names.

    One that cannot be dropped is logged and does not stop the run.
    """
    from loguru import logger  # lazy: a cleanup imports this module, and loguru imports asyncio

    dropped = []
    with server.connect() as connection, connection.cursor() as cursor:
        for name in _abandoned(cursor):
            try:
                _drop(server, name, force=False)
            except ShorelineError as error:
                logger.warning(f"could not drop {name}, which a killed restore or drill left: {error}")
            else:
                logger.warning(f"dropped {name}, which a killed restore or drill left")
                dropped.append(name)
    return dropped


def _abandoned(cursor: Any) -> list[str]:
    """Return the scratch databases that no session uses and no run has locked, and lock them in this transaction."""
    cursor.execute(_UNUSED)
    names = []
    for (name,) in cursor.fetchall():
        cursor.execute(_LOCK, (name,))
        if cursor.fetchone()[0]:
            names.append(name)
    return names


def _derived(name: str, purpose: str) -> str:
    suffix = f"_{purpose}_{secrets.token_hex(4)}"
    return name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


def _mark(cursor: Any, name: str) -> None:
    cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(SCRATCH)))


def _close_to_public(cursor: Any, name: str) -> None:
    """Keep out the roles that may not connect to the original. `apply` gives PUBLIC its rights back."""
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def _open(cursor: Any, name: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true CONNECTION LIMIT -1").format(sql.Identifier(name)))


def _drop(server: Database, name: str, *, force: bool = True, template: bool = True) -> None:
    """Drop a database; end its sessions if `force`, and drop it even as a template if `template`.

    It uses a new connection: one that was idle during a long restore may have been closed.
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
    """Drop subscriptions, because PostgreSQL cannot drop a database that has some.

    The publisher's slots stay: they belong to the original.
    """
    if not names:
        return
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        for name in map(sql.Identifier, names):
            cursor.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(name))
            cursor.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(name))
            cursor.execute(sql.SQL("DROP SUBSCRIPTION {}").format(name))


def _with_load_options(fresh: Database, cursor: Any, traits: DatabaseTraits) -> Database:
    """Return `fresh` with the session options that a load needs.

    lc_monetary is that of the backup, so that amounts of money are read as they were written. For a superuser, errors
    are in English, because row values are removed from them by pattern, and event triggers are off where PostgreSQL
    supports that: one on login may write into a table.
    """
    options = [] if traits.lc_monetary is None else [f"lc_monetary={traits.lc_monetary}"]
    cursor.execute("SELECT current_setting('is_superuser')::bool, current_setting('event_triggers', true) IS NOT NULL")
    is_superuser, has_event_triggers = cursor.fetchone()
    options += ["lc_messages=C"] if is_superuser else []
    options += ["event_triggers=off"] if is_superuser and has_event_triggers else []
    return Database(replace(fresh.connection, options=tuple(options)))


def _disconnect(cursor: Any, name: str) -> None:
    cursor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (name,),
    )


def _rename(cursor: Any, name: str, new: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new)))
