"""Rows into the files of their days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.lake.files import ROWS_PER_GROUP, DayFiles, DayWriter
from services.lake.partitions import folder

GROUP_BYTES = 128_000_000
_EPOCH = date(1970, 1, 1)
_MS_PER_DAY = 86_400_000
_DAY = "day"  # no column can have this name: it is a partition key's


class TooLarge(Exception):
    """Rows that were to be sorted in memory take too much of it."""


@dataclass(frozen=True)
class Layout:
    """How a table's rows lie: below `target`, by the day of `time_column`, in the order of `sort_by`."""

    target: Path
    time_column: str
    sort_by: tuple[str, ...]


def write_unsorted(rows: Iterable[pa.Table], layout: Layout, max_bytes: int) -> dict[date, DayFiles]:
    """Sorts the rows and writes each day. Raises TooLarge when they take more than `max_bytes` of memory."""
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
    """Writes rows that come in order, holding no more than a row group of them."""
    written: dict[date, DayFiles] = {}
    for day, parts in _runs(part for table in rows for part in _by_day(table, layout)):
        with DayWriter(layout.target / folder(day)) as writer:
            for group in _groups(parts):
                writer.write(group)
            written[day] = writer.finish()
    return written


def _runs(parts: Iterator[tuple[date, pa.Table]]) -> Iterator[tuple[date, Iterator[pa.Table]]]:
    """The parts of one day after another, each read as it comes."""
    following = next(parts, None)

    def of(day: date) -> Iterator[pa.Table]:
        nonlocal following
        while following is not None and following[0] == day:
            yield following[1]
            following = next(parts, None)

    while following is not None:
        yield following[0], of(following[0])


def _groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Row groups of about a million rows, or fewer where they are wide."""
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
    """The rows, which lie in the order of their days, parted by day."""
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
    """The rows by day, and in each day by the layout's columns. Rows that lie so already are not moved."""
    times = np.asarray(rows.column(layout.time_column).combine_chunks().view(_integer(rows, layout)))
    if layout.sort_by[:1] == (layout.time_column,) and bool((times[1:] > times[:-1]).all()):
        return rows
    import pyarrow.compute  # takes a twentieth of a second, which rows in order need not wait for

    sort_indices: Any = pyarrow.compute.sort_indices
    days = pa.array(_day_numbers(rows, layout))
    keys = [(name, "ascending") for name in (_DAY, *layout.sort_by)]
    order = sort_indices(rows.append_column(_DAY, days), sort_keys=keys)
    return rows.take(order).combine_chunks()


def _integer(rows: pa.Table, layout: Layout) -> Any:
    return pa.int32() if pa.types.is_date(rows.schema.field(layout.time_column).type) else pa.int64()
