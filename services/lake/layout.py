"""Converts rows to the stored types, and divides them into the files of their days."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.errors import LakeError
from services.lake.files import ROWS_PER_GROUP, DayFiles, DayWriter
from services.lake.partitions import folder
from services.lake.postgres_types import Conversion, ExportColumn

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}]+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def convert(rows: pa.Table, columns: Sequence[ExportColumn], cut: Counter[str]) -> pa.Table:
    """Return the rows in their stored types. `cut` counts the times that were truncated, by column."""
    arrays = [_column(rows.column(number).combine_chunks(), column, cut) for number, column in enumerate(columns)]
    return pa.table(arrays, schema=stored_schema(columns))


def stored_schema(columns: Sequence[ExportColumn]) -> pa.Schema:
    """Return the columns as Parquet stores them."""
    return pa.schema([pa.field(column.name, column.stored, nullable=not column.required) for column in columns])


def _column(values: Any, column: ExportColumn, cut: Counter[str]) -> Any:
    if column.converted == "array":
        return _arrays(values, column, cut)
    return _CONVERSIONS[column.converted](values, column, cut)


def _milliseconds(values: Any, column: ExportColumn, cut: Counter[str]) -> Any:
    """Round times down to the millisecond, so that none moves into another day."""
    whole = np.asarray(values.view(pa.int64()).fill_null(0))
    millis = whole // 1000
    lost = int(np.count_nonzero(millis * 1000 != whole))
    if lost:
        cut[column.source] += lost
    valid = values.is_valid().buffers()[1] if values.null_count else None
    return from_numpy(millis, column.type, valid)


def _bytes(values: Any, column: ExportColumn, cut: Counter[str]) -> Any:  # noqa: ARG001  # one shape for all
    """Decode bytes from `\\x` and hexadecimal digits."""
    import polars as pl  # lazy: slow import

    text: Any = pl.from_arrow(values)
    return text.str.slice(2).str.decode("hex").to_arrow().cast(pa.binary())


def _unchanged(values: Any, column: ExportColumn, cut: Counter[str]) -> Any:  # noqa: ARG001  # one shape for all
    return values


_CONVERSIONS: dict[Conversion, Callable[[Any, ExportColumn, Counter[str]], Any]] = {
    "none": _unchanged,
    "milliseconds": _milliseconds,
    "bytes": _bytes,
}


def _arrays(values: Any, column: ExportColumn, cut: Counter[str]) -> Any:
    """Parse PostgreSQL's array literals. Only one-dimensional arrays that start at 1 are lists."""
    flat: list[str | None] = []
    offsets: list[int | None] = [0]
    for literal in values.to_pylist():
        if literal is None:
            offsets[-1] = None
        else:
            flat += _elements(literal, column)
        offsets.append(len(flat))
    elements = _cast(pa.array(flat, pa.string()), column)
    elements = _CONVERSIONS[column.of_elements](elements, column, cut)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)


def _elements(literal: str, column: ExportColumn) -> list[str | None]:
    if not literal.startswith("{") or literal.startswith("{{"):
        shape = "several dimensions" if literal.startswith("{{") else "a lower bound of its own"
        raise LakeError(
            f"{column.source} holds an array with {shape}: {literal[:60]}",
            next_step="Give the column the type 'string' in lake.toml, or leave it out.",
        )
    return [_element(quoted, bare) for quoted, bare in _ELEMENT.findall(literal[1:-1])]


def _element(quoted: str, bare: str) -> str | None:
    if bare:
        return None if bare == "NULL" else bare
    return _ESCAPED.sub(r"\1", quoted)


def _cast(texts: Any, column: ExportColumn) -> Any:
    if column.parsed == pa.string():
        return texts
    if column.parsed == pa.bool_():
        return pa.array([text and text == "t" for text in texts.to_pylist()], pa.bool_())
    try:
        return texts.cast(column.parsed)
    except pa.ArrowInvalid as error:
        raise LakeError(
            f"{column.source} holds an array with a value that {column.type} cannot represent: {error}",
            next_step="Give the column the type 'string' in lake.toml, or leave it out.",
        ) from error


def from_numpy(values: npt.NDArray[Any], kind: Any, valid: pa.Buffer | None = None) -> Any:
    """Return the memory of `values` as a column of `kind`, not copied; `valid` is a bitmap of those that are not NULL.

    pa.array() would do, but imports numpy.ma for it, which takes as long as 100,000 rows.
    """
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(values.data)])


GROUP_BYTES = 128_000_000
_EPOCH = date(1970, 1, 1)
_MS_PER_DAY = 86_400_000
_DAY = "day"  # not a column's name: it is reserved for a partition key


class TooLarge(Exception):
    """The rows of a span are too large to be sorted in memory."""


@dataclass(frozen=True)
class Layout:
    """The place and order of a table's rows: below `target`, by the day of `time_column`, sorted by `sort_by`."""

    target: Path
    time_column: str
    sort_by: tuple[str, ...]


def write_unsorted(rows: Iterable[pa.Table], layout: Layout, max_bytes: int) -> dict[date, DayFiles]:
    """Sort the rows and write each day. Raises TooLarge when they take more than `max_bytes` of memory."""
    tables: list[pa.Table] = []
    size = 0
    for table in rows:
        tables.append(table)
        size += table.nbytes
        if size > max_bytes:
            raise TooLarge
    if not tables:
        return {}
    whole = _sorted(pa.concat_tables(tables).combine_chunks(), layout)
    written: dict[date, DayFiles] = {}
    for day, part in _by_day(whole, layout):
        with DayWriter(layout.target / folder(day)) as writer:
            for start in range(0, part.num_rows, ROWS_PER_GROUP):
                writer.write(part.slice(start, ROWS_PER_GROUP))
            written[day] = writer.finish()
    return written


def write_sorted(rows: Iterable[pa.Table], layout: Layout) -> dict[date, DayFiles]:
    """Write rows that come in order, holding no more than a row group of them."""
    written: dict[date, DayFiles] = {}
    for day, parts in _runs(part for table in rows for part in _by_day(table, layout)):
        with DayWriter(layout.target / folder(day)) as writer:
            for group in _groups(parts):
                writer.write(group)
            written[day] = writer.finish()
    return written


def _runs(parts: Iterator[tuple[date, pa.Table]]) -> Iterator[tuple[date, Iterator[pa.Table]]]:
    """Yield each day with its parts, which are read lazily."""
    following = next(parts, None)

    def of(day: date) -> Iterator[pa.Table]:
        nonlocal following
        while following is not None and following[0] == day:
            yield following[1]
            following = next(parts, None)

    while following is not None:
        yield following[0], of(following[0])


def _groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield row groups of about a million rows, fewer if they are wide."""
    held: list[pa.Table] = []
    rows = size = 0
    for part in parts:
        held.append(part)
        rows += part.num_rows
        size += part.nbytes
        if rows >= ROWS_PER_GROUP or size >= GROUP_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _by_day(rows: pa.Table, layout: Layout) -> Iterator[tuple[date, pa.Table]]:
    """Divide rows that are sorted by day into days."""
    days = _day_numbers(rows, layout)
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1)) if len(days) else np.array([], dtype=np.int64)
    for start, end in zip(starts, [*starts[1:], len(days)], strict=True) if len(starts) else ():
        yield _EPOCH + timedelta(int(days[start])), rows.slice(int(start), int(end - start))


def _day_numbers(rows: pa.Table, layout: Layout) -> npt.NDArray[np.int64]:
    values: Any = rows.column(layout.time_column).combine_chunks()
    if pa.types.is_date(values.type):
        return np.asarray(values.view(pa.int32())).astype(np.int64)
    return np.asarray(values.view(pa.int64())) // _MS_PER_DAY


def _sorted(rows: pa.Table, layout: Layout) -> pa.Table:
    """Sort the rows by day and the layout's columns, unless they are sorted already."""
    times = np.asarray(rows.column(layout.time_column).combine_chunks().view(_integer(rows, layout)))
    if layout.sort_by[:1] == (layout.time_column,) and bool((times[1:] > times[:-1]).all()):
        return rows
    import pyarrow.compute  # lazy: slow import, which sorted rows do not need

    sort_indices: Any = pyarrow.compute.sort_indices
    days = pa.array(_day_numbers(rows, layout))
    keys = [(name, "ascending") for name in (_DAY, *layout.sort_by)]
    order = sort_indices(rows.append_column(_DAY, days), sort_keys=keys)
    return rows.take(order).combine_chunks()


def _integer(rows: pa.Table, layout: Layout) -> Any:
    return pa.int32() if pa.types.is_date(rows.schema.field(layout.time_column).type) else pa.int64()
