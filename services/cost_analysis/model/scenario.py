"""What is to be kept: the database, how much of it changes, for how long its backups stay, and where."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.cost_analysis.model.figures import ModelFigures
from services.costs.prices import PriceList, PriceMissing
from services.errors import InputError


@dataclass(frozen=True)
class Scenario:
    """A database and its backups in one region. Sizes in bytes, `daily_change` as a share of the pages a day.

    `figures` holds what the rest is calculated from. Made by `scenario`, which checks the values.
    """

    database_bytes: int
    daily_change: Decimal
    keep_days: int
    region: str
    prices: PriceList
    figures: ModelFigures


def scenario(database_bytes: int, region: str, prices: PriceList, figures: ModelFigures) -> Scenario:
    """A checked scenario. Raises InputError for impossible values, PriceMissing for a region without prices."""
    change, keep = figures["daily_change"], figures["keep_days"]
    if database_bytes <= 0:
        raise InputError(f"A database of {database_bytes:,} bytes cannot be: give a size above 0.")
    if not 0 <= change <= 1:
        raise InputError(f"A daily change of {change:%} cannot be: give 0% to 100% of the database.")
    if keep < 1 or keep != keep.to_integral_value():
        raise InputError(f"Backups cannot be kept for {keep} days: give a whole number of days from 1 on.")
    if region not in prices.regions:
        raise PriceMissing(f"No prices are known for the region {region!r}, only for {', '.join(prices.regions)}.")
    return Scenario(database_bytes, change, int(keep), region, prices, figures)
