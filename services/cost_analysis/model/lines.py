"""The lines of a calculated bill, the cost of S3 objects over time, and the strategy that they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from services.cost_analysis.model.scenario import Scenario
from services.costs.bill import STANDARD
from services.costs.prices import DAYS_A_MONTH, GB

INTELLIGENT = "INTELLIGENT_TIERING"
_INFREQUENT_AFTER, _ARCHIVE_AFTER = 30, 90  # days without access, Amazon S3 User Guide
_MONITORED_FROM = 128 * 1024  # bytes


@dataclass(frozen=True)
class MonthlyAmount:
    """An amount of a usage in the price list's unit, and what it is for."""

    what: str
    usage: str
    amount: Decimal


@dataclass(frozen=True)
class CostLine:
    """An amount with its dollars."""

    what: str
    usage: str
    amount: Decimal
    unit: str
    usd: Decimal


@dataclass(frozen=True)
class Holding:
    """Objects that are always there in some number, each for some days, as new ones come and old ones go.

    `arrive` is how many come in a month. They come by a lifecycle transition, or as uploads, which are counted
    elsewhere, part by part.
    """

    what: str
    storage_class: str
    objects: Decimal
    object_bytes: Decimal
    days: Decimal
    arrive: Decimal
    by_transition: bool = False

    @property
    def bytes(self) -> Decimal:
        """Bytes that lie there at any time."""
        return self.objects * self.object_bytes


def price(scenario: Scenario, amounts: Iterable[MonthlyAmount]) -> tuple[CostLine, ...]:
    """The lines with their dollars. Amounts of one usage share its tiers, in their order. Raises PriceMissing."""
    used: dict[str, Decimal] = {}
    lines = []
    for amount in amounts:
        before = used.get(amount.usage, Decimal(0))
        after = before + amount.amount
        usd = scenario.prices.cost(amount.usage, scenario.region, after)
        usd -= scenario.prices.cost(amount.usage, scenario.region, before)
        used[amount.usage] = after
        unit = scenario.prices.price(amount.usage, scenario.region).unit
        lines.append(CostLine(amount.what, amount.usage, amount.amount, unit, usd))
    return tuple(line for line in lines if line.amount)


def total(lines: Iterable[CostLine]) -> Decimal:
    """The sum of the dollars."""
    return sum((line.usd for line in lines), Decimal(0))


def holding_amounts(scenario: Scenario, holding: Holding) -> list[MonthlyAmount]:
    """What a holding is billed for each month: storage, minimum size, minimum days, overhead, transitions."""
    kind = scenario.prices.storage_class(holding.storage_class)
    name = f"{holding.what}, {kind.name}"
    storage = f"s3.storage.{kind.key}"
    billed_bytes = max(holding.object_bytes, Decimal(kind.minimum_bytes))
    amounts = _stored(name, storage, holding, billed_bytes)
    if holding.days < kind.minimum_days:
        # objects that left are billed on until their minimum: as if more of them lay there
        missing = holding.arrive * (kind.minimum_days - holding.days) / DAYS_A_MONTH
        amounts.append(
            MonthlyAmount(f"{name}: minimum of {kind.minimum_days} days", storage, missing * billed_bytes / GB)
        )
    if kind.archive_overhead_bytes:
        in_class = holding.objects * kind.archive_overhead_bytes / GB
        in_standard = holding.objects * kind.standard_overhead_bytes / GB
        amounts.append(MonthlyAmount(f"{name}: overhead of each object", storage, in_class))
        amounts.append(MonthlyAmount(f"{name}: its index in Standard", f"s3.storage.{STANDARD}", in_standard))
    if kind.key == INTELLIGENT and holding.object_bytes >= _MONITORED_FROM:
        amounts.append(MonthlyAmount(f"{name}: monitoring", f"s3.monitoring.{INTELLIGENT}", holding.objects))
    if holding.by_transition:
        amounts.append(MonthlyAmount(f"{name}: transitions", f"s3.transition.{kind.key}", holding.arrive))
    return amounts


def _stored(name: str, storage: str, holding: Holding, billed_bytes: Decimal) -> list[MonthlyAmount]:
    size = holding.objects * billed_bytes / GB
    if holding.storage_class != INTELLIGENT or holding.object_bytes < _MONITORED_FROM or not holding.days:
        return [MonthlyAmount(name, storage, size)]
    bounds = [
        Decimal(0),
        Decimal(_INFREQUENT_AFTER),
        Decimal(_ARCHIVE_AFTER),
        max(holding.days, Decimal(_ARCHIVE_AFTER)),
    ]
    tiers = ["", ".30", ".90"]
    amounts = []
    for tier, (begin, end) in zip(tiers, pairwise(bounds), strict=True):
        days = max(Decimal(0), min(end, holding.days) - begin)
        after = f" after {begin} days" if tier else ""
        amounts.append(MonthlyAmount(f"{name}{after}", storage + tier, size * days / holding.days))
    return amounts


def retrieval_amounts(storage_class: str, size: Decimal, objects: Decimal, *, to_internet: bool) -> list[MonthlyAmount]:
    """What reading objects back is billed: requests, retrieval, transfer."""
    amounts = [
        MonthlyAmount("GET requests", f"s3.get.{storage_class}", objects),
        MonthlyAmount("retrieval", f"s3.retrieval.{storage_class}", size / GB),
    ]
    if storage_class in {"GLACIER", "DEEP_ARCHIVE"}:
        amounts.insert(0, MonthlyAmount("retrieval requests", f"s3.retrieval-request.{storage_class}", objects))
    if to_internet:
        amounts.append(MonthlyAmount("transfer to the internet", "transfer.internet", size / GB))
    return amounts


@dataclass(frozen=True)
class Strategy:
    """A strategy's costs and recovery figures for one scenario."""

    name: str
    monthly: tuple[CostLine, ...]  # dollars a month
    restore: tuple[CostLine, ...]  # dollars of one restore inside the region
    restore_out: tuple[CostLine, ...]  # dollars of one restore outside AWS
    rpo_seconds: Decimal
    rto_seconds: Decimal
    restored_bytes: int
    stored_bytes: Decimal
    warnings: tuple[str, ...] = ()  # costs that a choice causes

    @property
    def usd_monthly(self) -> Decimal:
        """Dollars a month."""
        return total(self.monthly)

    @property
    def restore_mb_per_second(self) -> Decimal:
        """MB of the database for each second until it answers."""
        return Decimal(self.restored_bytes) / 10**6 / self.rto_seconds
