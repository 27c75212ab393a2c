"""Objects in one bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from services.errors import (
    BucketMissing,
    BucketNotOurs,
    CredentialsRefused,
    SettingsError,
    ShorelineError,
    StorageError,
)
from services.s3.client import Aws, error_code, translate_errors
from services.s3.multipart import MultipartUpload, sha256_of
from services.s3.responses import (
    NOT_FOUND_CODES,
    PRECONDITION_FAILED,
    ObjectDamaged,
    ObjectWithAge,
    PreconditionFailed,
    StoredObject,
    Upload,
    answered_at,
)

if TYPE_CHECKING:
    from botocore.response import StreamingBody

DELETE_BATCH = 1000  # keys that one DeleteObjects takes

__all__ = ["DELETE_BATCH", "ObjectDamaged", "ObjectWithAge", "PreconditionFailed", "Storage", "StoredObject", "Upload"]


class Storage:
    """The objects of one bucket. Each method raises what `services.s3.client.translated` raises.

    What is written is encrypted with `kms_key`, or as the bucket's own default says.
    """

    def __init__(self, aws: Aws, bucket: str, *, kms_key: str | None = None) -> None:
        self.aws = aws
        self.bucket = bucket
        self._checksums = aws.access.request_checksums == "when_supported"
        self._encryption: dict[str, Any] = {}
        if kms_key is not None:
            self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key, "BucketKeyEnabled": True}

    def exists(self) -> bool:
        """Whether the bucket is there and ours.

        Raises BucketNotOurs when it is someone else's, SettingsError when it is in another region.
        """
        with translate_errors():
            try:
                answer = self.aws.s3.head_bucket(Bucket=self.bucket)
            except ClientError as error:
                if error_code(error) in {*NOT_FOUND_CODES, "NoSuchBucket"}:
                    return False
                if error_code(error) in {"403", "AccessDenied"}:
                    self._raise_reason()
                    owner = self.aws.access.bucket_owner or self.aws.identity.owner
                    whose = f"does not belong to account {owner}" if owner else "belongs to someone else"
                    message = f"The bucket {self.bucket} {whose}, or these credentials may not see it."
                    raise BucketNotOurs(message) from error
                raise
        self._require_region(answer.get("BucketRegion"))
        return True

    def _raise_reason(self) -> None:
        """Raises CredentialsRefused where they are the reason of a 403: the answer to a HEAD has no room for one."""
        try:
            with translate_errors():
                self.aws.s3.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        except CredentialsRefused:
            raise
        except ShorelineError:
            return

    def _require_region(self, found: str | None) -> None:
        """On AWS: S3 would answer from there, but Athena, the prices and the policies are of this one."""
        region = self.aws.access.region
        if found and found != region and not self.aws.access.foreign:
            raise SettingsError(
                f"Settings need attention:\n  AWS_REGION  is {region}, and the bucket {self.bucket} is in {found}",
                next_step=f"Set AWS_REGION={found}, or name another bucket in BUCKET.",
            )

    def now(self) -> datetime:
        """The store's own time, in UTC: that of a machine may be an hour off."""
        with translate_errors():
            answer = self.aws.s3.head_bucket(Bucket=self.bucket)
        return answered_at(answer)

    def require(self) -> None:
        """Raises BucketMissing or BucketNotOurs unless the bucket is there and ours."""
        if not self.exists():
            raise BucketMissing(f"The bucket {self.bucket} does not exist.")

    def put(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str = "application/octet-stream",
        only_if_absent: bool = False,
        only_if_etag: str | None = None,
        sha256: bytes | None = None,
    ) -> str:
        """Write an object and return its ETag. Raises PreconditionFailed when a condition does not hold.

        S3 refuses a body whose digest is not `sha256`, if there is one.
        """
        request: dict[str, Any] = {
            "Key": key,
            "Body": body,
            "ContentType": content_type,
            "Metadata": dict(metadata or {}),
            **sha256_of(sha256),
        }
        if only_if_absent:
            request["IfNoneMatch"] = "*"
        if only_if_etag is None:
            return self._put(request)
        try:
            return self._put({**request, "IfMatch": only_if_etag})
        except PreconditionFailed:
            if not self._wants_unquoted(key, only_if_etag):
                raise
            return self._put({**request, "IfMatch": only_if_etag.strip('"')})

    def _put(self, request: dict[str, Any]) -> str:
        with translate_errors():
            try:
                return self.aws.s3.put_object(Bucket=self.bucket, **request, **self._encryption)["ETag"]
            except ClientError as error:
                if error_code(error) in PRECONDITION_FAILED:
                    url = self.url(request["Key"])
                    raise PreconditionFailed(f"{url} was written by someone else meanwhile.") from error
                raise

    def _wants_unquoted(self, key: str, etag: str) -> bool:
        """Whether the store refused an ETag that the object has: Ceph compares it with one that has no quotes."""
        if not self.aws.access.foreign or not etag.startswith('"'):
            return False
        stored = self.head(key)
        return stored is not None and stored.etag == etag

    def open(self, key: str, *, start: int = 0) -> StreamingBody | None:
        """A stream of the object's bytes from `start` on, or None when there is no such object."""
        options: dict[str, Any] = {"Range": f"bytes={start}-"} if start else {}
        with translate_errors():
            try:
                return self.aws.s3.get_object(Bucket=self.bucket, Key=key, **options)["Body"]
            except ClientError as error:
                if error_code(error) in NOT_FOUND_CODES:
                    return None
                raise

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes | None:
        """The whole of a small object, or its first `max_bytes`; None when there is no such object."""
        body = self.open(key)
        if body is None:
            return None
        with self._reading(key), closing(body):
            return _beginning(body, max_bytes)

    def read_range(self, key: str, start: int, length: int, *, etag: str) -> bytes | None:
        """Bytes of the object that had this ETag; None when it is gone, was replaced, or ends before `start`."""
        with self._reading(key):
            try:
                answer = self.aws.s3.get_object(
                    Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + length - 1}", IfMatch=etag
                )
                return answer["Body"].read()
            except ClientError as error:
                if error_code(error) in NOT_FOUND_CODES | PRECONDITION_FAILED | {"InvalidRange", "416"}:
                    return None
                raise

    def stamped(self, key: str, *, max_bytes: int | None = None) -> ObjectWithAge | None:
        """The whole of a small object, or its first `max_bytes`, with its age; None when there is no such object."""
        with self._reading(key):
            try:
                answer = self.aws.s3.get_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in NOT_FOUND_CODES:
                    return None
                raise
            with closing(answer["Body"]) as body:
                return ObjectWithAge(
                    _beginning(body, max_bytes), answer["ETag"], answered_at(answer) - answer["LastModified"]
                )

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        """Around reading an object: names one that is damaged."""
        try:
            with translate_errors():
                yield
        except ObjectDamaged as error:
            raise ObjectDamaged(f"{self.url(key)} is damaged: {error}") from error

    def head(self, key: str) -> StoredObject | None:
        """What is known of an object, or None when there is no such object."""
        with translate_errors():
            try:
                answer = self.aws.s3.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in NOT_FOUND_CODES:
                    return None
                raise
        return StoredObject.told(key, answer["ContentLength"], answer)

    def sha256(self, key: str, *, etag: str) -> str | None:
        """S3's own SHA-256 of the object that had this ETag, in base64; None when it was replaced, or has none.

        Of an object that was sent in parts it is that of their digests, with '-' and their number behind it.
        """
        with translate_errors():
            try:
                answer = self.aws.s3.head_object(Bucket=self.bucket, Key=key, IfMatch=etag, ChecksumMode="ENABLED")
            except ClientError as error:
                if error_code(error) in NOT_FOUND_CODES | PRECONDITION_FAILED:
                    return None
                raise
        return answer.get("ChecksumSHA256")

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with `prefix`, in key order, a page at a time."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        with translate_errors():
            for page in pages:
                for entry in page.get("Contents", []):
                    yield StoredObject.told(entry["Key"], entry["Size"], entry)

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects, a thousand a request. Raises StorageError that names a key which would not go."""
        batch: list[str] = []
        for key in keys:
            batch.append(key)
            if len(batch) == DELETE_BATCH:
                self._delete_batch(batch)
                batch = []
        if batch:
            self._delete_batch(batch)

    def _delete_batch(self, keys: list[str]) -> None:
        objects: Any = [{"Key": key} for key in keys]
        with translate_errors():
            answer = self.aws.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        if failed := answer.get("Errors"):
            first = failed[0]
            raise StorageError(
                f"{len(failed)} objects were not deleted, the first {first.get('Key')}: {first.get('Message')}"
            )

    def start_upload(
        self, key: str, *, metadata: Mapping[str, str] | None = None, content_type: str, sha256: bool = False
    ) -> MultipartUpload:
        """Begins a multipart upload. Nothing is visible under `key` until it is completed.

        With `sha256`, each part and the completion must bring the parts' digests; without, the completion may bring
        the CRC-32 of the whole, where the store knows such checksums.
        """
        options: Any = {"ChecksumAlgorithm": "SHA256"} if sha256 else {}
        if not sha256 and self._checksums:
            options = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        with translate_errors():
            answer = self.aws.s3.create_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                ContentType=content_type,
                Metadata=dict(metadata or {}),
                **options,
                **self._encryption,
            )
        return self.upload(key, answer["UploadId"])

    def upload(self, key: str, upload_id: str) -> MultipartUpload:
        """A multipart upload that was begun."""
        return MultipartUpload(self.aws.s3, self.bucket, key, upload_id, self._checksums)

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """The unfinished multipart uploads under `prefix`."""
        pages = self.aws.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
        with translate_errors():
            for page in pages:
                for entry in page.get("Uploads", []):
                    yield Upload(entry["Key"], entry["UploadId"], entry["Initiated"])

    def url(self, key: str) -> str:
        """The object's s3:// address."""
        return f"s3://{self.bucket}/{key}"


def _beginning(body: StreamingBody, max_bytes: int | None) -> bytes:
    """All of a body, or its first bytes. botocore compares checksums and lengths where it meets the end."""
    if max_bytes is None:
        return body.read()
    parts: list[bytes] = []
    missing = max_bytes
    while missing and (part := body.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
