"""The AWS services and operations that the kept receipts show, sorted into expected and unexpected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.costs.receipt import KeptReceipt

AUDIT_JOB = "audit"  # its own receipts hold the searches of the account
_CATALOG_WORDS = ("Database", "Table", "Partition", "Tag")
_PRICES = {"pricing"}  # `prices --refresh` reads them; they run nothing


class Use(StrEnum):
    """Whether a call of AWS is one that Shoreline says it makes."""

    EXPECTED = "expected"
    PRICES = "prices only"
    UNEXPECTED = "UNEXPECTED"


@dataclass(frozen=True)
class Called:
    """The calls of one service: operations, count, and the jobs that made them."""

    service: str
    use: Use
    calls: int
    operations: tuple[str, ...]
    jobs: tuple[str, ...]


def use_of(service: str, operation: str) -> Use:
    """Classify a call: S3, Athena, STS and Glue's data catalog are expected; Glue's jobs and crawlers are not."""
    if service in {"s3", "athena", "sts"}:
        return Use.EXPECTED
    if service == "glue" and any(word in operation for word in _CATALOG_WORDS):
        return Use.EXPECTED
    return Use.PRICES if service in _PRICES else Use.UNEXPECTED


def called(receipts: Iterable[KeptReceipt]) -> list[Called]:
    """Return the calls that the receipts counted, by service, without those of the audit itself."""
    counts: dict[tuple[str, Use], int] = {}
    operations: dict[tuple[str, Use], set[str]] = {}
    jobs: dict[tuple[str, Use], set[str]] = {}
    for receipt in receipts:
        if receipt.job == AUDIT_JOB:
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
