"""Send the lake's files to the bucket: what differs, verified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, rerun_command, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.costs.bill import Usage
    from services.lake.manifest import LakeManifest
    from services.lake.plan import TablePlan
    from services.lake.upload import UploadReport
    from services.operations.figures import MetricSample

_SHOWN = 20  # changes of a table that a dry run lists


def command(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, and do nothing.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete days of generated tables that no longer exist under OUTPUT_DIR.")
    ] = False,
    keep_vanished: Annotated[
        bool, typer.Option("--keep-vanished", help="Keep days of exported tables that PostgreSQL has no rows of.")
    ] = False,
    delete_foreign: Annotated[
        bool, typer.Option("--delete-foreign", help="Delete files of other programs in days that are uploaded.")
    ] = False,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Accept dropped columns and changed types.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Upload the Parquet files under OUTPUT_DIR that differ from the lake's, and verify them."""
    from services.lake.manifest import tables_left_out

    run_job(
        ctx,
        "upload",
        lambda run: upload(
            run,
            dry_run=dry_run,
            delete=delete,
            keep_vanished=keep_vanished,
            delete_foreign=delete_foreign,
            accept_drift=accept_drift,
        ),
        show,
        as_json=as_json,
        verdict=lambda report: tables_left_out(report.unreadable),
        figures=figures,
    )


def upload(
    run: Run,
    *,
    dry_run: bool = False,
    delete: bool = False,
    keep_vanished: bool = False,
    delete_foreign: bool = False,
    accept_drift: bool = False,
) -> UploadReport:
    """Make the bucket's days equal to those that were exported or generated."""
    from services.lake.remote import RemoteLake
    from services.lake.upload import RemovalRules, upload

    lake = RemoteLake(run.storage, run.settings.lake_prefix)
    return upload(
        run.settings.output_dir,
        lake,
        run.progress.task,
        dry_run=dry_run,
        rules=RemovalRules(delete=delete, delete_foreign=delete_foreign, keep_vanished=keep_vanished),
        accept_drift=accept_drift,
        before_sending=lambda plans: _expect(run, plans),
        count=partial(count_by_sql, run),
    )


def count_by_sql(run: Run, manifest: LakeManifest, days: Iterable[date]) -> dict[date, int]:
    """Return the rows of days in the bucket, by SQL."""
    from services.queries.files import BucketFiles
    from services.queries.manifest_tables import count_rows, recorded_schema
    from services.queries.prediction import LakeFiles

    return count_rows(LakeFiles(BucketFiles(run.storage, run.settings.lake_prefix)), recorded_schema(manifest), days)


def sending(sizes: Iterable[int]) -> Usage:
    """Return the requests that sending files of these sizes in bytes takes. A large file goes in parts."""
    from services.costs import predict
    from services.costs.bill import Usage
    from services.lake.transfer import part_size

    def one(size: int) -> Usage:
        return predict.upload(size, lambda _: part_size(size))

    return sum(map(one, sizes), Usage())


def _expect(run: Run, plans: Sequence[TablePlan]) -> None:
    """Check the predicted cost of the upload against the run's limit. Raises BudgetExceeded."""
    from services import formatting

    sizes = [change.size for plan in plans for change in plan.send]
    run.account.expect(
        sending(sizes), f"Uploading {formatting.count(len(sizes), 'file')} ({formatting.size(sum(sizes))})"
    )


def show(report: UploadReport, console: Console) -> str:
    """Print a line for each table, and each change of a dry run."""
    from services import formatting

    for plan in report.plans:
        sent, removed = ("to send", "to remove") if report.dry_run else ("sent", "removed")
        line = (
            f"  {plan.table:<10} {len(plan.send):>6,} {sent} ({formatting.size(plan.bytes_to_send)}),"
            f" {len(plan.keep):,} unchanged, {len(plan.remove):,} {removed}"
        )
        if not report.dry_run:
            line += f"; {formatting.count(report.rows[plan.table], 'row')} in the lake"
        console.print(line, soft_wrap=True)
        if plan.vanished:
            verb = "to remove" if report.dry_run else "removed"
            console.print(f"    {formatting.count(plan.vanished, 'day')} {verb}: PostgreSQL no longer has rows of them")
        for path in plan.foreign[:_SHOWN]:
            console.print(
                f"    ! {path}  written by another program; it stays in the lake, with its rows", markup=False
            )
        if len(plan.foreign) > _SHOWN:
            console.print(f"    ! and {len(plan.foreign) - _SHOWN:,} more files of other programs")
        if plan.foreign:
            console.print("    `shoreline upload --delete-foreign` deletes them.")
        if report.dry_run:
            _show_changes(plan, console)
    if report.dry_run:
        console.print("Nothing was done.")
        return rerun_command(without="--dry-run")
    console.print(f"Verified at {report.target}")
    for name, (first, last) in report.widened.items():
        console.print(
            f"{name}: Athena returns rows of the new years once the next command has declared {first} to {last}.",
            soft_wrap=True,
        )
    return "shoreline athena"


def _show_changes(plan: TablePlan, console: Console) -> None:
    lines = [f"    + {change.path}  {change.why}" for change in plan.send]
    lines += [f"    - {change.path}  {change.why}" for change in plan.remove]
    for line in lines[:_SHOWN]:
        console.print(line)
    if len(lines) > _SHOWN:
        console.print(f"    and {len(lines) - _SHOWN} more")


def figures(report: UploadReport) -> list[MetricSample]:
    """Return each table's rows in the lake. A dry run has no figures."""
    from services.operations.figures import MetricSample

    if report.dry_run:
        return []
    return [MetricSample("shoreline_lake_rows", rows, {"table": table}) for table, rows in report.rows.items()]
