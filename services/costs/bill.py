"""A bill: usage times prices, line by line, exact to the nano-dollar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from services.costs.prices import ATHENA_TB, GB, Price, PriceList
from services.costs.usage import BillingClass, Call, Tally, Usage

Route = Literal["internet", "region"]
"""Where downloads go: out to the internet, or to a machine in the bucket's region, which is free."""

REFERENCE_REGION = "us-east-1"  # the one whose prices are complete
_BY_SIZE = ("s3.retrieval.", "transfer.")
NANO = Decimal("0.000000001")
_NAMES = {
    "s3.put": "S3 PUT, COPY, POST, LIST",
    "s3.get": "S3 GET and all other",
    "s3.retrieval": "S3 retrieval",
    "s3.storage": "S3 storage",
    "transfer.internet": "Transfer to the internet",
    "athena.scan": "Athena scan, billed",
    "glue.request": "Glue requests",
    "kms.request": "KMS requests",
}


@dataclass(frozen=True)
class Line:
    """An amount of a usage, in the price's unit, with the price that it was multiplied by."""

    what: str
    usage: str
    amount: Decimal
    unit: str
    usd: Decimal
    priced_in: str

    @property
    def rounded(self) -> Decimal:
        """Dollars to the nano-dollar, as a receipt shows them."""
        return nano(self.usd)


@dataclass(frozen=True)
class Bill:
    """The lines that cost something or were asked for, and the calls that nobody has a price for."""

    lines: tuple[Line, ...] = ()
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        """Dollars, exact."""
        return sum((line.usd for line in self.lines), Decimal(0))


def nano(usd: Decimal) -> Decimal:
    """Dollars rounded to the nano-dollar."""
    return usd.quantize(NANO, ROUND_HALF_UP)


def plain(amount: Decimal) -> str:
    """Digits without an exponent, however small: what `str` does not promise."""
    return f"{amount:f}"


class Biller:
    """Puts prices to usage in one region.

    Where the region has no price of its own, the one of us-east-1 stands in, and the line says so: a run in
    a region that is not in the price file is still counted. The cost analysis does not do this; it stops.
    """

    def __init__(self, prices: PriceList, region: str, route: Route) -> None:
        self.region = region
        self._prices = prices
        self._route = route
        self._known: dict[str, Price] = {}
        self._rates: dict[Call, tuple[Decimal, Decimal]] = {}

    def price(self, usage: str) -> Price:
        """The price in this region, or the reference's. Raises PriceMissing when there is neither."""
        if usage not in self._known:
            region = self.region if self._prices.has(usage, self.region) else REFERENCE_REGION
            self._known[usage] = self._prices.price(usage, region)
        return self._known[usage]

    def line(self, usage: str, amount: Decimal | int, what: str = "") -> Line:
        """A line for an amount, given in the price's unit."""
        price = self.price(usage)
        usd = Decimal(amount) * price.usd / price.per
        return Line(what or self._name(usage), usage, Decimal(amount), price.unit, usd, price.region)

    def cost(self, usage: Usage) -> Decimal:
        """What a usage costs: the total of its bill, without the lines."""
        scan = Decimal(usage.scan.billed_bytes) / ATHENA_TB
        queries = scan * self.price("athena.scan").each if scan else Decimal(0)
        return queries + sum((self.cost_of(call, tally) for call, tally in usage.tallies.items()), Decimal(0))

    def cost_of(self, call: Call, tally: Tally) -> Decimal:
        """What the requests of one call cost. Fast: it is asked before each of them."""
        if call not in self._rates:
            self._rates[call] = self._rates_of(call)
        request, received = self._rates[call]
        return tally.billable * request + Decimal(tally.bytes_received) * received / GB

    def _rates_of(self, call: Call) -> tuple[Decimal, Decimal]:
        """Dollars for a billed request, and for a GB that it brings."""
        one = Tally(billable=1, bytes_received=GB)
        amounts = _amounts(Usage({call: one}), self._route)
        requests = {name: self.price(name).each for name in amounts if not name.startswith(_BY_SIZE)}
        sizes = {name: self.price(name).each for name in amounts if name.startswith(_BY_SIZE)}
        return sum(requests.values(), Decimal(0)), sum(sizes.values(), Decimal(0))

    def bill(self, usage: Usage) -> Bill:
        """The bill of a usage."""
        lines = tuple(self.line(name, amount) for name, amount in _amounts(usage, self._route).items())
        unpriced = tuple(sorted({f"{call.service}:{call.operation}" for call in usage.tallies if _unpriced(call)}))
        return Bill(lines, unpriced)

    def monthly(self, stored: Mapping[str, int]) -> tuple[Line, ...]:
        """What bytes cost for each month that they lie there, by storage class."""
        return tuple(
            self.line(f"s3.storage.{name}", Decimal(size) / GB) for name, size in sorted(stored.items()) if size
        )

    def free_tier(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """What of these lines the free allowances would take, if nothing else used them this month."""
        found = []
        for line in lines:
            allowance = self._prices.allowances.get(line.usage)
            if allowance is not None and line.usd > 0:
                found.append(
                    self.line(line.usage, min(line.amount, allowance.amount), f"{line.what}, {allowance.offer}")
                )
        return tuple(found)

    def _name(self, usage: str) -> str:
        if usage in _NAMES:
            return _NAMES[usage]
        kind, _, storage_class = usage.rpartition(".")
        name = _NAMES.get(kind, kind)
        return name if storage_class == "STANDARD" else f"{name}, {self._prices.storage_class(storage_class).name}"


def _unpriced(call: Call) -> bool:
    return call.billing_class is BillingClass.UNPRICED


def _amounts(usage: Usage, route: Route) -> dict[str, Decimal]:
    """The usage in the units of the price list, by the price's name. Nothing that is free is in it."""
    found: dict[str, Decimal] = {}
    transferred = 0
    for call, tally in usage.tallies.items():
        for name, amount in _requests(call, tally):
            found[name] = found.get(name, Decimal(0)) + amount
        if call.service == "s3":
            transferred += tally.bytes_received
    if transferred and route == "internet":
        found["transfer.internet"] = Decimal(transferred) / GB
    if usage.scan.billed_bytes:
        found["athena.scan"] = Decimal(usage.scan.billed_bytes) / ATHENA_TB
    return dict(sorted(found.items()))


def _requests(call: Call, tally: Tally) -> list[tuple[str, Decimal]]:
    kinds = {
        BillingClass.S3_PUT: f"s3.put.{call.storage_class}",
        BillingClass.S3_GET: f"s3.get.{call.storage_class}",
        BillingClass.GLUE: "glue.request",
        BillingClass.KMS: "kms.request",
    }
    found = []
    if call.billing_class in kinds and tally.billable:
        found.append((kinds[call.billing_class], Decimal(tally.billable)))
    if call.operation == "GetObject" and call.storage_class != "STANDARD" and tally.bytes_received:
        found.append((f"s3.retrieval.{call.storage_class}", Decimal(tally.bytes_received) / GB))
    return found
