"""An object as a stream that goes on where it was cut off."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import (
    ConnectionClosedError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from services.errors import BackupDamaged, StorageUnreachable
from services.s3.objects import Storage

_BLOCK = 1 << 18  # bytes; a megabyte of SQL and more


_TRIES = 5  # without a byte of progress


_CUT_OFF = (
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    HTTPError,
    OSError,
)


def download(storage: Storage, key: str, size: int) -> Iterator[bytes]:
    """The object's bytes. Raises BackupDamaged when there are not `size`, StorageUnreachable when S3 stays away."""
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
            raise BackupDamaged(f"{storage.url(key)} does not have the checksum it was stored with: {error}") from error
        except _CUT_OFF as error:
            failures = 1 if done > before else failures + 1
            if failures == _TRIES:
                raise StorageUnreachable(f"{storage.url(key)} broke off {_TRIES} times at byte {done:,}.") from error
        finally:
            body.close()
