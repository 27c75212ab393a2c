"""How many bytes a Parquet file's rows would take as CSV, estimated from its footer."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

from services.queries.catalog import TableSchema
from services.queries.footers import Chunk, Footer

MAX_PRECISION = 38  # digits of a decimal of Athena's
_TIMESTAMP = len("2025-01-10 14:30:22.000")
_DATE = len("2025-01-10")
_UNKNOWN = 8
_LENGTH_PREFIX = 4  # bytes before each string of Parquet's PLAIN encoding


def csv_bytes(footer: Footer, table: TableSchema) -> int:
    """The estimated size of all the file's rows as CSV: every column, the partition keys among them.

    Numbers count the digits of their bounds' mean; text counts its plain length in the file, or the mean length of
    its bounds where a dictionary hides it; each value has a separator.
    """
    keys = sum(len(str(value)) + 1 for value in footer.file.values)
    total = float(keys * footer.rows)
    for name, kind in table.columns.items():
        for group in footer.groups:
            for chunk in group.chunks.get(name, ()):
                total += group.rows * (_width(chunk, kind, group.rows) + 1)
    return round(total)


def _width(chunk: Chunk, kind: str, rows: int) -> float:
    if kind == "timestamp":
        return _TIMESTAMP
    if kind == "date":
        return _DATE
    stored = max(0.0, chunk.plain_length / max(1, rows) - _LENGTH_PREFIX)
    if kind == "string" and not chunk.dictionary:
        return stored
    if chunk.low is None or chunk.high is None:
        return _UNKNOWN
    if kind == "string":
        # A dictionary of few values takes next to nothing a row; one of mostly different values, their length.
        bounds = (len(str(chunk.low)) + len(str(chunk.high))) / 2
        return max(stored, bounds) if stored > bounds / 2 else bounds
    return len(str(_mean(chunk.low, chunk.high)))


def _mean(low: Any, high: Any) -> Any:
    """The middle of two bounds, with the places that values of the column have."""
    if isinstance(low, int):
        return (low + high) // 2
    if isinstance(low, Decimal):
        with localcontext() as exact:  # Python's own context has 28 digits, and an Athena decimal 38
            exact.prec = 2 * MAX_PRECISION
            return ((low + high) / 2).quantize(low)
    return low
