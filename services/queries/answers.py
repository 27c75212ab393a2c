"""What is told of queries: plain values, for a table on a terminal or a JSON object."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from services.errors import QueryFailed
from services.queries.ask import QueryExecution, QueryFigures
from services.queries.engine import Prepared
from services.queries.prediction import Prediction, ScanPrediction

Format = Literal["csv", "json", "parquet"]

_TYPES: dict[str, pa.DataType] = {
    str(kind): kind
    for kind in (
        pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(),
        pa.date32(), pa.timestamp("ms"),
    )
}  # fmt: skip


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""


def encoded(
    columns: Mapping[str, str], values: Sequence[Sequence[Any]], form: Format, *, csv_safe: bool = False
) -> bytes:
    """Rows in a form; `columns` are their Arrow types by name.

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


@dataclass(frozen=True)
class ScanReport:
    """One scan: which partitions it selects, and the bytes of each column that it reads there.

    `selected` is the partition filter in words, `partitions` counts those that are there, of `all_partitions`.
    """

    table: str
    name: str
    selected: str
    partitions: int
    all_partitions: int
    files: int
    rows: int
    row_groups: int
    all_row_groups: int
    columns: Mapping[str, int]
    bytes: int


@dataclass(frozen=True)
class QueryPlan:
    """A query that did not run: what it would read, and cost. Bytes; `costliest` are partitions by their bytes."""

    query: str
    engine: str
    scans: tuple[ScanReport, ...]
    figures: QueryFigures
    costliest: Mapping[str, int]
    estimated: bool


@dataclass(frozen=True)
class Result:
    """A query that was answered. `rows` are the answer's, each a list in the order of `columns`.

    Of several columns of one name, as of a join's `*`, those after the first are numbered: `user_id_1`.
    """

    query: str
    answers: str
    engine: str
    columns: Mapping[str, str]
    rows: list[list[Any]]
    scans: tuple[ScanReport, ...]
    figures: QueryFigures
    seconds: float
    query_id: str
    estimated: bool

    @property
    def filter(self) -> str:
        """The partition filters of all scans, in words."""
        return "; ".join(dict.fromkeys(f"{scan.table} {scan.selected}" for scan in self.scans))


def plan(name: str, engine: str, prepared: Prepared, numbers: QueryFigures) -> QueryPlan:
    """The report of a query that is only explained."""
    prediction = prepared.prediction
    return QueryPlan(name, engine, scans(prediction), numbers, dict(prediction.costliest), _estimated(prediction))


def result(name: str, answers: str, engine: str, asked: QueryExecution) -> Result:
    """The report of an answered query. Raises QueryFailed for a time that Python does not know."""
    rows = asked.answer.rows
    return Result(
        query=name,
        answers=answers,
        engine=engine,
        columns=dict(zip(_distinct(rows.schema.names), map(str, rows.schema.types), strict=True)),
        rows=[list(row) for row in zip(*map(_values, rows.schema.names, rows.columns), strict=True)],
        scans=scans(asked.prepared.prediction),
        figures=asked.figures,
        seconds=round(asked.answer.seconds, 3),
        query_id=asked.answer.query_id,
        estimated=_estimated(asked.prepared.prediction),
    )


def _values(name: str, column: Any) -> list[Any]:
    if pa.types.is_float32(column.type):
        # The shortest text of a real, as Athena writes it: Python's float is a double, whose text has digits more.
        return [None if value is None else float(value) for value in column.cast(pa.string()).to_pylist()]
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, ValueError) as error:  # Python's years are those from 1 to 9999
        raise QueryFailed(
            f"The answer holds a time in {name} that lies outside the years 1 to 9999.",
            next_step=f"Ask for its text: CAST({name} AS varchar).",
        ) from error
    return found


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, each once."""
    found: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1) if f"{name}_{number}" not in names)
        found.append(name if name not in found else next(each for each in numbered if each not in found))
    return found


def scans(prediction: Prediction) -> tuple[ScanReport, ...]:
    """The scans of a prediction, in reading order."""
    return tuple(map(_scan, prediction.scans))


def _scan(scan: ScanPrediction) -> ScanReport:
    return ScanReport(
        table=scan.table,
        name=scan.name,
        selected=str(scan.selected),
        partitions=len(scan.partitions),
        all_partitions=scan.all_partitions,
        files=len(scan.files),
        rows=scan.rows,
        row_groups=scan.groups,
        all_row_groups=scan.all_groups,
        columns=dict(scan.columns),
        bytes=scan.bytes,
    )


def _estimated(prediction: Prediction) -> bool:
    return any(scan.estimated for scan in prediction.scans)


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


def numeric(kind: str) -> bool:
    """Whether a column of an answer is of numbers, by its Arrow type's name."""
    return kind.startswith(("int", "float", "double", "decimal", "uint"))
