"""Restores a backup into a database of its own, and gives it its name when it is whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from psycopg2 import sql

from services.backups.catalog import Backup
from services.backups.download import download
from services.backups.programs import Program
from services.backups.streams import Digest, ahead, decompressed, told
from services.backups.traits import create_like
from services.database import Database
from services.errors import BackupDamaged, RestoreFailed
from services.storage import Storage

_NAME_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1


@dataclass(frozen=True)
class Restored:
    """What was restored, and how long it took."""

    key: str
    database: str
    replaced: bool
    tables: int
    rows: int
    bytes: int
    seconds: float


def restore(
    storage: Storage,
    backup: Backup,
    target: Database,
    *,
    replace: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Restored:
    """Restores `backup` as the database `target`.

    It goes into a new database first, which takes the target's name when all of it is there and the object's SHA-256
    was right. Raises RestoreFailed, also when the target holds something and `replace` is False; BackupDamaged. The
    target is then as it was.
    """
    began = time.monotonic()
    exists = target.exists()
    if exists and not replace and not is_empty(target):
        raise RestoreFailed(
            f"The database {target.name} is not empty.",
            next_step="Give --into another name, or --replace to put the backup in its place.",
        )
    with scratch(target, backup) as fresh:
        load(storage, backup, fresh, advance)
        swap(fresh, target)
    manifest = backup.manifest
    return Restored(
        key=backup.key,
        database=target.name,
        replaced=exists,
        tables=len(manifest.fingerprint.tables),
        rows=manifest.fingerprint.rows,
        bytes=manifest.plain_bytes,
        seconds=round(time.monotonic() - began, 3),
    )


@contextmanager
def scratch(target: Database, backup: Backup) -> Iterator[Database]:
    """A new, empty database on the target's server, with the backup's locale; what is left of it is dropped."""
    suffix = f"_restoring_{secrets.token_hex(4)}"
    fresh = target.sibling(_shortened(target.name, suffix) + suffix)
    create_like(fresh, backup.manifest.traits)
    try:
        yield fresh
    finally:
        fresh.drop()


def load(storage: Storage, backup: Backup, fresh: Database, advance: Callable[[int], None]) -> None:
    """Streams a backup into an empty database. Raises RestoreFailed at the first SQL error, BackupDamaged."""
    file = backup.manifest.object
    digest = Digest()
    options = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
    env = fresh.connection.environment() | {"PGOPTIONS": "-c synchronous_commit=off"}
    with Program([fresh.program("psql"), *options], env, RestoreFailed, reads=True) as psql:
        stored = ahead(digest.watch(download(storage, backup.key, file.bytes)))
        with closing(ahead(decompressed(stored))) as blocks:
            psql.write(told(blocks, advance))
    if (digest.bytes, digest.sha256) != (file.bytes, file.sha256):
        raise BackupDamaged(f"{storage.url(backup.key)} is not what was stored: its SHA-256 differs.")


def is_empty(database: Database) -> bool:
    """Whether nobody made anything in the database."""
    return bool(
        database.scalar(
            "SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_toast')"
            " AND NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
            " WHERE nspname NOT IN ('pg_catalog', 'information_schema'))"
            " AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname !~ '^pg_'"
            " AND nspname NOT IN ('information_schema', 'public'))"
            " AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)"
        )
    )


def swap(fresh: Database, target: Database) -> None:
    """Gives `fresh` the target's name, in one transaction; the database that had it is dropped then."""
    suffix = f"_old_{secrets.token_hex(4)}"
    old = target.sibling(_shortened(target.name, suffix) + suffix)
    exists = target.exists()
    with target.sibling("postgres").connect() as connection, connection.cursor() as cursor:
        if exists:
            _disconnect(cursor, target.name)
            _rename(cursor, target.name, old.name)
        _disconnect(cursor, fresh.name)
        _rename(cursor, fresh.name, target.name)
    if exists:
        old.drop()


def _disconnect(cursor: object, name: str) -> None:
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (name,),
    )


def _rename(cursor: object, name: str, new: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new)))  # type: ignore[attr-defined]


def _shortened(name: str, suffix: str) -> str:
    return name.encode()[: _NAME_BYTES - len(suffix)].decode(errors="ignore")
