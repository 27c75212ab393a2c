"""Strategy 3: RDS automated backups. Calculated from list prices and documented behaviour; never run here."""

from __future__ import annotations

from decimal import Decimal

from services.cost_analysis.model.lines import MonthlyAmount, Strategy, price
from services.cost_analysis.model.physical import changed_bytes, wal_bytes_a_day
from services.cost_analysis.model.scenario import Scenario
from services.costs.prices import GB, HOURS_A_MONTH

INSTANCE = "rds.instance.db.t4g.medium"


def managed(scenario: Scenario) -> Strategy:
    """Automated backups of a database on RDS: the backup's own cost, not the instance's. Raises PriceMissing.

    Storage for backups is free up to the size of the region's databases; beyond that each GB-month counts:
    the first snapshot, each day's changed blocks, and the transaction logs of the kept days. The service keeps
    35 days at most: what is to stay longer needs snapshots of its own, which a warning says.
    """
    figures = scenario.figures
    kept = min(Decimal(scenario.keep_days), figures["rds_keep_days_at_most"])
    database = Decimal(scenario.database_bytes)
    stored = database * figures["rds_backup_share"]
    stored += min(changed_bytes(scenario) * kept, database * kept) + wal_bytes_a_day(scenario) * kept
    billed = max(Decimal(0), stored - database)
    hours = figures["rds_test_hours"]
    restore = [
        MonthlyAmount("an instance beside the first, db.t4g.medium", INSTANCE, hours),
        MonthlyAmount("its storage meanwhile, gp3", "rds.storage.gp3", database / GB * hours / HOURS_A_MONTH),
    ]
    out = [
        *restore,
        MonthlyAmount("snapshot export to S3, as Parquet", "rds.export", database / GB),
        MonthlyAmount("transfer to the internet", "transfer.internet", database / GB),
    ]
    return Strategy(
        name="RDS automated backups",
        monthly=price(scenario, [MonthlyAmount("backup storage beyond the free part", "rds.backup", billed / GB)]),
        restore=price(scenario, restore),
        restore_out=price(scenario, out),
        rpo_seconds=figures["rds_rpo_seconds"],
        rto_seconds=figures["rds_ready_seconds"] + database / 10**6 / figures["rds_first_use_mb_per_second"],
        restored_bytes=scenario.database_bytes,
        stored_bytes=stored,
        warnings=tuple(_warnings(scenario)),
    )


def database_on_rds(scenario: Scenario) -> Decimal:
    """What the database itself costs a month on the smallest instance compared: the price of admission."""
    amounts = [
        MonthlyAmount("instance", INSTANCE, HOURS_A_MONTH),
        MonthlyAmount("storage, gp3", "rds.storage.gp3", Decimal(scenario.database_bytes) / GB),
    ]
    return sum((line.usd for line in price(scenario, amounts)), Decimal(0))


def _warnings(scenario: Scenario) -> list[str]:
    most = scenario.figures["rds_keep_days_at_most"]
    if scenario.keep_days <= most:
        return []
    return [
        (
            f"RDS keeps automated backups for {most} days at most, so this is the cost of {most} days, not of "
            f"{scenario.keep_days}: what is to stay longer needs manual snapshots or AWS Backup."
        )
    ]
