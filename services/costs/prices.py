"""AWS's prices, from one dated file: each has its usage, unit, region and source."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.errors import InputError

PRICE_FILE = Path(__file__).with_name("prices.toml")
DATE = re.compile(r"20\d\d(-[01]\d(-[0-3]\d)?)?")
GB = 2**30
ATHENA_TB = 10**12
HOURS_A_MONTH = Decimal(730)
DAYS_A_MONTH = HOURS_A_MONTH / 24


class PriceMissing(InputError):
    """The price file has no price for this usage in this region."""

    next_step = "`shoreline prices` lists the known prices; `shoreline prices --refresh` reads AWS's price list."

    @classmethod
    def of_region(cls, region: str, known: Sequence[str]) -> PriceMissing:
        """Return the error for a region without any prices."""
        return cls(
            f"No prices are known for the region {region!r}, only for {', '.join(known)}.",
            next_step=f"`shoreline prices --refresh --region {region}` adds them from AWS's price list.",
        )


@dataclass(frozen=True)
class PriceSource:
    """Where a figure was read. The date is as exact as the source's: '2026-06' or '2026-08-01'."""

    key: str
    title: str
    date: str
    url: str


@dataclass(frozen=True)
class Price:
    """The price of `per` units of a usage in a region, from `tier_from` units a month on."""

    usage: str
    region: str
    unit: str
    usd: Decimal
    source: PriceSource
    per: Decimal = Decimal(1)
    tier_from: Decimal = Decimal(0)
    note: str = ""

    @property
    def each(self) -> Decimal:
        """Dollars for one unit."""
        return self.usd / self.per


@dataclass(frozen=True)
class StorageClass:
    """A storage class of S3 with the minimum sizes and overheads that it bills. Sizes are in bytes."""

    key: str
    name: str
    minimum_days: int
    minimum_bytes: int
    archive_overhead_bytes: int
    standard_overhead_bytes: int
    restore_hours: int
    source: PriceSource


@dataclass(frozen=True)
class Allowance:
    """What an account has free each month, and by which offer of AWS."""

    usage: str
    amount: Decimal
    offer: str
    source: PriceSource


@dataclass(frozen=True)
class PriceList:
    """All known prices, with S3's storage classes and AWS's free allowances."""

    prices: Mapping[tuple[str, str], Sequence[Price]]
    classes: Mapping[str, StorageClass]
    allowances: Mapping[str, Allowance]

    @property
    def regions(self) -> list[str]:
        """The regions that have prices, the most complete one first."""
        counts: dict[str, int] = {}
        for _, region in self.prices:
            counts[region] = counts.get(region, 0) + 1
        return sorted(counts, key=lambda region: (-counts[region], region))

    def tiers(self, usage: str, region: str) -> Sequence[Price]:
        """Return the prices of a usage, the first tier first. Raises PriceMissing, which names what is missing."""
        found = self.prices.get((usage, region))
        if found:
            return found
        if region not in self.regions:
            raise PriceMissing.of_region(region, self.regions)
        raise PriceMissing(f"No price is known for {usage} in {region}.")

    def has(self, usage: str, region: str) -> bool:
        """Return whether a price is known."""
        return (usage, region) in self.prices

    def price(self, usage: str, region: str) -> Price:
        """Return the price of the first unit. Raises PriceMissing."""
        return self.tiers(usage, region)[0]

    def cost(self, usage: str, region: str, amount: Decimal | int) -> Decimal:
        """Return the cost of an amount in one month, tier by tier. Raises PriceMissing."""
        tiers = self.tiers(usage, region)
        total, amount = Decimal(0), Decimal(amount)
        ends = [*(tier.tier_from for tier in tiers[1:]), None]
        for tier, end in zip(tiers, ends, strict=True):
            within = (amount if end is None else min(amount, end)) - tier.tier_from
            if within > 0:
                total += within * tier.usd / tier.per
        return total

    def storage_class(self, key: str) -> StorageClass:
        """Return a storage class by S3's name. Raises InputError."""
        if key not in self.classes:
            raise InputError(f"{key!r} is not a storage class: expected one of {', '.join(self.classes)}.")
        return self.classes[key]

    def require_class(self, key: str, region: str) -> None:
        """Raise InputError unless the region has prices to store, write and read objects of the class."""
        self.storage_class(key)
        if region not in self.regions:
            return  # The first price that is needed reports it.
        needed = ("s3.storage", "s3.put", "s3.get", "s3.retrieval")
        priced = [name for name in self.classes if all(self.has(f"{usage}.{name}", region) for usage in needed)]
        if key not in priced:
            others = ", ".join(priced) or "none"
            raise PriceMissing(f"No prices are known for {key} in {region}; known: {others}.")


@lru_cache(maxsize=4)
def load_prices(path: Path = PRICE_FILE) -> PriceList:
    """Read the price file. Raises InputError, which names the wrong line."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The price file {path.name} cannot be read: {error}") from error
    sources = {key: _source(key, value) for key, value in data.pop("sources").items()}
    classes = {key: _storage_class(key, value, sources) for key, value in data.pop("classes").items()}
    allowances = {
        usage: Allowance(usage, _number(usage, row["amount"]), row["offer"], _known(usage, row["source"], sources))
        for usage, row in data.pop("free").items()
    }
    prices: dict[tuple[str, str], list[Price]] = {}
    for region, section in data.items():
        for row in section["prices"]:
            price = _price(region, row, sources)
            prices.setdefault((price.usage, region), []).append(price)
    for (usage, region), tiers in prices.items():
        _check_tiers(f"{usage} in {region}", tiers)
    return PriceList(prices, classes, allowances)


def _check_tiers(name: str, tiers: Sequence[Price]) -> None:
    starts = [tier.tier_from for tier in tiers]
    if starts[0] != 0 or sorted(set(starts)) != starts:
        raise InputError(f"The price file: the tiers of {name} do not begin at 0 and rise.")


def _price(region: str, row: Mapping[str, Any], sources: Mapping[str, PriceSource]) -> Price:
    name = f"{row.get('usage')} in {region}"
    unknown = set(row) - {"usage", "unit", "usd", "per", "from", "source", "note"}
    if unknown or not {"usage", "unit", "usd", "source"} <= set(row):
        raise InputError(f"The price file: {name} needs usage, unit, usd and source, and takes per, from and note.")
    return Price(
        usage=row["usage"],
        region=region,
        unit=row["unit"],
        usd=_number(name, row["usd"]),
        source=_known(name, row["source"], sources),
        per=_number(name, row.get("per", "1")),
        tier_from=_number(name, row.get("from", "0")),
        note=row.get("note", ""),
    )


def _number(name: str, value: object) -> Decimal:
    """Return the number in a text: a price must never have been a binary fraction."""
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number < 0:
        raise InputError(f"The price file: {name} has {value!r}; expected a number in quotes.")
    return number


def _known(name: str, key: str, sources: Mapping[str, PriceSource]) -> PriceSource:
    if key not in sources:
        raise InputError(f"The price file: {name} names the source {key!r}, which is not under [sources].")
    return sources[key]


def _source(key: str, row: Mapping[str, str]) -> PriceSource:
    try:
        source = PriceSource(key, row["title"], row["date"], row["url"])
    except KeyError as error:
        raise InputError(f"The price file: the source {key!r} has no {error.args[0]}.") from error
    if not DATE.fullmatch(source.date):
        raise InputError(
            f"The price file: the source {key!r} has the date {source.date!r}; write 2026, 2026-08 or 2026-08-01."
        )
    return source


def _storage_class(key: str, row: Mapping[str, Any], sources: Mapping[str, PriceSource]) -> StorageClass:
    source = _known(key, row["source"], sources)
    return StorageClass(key, source=source, **{name: value for name, value in row.items() if name != "source"})
