"""Say whether the backups are in order, on one screen and in the exit code."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job
from services.errors import ShorelineError

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from services.backups.health import Status


AcceptShrink = Annotated[
    str | None,
    typer.Option(
        "--accept-shrink",
        metavar="KEY",
        help="Accept that the database shrank before this backup; then show the status.",
    ),
]


def command(ctx: typer.Context, accept_shrink: AcceptShrink = None, as_json: Json = False) -> None:
    """Show the newest backup, the last drill and the next expiry. Fails if anything is stale."""
    run_job(ctx, "status", lambda run: status(run, accept_shrink), show, as_json=as_json, verdict=verdict)


def accept(run: Run, key: str) -> None:
    """Records that a database was meant to shrink. Raises InputError when it did not shrink before that backup."""
    import json
    import socket

    from loguru import logger

    from jobs.cli.repository import archive_of
    from services.backups.naming import ACCEPTED
    from services.errors import InputError

    backup = archive_of(run).catalog.named(key)
    if backup.summary.shrank is None:
        raise InputError(
            f"{backup.summary.database} did not shrink before {backup.name.stem}: there is nothing to accept.",
            next_step="`shoreline status` shows which database shrank.",
        )
    record = {"accepted_at": run.storage.now().isoformat(), "host": socket.gethostname(), "run_id": run.run_id}
    run.storage.put(backup.name.key(ACCEPTED), json.dumps(record).encode(), content_type="application/json")
    logger.info("accepted that {} shrank before {}", backup.summary.database, backup.name.stem)


def status(run: Run, accept_shrink: str | None = None) -> Status:
    """Reads the manifests and judges them."""
    from datetime import timedelta

    from jobs.cli.repository import archive_of, retention_of
    from services.backups.health import judge
    from services.backups.lease import current

    run.storage.require()
    if accept_shrink is not None:
        accept(run, accept_shrink)
    archive = archive_of(run)
    contents, now = archive.catalog.read(), run.storage.now()
    judged = judge(
        contents,
        run.settings.database_names,
        retention_of(run),
        timedelta(hours=run.settings.backup_max_age_hours),
        now,
        writer=current(run.storage, run.settings.backup_prefix),
    )
    return replace(judged, connection=_connection(run))


def _connection(run: Run) -> str:
    """How the connection to PostgreSQL is encrypted; the backups are judged whether it answers or not."""
    mode = f"PGSSLMODE={run.settings.pgsslmode}"
    try:
        return f"{run.databases[0].tls() or 'not encrypted'}, {mode}"
    except ShorelineError as error:
        return f"not reachable now ({error}), {mode}"


def verdict(report: Status) -> ShorelineError | None:
    """A status with a problem fails, for a monitor."""
    from jobs.cli.repository import shrank_step
    from services.errors import CheckFailed

    if not report.problems:
        return None
    told = "".join(f"\n  {each}" for each in report.problems)
    step = "`shoreline backup`, then `shoreline drill`"
    for each in report.databases:
        if each.shrank is not None and each.newest is not None:  # the more urgent: a backup would not bring it back
            step = shrank_step(each.database, each.newest.key, each.shrank)
    return CheckFailed(f"The backups are not in order:{told}", next_step=step)


def show(report: Status, console: Console) -> str | None:
    """Prints a block for each database."""
    from datetime import timedelta

    from jobs.cli.drill_server import where
    from services import formatting

    def when(at: datetime | None, age_seconds: float | None) -> str:
        if at is None or age_seconds is None:
            return "never"
        return f"{formatting.moment(at)}, {formatting.age(timedelta(seconds=age_seconds))} ago"

    for each in report.databases:
        console.print(f"{each.database}")
        console.print(f"  newest      {when(each.newest_at, each.newest_age_seconds)}")
        drilled = "" if each.drill_ok is None else (", equal" if each.drill_ok else ", DIFFERS")
        place = where(each.restore_server_version, each.restore_server_kind)
        rto = "" if each.restore_seconds is None else f", restored in {formatting.seconds(each.restore_seconds)}{place}"
        console.print(f"  last drill  {when(each.drilled_at, each.drilled_age_seconds)}{drilled}{rto}", soft_wrap=True)
        expiry = "none" if each.next_expiry_at is None else formatting.moment(each.next_expiry_at)
        console.print(f"  next expiry {expiry}")
        console.print(f"  kept        {formatting.count(each.backups, 'backup')}, {formatting.size(each.bytes)}")
    console.print(f"PostgreSQL: {report.connection}", soft_wrap=True)
    if report.writer:
        console.print(f"now writing: {report.writer}", soft_wrap=True)
    if report.problems:
        return None
    if not report.unproved:
        console.print("In order.")
        return "shoreline backups"
    told = ", ".join(report.unproved)
    console.print(f"Nothing is stale, and nothing is proved: no drill of {told} was ever run.", soft_wrap=True)
    return shlex.join(["shoreline", "drill", f"--database={report.unproved[0]}"])
