"""Prints the answers of queries, and writes them to files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from services import formatting
from services.errors import FolderUnusable, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from services.operations.figures import MetricSample
    from services.queries.results import QueryFigures, QueryPlan, QueryResult

OutputFormat = Literal["table", "csv", "json", "parquet"]
MAX_TERMINAL_ROWS = 50


def require_writable(form: OutputFormat, output: Path | None) -> None:
    """Raise InputError or FolderUnusable if the rows cannot be written there: before the query runs, and costs."""
    if form == "table" and output is not None:
        raise InputError("--output takes csv, json or parquet.", next_step="Add --format csv, json or parquet.")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise InputError(
            "Refusing to write Parquet to a terminal.", next_step="Add --output FILE, or redirect the output."
        )
    if output is None:
        return
    if output.is_dir():
        raise InputError(f"'{output}' cannot be written: it is a folder.", next_step="Add the file's name.")
    if not output.parent.is_dir():
        raise InputError(
            f"'{output}' cannot be written: the folder '{output.parent}' does not exist. The query did not run.",
            next_step=f"Create it: `mkdir -p {output.parent}`",
        )
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise FolderUnusable(f"'{output}' cannot be written: permission denied. The query did not run.")


def show_result(
    result: QueryResult, console: Console, form: OutputFormat, output: Path | None, *, csv_safe: bool = False
) -> None:
    """Print the rows, or write them in the format. Raises FolderUnusable for a file that cannot be written."""
    if form == "table":
        show_rows(result, console, MAX_TERMINAL_ROWS, "--format csv")
        show_figures(result.figures, console, ran=True, estimated=result.estimated)
        return
    from services.queries.row_formats import encode

    body = encode(result.columns, result.rows, form, csv_safe=csv_safe)
    if output is None:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(body)
    except OSError as error:
        raise FolderUnusable(f"'{output}' cannot be written: {(error.strerror or 'error').lower()}.") from None


def show_plan(plan: QueryPlan, console: Console) -> None:
    """Print the partitions and columns that each scan reads, and the numbers."""
    for scan in plan.scans:
        name = scan.table if scan.name.lower() == scan.table else f"{scan.table} AS {scan.name}"
        console.print(f"{name}: {scan.selected}")
        console.print(
            f"  {scan.partitions} of {formatting.count(scan.all_partitions, 'partition')},"
            f" {formatting.count(scan.rows, 'row')}"
            f" in {scan.row_groups} of {formatting.count(scan.all_row_groups, 'row group')}"
        )
        if not scan.partitions:
            console.print("  None of the selected partitions exists: the scan has no rows.")
        for column, size in scan.columns.items():
            console.print(f"  {column:<24} {formatting.size(size):>9}")
    if len(plan.costliest) > 1:
        console.print("The partitions that cost most:")
        for folder, size in plan.costliest.items():
            console.print(f"  {folder:<44} {formatting.size(size):>9}", soft_wrap=True)
    show_figures(plan.figures, console, ran=False, estimated=plan.estimated)


def show_rows(result: QueryResult, console: Console, max_rows: int, all_rows: str) -> None:
    """Print an answer as a table of at most `max_rows`; `all_rows` is the option or command that prints all."""
    from jobs.cli.console import print_table
    from services.queries.row_formats import is_numeric, text

    right = [name for name, kind in result.columns.items() if is_numeric(kind)]
    rows = [[text(value) for value in row] for row in result.rows[:max_rows]]
    print_table(console, list(result.columns), rows, right)
    left = len(result.rows) - max_rows
    more = f", of which {left:,} are not shown: {all_rows} prints all" if left > 0 else ""
    console.print(f"{formatting.count(len(result.rows), 'row')}{more}", soft_wrap=True)


def show_figures(figures: QueryFigures, console: Console, *, ran: bool, estimated: bool) -> None:
    """Print what was scanned, what Athena bills for it, and what it would be without partitions and Parquet."""
    about = "about " if estimated else ""
    if ran:
        console.print(
            f"  scanned     {formatting.size(figures.scanned):>9}   predicted {formatting.size(figures.predicted)}"
        )
    else:
        console.print(f"  predicted   {formatting.size(figures.predicted):>9}")
    console.print(
        f"  billed      {formatting.size(figures.billed):>9}"
        f"   {formatting.money(figures.cost)} on Athena, 10 MB at least"
    )
    console.print(
        f"  no filter   {formatting.size(figures.unfiltered):>9}   {about}what the same columns take in all partitions"
    )
    console.print(
        f"  as CSV      {formatting.size(figures.as_csv):>9}   about what would have to be read without Parquet"
    )


def scan_metrics(results: Iterable[QueryResult]) -> list[MetricSample]:
    """Return what each query scanned."""
    from services.operations.figures import MetricSample

    return [
        MetricSample("shoreline_query_scanned_bytes", result.figures.scanned, {"query": result.query})
        for result in results
    ]
