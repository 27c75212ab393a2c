"""The archive and its rules, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.run import Run
    from services.backups.archive import Archive
    from services.backups.retention import Retention


def archive_of(run: Run) -> Archive:
    """The backups of this run's bucket."""
    from services.backups.archive import Archive
    from services.backups.naming import Naming
    from services.backups.parts import PartPlan

    given = run.settings
    parts = PartPlan(first=given.backup_part_size, most=given.backup_max_parts)
    return Archive(run.storage, Naming(given.backup_prefix), run.run_id, parts)


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
    )
