"""Files into the bucket, many at once, each checked by S3 against its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.errors import LakeError, ShorelineError
from services.lake.files import PART_BYTES, LocalFile, of_digests, part_size, read_part
from services.s3.objects import Storage

THREADS = 32  # small files: they wait for the store
_PART_THREADS = 8  # large files: memory holds a part for each
_TYPE = "application/vnd.apache.parquet"


class Advance(Protocol):
    """Is told of bytes that are done, and of files that are complete."""

    def __call__(self, amount: int, files: int = 0, /) -> None: ...


@dataclass(frozen=True)
class Sending:
    """A file and where it goes; `size` and `modified_ns` are as they were when it was found."""

    location: Path
    key: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Sent:
    """What S3 holds of a file: its ETag, and its checksum as `services.lake.files` has it."""

    etag: str
    sha256: str


def send_all(
    storage: Storage, files: Iterable[Sending], advance: Advance, part_bytes: int = PART_BYTES
) -> dict[str, Sent]:
    """Sends the files and gives what is under each key. `advance` is told of bytes and files.

    Large files go in parts; none of them is visible before its last byte is there. At the first failure the
    rest is given up. Memory holds a part for each thread. Raises LakeError for a file that was written to.
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
) -> tuple[str, Sent]:
    if file.size > part_bytes:
        return file.key, _send_in_parts(storage, file, part_bytes, parts, advance)
    body = file.location.read_bytes()
    require_unchanged(file, len(body))
    digest = hashlib.sha256(body).digest()
    etag = storage.put(file.key, body, content_type=_TYPE, sha256=digest)
    advance(file.size, 1)
    return file.key, Sent(etag, of_digests([digest]))


def _send_in_parts(
    storage: Storage, file: Sending, part_bytes: int, parts: ThreadPoolExecutor, advance: Advance
) -> Sent:
    step = part_size(file.size, part_bytes)
    upload = storage.start_upload(file.key, content_type=_TYPE, sha256=True)

    def part(number: int) -> tuple[str, bytes]:
        with file.location.open("rb", buffering=0) as source:
            source.seek((number - 1) * step)
            body = read_part(source, step)
        digest = hashlib.sha256(body).digest()
        etag = upload.send(number, body, sha256=digest)
        advance(len(body))
        return etag, digest

    futures: list[Future[tuple[str, bytes]]] = []
    try:
        futures = [parts.submit(part, number) for number in range(1, -(-file.size // step) + 1)]
        etags, digests = zip(*(future.result() for future in futures), strict=True)
        require_unchanged(file)
        etag = upload.complete(etags, digests)
    except BaseException:
        for future in futures:
            future.cancel()
        wait(futures)
        upload.abort()
        raise
    advance(0, 1)
    return Sent(etag, of_digests(digests))


def require_unchanged(file: Sending | LocalFile, read: int | None = None) -> None:
    """Raises LakeError unless the file, of which `read` bytes were read if any, is as it was when it was found."""
    status = file.location.stat()
    if (status.st_size if read is None else read, status.st_mtime_ns) != (file.size, file.modified_ns):
        raise LakeError(
            f"{file.location} changed while it was being uploaded.",
            next_step="Wait until the other program has finished writing, then upload again.",
        )
