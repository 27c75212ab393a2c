"""Everything that a bucket can hold, a page at a time: versions, delete markers, unfinished uploads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from services.costs.bill import STANDARD, Biller
from services.costs.prices import DAYS_A_MONTH, GB, StorageClass
from services.errors import SettingsError
from services.s3.client import error_code, translate_errors
from services.s3.objects import Storage, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef


@dataclass(frozen=True)
class Area:
    """One prefix that is Shoreline's. `prefix` ends in '/', so that `datalake/` never takes `datalake2/`."""

    name: str
    prefix: str
    holds_backups: bool = False

    def __post_init__(self) -> None:
        if not self.prefix.endswith("/") or self.prefix == "/":
            raise SettingsError(f"The prefix {self.prefix!r} of the {self.name} must be a folder's name and a '/'.")


@dataclass(frozen=True)
class Scope:
    """Every area of one bucket. A key belongs to the area with the longest prefix that it begins with."""

    areas: tuple[Area, ...]

    def __post_init__(self) -> None:
        prefixes = [area.prefix for area in self.areas]
        if len(set(prefixes)) != len(prefixes):
            raise SettingsError(f"Two areas share a prefix: {', '.join(sorted(prefixes))}. Give each its own.")

    def area_of(self, key: str) -> Area | None:
        """The area that a key lies in, or None for a key that is not Shoreline's."""
        matching = [area for area in self.areas if key.startswith(area.prefix)]
        return max(matching, key=lambda area: len(area.prefix), default=None)

    def without_backups(self) -> Scope:
        """The areas that go when backups stay. Keys below a backup area stay even inside another area."""
        return Scope(tuple(area for area in self.areas if not area.holds_backups))

    def roots(self) -> list[str]:
        """The prefixes to list so that each key is seen once: those that lie in no other."""
        prefixes = sorted(area.prefix for area in self.areas)
        return [prefix for prefix in prefixes if not _inside(prefix, prefixes)]


def _inside(prefix: str, others: Iterable[str]) -> bool:
    return any(prefix != other and prefix.startswith(other) for other in others)


_SECONDS_A_MONTH = DAYS_A_MONTH * 86400


@dataclass
class StorageCost:
    """Sums over any number of versions; `classes` are S3's storage classes by S3's names.

    A class bills a minimum size, an overhead for each object and a minimum time: what is deleted before that is
    billed to its end all the same. Intelligent-Tiering is taken at its dearest tier, where each object begins; the
    parts of unfinished uploads as Standard.
    """

    classes: Mapping[str, StorageClass]
    billed: dict[str, int] = field(default_factory=dict)  # bytes by storage class
    owed: dict[str, int] = field(default_factory=dict)  # bytes times the seconds that are left of the minimum time
    unpriced: set[str] = field(default_factory=set)

    def add(self, entry: ObjectVersion, now: datetime) -> None:
        """Count a version; a delete marker has no bytes."""
        if entry.marker:
            return
        found = self.classes.get(entry.storage_class)
        if found is None:
            self.unpriced.add(entry.storage_class)
            return
        billed = max(entry.size, found.minimum_bytes) + found.archive_overhead_bytes
        self._count(self.billed, found.key, billed)
        self._count(self.billed, STANDARD, found.standard_overhead_bytes)
        left = found.minimum_days * 86400 - int((now - entry.modified).total_seconds())
        if left > 0 and found.minimum_days:
            self._count(self.owed, found.key, billed * left)

    def add_parts(self, size: int) -> None:
        """Count the parts of an unfinished upload."""
        self._count(self.billed, STANDARD, size)

    def monthly(self, biller: Biller) -> Decimal:
        """Dollars a month for all of it."""
        return sum((line.usd for line in biller.monthly(self.billed)), Decimal(0))

    def early_deletion(self, biller: Biller) -> Decimal:
        """Dollars that deleting all of it now costs: the rest of the classes' minimum times."""
        months = {name: Decimal(amount) / _SECONDS_A_MONTH / GB for name, amount in self.owed.items()}
        return sum((biller.line(f"s3.storage.{name}", amount).usd for name, amount in months.items()), Decimal(0))

    @staticmethod
    def _count(sums: dict[str, int], name: str, amount: int) -> None:
        if amount:
            sums[name] = sums.get(name, 0) + amount


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of a key, or one delete marker; `size` in bytes, `modified` in UTC.

    A bucket that never had versions lists each object as its version 'null'.
    """

    key: str
    version_id: str
    latest: bool
    marker: bool
    size: int
    storage_class: str
    modified: datetime


def version_pages(storage: Storage, prefix: str) -> Iterator[list[ObjectVersion]]:
    """The versions and delete markers under `prefix`, up to a thousand a page."""
    pages = storage.aws.s3.get_paginator("list_object_versions").paginate(Bucket=storage.bucket, Prefix=prefix)
    with translate_errors():
        for page in pages:
            yield _entries(page)


def _entries(page: ListObjectVersionsOutputTypeDef) -> list[ObjectVersion]:
    versions = [
        ObjectVersion(
            each["Key"],
            each["VersionId"],
            each["IsLatest"],
            False,
            each["Size"],
            each.get("StorageClass", "STANDARD"),
            each["LastModified"],
        )
        for each in page.get("Versions", [])
    ]
    markers = [
        ObjectVersion(each["Key"], each["VersionId"], each["IsLatest"], True, 0, "STANDARD", each["LastModified"])
        for each in page.get("DeleteMarkers", [])
    ]
    return versions + markers


def parts_size(storage: Storage, upload: Upload) -> int | None:
    """Bytes that an unfinished upload holds, for which S3 bills; None when it is gone."""
    pages = storage.aws.s3.get_paginator("list_parts").paginate(
        Bucket=storage.bucket, Key=upload.key, UploadId=upload.upload_id
    )
    with translate_errors():
        try:
            return sum(part["Size"] for page in pages for part in page.get("Parts", []))
        except ClientError as error:
            if error_code(error) in {"NoSuchUpload", "NoSuchBucket", "NoSuchKey"}:
                return None
            raise
