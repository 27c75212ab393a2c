"""One object in parts: nothing of it is visible before all of them are there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from services.s3.client import error_code, translate_errors
from services.s3.responses import MAX_PARTS_PER_UPLOAD, NOT_FOUND_CODES, PRECONDITION_FAILED, PreconditionFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


MIB = 1 << 20
SMALLEST, LARGEST = 5 * MIB, 5 << 30  # bytes; Amazon S3 User Guide, "Amazon S3 multipart upload limits"
_FEW_PARTS = 1_000  # enough parts for an upload to be parallel; more cost requests
_MODERATE = 64 * MIB  # bytes of a part; beyond it, memory is worth more than requests
_EXPECTED_SHARE = 0.8  # of the parts of an upload; the others are for a stream that is larger than expected
_TOLERANCE = 1.1  # times the expectation: a database grows between two backups


@dataclass(frozen=True)
class PartPlan:
    """Sizes of the parts of a stream that is expected to have `expected` bytes.

    All parts are equal until a tenth more than that is sent, as some stores demand. Beyond it they grow with the cube
    of their number, up to S3's largest. Some stores take 1,000 parts only (`most`).
    """

    first: int = 8 * MIB  # bytes of the smallest part
    most: int = MAX_PARTS_PER_UPLOAD  # parts that the store takes
    expected: int = 0  # bytes; 0 when nothing is known: parts grow from the second on

    @property
    def equal_size(self) -> int:
        """Bytes of each part within the expectation."""
        needed = ceil(self.expected / max(1, int(self.most * _EXPECTED_SHARE)))
        return min(LARGEST, max(self.first, needed, min(ceil(self.expected / _FEW_PARTS), _MODERATE)))

    def size(self, number: int) -> int:
        """Bytes of part `number`, counted from 1."""
        equal_size = self.equal_size
        equal_parts = min(self.most, max(1, ceil(_TOLERANCE * self.expected / equal_size)))
        if number <= equal_parts:
            return equal_size
        step = (number - equal_parts) / ((self.most - equal_parts) / 2)
        return min(LARGEST, round(equal_size + (LARGEST - equal_size) * step**3))

    @property
    def capacity(self) -> int:
        """Bytes that fit."""
        return sum(self.size(number) for number in range(1, self.most + 1))


@dataclass(frozen=True)
class MultipartUpload:
    """An upload that was begun. Each method raises what `services.s3.client.translated` raises.

    `checksums` says whether the store knows the checksums of whole objects.
    """

    s3: S3Client
    bucket: str
    key: str
    upload_id: str
    checksums: bool

    def send(self, number: int, body: bytes, *, sha256: bytes | None = None) -> str:
        """Sends part `number` (from 1) and gives its ETag. S3 refuses a body whose digest is not `sha256`."""
        with translate_errors():
            answer = self.s3.upload_part(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=self.upload_id,
                PartNumber=number,
                Body=body,
                **sha256_of(sha256),
            )
        return answer["ETag"]

    def complete(
        self,
        etags: Sequence[str],
        sha256s: Sequence[bytes] = (),
        *,
        crc32: int | None = None,
        only_if_absent: bool = False,
    ) -> str:
        """Makes the object of its parts, and gives its ETag.

        S3 refuses when the whole has another CRC-32 than `crc32`, unless the store knows no such checksums.
        Raises KeyTaken when the condition does not hold, or when the upload is gone: completed before, or aborted.
        """
        options: dict[str, Any] = {"IfNoneMatch": "*"} if only_if_absent else {}
        if crc32 is not None and self.checksums:
            options["ChecksumType"] = "FULL_OBJECT"
            options["ChecksumCRC32"] = b64encode(crc32.to_bytes(4, "big")).decode()
        digests: Sequence[bytes | None] = sha256s or [None] * len(etags)
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": number, "ETag": etag, **sha256_of(digest)}  # type: ignore[typeddict-item]
            for number, (etag, digest) in enumerate(zip(etags, digests, strict=True), start=1)
        ]
        with translate_errors():
            try:
                answer = self.s3.complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=self.key,
                    UploadId=self.upload_id,
                    MultipartUpload={"Parts": parts},
                    **options,
                )
            except ClientError as error:
                if error_code(error) in PRECONDITION_FAILED | {"NoSuchUpload"}:
                    raise PreconditionFailed(
                        f"s3://{self.bucket}/{self.key} was written by someone else, or its upload was aborted."
                    ) from error
                raise
        return answer["ETag"]

    def abort(self) -> None:
        """Gives the upload and its parts up. One that is gone already is no error."""
        with translate_errors():
            try:
                self.s3.abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=self.upload_id)
            except ClientError as error:
                if error_code(error) not in NOT_FOUND_CODES | {"NoSuchUpload"}:
                    raise


def sha256_of(digest: bytes | None) -> dict[str, Any]:
    """The parameter by which S3 holds a body to its SHA-256, where there is one."""
    return {} if digest is None else {"ChecksumSHA256": b64encode(digest).decode()}
