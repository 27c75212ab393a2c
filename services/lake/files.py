"""Parquet files of one day: one row group a call, split by size, seen whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import DISK_FULL, FolderUnusable
from services.folders import make_private
from services.lake.partitions import OWN, file_name, file_number

ROWS_PER_GROUP = 1 << 20
MAX_FILE_BYTES = 256_000_000
_PARTIAL = ".partial"


@dataclass(frozen=True)
class DayFiles:
    """What was written into one day's folder."""

    paths: tuple[Path, ...]
    rows: int
    size: int


class DayWriter:
    """Writes one day's folder. What was there before stays until all of the new is complete.

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
        """Appends the rows as one row group."""
        before = self._open[0].tell() if self._open else 0
        if before + self._largest_group > self._max_bytes:
            self._end_file()
        sink, writer = self._open or self._begin_file(rows.schema)
        before = sink.tell()
        writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        self._largest_group = max(self._largest_group, sink.tell() - before)
        self._rows += rows.num_rows

    def finish(self) -> DayFiles:
        """Puts the new files in the place of the old ones."""
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
        with suppress(OSError, pa.ArrowException):  # a full disk takes no footer either
            self._end_file()
        for name in self._names:
            self._partial(name).unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> FolderUnusable:
        return FolderUnusable(
            f"{self._folder} cannot be written: {error.strerror or error}",
            next_step="Make room on the disk, or let OUTPUT_DIR name another." if error.errno in DISK_FULL else None,
        )

    def _partial(self, name: str) -> Path:
        return self._folder / f".{name}{_PARTIAL}"


def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """How columns are stored: whole numbers and times as packed differences, text by dictionary, all in zstd.

    Arrow's own schema is left out: what Parquet itself says of a column is what every reader goes by.
    """
    packed = [column.name for column in schema if _is_whole(column.type)]
    others = [column.name for column in schema if column.name not in packed and not _is_decimal(column.type)]
    return {
        "compression": "zstd",
        "use_dictionary": others or False,
        "column_encoding": dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
        "store_decimal_as_integer": True,
        "store_schema": False,
        "write_page_index": True,
    }


def _is_whole(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind))
