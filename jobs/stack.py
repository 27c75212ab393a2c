"""Start and end the embedded PostgreSQL and LocalStack."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jobs.cli.runner import Json, run_without_settings

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class StackReport:
    """Where the embedded servers listen; None when they do not run. `psql` is the command that opens a session."""

    postgres: str | None
    s3: str | None
    psql: str | None = None


def up_command(ctx: typer.Context, as_json: Json = False) -> None:
    """Start the embedded PostgreSQL and LocalStack, or find them running."""
    run_without_settings(ctx, "up", up, show, as_json=as_json)


def down_command(ctx: typer.Context, as_json: Json = False) -> None:
    """End the embedded PostgreSQL and LocalStack; PostgreSQL keeps its data, LocalStack does not."""
    run_without_settings(ctx, "down", down, show, as_json=as_json)


def up() -> StackReport:
    """Starts what does not run yet."""
    from jobs.cli.embedded import embedded_settings, embedded_stack

    found = embedded_settings("up")
    password = shlex.quote(str(embedded_stack().cluster.password_file))
    program = shlex.quote(str(Path(found.pg_bin or "") / "psql"))
    return StackReport(
        postgres=f"{found.pghost}:{found.pgport}",
        s3=f"{found.aws_endpoint_url}, bucket {found.bucket}",
        psql=f"PGPASSWORD=$(cat {password}) {program} -h {found.pghost} -p {found.pgport} -U {found.pguser}",
    )


def down() -> StackReport:
    """Ends what runs."""
    from jobs.cli.embedded import embedded_stack

    embedded_stack().down()
    return StackReport(None, None)


def show(report: StackReport, console: Console) -> str:
    """Prints where each server listens."""
    console.print(f"  PostgreSQL   {report.postgres or 'not running'}")
    console.print(f"  LocalStack   {report.s3 or 'not running'}")
    if report.psql:
        console.print(f"  psql         {report.psql}", soft_wrap=True)
    if report.s3:
        return "make database"
    console.print("PostgreSQL keeps its data; LocalStack's objects, the backups too, are gone.")
    return "make up"
