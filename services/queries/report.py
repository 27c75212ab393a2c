"""What is told of queries: plain values, for a table on a terminal or a JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa

from services.errors import QueryFailed
from services.queries.ask import Asked, Figures
from services.queries.engine import Prepared
from services.queries.prediction import Prediction, ScanPrediction


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
class Plan:
    """A query that did not run: what it would read, and cost. Bytes; `costliest` are partitions by their bytes."""

    query: str
    engine: str
    scans: tuple[ScanReport, ...]
    figures: Figures
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
    figures: Figures
    seconds: float
    query_id: str
    estimated: bool

    @property
    def filter(self) -> str:
        """The partition filters of all scans, in words."""
        return "; ".join(dict.fromkeys(f"{scan.table} {scan.selected}" for scan in self.scans))


def plan(name: str, engine: str, prepared: Prepared, numbers: Figures) -> Plan:
    """The report of a query that is only explained."""
    prediction = prepared.prediction
    return Plan(name, engine, scans(prediction), numbers, dict(prediction.costliest), _estimated(prediction))


def result(name: str, answers: str, engine: str, asked: Asked) -> Result:
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
