"""Athena's answers, which come as text, as typed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from services.errors import QueryFailed
from services.formatting import size
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

    Raises ResultTooLarge when the texts take more than `limit` bytes, QueryFailed for a day that is none here.
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
                kept.append(None if text is None else _value(column, text))
        if total > limit:
            raise ResultTooLarge(f"The answer is larger than {size(limit)}.")
    arrays = [pa.array(kept, _reader(column)[0]) for column, kept in zip(columns, values, strict=True)]
    return pa.Table.from_arrays(arrays, names=[str(column["Name"]) for column in columns])


def _value(column: Mapping[str, Any], text: str) -> Any:
    try:
        return _reader(column)[1](text)
    except ValueError as error:  # Python's years are those from 1 to 9999
        name = column["Name"]
        raise QueryFailed(
            f"The answer holds {text} in {name}, which cannot be kept as a {column['Type']}.",
            next_step=f"Ask for its text: CAST({name} AS varchar).",
        ) from error


def _reader(column: Mapping[str, Any]) -> tuple[pa.DataType, Callable[[str], Any]]:
    kind = str(column["Type"])
    if kind == "decimal":
        return pa.decimal128(int(column["Precision"]), int(column["Scale"])), Decimal
    return _READ.get(kind, (pa.string(), str))
