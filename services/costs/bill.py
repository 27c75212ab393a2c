"""A bill: usage times prices, line by line, exact to the nano-dollar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from services.costs.prices import ATHENA_TB, GB, Price, PriceList

STANDARD = "STANDARD"
ATHENA_MEGABYTE = 10**6
ATHENA_MINIMUM_BYTES = 10 * ATHENA_MEGABYTE

_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_FREE_SERVICES = frozenset({"athena", "pricing", "sts"})
_FREE_TO_LOOK_AT = frozenset({"ec2", "rds", "database-migration-service", "quicksight"})
_LOOK = re.compile(r"Describe|List")
_S3_FREE = re.compile(r"Delete|Abort")
_S3_PUT = re.compile(r"List|Put|Post|Copy|Create|Upload|Complete|Restore|Write")


class BillingClass(StrEnum):
    """The class that AWS bills a request in."""

    S3_PUT = "s3-put"
    S3_GET = "s3-get"
    GLUE = "glue-request"
    KMS = "kms-request"
    FREE = "free"
    UNPRICED = "unpriced"


@dataclass(frozen=True, order=True, slots=True)
class Call:
    """An operation of a service. S3 prices requests by the object's storage class, which is therefore part of it."""

    service: str
    operation: str
    storage_class: str = STANDARD

    @property
    def billing_class(self) -> BillingClass:
        """S3's two tiers ('PUT, COPY, POST, LIST' and 'GET and all other'; DELETE and CANCEL are free).

        Athena's bytes are counted separately; its API is free, as is STS. UNPRICED is a service without a known price:
        a receipt names it instead of calling it free.
        """
        if self.service == "s3":
            if _S3_FREE.match(self.operation):
                return BillingClass.FREE
            return BillingClass.S3_PUT if _S3_PUT.match(self.operation) else BillingClass.S3_GET
        if self.service in _FREE_SERVICES or (self.service in _FREE_TO_LOOK_AT and _LOOK.match(self.operation)):
            return BillingClass.FREE
        named = {"glue": BillingClass.GLUE, "kms": BillingClass.KMS}
        return named.get(self.service, BillingClass.UNPRICED)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one call: logical calls, HTTP attempts, those that AWS bills, and bytes of bodies."""

    calls: int = 0
    attempts: int = 0
    billable: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.calls + other.calls,
            self.attempts + other.attempts,
            self.billable + other.billable,
            self.bytes_sent + other.bytes_sent,
            self.bytes_received + other.bytes_received,
        )

    def __neg__(self) -> Tally:
        return Tally(-self.calls, -self.attempts, -self.billable, -self.bytes_sent, -self.bytes_received)


@dataclass(frozen=True, slots=True)
class AthenaScan:
    """Athena's finished queries, and their bytes: scanned, and billed after the minimum and the rounding."""

    queries: int = 0
    scanned_bytes: int = 0
    billed_bytes: int = 0

    def __add__(self, other: AthenaScan) -> AthenaScan:
        return AthenaScan(
            self.queries + other.queries,
            self.scanned_bytes + other.scanned_bytes,
            self.billed_bytes + other.billed_bytes,
        )

    def __neg__(self) -> AthenaScan:
        return AthenaScan(-self.queries, -self.scanned_bytes, -self.billed_bytes)


@dataclass(frozen=True)
class Usage:
    """All requests to AWS. `Usage() + a - a == Usage()`; calls with a count of zero are left out."""

    tallies: Mapping[Call, Tally] = field(default_factory=dict)
    scan: AthenaScan = AthenaScan()

    def __post_init__(self) -> None:
        kept = {call: tally for call, tally in sorted(self.tallies.items()) if tally != Tally()}
        object.__setattr__(self, "tallies", MappingProxyType(kept))

    def __add__(self, other: Usage) -> Usage:
        tallies = dict(self.tallies)
        for call, tally in other.tallies.items():
            tallies[call] = tallies.get(call, Tally()) + tally
        return Usage(tallies, self.scan + other.scan)

    def __sub__(self, other: Usage) -> Usage:
        return self + Usage({call: -tally for call, tally in other.tallies.items()}, -other.scan)

    def operations(self) -> dict[tuple[str, str], Tally]:
        """Return the tallies by service and operation, summed over storage classes."""
        operations: dict[tuple[str, str], Tally] = {}
        for call, tally in self.tallies.items():
            name = (call.service, call.operation)
            operations[name] = operations.get(name, Tally()) + tally
        return operations

    @property
    def total(self) -> Tally:
        """The sum of all tallies."""
        return _sum(self.tallies.values())

    def as_json(self) -> dict[str, Any]:
        """Return plain values for `json.dumps`, which `from_json` reads."""
        requests = [
            {**asdict(call), "billing_class": call.billing_class.value, **asdict(tally)}
            for call, tally in self.tallies.items()
        ]
        return {"requests": requests, "athena": asdict(self.scan)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Usage:
        """Read what `as_json` returned. Raises KeyError or TypeError for anything else."""
        tallies: dict[Call, Tally] = {}
        for row in data["requests"]:
            call = Call(row["service"], row["operation"], row["storage_class"])
            tallies[call] = Tally(**{name: row[name] for name in Tally.__dataclass_fields__})
        return cls(tallies, AthenaScan(**data["athena"]))


def _sum(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def class_of_part(storage_class: str) -> str:
    """Return the class at whose rate the beginning and the parts of a multipart upload are billed.

    An upload into an archive class is stored and billed as Standard until it is completed.
    Source: Amazon S3 User Guide, "Uploading and copying objects using multipart upload", pricing.
    """
    return STANDARD if storage_class in _ARCHIVES else storage_class


def athena_billed_bytes(scanned: int, *, statement_type: str, state: str, reused: bool = False) -> int:
    """Return the bytes that Athena bills for a finished query.

    At least 10 MB, rounded up to the MB, for a query that succeeded or was cancelled; nothing for DDL, EXPLAIN and
    other utility statements that scan nothing, failed queries and reused results. MB are 10^6 bytes here, as TB are
    10^12: the dearer reading of the price list. A cancelled query that had read nothing is billed nothing.
    Sources: Amazon Athena pricing, "SQL queries"; Amazon Athena User Guide, "Using EXPLAIN and EXPLAIN ANALYZE".
    """
    if statement_type == "UTILITY" and scanned == 0:
        return 0
    if statement_type == "DDL" or state not in {"SUCCEEDED", "CANCELLED"} or reused:
        return 0
    if state == "CANCELLED" and scanned == 0:
        return 0
    megabytes = -(-scanned // ATHENA_MEGABYTE)
    return max(ATHENA_MINIMUM_BYTES, megabytes * ATHENA_MEGABYTE)


Route = Literal["internet", "region"]
"""Where downloads go: to the internet, or to a machine in the bucket's region, which is free."""

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
    """An amount of a usage, in the price's unit, and its cost."""

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
    """The lines of a bill, and the calls without a known price."""

    lines: tuple[Line, ...] = ()
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        """Dollars, exact."""
        return sum((line.usd for line in self.lines), Decimal(0))


def nano(usd: Decimal) -> Decimal:
    """Round dollars to the nano-dollar."""
    return usd.quantize(NANO, ROUND_HALF_UP)


def plain(amount: Decimal) -> str:
    """Return digits without an exponent, however small, which `str` does not guarantee."""
    return f"{amount:f}"


class Biller:
    """Prices usage in one region.

    Where no price of the region is known, it uses that of us-east-1, and the line says so. The cost analysis does not
    do this; it stops.
    """

    def __init__(self, prices: PriceList, region: str, route: Route) -> None:
        self.region = region
        self._prices = prices
        self._route = route
        self._known: dict[str, Price] = {}
        self._rates: dict[Call, tuple[Decimal, Decimal]] = {}

    def price(self, usage: str) -> Price:
        """Return the price in this region, or that of us-east-1. Raises PriceMissing without either."""
        if usage not in self._known:
            region = self.region if self._prices.has(usage, self.region) else REFERENCE_REGION
            self._known[usage] = self._prices.price(usage, region)
        return self._known[usage]

    def line(self, usage: str, amount: Decimal | int, what: str = "") -> Line:
        """Return a line for an amount in the price's unit."""
        price = self.price(usage)
        usd = Decimal(amount) * price.usd / price.per
        return Line(what or self._name(usage), usage, Decimal(amount), price.unit, usd, price.region)

    def cost(self, usage: Usage) -> Decimal:
        """Return the cost of a usage: the total of its bill, without the lines."""
        scan = Decimal(usage.scan.billed_bytes) / ATHENA_TB
        queries = scan * self.price("athena.scan").each if scan else Decimal(0)
        return queries + sum((self.cost_of(call, tally) for call, tally in usage.tallies.items()), Decimal(0))

    def cost_of(self, call: Call, tally: Tally) -> Decimal:
        """Return the cost of the requests of one call. It runs before each request, so it is fast."""
        if call not in self._rates:
            self._rates[call] = self._rates_of(call)
        request, received = self._rates[call]
        return tally.billable * request + Decimal(tally.bytes_received) * received / GB

    def _rates_of(self, call: Call) -> tuple[Decimal, Decimal]:
        """Return dollars for a billed request, and for a GB that it downloads."""
        one = Tally(billable=1, bytes_received=GB)
        amounts = _amounts(Usage({call: one}), self._route)
        requests = {name: self.price(name).each for name in amounts if not name.startswith(_BY_SIZE)}
        sizes = {name: self.price(name).each for name in amounts if name.startswith(_BY_SIZE)}
        return sum(requests.values(), Decimal(0)), sum(sizes.values(), Decimal(0))

    def bill(self, usage: Usage) -> Bill:
        """Return the bill of a usage."""
        lines = tuple(self.line(name, amount) for name, amount in _amounts(usage, self._route).items())
        unpriced = tuple(sorted({f"{call.service}:{call.operation}" for call in usage.tallies if _unpriced(call)}))
        return Bill(lines, unpriced)

    def monthly(self, stored: Mapping[str, int]) -> tuple[Line, ...]:
        """Return the monthly cost of stored bytes, by storage class."""
        return tuple(
            self.line(f"s3.storage.{name}", Decimal(size) / GB) for name, size in sorted(stored.items()) if size
        )

    def always_free(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """Return what AWS's monthly free allowances cover of these lines, if nothing else used them this month."""
        covered = []
        for line in lines:
            allowance = self._prices.allowances.get(line.usage)
            if allowance is not None and line.usd > 0:
                covered.append(
                    self.line(line.usage, min(line.amount, allowance.amount), f"{line.what}, {allowance.offer} free")
                )
        return tuple(covered)

    def _name(self, usage: str) -> str:
        if usage in _NAMES:
            return _NAMES[usage]
        kind, _, storage_class = usage.rpartition(".")
        name = _NAMES.get(kind, kind)
        return name if storage_class == "STANDARD" else f"{name}, {self._prices.storage_class(storage_class).name}"


def _unpriced(call: Call) -> bool:
    return call.billing_class is BillingClass.UNPRICED


def _amounts(usage: Usage, route: Route) -> dict[str, Decimal]:
    """Return the billed usage in the units of the price list, by the price's name."""
    amounts: dict[str, Decimal] = {}
    transferred = 0
    for call, tally in usage.tallies.items():
        for name, amount in _requests(call, tally):
            amounts[name] = amounts.get(name, Decimal(0)) + amount
        if call.service == "s3":
            transferred += tally.bytes_received
    if transferred and route == "internet":
        amounts["transfer.internet"] = Decimal(transferred) / GB
    if usage.scan.billed_bytes:
        amounts["athena.scan"] = Decimal(usage.scan.billed_bytes) / ATHENA_TB
    return dict(sorted(amounts.items()))


def _requests(call: Call, tally: Tally) -> list[tuple[str, Decimal]]:
    kinds = {
        BillingClass.S3_PUT: f"s3.put.{call.storage_class}",
        BillingClass.S3_GET: f"s3.get.{call.storage_class}",
        BillingClass.GLUE: "glue.request",
        BillingClass.KMS: "kms.request",
    }
    lines = []
    if call.billing_class in kinds and tally.billable:
        lines.append((kinds[call.billing_class], Decimal(tally.billable)))
    if call.operation == "GetObject" and call.storage_class != "STANDARD" and tally.bytes_received:
        lines.append((f"s3.retrieval.{call.storage_class}", Decimal(tally.bytes_received) / GB))
    return lines
