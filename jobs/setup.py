"""Make the bucket: ours, tagged, private, encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from jobs.run import Run
from jobs.runner import Json, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.bucket import SetupReport


def command(ctx: typer.Context, as_json: Json = False) -> None:
    """Make the bucket: ours, tagged, private, encrypted. Changes nothing that is right already."""
    run_job(ctx, "setup", setup, show, as_json=as_json)


def setup(run: Run) -> SetupReport:
    """Brings the bucket to what the plan says, and looks again."""
    from services.bucket import Bucket

    bucket = Bucket(run.storage, region=run.settings.aws_region, on_aws=run.settings.aws_endpoint_url is None)
    return bucket.setup()


def show(report: SetupReport, console: Console) -> str:
    """Prints a line for each property of the bucket."""
    for step in report.steps:
        console.print(f"  {step.what:<18} {step.outcome}")
    console.print(f"s3://{report.bucket} is ready, owned by account {report.account_id}.")
    return "shoreline backup"
