"""Athena's types, as far as the offline engine knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

MAX_PRECISION = 38
_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_NAMES = {"int": "integer", "string": "varchar", "float": "real"}
_ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "varbinary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("ms"),
    "null": pa.null(),
}
UTC_COLUMN = "{}__utc"
"""The name under which a scan also gives a timestamp as it is stored, so that DuckDB can hold it against bounds."""


@dataclass(frozen=True)
class Type:
    """A type by Trino's name; `precision` and `scale` are those of a decimal."""

    name: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})" if self.name == "decimal" else self.name

    @property
    def is_integer(self) -> bool:
        return self.name in _INTEGERS

    @property
    def is_numeric(self) -> bool:
        return self.is_integer or self.name in ("decimal", "real", "double")

    @property
    def is_floating(self) -> bool:
        return self.name in ("real", "double")

    @property
    def is_temporal(self) -> bool:
        return self.name in ("date", "timestamp")

    @property
    def sql(self) -> str:
        """The type in DuckDB's SQL."""
        return str(self).upper()

    @property
    def arrow(self) -> pa.DataType | None:
        """The type of an answer's column; None for a nested type, which is left as it is."""
        return pa.decimal128(self.precision, self.scale) if self.name == "decimal" else _ARROW.get(self.name)


BOOLEAN, VARCHAR, DATE, TIMESTAMP, NULL = map(Type, ("boolean", "varchar", "date", "timestamp", "null"))
INTEGER, BIGINT, DOUBLE = map(Type, ("integer", "bigint", "double"))
INTERVAL = Type("interval")


def decimal(precision: int, scale: int) -> Type:
    """A decimal type, its precision cut to what Trino has."""
    return Type("decimal", min(MAX_PRECISION, max(1, precision)), scale)


def of_athena(name: str) -> Type:
    """The type of a column that the DDL declares as `name`. A nested type keeps its whole name."""
    found = _DECIMAL.fullmatch(name)
    if found:
        return decimal(int(found[1]), int(found[2]))
    return Type(_NAMES.get(name, name))


def as_decimal(kind: Type) -> Type:
    """An integer type as the decimal that Trino makes of it beside a decimal."""
    return kind if kind.name == "decimal" else decimal(_DIGITS[kind.name], 0)


def common(left: Type, right: Type) -> Type | None:
    """The type to which Trino brings both sides of a comparison, a UNION or a CASE; None where it refuses."""
    if left == right or right == NULL:
        return left
    if left == NULL:
        return right
    if left.is_numeric and right.is_numeric:
        return _common_number(left, right)
    if left.is_temporal and right.is_temporal:
        return TIMESTAMP
    return None


def _common_number(left: Type, right: Type) -> Type:
    if "double" in (left.name, right.name):
        return DOUBLE
    if "real" in (left.name, right.name):
        return Type("real")
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda kind: _INTEGERS.index(kind.name))
    one, other = as_decimal(left), as_decimal(right)
    scale = max(one.scale, other.scale)
    return decimal(max(one.precision - one.scale, other.precision - other.scale) + scale, scale)


def common_of(kinds: list[Type]) -> Type | None:
    """The common type of many."""
    found: Type | None = kinds[0]
    for kind in kinds[1:]:
        found = None if found is None else common(found, kind)
    return found
