"""Show what the lake holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.errors import ShorelineError
    from services.queries.ddl import Statement
    from services.queries.manifest_tables import TableReport


@dataclass(frozen=True)
class TablesReport:
    """The tables of the lake, and where they lie; `unreadable` says what cannot be read of others."""

    lake: str
    database: str
    tables: tuple[TableReport, ...]
    unreadable: dict[str, str] = field(default_factory=dict)


def command(
    ctx: typer.Context,
    ddl: Annotated[bool, typer.Option("--ddl", help="Print the DDL of the tables.")] = False,
    as_json: Json = False,
) -> None:
    """Show the lake's tables: partitions, rows, bytes, the newest day."""
    if ddl:
        run_job(ctx, "tables", statements, show_statements, as_json=as_json)
    else:
        run_job(ctx, "tables", tables, show, as_json=as_json, verdict=verdict)


def tables(run: Run) -> TablesReport:
    """What the footers of the lake's files say."""
    from jobs.lake import Queries
    from services.queries.manifest_tables import describe

    with Queries(run, run.settings.query_engine) as queries:
        found = describe(queries.catalog, queries.lake)
        faults = {name: str(error) for name, error in queries.unreadable.items()}
        return TablesReport(run.storage.url(run.settings.lake_prefix), queries.catalog.database, tuple(found), faults)


def verdict(report: TablesReport) -> ShorelineError | None:
    """A failure where a table had to be left out."""
    from jobs.lake import unreadable

    return unreadable(report.unreadable)


def statements(run: Run) -> list[Statement]:
    """The DDL of the tables and their partitions."""
    from jobs.lake import Queries

    with Queries(run, run.settings.query_engine) as queries:
        return queries.statements()


def show(report: TablesReport, console: Console) -> str | None:
    """Prints a line for each table, and its columns."""
    from jobs.cli.console import print_table
    from services import formatting

    heads = ["table", "partitions", "files", "rows", "bytes", "newest"]
    rows = [
        [t.name, f"{t.partitions:,}", f"{t.files:,}", f"{t.rows:,}", formatting.size(t.bytes), t.newest or "none"]
        for t in report.tables
    ]
    console.print(f"{report.database} over {report.lake}", soft_wrap=True)
    print_table(console, heads, rows, ["partitions", "files", "rows", "bytes"])
    for table in report.tables:
        columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
        console.print(f"{table.name}: {columns}", soft_wrap=True)
    return "shoreline athena" if any(table.rows for table in report.tables) else "shoreline upload"


def show_statements(found: list[Statement], console: Console) -> None:
    """Prints the statements, each ended by a semicolon."""
    for statement in found:
        for line in (f"-- {statement.what}", *f"{statement.sql};".split("\n"), ""):
            console.print(line, soft_wrap=True)
