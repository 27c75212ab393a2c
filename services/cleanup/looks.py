"""The calls of the second look: other ones than the inventory's wherever AWS has any."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from services.aws import Aws, error_code, translated
from services.backups.lifecycle import is_ours
from services.bucket import TAG, other_statements, read_policy
from services.cleanup.scope import Area, Scope
from services.cleanup.settings import rules, tags
from services.parallel import each
from services.storage import Storage

_LISTINGS = "ListObjectsV2, ListObjectVersions, ListMultipartUploads"
_ABSENT = {"404", "NoSuchBucket", "NotFound", "EntityNotFoundException"}


@dataclass(frozen=True)
class Look:
    """What one look saw: how many are left, and by which calls. `count` is 0 when nothing is left."""

    verified: str
    count: int
    detail: str = ""


class Looks:
    """Looks at one bucket and at Athena's things. Each raises what `services.aws.translated` raises."""

    def __init__(self, aws: Aws, scope: Scope, bucket: str) -> None:
        self._aws = aws
        self._s3 = aws.s3
        self._scope = scope
        self._bucket = bucket

    def bucket(self) -> Look:
        """The bucket: 404, or still there."""
        there = self._there(lambda: self._s3.head_bucket(Bucket=self._bucket))
        return Look("HeadBucket: 200", 1, "the bucket is still there") if there else Look("HeadBucket: 404", 0)

    def area(self, area: Area) -> Look:
        """Three listings, each of which must come back empty, or find no bucket."""
        counts = {
            "objects": self._count("list_objects_v2", ("Contents",), area),
            "versions": self._count("list_object_versions", ("Versions", "DeleteMarkers"), area),
            "uploads": self._count("list_multipart_uploads", ("Uploads",), area),
        }
        detail = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
        return Look(f"{_LISTINGS}: nothing", sum(counts.values()), detail)

    def settings(self) -> Look:
        """What Shoreline had set on a bucket that stays."""
        storage = Storage(self._aws, self._bucket)
        with translated():
            policy = read_policy(storage)
            statements = len((policy or {}).get("Statement", [])) - len(other_statements(policy))
            left = {
                "lifecycle rules": sum(is_ours(rule) for rule in rules(storage)),
                "policy statements": statements,
                "tags": int(TAG in tags(storage)),
            }
        detail = ", ".join(f"{number} {what}" for what, number in left.items() if number)
        return Look("lifecycle, policy, tags: none of ours", sum(left.values()), detail)

    def table(self, database: str, table: str) -> Look:
        """A table, and the partitions that Glue may still have of it."""
        there = self._there(lambda: self._aws.glue.get_table(DatabaseName=database, Name=table))
        partitions = self._there(
            lambda: self._aws.glue.get_partitions(DatabaseName=database, TableName=table, MaxResults=1)["Partitions"]
        )
        detail = " and ".join(name for name, left in (("the table", there), ("partitions", partitions)) if left)
        return Look("GetTable, GetPartitions: EntityNotFound", there + partitions, detail)

    def database(self, database: str) -> Look:
        """The database."""
        there = self._there(lambda: self._aws.glue.get_database(Name=database))
        return Look("GetDatabase: EntityNotFound", int(there), "the database is still there")

    def workgroup(self, workgroup: str) -> Look:
        """The workgroup. Athena has no error code of its own for one that is not there, only words."""
        with translated():
            try:
                self._aws.athena.get_work_group(WorkGroup=workgroup)
            except ClientError as error:
                words = str(error.response.get("Error", {}).get("Message", "")).lower()
                if error_code(error) == "InvalidRequestException" and "not found" in words:
                    return Look("GetWorkGroup: not found", 0)
                raise
        return Look("GetWorkGroup", 1, "the workgroup is still there")

    def tagged_buckets(self) -> list[str]:
        """The buckets of the account that carry the project's tag, by name."""
        with translated():
            pages: Iterable[Any] = self._s3.get_paginator("list_buckets").paginate()
            names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", [])]
            return [name for name in each(self._name_if_tagged, names) if name]

    def _name_if_tagged(self, name: str) -> str:
        with translated():
            try:
                return name if TAG in tags(Storage(self._aws, name)) else ""
            except ClientError as error:
                if error_code(error) in _ABSENT:  # removed since it was listed
                    return ""
                raise

    def _there(self, ask: Callable[[], Any]) -> bool:
        with translated():
            try:
                return bool(ask())
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return False
                raise

    def _count(self, operation: Any, fields: Iterable[str], area: Area) -> int:
        """What one kind of listing still shows of an area. Uploads are listed whole: some stores need that."""
        where = {} if operation == "list_multipart_uploads" else {"Prefix": area.prefix}
        pages: Iterable[Any] = self._s3.get_paginator(operation).paginate(Bucket=self._bucket, **where)
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
