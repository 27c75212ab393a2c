"""Every price has a source and a date; what is missing or wrong is named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.costs.prices import PRICE_FILE, PriceMissing, load_prices
from services.errors import InputError

PRICES = load_prices()


def test_every_price_has_a_source_with_a_date_and_an_address() -> None:
    for tiers in PRICES.prices.values():
        for price in tiers:
            assert price.source.date >= "2024", price
            assert price.source.url.startswith("https://"), price
            assert price.unit
            assert price.per > 0


def test_us_east_1_has_every_price_of_every_storage_class() -> None:
    for name in PRICES.classes:
        kinds = ["storage", "put", "get", "retrieval"] + ([] if name == "STANDARD" else ["transition"])
        for kind in kinds:
            assert PRICES.has(f"s3.{kind}.{name}", "us-east-1"), f"{kind} of {name}"


def test_us_east_1_has_every_usage_that_another_region_has() -> None:
    everywhere = {usage for usage, _ in PRICES.prices}
    assert {usage for usage, region in PRICES.prices if region == "us-east-1"} == everywhere


@pytest.mark.parametrize(
    ("usage", "amount", "usd"),
    [
        ("s3.storage.STANDARD", "1", "0.023"),
        ("s3.put.STANDARD", "2000", "0.01"),
        ("s3.get.STANDARD", "1", "0.0000004"),
        ("athena.scan", "0.00001", "0.00005"),
        ("kms.request", "10000", "0.03"),
        # 51,200 GB at .023, 460,800 at .022, 1 at .021
        ("s3.storage.STANDARD", "512001", "11315.221"),
        ("s3.storage.STANDARD", "51201", "1177.622"),
    ],
)
def test_a_usage_costs_what_the_price_list_makes_of_it(usage: str, amount: str, usd: str) -> None:
    assert PRICES.cost(usage, "us-east-1", Decimal(amount)) == Decimal(usd)


@given(st.decimals(0, 10**7, places=3), st.decimals(0, 10**7, places=3))
def test_more_never_costs_less(first: Decimal, second: Decimal) -> None:
    low, high = sorted((first, second))
    for usage in ("s3.storage.STANDARD", "transfer.internet"):
        assert PRICES.cost(usage, "us-east-1", low) <= PRICES.cost(usage, "us-east-1", high)


def test_a_missing_price_is_named_with_its_region() -> None:
    with pytest.raises(PriceMissing, match=r"s3\.storage\.GLACIER in eu-west-1"):
        PRICES.price("s3.storage.GLACIER", "eu-west-1")


def test_a_missing_region_is_named_with_those_that_there_are() -> None:
    with pytest.raises(PriceMissing, match=r"'mars-1', only for us-east-1, .*eu-west-1"):
        PRICES.price("s3.storage.STANDARD", "mars-1")


def test_an_unknown_storage_class_is_named() -> None:
    with pytest.raises(InputError, match="'TAPE' is not a storage class"):
        PRICES.storage_class("TAPE")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('usd = "0.023"', "usd = 0.023", "s3.storage.STANDARD in us-east-1 has 0.023; expected a number in quotes"),
        ('usd = "0.023"', 'usd = "-1"', "has '-1'; expected a number"),
        ('usd = "0.023"', 'usd = "NaN"', "has 'NaN'; expected a number"),
        ('usd = "0.023", source = "infracost-s3"', 'usd = "0.023", source = "hearsay"', "names the source 'hearsay'"),
        ('usd = "0.023", source = "infracost-s3"', 'usd = "0.023"', "needs usage, unit, usd and source"),
        ('usd = "0.023",', 'usd = "0.023", sauce = "x",', "needs usage, unit, usd and source"),
        ('from = "51200"', 'from = "0"', "do not begin at 0 and rise"),
        ('date = "2025-07-07"', 'date = "July"', "has the date 'July'"),
        ("[us-east-1]", "[us-east-1", "cannot be read"),
    ],
)
def test_a_wrong_line_of_the_price_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = PRICE_FILE.read_text()
    assert old in text
    broken = tmp_path / "prices.toml"
    broken.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_prices(broken)
    assert message in str(caught.value)
