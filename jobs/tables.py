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
    """The tables of the lake."""

    lake: str  # its s3:// address
    database: str
    tables: tuple[TableReport, ...]
    unreadable: dict[str, str] = field(default_factory=dict)  # why other tables are left out, by name


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
    """Return what the footers of the lake's files say."""
    from services.queries.manifest_tables import describe
    from services.queries.service import Queries

    with Queries(run.settings, run.storage, run.account) as queries:
        described = tuple(describe(queries.catalog, queries.lake))
        unreadable = {name: str(error) for name, error in queries.unreadable.items()}
        return TablesReport(run.storage.url(run.settings.lake_prefix), queries.catalog.database, described, unreadable)


def verdict(report: TablesReport) -> ShorelineError | None:
    """Return a failure if a table was left out."""
    from services.lake.manifest import tables_left_out

    return tables_left_out(report.unreadable)


def statements(run: Run) -> list[Statement]:
    """Return the DDL of the tables and their partitions."""
    from services.queries.service import Queries

    with Queries(run.settings, run.storage, run.account) as queries:
        return queries.statements()


def show(report: TablesReport, console: Console) -> str | None:
    """Print a line for each table, and its columns."""
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


def show_statements(ddl: list[Statement], console: Console) -> None:
    """Print the statements, each with a semicolon at its end."""
    for statement in ddl:
        for line in (f"-- {statement.what}", *f"{statement.sql};".split("\n"), ""):
            console.print(line, soft_wrap=True)
