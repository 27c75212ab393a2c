"""Remove all that Shoreline made, and prove that it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.jsonable import jsonable
from jobs.run import Run
from jobs.runner import Json, Yes, run_job
from jobs.table import print_table
from services.errors import CleanupIncomplete, NotConfirmed, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.cleanup import Cleanup
    from services.cleanup.plan import Plan
    from services.cleanup.report import CleanupReport

KeepBackups = Annotated[bool, typer.Option("--keep-backups", help="Remove the lake and its tables only.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and remove nothing.")]
Receipts = Annotated[bool, typer.Option("--receipts", help="Remove the local receipts too.")]


@dataclass(frozen=True)
class Options:
    """What is decided per run."""

    keep_backups: bool
    receipts: bool
    dry_run: bool
    yes: bool


def command(
    ctx: typer.Context,
    keep_backups: KeepBackups = False,
    receipts: Receipts = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove all that Shoreline made, and prove that it is gone.

    Without --yes, the bucket's name is asked for on a terminal; elsewhere the plan is printed and nothing removed.
    """
    options = Options(keep_backups, receipts, dry_run, yes)
    run_job(ctx, "cleanup", lambda run: cleanup(run, options), show, as_json=as_json, verdict=verdict)


def cleanup(run: Run, options: Options) -> CleanupReport:
    """Inventory, plan, confirmation, removal, proof."""
    work = _cleanup_of(run)
    plan = work.plan(keep_backups=options.keep_backups, receipts=options.receipts)
    if options.dry_run or plan.nothing_to_do or not (options.yes or run.interactive):
        return work.planned(plan)
    _tell(plan)
    if not options.yes:
        _confirm(plan)
    report = work.carry_out(plan)
    run.evidence["proof"] = jsonable(report)
    return report


def _cleanup_of(run: Run) -> Cleanup:
    from services.cleanup import Area, Cleanup, Scope

    given = run.settings
    scope = Scope(
        (
            Area("backups", f"{given.backup_prefix}/", holds_backups=True),
            Area("lake", f"{given.lake_prefix}/"),
            Area("query results", f"{given.athena_results_prefix}/"),
        )
    )
    return Cleanup(
        storage=run.storage,
        scope=scope,
        output=given.output_dir,
        receipts=given.receipts_dir,
        expected_account=given.aws_expected_account_id,
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
    from services import human

    if not report.carried_out:
        show_plan(report.plan, console)
        console.print("Nothing was removed.")
        return "shoreline cleanup --yes"
    print_table(
        console,
        ("Resource", "Action", "Verified"),
        [(check.resource, check.action, f"{check.verdict}: {check.verified}") for check in report.checks],
    )
    for key, why in report.removed.refused.items():
        console.print(f"  refused: {key}: {why}", markup=False, soft_wrap=True)
    size = human.size(sum(item.bytes for item in report.plan.items if item.action == "remove"))
    gone = human.count(report.removed.versions, "version or marker", "versions and markers")
    console.print(f"{gone} and {human.count(report.removed.uploads, 'upload')} removed, {size}.")
    return None


def show_plan(plan: Plan, console: Console) -> None:
    """Prints what goes and what stays, with the reason."""
    from services import human

    console.print(f"Account {plan.account_id}, bucket {plan.bucket}:", markup=False)
    rows = [
        (item.action.value, item.resource, human.size(item.bytes) if item.bytes else "", item.detail, item.reason)
        for item in plan.items
    ]
    print_table(console, ("", "Resource", "Size", "What", "Why"), rows, right="Size")
    for blocker in plan.blockers:
        console.print(f"  blocked: {blocker}", style="yellow", markup=False, soft_wrap=True)


def _tell(plan: Plan) -> None:
    from rich.console import Console

    show_plan(plan, Console(stderr=True, highlight=False))


def _confirm(plan: Plan) -> None:
    """Asks for the bucket's name. Raises NotConfirmed for anything else."""
    from rich.console import Console

    try:
        typed = Console(stderr=True).input(f"Type the bucket's name to remove this ({plan.bucket}): ", markup=False)
    except EOFError:
        typed = ""
    if typed.strip() != plan.bucket:
        raise NotConfirmed("That is not the bucket's name: nothing was removed.")
