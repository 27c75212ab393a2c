"""What things cost as they lie, and what deleting them now costs: totals worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.cleanup.inventory import ObjectVersion, StorageCost
from services.costs.bill import Biller
from services.costs.prices import GB, load_prices

NOW = datetime(2026, 1, 31, tzinfo=UTC)
BILLER = Biller(load_prices(), "us-east-1", "internet")
MONTH = Decimal(730) / 24  # days


def standing(storage_class: str, size: int, age_days: int, *, marker: bool = False) -> StorageCost:
    found = StorageCost(load_prices().classes)
    modified = NOW - timedelta(days=age_days)
    found.add(ObjectVersion("k", "v", True, marker, size, storage_class, modified), NOW)
    return found


def test_standard_costs_its_gigabytes_and_nothing_to_delete() -> None:
    found = standing("STANDARD", 10 * GB, 0)
    assert found.monthly(BILLER) == Decimal("0.23")
    assert found.early_deletion(BILLER) == 0


def test_a_small_object_in_standard_ia_is_billed_as_128_kb() -> None:
    found = standing("STANDARD_IA", 1, 40)
    assert found.monthly(BILLER) == Decimal(131072) / GB * Decimal("0.0125")


@pytest.mark.parametrize(
    ("storage_class", "price", "days", "age"),
    [("STANDARD_IA", "0.0125", 30, 10), ("GLACIER_IR", "0.004", 90, 1), ("STANDARD_IA", "0.0125", 30, 30)],
)
def test_deleting_before_the_minimum_time_costs_the_rest_of_it(
    storage_class: str, price: str, days: int, age: int
) -> None:
    found = standing(storage_class, 8 * GB, age)
    expected = 8 * Decimal(price) * Decimal(days - age) / MONTH
    assert abs(found.early_deletion(BILLER) - expected) < Decimal("1e-12")


def test_archived_object_is_billed_with_both_overheads() -> None:
    found = standing("DEEP_ARCHIVE", GB, 200)
    expected = (Decimal(GB + 32768) * Decimal("0.00099") + Decimal(8192) * Decimal("0.023")) / GB
    assert abs(found.monthly(BILLER) - expected) < Decimal("1e-12")
    assert found.early_deletion(BILLER) == 0


def test_a_class_without_a_price_is_named_and_not_called_free() -> None:
    found = standing("OUTPOSTS", GB, 0)
    assert found.unpriced == {"OUTPOSTS"}


def test_delete_marker_is_free_and_parts_cost_standard() -> None:
    found = standing("STANDARD", 5, 0, marker=True)
    assert found.monthly(BILLER) == 0
    found.add_parts(GB)
    assert found.monthly(BILLER) == Decimal("0.023")
