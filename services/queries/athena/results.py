"""Athena's answers, which come as text, as typed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from services.human import size
from services.queries.engine import ResultTooLarge

_READ: dict[str, tuple[pa.DataType, Callable[[str], Any]]] = {
    "boolean": (pa.bool_(), lambda text: text == "true"),
    "tinyint": (pa.int8(), int),
    "smallint": (pa.int16(), int),
    "integer": (pa.int32(), int),
    "bigint": (pa.int64(), int),
    "float": (pa.float32(), float),
    "real": (pa.float32(), float),
    "double": (pa.float64(), float),
    "date": (pa.date32(), date.fromisoformat),
    "timestamp": (pa.timestamp("ms"), datetime.fromisoformat),
}


def table(pages: Iterable[tuple[list[Mapping[str, Any]], list[list[str | None]]]], limit: int) -> pa.Table:
    """The pages as one table; types without an Arrow like, such as arrays, stay Athena's text.

    Raises ResultTooLarge when the texts take more than `limit` bytes.
    """
    columns: list[Mapping[str, Any]] = []
    values: list[list[Any]] = []
    total = 0
    for described, rows in pages:
        if not columns:
            columns, values = described, [[] for _ in described]
        for row in rows:
            total += sum(len(text) for text in row if text)
            for column, kept, text in zip(columns, values, row, strict=True):
                kept.append(None if text is None else _reader(column)[1](text))
        if total > limit:
            raise ResultTooLarge(f"The answer is larger than {size(limit)}.")
    arrays = [pa.array(kept, _reader(column)[0]) for column, kept in zip(columns, values, strict=True)]
    return pa.Table.from_arrays(arrays, names=[str(column["Name"]) for column in columns])


def _reader(column: Mapping[str, Any]) -> tuple[pa.DataType, Callable[[str], Any]]:
    kind = str(column["Type"])
    if kind == "decimal":
        return pa.decimal128(int(column["Precision"]), int(column["Scale"])), Decimal
    return _READ.get(kind, (pa.string(), str))
