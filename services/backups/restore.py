"""Restores a backup into a new database, which takes the final name when it is complete."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from services.backups.catalog import Backup
from services.backups.encryption import opened
from services.backups.load import Advance, LoadOptions, check, load
from services.backups.manifest import DatabaseTraits
from services.backups.scratch import lost_by_replacing, scratch, swap
from services.backups.traits import lacks_tablespace
from services.errors import InputError, RestoreFailed
from services.postgres.client import MAINTENANCE, Database
from services.s3.objects import Storage

_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1
_LIVE = """
SELECT pg_catalog.pg_database_size(pg_catalog.current_database()),
 (SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_catalog.pg_stat_user_tables),
 (SELECT count(*) FROM pg_catalog.pg_stat_activity
  WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid())
"""


@dataclass(frozen=True)
class LiveDatabase:
    """The present content of a database."""

    bytes: int  # on the server's disk
    rows: int  # estimated from the server's statistics
    sessions: int  # of other clients


def live(database: Database) -> LiveDatabase:
    """Return the size, rows and sessions of a database, without reading its tables."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_LIVE)
        return LiveDatabase(*cursor.fetchone())


def name_for_replaced(database: Database, now: datetime) -> str:
    """Return the name that a replaced database is kept under, such as shop_before_20261128_1632.

    Raises RestoreFailed when a database already has that name.
    """
    suffix = f"_before_{now:%Y%m%d_%H%M}"
    name = database.name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix
    if database.sibling(name).exists():
        raise RestoreFailed(
            f"The database {name} already exists.", next_step="Try again in a minute, or drop it first."
        )
    return name


_FIRST_USER_OID = 16384  # PostgreSQL's FirstNormalObjectId: objects with a smaller OID came with the server
_CATALOGS = (
    "pg_am",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_conversion",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_language",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_proc",
    "pg_publication",
    "pg_transform",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
)


@dataclass(frozen=True)
class Restored:
    """The result of a restore. `tables`, `rows` and `bytes` are those of the whole backup, also for a part."""

    key: str
    database: str
    replaced: bool
    tables: int
    rows: int
    bytes: int
    seconds: float
    part: bool
    refused: tuple[str, ...] = ()  # settings that the server did not accept, as 'name' or 'role: name'
    notes: tuple[str, ...] = ()  # how the database differs from the original, with the reasons for refused settings
    kept_as: str | None = None  # the name that the replaced database has now
    source: str = ""  # the database that was backed up
    psql: str = ""  # the command that connects to what was restored


def restore(
    storage: Storage,
    backup: Backup,
    target: Database,
    options: LoadOptions | None = None,
    *,
    replace: bool = False,
    keep_as: str | None = None,
    advance: Advance = lambda _: None,
) -> Restored:
    """Restore `backup` as the database `target`, and log how it will differ from the original.

    The backup is loaded into a new database, which takes the target's name when it is complete and the object's SHA-256
    is right. A replaced database is dropped, unless `keep_as` is its new name.

    Raises RestoreFailed (also when the target is not empty and `replace` is False), BackupDamaged and InputError. The
    target is then unchanged.
    """
    began = time.monotonic()
    options = options or LoadOptions()
    check(backup, options)
    if replace and options.part:
        raise InputError(
            "--replace with --tables or --schema-only would replace the whole database by a part.",
            next_step="Restore the part into another database: --into NAME.",
        )
    if target.name == MAINTENANCE:
        raise InputError(
            f"{MAINTENANCE} cannot be restored into: a restore connects to it to create and rename databases.",
            next_step="Restore it under another name: --into NAME.",
        )
    if not replace:
        _require_empty(target, backup, options)
    _require_settled(target)
    manifest = backup.manifest
    traits = opened(manifest.traits, options.identities, encrypted=manifest.encrypted and not options.allow_unencrypted)
    notes = _notes(target, traits, replace=replace)
    for note in notes:
        logger.warning(note)
    with scratch(target, traits, create_roles=options.create_roles) as fresh:
        load(storage, backup, fresh, options, advance)
        if not replace:
            _require_empty(target, backup, options)  # somebody may have created something in it meanwhile
        swapped = swap(fresh, target, traits, keep_as)
    for setting in swapped.refused:
        logger.warning(setting.sentence)
    return Restored(
        key=backup.key,
        database=target.name,
        replaced=swapped.replaced,
        tables=len(manifest.fingerprint.tables),
        rows=manifest.fingerprint.rows,
        bytes=manifest.plain_bytes,
        seconds=round(time.monotonic() - began, 3),
        part=options.part,
        refused=tuple(map(str, swapped.refused)),
        notes=(*notes, *(setting.sentence for setting in swapped.refused)),
        kept_as=keep_as if swapped.replaced else None,
        source=manifest.database,
        psql=_psql(target),
    )


def _psql(target: Database) -> str:
    server = target.connection
    options = [f"--host={server.host}", f"--port={server.port}", f"--username={server.user}", f"--dbname={target.name}"]
    return shlex.join(["psql", *options])


def _notes(target: Database, traits: DatabaseTraits, *, replace: bool) -> tuple[str, ...]:
    with target.sibling(MAINTENANCE).connect() as connection, connection.cursor() as cursor:
        notes = list(lost_by_replacing(cursor, target.name)) if replace else []
        if lacks_tablespace(cursor, traits):
            notes.append(
                f"The server has no tablespace {traits.tablespace}: the database goes into the default tablespace."
            )
    return tuple(notes)


def _require_empty(target: Database, backup: Backup, options: LoadOptions) -> None:
    if target.exists() and not is_empty(target):
        raise RestoreFailed(f"The database {target.name} is not empty.", next_step=_beside(target, backup, options))


def _beside(target: Database, backup: Backup, options: LoadOptions) -> str:
    """Return the commands that restore under another name, or replace a database that is not empty."""
    beside = f"--into={target.name}_restored"
    if options.part:
        return f"Add {shlex.quote(beside)} to restore the part into another database."
    command = ["shoreline", "restore", f"--key={backup.name.stem}"]
    into = [] if target.name == backup.manifest.database else [f"--into={target.name}"]
    return (
        f"`{shlex.join([*command, beside])}` restores under another name;"
        f" `{shlex.join([*command, *into, '--replace'])}` replaces the database, after a question."
    )


def _require_settled(target: Database) -> None:
    """Raise RestoreFailed for a database with prepared transactions, which PostgreSQL does not rename."""
    query = "SELECT string_agg(quote_literal(gid), ', ' ORDER BY gid) FROM pg_prepared_xacts WHERE database = %s"
    if prepared := target.sibling(MAINTENANCE).scalar(query, target.name):
        raise RestoreFailed(
            f"The database {target.name} has prepared transactions and cannot be renamed: {prepared}.",
            next_step="Run COMMIT PREPARED or ROLLBACK PREPARED for each in that database, or pass --into NAME.",
        )


def is_empty(database: Database) -> bool:
    """Return whether the database has only the objects of a new one."""
    objects = " UNION ALL ".join(f"SELECT oid FROM {catalog}" for catalog in _CATALOGS)  # noqa: S608  # our own names
    query = (
        f"SELECT NOT EXISTS (SELECT FROM ({objects}) AS objects WHERE oid >= {_FIRST_USER_OID})"  # noqa: S608
        " AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)"  # their OIDs may be any number
        " AND NOT EXISTS (SELECT FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"  # of all databases
        " WHERE datname = current_database())"
    )
    return bool(database.scalar(query))
