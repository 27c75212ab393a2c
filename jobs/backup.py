"""Copy the database into S3 as one dated, verified dump."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from services.backups.catalog import Backup, BackupListing, ListedBackup
    from services.backups.lease import Lease
    from services.backups.repository import BackupRepository, DumpOptions
    from services.backups.retention import Decision
    from services.backups.shrinkage import Shrinkage
    from services.errors import ShorelineError
    from services.operations.figures import MetricSample
    from services.postgres.client import Database


@dataclass(frozen=True)
class Made:
    """A backup that was made. `warning` says what is odd about it, and what pg_dump warned of."""

    key: str
    url: str
    database: str
    taken_at: datetime
    bytes: int
    plain_bytes: int
    sha256: str
    tables: int
    rows: int
    seconds: float
    format: str
    encrypted: bool
    server_version: str
    client_version: str
    warning: str | None
    shrank: Shrinkage | None = None


@dataclass(frozen=True)
class Failed:
    """A database that was not backed up, and why."""

    database: str
    error: str


@dataclass(frozen=True)
class BackupReport:
    """What was made, what was not, and what retention made of the backups of the databases that were.

    `retention_failed` is what stopped retention, if anything did; `own_folders`, whether each database has a folder;
    `left_out`, which databases of the server are not backed up as the user may not connect to them.
    """

    backups: tuple[Made, ...]
    failed: tuple[Failed, ...]
    retention: tuple[Decision, ...]
    retention_failed: ShorelineError | None
    leftovers_removed: int
    own_folders: bool
    left_out: tuple[str, ...]


def command(
    ctx: typer.Context,
    all_databases: Annotated[
        bool, typer.Option("--all-databases", help="Every database of the server, each in its own folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Dump the database to S3 as a dated, verified backup, then apply retention."""
    run_job(
        ctx,
        "backup",
        lambda run: backup(run, all_databases),
        show,
        as_json=as_json,
        verdict=verdict,
        figures=figures,
    )


def backup(run: Run, all_databases: bool = False) -> BackupReport:
    """Makes all backups, one at a time, and only then applies retention to what succeeded."""
    from loguru import logger

    from jobs.cli.repository import archive_of, clear, dump_options
    from services.errors import ShorelineError

    options = dump_options(run)
    run.storage.require()
    archive = archive_of(run)
    databases, left_out = _all_on_server(run) if all_databases else (run.databases, ())
    several = all_databases or len(databases) > 1
    fresh: list[ListedBackup] = []
    made: list[Made] = []
    failed: list[Failed] = []
    decisions: list[Decision] = []
    retention_failed = None
    with archive.lease("backup", logger.info) as lease:
        before = archive.catalog.read()
        cleared = clear(archive, before, lease)
        for database in databases:
            try:
                new = _make(run, archive, lease, database, before, options, several=several)
            except ShorelineError as error:
                if not several:
                    raise
                logger.error("{}: {}", database.name, error)
                failed.append(Failed(database.name, str(error)))
                continue
            fresh.append(new.listed)
            made.append(_made(run, new))
        try:
            for each in fresh:
                decisions += _retain(run, archive, lease, (each, *before.of(each.summary.database)))
        except ShorelineError as error:  # the backups are made, and told
            retention_failed = error
    return BackupReport(tuple(made), tuple(failed), tuple(decisions), retention_failed, cleared, several, left_out)


def _all_on_server(run: Run) -> tuple[list[Database], tuple[str, ...]]:
    """The databases that the user may connect to, and the names of the others, which are told."""
    from loguru import logger

    from services.postgres.client import MAINTENANCE

    server = run.database_named(MAINTENANCE)
    left_out = tuple(server.closed_on_server())
    for name in left_out:
        logger.warning("{} is left out: {} may not connect to it", name, server.connection.user)
    return server.all_on_server(), left_out


def _make(
    run: Run,
    archive: BackupRepository,
    lease: Lease,
    database: Database,
    before: BackupListing,
    options: DumpOptions,
    *,
    several: bool,
) -> Backup:
    from loguru import logger

    from services.costs import predict

    previous = next(iter(before.of(database.name)), None)
    last = previous.summary if previous else None
    size = last.object.bytes if last else database.size()
    run.account.expect(predict.upload(size, replace(options.parts, expected=size).size), f"Backing up {database.name}")
    logger.info("backing up {}", database.name)
    with run.progress.task("backup", last.plain_bytes if last else None) as advance:
        return archive.create(
            database, lease, options, own_folder=several, advance=advance, say=logger.warning, previous=previous
        )


def _retain(run: Run, archive: BackupRepository, lease: Lease, backups: tuple[ListedBackup, ...]) -> list[Decision]:
    from jobs.cli.repository import retention_of
    from services.backups.repository import decide, select_expired

    decisions = decide(backups, retention_of(run), run.storage.now())
    archive.remove(select_expired(backups, decisions), lease)
    return decisions


def _made(run: Run, new: Backup) -> Made:
    from loguru import logger

    from jobs.cli.repository import shrank_alarm

    manifest = new.manifest
    alarm = shrank_alarm(new)
    if alarm is not None:
        run.alarms.append(alarm)
    warnings = [*([alarm.what] if alarm else []), *(f"{manifest.database}: {said}" for said in manifest.warnings)]
    for each in warnings:
        logger.warning("{}", each)
    if alarm is not None:
        logger.warning("Next: {}", run.commands(alarm.next_step))
    return Made(
        key=new.key,
        url=run.storage.url(new.key),
        database=manifest.database,
        taken_at=new.taken_at,
        bytes=manifest.object.bytes,
        plain_bytes=manifest.plain_bytes,
        sha256=manifest.object.sha256,
        tables=len(manifest.fingerprint.tables),
        rows=manifest.fingerprint.rows,
        seconds=manifest.seconds,
        format=manifest.format,
        encrypted=manifest.encrypted,
        server_version=manifest.server_version,
        client_version=manifest.client_version,
        warning="\n".join(warnings) or None,
        shrank=new.shrank,
    )


def verdict(report: BackupReport) -> ShorelineError | None:
    """A run that missed a database failed, and so did one whose retention failed."""
    from services.errors import BackupFailed

    if not report.failed:
        return report.retention_failed
    told = "".join(f"\n  {each.database}: {each.error}" for each in report.failed)
    if report.retention_failed:
        told += f"\n  retention: {report.retention_failed}"
    total = len(report.failed) + len(report.backups)
    return BackupFailed(f"{len(report.failed)} of {total} databases were not backed up:{told}")


def show(report: BackupReport, console: Console) -> str | None:
    """Prints what was stored, and what retention did."""
    from services import formatting

    for each in report.backups:
        sizes = f"{formatting.size(each.plain_bytes)} as {formatting.size(each.bytes)}"
        kind = "".join([", custom format" if each.format == "custom" else "", ", encrypted" if each.encrypted else ""])
        console.print(f"  database    {each.database}, PostgreSQL {each.server_version}")
        console.print(f"  content     {formatting.count(each.tables, 'table')}, {formatting.count(each.rows, 'row')}")
        console.print(f"  stored      {sizes} in {formatting.seconds(each.seconds)}{kind}")
        console.print(f"  sha256      {each.sha256}", soft_wrap=True)
        console.print(f"  {each.url}", soft_wrap=True)
    removed = [decision for decision in report.retention if not decision.keep]
    kept = len(report.retention) - len(removed)
    counts = f"{formatting.count(kept, 'backup')} kept, {len(removed):,} removed"
    console.print(f"  retention   {'FAILED' if report.retention_failed else counts}")
    for decision in removed:
        console.print(f"    removed {decision.key}: {decision.reason}", soft_wrap=True)
    if len(report.backups) + len(report.failed) > 1:
        return "shoreline backups"  # a drill takes one database
    if report.own_folders and report.backups:  # --all-databases found one, which need not be PGDATABASE's
        return shlex.join(["shoreline", "drill", f"--database={report.backups[0].database}"])
    return "shoreline drill" if report.backups else None


def figures(report: BackupReport) -> list[MetricSample]:
    """What was stored of each database, and what retention made of the backups."""
    from jobs.cli.repository import retention_figures
    from services.operations.figures import MetricSample

    found = [
        MetricSample(name, value, {"database": made.database})
        for made in report.backups
        for name, value in (
            ("shoreline_backup_bytes", made.bytes),
            ("shoreline_backup_plain_bytes", made.plain_bytes),
            ("shoreline_backup_ratio", made.plain_bytes / made.bytes),
            ("shoreline_backup_rows", made.rows),
        )
    ]
    return found + retention_figures(report.retention)
