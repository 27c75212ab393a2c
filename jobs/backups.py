"""List the backups."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from services.backups.catalog import Damaged


@dataclass(frozen=True)
class BackupRow:
    """One backup, why it is kept, and when a drill proved it."""

    key: str
    database: str
    taken_at: datetime
    age_seconds: float
    bytes: int
    rows: int
    kept: str
    verified_at: datetime | None
    drill_ok: bool | None


@dataclass(frozen=True)
class Listing:
    """All complete backups, newest first, and the damaged ones."""

    url: str
    backups: tuple[BackupRow, ...]
    damaged: tuple[Damaged, ...]
    leftovers: int


def command(ctx: typer.Context, as_json: Json = False) -> None:
    """List the backups: time, size, age, rows, why each is kept, and its last drill."""
    run_job(ctx, "backups", backups, show, as_json=as_json)


def backups(run: Run) -> Listing:
    """Reads the manifests."""
    from jobs.cli.repository import archive_of, retention_of
    from services.backups.repository import decide

    run.storage.require()
    archive, now = archive_of(run), run.storage.now()
    contents = archive.catalog.read()
    reasons = {}
    for database in {each.summary.database for each in contents.backups}:
        for decision in decide(contents.of(database), retention_of(run), now):
            reasons[decision.key] = decision.reason if decision.keep else f"goes next: {decision.reason}"
    return Listing(
        url=run.storage.url(archive.naming.prefix),
        backups=tuple(
            BackupRow(
                key=each.key,
                database=each.summary.database,
                taken_at=each.taken_at,
                age_seconds=(now - each.taken_at).total_seconds(),
                bytes=each.stored_bytes,
                rows=each.summary.rows,
                kept=reasons[each.name.stem],
                verified_at=each.drill.drilled_at if each.drill else None,
                drill_ok=each.drill.ok if each.drill else None,
            )
            for each in contents.backups
        ),
        damaged=contents.damaged,
        leftovers=len(contents.leftovers),
    )


def show(report: Listing, console: Console) -> str:
    """Prints a table, a backup a line."""
    from jobs.cli.console import print_table
    from services import formatting

    if not report.backups:
        _show_damaged(report, console)
        what = "complete backups" if report.damaged else "backups"
        console.print(f"There are no {what} under {report.url}.")
        return "shoreline backup"
    several = len({each.database for each in report.backups}) > 1
    heads = ("Taken (UTC)", *(["Database"] if several else []), "Age", "Size", "Rows", "Verified", "Kept")
    rows = [_cells(each, several) for each in report.backups]
    print_table(console, heads, rows, right=("Age", "Size", "Rows"))
    _show_damaged(report, console)
    console.print(f"{formatting.count(len(report.backups), 'backup')} under {report.url}", soft_wrap=True)
    newest = report.backups[0]
    if newest.drill_ok is False:
        return "shoreline backup"
    names = [f"--database={newest.database}", f"--into={newest.database}_restored"]
    return shlex.join(["shoreline", "restore", *names])


def _show_damaged(report: Listing, console: Console) -> None:
    for damaged in report.damaged:
        console.print(f"damaged: {damaged.name.stem}: {damaged.problem}", soft_wrap=True)


def _cells(each: BackupRow, several: bool) -> list[str]:
    from datetime import timedelta

    from services import formatting

    drilled = "never" if each.verified_at is None else f"{each.verified_at:%Y-%m-%d %H:%M}"
    return [
        f"{each.taken_at:%Y-%m-%d %H:%M:%S}",
        *([each.database] if several else []),
        formatting.age(timedelta(seconds=each.age_seconds)),
        formatting.size(each.bytes),
        f"{each.rows:,}",
        f"FAILED {drilled}" if each.drill_ok is False else drilled,
        each.kept,
    ]
