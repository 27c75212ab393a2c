"""Start and stop the embedded PostgreSQL and LocalStack."""

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
    """The addresses of the embedded servers; None for one that is not running."""

    postgres: str | None
    s3: str | None
    psql: str | None = None  # the command that opens a session


def up_command(ctx: typer.Context, as_json: Json = False) -> None:
    """Start the embedded PostgreSQL and LocalStack, unless they are running."""
    run_without_settings(ctx, "up", up, show, as_json=as_json)


def down_command(ctx: typer.Context, as_json: Json = False) -> None:
    """Stop the embedded PostgreSQL and LocalStack. PostgreSQL keeps its data, LocalStack does not."""
    run_without_settings(ctx, "down", down, show, as_json=as_json)


def up() -> StackReport:
    """Start the servers that are not running."""
    from jobs.cli.embedded import embedded_settings, embedded_stack

    settings = embedded_settings("up")
    password = shlex.quote(str(embedded_stack().cluster.password_file))
    program = shlex.quote(str(Path(settings.pg_bin or "") / "psql"))
    return StackReport(
        postgres=f"{settings.pghost}:{settings.pgport}",
        s3=f"{settings.aws_endpoint_url}, bucket {settings.bucket}",
        psql=f"PGPASSWORD=$(cat {password}) {program} -h {settings.pghost} -p {settings.pgport} -U {settings.pguser}",
    )


def down() -> StackReport:
    """Stop the servers."""
    from jobs.cli.embedded import embedded_stack

    embedded_stack().down()
    return StackReport(None, None)


def show(report: StackReport, console: Console) -> str:
    """Print the address of each server."""
    console.print(f"  PostgreSQL   {report.postgres or 'not running'}")
    console.print(f"  LocalStack   {report.s3 or 'not running'}")
    if report.psql:
        console.print(f"  psql         {report.psql}", soft_wrap=True)
    if report.s3:
        return "make database"
    console.print("PostgreSQL keeps its data. LocalStack's objects, including the backups, are deleted.")
    return "make up"
