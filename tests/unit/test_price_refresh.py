"""AWS's price list over the wire: what differs is shown, and written without touching another line."""

from __future__ import annotations

import json
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from services.costs.pricelist import LOOKUPS, AwsPriceList
from services.costs.prices import PRICE_FILE, load_prices
from services.costs.refresh import Offer, differences, rewritten
from services.errors import InputError
from tests.wire import Answer, serving

PRICES = load_prices()


def product(usage_type: str, *tiers: tuple[str, str], **attributes: str) -> str:
    """A product of the price list, as the API gives it: JSON inside of JSON."""
    dimensions = {
        f"d{number}": {"beginRange": begin, "endRange": "Inf", "unit": "GB-Mo", "pricePerUnit": {"USD": usd}}
        for number, (begin, usd) in enumerate(tiers)
    }
    return json.dumps(
        {
            "product": {"attributes": {"usagetype": usage_type, **attributes}},
            "terms": {"OnDemand": {"t": {"priceDimensions": dimensions}}},
            "publicationDate": "2026-11-20T10:00:00Z",
        }
    )


S3 = [
    product("EU-TimedStorage-ByteHrs", ("0", "0.0240000000"), ("51200", "0.0220000000")),
    product("EU-TimedStorage-GIR-ByteHrs", ("0", "0.0041")),
    product("EU-Requests-Tier1", ("0", "0.0000050000")),
    product("EU-Requests-SIA-Tier1", ("0", "0.0000100000")),
    product("EU-Tables-Requests-Tier1", ("0", "0.9")),
    product("EU-Requests-Tier3", ("0", "0.00003"), operation="S3-GlacierTransition"),
    product("EU-Requests-Tier3", ("0", "0.00005"), operation="S3-GDATransition"),
    product("EU-Requests-Tier2", ("0", "0.0000004")),
    product("EU-Requests-Tier2", ("0", "0.0000005"), operation="other"),
]
GLUE = [product("EU-Catalog-Request", ("0", "0.0"), ("1000000", "0.000001"))]


def offers(usages: list[str], pages: dict[str, list[str]]) -> tuple[dict[str, list[Offer]], dict[str, str], list[Any]]:
    """What is found when the price list holds these products; two to a page."""
    asked: list[Any] = []

    def answer(_: BaseHTTPRequestHandler, body: bytes) -> Answer:
        request = json.loads(body)
        asked.append(request)
        listed = pages.get(request["ServiceCode"], [])
        start = int(request.get("NextToken", 0))
        page = {"PriceList": listed[start : start + 2]}
        if start + 2 < len(listed):
            page["NextToken"] = str(start + 2)  # type: ignore[assignment]
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(page).encode()

    with serving() as wire:
        wire.answer = answer
        found, left_out = AwsPriceList(wire.client("pricing"), "eu-west-1").offers(usages)
    return found, left_out, asked


def test_prices_are_found_on_every_page_by_usage_type_and_operation() -> None:
    usages = [
        "s3.storage.STANDARD",
        "s3.put.STANDARD",
        "s3.put.STANDARD_IA",
        "s3.transition.GLACIER",
        "s3.transition.DEEP_ARCHIVE",
    ]
    found, left_out, asked = offers(usages, {"AmazonS3": S3})
    assert left_out == {}
    assert [(tier.tier_from, tier.usd_each) for tier in found["s3.storage.STANDARD"]] == [
        (Decimal(0), Decimal("0.024")),
        (Decimal(51200), Decimal("0.022")),
    ]
    assert found["s3.put.STANDARD"][0].usd_each == Decimal("0.000005")
    assert found["s3.put.STANDARD_IA"][0].usd_each == Decimal("0.00001")
    assert found["s3.transition.GLACIER"][0].usd_each == Decimal("0.00003")
    assert found["s3.transition.DEEP_ARCHIVE"][0].usd_each == Decimal("0.00005")
    assert found["s3.put.STANDARD"][0].published == "2026-11-20"
    assert {request["Filters"][0]["Value"] for request in asked} == {"eu-west-1"}
    assert len(asked) == 5  # one service, nine products


def test_free_allowance_is_not_a_tier() -> None:
    found, _, _ = offers(["glue.request"], {"AWSGlue": GLUE})
    assert [(tier.tier_from, tier.usd_each) for tier in found["glue.request"]] == [(Decimal(0), Decimal("0.000001"))]


def test_ambiguous_or_missing_price_is_reported_and_kept() -> None:
    found, left_out, _ = offers(["s3.put.STANDARD", "s3.get.STANDARD", "athena.scan", "backup.s3"], {"AmazonS3": S3})
    assert list(found) == ["s3.put.STANDARD"]
    assert left_out == {
        "s3.get.STANDARD": "several prices",
        "athena.scan": "not in the list",
        "backup.s3": "not looked up",
    }


def test_a_region_that_the_list_does_not_know_is_an_error() -> None:
    with pytest.raises(InputError, match="nothing for the region 'eu-west-1'"):
        offers(["s3.put.STANDARD"], {})


def test_every_lookup_is_of_a_usage_that_the_price_file_knows() -> None:
    assert set(LOOKUPS) <= {usage for usage, _ in PRICES.prices}


def offered(**usd: str) -> dict[str, list[Offer]]:
    named = {name.replace("__", "."): value for name, value in usd.items()}
    return {usage: [Offer(usage, Decimal(0), Decimal(value), "2026-11-20")] for usage, value in named.items()}


def test_differences_are_in_the_unit_of_the_file() -> None:
    listed = offered(s3__put__STANDARD="0.000006", s3__get__STANDARD="0.0000004000")
    (found,) = differences(PRICES, "eu-west-1", listed, like="us-east-1")
    assert found.usage == "s3.put.STANDARD"
    assert found.old == Decimal("0.005")
    assert found.new == Decimal("0.006")
    assert found.per == 1000


def test_refresh_changes_only_the_lines_of_new_prices(tmp_path: Path) -> None:
    listed = offered(s3__put__STANDARD="0.000006", athena__scan="5.5")
    found = differences(PRICES, "eu-west-1", listed, like="us-east-1")
    before = PRICE_FILE.read_text()
    after = rewritten(before, found)
    changed = set(after.splitlines()) - set(before.splitlines())
    assert len(changed) == 3  # a source, a price, a new price
    path = tmp_path / "prices.toml"
    path.write_text(after)
    prices = load_prices(path)
    assert prices.cost("s3.put.STANDARD", "eu-west-1", 1000) == Decimal("0.006")
    assert prices.price("athena.scan", "eu-west-1").usd == Decimal("5.5")
    assert prices.price("athena.scan", "eu-west-1").source.date == "2026-11-20"
    assert prices.cost("s3.put.STANDARD", "us-east-1", 1000) == Decimal("0.005")


def test_a_tier_is_changed_where_it_begins(tmp_path: Path) -> None:
    usage = "s3.storage.STANDARD"
    tiers = [
        Offer(usage, Decimal(begin), Decimal(usd), "2026-11-20") for begin, usd in ((0, "0.023"), (51200, "0.0225"))
    ]
    found = differences(PRICES, "us-east-1", {usage: tiers}, like="us-east-1")
    path = tmp_path / "prices.toml"
    path.write_text(rewritten(PRICE_FILE.read_text(), found))
    assert [price.usd for price in load_prices(path).tiers(usage, "us-east-1")] == [
        Decimal("0.023"),
        Decimal("0.0225"),
        Decimal("0.021"),
    ]


def test_a_new_region_is_added_whole(tmp_path: Path) -> None:
    listed = offered(s3__storage__STANDARD="0.026", s3__put__STANDARD="0.0000055")
    found = differences(PRICES, "us-west-1", listed, like="us-east-1")
    path = tmp_path / "prices.toml"
    path.write_text(rewritten(PRICE_FILE.read_text(), found))
    prices = load_prices(path)
    assert "us-west-1" in prices.regions
    assert prices.cost("s3.put.STANDARD", "us-west-1", 1000) == Decimal("0.0055")


def test_a_second_refresh_finds_nothing(tmp_path: Path) -> None:
    listed = offered(s3__put__STANDARD="0.000006", athena__scan="5.5")
    path = tmp_path / "prices.toml"
    path.write_text(rewritten(PRICE_FILE.read_text(), differences(PRICES, "eu-west-1", listed, like="us-east-1")))
    assert differences(load_prices(path), "eu-west-1", listed, like="us-east-1") == []
