"""Start and end the embedded PostgreSQL and LocalStack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from jobs.runner import Json, run_without_settings

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class StackReport:
    """Where the embedded servers listen; None when they do not run."""

    postgres: str | None
    s3: str | None


def up_command(ctx: typer.Context, as_json: Json = False) -> None:
    """Start the embedded PostgreSQL and LocalStack, or find them running."""
    run_without_settings(ctx, "up", up, show, as_json=as_json)


def down_command(ctx: typer.Context, as_json: Json = False) -> None:
    """End the embedded PostgreSQL and LocalStack; PostgreSQL keeps its data, LocalStack does not."""
    run_without_settings(ctx, "down", down, show, as_json=as_json)


def up() -> StackReport:
    """Starts what does not run yet."""
    from jobs.embedded import embedded_settings

    found = embedded_settings("up")
    return StackReport(f"{found.pghost}:{found.pgport}", f"{found.aws_endpoint_url}, bucket {found.bucket}")


def down() -> StackReport:
    """Ends what runs."""
    from jobs.embedded import embedded_stack

    embedded_stack().down()
    return StackReport(None, None)


def show(report: StackReport, console: Console) -> str:
    """Prints where each server listens."""
    console.print(f"  PostgreSQL   {report.postgres or 'not running'}")
    console.print(f"  LocalStack   {report.s3 or 'not running'}")
    if report.s3:
        return "make database"
    console.print("PostgreSQL keeps its data; LocalStack's objects, the backups too, are gone.")
    return "make up"
