"""The removal: empties areas of a bucket and deletes the bucket, in parallel batches, reading every error."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from botocore.exceptions import ClientError

from services.backups.lifecycle import is_ours
from services.cleanup.inventory import Area, ObjectVersion, Scope, parts_size, version_pages
from services.cleanup.plan import CleanupPlan, EntryCounts
from services.concurrency import each
from services.errors import StorageError, StorageUnreachable
from services.s3.bucket import TAG, other_statements, read_policy, read_rules, read_tags
from services.s3.client import error_code, translate_errors
from services.s3.objects import DELETE_BATCH, Storage, Upload

_ATTEMPTS = 6  # of one batch, and of one upload's abort
_STALLED = 3  # listings in a row with the same beginning, after which the removal gives up
_GONE = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NoSuchBucket", "404"}
_PASSING = {"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "503", "500"}
_NAMED = 20
_Name = tuple[str, str]  # a key and a version id


@dataclass
class Removed:
    """What was removed, and what S3 refused to remove."""

    versions: int = 0
    uploads: int = 0
    bucket: bool = False
    areas: dict[str, EntryCounts] = field(default_factory=dict)  # by prefix
    files: dict[str, int] = field(default_factory=dict)  # local files, by folder
    scratch: list[str] = field(default_factory=list)  # dropped databases
    refused: dict[str, str] = field(default_factory=dict)  # S3's messages for the first refusals, by key

    def count(self, area: Area | None, *, versions: int = 0, uploads: int = 0) -> None:
        """Count what was removed from an area."""
        self.versions += versions
        self.uploads += uploads
        if area is not None:
            before = self.areas.get(area.prefix, EntryCounts())
            self.areas[area.prefix] = EntryCounts(before.versions + versions, before.uploads + uploads)

    def refuse(self, key: str, why: str) -> None:
        """Record a refusal, up to a limit."""
        if len(self.refused) < _NAMED:
            self.refused[key] = why


class Held(Protocol):
    """The lease that keeps other runs from writing."""

    @property
    def key(self) -> str:
        """The key of its object."""
        ...

    def check(self) -> None:
        """Raise Busy if another run has taken it."""
        ...

    def release(self) -> None:
        """Release it."""
        ...


@dataclass(frozen=True)
class _Batch:
    names: frozenset[_Name]
    refused: dict[_Name, str]


class Removal:
    """The S3 part of a plan. Each step lists what is left, so the next run resumes a killed one.

    One thread lists ahead of the deletions: it lists about 6,000 keys a second, and S3 accepts 3,500 deletions a
    second below one prefix.
    """

    def __init__(
        self,
        storage: Storage,
        scope: Scope,
        plan: CleanupPlan,
        lease: Held,
        progress: Callable[[int], None] = lambda _: None,
        removed: Removed | None = None,
    ) -> None:
        self._storage = storage
        self._s3 = storage.aws.s3
        self._scope = scope
        self._plan = plan
        self._lease = lease
        self._progress = progress
        self.removed = removed if removed is not None else Removed()

    def run(self) -> Removed:
        """Empty the plan's areas, then delete the bucket or remove Shoreline's settings from it, as planned."""
        if not self._plan.bucket_exists:
            return self.removed
        if self._empty() and self._scope.area_of(self._lease.key) in self._plan.areas:
            self._release_lease()
            try:
                if self._plan.remove_bucket:
                    self._remove_bucket()
                elif self._plan.take_settings:
                    remove_settings(self._storage)
            except StorageError as error:  # Such as a policy that denies it: the verification reports what is left.
                self.removed.refuse(self._storage.bucket, str(error))
        return self.removed

    def _empty(self) -> bool:
        """List and delete until a listing is empty. Return whether one was.

        A deleted version that is listed again still exists, whatever S3 answered: the removal gives up after a few
        listings in a row with the same beginning.
        """
        before, stalled = None, 0
        self._lease.check()
        while first := self._pass():
            stalled = stalled + 1 if first == before else 0
            if stalled == _STALLED:
                return False
            if before is not None:
                time.sleep(_backoff(stalled))
            before = first
            self._lease.check()
        return True

    def _pass(self) -> frozenset[_Name]:
        """Delete everything of the plan in one listing. Return its first entries, at most a batch."""
        first: frozenset[_Name] = frozenset()
        for upload, aborted in each(self._abort, self._uploads()):
            first = first or frozenset({(upload.key, upload.upload_id)})
            self.removed.count(self._scope.area_of(upload.key), uploads=aborted)
            self._progress(aborted)
        for prefix in Scope(self._plan.areas).roots():
            for batch in each(self._delete, self._batches(prefix)):
                first = first or batch.names
                gone = Counter(self._scope.area_of(key) for key, _ in batch.names - batch.refused.keys())
                for area, number in gone.items():
                    self.removed.count(area, versions=number)
                self._progress(gone.total())
                for (key, _), why in batch.refused.items():
                    self.removed.refuse(key, why)
        return first

    def _goes(self, key: str) -> bool:
        return key != self._lease.key and self._scope.area_of(key) in self._plan.areas

    def _batches(self, prefix: str) -> Iterator[list[ObjectVersion]]:
        entries = (entry for page in version_pages(self._storage, prefix) for entry in page if self._goes(entry.key))
        while batch := list(islice(entries, DELETE_BATCH)):
            yield batch

    def _uploads(self) -> Iterator[Upload]:
        """Yield the uploads of all areas. The listing has no prefix, with which some stores list none."""
        return (upload for upload in self._storage.uploads("") if self._goes(upload.key))

    def _delete(self, batch: list[ObjectVersion]) -> _Batch:
        """Delete a batch. Keys with a passing error are retried; lasting refusals are recorded."""
        names = frozenset((entry.key, entry.version_id) for entry in batch)
        waiting = set(names)
        refused: dict[_Name, str] = {}
        for attempt in range(_ATTEMPTS):
            errors = self._ask_to_delete(waiting)
            if errors is not None:
                passing = {name for name, (code, _) in errors.items() if code in _PASSING}
                refused |= {
                    name: f"{message} ({code})"
                    for name, (code, message) in errors.items()
                    if code not in _GONE and name not in passing
                }
                waiting &= passing
            if not waiting:
                break
            time.sleep(_backoff(attempt))
        refused |= dict.fromkeys(waiting, "S3 did not delete it after several attempts")
        return _Batch(names, refused)

    def _ask_to_delete(self, names: set[_Name]) -> dict[_Name, tuple[str, str]] | None:
        """Return the error of each key that was not deleted, or None if S3 did not answer."""
        objects: Any = [{"Key": key, "VersionId": version} for key, version in sorted(names)]
        try:
            with translate_errors():
                answer = self._s3.delete_objects(
                    Bucket=self._storage.bucket, Delete={"Objects": objects, "Quiet": True}
                )
        except StorageUnreachable:
            return None
        return {
            (error.get("Key", ""), error.get("VersionId", "null")): (error.get("Code", ""), error.get("Message", ""))
            for error in answer.get("Errors", [])
        }

    def _abort(self, upload: Upload) -> tuple[Upload, bool]:
        """Abort an upload until it holds no parts: parts in transit may arrive after an abort."""
        for attempt in range(_ATTEMPTS):
            try:
                self._storage.upload(upload.key, upload.upload_id).abort()
                if parts_size(self._storage, upload) is None:
                    return upload, True
            except StorageUnreachable:
                pass
            except StorageError as error:
                self.removed.refuse(upload.key, str(error))
                return upload, False
            time.sleep(_backoff(attempt))
        self.removed.refuse(upload.key, f"the upload {upload.upload_id} still holds parts")
        return upload, False

    def _release_lease(self) -> None:
        """Delete the lease's object, which kept other runs from writing until now."""
        self._lease.release()
        pages = version_pages(self._storage, self._lease.key)
        for batch in ([entry for entry in page if entry.key == self._lease.key] for page in pages):
            if batch:
                for (key, _), why in self._delete(batch).refused.items():
                    self.removed.refuse(key, why)

    def _remove_bucket(self) -> None:
        """Delete the bucket, after anything that was written to it meanwhile, with a limited number of attempts."""
        for attempt in range(_ATTEMPTS):
            with translate_errors():
                try:
                    self._s3.delete_bucket(Bucket=self._storage.bucket)
                except ClientError as error:
                    if error_code(error) == "BucketNotEmpty":
                        time.sleep(_backoff(attempt))
                        self._pass()
                        self._release_lease()
                        continue
                    if error_code(error) not in _GONE:
                        raise
            self.removed.bucket = True
            return
        self.removed.refuse(self._storage.bucket, "another program keeps writing to the bucket")


def remove_settings(storage: Storage) -> None:
    """Remove Shoreline's settings from a bucket that is kept, the tag last: until then a killed run can be resumed.

    Settings of others are kept. Public access stays blocked and encryption stays on: neither costs anything, and
    cleanup does not decide to open a bucket.
    """
    with translate_errors():
        _remove_rules(storage)
        _remove_statements(storage)
        _remove_tag(storage)


def _remove_rules(storage: Storage) -> None:
    found = read_rules(storage)
    others: Any = [rule for rule in found if not is_ours(rule)]
    if len(others) == len(found):
        return
    if others:
        storage.aws.s3.put_bucket_lifecycle_configuration(
            Bucket=storage.bucket, LifecycleConfiguration={"Rules": others}
        )
    else:
        storage.aws.s3.delete_bucket_lifecycle(Bucket=storage.bucket)


def _remove_statements(storage: Storage) -> None:
    policy = read_policy(storage)
    if policy is None:
        return
    others = other_statements(policy)
    if others:
        storage.aws.s3.put_bucket_policy(Bucket=storage.bucket, Policy=json.dumps({**policy, "Statement": others}))
    else:
        storage.aws.s3.delete_bucket_policy(Bucket=storage.bucket)


def _remove_tag(storage: Storage) -> None:
    others = [tag for tag in read_tags(storage) if tag != TAG]
    if others:
        storage.aws.s3.put_bucket_tagging(Bucket=storage.bucket, Tagging={"TagSet": others})
    else:
        storage.aws.s3.delete_bucket_tagging(Bucket=storage.bucket)


def _backoff(attempt: int) -> float:
    """Return seconds to wait after failed attempt number `attempt` (from 0): exponential, with jitter, at most 5."""
    return random.uniform(0.5, 1) * min(5.0, 0.1 * float(2**attempt))  # noqa: S311  # not for secrecy
