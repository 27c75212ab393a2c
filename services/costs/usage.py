"""What a program asked of AWS, in AWS's units: values that add up, subtract and become JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

STANDARD = "STANDARD"
ATHENA_MEGABYTE = 10**6
ATHENA_MINIMUM_BYTES = 10 * ATHENA_MEGABYTE

_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_FREE_SERVICES = frozenset({"athena", "freetier", "pricing", "sts"})
_FREE_TO_LOOK_AT = frozenset({"ec2", "rds", "database-migration-service", "quicksight"})
_LOOK = re.compile(r"Describe|List")
_S3_FREE = re.compile(r"Delete|Abort")
_S3_PUT = re.compile(r"List|Put|Post|Copy|Create|Upload|Complete|Restore|Write")


class BillingClass(StrEnum):
    """What AWS bills a request as."""

    S3_PUT = "s3-put"
    S3_GET = "s3-get"
    GLUE = "glue-request"
    KMS = "kms-request"
    FREE = "free"
    UNPRICED = "unpriced"


@dataclass(frozen=True, order=True, slots=True)
class Call:
    """An operation of a service. Requests of S3 cost by the object's storage class, so that is part of it."""

    service: str
    operation: str
    storage_class: str = STANDARD

    @property
    def billing_class(self) -> BillingClass:
        """S3's two tiers ('PUT, COPY, POST, LIST' and 'GET and all other'; DELETE and CANCEL are free).

        Athena's bytes are counted apart, its API is free, as STS is. UNPRICED is a service that nobody
        has put a price to: a receipt says so rather than call it free.
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
class Scan:
    """Athena's queries that ended, and their bytes: scanned, and billed after the floor and the rounding."""

    queries: int = 0
    scanned_bytes: int = 0
    billed_bytes: int = 0

    def __add__(self, other: Scan) -> Scan:
        return Scan(
            self.queries + other.queries,
            self.scanned_bytes + other.scanned_bytes,
            self.billed_bytes + other.billed_bytes,
        )

    def __neg__(self) -> Scan:
        return Scan(-self.queries, -self.scanned_bytes, -self.billed_bytes)


@dataclass(frozen=True)
class Usage:
    """All that was asked of AWS. `Usage() + a - a == Usage()`; calls without any count are left out."""

    tallies: Mapping[Call, Tally] = field(default_factory=dict)
    scan: Scan = Scan()

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
        """The tallies by service and operation, storage classes taken together."""
        found: dict[tuple[str, str], Tally] = {}
        for call, tally in self.tallies.items():
            name = (call.service, call.operation)
            found[name] = found.get(name, Tally()) + tally
        return found

    @property
    def total(self) -> Tally:
        """Everything in one tally."""
        return _sum(self.tallies.values())

    def as_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; `from_json` takes them back."""
        requests = [
            {**asdict(call), "billing_class": call.billing_class.value, **asdict(tally)}
            for call, tally in self.tallies.items()
        ]
        return {"requests": requests, "athena": asdict(self.scan)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Usage:
        """The usage that `as_json` gave. Raises KeyError or TypeError for anything else."""
        tallies: dict[Call, Tally] = {}
        for row in data["requests"]:
            call = Call(row["service"], row["operation"], row["storage_class"])
            tallies[call] = Tally(**{name: row[name] for name in Tally.__dataclass_fields__})
        return cls(tallies, Scan(**data["athena"]))


def _sum(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def class_of_part(storage_class: str) -> str:
    """The class at whose rate the beginning and the parts of a multipart upload are billed.

    What is on its way into an archive class is kept and billed as Standard until it is completed.
    Source: Amazon S3 User Guide, "Uploading and copying objects using multipart upload", pricing.
    """
    return STANDARD if storage_class in _ARCHIVES else storage_class


def athena_billed_bytes(scanned: int, *, statement_type: str, state: str, reused: bool = False) -> int:
    """The bytes that Athena bills for a query that ended.

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
