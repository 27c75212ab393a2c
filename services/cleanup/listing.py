"""Everything that a bucket can hold, a page at a time: versions, delete markers, unfinished uploads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from services.aws import error_code, translated
from services.storage import Storage, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef


@dataclass(frozen=True, slots=True)
class Entry:
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


def version_pages(storage: Storage, prefix: str) -> Iterator[list[Entry]]:
    """The versions and delete markers under `prefix`, up to a thousand a page."""
    pages = storage.aws.s3.get_paginator("list_object_versions").paginate(Bucket=storage.bucket, Prefix=prefix)
    with translated():
        for page in pages:
            yield _entries(page)


def _entries(page: ListObjectVersionsOutputTypeDef) -> list[Entry]:
    versions = [
        Entry(
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
        Entry(each["Key"], each["VersionId"], each["IsLatest"], True, 0, "STANDARD", each["LastModified"])
        for each in page.get("DeleteMarkers", [])
    ]
    return versions + markers


def parts_size(storage: Storage, upload: Upload) -> int | None:
    """Bytes that an unfinished upload holds, for which S3 bills; None when it is gone."""
    pages = storage.aws.s3.get_paginator("list_parts").paginate(
        Bucket=storage.bucket, Key=upload.key, UploadId=upload.upload_id
    )
    with translated():
        try:
            return sum(part["Size"] for page in pages for part in page.get("Parts", []))
        except ClientError as error:
            if error_code(error) in {"NoSuchUpload", "NoSuchBucket", "NoSuchKey"}:
                return None
            raise
