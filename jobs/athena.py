"""Make the tables and run the five queries, and say what each scanned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job
from jobs.query import EngineName
from services.errors import CheckFailed, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.operations.figures import MetricSample
    from services.queries.answers import Result
    from services.queries.manifest_tables import TableReport

_SHOWN = 10  # rows of each answer
_KILOBYTES = 1_000_000  # below this a scan is told in KB


@dataclass(frozen=True)
class AthenaReport:
    """The tables that the queries read, and the queries' answers; `limit` is SCAN_LIMIT_BYTES.

    `checked` names the queries where they were only checked.
    """

    engine: str
    database: str
    tables: tuple[TableReport, ...]
    results: tuple[Result, ...]
    limit: int
    checked: tuple[str, ...] = ()


def command(
    ctx: typer.Context,
    engine: Annotated[EngineName | None, typer.Option(help="The query engine; default: QUERY_ENGINE.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Validate DDL and queries without a scan.")] = False,
    as_json: Json = False,
) -> None:
    """Create the lake's tables, run the sample queries, and show the bytes that each scanned."""
    if check:
        run_job(ctx, "athena", lambda run: checked(run, engine), show_checked, as_json=as_json)
    else:
        run_job(ctx, "athena", lambda run: athena(run, engine), show, as_json=as_json, verdict=verdict, figures=figures)


def athena(run: Run, engine: EngineName | None = None) -> AthenaReport:
    """Makes what the engine needs, then asks the queries one after another."""
    from jobs.lake import Queries
    from services.queries.manifest_tables import describe
    from services.queries.named import named_queries

    limit = run.settings.scan_limit_bytes
    with Queries(run, engine or run.settings.query_engine) as queries:
        tables = describe(queries.catalog, queries.lake)
        queries.make_tables()
        results = []
        asked = named_queries()
        with run.progress.task("athena", len(asked), "items") as advance:
            for query in asked:
                results.append(queries.ask(query))
                advance(1)
        return AthenaReport(queries.engine_name, queries.catalog.database, tuple(tables), tuple(results), limit)


def checked(run: Run, engine: EngineName | None = None) -> AthenaReport:
    """Checks the DDL and the queries without a scan."""
    from jobs.lake import Queries
    from services.queries.named import named_queries

    limit = run.settings.scan_limit_bytes
    with Queries(run, engine or run.settings.query_engine) as queries:
        queries.statements()
        asked = named_queries()
        for query in asked:
            queries.engine.check(queries.prepare(query))
        names = tuple(query.name for query in asked)
        return AthenaReport(queries.engine_name, queries.catalog.database, (), (), limit, names)


def verdict(report: AthenaReport) -> ShorelineError | None:
    """A scan that came out over the limit, whatever was predicted, is a failure."""
    from services import formatting

    for found in report.results:
        if found.figures.scanned > report.limit:
            return CheckFailed(
                f"{found.query} scanned {formatting.size(found.figures.scanned)}, over SCAN_LIMIT_BYTES, and "
                f"{formatting.size(found.figures.predicted)} were predicted.",
                next_step=f"See what it reads: `shoreline query {found.query} --explain`",
            )
    return None


def show(report: AthenaReport, console: Console) -> str:
    """Prints each answer with its numbers, and a closing table."""
    from rich.text import Text

    from jobs.cli.console import print_table
    from jobs.lake import show_figures, show_rows
    from services import formatting

    for table in report.tables:
        counted = f"{formatting.count(table.rows, 'row')} in {formatting.count(table.partitions, 'partition')}"
        console.print(f"{report.database}.{table.name}: {counted}, {formatting.size(table.bytes)}")
    for found in report.results:
        console.print()
        console.print(Text(found.query, style="bold"), f" {found.answers}", soft_wrap=True)
        show_rows(found, console, _SHOWN, f"query {found.query} --format csv")
        show_figures(found.figures, console, ran=True, estimated=found.estimated)
    console.print()
    heads = ["query", "filter", "scanned", "billed", "cost", "no filter", "as CSV"]
    rows = [
        [
            found.query,
            found.filter,
            formatting.size(found.figures.scanned),
            formatting.size(found.figures.billed),
            formatting.money(found.figures.cost),
            formatting.size(found.figures.unfiltered),
            formatting.size(found.figures.as_csv),
        ]
        for found in report.results
    ]
    print_table(console, heads, rows, heads[2:])
    large = [found.query for found in report.results if found.figures.scanned >= _KILOBYTES]
    if not any(table.rows for table in report.tables):
        console.print("The lake holds no rows yet.")
        return "shoreline upload"
    console.print(f"More than kilobytes: {', '.join(large)}." if large else "Every query scanned kilobytes only.")
    return "shoreline tables"


def show_checked(report: AthenaReport, console: Console) -> str:
    """Prints what was checked."""
    for name in report.checked:
        console.print(f"  {name:<28} would run on {report.engine}")
    console.print("Nothing was scanned.")
    return "shoreline athena"


def figures(report: AthenaReport) -> list[MetricSample]:
    """What each query scanned."""
    from services.operations.figures import MetricSample

    return [
        MetricSample("shoreline_query_scanned_bytes", found.figures.scanned, {"query": found.query})
        for found in report.results
    ]
