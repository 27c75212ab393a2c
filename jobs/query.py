"""Ask one query of the lake."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.operations.figures import MetricSample
    from services.queries.answers import Format as FileFormat
    from services.queries.answers import QueryPlan, Result
    from services.queries.named import NamedQuery

EngineName = Literal["duckdb", "athena"]
Format = Literal["table", "csv", "json", "parquet"]
_SHOWN = 50  # rows on a terminal


def command(
    ctx: typer.Context,
    sql: Annotated[
        str, typer.Argument(metavar="QUERY", help="SELECT ..., a .sql file, or the number of one of the five queries.")
    ],
    engine: Annotated[EngineName | None, typer.Option(help="The query engine; default: QUERY_ENGINE.")] = None,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = "table",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write csv, json or parquet to FILE.")] = None,
    csv_safe: Annotated[
        bool, typer.Option("--csv-safe", help="Put ' before text of a CSV that a spreadsheet would run as a formula.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what would be read and what that costs; run nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run SQL on the lake; a partition filter is required, and the scan is limited."""
    from services.errors import InputError
    from services.queries.named import query_text

    def explained(run: Run) -> QueryPlan:
        _require_no_form(form, output, "--explain runs nothing that could be written")
        return plan(run, query_text(sql), engine)

    def asked(run: Run) -> Result:
        if as_json:
            _require_no_form(form, output, "--json prints the result itself")
        _require_place(form, output)
        if csv_safe and form != "csv":
            raise InputError("--csv-safe changes CSV only.", next_step="Add --format csv, or leave it out.")
        return query(run, query_text(sql), engine)

    if explain:
        run_job(ctx, "query", explained, show_plan, as_json=as_json)
    else:
        run_job(
            ctx,
            "query",
            asked,
            lambda found, console: show(found, console, form, output, csv_safe=csv_safe),
            as_json=as_json,
            figures=figures,
        )


def _require_no_form(form: Format, output: Path | None, why: str) -> None:
    """Raises InputError for rows in a form, or a file, that would never be written."""
    from services.errors import InputError

    if form != "table" or output is not None:
        raise InputError(f"{why}: give it without --format and --output.")


def _require_place(form: Format, output: Path | None) -> None:
    """Raises InputError or FolderUnusable where the rows cannot go there: before they are asked for, and paid."""
    from services.errors import FolderUnusable, InputError

    if form == "table" and output is not None:
        raise InputError("A file takes csv, json or parquet.", next_step="Add --format csv, json or parquet.")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise InputError("Parquet is no text for a terminal.", next_step="Add --output FILE, or redirect the output.")
    if output is None:
        return
    if output.is_dir():
        raise InputError(f"'{output}' cannot be written: it is a folder.", next_step="Add the file's name.")
    if not output.parent.is_dir():
        raise InputError(
            f"'{output}' cannot be written: there is no folder '{output.parent}'.",
            next_step="Make the folder, or name a file elsewhere; nothing was asked yet.",
        )
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise FolderUnusable(f"'{output}' cannot be written: permission denied; nothing was asked yet.")


def plan(run: Run, asked: NamedQuery, engine: EngineName | None = None) -> QueryPlan:
    """What the query would read, and cost."""
    from jobs.lake import Queries

    with Queries(run, engine or run.settings.query_engine) as queries:
        return queries.explain(asked)


def query(run: Run, asked: NamedQuery, engine: EngineName | None = None) -> Result:
    """The query's answer."""
    from jobs.lake import Queries

    with Queries(run, engine or run.settings.query_engine) as queries:
        return queries.ask(asked)


def show_plan(found: QueryPlan, console: Console) -> None:
    """Prints the partitions and columns that each scan reads, and the numbers."""
    from jobs.lake import show_figures
    from services import formatting

    for scan in found.scans:
        named = scan.table if scan.name.lower() == scan.table else f"{scan.table} AS {scan.name}"
        console.print(f"{named}: {scan.selected}")
        console.print(
            f"  {scan.partitions} of {formatting.count(scan.all_partitions, 'partition')},"
            f" {formatting.count(scan.rows, 'row')}"
            f" in {scan.row_groups} of {formatting.count(scan.all_row_groups, 'row group')}"
        )
        if not scan.partitions:
            console.print("  No partition of those selected is there: the scan has no rows.")
        for name, size in scan.columns.items():
            console.print(f"  {name:<24} {formatting.size(size):>9}")
    if len(found.costliest) > 1:
        console.print("The partitions that cost most:")
        for folder, size in found.costliest.items():
            console.print(f"  {folder:<44} {formatting.size(size):>9}", soft_wrap=True)
    show_figures(found.figures, console, ran=False, estimated=found.estimated)


def show(found: Result, console: Console, form: Format, output: Path | None, *, csv_safe: bool = False) -> None:
    """Prints the rows, or writes them in the form that was asked for."""
    from jobs.lake import show_figures, show_rows

    if form == "table":
        show_rows(found, console, _SHOWN, "--format csv")
        show_figures(found.figures, console, ran=True, estimated=found.estimated)
        return
    write(found, form, output, csv_safe=csv_safe)


def write(found: Result, form: FileFormat, output: Path | None, *, csv_safe: bool = False) -> None:
    """Writes the rows to a file or to standard output. Raises FolderUnusable for a file that cannot be written."""
    from services.errors import FolderUnusable
    from services.queries.answers import encoded

    body = encoded(found.columns, found.rows, form, csv_safe=csv_safe)
    if output is None:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(body)
    except OSError as error:
        raise FolderUnusable(f"'{output}' cannot be written: {(error.strerror or 'error').lower()}.") from None


def figures(found: Result) -> list[MetricSample]:
    """What the query scanned."""
    from services.operations.figures import MetricSample

    return [MetricSample("shoreline_query_scanned_bytes", found.figures.scanned, {"query": found.query})]
