"""Files into the bucket, many at once, each checked by S3 against its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.errors import LakeError, ShorelineError
from services.storage import Storage

PART_BYTES = 8 * 1024 * 1024
THREADS = 32  # small files: they wait for the store
_PART_THREADS = 8  # large files: memory holds a part for each
_PARTS_AT_MOST = 10_000  # S3's limit
_TYPE = "application/vnd.apache.parquet"


class Advance(Protocol):
    """Is told of bytes that are done, and of files that are complete."""

    def __call__(self, amount: int, files: int = 0, /) -> None: ...


@dataclass(frozen=True)
class Sending:
    """A file, where it goes, and what it must be when it is there.

    `sha256` is in hex; `modified_ns` tells whether the file was written to since it was hashed.
    """

    location: Path
    key: str
    size: int
    sha256: str
    modified_ns: int


def send_all(
    storage: Storage, files: Iterable[Sending], advance: Advance, part_bytes: int = PART_BYTES
) -> dict[str, str]:
    """Sends the files and gives each key's ETag. `advance` is told of bytes and files.

    Large files go in parts; none of them is visible before its last byte is there. At the first failure the
    rest is given up. Memory holds a part for each thread.
    """
    files = list(files)
    with ThreadPoolExecutor(THREADS) as small, ThreadPoolExecutor(_PART_THREADS) as parts:
        started = [
            small.submit(_send, storage, file, part_bytes, parts, advance)
            for file in sorted(files, key=lambda file: -file.size)
        ]
        try:
            wait(started, return_when=FIRST_EXCEPTION)
        finally:  # what is left, at a failure or when the run is told to stop, is given up
            small.shutdown(wait=False, cancel_futures=True)
            parts.shutdown(wait=False, cancel_futures=True)
        failed = [error for future in started if not future.cancelled() and (error := future.exception())]
        if failed:  # the cause, not what was given up because of it
            raise next((error for error in failed if isinstance(error, ShorelineError)), failed[0])
        return dict(future.result() for future in started)


def _send(
    storage: Storage, file: Sending, part_bytes: int, parts: ThreadPoolExecutor, advance: Advance
) -> tuple[str, str]:
    if file.size > part_bytes:
        return file.key, _send_in_parts(storage, file, part_bytes, parts, advance)
    body = file.location.read_bytes()
    digest = hashlib.sha256(body)
    if digest.hexdigest() != file.sha256:
        raise _changed(file)
    etag = storage.put(file.key, body, metadata={"sha256": file.sha256}, content_type=_TYPE, sha256=digest.digest())
    advance(file.size, 1)
    return file.key, etag


def _send_in_parts(
    storage: Storage, file: Sending, part_bytes: int, parts: ThreadPoolExecutor, advance: Advance
) -> str:
    step = part_size(file.size, part_bytes)
    upload = storage.start_upload(file.key, metadata={"sha256": file.sha256}, content_type=_TYPE, sha256=True)

    def part(number: int) -> tuple[str, bytes]:
        with file.location.open("rb") as source:
            source.seek((number - 1) * step)
            body = source.read(step)
        digest = hashlib.sha256(body).digest()
        etag = storage.upload_part(file.key, upload, number, body, sha256=digest)
        advance(len(body))
        return etag, digest

    futures: list[Future[tuple[str, bytes]]] = []
    try:
        futures = [parts.submit(part, number) for number in range(1, -(-file.size // step) + 1)]
        etags, digests = zip(*(future.result() for future in futures), strict=True)
        if modified_at(file.location) != file.modified_ns:
            raise _changed(file)
        etag = storage.complete_upload(file.key, upload, list(etags), digests)
    except BaseException:
        for future in futures:
            future.cancel()
        wait(futures)
        storage.abort_upload(file.key, upload)
        raise
    advance(0, 1)
    return etag


def part_size(size: int, part_bytes: int = PART_BYTES) -> int:
    """The bytes of each part of a file of `size` bytes; one that is no larger goes in one request."""
    return max(part_bytes, -(-size // _PARTS_AT_MOST))


def modified_at(path: Path) -> int:
    """When the file was last written to, in nanoseconds."""
    return path.stat().st_mtime_ns


def _changed(file: Sending) -> LakeError:
    return LakeError(
        f"{file.location} changed while it was being uploaded.",
        next_step="Let what writes it end, then upload again.",
    )
