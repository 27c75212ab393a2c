"""Parquet as Athena reads it and Shoreline writes it: types, encodings, and encryption that neither supports."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

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
    """Return the type by which Athena's DDL declares a column that Parquet stores as `kind`. Raises ValueError."""
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


def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the writer's options: whole numbers and times as packed differences, text by dictionary, all in zstd.

    Arrow's own schema is left out: what Parquet itself says of a column is what every reader goes by.
    """
    packed = [column.name for column in schema if _is_whole(column.type)]
    others = [column.name for column in schema if column.name not in packed and not _is_decimal(column.type)]
    return {
        "compression": "zstd",
        "use_dictionary": others or False,
        "column_encoding": dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
        "store_decimal_as_integer": True,
        "store_schema": False,
        "write_page_index": True,
    }


def _is_whole(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind))


ENCRYPTED_FOOTER = b"PARE"
"""The end of a file whose footer is encrypted too."""
SIGNATURE_BYTES = 28
"""What follows the plain footer of a file with encrypted columns: a nonce and a tag (Parquet's Encryption.md)."""


def has_encrypted_columns(metadata: Any, footer_bytes: int) -> bool:
    """Return whether a file with this metadata, whose footer is stored in so many bytes, has a signed footer."""
    return footer_bytes - int(metadata.serialized_size) == SIGNATURE_BYTES


def is_encrypted(path: Path, metadata: Any) -> bool:
    """Return `has_encrypted_columns` of a local file."""
    with path.open("rb") as stream:
        stream.seek(-8, 2)
        length: int = struct.unpack("<I", stream.read(4))[0]
    return has_encrypted_columns(metadata, length)
