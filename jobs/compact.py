"""Merge the small files of each day in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, rerun_command, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.lake.compact import CompactReport, Merge
    from services.lake.remote import RemoteLake

_SHOWN = 20  # days that a dry run lists


def command(
    ctx: typer.Context,
    tables: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Tables, separated by commas; default: all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be merged, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Merge the small files of each day in the bucket, so that queries make fewer requests."""
    from services.lake.manifest import tables_left_out

    run_job(
        ctx,
        "compact",
        lambda run: compact(run, tables, dry_run=dry_run),
        show,
        as_json=as_json,
        verdict=lambda report: tables_left_out(report.unreadable),
    )


def compact(run: Run, tables: str | None, *, dry_run: bool = False) -> CompactReport:
    """Merge the days that have more files than their bytes need."""
    from jobs.upload import count_by_sql
    from services.lake.compact import compact
    from services.lake.remote import RemoteLake

    lake = RemoteLake(run.storage, run.settings.lake_prefix)
    names = _chosen(tables, lake)
    return compact(
        lake,
        names,
        run.progress.task,
        count=partial(count_by_sql, run),
        dry_run=dry_run,
        before_reading=lambda merges: _expect(run, merges),
    )


def _chosen(tables: str | None, lake: RemoteLake) -> list[str]:
    """Return the requested tables; default: all with a manifest. Raises InputError for a table without files."""
    from services.errors import InputError

    if tables is None:
        return lake.tables()
    names = [name.strip() for name in tables.split(",") if name.strip()]
    for name in names:
        if not lake.listed(name):
            raise InputError(f"Unknown table '{name}'. Tables in the lake: {', '.join(lake.tables()) or 'none'}.")
    return names


def _expect(run: Run, merges: Sequence[Merge]) -> None:
    """Check the predicted cost of reading the files and sending the merged ones against the run's limit.

    Raises BudgetExceeded.
    """
    from jobs.upload import sending
    from services import formatting
    from services.costs import predict
    from services.lake.compact import merged_sizes

    files = sum(len(merge.files) for merge in merges)
    size = sum(merge.size for merge in merges)
    usage = predict.download(size, files) + sending(size for merge in merges for size in merged_sizes(merge))
    run.account.expect(usage, f"Merging {formatting.count(files, 'file')} ({formatting.size(size)})")


def show(report: CompactReport, console: Console) -> str | None:
    """Print what was merged."""
    from services import formatting

    if not report.merges:
        console.print("No day has small files to merge.")
        return None
    days = formatting.count(len(report.merges), "day")
    before = f"{formatting.count(report.files_before, 'file')} ({formatting.size(report.bytes_before)})"
    if report.dry_run:
        for merge in report.merges[:_SHOWN]:
            console.print(
                f"  {merge.table}/{merge.day_folder}  {formatting.count(len(merge.files), 'file')}", soft_wrap=True
            )
        if len(report.merges) > _SHOWN:
            console.print(f"  and {len(report.merges) - _SHOWN:,} more")
        console.print(f"{days}: {before} would be merged. Nothing was done.")
        return rerun_command(without="--dry-run")
    after = f"{formatting.count(report.files_after, 'file')} ({formatting.size(report.bytes_after)})"
    console.print(f"{days}: merged {before} into {after}.")
    return "shoreline athena"
