"""Restores a backup into a database of its own, and gives it its name when it is whole."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

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
    """What a database holds now."""

    bytes: int  # on the server's disk
    rows: int  # as the server's statistics estimate them
    sessions: int  # of others


def live(database: Database) -> LiveDatabase:
    """Return what a database holds now, without reading its tables."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_LIVE)
        return LiveDatabase(*cursor.fetchone())


def name_of_old(database: Database, now: datetime) -> str:
    """Return the name for a database that is kept when another takes its place: shop_before_20261128_1632.

    Raises RestoreFailed when there is such a database already.
    """
    suffix = f"_before_{now:%Y%m%d_%H%M}"
    name = database.name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix
    if database.sibling(name).exists():
        raise RestoreFailed(
            f"There is a database {name} already.", next_step="Try again in a minute, or drop it first."
        )
    return name


_FIRST_OWN = 16384  # PostgreSQL's FirstNormalObjectId: what has a smaller number came with the server
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
    """What was restored, and how long it took. `tables`, `rows` and `bytes` are the whole backup's, also of a part.

    `refused` are settings that the server did not take, as 'name', or 'role: name' for a role's. `notes` says what is
    not as it was, the reasons for those settings included.
    """

    key: str
    database: str
    replaced: bool
    tables: int
    rows: int
    bytes: int
    seconds: float
    part: bool
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
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
    say: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Restores `backup` as the database `target`; `say` is told what will not be as it was, or went.

    It goes into a new database first, which takes the target's name when all of it is there and the object's SHA-256
    was right. Raises RestoreFailed, also when the target holds something and `replace` is False; BackupDamaged;
    InputError. The target is then as it was. A database that is replaced is dropped, unless `keep_as` is its new name.
    """
    began = time.monotonic()
    options = options or LoadOptions()
    check(backup, options)
    if replace and options.part:
        raise InputError(
            "--replace would put a part in the place of the whole database.",
            next_step="Restore the part beside it: --into NAME.",
        )
    if target.name == MAINTENANCE:
        raise InputError(
            f"{MAINTENANCE} is the database that a restore works from: nothing can take its place.",
            next_step="Restore it under another name: --into NAME.",
        )
    if not replace:
        _require_empty(target, backup, options)
    _require_settled(target)
    manifest = backup.manifest
    traits = opened(manifest.traits, options.identities, encrypted=manifest.encrypted and not options.allow_unencrypted)
    notes = _notes(target, traits, replace=replace)
    for each in notes:
        say(each)
    with scratch(target, traits, create_roles=options.create_roles, say=say) as fresh:
        load(storage, backup, fresh, options, advance)
        if not replace:
            _require_empty(target, backup, options)  # somebody may have begun to use it meanwhile
        swapped = swap(fresh, target, traits, keep_as)
    for setting in swapped.refused:
        say(setting.sentence)
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
    given = target.connection
    options = [f"--host={given.host}", f"--port={given.port}", f"--username={given.user}", f"--dbname={given.database}"]
    return shlex.join(["psql", *options])


def _notes(target: Database, traits: DatabaseTraits, *, replace: bool) -> tuple[str, ...]:
    with target.sibling(MAINTENANCE).connect() as connection, connection.cursor() as cursor:
        told = list(lost_by_replacing(cursor, target.name)) if replace else []
        if lacks_tablespace(cursor, traits):
            told.append(f"The server has no tablespace {traits.tablespace}: the database goes into the server's own.")
    return tuple(told)


def _require_empty(target: Database, backup: Backup, options: LoadOptions) -> None:
    if target.exists() and not is_empty(target):
        raise RestoreFailed(f"The database {target.name} is not empty.", next_step=_beside(target, backup, options))


def _beside(target: Database, backup: Backup, options: LoadOptions) -> str:
    """The commands that restore under another name, and in the place of a database that is not empty."""
    beside = f"--into={target.name}_restored"
    if options.part:
        return f"Add {shlex.quote(beside)} to restore the part beside it."
    command = ["shoreline", "restore", f"--key={backup.name.stem}"]
    into = [] if target.name == backup.manifest.database else [f"--into={target.name}"]
    return (
        f"`{shlex.join([*command, beside])}` restores beside it;"
        f" `{shlex.join([*command, *into, '--replace'])}` puts the backup in its place, after a question."
    )


def _require_settled(target: Database) -> None:
    """Raises RestoreFailed for a database with prepared transactions: PostgreSQL does not rename it."""
    query = "SELECT string_agg(quote_literal(gid), ', ' ORDER BY gid) FROM pg_prepared_xacts WHERE database = %s"
    if prepared := target.sibling(MAINTENANCE).scalar(query, target.name):
        raise RestoreFailed(
            f"The database {target.name} has prepared transactions, so that nothing can take its place: {prepared}.",
            next_step="End each there with COMMIT PREPARED or ROLLBACK PREPARED, or give --into another name.",
        )


def is_empty(database: Database) -> bool:
    """Whether nobody made anything in the database."""
    made = " UNION ALL ".join(f"SELECT oid FROM {catalog}" for catalog in _CATALOGS)  # noqa: S608  # our own names
    query = (
        f"SELECT NOT EXISTS (SELECT FROM ({made}) AS made WHERE oid >= {_FIRST_OWN})"  # noqa: S608
        " AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)"  # whose numbers anyone may choose
        " AND NOT EXISTS (SELECT FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"  # of all databases
        " WHERE datname = current_database())"
    )
    return bool(database.scalar(query))
