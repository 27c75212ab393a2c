"""Copy the database into S3 as one dated, verified dump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from jobs.run import Run
from jobs.runner import Json, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.backups.catalog import Backup
    from services.backups.retention import Decision


@dataclass(frozen=True)
class BackupReport:
    """The backup that was made, and what retention made of the ones before."""

    key: str
    url: str
    database: str
    taken_at: str
    bytes: int
    plain_bytes: int
    sha256: str
    tables: int
    rows: int
    seconds: float
    server_version: str
    client_version: str
    decisions: tuple[Decision, ...]
    warnings: tuple[str, ...]


def command(ctx: typer.Context, as_json: Json = False) -> None:
    """Copy the database into S3 as one dated, verified dump, then remove backups that are old enough."""
    run_job(ctx, "backup", backup, show, as_json=as_json)


def backup(run: Run) -> BackupReport:
    """Makes a backup, and only then applies retention."""
    from loguru import logger

    from jobs.archives import archive_of, retention_of
    from services import human
    from services.backups.archive import decide, shrunk

    archive, database = archive_of(run), run.database
    run.storage.require()
    now = run.storage.now()
    before = archive.catalog.read()
    if cleared := archive.clear(before):
        logger.info("removed {} of failed runs", human.count(cleared, "leftover"))
    with run.progress.task("backup") as advance:
        made = archive.create(database, now, advance)
    backups = (made, *before.of(database.name))
    warning = shrunk(made, backups[1] if len(backups) > 1 else None)
    if warning:
        logger.warning(warning)
    decisions = decide(backups, retention_of(run), now)
    doomed = {decision.key for decision in decisions if not decision.keep}
    archive.remove([each for each in backups if each.name.stem in doomed])
    return _report(run, made, decisions, [warning] if warning else [])


def _report(run: Run, made: Backup, decisions: list[Decision], warnings: list[str]) -> BackupReport:
    manifest = made.manifest
    return BackupReport(
        key=made.key,
        url=run.storage.url(made.key),
        database=manifest.database,
        taken_at=made.taken_at.isoformat(),
        bytes=manifest.object.bytes,
        plain_bytes=manifest.plain_bytes,
        sha256=manifest.object.sha256,
        tables=len(manifest.fingerprint.tables),
        rows=manifest.fingerprint.rows,
        seconds=manifest.seconds,
        server_version=manifest.server_version,
        client_version=manifest.client_version,
        decisions=tuple(decisions),
        warnings=tuple(warnings),
    )


def show(report: BackupReport, console: Console) -> str:
    """Prints what was stored, and what retention did."""
    from services import human

    sizes = f"{human.size(report.plain_bytes)} as {human.size(report.bytes)}"
    console.print(f"  database    {report.database}, PostgreSQL {report.server_version}")
    console.print(f"  content     {human.count(report.tables, 'table')}, {human.count(report.rows, 'row')}")
    console.print(f"  stored      {sizes} in {human.seconds(report.seconds)}")
    console.print(f"  sha256      {report.sha256}", soft_wrap=True)
    removed = [decision for decision in report.decisions if not decision.keep]
    kept = len(report.decisions) - len(removed)
    console.print(f"  retention   {human.count(kept, 'backup')} kept, {len(removed):,} removed")
    for decision in removed:
        console.print(f"    removed {decision.key}: {decision.reason}", soft_wrap=True)
    console.print(report.url, soft_wrap=True)
    return "shoreline drill"
