"""Streams a backup from S3 into an empty database, and checks on the way that it is what was stored."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg2 import sql

from services import formatting
from services.backups.catalog import Backup
from services.backups.download import download
from services.backups.encodings import codec
from services.backups.encryption import AgeIdentity, decrypted
from services.backups.fingerprint import plain_name
from services.backups.reread import sql_of
from services.backups.script import in_order, sql_only, within
from services.backups.stream import Digest, decompressed, prefetch, report_progress
from services.errors import BackupDamaged, DatabaseUnreachable, InputError, RestoreFailed, SettingsError, ShorelineError
from services.postgres.client import Database
from services.postgres.process import Program
from services.s3.objects import Storage

Advance = Callable[[int], None]
_FOLDER, _ARCHIVE = "shoreline-restore-", "archive.dump"  # where `jobs` read from
_NAMED = 20  # tables that a message names
# What psql, pg_restore and libpq say of a connection that was lost; an ERROR is the server's answer to the backup.
_LOST = re.compile(
    r"^(?!.*ERROR: ).*(?:server closed the connection|connection to server was lost|terminating connection"
    r"|no connection to the server|could not (?:receive data from|send data to) server|connection has been closed"
    r"|the database system is (?:shutting down|starting up|in recovery mode)|connection to server .* failed)",
    re.MULTILINE,
)
_FIRST_WITH_TRANSACTION_SIZE = 17  # PostgreSQL 17. Source: pg_restore, --transaction-size
# An archive of so few objects is restored in one transaction: each may hold several locks until that ends.
_OBJECTS_IN_A_TRANSACTION = 500
_MORE_SQL = 1 << 20  # bytes
_READ_AGAIN = 1 << 30  # bytes of an object that is read again after a failure, to tell damage from bad SQL


@dataclass(frozen=True)
class LoadOptions:
    """What is restored, and how. `tables`, `schema_only` and `jobs` are for backups in PostgreSQL's custom format.

    Tables by name, all of one schema where they have one. More than one of `jobs` needs the archive on disk meanwhile.
    """

    identities: Sequence[AgeIdentity] = ()
    tables: tuple[str, ...] = ()
    schema_only: bool = False
    jobs: int = 1
    create_roles: bool = False
    allow_unencrypted: bool = False  # although there are identities

    @property
    def part(self) -> bool:
        """Whether less than the whole backup is restored."""
        return bool(self.tables) or self.schema_only


class ConnectionLost(DatabaseUnreachable):
    """The connection broke off in the middle of the work, which says nothing about the backup."""

    next_step = "Run it again. If it ends at the same place, see the server's log: it may lack memory or disk space."


def load(storage: Storage, backup: Backup, fresh: Database, options: LoadOptions, advance: Advance) -> None:
    """Restore into an empty database.

    Raises RestoreFailed at the first SQL error, ConnectionLost, BackupDamaged, InputError.
    """
    check(backup, options)
    file, digest = backup.manifest.object, Digest()
    stored = digest.watch(report_progress(download(storage, backup.key, file.bytes), advance))
    opened: Iterable[bytes] = prefetch(stored)
    if backup.manifest.encrypted:
        opened = decrypted(opened, list(options.identities))
    if options.tables:
        _make_schemas(fresh, backup, options.tables)
    try:
        _execute(fresh, backup, opened, options)
    except RestoreFailed as error:
        raise _explained(storage, backup, options, error) from error
    except BackupDamaged as error:
        if _differs(storage, backup):
            raise _damaged(storage, backup) from error
        raise
    if (digest.bytes, digest.sha256) != (file.bytes, file.sha256):
        raise _damaged(storage, backup)


def _execute(fresh: Database, backup: Backup, opened: Iterable[bytes], options: LoadOptions) -> None:
    """Load a decrypted backup by the program that keeps the order of the rows."""
    if backup.manifest.format == "plain":
        _through_psql(fresh, within(decompressed(opened), backup.manifest.plain_bytes))
    elif options.jobs > 1:
        _from_disk(fresh, backup, opened, options)
    elif len(backup.manifest.fingerprint.schema) > _OBJECTS_IN_A_TRANSACTION and not options.part:
        # another version of pg_restore writes other SQL, but not twice as much
        _through_psql(fresh, within(sql_of(opened, fresh), 2 * backup.manifest.plain_bytes + _MORE_SQL))
    else:
        with _pg_restore(fresh, backup, options, []) as program:
            program.write(opened, needs_all=not options.part)


def _explained(storage: Storage, backup: Backup, options: LoadOptions, error: RestoreFailed) -> ShorelineError:
    """Return the error that says why the load failed, with its next step."""
    if _LOST.search(str(error)):
        return ConnectionLost(f"The connection to PostgreSQL broke off while the backup was loaded: {error}")
    if _differs(storage, backup):
        return _damaged(storage, backup)
    if options.tables and "not found" in str(error):  # pg_restore's word for a table that the archive has not
        error.next_step = f"Name tables of this backup: {_tables(backup)}."
    elif options.tables and "does not exist" in str(error):
        error.next_step = "A single table comes without types, functions and extensions: restore the whole beside it."
    return error


def _tables(backup: Backup) -> str:
    """Names of tables that the backup has rows of, the first of them when there are many."""
    names = sorted(backup.manifest.fingerprint.tables)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _differs(storage: Storage, backup: Backup) -> bool:
    """Whether the stored object is not what was stored, as far as it is small: damage may show as an SQL error."""
    file, digest = backup.manifest.object, Digest()
    if file.bytes > _READ_AGAIN:
        return False
    deque(digest.watch(download(storage, backup.key, file.bytes)), maxlen=0)
    return digest.sha256 != file.sha256


def _damaged(storage: Storage, backup: Backup) -> BackupDamaged:
    return BackupDamaged(f"{storage.url(backup.key)} is not what was stored: its SHA-256 differs.")


def check(backup: Backup, options: LoadOptions) -> None:
    """Raises InputError or SettingsError when the backup cannot be restored in this way."""
    if backup.manifest.encrypted and not options.identities:
        raise SettingsError(
            "Settings need attention:\n  BACKUP_AGE_IDENTITY  is not set, and this backup is encrypted",
            next_step="Set BACKUP_AGE_IDENTITY_FILE to the file of the age identity.",
        )
    if not backup.manifest.encrypted and options.identities and not options.allow_unencrypted:
        raise InputError(
            f"The backup {backup.key} is not encrypted, although BACKUP_AGE_IDENTITY is set.",
            next_step="Pass --allow-unencrypted if it was made before you set up encryption."
            " Otherwise somebody else may have written it: see docs/security.md.",
        )
    if backup.manifest.format == "plain" and (options.part or options.jobs > 1):
        raise InputError(
            "--tables, --schema-only and --jobs need a backup in PostgreSQL's custom format; this one is plain SQL.",
            next_step="Restore it whole under another name; BACKUP_FORMAT=custom makes the next one so.",
        )
    filled = {plain_name(name) for name in backup.manifest.fingerprint.tables}
    _schemas(backup, options)
    for name in options.tables:
        found = _called(backup, name)
        if found and not filled & found and not options.schema_only:  # pg_dump writes the rows of its partitions
            raise InputError(
                f"{name} is partitioned: alone it would come back without a row.",
                next_step="Name its partitions: each comes back as a table. Or restore the whole under another name.",
            )


def _called(backup: Backup, name: str) -> set[str]:
    """The tables of a backup that a name means, each with its schema."""
    tables = (each.removeprefix("TABLE ") for each in backup.manifest.fingerprint.schema if each.startswith("TABLE "))
    return {each for each in tables if name in (each, each.partition(".")[2])}


def _schemas(backup: Backup, options: LoadOptions) -> set[str]:
    """Return the schemas of the chosen tables; a name without one is in that of the others when the backup says so.

    pg_restore combines every schema with every table. Raises InputError when they are in more than one.
    """
    schemas = {name.rpartition(".")[0] for name in options.tables}
    if "" in schemas and len(schemas) > 1:
        plain = [name for name in options.tables if "." not in name]
        schemas = (schemas - {""}) | {found.partition(".")[0] for name in plain for found in _called(backup, name)}
    if len(schemas) > 1:
        raise InputError(
            f"--tables names tables of several schemas: {', '.join(sorted(schemas))}.",
            next_step="Restore those of each schema into a database of their own: --tables SCHEMA.TABLE --into NAME.",
        )
    return schemas


def _make_schemas(fresh: Database, backup: Backup, tables: Sequence[str]) -> None:
    """Makes the schemas of single tables, which pg_restore leaves out."""
    names = {each.partition(".")[0] for table in tables for each in _called(backup, table)} - {"public"}
    with fresh.connect() as connection, connection.cursor() as cursor:
        for name in sorted(names):
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))


def _through_psql(fresh: Database, statements: Iterable[bytes]) -> None:
    where = f"--dbname={fresh.connection.conninfo()}"
    options = [where, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
    program = fresh.program("psql")
    with (
        Program([program, *options], _environment(fresh), RestoreFailed, reads=True) as psql,
        closing(prefetch(in_order(statements))) as blocks,
    ):
        psql.write(sql_only(blocks, program))


def _pg_restore(fresh: Database, backup: Backup, options: LoadOptions, more: list[str | Path]) -> Program:
    chosen: list[str | Path | bytes] = [
        "--exit-on-error",
        "--no-password",
        f"--dbname={fresh.connection.conninfo()}",
    ]
    if options.schema_only:
        chosen.append("--schema-only")
    if options.tables:
        chosen.append("--strict-names")  # a name that matches nothing is else passed over in silence
    if not more:  # rows come to lie in the order of the dump where their table is of the same transaction
        modern = fresh.client_version().major >= _FIRST_WITH_TRANSACTION_SIZE  # large objects need more than one
        chosen.append(f"--transaction-size={2 * _OBJECTS_IN_A_TRANSACTION}" if modern else "--single-transaction")
    encoding = codec(backup.manifest.fingerprint.encoding or "UTF8")  # pg_restore compares the bytes of names
    chosen += [f"--schema={schema}".encode(encoding) for schema in _schemas(backup, options) if schema]
    chosen += [f"--table={name.rpartition('.')[2]}".encode(encoding) for name in options.tables]
    command: list[str | Path | bytes] = [fresh.program("pg_restore"), *chosen, *more]
    return Program(command, _environment(fresh), RestoreFailed, reads=not more)


def _from_disk(fresh: Database, backup: Backup, opened: Iterable[bytes], options: LoadOptions) -> None:
    """Several connections at once read the archive in different places, which a stream cannot give them."""
    size = backup.manifest.object.bytes
    with ExitStack() as stack:
        try:
            _remove_left(Path(tempfile.gettempdir()))
            archive = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER))) / _ARCHIVE
            file = stack.enter_context(archive.open("wb"))  # open, and with it locked, as long as it is used
            with suppress(OSError):  # not every file system has locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(opened, file, archive.parent, size)
        except OSError as error:
            raise RestoreFailed(
                f"The archive, {formatting.size(size)}, could not be written: {error.strerror or error}",
                next_step="Set TMPDIR to a folder with more room, or restore without --jobs, which needs none.",
            ) from error
        with _pg_restore(fresh, backup, options, [f"--jobs={options.jobs}", archive]) as program:
            program.check()


def _write(blocks: Iterable[bytes], file: IO[bytes], folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{folder} has {formatting.size(free)} free")
    file.writelines(blocks)
    file.flush()


def _remove_left(folder: Path) -> None:
    """Removes archives of killed runs, which may be decrypted: those of our user that nobody has locked."""
    for archive in folder.glob(f"{_FOLDER}*/{_ARCHIVE}"):
        with suppress(OSError):
            if archive.parent.lstat().st_uid == os.getuid():
                with archive.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(archive.parent)


def _environment(database: Database) -> dict[str, str]:
    # Nothing is lost by it: the rename at the end waits for the disk, and a crash before it leaves a scratch database.
    return database.connection.environment("synchronous_commit=off")
