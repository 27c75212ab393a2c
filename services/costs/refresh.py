"""The differences between the price file and AWS's price list, and the file's new text. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.costs.prices import Price, PriceList

_USD = re.compile(r'usd = "[^"]*"')
_SOURCE = re.compile(r'source = "[^"]*"')
_FROM = re.compile(r'from = "([^"]*)"')


@dataclass(frozen=True)
class Offer:
    """A price of AWS's list."""

    usage: str
    tier_from: Decimal  # units a month from which it holds
    usd_each: Decimal  # dollars for one unit
    published: str  # date


@dataclass(frozen=True)
class Difference:
    """A price that differs between the list and the file."""

    region: str
    usage: str
    tier_from: Decimal
    unit: str
    per: Decimal
    old: Decimal | None  # None if the file has no price
    new: Decimal
    published: str


def differences(prices: PriceList, region: str, offers: Mapping[str, Sequence[Offer]], like: str) -> list[Difference]:
    """Return the differences. A region without prices uses the units of the region `like`.

    A tier that the file does not have (it may have the first one only) is not a difference.
    """
    found = []
    for usage, tiers in sorted(offers.items()):
        patterns = prices.prices.get((usage, region)) or prices.prices.get((usage, like), ())
        for pattern in patterns:
            offer = next((tier for tier in tiers if tier.tier_from == pattern.tier_from), None)
            if offer is None:
                continue
            old = pattern.usd if pattern.region == region else None
            new = offer.usd_each * pattern.per
            if old is None or old != new:
                found.append(_difference(region, pattern, old, new, offer))
    return found


def _difference(region: str, pattern: Price, old: Decimal | None, new: Decimal, offer: Offer) -> Difference:
    return Difference(
        region, pattern.usage, pattern.tier_from, pattern.unit, pattern.per, old, new.normalize(), offer.published
    )


def rewritten(text: str, found: Sequence[Difference]) -> str:
    """Return the price file's text with the new prices and a source for them; other lines are unchanged."""
    published = max(difference.published for difference in found)
    source = f"price-list-{published}"
    lines = _with_source(text.splitlines(), source, published)
    for region in dict.fromkeys(difference.region for difference in found):
        lines = _with_region(lines, region, [difference for difference in found if difference.region == region], source)
    return "\n".join(lines) + "\n"


def _with_source(lines: list[str], source: str, published: str) -> list[str]:
    if any(line.startswith(f"{source} ") for line in lines):
        return lines
    title = "AWS Price List API, read by `shoreline prices --refresh`"
    line = f'{source} = {{ title = "{title}", date = "{published}", url = "https://aws.amazon.com/pricing/" }}'
    at = lines.index("[sources]") + 1
    return [*lines[:at], line, *lines[at:]]


def _with_region(lines: list[str], region: str, found: Sequence[Difference], source: str) -> list[str]:
    if f"[{region}]" not in lines:
        return [*lines, "", f"[{region}]", "prices = [", *(_line(difference, source) for difference in found), "]"]
    begin = lines.index(f"[{region}]")
    end = next(number for number in range(begin, len(lines)) if lines[number] == "]")
    section = [_changed(line, found, source) for line in lines[begin:end]]
    added = [_line(difference, source) for difference in found if difference.old is None]
    return [*lines[:begin], *section, *added, *lines[end:]]


def _changed(line: str, found: Sequence[Difference], source: str) -> str:
    tier = _FROM.search(line)
    begins = Decimal(tier[1]) if tier else Decimal(0)
    for difference in found:
        if difference.old is not None and f'usage = "{difference.usage}"' in line and begins == difference.tier_from:
            return _SOURCE.sub(f'source = "{source}"', _USD.sub(f'usd = "{difference.new:f}"', line))
    return line


def _line(difference: Difference, source: str) -> str:
    per = f'per = "{difference.per:f}", ' if difference.per != 1 else ""
    begins = f'from = "{difference.tier_from:f}", ' if difference.tier_from else ""
    usage = f'usage = "{difference.usage}", unit = "{difference.unit}"'
    return f'  {{ {usage}, {per}usd = "{difference.new:f}", {begins}source = "{source}" }},'
