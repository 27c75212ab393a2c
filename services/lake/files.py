"""Local Parquet files: what they contain, and the writer of a day, which replaces the old files at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import DISK_FULL, FolderUnusable, LakeError
from services.files import make_private, walk
from services.lake.parquet import athena_type, is_encrypted, writer_options
from services.lake.partitions import HIDDEN, OWN, day_of, file_name, file_number, file_stem
from services.lake.schema import Schema


@dataclass(frozen=True)
class LocalFile:
    """A local file of the lake."""

    table: str
    path: str  # relative to its table's folder
    location: Path
    size: int  # in bytes
    modified_ns: int  # shows whether it was written to since it was listed


@dataclass(frozen=True)
class FolderContents:
    """The content of a Parquet file by its footer; `least` and `most` by column, for numbers and times only."""

    rows: int
    schema: Schema
    least: dict[str, str]
    most: dict[str, str]


def local_files(output: Path) -> tuple[LocalFile, ...]:
    """Return the data files of each table under `output`, in the order of their paths.

    Hidden files, such as those that a killed run left half written, are passed over. Raises LakeError for a
    file that does not lie in a day's folder, OSError for a folder that cannot be listed.
    """
    return tuple(_local_file(output, path) for path in sorted(_parquet_files(str(output))))


def _parquet_files(output: str) -> Iterator[str]:
    """Yield the paths, relative to `output`, of the files in tables' folders that are not hidden."""
    for folder, folders, names in walk(output):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        if folder != output:
            below = os.path.relpath(folder, output)
            yield from (f"{below}/{name}" for name in names if _is_parquet(name))


def _is_parquet(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(HIDDEN)


def _local_file(output: Path, relative: str) -> LocalFile:
    location = output / relative
    table, path = relative.split("/", 1)
    day_folder, _, name = path.rpartition("/")
    if day_of(day_folder) is None or file_stem(name) is None:
        raise LakeError(
            f"{location} is not in a day's folder, such as {table}/year=2025/month=01/day=10/data.parquet.",
            next_step="Move it out of this folder, or into a day's folder.",
        )
    status = location.stat()
    return LocalFile(table, path, location, status.st_size, status.st_mtime_ns)


def contents(files: Sequence[LocalFile]) -> list[FolderContents]:
    """Return the contents of each file. Raises LakeError for a file that is not a complete Parquet file."""
    return [_contents(file) for file in files]


def _contents(file: LocalFile) -> FolderContents:
    try:
        footer = pq.read_metadata(file.location)
    except (pa.ArrowInvalid, OSError) as error:
        raise LakeError(
            f"{file.location} is not a complete Parquet file: {error}", next_step="Generate or export its day again."
        ) from error
    if is_encrypted(file.location, footer):
        raise LakeError(
            f"{file.location} has encrypted columns, which Athena does not read.",
            next_step="Write it again without Parquet encryption: the bucket's own encryption protects it.",
        )
    try:
        schema = Schema.of(
            {field.name: (str(field.type), athena_type(field.type)) for field in footer.schema.to_arrow_schema()}
        )
    except ValueError as error:
        raise LakeError(f"{file.location}: {error}", next_step="Leave that column out.") from error
    least, most = _extremes(footer)
    return FolderContents(footer.num_rows, schema, least, most)


def _extremes(footer: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Return the least and greatest value of each column of numbers or times, from the row groups' statistics.

    Text is left out, because it may be personal data.
    """
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for index in range(group.num_columns):
            chunk = group.column(index)
            statistics = chunk.statistics
            if statistics is None or not statistics.has_min_max:
                continue
            low, high = statistics.min, statistics.max  # each access decodes it
            if isinstance(low, str | bytes | bool):
                continue
            name = chunk.path_in_schema
            least[name] = min(least.get(name, low), low)
            most[name] = max(most.get(name, high), high)
    return {name: _text(value) for name, value in least.items()}, {name: _text(value) for name, value in most.items()}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


ROWS_PER_GROUP = 1 << 20
MAX_FILE_BYTES = 256_000_000
_PARTIAL = ".partial"


@dataclass(frozen=True)
class DayFiles:
    """The files that were written into a day's folder."""

    paths: tuple[Path, ...]
    rows: int
    size: int


class DayWriter:
    """A writer of one day's folder. Existing files stay until all new ones are complete.

    A file ends before the row group that would carry it past `max_bytes`; memory holds one row group. The files
    are numbered from `first` on, and their names begin with `stem`. Raises FolderUnusable when the disk is full or the
    folder may not be written to.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_FILE_BYTES, *, first: int = 0, stem: str = OWN) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._first = first
        self._stem = stem
        self._open: tuple[pa.NativeFile, pq.ParquetWriter] | None = None
        self._names: list[str] = []
        self._largest_group = 0
        self._rows = 0

    def __enter__(self) -> DayWriter:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abandon()
        if isinstance(error, OSError):
            raise self._unwritable(error) from error

    def write(self, rows: pa.Table) -> None:
        """Append the rows as one row group."""
        before = self._open[0].tell() if self._open else 0
        if before + self._largest_group > self._max_bytes:
            self._end_file()
        sink, writer = self._open or self._begin_file(rows.schema)
        before = sink.tell()
        writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        self._largest_group = max(self._largest_group, sink.tell() - before)
        self._rows += rows.num_rows

    def finish(self) -> DayFiles:
        """Replace the old files by the new ones."""
        self._end_file()
        for name in self._names:
            self._partial(name).replace(self._folder / name)
        for path in self._folder.iterdir():
            older = file_number(path.name, self._stem) is not None or path.name.endswith(_PARTIAL)
            if older and path.name not in self._names:
                path.unlink()
        paths = tuple(self._folder / name for name in self._names)
        return DayFiles(paths, self._rows, sum(path.stat().st_size for path in paths))

    def _begin_file(self, schema: pa.Schema) -> tuple[pa.NativeFile, pq.ParquetWriter]:
        name = file_name(self._first + len(self._names), self._stem)
        self._names.append(name)
        make_private(self._partial(name))
        sink = pa.OSFile(str(self._partial(name)), "wb")
        self._open = sink, pq.ParquetWriter(sink, schema, **writer_options(schema))
        return self._open

    def _end_file(self) -> None:
        if self._open is not None:
            sink, writer = self._open
            writer.close()
            sink.close()
        self._open = None

    def _abandon(self) -> None:
        with suppress(OSError, pa.ArrowException):  # on a full disk the footer cannot be written either
            self._end_file()
        for name in self._names:
            self._partial(name).unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> FolderUnusable:
        return FolderUnusable(
            f"{self._folder} cannot be written: {error.strerror or error}",
            next_step="Make room on the disk, or set OUTPUT_DIR to another folder."
            if error.errno in DISK_FULL
            else None,
        )

    def _partial(self, name: str) -> Path:
        return self._folder / f".{name}{_PARTIAL}"
