"""Write PostgreSQL's tables as Parquet, partitioned by day."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, rerun_command, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.lake.declaration import ExportSource
    from services.lake.export import ExportedTable, ExportReport
    from services.lake.export_plan import DaySelection
    from services.lake.record import ExportRecord

_DECLARATION = Path("lake.toml")
_SHOWN = 20  # days of a table that a dry run lists


def command(
    ctx: typer.Context,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE:COLUMN", help="A table and its time column: public.orders:created_at. Repeatable."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A declaration of tables; default: lake.toml, if it exists.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="The first day.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="The last day.")] = None,
    full: Annotated[bool, typer.Option("--full", help="All days, not only those that changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print which days would be written, and why.")] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Spans of days to read in parallel.")] = None,
    as_json: Json = False,
) -> None:
    """Export PostgreSQL tables as Parquet under OUTPUT_DIR, partitioned by the day (UTC) of each row."""

    def work(run: Run) -> ExportReport:
        from services.lake.export_plan import DaySelection
        from services.lake.partitions import span_of_days

        wanted = DaySelection(*span_of_days(first, last), full=full)
        return export(run, sources(table or [], file), wanted, workers or os.cpu_count() or 1, dry_run=dry_run)

    from services.lake.manifest import tables_left_out

    run_job(
        ctx,
        "export",
        work,
        show,
        as_json=as_json,
        verdict=lambda report: tables_left_out(report.unreadable, "export --full"),
    )


def sources(tables: list[str], file: Path | None) -> tuple[ExportSource, ...]:
    """Return the requested tables: by option, else declared in a file, else the lake's own."""
    from services.errors import InputError
    from services.lake.declaration import declared_sources, from_options, from_toml

    if tables and file:
        raise InputError("--table and --file exclude each other.", next_step="Give one of the two.")
    if tables:
        return from_options(tables)
    chosen = file or _DECLARATION
    try:
        return from_toml(chosen.read_text(encoding="utf-8"), str(chosen))
    except (OSError, UnicodeDecodeError) as error:
        if file is None and isinstance(error, FileNotFoundError):
            return declared_sources()
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "error").lower()
        raise InputError(f"{chosen} cannot be read: {why}.", next_step="See docs/lake.md for an example.") from error


def export(
    run: Run, tables: tuple[ExportSource, ...], wanted: DaySelection, workers: int, *, dry_run: bool = False
) -> ExportReport:
    """Write the days that changed since they were last uploaded, all tables seen in one snapshot."""
    from services.lake.export import export

    return export(
        run.database,
        tables,
        run.settings.output_dir,
        wanted,
        lambda name: _last_record(run, name),
        run.progress.task,
        workers=workers,
        dry_run=dry_run,
    )


def _last_record(run: Run, table: str) -> ExportRecord | None:
    """Return the record of what the lake holds of a table. A full export does not read it, and needs no bucket."""
    from services.lake.remote import RemoteLake

    return RemoteLake(run.storage, run.settings.lake_prefix).export_record(table)


def show(report: ExportReport, console: Console) -> str:
    """Print a line for each table, and what was truncated or is no longer in PostgreSQL."""
    from services import formatting

    for table in report.tables:
        written = (
            "" if report.dry_run else f" {formatting.count(table.files, 'file'):>12} {formatting.size(table.size):>10}"
        )
        console.print(
            f"  {table.name:<14} {formatting.count(table.rows, 'row'):>16}"
            f" {formatting.count(len(table.days), 'day'):>9}{written}"
            f"  {table.unchanged:,} unchanged",
            soft_wrap=True,
        )
        for line in _notes(table, dry_run=report.dry_run):
            console.print(f"    {line}", soft_wrap=True)
    if report.dry_run:
        console.print("Nothing was done.")
        return rerun_command(without="--dry-run")
    if any(table.days for table in report.tables):
        console.print(f"Written under {report.output}")
    else:
        console.print("No day has changed.")
    return "shoreline upload"


def _notes(table: ExportedTable, *, dry_run: bool) -> list[str]:
    notes = [
        f"{column}: {count:,} times were truncated to the millisecond, which is what Athena reads"
        for column, count in table.cut.items()
    ]
    if table.gone:
        notes.append(f"{table.gone:,} days of the lake no longer have rows in PostgreSQL; the upload removes them")
    if dry_run:
        listed = list(table.days.items())
        notes += [f"+ {day}  {why}" for day, why in listed[:_SHOWN]]
        if len(listed) > _SHOWN:
            notes.append(f"and {len(listed) - _SHOWN:,} more")
    return notes
