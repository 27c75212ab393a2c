"""The lake's files on this machine: where they lie, what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import LakeError
from services.lake.manifest import Schema
from services.lake.partitions import day_of, is_data_file
from services.lake.types import athena_type

_THREADS = 8
_WORTH_A_THREAD = 1 << 20  # bytes: to hash fewer takes less time than to hand them over
_HIDDEN = (".", "_")


@dataclass(frozen=True)
class LocalFile:
    """A file of the lake: `path` is relative to its table's folder, `size` in bytes, `sha256` in hex.

    `modified_ns` is when it was last written to, as it was before it was hashed.
    """

    table: str
    path: str
    location: Path
    size: int
    sha256: str
    modified_ns: int


@dataclass(frozen=True)
class Contents:
    """What a Parquet file's footer says; `least` and `most` by column, for numbers and times only."""

    rows: int
    schema: Schema
    least: dict[str, str]
    most: dict[str, str]


def local_files(output: Path) -> tuple[LocalFile, ...]:
    """The data files of each table under `output`, in the order of their paths, hashed.

    Hidden files, such as those that a killed run left half written, are passed over. Raises LakeError for a
    file that does not lie in a day's folder.
    """
    found = [path for path in sorted(output.glob("*/**/*.parquet")) if not _hidden(path.relative_to(output))]
    files = [(path, path.stat()) for path in found]
    with ThreadPoolExecutor(_THREADS) as pool:
        large = {path: pool.submit(_sha256, path) for path, status in files if status.st_size >= _WORTH_A_THREAD}
        return tuple(
            _local_file(output, path, status, large[path].result() if path in large else _sha256(path))
            for path, status in files
        )


def _local_file(output: Path, path: Path, status: os.stat_result, sha256: str) -> LocalFile:
    table, relative = path.relative_to(output).as_posix().split("/", 1)
    day_folder, _, name = relative.rpartition("/")
    if day_of(day_folder) is None or not is_data_file(name):
        raise LakeError(
            f"{path} does not lie in a day's folder, such as {table}/year=2025/month=01/day=10/data.parquet.",
            next_step="Move it away, or give it the layout of the others.",
        )
    return LocalFile(table, relative, path, status.st_size, sha256, status.st_mtime_ns)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hidden(relative: Path) -> bool:
    return any(part.startswith(_HIDDEN) for part in relative.parts)


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
