"""The command line: `shoreline <job>`."""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jobs.cli.runner import Invocation

JOBS = {
    "demo": "jobs.demo:command",
    "up": "jobs.stack:up_command",
    "down": "jobs.stack:down_command",
    "setup": "jobs.setup:command",
    "cleanup": "jobs.cleanup:command",
    "preflight": "jobs.preflight:command",
    "iam": "jobs.iam:command",
    "audit": "jobs.audit:command",
    "database": "jobs.database:command",
    "backup": "jobs.backup:command",
    "backups": "jobs.backups:command",
    "restore": "jobs.restore:command",
    "drill": "jobs.drill:command",
    "prune": "jobs.prune:command",
    "status": "jobs.status:command",
    "schedule": "jobs.schedule:command",
    "generate": "jobs.generate:command",
    "export": "jobs.export:command",
    "upload": "jobs.upload:command",
    "compact": "jobs.compact:command",
    "athena": "jobs.athena:command",
    "query": "jobs.query:command",
    "tables": "jobs.tables:command",
    "cost": "jobs.cost:command",
    "prices": "jobs.prices:command",
    "receipts": "jobs.receipts:command",
}

_PLAIN: dict[str, Any] = {
    "rich_markup_mode": None,  # the boxes would cost 0.2 s of imports
    "pretty_exceptions_enable": False,
}


class LazyCommands(Mapping[str, Any]):
    """The commands by name. Each module is imported when its command is looked up; the general help looks up all."""

    def __getitem__(self, name: str) -> Any:
        module, function = JOBS[name].split(":")
        command = getattr(import_module(module), function)
        # PYTHONOPTIMIZE=2 removes docstrings: jobs then have no help text.
        summary = " ".join(inspect.cleandoc(command.__doc__ or "").partition("\n\n")[0].split())
        alone = typer.Typer(add_completion=False, **_PLAIN)
        alone.command(name, short_help=summary)(command)  # typer's would be truncated
        return typer.main.get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(JOBS)

    def __len__(self) -> int:
        return len(JOBS)


class JobGroup(TyperGroup):
    """The group of all jobs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "commands": LazyCommands()})


app = typer.Typer(
    cls=JobGroup,
    name="shoreline",
    help="PostgreSQL backups that are proven to restore, and a data lake with no surprise bill.",
    no_args_is_help=True,
    **_PLAIN,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from jobs.cli.version import version_line

        print(version_line())  # noqa: T201
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Use the embedded PostgreSQL and LocalStack; start them if needed.")
    ] = False,
    version: Annotated[  # noqa: ARG001  # the callback prints it
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """PostgreSQL backups that are proven to restore, and a data lake with no surprise bill."""
    ctx.obj = Invocation(embedded=embedded)


_GC_THRESHOLD = 200_000  # objects, about 30 MB; with Python's default of 700, imports trigger 200 collections


_STANDARD_FILES = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def main() -> None:
    """Run the command line."""
    open_standard_files()
    gc.set_threshold(_GC_THRESHOLD, *gc.get_threshold()[1:])
    app()


def open_standard_files() -> None:
    """Open /dev/null for each closed descriptor from 0 to 2, as some supervisors leave them.

    Otherwise a socket of the job would get the number, and child processes would read and write there.
    """
    for number, (name, mode) in enumerate(_STANDARD_FILES):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
