"""Strategy 2: base backups and every byte of WAL in S3, for a restore to any second of the kept days."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from services.cost_analysis.model.lines import (
    Holding,
    MonthlyAmount,
    Strategy,
    holding_amounts,
    price,
    retrieval_amounts,
)
from services.cost_analysis.model.logical import DAY, kms_amounts, parts, upload_amounts
from services.cost_analysis.model.scenario import Scenario
from services.costs.bill import STANDARD
from services.costs.prices import DAYS_A_MONTH


def physical(scenario: Scenario, storage_class: str = STANDARD, *, kms: bool = False) -> Strategy:
    """A full base backup every some days, an incremental on the days between, WAL all the time. Raises PriceMissing.

    To reach the oldest kept second, the full backup before it and everything since must be there: a chain
    lies for the kept days and one chain's length more.
    """
    figures = scenario.figures
    every = figures["full_every_days"]
    days = scenario.keep_days + every
    full, incremental = full_bytes(scenario), incremental_bytes(scenario)
    fulls, incrementals = days / every, days - days / every
    segments = segments_a_day(scenario)
    arrive = DAYS_A_MONTH / every
    holdings = [
        Holding("full base backups", storage_class, fulls, full, days, arrive),
        Holding("incrementals", storage_class, incrementals, incremental, days, DAYS_A_MONTH - arrive),
        Holding(
            "WAL", storage_class, segments * days, wal_stored_bytes(scenario) / segments, days, segments * DAYS_A_MONTH
        ),
    ]
    amounts = [amount for holding in holdings for amount in holding_amounts(scenario, holding)]
    amounts += upload_amounts(scenario, "full", full, arrive, storage_class, kms=False)
    amounts += upload_amounts(scenario, "incremental", incremental, DAYS_A_MONTH - arrive, storage_class, kms=False)
    amounts.append(MonthlyAmount("WAL: a PUT for each segment", f"s3.put.{storage_class}", segments * DAYS_A_MONTH))
    if kms:
        uploads = (parts(full) + 2) * arrive + (parts(incremental) + 2) * (DAYS_A_MONTH - arrive)
        amounts += kms_amounts(figures["kms_requests_per_put"] * (uploads + segments * DAYS_A_MONTH))
    size, objects = _restored(scenario)
    inside = retrieval_amounts(storage_class, size, objects, to_internet=False)
    outside = retrieval_amounts(storage_class, size, objects, to_internet=True)
    kind = scenario.prices.storage_class(storage_class)
    return Strategy(
        name=f"base backups and WAL, {kind.name}",
        monthly=price(scenario, amounts),
        restore=price(scenario, inside),
        restore_out=price(scenario, outside),
        rpo_seconds=figures["archive_timeout"],
        rto_seconds=restore_seconds(scenario),
        restored_bytes=scenario.database_bytes,
        stored_bytes=sum((holding.bytes for holding in holdings), Decimal(0)),
    )


def full_bytes(scenario: Scenario) -> Decimal:
    """The bytes of one compressed full base backup."""
    return scenario.database_bytes * scenario.figures["base_ratio"]


def changed_bytes(scenario: Scenario) -> Decimal:
    """The bytes of the pages that change in a day, each page once."""
    return scenario.database_bytes * scenario.daily_change


def incremental_bytes(scenario: Scenario) -> Decimal:
    """The bytes of one compressed incremental: never more than a full one."""
    return min(changed_bytes(scenario) * scenario.figures["incremental_ratio"], full_bytes(scenario))


def wal_bytes_a_day(scenario: Scenario) -> Decimal:
    """The bytes of WAL that a day's changes make."""
    return changed_bytes(scenario) * scenario.figures["wal_factor"]


def segments_a_day(scenario: Scenario) -> Decimal:
    """Segments that are archived a day: full ones, or one at each timeout where writes are few."""
    filled = wal_bytes_a_day(scenario) / scenario.figures["wal_segment_bytes"]
    return max(filled.to_integral_value(ROUND_CEILING), DAY / scenario.figures["archive_timeout"])


def wal_stored_bytes(scenario: Scenario) -> Decimal:
    """The bytes of a day's WAL after compression; a segment that is closed early is mostly zeros."""
    filled = wal_bytes_a_day(scenario) / scenario.figures["wal_segment_bytes"]
    idle = max(Decimal(0), segments_a_day(scenario) - filled)
    return wal_bytes_a_day(scenario) * scenario.figures["wal_ratio"] + idle * scenario.figures["idle_segment_bytes"]


def restore_seconds(scenario: Scenario) -> Decimal:
    """Until the database answers, from the middle of a chain.

    Fetching and unpacking run at once: the slower counts. Then half a day's WAL is replayed.
    """
    figures = scenario.figures
    size, _ = _restored(scenario)
    network = size / 10**6 / figures["network_mb_per_second"]
    half_chain = (figures["full_every_days"] - 1) / 2
    data_files = scenario.database_bytes + half_chain * changed_bytes(scenario)
    unpack = data_files / 10**6 / figures["unpack_mb_per_second"]
    replay = wal_bytes_a_day(scenario) / 2 / 10**6 / figures["replay_mb_per_second"]
    return max(network, unpack) + replay


def _restored(scenario: Scenario) -> tuple[Decimal, Decimal]:
    """Bytes and objects of a restore from the middle of a chain: a full, half the incrementals, half a day's WAL."""
    half_chain = (scenario.figures["full_every_days"] - 1) / 2
    size = full_bytes(scenario) + half_chain * incremental_bytes(scenario) + wal_stored_bytes(scenario) / 2
    return size, 1 + half_chain + segments_a_day(scenario) / 2
