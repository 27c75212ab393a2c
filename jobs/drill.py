"""Prove a backup: restore it into a scratch database and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job
from jobs.restore import AllowUnencrypted, Before, CreateRoles, DatabaseName, Key, Latest, pick, warn_of_shrinkage

if TYPE_CHECKING:
    from rich.console import Console

    from services.backups.catalog import Backup
    from services.backups.drill import Drill
    from services.errors import ShorelineError
    from services.operations.figures import MetricSample


def command(
    ctx: typer.Context,
    latest: Latest = False,
    before: Before = None,
    key: Key = None,
    database: DatabaseName = None,
    create_roles: CreateRoles = False,
    allow_unencrypted: AllowUnencrypted = False,
    as_json: Json = False,
) -> None:
    """Prove that a backup restores: load it into a temporary database, dump that again, and compare every table."""
    run_job(
        ctx,
        "drill",
        lambda run: drill(
            run,
            pick(run, latest=latest, before=before, key=key, database=database),
            create_roles=create_roles,
            allow_unencrypted=allow_unencrypted,
        ),
        show,
        as_json=as_json,
        verdict=verdict,
        figures=figures,
    )


def drill(run: Run, backup: Backup, *, create_roles: bool = False, allow_unencrypted: bool = False) -> Drill:
    """Restore, compare, and record the outcome beside the manifest."""
    from loguru import logger

    from jobs.cli.drill_server import drill_server
    from jobs.cli.repository import download_cost, identities
    from services.backups import drill as drilling
    from services.backups.load import LoadOptions

    manifest = backup.manifest
    size = manifest.object.bytes
    warn_of_shrinkage(run, backup)
    logger.info("drilling {}; {}", backup.key, download_cost(run, backup))
    keys = identities(run)
    with drill_server(run, backup, keys) as server:
        options = LoadOptions(
            identities=keys,
            create_roles=create_roles or server.create_roles,
            allow_unencrypted=allow_unencrypted,
        )
        with run.progress.task("drill", size + manifest.plain_bytes) as advance:
            return drilling.drill(
                run.storage,
                backup,
                server.database,
                options,
                run.storage.now(),
                advance,
                server_kind=server.kind,
                server_fault=server.server_fault,
            )


def verdict(report: Drill) -> ShorelineError | None:
    """Return the failure of a drill that found differences."""
    from services import formatting
    from services.errors import DrillFailed

    if report.record.ok:
        return None
    places = formatting.count(len(report.record.differences), "place")
    return DrillFailed(f"{report.key} differs from its database in {places}.")


def show(report: Drill, console: Console) -> str | None:
    """Print what was compared, and every difference."""
    from jobs.cli.drill_server import where
    from services import formatting

    record = report.record
    console.print(f"  backup      {report.key}", soft_wrap=True)
    place = where(record.server_version, record.server_kind)
    console.print(
        f"  restored    in {formatting.seconds(record.restore_seconds)}, the measured recovery time{place}",
        soft_wrap=True,
    )
    console.print(f"  compared    {formatting.count(record.tables, 'table')}, {formatting.count(record.rows, 'row')}")
    for difference in record.differences:
        console.print(f"  DIFFERS     {difference}", soft_wrap=True)
    for note in (*record.notes, *report.notes):
        console.print(f"  note        {note}", soft_wrap=True)
    console.print(f"  not compared: {'; '.join(record.not_compared)}", soft_wrap=True)
    if record.ok:
        console.print("Every table, the schema and the sequences match what was backed up.")
        return "shoreline backups"
    return None


def figures(report: Drill) -> list[MetricSample]:
    """Return whether the backup proved good, and the measured recovery time."""
    from services.operations.figures import MetricSample

    labels = {"database": report.database}
    return [
        MetricSample("shoreline_drill_success", float(report.record.ok), labels),
        MetricSample("shoreline_drill_restore_seconds", report.record.restore_seconds, labels),
    ]
