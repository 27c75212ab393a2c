"""A stored backup as a stream: its object, which resumes after a lost connection, and the SQL in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import (
    ConnectionClosedError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from services.errors import BackupDamaged, ShorelineError, StorageUnreachable
from services.postgres.client import Database
from services.postgres.process import Program
from services.s3.objects import Storage

_BLOCK = 1 << 18  # bytes, which hold a megabyte of SQL and more
_MAX_FAILURES = 5  # in a row, without a byte of progress
_INTERRUPTIONS = (
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    HTTPError,
    OSError,
)


def download(storage: Storage, key: str, size: int) -> Iterator[bytes]:
    """Yield the bytes of an object, and resume when the connection is lost.

    Raises BackupDamaged unless there are `size` bytes, StorageUnreachable when the download cannot be resumed.
    """
    done, failures = 0, 0
    while done < size:
        body = storage.open(key, start=done)
        if body is None:
            raise BackupDamaged(f"{storage.url(key)} is missing.")
        before = done
        try:
            while block := body.read(_BLOCK):
                done += len(block)
                yield block
            if done < size:
                raise BackupDamaged(f"{storage.url(key)} has {done:,} bytes instead of {size:,}.")
        except FlexibleChecksumError as error:
            raise BackupDamaged(
                f"{storage.url(key)} no longer has the checksum that it was stored with: {error}"
            ) from error
        except _INTERRUPTIONS as error:
            failures = 1 if done > before else failures + 1
            if failures == _MAX_FAILURES:
                raise StorageUnreachable(
                    f"{storage.url(key)} failed {_MAX_FAILURES} times at byte {done:,}."
                ) from error
        finally:
            body.close()


def archive_to_sql(
    archive: Iterable[bytes],
    programs: Database,
    failure: type[ShorelineError] = BackupDamaged,
    selection: Sequence[str | bytes] = (),
) -> Iterator[bytes]:
    """Yield the SQL in an archive in PostgreSQL's custom format.

    `programs` is a database whose pg_restore is used. `selection` holds options of pg_restore for a part of the
    archive; the rest of the archive may then stay unread. Raises `failure` when pg_restore fails.
    """
    command: list[str | Path | bytes] = [programs.program("pg_restore"), "--file=-", *selection]
    with (
        ThreadPoolExecutor(1, thread_name_prefix="feed") as feeder,
        Program(command, programs.connection.environment(), failure, reads=True, writes=True) as reader,
    ):
        feeding = feeder.submit(_feed, reader, archive)
        yield from reader.blocks()
        feeding.result()


def _feed(reader: Program, archive: Iterable[bytes]) -> None:
    try:
        for block in archive:
            if not reader.feed(block, needs_all=False):
                return
    finally:
        reader.end_input()
