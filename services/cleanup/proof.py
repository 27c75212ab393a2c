"""Looks again, by calls of its own and on a connection of its own, at everything that was to go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from services import human
from services.aws import Aws, error_code, translated
from services.cleanup.output import look_at_output, look_at_receipts
from services.cleanup.plan import Plan
from services.cleanup.removal import Removed
from services.cleanup.scope import Area, Scope
from services.errors import ShorelineError

_LISTINGS = "ListObjectsV2, ListObjectVersions, ListMultipartUploads"
_ABSENT = {"404", "NoSuchBucket", "NotFound"}


class Verdict(StrEnum):
    """What the look found: GONE and KEPT are as planned; LEFT and UNKNOWN fail the cleanup."""

    GONE = "gone"
    KEPT = "kept"
    LEFT = "LEFT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Check:
    """One line of the proof: a resource, what was done with it, how that was verified, and what was found."""

    resource: str
    action: str
    verified: str
    verdict: Verdict
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether what was found is what was planned."""
        return self.verdict in {Verdict.GONE, Verdict.KEPT}


@dataclass(frozen=True)
class Look:
    """What one look saw: how many are left, and by which calls. `count` is 0 when nothing is left."""

    verified: str
    count: int
    detail: str = ""


class Proof:
    """The second look.

    S3's listings are consistent at once, a deleted bucket may answer for a while yet: a check of what was removed
    is repeated until it finds nothing, all of them together for at most `patience` seconds. What the removal could
    not remove is looked at once.
    Source: Amazon S3 User Guide, "Amazon S3 data consistency model".
    """

    def __init__(
        self,
        aws: Aws,
        scope: Scope,
        plan: Plan,
        removed: Removed,
        *,
        patience: float = 30,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._s3 = aws.s3
        self._scope = scope
        self._plan = plan
        self._removed = removed
        self._clock = clock
        self._pause = pause
        self._deadline = clock() + (0 if removed.refused else patience)

    def checks(self) -> list[Check]:
        """Every line of the proof. A look that fails is a line of its own: it never counts as gone."""
        return [*self._areas(), *self._bucket(), *self._local()]

    def _areas(self) -> Iterable[Check]:
        for area in self._plan.areas:
            yield self._check(f"objects {area.prefix}", "deleted", partial(self._look_at_area, area), may_linger=False)
        for area in self._plan.kept_areas:
            yield Check(f"objects {area.prefix}", "kept", "not touched", Verdict.KEPT)

    def _bucket(self) -> Iterable[Check]:
        name = f"bucket {self._plan.bucket}"
        if self._plan.remove_bucket or not self._plan.bucket_exists:
            yield self._check(name, "deleted", self._look_at_bucket, may_linger=self._removed.bucket)
        else:
            reason = next(item.reason for item in self._plan.items if item.resource == name)
            yield Check(name, "kept", reason, Verdict.KEPT)

    def _local(self) -> Iterable[Check]:
        output = look_at_output(self._plan.output.folder)
        yield _local_check(f"local {output.folder}/", output.files, output.folder.exists())
        if self._plan.receipts is not None:
            receipts = look_at_receipts(self._plan.receipts.folder)
            yield _local_check(f"local {receipts.folder}/", receipts.files, receipts.folder.exists())

    def _check(self, resource: str, action: str, look: Callable[[], Look], *, may_linger: bool) -> Check:
        """Looks until nothing is left or patience ends; the last look is the one that counts."""
        pause = 0.1
        while True:
            try:
                seen = look()
            except ShorelineError as error:
                return Check(resource, action, "could not be looked at", Verdict.UNKNOWN, str(error))
            if not seen.count:
                return Check(resource, action, seen.verified, Verdict.GONE)
            if self._clock() >= self._deadline or not may_linger:
                return Check(resource, action, seen.verified, Verdict.LEFT, seen.detail)
            self._pause(pause)
            pause = min(2 * pause, 5)

    def _look_at_bucket(self) -> Look:
        with translated():
            try:
                self._s3.head_bucket(Bucket=self._plan.bucket)
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return Look("HeadBucket: 404", 0)
                raise
        return Look("HeadBucket: 200", 1, "the bucket is still there")

    def _look_at_area(self, area: Area) -> Look:
        """Three listings, each of which must come back empty, or find no bucket."""
        counts = {
            "objects": self._count("list_objects_v2", ("Contents",), area),
            "versions": self._count("list_object_versions", ("Versions", "DeleteMarkers"), area),
            "uploads": self._count("list_multipart_uploads", ("Uploads",), area),
        }
        detail = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
        return Look(f"{_LISTINGS}: nothing", sum(counts.values()), detail)

    def _count(self, operation: Any, fields: Iterable[str], area: Area) -> int:
        """What one kind of listing still shows of an area."""
        pages: Iterable[Any] = self._s3.get_paginator(operation).paginate(Bucket=self._plan.bucket, Prefix=area.prefix)
        with translated():
            try:
                return sum(
                    self._scope.area_of(entry["Key"]) == area
                    for page in pages
                    for field in fields
                    for entry in page.get(field, [])
                )
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return 0
                raise


def _local_check(resource: str, files: int, there: bool) -> Check:
    if files:
        return Check(resource, "deleted", "listed again", Verdict.LEFT, human.count(files, "file"))
    return Check(resource, "deleted", "only other files there" if there else "no such folder", Verdict.GONE)
