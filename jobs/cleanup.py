"""Remove all that Shoreline made, and prove that it is gone."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import jsonable, print_table
from jobs.cli.context import Run
from jobs.cli.result import Terminated
from jobs.cli.runner import Json, Yes, rerun_command, run_job
from services.errors import CleanupIncomplete, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.cleanup import Cleanup
    from services.cleanup.cleanup import CleanupReport
    from services.cleanup.plan import CleanupPlan
    from services.cleanup.removal import Removed

KeepBackups = Annotated[
    bool, typer.Option("--keep-backups", help="Remove the lake, its tables and the query results only.")
]
Scratch = Annotated[
    bool, typer.Option("--scratch", help="Also drop the scratch databases that killed restores and drills left.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and delete nothing.")]
Receipts = Annotated[bool, typer.Option("--receipts", help="Remove the local receipts too.")]


@dataclass(frozen=True)
class Options:
    """What is decided per run."""

    keep_backups: bool = False
    receipts: bool = False
    scratch: bool = False
    dry_run: bool = False
    yes: bool = False


def command(
    ctx: typer.Context,
    keep_backups: KeepBackups = False,
    receipts: Receipts = False,
    scratch: Scratch = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove all that Shoreline made, and prove that it is gone.

    Without --yes, the bucket's name is asked for on a terminal; elsewhere the plan is printed and nothing removed.
    """
    options = Options(keep_backups, receipts, scratch, dry_run, yes)
    run_job(ctx, "cleanup", lambda run: cleanup(run, options), show, as_json=as_json, verdict=verdict)


def cleanup(run: Run, options: Options) -> CleanupReport:
    """Inventory, plan, confirmation, removal under the lease, proof."""
    from loguru import logger

    from jobs.cli.repository import archive_of
    from services.cleanup.removal import Removed

    work = _cleanup_of(run)
    plan = work.plan(keep_backups=options.keep_backups, receipts=options.receipts, scratch=options.scratch)
    if options.dry_run or not (options.yes or run.interactive):
        return work.planned(plan)
    _agree(plan, options)
    removed = Removed()
    try:
        with archive_of(run).lease("cleanup", logger.info) if plan.bucket_exists else nullcontext() as lease:
            if plan.bucket_exists and not options.keep_backups and plan.backups != work.backups():
                logger.warning("the backups changed since the plan was made: this is the plan now")
                plan = work.plan(keep_backups=options.keep_backups, receipts=options.receipts, scratch=options.scratch)
                _agree(plan, options)
            report = work.carry_out(plan, lease, removed)
    except (KeyboardInterrupt, Terminated):
        logger.warning("stopped in the middle: {} removed so far{}", _amount(removed), _bucket(removed, plan))
        raise
    run.evidence["proof"] = jsonable(report)
    return report


def _bucket(removed: Removed, plan: CleanupPlan) -> str:
    return f", and the bucket {plan.bucket}" if removed.bucket else ""


def _amount(removed: Removed) -> str:
    from services import formatting

    versions = formatting.count(removed.versions, "version or marker", "versions and markers")
    return f"{versions} and {formatting.count(removed.uploads, 'unfinished upload')}"


def _cleanup_of(run: Run) -> Cleanup:
    from services.cleanup import Area, Cleanup, Names, Scope
    from services.postgres.client import MAINTENANCE
    from services.queries.named import named_views

    given = run.settings
    on_aws = given.aws_endpoint_url is None
    areas = (
        Area("backups", f"{given.backup_prefix}/", holds_backups=True),
        Area("lake", f"{given.lake_prefix}/"),
        Area("query results", f"{given.athena_results_prefix}/"),
    )
    locations = tuple(run.storage.url(area.prefix) for area in areas if not area.holds_backups)
    names = Names(given.athena_database, given.athena_workgroup, locations, tuple(named_views()))
    return Cleanup(
        storage=run.storage,
        scope=Scope(areas),
        names=names if on_aws or given.query_engine == "athena" else None,
        server=run.database_named(MAINTENANCE),
        output=given.output_dir,
        receipts=given.receipts_dir,
        expected_account=given.aws_expected_account_id,
        whole_account=on_aws,
        biller=run.account.biller,
        now=run.started,
        progress=run.progress,
    )


def verdict(report: CleanupReport) -> ShorelineError | None:
    """What is left, or could not be looked at, fails the job."""
    failed = [check for check in report.checks if not check.passed]
    if not failed:
        return None
    told = "; ".join(f"{check.resource}: {check.detail or check.verified}" for check in failed)
    return CleanupIncomplete(f"Not everything is gone. {told}")


def show(report: CleanupReport, console: Console) -> str | None:
    """Prints the plan, or the proof as a table: resource, action, verified how."""
    from services import formatting

    if not report.carried_out:
        show_plan(report.plan, console)
        if not report.plan.removals:
            console.print("There is nothing to remove.")
            return None
        console.print("Nothing was removed. On a terminal, cleanup asks for the bucket's name first.")
        return rerun_command(without="--dry-run")
    rows = [(check.resource, check.action, f"{check.verdict}: {check.verified}") for check in report.checks]
    print_table(console, ("Resource", "Action", "Verified"), rows)
    for name, why in {**report.removed.refused, **report.catalog.refused}.items():
        console.print(f"  refused: {name}: {why}", soft_wrap=True)
    console.print(f"Removed {_amount(report.removed)}, {formatting.size(report.plan.bytes)}.")
    if all(check.passed for check in report.checks):
        left = f"What stays costs {formatting.money(report.plan.staying)} a month"
        console.print(
            f"{left if report.plan.staying else 'Nothing billable is left'}."
            " The bill itself catches up within a day or two."
        )
    return None


def show_plan(plan: CleanupPlan, console: Console) -> None:
    """Prints what goes and what stays, with the reason, and what that costs."""
    from services import formatting

    whose = formatting.account(plan.account_id)
    console.print(f"{whose[0].upper()}{whose[1:]}, bucket {plan.bucket}:", soft_wrap=True)
    if not plan.items:
        return
    rows = [
        (
            item.action.value,
            item.resource,
            formatting.size(item.bytes) if item.bytes else "",
            formatting.money(item.monthly) if item.monthly else "",
            "; ".join(text for text in (item.detail, item.reason) if text),
        )
        for item in plan.items
    ]
    print_table(console, ("", "Resource", "Size", "A month", "What"), rows, right=("Size", "A month"))
    for blocker in plan.blockers:
        console.print(f"  blocked: {blocker}", style="yellow", soft_wrap=True)
    costs = f"It costs {formatting.money(plan.monthly)} a month now; removing it now costs"
    console.print(
        f"{costs} {formatting.money(plan.early_deletion)} (minimum times of storage classes).", soft_wrap=True
    )
    if plan.unpriced:
        console.print(f"  without a price, and not in the sums: {', '.join(plan.unpriced)}", soft_wrap=True)


def _agree(plan: CleanupPlan, options: Options) -> None:
    """Shows the plan, and asks for the bucket's name unless told not to. Raises NotConfirmed for any other."""
    from jobs.cli.console import Output, confirm
    from services import formatting

    show_plan(plan, Output(stderr=True))
    if not options.yes and plan.removals:
        backups = f", {formatting.count(len(plan.backups), 'backup')} included" if plan.backups else ""
        question = f"Type the bucket's name to remove this{backups}"
        confirm(question, plan.bucket, "That is not the bucket's name: nothing was removed.")
