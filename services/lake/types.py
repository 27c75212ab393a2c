"""What a column is called in Athena: the names of its types for Arrow's."""

from __future__ import annotations

import pyarrow as pa

_PLAIN = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.binary(): "binary",
    pa.date32(): "date",
}


def athena_type(kind: pa.DataType) -> str:
    """The type by which Athena's DDL declares a column that Parquet stores as `kind`. Raises ValueError."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_list(kind):
        return f"array<{athena_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{part.name}:{athena_type(part.type)}' for part in kind)}>"
    raise ValueError(f"Athena has no type for {kind}")
