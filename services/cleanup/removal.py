"""Empties areas of a bucket and removes the bucket: many keys a call, many calls at once, every error read."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from botocore.exceptions import ClientError

from services.cleanup.listing import Area, ObjectVersion, Scope, parts_size, version_pages
from services.cleanup.ownership import take_settings
from services.cleanup.plan import CleanupPlan, EntryCounts
from services.concurrency import each
from services.errors import StorageError, StorageUnreachable
from services.s3.client import error_code, translate_errors
from services.s3.objects import DELETE_BATCH, Storage, Upload

_ATTEMPTS = 6  # of one batch, and of one upload's abort
_STALLED = 3  # listings in a row that begin like the one before: what is left will not go
_GONE = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NoSuchBucket", "404"}
_PASSING = {"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "503", "500"}
_NAMED = 20
_Name = tuple[str, str]  # a key and a version id


@dataclass
class Removed:
    """What went, and what S3 would not let go: the first refusals by key, with S3's own words.

    `areas` has what went of each area, by prefix; `files` how many local files went, by folder; `scratch` the scratch
    databases that were dropped.
    """

    versions: int = 0
    uploads: int = 0
    bucket: bool = False
    areas: dict[str, EntryCounts] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    scratch: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def count(self, area: Area | None, *, versions: int = 0, uploads: int = 0) -> None:
        """Count what went of an area."""
        self.versions += versions
        self.uploads += uploads
        if area is not None:
            before = self.areas.get(area.prefix, EntryCounts())
            self.areas[area.prefix] = EntryCounts(before.versions + versions, before.uploads + uploads)

    def refuse(self, key: str, why: str) -> None:
        """Remember a refusal, up to a bound."""
        if len(self.refused) < _NAMED:
            self.refused[key] = why


class Held(Protocol):
    """The lease that keeps other runs from writing: its key, whether it is still ours, and its end."""

    @property
    def key(self) -> str:
        """Where its object lies."""
        ...

    def check(self) -> None:
        """Raises Busy when another run has taken it."""
        ...

    def release(self) -> None:
        """Ends it."""
        ...


@dataclass(frozen=True)
class _Batch:
    names: frozenset[_Name]
    refused: dict[_Name, str]


class Removal:
    """Carries out a plan's part in S3. Each step finds for itself what is left, so a killed run is resumed.

    Listing goes ahead of the deletions on one thread: it gives about 6,000 keys a second, S3 takes 3,500
    deletions a second below one prefix.
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
        """Empties the plan's areas, then removes the bucket, or takes Shoreline's settings off it, as the plan says."""
        if not self._plan.bucket_exists:
            return self.removed
        if self._empty() and self._scope.area_of(self._lease.key) in self._plan.areas:
            self._give_up_lease()
            try:
                if self._plan.remove_bucket:
                    self._remove_bucket()
                elif self._plan.take_settings:
                    take_settings(self._storage)
            except StorageError as error:  # such as a policy that denies it: the proof tells what is left
                self.removed.refuse(self._storage.bucket, str(error))
        return self.removed

    def _empty(self) -> bool:
        """Lists and removes until a listing is empty; says whether one was.

        Whatever S3 answers, what was deleted and is listed again is still there: a listing that begins like the
        one before, a few times in a row, has what will not go.
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
        """One walk through all that the plan removes; gives the first of what there was, at most a batch."""
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
        """The uploads of all areas: some stores list none when they are asked for those below a prefix."""
        return (upload for upload in self._storage.uploads("") if self._goes(upload.key))

    def _delete(self, batch: list[ObjectVersion]) -> _Batch:
        """Deletes a batch; keys that failed in passing are tried again, those refused for good are named."""
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
        refused |= dict.fromkeys(waiting, "S3 did not delete it, and gave no lasting reason")
        return _Batch(names, refused)

    def _ask_to_delete(self, names: set[_Name]) -> dict[_Name, tuple[str, str]] | None:
        """The error of each key that was not deleted, or None when S3 did not answer."""
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
        """Aborts an upload until it holds no parts: parts that were under way may arrive after an abort."""
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

    def _give_up_lease(self) -> None:
        """The lease's own object goes last: until now it kept other runs from writing."""
        self._lease.release()
        pages = version_pages(self._storage, self._lease.key)
        for batch in ([entry for entry in page if entry.key == self._lease.key] for page in pages):
            if batch:
                for (key, _), why in self._delete(batch).refused.items():
                    self.removed.refuse(key, why)

    def _remove_bucket(self) -> None:
        """Removes the bucket; what was written to it meanwhile is removed first, up to a bound."""
        for attempt in range(_ATTEMPTS):
            with translate_errors():
                try:
                    self._s3.delete_bucket(Bucket=self._storage.bucket)
                except ClientError as error:
                    if error_code(error) == "BucketNotEmpty":
                        time.sleep(_backoff(attempt))
                        self._pass()
                        self._give_up_lease()
                        continue
                    if error_code(error) not in _GONE:
                        raise
            self.removed.bucket = True
            return
        self.removed.refuse(self._storage.bucket, "someone keeps writing to the bucket")


def _backoff(attempt: int) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 0): growing, at random, at most about 5."""
    return random.uniform(0.5, 1) * min(5.0, 0.1 * float(2**attempt))  # noqa: S311  # not for secrecy
