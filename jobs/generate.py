"""Write sample rows as Parquet, the same bytes for the same seed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from services.lake.generate import GenerateReport
    from services.lake.population import Population

Dates = Annotated[list[str] | None, typer.Option(metavar="DAYS", help="Days: 2025-01-10,2025-01-11. Repeatable.")]
From = Annotated[str | None, typer.Option("--from", metavar="DAY", help="The first day; without --to, the only one.")]
To = Annotated[str | None, typer.Option("--to", metavar="DAY", help="The last day.")]


def command(
    ctx: typer.Context,
    dates: Dates = None,
    first: From = None,
    last: To = None,
    rows_per_day: Annotated[int, typer.Option(metavar="N", min=1, help="Average rows per day in each table.")] = 1000,
    users: Annotated[int, typer.Option(metavar="N", min=1, help="Number of users that the rows belong to.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed gives the same bytes.")] = 2025,
    tables: Annotated[str, typer.Option(metavar="NAMES", help="Tables, separated by commas.")] = "orders,events",
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Days to write in parallel.")] = None,
    as_json: Json = False,
) -> None:
    """Write realistic sample rows as Parquet under OUTPUT_DIR, the same bytes for the same seed."""

    def work(run: Run) -> GenerateReport:
        from services.lake.generate import DEFAULT_DAYS, check_years, known_tables
        from services.lake.partitions import chosen_days
        from services.lake.population import Population

        population = Population(users=users, rows_per_day=rows_per_day, seed=seed)
        days = chosen_days(dates or [], first, last, DEFAULT_DAYS)
        names = known_tables(tables)
        check_years(names, days)
        return generate(run, population, names, days, workers or os.cpu_count() or 1)

    run_job(ctx, "generate", work, show, as_json=as_json)


def generate(
    run: Run, population: Population, tables: tuple[str, ...], days: tuple[date, ...], workers: int
) -> GenerateReport:
    """Write the days of the tables, replacing existing ones."""
    from services.lake.generate import generate

    total = sum(population.rows(table, day) for table in tables for day in days)
    with run.progress.task("generate", total, "items") as advance:
        return generate(run.settings.output_dir, population, tables, days, workers=workers, advance=advance)


def show(report: GenerateReport, console: Console) -> str:
    """Print a line for each table."""
    from services import formatting

    for table in report.tables:
        console.print(
            f"  {table.name:<10} {formatting.count(table.rows, 'row'):>16} {formatting.count(table.days, 'day'):>10}"
            f" {formatting.count(table.files, 'file'):>12} {formatting.size(table.size):>10}"
        )
    console.print(f"Written under {report.output}")
    return "shoreline upload"
