"""The archive, its rules and its keys, as the settings say."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.cli.context import Run
    from services.backups.catalog import Backup, BackupListing, ListedBackup
    from services.backups.encryption import AgeIdentity
    from services.backups.lease import Lease
    from services.backups.repository import BackupRepository, DumpOptions
    from services.backups.retention import Decision, Retention
    from services.backups.shrinkage import Shrinkage
    from services.operations.events import Alarm
    from services.operations.figures import MetricSample


def archive_of(run: Run) -> BackupRepository:
    """The backups of this run's bucket."""
    from services.backups.naming import Naming
    from services.backups.repository import BackupRepository

    given = run.settings
    return BackupRepository(run.storage, Naming(given.backup_prefix), run.run_id, given.backup_lease_seconds)


def clear(archive: BackupRepository, before: BackupListing, lease: Lease) -> int:
    """Removes what failed runs left; that it cannot, as a role that may not delete, keeps nobody from a backup."""
    from loguru import logger

    from services import formatting
    from services.errors import StorageError

    try:
        cleared = archive.clear(before, lease)
    except StorageError as error:
        logger.warning("what failed runs left stays: {}", error)
        return 0
    if cleared:
        logger.info("removed {} of failed runs", formatting.count(cleared, "leftover"))
    return cleared


def dump_options(run: Run) -> DumpOptions:
    """What a new backup is like."""
    from services.backups.encryption import recipients_of
    from services.backups.repository import DumpOptions
    from services.postgres.waiting import Limits
    from services.s3.multipart import PartPlan

    given = run.settings
    return DumpOptions(
        format=given.backup_format,
        recipients=recipients_of(given.backup_age_recipients or ""),
        globals=given.backup_globals,
        parts=PartPlan(first=given.backup_part_size, most=given.backup_max_parts),
        limits=Limits(given.backup_lock_timeout, given.backup_stall_timeout),
    )


def download_cost(run: Run, backup: Backup) -> str:
    """Return what reading a backup takes, in words. It is not held against MAX_RUN_COST_USD: see NEVER_STOPPED."""
    from services import formatting
    from services.costs import predict

    size = backup.manifest.object.bytes
    usd = run.account.biller.cost(predict.download(size, storage_class=backup.storage_class))
    route = "to the internet" if run.settings.transfer_out == "internet" else "within the region"
    return f"it downloads {formatting.size(size)} {route}, about {formatting.money(usd)} at AWS's list prices"


def shrank_alarm(backup: ListedBackup) -> Alarm | None:
    """Return what to say of a backup of a database that lost most of its content, unless somebody accepted that."""
    from services.backups.health import contrast
    from services.operations.events import Alarm

    if backup.shrank is None:
        return None
    database = backup.summary.database
    return Alarm(
        database,
        f"{database} shrank: this backup holds {contrast(backup.size, backup.shrank)}.",
        shrank_step(database, backup.name.stem, backup.shrank),
    )


def shrank_step(database: str, key: str, before: Shrinkage) -> str:
    """Return the two commands between which a person decides: restore what was there before, or accept its loss."""
    at = f"{before.taken_at + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
    restored = [f"--database={database}", f"--before={at}", f"--into={database}_restored"]
    restore = shlex.join(["shoreline", "restore", *restored])
    accept = shlex.join(["shoreline", "status", f"--accept-shrink={key}"])
    return f"`{restore}` restores what was there before; `{accept}` if this was intended."


def identities(run: Run) -> list[AgeIdentity]:
    """The keys that open encrypted backups; none when none is set."""
    from services.backups.encryption import identities_of

    given = run.settings.backup_age_identity
    return identities_of(given.get_secret_value()) if given else []


def retention_of(run: Run) -> Retention:
    """How long they are kept."""
    from services.backups.retention import Retention

    given = run.settings
    return Retention(
        days=given.backup_keep_days,
        minimum=given.backup_keep_min,
        daily=given.backup_keep_daily,
        weekly=given.backup_keep_weekly,
        monthly=given.backup_keep_monthly,
        apart_hours=given.backup_max_age_hours,
    )


def retention_figures(decisions: Iterable[Decision]) -> list[MetricSample]:
    """How many backups retention keeps of each database, and how many it deleted."""
    from services.operations.figures import MetricSample

    kept: dict[str, list[bool]] = {}
    for each in decisions:
        kept.setdefault(each.database, []).append(each.keep)
    return [
        MetricSample(name, count, {"database": database})
        for database, keeps in kept.items()
        for name, count in (
            ("shoreline_backups_kept", keeps.count(True)),
            ("shoreline_backups_pruned", keeps.count(False)),
        )
    ]
