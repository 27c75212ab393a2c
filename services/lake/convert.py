"""From PostgreSQL's text to the stored types, with what is lost on the way counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from services.errors import LakeError
from services.lake.columns import from_numpy
from services.lake.pgtypes import Conversion, Kept

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}]+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def convert(rows: pa.Table, columns: Sequence[Kept], cut: Counter[str]) -> pa.Table:
    """The rows in the types that are stored. `cut` counts, by column, times that had parts of a millisecond."""
    arrays = [_column(rows.column(number).combine_chunks(), column, cut) for number, column in enumerate(columns)]
    return pa.table(arrays, schema=stored_schema(columns))


def stored_schema(columns: Sequence[Kept]) -> pa.Schema:
    """The columns as Parquet stores them."""
    return pa.schema([pa.field(column.name, column.stored, nullable=not column.required) for column in columns])


def _column(values: Any, column: Kept, cut: Counter[str]) -> Any:
    if column.converted == "array":
        return _arrays(values, column, cut)
    return _CONVERSIONS[column.converted](values, column, cut)


def _milliseconds(values: Any, column: Kept, cut: Counter[str]) -> Any:
    """Times cut to the millisecond below, so that none of them moves into another day."""
    whole = np.asarray(values.view(pa.int64()).fill_null(0))
    millis = whole // 1000
    lost = int(np.count_nonzero(millis * 1000 != whole))
    if lost:
        cut[column.source] += lost
    valid = values.is_valid().buffers()[1] if values.null_count else None
    return from_numpy(millis, column.type, valid)


def _bytes(values: Any, column: Kept, cut: Counter[str]) -> Any:  # noqa: ARG001  # one shape for all
    """Bytes of `\\x` and hexadecimal digits."""
    import polars as pl  # takes as long to import as many an export takes in all

    text: Any = pl.from_arrow(values)
    return text.str.slice(2).str.decode("hex").to_arrow().cast(pa.binary())


def _unchanged(values: Any, column: Kept, cut: Counter[str]) -> Any:  # noqa: ARG001  # one shape for all
    return values


_CONVERSIONS: dict[Conversion, Callable[[Any, Kept, Counter[str]], Any]] = {
    "none": _unchanged,
    "milliseconds": _milliseconds,
    "bytes": _bytes,
}


def _arrays(values: Any, column: Kept, cut: Counter[str]) -> Any:
    """Lists of PostgreSQL's array literals; only those of one dimension that begin at 1 are lists."""
    flat: list[str | None] = []
    offsets: list[int | None] = [0]
    for literal in values.to_pylist():
        if literal is None:
            offsets[-1] = None
        else:
            flat += _elements(literal, column)
        offsets.append(len(flat))
    elements = _cast(pa.array(flat, pa.string()), column)
    elements = _CONVERSIONS[column.of_elements](elements, column, cut)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)


def _elements(literal: str, column: Kept) -> list[str | None]:
    if not literal.startswith("{") or literal.startswith("{{"):
        shape = "several dimensions" if literal.startswith("{{") else "a lower bound of its own"
        raise LakeError(
            f"{column.source} holds an array with {shape}: {literal[:60]}",
            next_step="Give the column the type 'string' in lake.toml, or leave it out.",
        )
    return [_element(quoted, bare) for quoted, bare in _ELEMENT.findall(literal[1:-1])]


def _element(quoted: str, bare: str) -> str | None:
    if bare:
        return None if bare == "NULL" else bare
    return _ESCAPED.sub(r"\1", quoted)


def _cast(texts: Any, column: Kept) -> Any:
    if column.parsed == pa.string():
        return texts
    if column.parsed == pa.bool_():
        return pa.array([text and text == "t" for text in texts.to_pylist()], pa.bool_())
    try:
        return texts.cast(column.parsed)
    except pa.ArrowInvalid as error:
        raise LakeError(
            f"{column.source} holds an array with a value that {column.type} cannot keep: {error}",
            next_step="Give the column the type 'string' in lake.toml, or leave it out.",
        ) from error
