"""Which row groups can hold a row that a WHERE lets through, by the bounds that the writer recorded.

Only what both engines prune by is used: conditions that AND joins, each on one stored column, made of comparisons with
literals, IN, BETWEEN, IS NULL, and AND and OR of them. Everything else keeps the row group.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from typing import Any

from sqlglot import exp

from services.queries.catalog import TableSchema
from services.queries.footers import Chunk, Footer, RowGroup
from services.queries.guard.predicate import columns_in, conjuncts, mirrored
from services.queries.guard.scans import TableScan

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


Test = Callable[[Chunk, int], bool]
"""Whether a chunk, of a row group of so many rows, can hold a value that passes."""

_BOUNDS: dict[type[exp.Expr], Callable[[Any, Any, Any], bool]] = {
    exp.EQ: lambda low, high, value: bool(low <= value <= high),
    exp.LT: lambda low, _, value: bool(low < value),
    exp.LTE: lambda low, _, value: bool(low <= value),
    exp.GT: lambda _, high, value: bool(high > value),
    exp.GTE: lambda _, high, value: bool(high >= value),
}
_INTEGERS = {"tinyint", "smallint", "int", "bigint"}
_FRACTION = 6  # digits of a second: Python would cut off more, and move the moment


def column_tests(scan: TableScan) -> list[tuple[str, Test]]:
    """The conditions of a scan's WHERE that bounds can decide, each with the column that it is on."""
    where = scan.block.node.args.get("where")
    if where is None or scan.nullable:
        return []
    found = []
    for part in conjuncts(where.this):
        name = _only_column(part, scan)
        test = _test(part, scan.table.columns[name]) if name else None
        if name and test:
            found.append((name, test))
    return found


def can_hold(group: RowGroup, tests: Sequence[tuple[str, Test]]) -> bool:
    """Whether some row of the group can pass all the tests."""
    return all(_passes(group.chunks, name, test, group.rows) for name, test in tests)


def _passes(chunks: Mapping[str, tuple[Chunk, ...]], name: str, test: Test, rows: int) -> bool:
    found = chunks.get(name, ())
    return len(found) != 1 or test(found[0], rows)


def _only_column(node: exp.Expr, scan: TableScan) -> str | None:
    """The stored column of this scan that a condition is on, when it is on no other and holds no subquery."""
    names: set[str] = set()
    for column in columns_in(node):
        origins = scan.block.resolve(column)
        if len(origins) != 1 or origins[0] is None or origins[0][0] is not scan:
            return None
        names.add(origins[0][1])
    if len(names) != 1 or node.find(exp.Query):
        return None
    name = names.pop()
    return name if name in scan.table.columns else None


def _test(node: exp.Expr, kind: str) -> Test | None:
    plain = node.unnest()
    if isinstance(plain, exp.And | exp.Or):
        parts = [_test(part, kind) for part in plain.flatten()]
        return _all(parts) if isinstance(plain, exp.And) else _any(parts)
    if isinstance(plain, exp.Between):
        low = _comparison(exp.GTE, plain.this, plain.args["low"], kind)
        return _all([low, _comparison(exp.LTE, plain.this, plain.args["high"], kind)])
    if isinstance(plain, exp.In) and plain.expressions and not plain.args.get("query"):
        return _any([_comparison(exp.EQ, plain.this, option, kind) for option in plain.expressions])
    if _is_null(plain):
        return lambda chunk, _: chunk.nulls != 0
    if isinstance(plain, exp.Not) and _is_null(plain.this.unnest()):
        return lambda chunk, rows: chunk.nulls is None or chunk.nulls < rows
    if type(plain) in _BOUNDS:
        return _comparison(type(plain), plain.this, plain.expression, kind)
    return None


def _is_null(node: exp.Expr) -> bool:
    """`column IS NULL` of the bare column: an expression over it may be NULL elsewhere."""
    return (
        isinstance(node, exp.Is)
        and isinstance(node.expression, exp.Null)
        and isinstance(node.this.unnest(), exp.Column)
    )


def _all(parts: Sequence[Test | None]) -> Test | None:
    """All must pass; what is not understood passes."""
    known = [part for part in parts if part]
    return (lambda chunk, rows: all(part(chunk, rows) for part in known)) if known else None


def _any(parts: Sequence[Test | None]) -> Test | None:
    """One must pass; when one is not understood, nothing can be said."""
    known = [part for part in parts if part]
    return (lambda chunk, rows: any(part(chunk, rows) for part in known)) if len(known) == len(parts) else None


def _comparison(kind: type[exp.Expr], left: exp.Expr, right: exp.Expr, column: str) -> Test | None:
    if not isinstance(left.unnest(), exp.Column):
        kind, left, right = mirrored(kind), right, left
    value = literal(right.unnest(), column)
    if value is None or not isinstance(left.unnest(), exp.Column):
        return None
    within = _BOUNDS[kind]

    def test(chunk: Chunk, rows: int) -> bool:
        if chunk.nulls is not None and chunk.nulls == rows:
            return False
        low, high = comparable(chunk.low), comparable(chunk.high)
        return low is None or high is None or type(low) is not type(value) or within(low, high, value)

    return test


def literal(node: exp.Expr, column: str) -> Any:
    """A literal as a value to hold against a column's bounds; None when it is not of the column's kind."""
    negative = isinstance(node, exp.Neg)
    plain = node.this if negative else node
    if isinstance(plain, exp.Literal):
        if plain.is_string:
            return str(plain.this) if column == "string" and not negative else None
        text = str(plain.this)
        if column in _INTEGERS and text.isdecimal():
            return operator.neg(int(text)) if negative else int(text)
        if column.startswith("decimal") and "e" not in text.lower():
            return Decimal(text).copy_negate() if negative else Decimal(text)
        return None
    if isinstance(plain, exp.Cast) and isinstance(plain.this, exp.Literal) and column in ("timestamp", "date"):
        return _moment(str(plain.this.this))
    return None


def _moment(text: str) -> datetime | None:
    plain = text.strip().removesuffix(" UTC")
    if len(plain.partition(".")[2]) > _FRACTION:
        return None
    try:
        found = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else None


def comparable(value: Any) -> Any:
    """A bound as `literal` gives values: dates and times as datetimes in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else value
