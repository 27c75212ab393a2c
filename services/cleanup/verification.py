"""The verification: separate calls, on separate connections, check everything that was to be removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from services import formatting
from services.backups.lifecycle import is_ours
from services.cleanup.glue import RemovedFromCatalog
from services.cleanup.inventory import Area, Scope
from services.cleanup.local_files import LocalFiles, look_at_output, look_at_receipts
from services.cleanup.plan import Action, CleanupPlan, EntryCounts
from services.cleanup.removal import Removed
from services.concurrency import each
from services.errors import ShorelineError
from services.postgres.client import Database
from services.s3.bucket import TAG, other_statements, read_policy, read_rules, read_tags
from services.s3.client import Aws, error_code, translate_errors
from services.s3.objects import Storage

_LISTINGS = "ListObjectsV2, ListObjectVersions, ListMultipartUploads"
_ABSENT_CODES = {"404", "NoSuchBucket", "NotFound", "EntityNotFoundException"}


@dataclass(frozen=True)
class CheckResult:
    """The result of one check."""

    verified: str  # the calls that checked it
    count: int  # of what is left
    detail: str = ""


class ResourceChecker:
    """Checks of one bucket and of Athena. Each raises what `services.s3.client.translate_errors` raises."""

    def __init__(self, aws: Aws, scope: Scope, bucket: str) -> None:
        self._aws = aws
        self._s3 = aws.s3
        self._scope = scope
        self._bucket = bucket

    def bucket(self) -> CheckResult:
        """Check that the bucket answers 404."""
        there = self._there(lambda: self._s3.head_bucket(Bucket=self._bucket))
        return (
            CheckResult("HeadBucket: 200", 1, "the bucket is still there")
            if there
            else CheckResult("HeadBucket: 404", 0)
        )

    def area(self, area: Area) -> CheckResult:
        """Check that three listings are empty, or find no bucket."""
        counts = {
            "objects": self._count("list_objects_v2", ("Contents",), area),
            "versions": self._count("list_object_versions", ("Versions", "DeleteMarkers"), area),
            "uploads": self._count("list_multipart_uploads", ("Uploads",), area),
        }
        detail = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
        return CheckResult(f"{_LISTINGS}: nothing", sum(counts.values()), detail)

    def settings(self) -> CheckResult:
        """Check that a bucket that is kept has none of Shoreline's settings."""
        storage = Storage(self._aws, self._bucket)
        with translate_errors():
            policy = read_policy(storage)
            statements = len((policy or {}).get("Statement", [])) - len(other_statements(policy))
            left = {
                "lifecycle rules": sum(is_ours(rule) for rule in read_rules(storage)),
                "policy statements": statements,
                "tags": int(TAG in read_tags(storage)),
            }
        detail = ", ".join(f"{number} {what}" for what, number in left.items() if number)
        return CheckResult("lifecycle, policy, tags: none of ours", sum(left.values()), detail)

    def table(self, database: str, table: str) -> CheckResult:
        """Check a table, and the partitions that Glue may still hold."""
        there = self._there(lambda: self._aws.glue.get_table(DatabaseName=database, Name=table))
        partitions = self._there(
            lambda: self._aws.glue.get_partitions(DatabaseName=database, TableName=table, MaxResults=1)["Partitions"]
        )
        detail = " and ".join(name for name, left in (("the table", there), ("partitions", partitions)) if left)
        return CheckResult("GetTable, GetPartitions: EntityNotFound", there + partitions, detail)

    def database(self, database: str) -> CheckResult:
        """Check the database."""
        there = self._there(lambda: self._aws.glue.get_database(Name=database))
        return CheckResult("GetDatabase: EntityNotFound", int(there), "the database is still there")

    def workgroup(self, workgroup: str) -> CheckResult:
        """Check the workgroup. For a missing one, Athena has only a message, not an error code of its own."""
        with translate_errors():
            try:
                self._aws.athena.get_work_group(WorkGroup=workgroup)
            except ClientError as error:
                words = str(error.response.get("Error", {}).get("Message", "")).lower()
                if error_code(error) == "InvalidRequestException" and "not found" in words:
                    return CheckResult("GetWorkGroup: not found", 0)
                raise
        return CheckResult("GetWorkGroup", 1, "the workgroup is still there")

    def tagged_buckets(self) -> list[str]:
        """Return the names of the account's buckets with the project's tag."""
        with translate_errors():
            pages: Iterable[Any] = self._s3.get_paginator("list_buckets").paginate()
            names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", [])]
            return [name for name in each(self._name_if_tagged, names) if name]

    def _name_if_tagged(self, name: str) -> str:
        with translate_errors():
            try:
                return name if TAG in read_tags(Storage(self._aws, name)) else ""
            except ClientError as error:
                if error_code(error) in _ABSENT_CODES:  # It was removed after the listing.
                    return ""
                raise

    def _there(self, ask: Callable[[], Any]) -> bool:
        with translate_errors():
            try:
                return bool(ask())
            except ClientError as error:
                if error_code(error) in _ABSENT_CODES:
                    return False
                raise

    def _count(self, operation: Any, fields: Iterable[str], area: Area) -> int:
        """Count the entries of an area in one listing. Uploads are listed without a prefix: some stores need that."""
        where = {} if operation == "list_multipart_uploads" else {"Prefix": area.prefix}
        pages: Iterable[Any] = self._s3.get_paginator(operation).paginate(Bucket=self._bucket, **where)
        with translate_errors():
            try:
                return sum(
                    self._scope.area_of(entry["Key"]) == area
                    for page in pages
                    for field in fields
                    for entry in page.get(field, [])
                )
            except ClientError as error:
                if error_code(error) in _ABSENT_CODES:
                    return 0
                raise


TIME_BUDGET_SECONDS = 30.0  # for what AWS removes asynchronously
_ABSENT = "not there"  # the action for a resource that did not exist before either


class Verdict(StrEnum):
    """The verdict of a check: GONE and KEPT are as planned; LEFT, UNKNOWN and CONTRADICTED fail the cleanup."""

    GONE = "gone"
    KEPT = "kept"
    LEFT = "LEFT"
    UNKNOWN = "UNKNOWN"
    CONTRADICTED = "CONTRADICTED"  # does not exist, but fewer were removed than the plan had counted


@dataclass(frozen=True)
class Check:
    """One verified resource."""

    resource: str
    action: str  # what was done with it
    verified: str  # the calls that checked it
    verdict: Verdict
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether the result is as planned."""
        return self.verdict in {Verdict.GONE, Verdict.KEPT}


class Verification:
    """The checks of everything in the plan.

    S3's listings are consistent at once. A deleted bucket may still answer for a while, and Glue removes children
    asynchronously: these checks are repeated until they find nothing, all together for at most `time_budget` seconds.
    Set it to 0 if the removal met refusals, after which waiting is pointless.
    Source: Amazon S3 User Guide, "Amazon S3 data consistency model".
    """

    def __init__(
        self,
        aws: Aws,
        servers: Sequence[Database],
        scope: Scope,
        plan: CleanupPlan,
        removed: Removed,
        catalog: RemovedFromCatalog,
        *,
        whole_account: bool,
        time_budget: float = TIME_BUDGET_SECONDS,
    ) -> None:
        self._checker = ResourceChecker(aws, scope, plan.bucket)
        self._servers = servers
        self._catalog_removed = catalog
        self._plan = plan
        self._removed = removed
        self._whole_account = whole_account
        self._deadline = time.monotonic() + time_budget

    def checks(self) -> list[Check]:
        """Run every check. One that fails to run is UNKNOWN, never GONE."""
        return [*self._catalog(), *self._areas(), *self._bucket(), *self._scratch(), *self._local()]

    def _catalog(self) -> Iterator[Check]:
        found = self._plan.catalog
        if found is None:
            return
        for table in found.tables:
            look = partial(self._checker.table, found.database, table.name)
            check = self._check(f"table {found.database}.{table.name}", "dropped", look, may_linger=True)
            partitions = self._catalog_removed.removed_tables.get(table.name)
            check = _compare_counts(check, 1, int(partitions is not None), "table")
            yield _compare_counts(check, table.partitions, partitions or 0, "partition")
        removed, checker = self._catalog_removed, self._checker
        whole = (
            (
                "database",
                found.database,
                found.database_exists,
                found.remove_database,
                removed.database,
                checker.database,
            ),
            (
                "workgroup",
                found.workgroup,
                found.workgroup_exists,
                found.remove_workgroup,
                removed.workgroup,
                checker.workgroup,
            ),
        )
        for kind, name, existed, goes, gone, look_at in whole:
            resource = f"Athena {kind} {name}"
            if existed and not goes:
                yield self._kept(resource)
            else:
                action = "dropped" if existed else _ABSENT
                check = self._check(resource, action, partial(look_at, name), may_linger=existed)
                yield _compare_counts(check, int(goes), int(gone), kind)

    def _areas(self) -> Iterator[Check]:
        for area in self._plan.areas:
            action = _ABSENT if area in self._plan.empty_areas else "deleted"
            check = self._check(f"objects {area.prefix}", action, partial(self._checker.area, area), may_linger=False)
            planned = self._plan.expected.get(area.prefix, EntryCounts())
            gone = self._removed.areas.get(area.prefix, EntryCounts())
            check = _compare_counts(check, planned.versions, gone.versions, "version or marker", "versions and markers")
            yield _compare_counts(check, planned.uploads, gone.uploads, "unfinished upload")
        for area in self._plan.kept_areas:
            yield Check(f"objects {area.prefix}", "kept", "not touched", Verdict.KEPT)

    def _bucket(self) -> Iterator[Check]:
        name = f"bucket {self._plan.bucket}"
        if self._plan.remove_bucket or not self._plan.bucket_exists:
            action = "deleted" if self._plan.bucket_exists else _ABSENT
            yield self._check(name, action, self._checker.bucket, may_linger=self._removed.bucket)
        else:
            yield self._kept(name)
        if self._plan.take_settings:
            yield self._check(f"settings of {self._plan.bucket}", "taken off", self._checker.settings, may_linger=False)
        if self._whole_account:
            yield self._tagged()

    def _tagged(self) -> Check:
        """Check that the bucket's tag is gone; other buckets with the tag are named and not touched."""
        name = "tag project=shoreline"
        try:
            found = self._checker.tagged_buckets()
        except ShorelineError as error:
            return Check(name, "searched", "could not be checked", Verdict.UNKNOWN, str(error))
        how = "ListBuckets, GetBucketTagging"
        stays = self._plan.bucket in found and self._plan.bucket_exists and not self._plan.remove_bucket
        if self._plan.bucket in found and (not stays or self._plan.take_settings):
            return Check(name, "searched", how, Verdict.LEFT, self._plan.bucket)
        if found:
            return Check(name, "searched", f"{how}: on {', '.join(found)}, not touched", Verdict.KEPT)
        return Check(name, "searched", f"{how}: on no bucket", Verdict.GONE)

    def _scratch(self) -> Iterator[Check]:
        for name in self._plan.scratch or ():
            look = partial(_look_at_databases, [server.sibling(name) for server in self._servers])
            check = self._check(f"scratch database {name}", "dropped", look, may_linger=False)
            yield _compare_counts(check, 1, self._removed.scratch.count(name), "database")

    def _local(self) -> Iterator[Check]:
        yield self._local_check(self._plan.output, look_at_output)
        if self._plan.receipts is not None:
            yield self._local_check(self._plan.receipts, look_at_receipts)

    def _local_check(self, planned: LocalFiles, look: Callable[[Path], LocalFiles]) -> Check:
        gone = self._removed.files.get(str(planned.folder), 0)
        return _compare_counts(_local_check(planned, look), planned.files, gone, "file")

    def _kept(self, resource: str) -> Check:
        why: Iterable[str] = (
            item.reason for item in self._plan.items if item.resource == resource and item.action is Action.KEEP
        )
        return Check(resource, "kept", next(iter(why)), Verdict.KEPT)

    def _check(self, resource: str, action: str, look: Callable[[], CheckResult], *, may_linger: bool) -> Check:
        """Check until nothing is left or the time budget ends; the last check counts."""
        pause = 0.1
        while True:
            try:
                seen = look()
            except ShorelineError as error:
                return Check(resource, action, "could not be checked", Verdict.UNKNOWN, str(error))
            if not seen.count:
                return Check(resource, action, seen.verified, Verdict.GONE)
            if time.monotonic() >= self._deadline or not may_linger:
                return Check(resource, action, seen.verified, Verdict.LEFT, seen.detail)
            time.sleep(pause)
            pause = min(2 * pause, 5)


def _compare_counts(check: Check, planned: int, removed: int, thing: str, things: str = "") -> Check:
    """Return the check, or a contradiction if nothing is left but fewer were removed than the plan had counted."""
    if check.verdict is not Verdict.GONE or removed >= planned:
        return check
    counted = formatting.count(planned, thing, things)
    what = f"the plan counted {counted}, {removed:,} of them were removed, and none is listed now"
    return replace(check, verdict=Verdict.CONTRADICTED, detail=what)


def _look_at_databases(databases: Sequence[Database]) -> CheckResult:
    """Look for one name on every server: a scratch database's name is random, so it is on one of them only."""
    left = sum(database.exists() for database in databases)
    return CheckResult("pg_database: no such row", left, "the database is still there")


def _local_check(planned: LocalFiles, look: Callable[[Path], LocalFiles]) -> Check:
    resource, action = f"local {planned.folder}/", "deleted" if planned.files else _ABSENT
    try:
        found = look(planned.folder)
    except OSError as error:
        return Check(resource, action, "could not be checked", Verdict.UNKNOWN, f"{error.filename}: {error.strerror}")
    if found.files:
        return Check(resource, action, "listed again", Verdict.LEFT, formatting.count(found.files, "file"))
    if not found.folder.exists():
        return Check(resource, action, "no such folder", Verdict.GONE)
    left = "only other files there" if found.others else "no files there, the folder stays"
    return Check(resource, action, left, Verdict.GONE)
