"""Remove the backups that retention lets go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from services.backups.catalog import ListedBackup
    from services.backups.retention import Decision
    from services.operations.figures import MetricSample


@dataclass(frozen=True)
class PruneReport:
    """What becomes of each backup, newest first, and whether that was done or only planned."""

    dry_run: bool
    decisions: tuple[Decision, ...]
    freed_bytes: int


def command(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete backups by retention, but never the newest, the minimum number, or the newest proven one."""
    run_job(ctx, "prune", lambda run: prune(run, dry_run=dry_run), show, as_json=as_json, figures=figures)


def prune(run: Run, *, dry_run: bool = False) -> PruneReport:
    """Plans, and carries the plan out unless it is a dry run. Raises CheckFailed when there is no recent backup."""
    from loguru import logger

    from jobs.cli.repository import archive_of

    run.storage.require()
    archive = archive_of(run)
    if dry_run:
        decisions, doomed = _plan(run, archive.catalog.read().backups, run.storage.now())
    else:
        with archive.lease("prune", logger.info) as lease:
            backups, now = archive.catalog.read().backups, run.storage.now()
            _require_recent(run, backups, now)
            decisions, doomed = _plan(run, backups, now)
            archive.remove(doomed, lease)
    return PruneReport(dry_run, tuple(decisions), sum(each.stored_bytes for each in doomed))


def _plan(run: Run, backups: tuple[ListedBackup, ...], now: datetime) -> tuple[list[Decision], list[ListedBackup]]:
    """The decisions for each database that the settings name, and the backups that are to go."""
    from jobs.cli.repository import retention_of
    from services.backups.repository import decide, select_expired

    decisions = []
    for name in run.settings.database_names:
        decisions += decide([each for each in backups if each.summary.database == name], retention_of(run), now)
    return decisions, select_expired(backups, decisions)


def _require_recent(run: Run, backups: tuple[ListedBackup, ...], now: datetime) -> None:
    """Old backups are all there is when new ones fail: then none is removed."""
    from datetime import timedelta

    from services import formatting
    from services.errors import CheckFailed

    limit = timedelta(hours=run.settings.backup_max_age_hours)
    for name in run.settings.database_names:
        ages = [now - each.taken_at for each in backups if each.summary.database == name]
        if ages and min(ages) > limit:
            raise CheckFailed(
                f"The newest backup of {name} is {formatting.age(min(ages))} old: none goes before a new one succeeds.",
                next_step="`shoreline backup`",
            )


def show(report: PruneReport, console: Console) -> str:
    """Prints every decision with its reason."""
    from services import formatting

    width = max((len(each.key) for each in report.decisions), default=0)
    verb = "remove" if report.dry_run else "removed"
    for each in report.decisions:
        console.print(f"  {'keep' if each.keep else verb:<8} {each.key:<{width}}  {each.reason}", soft_wrap=True)
    removed = sum(not each.keep for each in report.decisions)
    kept = len(report.decisions) - removed
    would = "would be " if report.dry_run else ""
    freed = formatting.size(report.freed_bytes)
    console.print(f"{formatting.count(kept, 'backup')} kept, {removed:,} {would}removed, {freed} {would}freed.")
    if not report.decisions:
        return "shoreline backup"
    return "shoreline prune" if report.dry_run and removed else "shoreline backups"


def figures(report: PruneReport) -> list[MetricSample]:
    """What retention made of the backups; a dry run changes nothing that could be told."""
    from jobs.cli.repository import retention_figures

    return [] if report.dry_run else retention_figures(report.decisions)
