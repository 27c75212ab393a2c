"""Streams of blocks: iterators of bytes, chained; a thread where two stages should work at once."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable

from isal import isal_zlib

from services.errors import BackupDamaged

Blocks = Generator[bytes, None, None]


BLOCK = 1 << 20  # bytes


_GZIP = 31  # zlib's window bits for a gzip header and trailer


GZIP_LEVEL = 1


_NO_GZIP: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says that it is an instance


_AHEAD = 4  # blocks


def prefetch(blocks: Iterable[bytes]) -> Blocks:
    """The same blocks, made on a thread of its own, a few of them before they are asked for.

    An error of the thread is raised here. When this is closed early, the thread ends with its next block: whoever
    started the process that it reads from ends that first.
    """
    made: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD + 1)
    stopped = threading.Event()

    def work() -> None:
        try:
            for block in blocks:
                if stopped.is_set():
                    return
                made.put(block)
            made.put(None)
        except BaseException as error:  # raised where the blocks are used
            made.put(error)

    threading.Thread(target=work, daemon=True, name="prefetch").start()
    try:
        while True:
            block = made.get()
            if block is None:
                return
            if isinstance(block, BaseException):
                raise block
            yield block
    finally:
        stopped.set()
        with_room = made.maxsize
        while with_room and not made.empty():
            made.get_nowait()
            with_room -= 1


def compressed(blocks: Iterable[bytes]) -> Blocks:
    """Blocks as one gzip stream, by ISA-L."""
    stream = isal_zlib.compressobj(GZIP_LEVEL, wbits=_GZIP)
    for block in blocks:
        if out := stream.compress(block):
            yield out
    yield stream.flush()


def decompressed(blocks: Iterable[bytes]) -> Blocks:
    """The content of a gzip stream, in blocks of at most BLOCK bytes. Raises BackupDamaged when it is not whole."""
    stream = isal_zlib.decompressobj(wbits=_GZIP)
    try:
        for block in blocks:
            pending = block
            while pending and not stream.eof:
                out = stream.decompress(pending, BLOCK)
                pending = stream.unconsumed_tail
                if out:
                    yield out
    except _NO_GZIP as error:
        raise BackupDamaged(f"The backup is no whole gzip stream: {error}") from error
    if not stream.eof:
        raise BackupDamaged("The backup's gzip stream ends too early.")


class Digest:
    """Counts and hashes what passes: SHA-256, and the CRC-32 by which S3 checks it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.crc32 = 0

    def watch(self, blocks: Iterable[bytes]) -> Blocks:
        """The same blocks, each counted on its way."""
        for block in blocks:
            self.bytes += len(block)
            self._hash.update(block)
            self.crc32 = isal_zlib.crc32(block, self.crc32)
            yield block

    @property
    def sha256(self) -> str:
        """The hash of what passed so far, in hex."""
        return self._hash.hexdigest()


def report_progress(blocks: Iterable[bytes], advance: Callable[[int], None]) -> Blocks:
    """The same blocks; `advance` is told the size of each."""
    for block in blocks:
        advance(len(block))
        yield block
