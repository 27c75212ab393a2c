"""Parquet footers: how large each column chunk is, and which values it holds, read without reading the data."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import LakeError
from services.lake.parquet import ENCRYPTED_FOOTER, athena_type, has_encrypted_columns
from services.queries.files import Files, LakeFile

MAGIC = b"PAR1"
TAIL = 16_384
"""Bytes of a file's end that are read at once: DuckDB reads as many, so that it finds them here already."""


class FileDamaged(LakeError):
    """A file of the lake is not a Parquet file, or a damaged one."""

    next_step = "Write its day again (generate or export, then upload), or remove the file."


class FileEncrypted(LakeError):
    """A file of the lake is encrypted by Parquet's own means, which Athena does not read either."""

    next_step = "Write its day again without encryption (the bucket's own encryption protects it), or remove the file."


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of one row group: its place in the file and, where the writer recorded them, what its values span.

    `low` and `high` bound the values that are not NULL; None where there are none or they are not known.
    """

    start: int
    length: int
    plain_length: int
    dictionary: bool
    low: Any
    high: Any
    nulls: int | None


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Some of a file's rows. A nested column has several chunks. Names are in lower case, as Athena looks them up."""

    rows: int
    chunks: Mapping[str, tuple[Chunk, ...]]


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself. `types` are Athena's, `sizes` the compressed bytes of each column."""

    file: LakeFile
    rows: int
    groups: tuple[RowGroup, ...]
    types: Mapping[str, str]
    sizes: Mapping[str, int]
    length: int


class Footers:
    """The footers of a lake's files, each read once. `tails` holds the ends of the files as they were read."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[LakeFile, Footer] = {}
        self.tails: dict[str, bytes] = {}

    def known(self, file: LakeFile) -> Footer | None:
        """The footer, if it was read already."""
        return self._known.get(file)

    def read(self, wanted: Iterable[LakeFile]) -> list[Footer]:
        """The footers of these files, in their order. Raises FileDamaged for one that is not a Parquet file."""
        wanted = list(wanted)
        missing = [file for file in wanted if file not in self._known]
        readers = min(self._files.at_once, len(missing))
        if readers > 1:
            with ThreadPoolExecutor(readers) as pool:
                self._known.update(zip(missing, pool.map(self._read, missing), strict=True))
        else:
            self._known.update((file, self._read(file)) for file in missing)
        return [self._known[file] for file in wanted]

    def _read(self, file: LakeFile) -> Footer:
        where = self._files.url(file.key)
        if file.size < 12:
            raise FileDamaged(f"{where} is not a Parquet file: it has {file.size} bytes.")
        tail = self._files.read(file, max(0, file.size - TAIL), min(TAIL, file.size))
        if tail[-4:] == ENCRYPTED_FOOTER:
            raise FileEncrypted(f"{where} is encrypted.")
        if tail[-4:] != MAGIC:
            raise FileDamaged(f"{where} is not a Parquet file, or was cut short: it does not end with PAR1.")
        length: int = struct.unpack("<I", tail[-8:-4])[0] + 8
        if length > file.size - 4:
            raise FileDamaged(f"{where} is damaged: its footer claims to be longer than the file.")
        if length > len(tail):
            tail = self._files.read(file, file.size - length, length)
        self.tails[file.key] = tail
        try:
            metadata = pq.read_metadata(pa.BufferReader(MAGIC + tail[-length:]))
            if has_encrypted_columns(metadata, length - 8):
                raise FileEncrypted(f"{where} has encrypted columns.")
            return _footer(file, metadata, length)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise FileDamaged(f"{where} is damaged: its footer cannot be read ({error}).") from error


def _footer(file: LakeFile, metadata: pq.FileMetaData, length: int) -> Footer:
    groups = tuple(_row_group(metadata.row_group(number)) for number in range(metadata.num_row_groups))
    sizes: dict[str, int] = {}
    for group in groups:
        for name, chunks in group.chunks.items():
            sizes[name] = sizes.get(name, 0) + sum(chunk.length for chunk in chunks)
    return Footer(file, metadata.num_rows, groups, _types(metadata.schema.to_arrow_schema()), sizes, length)


def _types(schema: pa.Schema) -> dict[str, str]:
    found = {}
    for column in schema:
        try:
            found[column.name.lower()] = athena_type(column.type)
        except ValueError:
            found[column.name.lower()] = str(column.type)
    return found


def _row_group(group: Any) -> RowGroup:
    chunks: dict[str, tuple[Chunk, ...]] = {}
    for number in range(group.num_columns):
        column = group.column(number)
        name = column.path_in_schema.split(".")[0].lower()
        chunks[name] = (*chunks.get(name, ()), _chunk(column))
    return RowGroup(group.num_rows, chunks)


def _chunk(column: Any) -> Chunk:
    first = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset is not None:
        first = min(first, column.dictionary_page_offset)
    statistics = column.statistics
    bounded = statistics is not None and statistics.has_min_max
    return Chunk(
        start=first,
        length=column.total_compressed_size,
        plain_length=column.total_uncompressed_size,
        dictionary=column.has_dictionary_page,
        low=statistics.min if bounded else None,
        high=statistics.max if bounded else None,
        nulls=statistics.null_count if statistics is not None and statistics.has_null_count else None,
    )


def differing(footer: Footer, declared: Mapping[str, str], columns: Sequence[str]) -> str | None:
    """Why this file cannot be read as the table declares these columns, or None.

    A column that the file lacks is no fault: Athena reads it as NULL.
    """
    for name in columns:
        found = footer.types.get(name)
        if found is not None and found != declared[name]:
            return f"{name} is stored as {found}, and the table declares {declared[name]}"
    return None
