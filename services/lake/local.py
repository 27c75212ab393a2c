"""The lake's files on this machine: where they lie, what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import LakeError
from services.folders import walk
from services.lake.encrypted import is_encrypted
from services.lake.manifest import Schema
from services.lake.partitions import HIDDEN, day_of, file_stem
from services.lake.types import athena_type


@dataclass(frozen=True)
class LocalFile:
    """A file of the lake: `path` is relative to its table's folder, `size` in bytes.

    `modified_ns` tells whether it was written to since it was found.
    """

    table: str
    path: str
    location: Path
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Contents:
    """What a Parquet file's footer says; `least` and `most` by column, for numbers and times only."""

    rows: int
    schema: Schema
    least: dict[str, str]
    most: dict[str, str]


def local_files(output: Path) -> tuple[LocalFile, ...]:
    """The data files of each table under `output`, in the order of their paths.

    Hidden files, such as those that a killed run left half written, are passed over. Raises LakeError for a
    file that does not lie in a day's folder, OSError for a folder that cannot be listed.
    """
    return tuple(_local_file(output, path) for path in sorted(_parquet_files(str(output))))


def _parquet_files(output: str) -> Iterator[str]:
    """The paths below the output folder of what lies in a table's folder and is not hidden."""
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
            f"{location} does not lie in a day's folder, such as {table}/year=2025/month=01/day=10/data.parquet.",
            next_step="Move it away, or give it the layout of the others.",
        )
    status = location.stat()
    return LocalFile(table, path, location, status.st_size, status.st_mtime_ns)


def contents(files: Sequence[LocalFile]) -> list[Contents]:
    """What is in each file. Raises LakeError for one that is no whole Parquet file."""
    return [_contents(file) for file in files]


def _contents(file: LocalFile) -> Contents:
    try:
        footer = pq.read_metadata(file.location)
    except (pa.ArrowInvalid, OSError) as error:
        raise LakeError(
            f"{file.location} is no whole Parquet file: {error}", next_step="Generate or export its day again."
        ) from error
    if is_encrypted(file.location, footer):
        raise LakeError(
            f"{file.location} has encrypted columns, which Athena does not read.",
            next_step="Write it again without Parquet's encryption; the bucket's own protects it.",
        )
    try:
        schema = Schema.of(
            {field.name: (str(field.type), athena_type(field.type)) for field in footer.schema.to_arrow_schema()}
        )
    except ValueError as error:
        raise LakeError(f"{file.location}: {error}", next_step="Leave that column out.") from error
    least, most = _extremes(footer)
    return Contents(footer.num_rows, schema, least, most)


def _extremes(footer: Any) -> tuple[dict[str, str], dict[str, str]]:
    """The least and greatest value of each column of numbers or times, from the row groups' statistics.

    Text is left out: the manifest is no place for a person's address.
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
            low, high = statistics.min, statistics.max  # each look decodes it
            if isinstance(low, str | bytes | bool):
                continue
            name = chunk.path_in_schema
            least[name] = min(least.get(name, low), low)
            most[name] = max(most.get(name, high), high)
    return {name: _text(value) for name, value in least.items()}, {name: _text(value) for name, value in most.items()}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
