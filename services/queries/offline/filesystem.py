"""The lake's files as DuckDB opens them: ranges read on demand, and every byte counted."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import fsspec

from services.queries.files import Files, LakeFile
from services.queries.footers import TAIL

PROTOCOL = "lake"
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)  # files are told apart by their version, which each read names


class LakeFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Opens the files that a query selected under `lake://`, and nothing else.

    `scanned` are the bytes of column chunks that were read. Reading a footer counts nothing: its bytes are in `tails`
    already, from the prediction, and Athena does not bill them.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, files: Files, tails: dict[str, bytes]) -> None:
        super().__init__()
        self._files = files
        self._wanted: dict[str, LakeFile] = {}
        self._tails = tails
        self._lock = Lock()
        self.scanned = 0
        self.failure: Exception | None = None

    @contextmanager
    def serving(self, wanted: Iterable[LakeFile]) -> Iterator[None]:
        """Serves these files while it lasts, and counts from zero."""
        self._wanted = {file.key: file for file in wanted}
        self.scanned, self.failure = 0, None
        try:
            yield
        finally:
            self._wanted = {}

    def find_file(self, path: str) -> LakeFile:
        """The file of a path. Raises FileNotFoundError for one that the query did not select."""
        key = str(path).removeprefix(f"{PROTOCOL}://")
        if key not in self._wanted:
            raise FileNotFoundError(path)
        return self._wanted[key]

    def fetch(self, file: LakeFile, start: int, length: int) -> bytes:
        """A range of a file. A failure is kept, as DuckDB passes on only its text."""
        if length <= 0:
            return b""
        tail = self._tails.get(file.key, b"")
        if length == min(TAIL, file.size) and start == file.size - length and tail:
            return tail[-length:]
        with self._lock:
            self.scanned += length
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
        return _LakeStream(self, self.find_file(path))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self.find_file(path).size, "type": "file"}

    def modified(self, path: str) -> datetime:
        self.find_file(path)
        return _NEVER

    def exists(self, path: str, **_: Any) -> bool:
        return str(path).removeprefix(f"{PROTOCOL}://") in self._wanted

    def glob(self, path: str, **_: Any) -> list[str]:
        self.find_file(path)
        return [path]


class _LakeStream(io.RawIOBase):
    def __init__(self, system: LakeFileSystem, file: LakeFile) -> None:
        self._system = system
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._file.size - self._at
        body = self._system.fetch(self._file, self._at, left if size < 0 else min(size, left))
        self._at += len(body)
        return body
