"""Shows that nothing was used that Shoreline does not use: from the kept receipts, and by looking in the account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.costs.receipt import KeptReceipt

LOOKING = "audit"  # the job whose own receipts hold the looks into the account
_CATALOG_WORDS = ("Database", "Table", "Partition", "Tag")
_PRICES = {"pricing", "freetier"}  # asked for prices on request: they run nothing


class Use(StrEnum):
    """What a call of AWS was for, seen from what Shoreline says it uses."""

    EXPECTED = "expected"
    PRICES = "prices only"
    UNEXPECTED = "UNEXPECTED"


@dataclass(frozen=True)
class Called:
    """A service's operations that were called, how often in all, by which jobs."""

    service: str
    use: Use
    calls: int
    operations: tuple[str, ...]
    jobs: tuple[str, ...]


def use_of(service: str, operation: str) -> Use:
    """S3, Athena, STS and the data catalog's part of Glue are expected; Glue's jobs and crawlers are not."""
    if service in {"s3", "athena", "sts"}:
        return Use.EXPECTED
    if service == "glue" and any(word in operation for word in _CATALOG_WORDS):
        return Use.EXPECTED
    return Use.PRICES if service in _PRICES else Use.UNEXPECTED


def called(receipts: Iterable[KeptReceipt]) -> list[Called]:
    """What the receipts' meters saw, by service. An audit's own receipts are left out."""
    counts: dict[tuple[str, Use], int] = {}
    operations: dict[tuple[str, Use], set[str]] = {}
    jobs: dict[tuple[str, Use], set[str]] = {}
    for receipt in receipts:
        if receipt.job == LOOKING:
            continue
        for (service, operation), tally in receipt.usage.operations().items():
            name = (service, use_of(service, operation))
            counts[name] = counts.get(name, 0) + tally.calls
            operations.setdefault(name, set()).add(operation)
            jobs.setdefault(name, set()).add(receipt.job)
    return [
        Called(service, use, count, tuple(sorted(operations[service, use])), tuple(sorted(jobs[service, use])))
        for (service, use), count in sorted(counts.items())
    ]
