"""Strategy 1: a logical dump a day into S3, kept in one storage class or in grandfather-father-son tiers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import ceil

from services.cost_analysis.model.lines import (
    Holding,
    MonthlyAmount,
    Strategy,
    holding_amounts,
    price,
    retrieval_amounts,
)
from services.cost_analysis.model.scenario import Scenario
from services.costs.bill import STANDARD, class_of_part
from services.costs.prices import DAYS_A_MONTH
from services.s3.multipart import PartPlan

DAY = 86400
# Days in Standard before S3 lets an object move. Source: Amazon S3 User Guide, "Transitioning objects using Lifecycle".
_MOVES_AFTER = {"STANDARD_IA": Decimal(30), "ONEZONE_IA": Decimal(30)}


def logical(scenario: Scenario, storage_class: str = STANDARD, *, kms: bool = False) -> Strategy:
    """A dump a day, uploaded into one class and kept for the scenario's days. Raises PriceMissing."""
    kind = scenario.prices.storage_class(storage_class)
    holding = Holding(
        what="dumps",
        storage_class=storage_class,
        objects=Decimal(scenario.keep_days),
        object_bytes=dump_bytes(scenario),
        days=Decimal(scenario.keep_days),
        arrive=DAYS_A_MONTH,
    )
    return _strategy(scenario, f"logical dumps, {kind.name}", [holding], storage_class, kms=kms)


def logical_tiers(scenario: Scenario, monthly_class: str = STANDARD) -> Strategy:
    """A dump a day in Standard; weekly and monthly ones stay longer, the monthly ones in a class of their own.

    The monthly ones move by a lifecycle transition when the weekly tier lets go of them, or when S3 lets them move,
    if that is later: until then they wait in Standard. Raises PriceMissing.
    """
    figures = scenario.figures
    daily, weekly, monthly = figures["gfs_daily"], figures["gfs_weekly"], figures["gfs_monthly"]
    size = dump_bytes(scenario)
    week, month = Decimal(7), DAYS_A_MONTH
    holdings = [
        Holding("daily dumps", STANDARD, daily, size, daily, DAYS_A_MONTH),
        Holding("weekly dumps", STANDARD, weekly, size, weekly * week, DAYS_A_MONTH / week),
        Holding("monthly dumps", monthly_class, monthly, size, monthly * month, Decimal(1), monthly_class != STANDARD),
    ]
    waiting = _MOVES_AFTER.get(monthly_class, Decimal(0)) - weekly * week
    if waiting > 0:
        holdings.append(Holding("monthly dumps that wait", STANDARD, waiting / month, size, waiting, Decimal(1)))
    kind = scenario.prices.storage_class(monthly_class)
    name = "logical dumps, GFS" + ("" if monthly_class == STANDARD else f", monthly in {kind.name}")
    return _strategy(scenario, name, holdings, STANDARD, kms=False)


def dump_bytes(scenario: Scenario) -> Decimal:
    """The bytes of one compressed dump."""
    return scenario.database_bytes * scenario.figures["dump_ratio"]


def parts(size: Decimal) -> Decimal:
    """How many parts an upload has whose size the last backup foretold: all but the last are equal."""
    return Decimal(max(1, ceil(size / PartPlan(expected=ceil(size)).equal_size)))


def upload_amounts(
    scenario: Scenario, what: str, size: Decimal, times: Decimal, storage_class: str, *, kms: bool
) -> list[MonthlyAmount]:
    """The requests of `times` backups of a size a month: begin, parts, complete, and the job's other requests."""
    figures = scenario.figures
    begun = (1 + parts(size)) * times
    own = figures["backup_put_requests"] * times
    amounts = [
        MonthlyAmount(f"{what}: begin and parts", f"s3.put.{class_of_part(storage_class)}", begun),
        MonthlyAmount(f"{what}: complete", f"s3.put.{storage_class}", times),
        MonthlyAmount(f"{what}: the job's own PUTs and LISTs", f"s3.put.{STANDARD}", own),
        MonthlyAmount(f"{what}: the job's own GETs", f"s3.get.{STANDARD}", figures["backup_get_requests"] * times),
    ]
    if kms:
        amounts += kms_amounts(figures["kms_requests_per_put"] * (begun + times))
    return amounts


def kms_amounts(requests: Decimal) -> list[MonthlyAmount]:
    """A customer managed key, and its requests."""
    return [MonthlyAmount("KMS key", "kms.key", Decimal(1)), MonthlyAmount("KMS requests", "kms.request", requests)]


def restore_seconds(scenario: Scenario, storage_class: str) -> Decimal:
    """Until the database answers: waiting for an archive, then the slower of the network and the load.

    Both run at once, as the dump is loaded while it streams. The load's speed is the measured one, of the
    database's bytes on disk.
    """
    wait = Decimal(scenario.prices.storage_class(storage_class).restore_hours * 3600)
    network = dump_bytes(scenario) / 10**6 / scenario.figures["network_mb_per_second"]
    load = Decimal(scenario.database_bytes) / 10**6 / scenario.figures["load_mb_per_second"]
    return wait + max(network, load)


def _strategy(scenario: Scenario, name: str, holdings: Sequence[Holding], newest_class: str, *, kms: bool) -> Strategy:
    size = dump_bytes(scenario)
    amounts = [amount for holding in holdings for amount in holding_amounts(scenario, holding)]
    amounts += upload_amounts(scenario, "backup", size, DAYS_A_MONTH, newest_class, kms=kms)
    inside = retrieval_amounts(newest_class, size, Decimal(1), to_internet=False)
    outside = retrieval_amounts(newest_class, size, Decimal(1), to_internet=True)
    return Strategy(
        name=name,
        monthly=price(scenario, amounts),
        restore=price(scenario, inside),
        restore_out=price(scenario, outside),
        rpo_seconds=Decimal(DAY),
        rto_seconds=restore_seconds(scenario, newest_class),
        restored_bytes=scenario.database_bytes,
        stored_bytes=sum((holding.bytes for holding in holdings), Decimal(0)),
        warnings=tuple(_warnings(scenario, holdings)),
    )


def _warnings(scenario: Scenario, holdings: Sequence[Holding]) -> list[str]:
    found = []
    for holding in holdings:
        kind = scenario.prices.storage_class(holding.storage_class)
        if holding.days < kind.minimum_days:
            extra = [line for line in price(scenario, holding_amounts(scenario, holding)) if "minimum of" in line.what]
            found.append(
                f"{kind.name} bills at least {kind.minimum_days} days: keeping {holding.what} for {holding.days:f} "
                f"days costs ${extra[0].usd:,.2f} a month more than those days alone."
            )
    return found
