"""The lake's files, wherever they lie: listed by partition, and read a range at a time."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.errors import LakeError
from services.files import walk
from services.queries.catalog import TableSchema
from services.s3.objects import Storage


class FileChanged(LakeError):
    """A file was replaced or removed while a query was reading it."""

    next_step = "Run the query again: it reads what is there now."


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of one partition: `values` are the partition's, `size` is in bytes, `version` changes with the content."""

    key: str
    size: int
    version: str
    values: tuple[int, ...] = ()


class Files(Protocol):
    """A place that holds the lake. Keys begin with the table's name. `at_once` is how many reads side by side pay."""

    at_once: int

    def list(self, prefix: str) -> Iterator[LakeFile]:
        """The files whose keys begin with `prefix`, in key order, their partitions not yet read from the key."""

    def read(self, file: LakeFile, start: int, length: int) -> bytes:
        """A range of the file's bytes. Raises FileChanged when it is no longer the file that was listed."""

    def url(self, key: str) -> str:
        """Where the file lies, for a message."""


class BucketFiles:
    """The lake in a bucket, below a prefix."""

    at_once = 32  # a read is mostly waiting

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = f"{prefix}/" if prefix else ""

    def list(self, prefix: str) -> Iterator[LakeFile]:
        for found in self._storage.objects(self._prefix + prefix):
            yield LakeFile(found.key.removeprefix(self._prefix), found.size, found.etag)

    def read(self, file: LakeFile, start: int, length: int) -> bytes:
        body = self._storage.read_range(self._prefix + file.key, start, length, etag=file.version)
        if body is None or len(body) != length:
            raise FileChanged(f"{self.url(file.key)} was replaced or removed while it was being read.")
        return body

    def url(self, key: str) -> str:
        return self._storage.url(self._prefix + key)


class FolderFiles:
    """The lake in a local folder, as `shoreline generate` and `shoreline export` write it."""

    at_once = 1  # a read is over sooner than a thread begins

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self, prefix: str) -> Iterator[LakeFile]:
        found, root = [], f"{self.folder}/"
        for folder, _, names in walk(self.folder / prefix):
            for name in names:
                path = f"{folder}/{name}"  # no Path: to make one for each of many files takes longer than to list them
                try:
                    status = os.stat(path)  # noqa: PTH116
                except FileNotFoundError:  # removed since, or a link to nothing
                    continue
                if stat.S_ISREG(status.st_mode):
                    found.append(LakeFile(path.removeprefix(root), status.st_size, str(status.st_mtime_ns)))
        yield from sorted(found, key=lambda file: file.key)

    def read(self, file: LakeFile, start: int, length: int) -> bytes:
        try:
            with (self.folder / file.key).open("rb") as stream:
                status = os.fstat(stream.fileno())
                same = (status.st_size, str(status.st_mtime_ns)) == (file.size, file.version)
                body = os.pread(stream.fileno(), length, start) if same else b""
        except OSError:
            body = b""
        if len(body) != length:
            raise FileChanged(f"{self.url(file.key)} was replaced or removed while it was being read.")
        return body

    def url(self, key: str) -> str:
        return str(self.folder / key)


def list_table(files: Files, table: TableSchema) -> list[LakeFile]:
    """The files that Athena reads for a table: those in the folders of its declared partitions.

    Left out are names that begin with '_' or '.', empty files, and folders that the partition projection does
    not name (`month=1` for `month=01`, a year out of the range).
    """
    layout = re.compile(
        "/".join([re.escape(table.name), *(rf"{key.name}=(-?\d{{{key.digits},}})" for key in table.keys), r"(.+)"])
    )
    found = []
    for file in files.list(f"{table.name}/"):
        match = layout.fullmatch(file.key)
        if match is None or not file.size or any(part[0] in "_." for part in match[len(table.keys) + 1].split("/")):
            continue
        values = tuple(map(int, match.groups()[:-1]))
        declared = all(key.first <= value <= key.last for key, value in zip(table.keys, values, strict=True))
        if declared and file.key.startswith(f"{table.name}/{table.folder(values)}/"):
            found.append(LakeFile(file.key, file.size, file.version, values))
    return found
