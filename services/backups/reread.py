"""The rows of a stored backup in any order: read again, for tables of which a copy has them in another order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.backups.catalog import Backup
from services.backups.download import download
from services.backups.encryption import AgeIdentity, decrypted
from services.backups.fingerprint import Content
from services.backups.scanner import Scanner
from services.backups.stream import decompressed, prefetch
from services.errors import BackupDamaged
from services.postgres.client import Database
from services.postgres.process import Program
from services.s3.objects import Storage


def rows_in_any_order(
    storage: Storage, backup: Backup, identities: Sequence[AgeIdentity], programs: Database, tables: Collection[str]
) -> Mapping[str, Content]:
    """Return the content of a stored backup's tables; the rows of those that `tables` names are hashed in any order.

    `programs` is the database whose client programs read the backup. Raises BackupDamaged.
    """
    stored: Iterable[bytes] = prefetch(download(storage, backup.key, backup.manifest.object.bytes))
    if backup.manifest.encrypted:
        stored = decrypted(stored, list(identities))
    sql = decompressed(stored) if backup.manifest.format == "plain" else sql_of(stored, programs)
    recorded = backup.manifest.fingerprint
    scanner = Scanner(recorded.encoding or "UTF8", columns=recorded.columns, unordered=tables)
    for block in sql:
        scanner.feed(block)
    return scanner.finish().tables


def sql_of(archive: Iterable[bytes], programs: Database) -> Iterator[bytes]:
    """Yield the SQL in an archive in PostgreSQL's custom format. `programs` is a database with a pg_restore."""
    command: list[str | Path] = [programs.program("pg_restore"), "--file=-"]
    with (
        ThreadPoolExecutor(1, thread_name_prefix="feed") as feeder,
        Program(command, programs.connection.environment(), BackupDamaged, reads=True, writes=True) as reader,
    ):
        fed = feeder.submit(_feed, reader, archive)
        yield from reader.blocks()
        fed.result()


def _feed(reader: Program, archive: Iterable[bytes]) -> None:
    try:
        for block in archive:
            reader.feed(block)
    finally:
        reader.end_input()
