"""What a bucket tells of its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Self

from services.errors import StorageError

NOT_FOUND_CODES = {"404", "NoSuchKey", "NotFound"}
"""S3's codes for an object that is not there."""
PRECONDITION_FAILED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
"""S3's codes for a condition that does not hold."""
MAX_PARTS_PER_UPLOAD = 10_000
"""Parts of one upload. Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""


class PreconditionFailed(StorageError):
    """A conditional write met an object that was there already, or that had changed."""


class AccessDenied(StorageError):
    """The store refused a request that these credentials, or a key's own rules, do not allow."""


class ObjectDamaged(StorageError):
    """An object does not have the checksum that it was stored with: damaged at rest, or on the way."""

    exit_code = 13
    next_step = "Read it again; if that fails too, it is damaged in the store."


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing or HEAD shows it; `size` in bytes, `modified` in UTC. A listing shows no metadata."""

    key: str
    size: int
    modified: datetime
    etag: str
    storage_class: str = "STANDARD"
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def told(cls, key: str, size: int, answer: Mapping[str, Any]) -> Self:
        """The object of a listing's entry or a HEAD's answer, which leave out the class of one in Standard."""
        storage_class, metadata = answer.get("StorageClass", "STANDARD"), answer.get("Metadata", {})
        return cls(key, size, answer["LastModified"], answer["ETag"], storage_class, metadata)


@dataclass(frozen=True)
class ObjectWithAge:
    """A small object, and how long ago it was written, both by the store's own clock."""

    body: bytes
    etag: str
    age: timedelta


@dataclass(frozen=True)
class Upload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    started: datetime


def answered_at(answer: Mapping[str, Any]) -> datetime:
    """When the store gave an answer, by its own clock."""
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(said).astimezone(UTC)
    except ValueError:
        raise StorageError(
            f"The store's answer has no usable date ('{said}'), and its clock decides about ages.",
            next_step="Check that AWS_ENDPOINT_URL is the address of an S3 store, with no proxy that drops headers.",
        ) from None
