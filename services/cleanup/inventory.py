"""The inventory: everything of Shoreline's in a bucket, counted and not kept in memory: a million objects fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from services.backups.naming import LEASE, MANIFEST, Name, Naming
from services.concurrency import each
from services.costs.bill import STANDARD, Biller
from services.costs.prices import DAYS_A_MONTH, GB, StorageClass
from services.errors import SettingsError
from services.s3.client import error_code, translate_errors
from services.s3.objects import Storage, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef

_LEASE = re.compile(rf"(?P<home>.+)/{re.escape(LEASE)}")
_LAKE = re.compile(r"(?P<home>.+)/_manifest/[^/]+\.json")
_BACKUP = re.compile(rf"(?P<home>.+)/\d{{4}}/\d\d/\d\d/backup_\d{{8}}_\d{{6}}{re.escape(MANIFEST)}")
_SAMPLE = 5  # names of keys that are shown where there are too many to list
_NO_LOCK = {"ObjectLockConfigurationNotFoundError", "NoSuchBucket"}
_SECONDS_A_MONTH = DAYS_A_MONTH * 86400


@dataclass(frozen=True)
class Area:
    """One prefix of Shoreline's. It ends in '/', so that `datalake/` never includes `datalake2/`."""

    name: str
    prefix: str
    holds_backups: bool = False

    def __post_init__(self) -> None:
        if not self.prefix.endswith("/") or self.prefix == "/":
            raise SettingsError(
                f"Invalid prefix {self.prefix!r} of the {self.name}: expected a folder name that ends in '/'."
            )


@dataclass(frozen=True)
class Scope:
    """All areas of one bucket. A key belongs to the area with the longest matching prefix."""

    areas: tuple[Area, ...]

    def __post_init__(self) -> None:
        prefixes = [area.prefix for area in self.areas]
        if len(set(prefixes)) != len(prefixes):
            raise SettingsError(f"Two areas share a prefix: {', '.join(sorted(prefixes))}. Give each its own.")

    def area_of(self, key: str) -> Area | None:
        """Return the area of a key; None for a key that is not Shoreline's."""
        matching = [area for area in self.areas if key.startswith(area.prefix)]
        return max(matching, key=lambda area: len(area.prefix), default=None)

    def without_backups(self) -> Scope:
        """Return the areas to remove when backups are kept, which they are inside another area too."""
        return Scope(tuple(area for area in self.areas if not area.holds_backups))

    def roots(self) -> list[str]:
        """Return the prefixes to list so that each key is listed once: those that are not inside another."""
        prefixes = sorted(area.prefix for area in self.areas)
        return [prefix for prefix in prefixes if not _inside(prefix, prefixes)]


def _inside(prefix: str, others: Iterable[str]) -> bool:
    return any(prefix != other and prefix.startswith(other) for other in others)


@dataclass
class StorageCost:
    """What any number of versions cost to keep, and to delete now.

    A class bills a minimum size, an overhead for each object and a minimum time: what is deleted earlier is billed to
    the end of that time. Intelligent-Tiering counts at its most expensive tier, where each object begins; the parts of
    unfinished uploads count as Standard.
    """

    classes: Mapping[str, StorageClass]  # by S3's name
    billed: dict[str, int] = field(default_factory=dict)  # bytes by storage class
    owed: dict[str, int] = field(
        default_factory=dict
    )  # bytes times remaining seconds of the minimum time, by storage class
    unpriced: set[str] = field(default_factory=set)  # storage classes without a known price

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
        """Return dollars a month for keeping everything."""
        return sum((line.usd for line in biller.monthly(self.billed)), Decimal(0))

    def early_deletion(self, biller: Biller) -> Decimal:
        """Return the early-deletion fees, in dollars: the rest of the classes' minimum times."""
        months = {name: Decimal(amount) / _SECONDS_A_MONTH / GB for name, amount in self.owed.items()}
        return sum((biller.line(f"s3.storage.{name}", amount).usd for name, amount in months.items()), Decimal(0))

    @staticmethod
    def _count(sums: dict[str, int], name: str, amount: int) -> None:
        if amount:
            sums[name] = sums.get(name, 0) + amount


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of a key, or one delete marker. Without versioning, an object is listed as its version 'null'."""

    key: str
    version_id: str
    latest: bool
    marker: bool
    size: int  # bytes
    storage_class: str
    modified: datetime  # UTC


def version_pages(storage: Storage, prefix: str) -> Iterator[list[ObjectVersion]]:
    """Yield pages of at most 1,000 versions and delete markers below `prefix`."""
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
    """Return the bytes of an unfinished upload, which S3 bills; None if it does not exist any more."""
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


def neighbour_of(key: str, scope: Scope) -> str | None:
    """Return the prefix of another installation that a key identifies; None for any other key.

    Its lease identifies an installation, as does a manifest of its lake or its backups, also below a prefix of ours.
    A folder of our backups may be a database's: it is another installation's only if it has a lease.
    """
    if not key.endswith(".json"):
        return None
    backups = {area.prefix for area in scope.areas if area.holds_backups}
    others = {area.prefix for area in scope.areas if not area.holds_backups}
    if found := _LEASE.fullmatch(key):
        ours = f"{found['home']}/" in backups
    elif found := _LAKE.fullmatch(key):
        ours = f"{found['home']}/" in others
    elif found := _BACKUP.fullmatch(key):
        home = f"{found['home']}/"
        ours = bool({home, f"{found['home'].rpartition('/')[0]}/"} & backups)
    else:
        return None
    return None if ours else found["home"]


@dataclass
class ResourceAmount:
    """The contents of one area."""

    objects: int = 0
    versions: int = 0
    markers: int = 0
    uploads: int = 0
    bytes: int = 0
    upload_bytes: int = 0  # of the parts of unfinished uploads
    lease: int = 0  # versions and markers of the lease, which is removed on its own
    backups: list[Name] = field(default_factory=list)
    standing: StorageCost = field(default_factory=lambda: StorageCost({}))

    @property
    def entries(self) -> int:
        """The number of versions, delete markers and uploads, which are removed singly."""
        return self.versions + self.markers + self.uploads

    def add(self, entry: ObjectVersion, now: datetime, area: Area) -> None:
        """Count a version or a delete marker. An object is a key whose latest version is not a delete marker."""
        self.standing.add(entry, now)
        if area.holds_backups:
            self.lease += entry.key == f"{area.prefix}{LEASE}"
            if entry.latest and not entry.marker:
                self.backups += backup_of(entry.key, area)
        if entry.marker:
            self.markers += 1
            return
        self.versions += 1
        self.objects += entry.latest
        self.bytes += entry.size


@dataclass
class Others:
    """Entries of the bucket that are not Shoreline's: they are kept, and so is the bucket."""

    entries: int = 0
    keys: list[str] = field(default_factory=list)

    def add(self, key: str) -> None:
        """Count an entry outside every area."""
        self.entries += 1
        if len(self.keys) < _SAMPLE and key not in self.keys:
            self.keys.append(key)


@dataclass
class Locked:
    """Versions that S3 refuses to delete: Object Lock until a date, or a legal hold."""

    versions: int = 0
    legal_holds: int = 0
    until: datetime | None = None
    keys: list[str] = field(default_factory=list)

    def add(self, key: str, until: datetime | None, held: bool) -> None:
        """Count a version that is locked until a date, or on hold, or both."""
        self.versions += 1
        self.legal_holds += held
        if until is not None:
            self.until = max(until, self.until or until)
        if len(self.keys) < _SAMPLE and key not in self.keys:
            self.keys.append(key)


@dataclass
class BucketInventory:
    """The contents of the bucket, by area."""

    exists: bool  # whether the bucket does
    amounts: dict[Area, ResourceAmount] = field(default_factory=dict)
    others: Others = field(default_factory=Others)
    locked: Locked = field(default_factory=Locked)
    neighbours: dict[str, str] = field(default_factory=dict)  # prefix of another installation: key that identifies it


def backup_of(key: str, area: Area) -> list[Name]:
    """Return the backup whose manifest a key is; an empty list for any other key."""
    parsed = Naming(area.prefix.rstrip("/")).parse(key) if key.endswith(MANIFEST) else None
    return [parsed[0]] if parsed is not None and parsed[1] == MANIFEST else []


def look(
    storage: Storage,
    scope: Scope,
    now: datetime,
    progress: Callable[[int], None],
    classes: Mapping[str, StorageClass],
) -> BucketInventory:
    """List the whole bucket once. A failed call raises: an inventory is never partial."""
    found = BucketInventory(True, {area: ResourceAmount(standing=StorageCost(classes)) for area in scope.areas})
    for page in _inspected(storage, version_pages(storage, ""), now, found.locked, scope):
        for entry in page:
            area = scope.area_of(entry.key)
            if area is None:
                found.others.add(entry.key)
            else:
                found.amounts[area].add(entry, now, area)
            if entry.latest and not entry.marker and (home := neighbour_of(entry.key, scope)):
                found.neighbours.setdefault(home, entry.key)
        progress(len(page))
    _look_at_uploads(storage, scope, found)
    return found


def _look_at_uploads(storage: Storage, scope: Scope, found: BucketInventory) -> None:
    def measure(upload: Upload) -> tuple[Upload, int | None]:
        return upload, parts_size(storage, upload) if scope.area_of(upload.key) else 0

    for upload, size in each(measure, storage.uploads("")):
        area = scope.area_of(upload.key)
        if area is None:
            found.others.add(upload.key)
        elif size is not None:
            found.amounts[area].uploads += 1
            found.amounts[area].upload_bytes += size
            found.amounts[area].standing.add_parts(size)


def _inspected(
    storage: Storage, pages: Iterable[list[ObjectVersion]], now: datetime, locked: Locked, scope: Scope
) -> Iterator[list[ObjectVersion]]:
    """Yield the pages unchanged; in a bucket with Object Lock, read the lock of each version on the way."""
    if not _has_object_lock(storage):
        yield from pages
        return
    for page in pages:
        ours = [entry for entry in page if not entry.marker and scope.area_of(entry.key)]
        for entry, (until, held) in each(lambda entry: (entry, _lock(storage, entry)), ours):
            if held or (until is not None and until > now):
                locked.add(entry.key, until, held)
        yield page


def _has_object_lock(storage: Storage) -> bool:
    with translate_errors():
        try:
            answer = storage.aws.s3.get_object_lock_configuration(Bucket=storage.bucket)
        except ClientError as error:
            if error_code(error) in _NO_LOCK:
                return False
            raise
    return answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"


def _lock(storage: Storage, entry: ObjectVersion) -> tuple[datetime | None, bool]:
    """Return until when a version is retained, and whether it is under a legal hold."""
    with translate_errors():
        answer: Any = storage.aws.s3.head_object(Bucket=storage.bucket, Key=entry.key, VersionId=entry.version_id)
    return answer.get("ObjectLockRetainUntilDate"), answer.get("ObjectLockLegalHoldStatus") == "ON"
