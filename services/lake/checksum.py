"""A file's SHA-256 as S3 keeps it: that of its bytes, or of the digests of the parts in which it is sent."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import RawIOBase
from pathlib import Path

from services.stored import MOST_PARTS

PART_BYTES = 8 * 1024 * 1024
_THREADS = 8


def part_size(size: int, part_bytes: int = PART_BYTES) -> int:
    """The bytes of each part of a file of `size` bytes; one that is no larger goes in one request."""
    return max(part_bytes, -(-size // MOST_PARTS))


def of_digests(digests: Sequence[bytes]) -> str:
    """The checksum of a file by the SHA-256 of its only part, or of each: in hex, then '-' and their number.

    Source: Amazon S3 User Guide, "Checking object integrity", composite checksums.
    """
    if len(digests) == 1:
        return digests[0].hex()
    return f"{hashlib.sha256(b''.join(digests)).hexdigest()}-{len(digests)}"


def of_s3(told: str) -> str:
    """The checksum as S3 tells it, in base64."""
    digest, dash, parts = told.partition("-")
    return b64decode(digest).hex() + dash + parts


def is_of(body: bytes, checksum: str) -> bool:
    """Whether the bytes have this checksum, or the SHA-256 of all of them, which older versions kept of many parts."""
    step = part_size(len(body))
    digests = [hashlib.sha256(body[start : start + step]).digest() for start in range(0, max(len(body), 1), step)]
    return checksum in {of_digests(digests), hashlib.sha256(body).hexdigest()}


def read_part(file: RawIOBase, step: int) -> bytes:
    """The next `step` bytes of an unbuffered file, fewer only at its end: one read may give less than it is asked."""
    part = file.read(step) or b""
    if len(part) in {0, step}:  # as good as always, and without a copy
        return part
    found = [part]
    while (rest := step - sum(map(len, found))) and (part := file.read(rest) or b""):
        found.append(part)
    return b"".join(found)


def of_files(files: Sequence[tuple[Path, int]]) -> list[str]:
    """The checksums of files, given with their sizes in bytes. Memory holds a part for each of a few threads."""
    large = {path: size for path, size in files if size > PART_BYTES}
    with ThreadPoolExecutor(_THREADS) as pool:
        hashed = dict(zip(large, pool.map(_of_file, large, large.values()), strict=True))
    # A small one is hashed in less time than it takes to hand it to a thread.
    return [hashed[path] if path in hashed else _of_file(path, size) for path, size in files]


def _of_file(path: Path, size: int) -> str:
    return of_digests([hashlib.sha256(part).digest() for part in _parts(path, part_size(size))])


def _parts(path: Path, step: int) -> Iterator[bytes]:
    """The file's parts; an empty file is one of no bytes."""
    with path.open("rb", buffering=0) as file:
        part = read_part(file, step)
        yield part
        while len(part) == step and (part := read_part(file, step)):
            yield part
