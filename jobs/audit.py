"""The audit job: shows that Shoreline called only the services that it uses."""

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

    from services.iam.audit import AccountLook, Called

InAccount = Annotated[bool, typer.Option("--account", help="Also search the AWS account, with free read-only calls.")]


@dataclass(frozen=True)
class AuditReport:
    """The services that the kept receipts show, and the account's resources with the project's tag."""

    folder: Path
    receipts: int
    unreadable: tuple[str, ...]
    called: tuple[Called, ...]
    account: tuple[AccountLook, ...]  # empty without --account
    on_aws: bool  # whether there is an account to search


def command(ctx: typer.Context, account: InAccount = False, as_json: Json = False) -> None:
    """List the AWS services that all runs have called, from their receipts: S3, Athena, Glue and STS only."""
    run_job(ctx, "audit", lambda run: audit(run, in_account=account), show, as_json=as_json, verdict=verdict)


def audit(run: Run, *, in_account: bool) -> AuditReport:
    """Read the receipts, and search the account with --account."""
    from jobs.preflight import require_caller
    from services.costs.receipt import read_receipts
    from services.iam.audit import called, look_at_account

    on_aws = run.settings.aws_endpoint_url is None
    if in_account and not on_aws:
        raise InputError(
            "--account searches an AWS account, but AWS_ENDPOINT_URL is set.", next_step="Unset AWS_ENDPOINT_URL."
        )
    if in_account:
        require_caller(run)
    folder = run.settings.receipts_dir
    receipts, unreadable = read_receipts(folder)
    looks = tuple(look_at_account(run.aws)) if in_account else ()
    return AuditReport(folder, len(receipts), tuple(unreadable), tuple(called(receipts)), looks, on_aws)


def verdict(report: AuditReport) -> ShorelineError | None:
    """Return the error for an unexpected service, a resource that Shoreline never creates, or a failed search."""
    from services.iam.audit import Use

    unexpected = [service for service in report.called if service.use is Use.UNEXPECTED]
    problems = [f"{service.service} was called: {', '.join(service.operations)}" for service in unexpected]
    problems += [
        f"{kind.kind} with the project's tag: {', '.join(kind.found)}" for kind in report.account if kind.found
    ]
    problems += [f"{kind.kind} could not be searched: {kind.problem}" for kind in report.account if kind.problem]
    problems += [f"{name} cannot be read" for name in report.unreadable]
    return CheckFailed("The audit failed:" + "".join(f"\n  {problem}" for problem in problems)) if problems else None


def show(report: AuditReport, console: Console) -> str | None:
    """Print a line for each service, and for each kind of resource that was searched for."""
    from services import formatting

    rows = [
        (service.service, service.use.value, f"{service.calls:,}", ", ".join(service.operations))
        for service in report.called
    ]
    if rows:
        print_table(console, ("Service", "Use", "Calls", "Operations"), rows, right=("Calls",))
    for kind in report.account:
        names = kind.problem or ", ".join(kind.found) or "none"
        console.print(f"  {kind.kind:<26} {names} ({kind.how})", soft_wrap=True)
    console.print(f"From {formatting.count(report.receipts, 'receipt')} in {report.folder}.", soft_wrap=True)
    return "shoreline audit --account" if report.on_aws and not report.account else None
