"""From a query's text to its answer: guard, resolution, prediction, limit, engine."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services import formatting
from services.costs.bill import athena_billed_bytes
from services.queries.catalog import LakeCatalog
from services.queries.engine import Answer, Engine, Prepared
from services.queries.guard import check
from services.queries.guard.rule import check_existing
from services.queries.prediction import LakeFiles, predict
from services.queries.resolve import resolve
from services.queries.time_limit import WatchedCall
from services.queries.understanding import QueryNotUnderstood

PLANNING_SECONDS = 60.0  # the parser takes twice as long for each level of some nestings


@dataclass(frozen=True)
class QueryFigures:
    """The numbers of a query, in bytes, and its cost in dollars.

    `billed` is at least 10 MB and rounded up to the MB, as Athena bills. `unfiltered` is what the same columns take
    without the partition filter, `as_csv` what everything would take as CSV, which has to be read whole.
    """

    predicted: int
    scanned: int
    billed: int
    cost: Decimal
    unfiltered: int
    as_csv: int


@dataclass(frozen=True)
class QueryExecution:
    """An answered query: what was predicted, what came of it, and what it would cost on Athena."""

    prepared: Prepared
    answer: Answer
    figures: QueryFigures


def prepare(sql: str, catalog: LakeCatalog, lake: LakeFiles) -> Prepared:
    """The query, proved to be held to its partitions, with its prediction. Reads footers and no data.

    Raises QueryRefused where a rule of the lake is broken, LakeError where its files are.
    """
    resolved = WatchedCall(lambda: resolve(check(sql, catalog))).result(PLANNING_SECONDS, _too_long, stop_seconds=0)
    judged = resolved.judged
    tables = {chosen.scan.table.name: chosen.scan.table for chosen in judged.selections}
    check_existing(judged, {name: {file.values for file in lake.files_of(table)} for name, table in tables.items()})
    return Prepared(sql, resolved, predict(resolved, lake))


def _too_long(seconds: float) -> QueryNotUnderstood:
    return QueryNotUnderstood(
        f"The query is too complex: it could not be checked within {formatting.seconds(seconds)}."
    )


def ask(prepared: Prepared, engine: Engine, *, limit: int, usd_per_byte: Decimal) -> QueryExecution:
    """Runs a prepared query whose prediction is within `limit` bytes. Raises ScanTooLarge otherwise."""
    prepared.prediction.check(limit)
    answer = engine.run(prepared)
    return QueryExecution(prepared, answer, figures(prepared, answer.scanned, usd_per_byte))


def figures(prepared: Prepared, scanned: int, usd_per_byte: Decimal) -> QueryFigures:
    """The numbers of a query that scanned so many bytes."""
    billed = athena_billed_bytes(scanned, statement_type="DML", state="SUCCEEDED")
    return QueryFigures(
        predicted=prepared.prediction.bytes,
        scanned=scanned,
        billed=billed,
        cost=billed * usd_per_byte,
        unfiltered=prepared.prediction.unfiltered,
        as_csv=prepared.prediction.as_csv,
    )
