"""The reports of queries: plain values, for a table on a terminal or a JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa

from services.costs.bill import athena_billed_bytes
from services.errors import QueryFailed
from services.queries.engine import Answer
from services.queries.named import NamedQuery
from services.queries.prediction import Prediction, ScanPrediction


@dataclass(frozen=True)
class QueryFigures:
    """The numbers of a query, in bytes, and its cost in dollars."""

    predicted: int
    scanned: int
    billed: int  # at least 10 MB and rounded up to the MB, as Athena bills
    cost: Decimal
    unfiltered: int  # what the same columns take without the partition filter
    as_csv: int  # what everything would take as CSV, which has to be read whole


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
class QueryResult:
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


def plan(query: NamedQuery, engine: str, prediction: Prediction, usd_per_byte: Decimal) -> QueryPlan:
    """Return the report of a query that is only explained."""
    numbers = figures(prediction, prediction.bytes, usd_per_byte)
    scans = tuple(map(_scan, prediction.scans))
    return QueryPlan(query.name, engine, scans, numbers, dict(prediction.costliest), prediction.estimated)


def result(
    query: NamedQuery, engine: str, prediction: Prediction, answer: Answer, usd_per_byte: Decimal
) -> QueryResult:
    """Return the report of an answered query. Raises QueryFailed for a time outside of Python's years."""
    rows = answer.rows
    return QueryResult(
        query=query.name,
        answers=query.answers,
        engine=engine,
        columns=dict(zip(_distinct(rows.schema.names), map(str, rows.schema.types), strict=True)),
        rows=[list(row) for row in zip(*map(_values, rows.schema.names, rows.columns), strict=True)],
        scans=tuple(map(_scan, prediction.scans)),
        figures=figures(prediction, answer.scanned, usd_per_byte),
        seconds=round(answer.seconds, 3),
        query_id=answer.query_id,
        estimated=prediction.estimated,
    )


def figures(prediction: Prediction, scanned: int, usd_per_byte: Decimal) -> QueryFigures:
    """Return the numbers of a query that scanned so many bytes."""
    billed = athena_billed_bytes(scanned, statement_type="DML", state="SUCCEEDED")
    return QueryFigures(
        predicted=prediction.bytes,
        scanned=scanned,
        billed=billed,
        cost=billed * usd_per_byte,
        unfiltered=prediction.unfiltered,
        as_csv=prediction.as_csv,
    )


def _values(name: str, column: Any) -> list[Any]:
    if pa.types.is_float32(column.type):
        # The shortest text of a real, as Athena writes it: Python's float is a double, whose text has digits more.
        return [None if value is None else float(value) for value in column.cast(pa.string()).to_pylist()]
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError) as error:  # Python's years are those from 1 to 9999
        raise QueryFailed(
            f"The answer holds a time in {name} that lies outside the years 1 to 9999.",
            next_step=f"Ask for its text: CAST({name} AS varchar).",
        ) from error
    return values


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names, with a number after those that came before."""
    result: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1) if f"{name}_{number}" not in names)
        result.append(name if name not in result else next(other for other in numbered if other not in result))
    return result


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
