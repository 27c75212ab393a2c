"""Concurrent uploads of files, each checked by S3 against its SHA-256."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

from services.errors import LakeError, ShorelineError
from services.lake.files import LocalFile
from services.progress import Advance
from services.s3.objects import Storage
from services.s3.responses import MAX_PARTS_PER_UPLOAD

THREADS = 32  # for small files, which mostly wait for S3
_PART_THREADS = 8  # for parts of large files: memory holds one each
_TYPE = "application/vnd.apache.parquet"
PART_BYTES = 8 * 1024 * 1024
_HASHING_THREADS = 8


def part_size(size: int, part_bytes: int = PART_BYTES) -> int:
    """Return the bytes of each part of a file of `size` bytes; a smaller file is sent in one request."""
    return max(part_bytes, -(-size // MAX_PARTS_PER_UPLOAD))


def of_digests(digests: Sequence[bytes]) -> str:
    """Return the checksum of a file by the SHA-256 of its only part, or of each: in hex, then '-' and their number.

    Source: Amazon S3 User Guide, "Checking object integrity", composite checksums.
    """
    if len(digests) == 1:
        return digests[0].hex()
    return f"{hashlib.sha256(b''.join(digests)).hexdigest()}-{len(digests)}"


def of_s3(checksum: str) -> str:
    """Convert a checksum of S3, which is in base64."""
    digest, dash, parts = checksum.partition("-")
    return b64decode(digest).hex() + dash + parts


def is_of(body: bytes, checksum: str) -> bool:
    """Return whether the bytes have this checksum, or as older versions recorded it, this SHA-256."""
    step = part_size(len(body))
    digests = [hashlib.sha256(body[start : start + step]).digest() for start in range(0, max(len(body), 1), step)]
    return checksum in {of_digests(digests), hashlib.sha256(body).hexdigest()}


def read_part(file: RawIOBase, step: int) -> bytes:
    """Read `step` bytes of an unbuffered file, fewer only at its end; a single read may return less."""
    part = file.read(step) or b""
    if len(part) in {0, step}:  # the usual case, without a copy
        return part
    found = [part]
    while (rest := step - sum(map(len, found))) and (part := file.read(rest) or b""):
        found.append(part)
    return b"".join(found)


def of_files(files: Sequence[tuple[Path, int]]) -> list[str]:
    """Return the checksums of files, from paths and sizes in bytes. Memory holds a part per thread."""
    large = {path: size for path, size in files if size > PART_BYTES}
    with ThreadPoolExecutor(_HASHING_THREADS) as pool:
        hashed = dict(zip(large, pool.map(_of_file, large, large.values()), strict=True))
    # A small one is hashed in less time than it takes to hand it to a thread.
    return [hashed[path] if path in hashed else _of_file(path, size) for path, size in files]


def _of_file(path: Path, size: int) -> str:
    return of_digests([hashlib.sha256(part).digest() for part in _parts(path, part_size(size))])


def _parts(path: Path, step: int) -> Iterator[bytes]:
    """Yield the file's parts; an empty file has one empty part."""
    with path.open("rb", buffering=0) as file:
        part = read_part(file, step)
        yield part
        while len(part) == step and (part := read_part(file, step)):
            yield part


@dataclass(frozen=True)
class Sending:
    """A file to send and its key; `size` and `modified_ns` are from its listing."""

    location: Path
    key: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Sent:
    """The ETag and the checksum (see `of_digests`) of an object that was sent."""

    etag: str
    sha256: str


def send_all(
    storage: Storage, files: Iterable[Sending], advance: Advance, part_bytes: int = PART_BYTES
) -> dict[str, Sent]:
    """Send the files and return the result by key. `advance` reports bytes and files.

    Large files go in parts; none of them is visible before its last byte is there. At the first failure the
    rest is cancelled. Memory holds a part for each thread. Raises LakeError for a file that was written to.
    """
    files = list(files)
    with ThreadPoolExecutor(THREADS) as small, ThreadPoolExecutor(_PART_THREADS) as parts:
        started = [
            small.submit(_send, storage, file, part_bytes, parts, advance)
            for file in sorted(files, key=lambda file: -file.size)
        ]
        try:
            wait(started, return_when=FIRST_EXCEPTION)
        finally:  # after a failure or an interruption, cancel the rest
            small.shutdown(wait=False, cancel_futures=True)
            parts.shutdown(wait=False, cancel_futures=True)
        failed = [error for future in started if not future.cancelled() and (error := future.exception())]
        if failed:  # the cause, not its consequences
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
    """Raise LakeError unless the file, of which `read` bytes were read if any, is as it was when it was found."""
    status = file.location.stat()
    if (status.st_size if read is None else read, status.st_mtime_ns) != (file.size, file.modified_ns):
        raise LakeError(
            f"{file.location} changed while it was being uploaded.",
            next_step="Wait until the other program has finished writing, then upload again.",
        )
