"""Show that nothing was used that Shoreline does not use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import print_table
from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job
from services.errors import CheckFailed, InputError, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.iam.access import AccountLook
    from services.iam.audit import Called

InAccount = Annotated[bool, typer.Option("--account", help="Also look in the AWS account, with free read-only calls.")]


@dataclass(frozen=True)
class AuditReport:
    """What the kept receipts say was called, and what the account holds; `account` is empty when not looked at.

    `on_aws` says whether there is an account to look in.
    """

    folder: Path
    receipts: int
    unreadable: tuple[str, ...]
    called: tuple[Called, ...]
    account: tuple[AccountLook, ...]
    on_aws: bool


def command(ctx: typer.Context, account: InAccount = False, as_json: Json = False) -> None:
    """List the AWS services that all runs have called, from their receipts: S3, Athena, Glue and STS only."""
    run_job(ctx, "audit", lambda run: audit(run, in_account=account), show, as_json=as_json, verdict=verdict)


def audit(run: Run, *, in_account: bool) -> AuditReport:
    """Reads the receipts, and looks in the account when asked."""
    from jobs.preflight import require_caller
    from services.costs.receipt import read_receipts
    from services.iam.access import look_at_account
    from services.iam.audit import called

    on_aws = run.settings.aws_endpoint_url is None
    if in_account and not on_aws:
        raise InputError("--account looks in an AWS account, and AWS_ENDPOINT_URL is none.")
    if in_account:
        require_caller(run)
    folder = run.settings.receipts_dir
    receipts, unreadable = read_receipts(folder)
    looks = tuple(look_at_account(run.aws)) if in_account else ()
    return AuditReport(folder, len(receipts), tuple(unreadable), tuple(called(receipts)), looks, on_aws)


def verdict(report: AuditReport) -> ShorelineError | None:
    """Another service, a resource that Shoreline never makes, or a look that failed, fails the audit."""
    from services.iam.audit import Use

    unexpected = [each for each in report.called if each.use is Use.UNEXPECTED]
    told = [f"{each.service} was called: {', '.join(each.operations)}" for each in unexpected]
    told += [f"{each.kind} with the project's tag: {', '.join(each.found)}" for each in report.account if each.found]
    told += [f"{each.kind} could not be looked at: {each.problem}" for each in report.account if each.problem]
    told += [f"{name} cannot be read" for name in report.unreadable]
    return CheckFailed("The audit found something:" + "".join(f"\n  {each}" for each in told)) if told else None


def show(report: AuditReport, console: Console) -> str | None:
    """Prints a line for each service, and for each kind of resource that was looked for."""
    from services import formatting

    rows = [(each.service, each.use.value, f"{each.calls:,}", ", ".join(each.operations)) for each in report.called]
    if rows:
        print_table(console, ("Service", "Use", "Calls", "Operations"), rows, right=("Calls",))
    for each in report.account:
        found = each.problem or ", ".join(each.found) or "none"
        console.print(f"  {each.kind:<26} {found} ({each.how})", soft_wrap=True)
    console.print(f"From {formatting.count(report.receipts, 'receipt')} in {report.folder}.", soft_wrap=True)
    return "shoreline audit --account" if report.on_aws and not report.account else None
