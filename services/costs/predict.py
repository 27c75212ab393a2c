"""Predictions of the usage of some work, which the budget is checked against."""

from __future__ import annotations

from collections.abc import Callable

from services.costs.bill import STANDARD, AthenaScan, Call, Tally, Usage, athena_billed_bytes, class_of_part


def upload(size: int, part_size: Callable[[int], int], *, storage_class: str = STANDARD) -> Usage:
    """Predict the upload of one object of `size` bytes: begin, parts, complete; one PUT if it fits a part.

    `part_size` gives the bytes of a part by its number, from 1 on.
    """
    parts, sent = 1, part_size(1)
    if size <= sent:
        return requests("PutObject", 1, storage_class=storage_class)
    while sent < size:
        parts += 1
        sent += part_size(parts)
    return (
        requests("CreateMultipartUpload", 1, storage_class=class_of_part(storage_class))
        + requests("UploadPart", parts, storage_class=class_of_part(storage_class))
        + requests("CompleteMultipartUpload", 1, storage_class=storage_class)
    )


def download(size: int, reads: int = 1, *, storage_class: str = STANDARD) -> Usage:
    """Predict the download of `size` bytes in `reads` GET requests."""
    tally = Tally(calls=reads, attempts=reads, billable=reads, bytes_received=size)
    return Usage({Call("s3", "GetObject", storage_class): tally})


def requests(operation: str, count: int, *, service: str = "s3", storage_class: str = STANDARD) -> Usage:
    """Predict `count` requests of one operation."""
    return Usage({Call(service, operation, storage_class): Tally(calls=count, attempts=count, billable=count)})


def query(scanned: int) -> Usage:
    """Predict one query that scans `scanned` bytes, with Athena's minimum."""
    billed = athena_billed_bytes(scanned, statement_type="DML", state="SUCCEEDED")
    return Usage(scan=AthenaScan(queries=1, scanned_bytes=scanned, billed_bytes=billed))
