"""The Parquet type of each PostgreSQL type, and the types that cannot be stored exactly."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from services.errors import LakeError
from services.identifiers import quote
from services.lake.declaration import ExportSource, decimal_of
from services.lake.partitions import keys

Conversion = Literal["none", "milliseconds", "bytes", "array"]

MICROSECONDS = pa.timestamp("us")
_EXACT: dict[str, Any] = {
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "oid": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
}
# Athena has no type for these; PostgreSQL's text of them loses nothing.
_AS_TEXT = frozenset(
    (
        *("text", "varchar", "bpchar", "name", "char", "citext", "uuid", "json", "jsonb", "xml", "hstore", "ltree"),
        *("inet", "cidr", "macaddr", "macaddr8", "time", "timetz", "interval", "bit", "varbit", "pg_lsn"),
        *("point", "line", "lseg", "box", "path", "polygon", "circle", "tsvector", "tsquery"),
    )
)
_MAX_PRECISION = 38
_ATHENA_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_PARTITION_KEYS = frozenset(key.name for key in keys(1, 1))


@dataclass(frozen=True)
class PgColumn:
    """A column as PostgreSQL describes it, domains and arrays resolved to their base types.

    `type` is the type's name, `kind` its pg_type.typtype ('b' base, 'c' composite, 'e' enum, 'r' and 'm' ranges),
    `modifier` the atttypmod, `number` the attnum, which no later column gets; `spelling` holds an enum's labels, or a
    composite's names.
    """

    name: str
    type: str
    kind: str = "b"
    array: bool = False
    modifier: int = -1
    required: bool = False
    number: int = 0
    spelling: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportColumn:
    """A column to export. For an array, `parsed` and `type` are those of its elements."""

    source: str  # its name in PostgreSQL
    name: str  # its name in the lake
    select: str  # the SQL of its text
    parsed: Any  # the type that the text is parsed as
    type: Any  # the type that is stored
    converted: Conversion = "none"  # the conversion from `parsed` to `type`
    of_elements: Conversion = "none"  # the same of an array's elements
    required: bool = False  # NOT NULL

    @property
    def stored(self) -> Any:
        """The type of the column in Parquet."""
        return pa.list_(self.type) if self.converted == "array" else self.type


class UnsupportedColumn(ValueError):
    """A column cannot be stored, and the reason."""


def map_columns(columns: Sequence[PgColumn], source: ExportSource) -> tuple[ExportColumn, ...]:
    """Return the columns to export, in order. Raises LakeError that lists those that cannot be stored, and why."""
    wanted, problems = _wanted(columns, source)
    kept: list[ExportColumn] = []
    for column in wanted:
        try:
            kept.append(_keep(column, source))
        except UnsupportedColumn as reason:
            problems.append(f"  {column.name}: {reason}")
    problems += _name_problems(kept)
    if problems:
        raise LakeError(
            "\n".join([f"{source.shown} has columns that cannot be stored:", *problems]),
            next_step="Leave them out, rename them or give them a type in lake.toml (see docs/lake.md).",
        )
    return tuple(kept)


def _wanted(columns: Sequence[PgColumn], source: ExportSource) -> tuple[list[PgColumn], list[str]]:
    names = [column.name for column in columns]
    named = (source.time_column, *source.leave_out, *source.types, *source.rename)
    problems = [f"  {name}: no such column" for name in dict.fromkeys(named) if name not in names]
    if source.time_column in source.leave_out:
        problems.append(f"  {source.time_column}: the time column cannot be left out")
    if source.time_column in source.types:
        problems.append(f"  {source.time_column}: the time column cannot have another type")
    if source.declared is not None:
        declared = source.declared.schema.names
        problems += [f"  {name}: no such column" for name in declared if name not in names]
        columns = sorted(
            (column for column in columns if column.name in declared), key=lambda column: declared.index(column.name)
        )
    return [column for column in columns if column.name not in source.leave_out], problems


def _name_problems(kept: Sequence[ExportColumn]) -> list[str]:
    names = [column.name for column in kept]
    problems = [
        f"  {name}: two columns would have this name" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    problems += [f"  {name}: reserved for a partition key; rename it" for name in names if name in _PARTITION_KEYS]
    problems += [
        f"  {name}: not a valid name in Athena; rename it" for name in names if not _ATHENA_NAME.fullmatch(name)
    ]
    return problems


def _keep(column: PgColumn, source: ExportSource) -> ExportColumn:
    quoted = quote(column.name)
    forced = source.types.get(column.name)
    if forced == "string":
        mapped = _Mapped(pa.string(), pa.string(), "{}::pg_catalog.text")
    elif forced is not None:
        mapped = _decimal(forced, column)
    else:
        mapped = _map(column)
    is_array = column.array and forced != "string"
    cast = mapped.select + ("[]" if is_array and "::" in mapped.select else "")
    if is_array and (column.kind == "c" or column.type == "box"):
        raise UnsupportedColumn(f"an array of {column.type}; give it the type 'string', or leave it out")
    return ExportColumn(
        source=column.name,
        name=source.rename.get(column.name, column.name.lower()),
        select=cast.format(quoted),
        parsed=mapped.parsed,
        type=mapped.type,
        converted="array" if is_array else mapped.converted,
        of_elements=mapped.converted if is_array else "none",
        required=column.required,
    )


@dataclass(frozen=True)
class _Mapped:
    parsed: Any
    type: Any
    select: str = "{}"
    converted: Conversion = "none"


def _map(column: PgColumn) -> _Mapped:
    if column.kind in "erm" or (column.kind == "b" and column.type in _AS_TEXT):
        return _Mapped(pa.string(), pa.string())
    if column.kind == "c":
        return _Mapped(pa.string(), pa.string(), "pg_catalog.to_json({})")
    if column.type in _EXACT:
        return _Mapped(_EXACT[column.type], _EXACT[column.type])
    special = _SPECIAL.get(column.type)
    if special is None:
        raise UnsupportedColumn(f"unknown type {column.type}; 'string' would store its text")
    return special(column)


def _numeric(column: PgColumn) -> _Mapped:
    if column.modifier < 0:
        raise UnsupportedColumn("numeric without precision and scale; give it a type, such as 'decimal(18,4)'")
    packed = column.modifier - 4
    precision, scale = packed >> 16 & 0xFFFF, (packed & 0x7FF ^ 0x400) - 0x400
    precision, scale = max(precision - min(scale, 0), scale), max(scale, 0)
    if precision > _MAX_PRECISION:
        raise UnsupportedColumn(f"numeric of {precision} digits; Athena's decimal has {_MAX_PRECISION}")
    kind = pa.decimal128(precision, scale)
    return _Mapped(kind, kind)


def _decimal(forced: str, column: PgColumn) -> _Mapped:
    size = decimal_of(forced)
    if size is None or column.type not in {"numeric", "int2", "int4", "int8"}:
        raise UnsupportedColumn(f"{column.type} cannot be {forced}")
    return _Mapped(pa.decimal128(*size), pa.decimal128(*size))


def _timestamptz(_: PgColumn) -> _Mapped:
    return _Mapped(MICROSECONDS, pa.timestamp("ms", tz="UTC"), "{}::timestamp", "milliseconds")  # the session is in UTC


def _timestamp(_: PgColumn) -> _Mapped:
    return _Mapped(MICROSECONDS, pa.timestamp("ms"), "{}", "milliseconds")


def _bytea(_: PgColumn) -> _Mapped:
    return _Mapped(pa.string(), pa.binary(), "{}", "bytes")


def _money(_: PgColumn) -> _Mapped:
    raise UnsupportedColumn("the digits of money depend on the server's locale; make it numeric in a view")


_SPECIAL: dict[str, Callable[[PgColumn], _Mapped]] = {
    "numeric": _numeric,
    "timestamptz": _timestamptz,
    "timestamp": _timestamp,
    "bytea": _bytea,
    "money": _money,
}
