"""Streams a backup from S3 into an empty database, and verifies its SHA-256 on the way."""

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
from services.backups.download import archive_to_sql, download
from services.backups.encryption import AgeIdentity, decrypted
from services.backups.fingerprint import codec, plain_name
from services.backups.script import limit_bytes, restrict_to_sql, truncate_before_copy
from services.backups.stream import Digest, decompressed, prefetch, report_progress
from services.errors import BackupDamaged, DatabaseUnreachable, InputError, RestoreFailed, SettingsError, ShorelineError
from services.postgres.client import Database
from services.postgres.process import Program
from services.s3.objects import Storage

Advance = Callable[[int], None]
_FOLDER_PREFIX, _ARCHIVE = "shoreline-restore-", "archive.dump"  # of the file that parallel connections read
_MAX_TABLES_IN_MESSAGE = 20
# Messages of psql, pg_restore and libpq about a lost connection. An ERROR is the server's answer to the backup's SQL.
_CONNECTION_LOST = re.compile(
    r"^(?!.*ERROR: ).*(?:server closed the connection|connection to server was lost|terminating connection"
    r"|no connection to the server|could not (?:receive data from|send data to) server|connection has been closed"
    r"|the database system is (?:shutting down|starting up|in recovery mode)|connection to server .* failed)",
    re.MULTILINE,
)
_EXTRA_SQL_BYTES = 1 << 20  # for the SQL of an archive, beyond what the manifest says
_MAX_REREAD_BYTES = 1 << 30  # of an object whose hash is checked after a failure, to tell damage from bad SQL


@dataclass(frozen=True)
class LoadOptions:
    """What is restored, and how. `tables`, `schema_only` and `jobs` need a backup in PostgreSQL's custom format."""

    identities: Sequence[AgeIdentity] = ()
    tables: tuple[str, ...] = ()  # names of one schema, with or without it; none for all
    schema_only: bool = False
    jobs: int = 1  # parallel connections; with more than one the archive is written to disk first
    create_roles: bool = False
    allow_unencrypted: bool = False  # even though there are identities

    @property
    def part(self) -> bool:
        """Return whether less than the whole backup is restored."""
        return bool(self.tables) or self.schema_only


class ConnectionLost(DatabaseUnreachable):
    """The connection to PostgreSQL was lost during the load, which does not show that the backup is bad."""

    next_step = "Run it again. If it fails again, see the server's log: it may lack memory or disk space."


def load(storage: Storage, backup: Backup, fresh: Database, options: LoadOptions, advance: Advance) -> None:
    """Load a backup into an empty database.

    Raises RestoreFailed at the first SQL error, ConnectionLost, BackupDamaged, InputError.
    """
    check(backup, options)
    file, digest = backup.manifest.object, Digest()
    stored = digest.watch(report_progress(download(storage, backup.key, file.bytes), advance))
    content: Iterable[bytes] = prefetch(stored)
    if backup.manifest.encrypted:
        content = decrypted(content, list(options.identities))
    if options.tables:
        _create_schemas(fresh, backup, options.tables)
    try:
        _load_content(fresh, backup, content, options)
    except RestoreFailed as error:
        raise _explain(storage, backup, options, error) from error
    except BackupDamaged as error:
        if _is_damaged(storage, backup):
            raise _damaged(storage, backup) from error
        raise
    deque(content, maxlen=0)  # pg_restore stops after the selected tables; the digest needs the whole object
    if (digest.bytes, digest.sha256) != (file.bytes, file.sha256):
        raise _damaged(storage, backup)


def _load_content(fresh: Database, backup: Backup, content: Iterable[bytes], options: LoadOptions) -> None:
    """Load a decrypted backup as SQL through psql, which keeps the order of the rows, or by parallel connections."""
    plain_bytes = backup.manifest.plain_bytes
    if backup.manifest.format == "plain":
        _run_psql(fresh, limit_bytes(decompressed(content), plain_bytes))
    elif options.jobs > 1:
        _load_in_parallel(fresh, backup, content, options)
    else:
        statements = archive_to_sql(content, fresh, RestoreFailed, _selection(backup, options))
        # Another version of pg_restore writes other SQL, but not twice as much.
        _run_psql(fresh, limit_bytes(statements, 2 * plain_bytes + _EXTRA_SQL_BYTES))


def _explain(storage: Storage, backup: Backup, options: LoadOptions, error: RestoreFailed) -> ShorelineError:
    """Return the error that says why the load failed, with its next step."""
    if _CONNECTION_LOST.search(str(error)):
        return ConnectionLost(f"The connection to PostgreSQL was lost while the backup was loaded: {error}")
    if _is_damaged(storage, backup):
        return _damaged(storage, backup)
    if options.tables and "not found" in str(error):  # pg_restore's message about a table that is not in the archive
        error.next_step = f"Name tables of this backup: {_tables(backup)}."
    elif options.tables and "does not exist" in str(error):
        error.next_step = (
            "--tables restores no types, functions and extensions: restore the whole backup with --into NAME."
        )
    return error


def _tables(backup: Backup) -> str:
    """Return the names of tables with rows in the backup, up to a limit."""
    names = sorted(backup.manifest.fingerprint.tables)
    more = f" and {len(names) - _MAX_TABLES_IN_MESSAGE} more" if len(names) > _MAX_TABLES_IN_MESSAGE else ""
    return f"{', '.join(names[:_MAX_TABLES_IN_MESSAGE])}{more}"


def _is_damaged(storage: Storage, backup: Backup) -> bool:
    """Return whether the stored object has another SHA-256, as damage may show as an SQL error. False if large."""
    file, digest = backup.manifest.object, Digest()
    if file.bytes > _MAX_REREAD_BYTES:
        return False
    deque(digest.watch(download(storage, backup.key, file.bytes)), maxlen=0)
    return digest.sha256 != file.sha256


def _damaged(storage: Storage, backup: Backup) -> BackupDamaged:
    return BackupDamaged(f"{storage.url(backup.key)} is damaged: its SHA-256 differs from the manifest.")


def check(backup: Backup, options: LoadOptions) -> None:
    """Raise InputError or SettingsError when the backup cannot be restored with these options."""
    if backup.manifest.encrypted and not options.identities:
        raise SettingsError(
            "Settings need attention:\n  BACKUP_AGE_IDENTITY  is not set, and this backup is encrypted",
            next_step="Set BACKUP_AGE_IDENTITY_FILE to the file of the age identity.",
        )
    if not backup.manifest.encrypted and options.identities and not options.allow_unencrypted:
        raise InputError(
            f"The backup {backup.key} is not encrypted, although BACKUP_AGE_IDENTITY is set.",
            next_step="Pass --allow-unencrypted if it is from before you set up encryption."
            " Otherwise somebody else may have written it: see docs/security.md.",
        )
    if backup.manifest.format == "plain" and (options.part or options.jobs > 1):
        raise InputError(
            "--tables, --schema-only and --jobs need a backup in PostgreSQL's custom format; this one is plain SQL.",
            next_step="Restore the whole backup under another name. For later backups set BACKUP_FORMAT=custom.",
        )
    with_rows = {plain_name(name) for name in backup.manifest.fingerprint.tables}
    _schemas(backup, options)
    for name in options.tables:
        tables = _tables_called(backup, name)
        if tables and not with_rows & tables and not options.schema_only:  # pg_dump writes the rows of its partitions
            raise InputError(
                f"{name} is partitioned: without its partitions it has no rows.",
                next_step="Name its partitions, which become tables, or restore the whole backup under another name.",
            )


def _tables_called(backup: Backup, name: str) -> set[str]:
    """Return the qualified names of the backup's tables with this name."""
    objects = backup.manifest.fingerprint.schema
    tables = (object_.removeprefix("TABLE ") for object_ in objects if object_.startswith("TABLE "))
    return {table for table in tables if name in (table, table.partition(".")[2])}


def _schemas(backup: Backup, options: LoadOptions) -> set[str]:
    """Return the schemas of the selected tables. A name without one is looked up in the backup when others have one.

    pg_restore combines every schema with every table. Raises InputError when they are in more than one.
    """
    schemas = {name.rpartition(".")[0] for name in options.tables}
    if "" in schemas and len(schemas) > 1:
        plain = [name for name in options.tables if "." not in name]
        schemas = (schemas - {""}) | {
            table.partition(".")[0] for name in plain for table in _tables_called(backup, name)
        }
    if len(schemas) > 1:
        raise InputError(
            f"--tables names tables of several schemas: {', '.join(sorted(schemas))}.",
            next_step="Restore the tables of each schema into another database: --tables SCHEMA.TABLE --into NAME.",
        )
    return schemas


def _create_schemas(fresh: Database, backup: Backup, tables: Sequence[str]) -> None:
    """Create the schemas of single tables, which pg_restore --table leaves out."""
    names = {table.partition(".")[0] for name in tables for table in _tables_called(backup, name)} - {"public"}
    with fresh.connect() as connection, connection.cursor() as cursor:
        for name in sorted(names):
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))


def _run_psql(fresh: Database, statements: Iterable[bytes]) -> None:
    where = f"--dbname={fresh.connection.conninfo()}"
    options = [where, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]
    program = fresh.program("psql")
    with (
        Program([program, *options], _environment(fresh), RestoreFailed, reads=True) as psql,
        closing(prefetch(truncate_before_copy(statements))) as blocks,
    ):
        psql.write(restrict_to_sql(blocks, program))


def _selection(backup: Backup, options: LoadOptions) -> list[str | bytes]:
    """Return the options of pg_restore that choose a part of an archive."""
    selection: list[str | bytes] = ["--schema-only"] if options.schema_only else []
    if options.tables:
        selection.append("--strict-names")  # pg_restore otherwise ignores a name that matches nothing
    encoding = codec(backup.manifest.fingerprint.encoding or "UTF8")  # pg_restore compares the bytes of names
    selection += [f"--schema={schema}".encode(encoding) for schema in _schemas(backup, options) if schema]
    selection += [f"--table={name.rpartition('.')[2]}".encode(encoding) for name in options.tables]
    return selection


def _load_in_parallel(fresh: Database, backup: Backup, content: Iterable[bytes], options: LoadOptions) -> None:
    """Load an archive from disk: parallel connections read different places of it, which a stream does not allow."""
    size = backup.manifest.object.bytes
    with ExitStack() as stack:
        try:
            _remove_abandoned(Path(tempfile.gettempdir()))
            archive = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX))) / _ARCHIVE
            file = stack.enter_context(archive.open("wb"))  # stays open, and so locked, while it is used
            with suppress(OSError):  # not every file system has locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(content, file, archive.parent, size)
        except OSError as error:
            raise RestoreFailed(
                f"The archive, {formatting.size(size)}, could not be written to disk: {error.strerror or error}",
                next_step="Set TMPDIR to a folder with more room, or restore without --jobs, which needs no disk.",
            ) from error
        command: list[str | Path | bytes] = [fresh.program("pg_restore"), "--exit-on-error", "--no-password"]
        command += [f"--dbname={fresh.connection.conninfo()}", f"--jobs={options.jobs}"]
        command += [*_selection(backup, options), archive]
        with Program(command, _environment(fresh), RestoreFailed) as program:
            program.check()


def _write(blocks: Iterable[bytes], file: IO[bytes], folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{folder} has {formatting.size(free)} free")
    file.writelines(blocks)
    file.flush()


def _remove_abandoned(folder: Path) -> None:
    """Remove the archives of killed runs, which may be decrypted: those of this user that are not locked."""
    for archive in folder.glob(f"{_FOLDER_PREFIX}*/{_ARCHIVE}"):
        with suppress(OSError):
            if archive.parent.lstat().st_uid == os.getuid():
                with archive.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(archive.parent)


def _environment(database: Database) -> dict[str, str]:
    # Safe: the rename at the end waits for the disk, and a crash before it leaves a scratch database.
    return database.connection.environment("synchronous_commit=off")
