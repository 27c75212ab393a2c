"""Delete everything that Shoreline created, and verify that it is gone."""

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
    from services.postgres.client import Database

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
    """The options of one run."""

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
    """Delete everything that Shoreline created, and verify that it is gone.

    Without --yes, you must type the bucket's name on a terminal; elsewhere the plan is printed and nothing is deleted.
    """
    options = Options(keep_backups, receipts, scratch, dry_run, yes)
    run_job(ctx, "cleanup", lambda run: cleanup(run, options), show, as_json=as_json, verdict=verdict)


def cleanup(run: Run, options: Options) -> CleanupReport:
    """Plan, ask for confirmation, remove under the lease, and verify."""
    from loguru import logger

    from jobs.cli.repository import archive_of
    from services.cleanup.removal import Removed

    work = _cleanup_of(run, options)
    plan = work.plan(keep_backups=options.keep_backups, receipts=options.receipts, scratch=options.scratch)
    if options.dry_run or not (options.yes or run.interactive):
        return work.planned(plan)
    _confirm(plan, options)
    removed = Removed()
    try:
        with archive_of(run).lease("cleanup", logger.info) if plan.bucket_exists else nullcontext() as lease:
            if plan.bucket_exists and not options.keep_backups and plan.backups != work.backups():
                logger.warning("the backups changed since the plan was shown: this is the new plan")
                plan = work.plan(keep_backups=options.keep_backups, receipts=options.receipts, scratch=options.scratch)
                _confirm(plan, options)
            report = work.carry_out(plan, lease, removed)
    except (KeyboardInterrupt, Terminated):
        logger.warning("interrupted: {} removed so far{}", _counts(removed), _bucket(removed, plan))
        raise
    run.evidence["proof"] = jsonable(report)
    return report


def _bucket(removed: Removed, plan: CleanupPlan) -> str:
    return f", and the bucket {plan.bucket}" if removed.bucket else ""


def _counts(removed: Removed) -> str:
    from services import formatting

    versions = formatting.count(removed.versions, "version or marker", "versions and markers")
    return f"{versions} and {formatting.count(removed.uploads, 'unfinished upload')}"


def _cleanup_of(run: Run, options: Options) -> Cleanup:
    from services.cleanup import Area, Cleanup, Names, Scope
    from services.queries.named import named_views

    settings = run.settings
    on_aws = settings.aws_endpoint_url is None
    areas = (
        Area("backups", f"{settings.backup_prefix}/", holds_backups=True),
        Area("lake", f"{settings.lake_prefix}/"),
        Area("query results", f"{settings.athena_results_prefix}/"),
    )
    locations = tuple(run.storage.url(area.prefix) for area in areas if not area.holds_backups)
    names = Names(settings.athena_database, settings.athena_workgroup, locations, tuple(named_views()))
    return Cleanup(
        storage=run.storage,
        scope=Scope(areas),
        names=names if on_aws or settings.query_engine == "athena" else None,
        servers=_servers(run) if options.scratch else (),
        output=settings.output_dir,
        receipts=settings.receipts_dir,
        expected_account=settings.aws_expected_account_id,
        whole_account=on_aws,
        biller=run.account.biller,
        now=run.started,
        progress=run.progress,
    )


def _servers(run: Run) -> tuple[Database, ...]:
    """Return the servers on which restores and drills leave scratch databases: PGHOST's, and that of DRILL_HOST."""
    from jobs.cli.drill_server import is_same, named_server
    from services.postgres.client import MAINTENANCE

    source = run.database_named(MAINTENANCE)
    if run.settings.drill_host is None:
        return (source,)
    drills = named_server(run, MAINTENANCE)
    return (source,) if is_same(drills, source) else (source, drills)


def verdict(report: CleanupReport) -> ShorelineError | None:
    """Return the error for what is left, could not be checked, or contradicts the plan; None if all is verified."""
    failed = [check for check in report.checks if not check.passed]
    if not failed:
        return None
    problems = "; ".join(f"{check.resource}: {check.detail or check.verified}" for check in failed)
    return CleanupIncomplete(f"Cleanup is incomplete. {problems}")


def show(report: CleanupReport, console: Console) -> str | None:
    """Print the plan, or a table of what was verified: resource, action, how it was verified."""
    from services import formatting

    if not report.carried_out:
        show_plan(report.plan, console)
        if not report.plan.removals:
            console.print("Nothing to remove.")
            return None
        console.print("Nothing was removed. On a terminal, cleanup asks you to type the bucket's name.")
        return rerun_command(without="--dry-run")
    rows = [(check.resource, check.action, f"{check.verdict}: {check.verified}") for check in report.checks]
    print_table(console, ("Resource", "Action", "Verified"), rows)
    for name, why in {**report.removed.refused, **report.catalog.refused}.items():
        console.print(f"  refused: {name}: {why}", soft_wrap=True)
    console.print(f"Removed {_counts(report.removed)}, {formatting.size(report.plan.bytes)}.")
    if all(check.passed for check in report.checks):
        left = f"What stays costs {formatting.money(report.plan.staying)} a month"
        console.print(
            f"{left if report.plan.staying else 'Nothing billable is left'}."
            " The bill itself catches up within a day or two."
        )
    return None


def show_plan(plan: CleanupPlan, console: Console) -> None:
    """Print what is removed, what is kept and why, and what each costs."""
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
    costs = f"It costs {formatting.money(plan.monthly)} a month; early-deletion fees"
    console.print(f"{costs}: {formatting.money(plan.early_deletion)}.", soft_wrap=True)
    if plan.unpriced:
        console.print(f"  no known price, not in the sums: {', '.join(plan.unpriced)}", soft_wrap=True)


def _confirm(plan: CleanupPlan, options: Options) -> None:
    """Show the plan, and ask for the bucket's name unless --yes is set. Raises NotConfirmed for any other answer."""
    from jobs.cli.console import Output, confirm
    from services import formatting

    show_plan(plan, Output(stderr=True))
    if not options.yes and plan.removals:
        backups = f", {formatting.count(len(plan.backups), 'backup')} included" if plan.backups else ""
        question = f"Type the bucket's name to remove this{backups}"
        confirm(question, plan.bucket, "That is not the bucket's name. Nothing was removed.")
