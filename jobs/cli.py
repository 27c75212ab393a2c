"""The command line: `shoreline <job>`."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs import (
    athena,
    audit,
    backup,
    backups,
    cleanup,
    compact,
    cost,
    database,
    demo,
    drill,
    export,
    generate,
    iam,
    preflight,
    prices,
    prune,
    query,
    receipts,
    restore,
    schedule,
    setup,
    stack,
    status,
    tables,
    upload,
)
from jobs.runner import Invocation

app = typer.Typer(
    name="shoreline",
    help="PostgreSQL backups that are proved to restore, and a data lake that cannot surprise the bill.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # the boxes would cost 0.2 s of imports
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    ctx: typer.Context,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Use the embedded PostgreSQL and LocalStack, started where needed.")
    ] = False,
) -> None:
    """PostgreSQL backups that are proved to restore, and a data lake that cannot surprise the bill."""
    ctx.obj = Invocation(embedded=embedded)


app.command("demo")(demo.command)
app.command("up")(stack.up_command)
app.command("down")(stack.down_command)
app.command("setup")(setup.command)
app.command("cleanup")(cleanup.command)
app.command("preflight")(preflight.command)
app.command("iam")(iam.command)
app.command("audit")(audit.command)
app.command("database")(database.command)
app.command("backup")(backup.command)
app.command("backups")(backups.command)
app.command("restore")(restore.command)
app.command("drill")(drill.command)
app.command("prune")(prune.command)
app.command("status")(status.command)
app.command("schedule")(schedule.command)
app.command("generate")(generate.command)
app.command("export")(export.command)
app.command("upload")(upload.command)
app.command("compact")(compact.command)
app.command("athena")(athena.command)
app.command("query")(query.command)
app.command("tables")(tables.command)
app.command("cost")(cost.command)
app.command("prices")(prices.command)
app.command("receipts")(receipts.command)


def main() -> None:
    """Runs the command line."""
    app()
