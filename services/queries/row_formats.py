"""Rows as CSV, JSON and Parquet, and a value as text."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

FileFormat = Literal["csv", "json", "parquet"]

_TYPES: dict[str, pa.DataType] = {
    str(kind): kind
    for kind in (
        pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(),
        pa.date32(), pa.timestamp("ms"),
    )
}  # fmt: skip


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""


def encode(
    columns: Mapping[str, str], values: Sequence[Sequence[Any]], form: FileFormat, *, csv_safe: bool = False
) -> bytes:
    """Return rows in a format; `columns` are their Arrow types by name.

    In JSON decimals are strings of their exact digits, times are ISO 8601. With `csv_safe` a text of a CSV that a
    spreadsheet would take for a formula begins with an apostrophe.
    """
    if csv_safe:
        columns = {_without_formula(name): kind for name, kind in columns.items()}
        values = [[_without_formula(value) if isinstance(value, str) else value for value in row] for row in values]
    if form == "json":
        rows_by_name = [dict(zip(columns, row, strict=True)) for row in values]
        lines = [json.dumps(_plain(row), ensure_ascii=False) for row in rows_by_name]
        return ("[" + ",\n ".join(lines) + "]\n").encode()
    rows = _table(columns, values)
    sink = io.BytesIO()
    if form == "csv":
        pa_csv.write_csv(rows, sink, pa_csv.WriteOptions(quoting_style="needed"))
    else:
        pq.write_table(rows, sink, compression="zstd")
    return sink.getvalue()


def _without_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _table(columns: Mapping[str, str], values: Sequence[Sequence[Any]]) -> pa.Table:
    by_column = list(zip(*values, strict=True)) or [()] * len(columns)
    arrays = [pa.array(list(found), _type(kind)) for found, kind in zip(by_column, columns.values(), strict=True)]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _type(name: str) -> pa.DataType | None:
    """The Arrow type of a name; None, which infers it, for a nested one."""
    if name.startswith("decimal128("):
        precision, scale = name.removeprefix("decimal128(").removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return _TYPES.get(name)


def _plain(value: Any) -> Any:
    """Return a value of JSON; bytes are pairs of hexadecimal digits, NaN and infinity are strings."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex(" ")
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return json.dumps(value) if isinstance(value, float) else str(value)


def text(value: Any) -> str:
    """A value of an answer as Athena writes it; NULL for none."""
    if value is None:
        return "NULL"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def is_numeric(kind: str) -> bool:
    """Whether a column of an answer is of numbers, by its Arrow type's name."""
    return kind.startswith(("int", "float", "double", "decimal", "uint"))
