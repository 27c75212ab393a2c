"""The lake's files as DuckDB opens them: ranges read on demand, and every byte counted."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import fsspec

from services.queries.files import Files, LakeFile
from services.queries.footers import TAIL

PROTOCOL = "lake"
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)  # files are told apart by their version, which each read names


@dataclass(frozen=True)
class Served:
    """A file for one scan of a query, which is made so many `times`."""

    file: LakeFile
    times: int


class LakeFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Opens the files that a query selected under `lake://`, and nothing else.

    `scanned` are the bytes of column chunks that the last query read. Reading a footer counts nothing: its bytes are in
    `tails` already, from the prediction, and Athena does not bill them. What DuckDB's threads read of a file a second
    time for the same scan counts nothing either: Athena reads a chunk once. Nothing is read once it is `stopped`.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, files: Files, tails: dict[str, bytes]) -> None:
        super().__init__()
        self._files = files
        self._wanted: Mapping[str, Served] = {}
        self._tails = tails
        self._lock = Lock()
        self._ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.scanned = 0
        self.failure: Exception | None = None
        self.stopped = False

    @contextmanager
    def serving(self, wanted: Mapping[str, Served]) -> Iterator[None]:
        """Serves these files by their paths while it lasts; then `scanned` is what was read."""
        self._wanted, self.scanned, self.failure, self.stopped = wanted, 0, None, False
        self._ranges.clear()
        try:
            yield
        finally:
            self.scanned = sum(covered(ranges, wanted[path].times) for path, ranges in self._ranges.items())
            self._wanted = {}

    def find_file(self, path: str) -> LakeFile:
        """The file of a path. Raises FileNotFoundError for one that the query did not select."""
        found = self._wanted.get(str(path))
        if found is None:
            raise FileNotFoundError(path)
        return found.file

    def fetch(self, path: str, start: int, length: int) -> bytes:
        """A range of a file. A failure is kept, as DuckDB passes on only its text."""
        if self.stopped:
            raise InterruptedError("the query was stopped")
        if length <= 0:
            return b""
        file = self.find_file(path)
        tail = self._tails.get(file.key, b"")
        if length == min(TAIL, file.size) and start == file.size - length and tail:
            return tail[-length:]
        with self._lock:
            self._ranges[path].append((start, length))
        begins = file.size - len(tail)
        if start >= begins and tail:
            return tail[start - begins : start - begins + length]
        try:
            return self._files.read(file, start, length)
        except Exception as error:
            self.failure = error
            raise

    def open(self, path: str, mode: str = "rb", **_: Any) -> _LakeStream:
        if mode != "rb":
            raise PermissionError("the lake is only read")
        return _LakeStream(self, str(path), self.find_file(path).size)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self.find_file(path).size, "type": "file"}

    def modified(self, path: str) -> datetime:
        self.find_file(path)
        return _NEVER

    def exists(self, path: str, **_: Any) -> bool:
        return str(path) in self._wanted

    def glob(self, path: str, **_: Any) -> list[str]:
        self.find_file(path)
        return [path]


def covered(ranges: Sequence[tuple[int, int]], times: int) -> int:
    """How many bytes these ranges of a file, each a start and a length, hold, any byte at most so many times."""
    changes: Counter[int] = Counter()
    for start, length in ranges:
        changes[start] += 1
        changes[start + length] -= 1
    total = depth = before = 0
    for place, change in sorted(changes.items()):
        total += (place - before) * min(depth, times)
        depth, before = depth + change, place
    return total


class _LakeStream(io.RawIOBase):
    def __init__(self, system: LakeFileSystem, path: str, size: int) -> None:
        self._system = system
        self._path = path
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._at
        body = self._system.fetch(self._path, self._at, left if size < 0 else min(size, left))
        self._at += len(body)
        return body
