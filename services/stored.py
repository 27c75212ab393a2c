"""What a bucket tells of its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.errors import StorageError

ABSENT = {"404", "NoSuchKey", "NotFound"}
"""S3's codes for an object that is not there."""
TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
"""S3's codes for a condition that does not hold."""


class KeyTaken(StorageError):
    """A conditional write met an object that was there already, or that had changed."""


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing or HEAD shows it; `size` in bytes, `modified` in UTC."""

    key: str
    size: int
    modified: datetime
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Stamped:
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
