"""Create the sample database with its tables and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.postgres.sample_database import PlatformReport

Rows = Annotated[int, typer.Option("--rows", metavar="N", min=5, help="Rows in each table; missing rows are added.")]


def command(ctx: typer.Context, rows: Rows = 5, as_json: Json = False) -> None:
    """Create the sample database: users, orders and events."""
    run_job(ctx, "database", lambda run: database(run, rows), show, as_json=as_json)


def database(run: Run, rows: int) -> PlatformReport:
    """Create what is missing of the sample database."""
    from services.postgres import sample_database as platform

    return platform.create(run.database, rows)


def show(report: PlatformReport, console: Console) -> str:
    """Print the number of rows in each table."""
    from services import formatting

    for table, rows in report.rows.items():
        console.print(f"  {table:<8} {rows:>12,} rows")
    console.print(
        f"{report.database} {'created' if report.made else 'exists'}, {formatting.size(report.size)} on disk."
    )
    return "shoreline backup"
