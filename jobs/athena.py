"""Create the tables, run the five queries, and report what each scanned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.query_output import scan_metrics, show_figures, show_rows
from jobs.cli.runner import Json, run_job
from jobs.query import EngineName
from services.errors import CheckFailed, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.queries.manifest_tables import TableReport
    from services.queries.results import QueryResult

MAX_ROWS_PER_QUERY = 10
ONE_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class AthenaReport:
    """The tables that the queries read, and the queries' answers."""

    engine: str
    database: str
    tables: tuple[TableReport, ...]
    results: tuple[QueryResult, ...]
    limit: int  # SCAN_LIMIT_BYTES
    checked: tuple[str, ...] = ()  # the names of the queries, where they were only checked


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
        run_job(
            ctx,
            "athena",
            lambda run: athena(run, engine),
            show,
            as_json=as_json,
            verdict=verdict,
            figures=lambda report: scan_metrics(report.results),
        )


def athena(run: Run, engine: EngineName | None = None) -> AthenaReport:
    """Create what the engine needs, then run the queries one after another."""
    from services.queries.manifest_tables import describe
    from services.queries.named import named_queries
    from services.queries.service import Queries

    with Queries(run.settings, run.storage, run.account, engine) as queries:
        tables = describe(queries.catalog, queries.lake)
        queries.create_tables()
        results = []
        named = named_queries()
        with run.progress.task("athena", len(named), "items") as advance:
            for query in named:
                results.append(queries.execute(query))
                advance(1)
        limit = run.settings.scan_limit_bytes
        return AthenaReport(queries.engine_name, queries.catalog.database, tuple(tables), tuple(results), limit)


def checked(run: Run, engine: EngineName | None = None) -> AthenaReport:
    """Check the DDL and the queries without a scan."""
    from services.queries.named import named_queries
    from services.queries.service import Queries

    with Queries(run.settings, run.storage, run.account, engine) as queries:
        queries.statements()
        named = named_queries()
        for query in named:
            queries.check(query)
        names = tuple(query.name for query in named)
        limit = run.settings.scan_limit_bytes
        return AthenaReport(queries.engine_name, queries.catalog.database, (), (), limit, names)


def verdict(report: AthenaReport) -> ShorelineError | None:
    """Return a failure if a query scanned more than the limit, whatever was predicted."""
    from services import formatting

    for result in report.results:
        if result.figures.scanned > report.limit:
            return CheckFailed(
                f"{result.query} scanned {formatting.size(result.figures.scanned)}, over SCAN_LIMIT_BYTES; "
                f"{formatting.size(result.figures.predicted)} were predicted.",
                next_step=f"See what it reads: `shoreline query {result.query} --explain`",
            )
    return None


def show(report: AthenaReport, console: Console) -> str:
    """Print each answer with its numbers, and a closing table."""
    from rich.text import Text

    from jobs.cli.console import print_table
    from services import formatting

    for table in report.tables:
        counted = f"{formatting.count(table.rows, 'row')} in {formatting.count(table.partitions, 'partition')}"
        console.print(f"{report.database}.{table.name}: {counted}, {formatting.size(table.bytes)}")
    for result in report.results:
        console.print()
        console.print(Text(result.query, style="bold"), f" {result.answers}", soft_wrap=True)
        show_rows(result, console, MAX_ROWS_PER_QUERY, f"query {result.query} --format csv")
        show_figures(result.figures, console, ran=True, estimated=result.estimated)
    console.print()
    heads = ["query", "filter", "scanned", "billed", "cost", "no filter", "as CSV"]
    rows = [
        [
            result.query,
            result.filter,
            formatting.size(result.figures.scanned),
            formatting.size(result.figures.billed),
            formatting.money(result.figures.cost),
            formatting.size(result.figures.unfiltered),
            formatting.size(result.figures.as_csv),
        ]
        for result in report.results
    ]
    print_table(console, heads, rows, heads[2:])
    large = [result.query for result in report.results if result.figures.scanned >= ONE_MEGABYTE]
    if not any(table.rows for table in report.tables):
        console.print("The lake holds no rows yet.")
        return "shoreline upload"
    console.print(f"More than kilobytes: {', '.join(large)}." if large else "Every query scanned kilobytes only.")
    return "shoreline tables"


def show_checked(report: AthenaReport, console: Console) -> str:
    """Print what was checked."""
    for name in report.checked:
        console.print(f"  {name:<28} would run on {report.engine}")
    console.print("Nothing was scanned.")
    return "shoreline athena"
