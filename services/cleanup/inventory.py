"""What there is of Shoreline's: counted, never kept in memory, so that a million objects fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from services.backups.naming import LEASE, MANIFEST, Name, Naming
from services.cleanup.listing import Area, ObjectVersion, Scope, StorageCost, parts_size, version_pages
from services.concurrency import each
from services.costs.prices import StorageClass
from services.s3.client import error_code, translate_errors
from services.s3.objects import Storage, Upload

_LEASE = re.compile(rf"(?P<home>.+)/{re.escape(LEASE)}")
_LAKE = re.compile(r"(?P<home>.+)/_manifest/[^/]+\.json")
_BACKUP = re.compile(rf"(?P<home>.+)/\d{{4}}/\d\d/\d\d/backup_\d{{8}}_\d{{6}}{re.escape(MANIFEST)}")


def neighbour_of(key: str, scope: Scope) -> str | None:
    """The prefix of another installation, when a key shows one: its lease, a manifest of its lake or of its backups.

    One below a prefix of ours shows itself like any other. A folder of our backups may be a database's, and is another
    installation's only when it has a lease.
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


_SAMPLE = 5  # keys that are named where there are too many to list
_NO_LOCK = {"ObjectLockConfigurationNotFoundError", "NoSuchBucket"}


@dataclass
class ResourceAmount:
    """Counts of one area; `bytes` of versions, `upload_bytes` of the parts of unfinished uploads.

    `lease` is how many of the versions and markers are the lease's own, which goes by itself.
    """

    objects: int = 0
    versions: int = 0
    markers: int = 0
    uploads: int = 0
    bytes: int = 0
    upload_bytes: int = 0
    lease: int = 0
    backups: list[Name] = field(default_factory=list)
    standing: StorageCost = field(default_factory=lambda: StorageCost({}))

    @property
    def entries(self) -> int:
        """Versions, delete markers and uploads: each is removed by itself."""
        return self.versions + self.markers + self.uploads

    def add(self, entry: ObjectVersion, now: datetime, area: Area) -> None:
        """Count a version or a delete marker. An object is a key whose latest version is no delete marker."""
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
    """What in the bucket is not Shoreline's: it stays, and the bucket with it."""

    entries: int = 0
    keys: list[str] = field(default_factory=list)

    def add(self, key: str) -> None:
        """Count something that lies in no area."""
        self.entries += 1
        if len(self.keys) < _SAMPLE and key not in self.keys:
            self.keys.append(key)


@dataclass
class Locked:
    """Versions that S3 will not delete: Object Lock until a date, or a legal hold."""

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
    """What the bucket holds, by area. `exists` is False when there is no bucket.

    `neighbours` are the prefixes of other installations, each with the key that shows it.
    """

    exists: bool
    amounts: dict[Area, ResourceAmount] = field(default_factory=dict)
    others: Others = field(default_factory=Others)
    locked: Locked = field(default_factory=Locked)
    neighbours: dict[str, str] = field(default_factory=dict)


def backup_of(key: str, area: Area) -> list[Name]:
    """Return the backup that a key is the manifest of; nothing for any other key."""
    parsed = Naming(area.prefix.rstrip("/")).parse(key) if key.endswith(MANIFEST) else None
    return [parsed[0]] if parsed is not None and parsed[1] == MANIFEST else []


def look(
    storage: Storage,
    scope: Scope,
    now: datetime,
    progress: Callable[[int], None],
    classes: Mapping[str, StorageClass],
) -> BucketInventory:
    """Lists the whole bucket once. A call that fails ends it: an inventory is never partial."""
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
    """The pages as they are; in a bucket with Object Lock each version is asked for its lock on the way."""
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
    """Until when a version is retained, and whether it is under a legal hold."""
    with translate_errors():
        answer: Any = storage.aws.s3.head_object(Bucket=storage.bucket, Key=entry.key, VersionId=entry.version_id)
    return answer.get("ObjectLockRetainUntilDate"), answer.get("ObjectLockLegalHoldStatus") == "ON"
