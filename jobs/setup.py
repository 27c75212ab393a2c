"""Make the bucket: ours, tagged, private, encrypted, with its lifecycle; and Athena's workgroup."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.errors import ShorelineError
    from services.s3.bucket import SetupReport, SetupStep


def command(
    ctx: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; report drift, and fail if there is any.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create the bucket (private, encrypted, tagged, with a lifecycle), or bring it into this state."""
    run_job(ctx, "setup", lambda run: setup(run, check=check), show, as_json=as_json, verdict=verdict)


def setup(run: Run, *, check: bool = False) -> SetupReport:
    """Brings the bucket to what the plan says, and looks again; or only looks."""
    from jobs.cli.repository import retention_of
    from services.backups.lifecycle import rules, transition
    from services.costs.prices import load_prices
    from services.s3.bucket import Bucket

    given, policy = run.settings, retention_of(run)
    cheaper = transition(policy, load_prices(), given.aws_region)
    bucket = Bucket(
        run.storage,
        region=given.aws_region,
        on_aws=given.aws_endpoint_url is None,
        rules=rules(given.backup_prefix, policy, cheaper),
        kms_key=given.bucket_kms_key_id,
    )
    if check:
        return bucket.check()
    report = bucket.setup()
    return replace(report, steps=(*report.steps, *_workgroup(run)))


def _workgroup(run: Run) -> list[SetupStep]:
    """Makes Athena's workgroup where Athena answers the queries, and runs a test query in it."""
    from services.queries.service import Queries
    from services.s3.bucket import SetupStep

    if run.settings.query_engine != "athena":
        return []
    with Queries(run.settings, run.storage, run.account, "athena") as queries:
        made = queries.athena.setup()
    outcome = f"{run.settings.athena_workgroup}: {'made' if made else 'as it should be'}"
    return [SetupStep("workgroup", outcome), SetupStep("test query", "answered")]


def verdict(report: SetupReport) -> ShorelineError | None:
    """A check that found a drift failed."""
    from services.errors import CheckFailed

    if not report.drift:
        return None
    told = "".join(f"\n  {each}" for each in report.drift)
    return CheckFailed(
        f"The bucket {report.bucket} is not as it should be:{told}", next_step="`shoreline setup` sets it right."
    )


def show(report: SetupReport, console: Console) -> str | None:
    """Prints a line for each property of the bucket."""
    from services import formatting

    for step in report.steps:
        console.print(f"  {step.what:<18} {step.outcome}")
    if report.drift:
        return None
    owner = formatting.account(report.account_id)
    console.print(f"s3://{report.bucket} is ready, owned by {owner}.", soft_wrap=True)
    return "shoreline preflight backup"
