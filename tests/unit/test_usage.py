"""Usage is a value: it adds up, subtracts and survives JSON; AWS's billing classes are told apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.costs.bill import AthenaScan, BillingClass, Call, Tally, Usage, athena_billed_bytes, class_of_part

_counts = st.integers(0, 10**12)
_calls = st.builds(
    Call,
    st.sampled_from(["s3", "athena", "glue"]),
    st.sampled_from(["PutObject", "GetObject", "ListObjectsV2"]),
    st.sampled_from(["STANDARD", "GLACIER_IR"]),
)
_tallies = st.builds(Tally, _counts, _counts, _counts, _counts, _counts)
_usages = st.builds(
    Usage, st.dictionaries(_calls, _tallies, max_size=6), st.builds(AthenaScan, _counts, _counts, _counts)
)


@given(_usages, _usages)
def test_what_is_added_can_be_taken_away_again(first: Usage, second: Usage) -> None:
    assert first + second - second == first
    assert first - first == Usage()
    assert first + second == second + first


@given(_usages)
def test_json_keeps_everything(usage: Usage) -> None:
    assert Usage.from_json(json.loads(json.dumps(usage.as_json()))) == usage


def test_a_usage_cannot_be_changed_from_outside() -> None:
    counts = {Call("s3", "PutObject"): Tally(calls=1)}
    usage = Usage(counts)
    counts.clear()
    assert usage.total.calls == 1
    with pytest.raises(TypeError):
        usage.tallies[Call("s3", "x")] = Tally()  # type: ignore[index]


@pytest.mark.parametrize(
    ("service", "operation", "billed_as"),
    [
        ("s3", "PutObject", BillingClass.S3_PUT),
        ("s3", "CopyObject", BillingClass.S3_PUT),
        ("s3", "CreateMultipartUpload", BillingClass.S3_PUT),
        ("s3", "UploadPart", BillingClass.S3_PUT),
        ("s3", "CompleteMultipartUpload", BillingClass.S3_PUT),
        ("s3", "ListObjectsV2", BillingClass.S3_PUT),
        ("s3", "ListMultipartUploads", BillingClass.S3_PUT),
        ("s3", "PutBucketPolicy", BillingClass.S3_PUT),
        ("s3", "GetObject", BillingClass.S3_GET),
        ("s3", "HeadBucket", BillingClass.S3_GET),
        ("s3", "GetBucketTagging", BillingClass.S3_GET),
        ("s3", "SelectObjectContent", BillingClass.S3_GET),
        ("s3", "DeleteObject", BillingClass.FREE),
        ("s3", "DeleteObjects", BillingClass.FREE),
        ("s3", "AbortMultipartUpload", BillingClass.FREE),
        ("sts", "GetCallerIdentity", BillingClass.FREE),
        ("athena", "StartQueryExecution", BillingClass.FREE),
        ("glue", "GetTable", BillingClass.GLUE),
        ("kms", "Decrypt", BillingClass.KMS),
        ("ec2", "RunInstances", BillingClass.UNPRICED),
    ],
)
def test_an_operation_is_billed_as(service: str, operation: str, billed_as: BillingClass) -> None:
    assert Call(service, operation).billing_class is billed_as


@pytest.mark.parametrize(
    ("scanned", "kind", "state", "billed"),
    [
        (0, "DML", "SUCCEEDED", 10_000_000),
        (9_999_999, "DML", "SUCCEEDED", 10_000_000),
        (10_000_001, "DML", "SUCCEEDED", 11_000_000),
        (123_000_000, "DML", "CANCELLED", 123_000_000),
        (0, "DML", "CANCELLED", 0),
        (5_000_000, "DML", "FAILED", 0),
        (0, "DDL", "SUCCEEDED", 0),
        (0, "UTILITY", "SUCCEEDED", 0),  # EXPLAIN
        (5_000_000, "UTILITY", "SUCCEEDED", 10_000_000),  # EXPLAIN ANALYZE
    ],
)
def test_athena_bills(scanned: int, kind: str, state: str, billed: int) -> None:
    assert athena_billed_bytes(scanned, statement_type=kind, state=state) == billed


def test_a_reused_result_is_free() -> None:
    assert athena_billed_bytes(10**9, statement_type="DML", state="SUCCEEDED", reused=True) == 0


def test_parts_on_their_way_into_an_archive_are_billed_as_standard() -> None:
    assert class_of_part("GLACIER") == class_of_part("DEEP_ARCHIVE") == "STANDARD"
    assert class_of_part("STANDARD_IA") == "STANDARD_IA"
