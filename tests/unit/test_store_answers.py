"""Answers that are not S3's, or say why not, are errors of the store with a reason; damage is told as damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from services.backups.download import download
from services.errors import (
    BackupDamaged,
    BucketNotOurs,
    CredentialsRefused,
    ShorelineError,
    StorageError,
    StorageUnreachable,
)
from services.s3.client import Aws, AwsAccess
from services.s3.objects import ObjectDamaged, Storage
from tests.wire import Wire, serving

PAGE = b"<!DOCTYPE html><html><body><p>Welcome</p></body></html>"
DATED = {"Date": "Sat, 28 Nov 2026 10:00:00 GMT", "Last-Modified": "Sat, 28 Nov 2026 09:00:00 GMT"}


@pytest.fixture
def wire() -> Iterator[Wire]:
    with serving() as server:
        yield server


@pytest.fixture
def storage(wire: Wire) -> Storage:
    access = AwsAccess("us-east-1", endpoint_url=wire.url, bucket_owner="000000000000", attempts=1)
    return Storage(Aws(access), "bucket")


CALLS: list[Callable[[Storage], object]] = [
    lambda storage: storage.put("key", b"x"),
    lambda storage: storage.stamped("key"),
    lambda storage: storage.head("key"),
    lambda storage: storage.start_upload("key", content_type="text/plain"),
    lambda storage: storage.upload("key", "id").send(1, b"x"),
    lambda storage: list(storage.objects("")),
    lambda storage: storage.delete(["key"]),
]


@pytest.mark.parametrize("body", [PAGE, PAGE + b"<p>", b"", b"not <xml", b"<ok/>"])
@pytest.mark.parametrize("call", CALLS[:-1])
def test_page_instead_of_an_answer_is_an_error_of_the_store(
    storage: Storage, wire: Wire, call: Callable[[Storage], object], body: bytes
) -> None:
    wire.answer = lambda *_: (200, {"Content-Type": "text/html"}, body)
    with pytest.raises((StorageError, StorageUnreachable)):  # botocore takes some for a passing failure, 500
        call(storage)


@pytest.mark.parametrize("status", [400, 403, 405, 500, 501, 503, 507])
@pytest.mark.parametrize("body", [b"", PAGE, b"<Error><Code>Odd</Code><Message/></Error>", b"<Error/>"])
def test_refusal_without_a_reason_has_no_empty_brackets(storage: Storage, wire: Wire, status: int, body: bytes) -> None:
    wire.answer = lambda *_: (status, {}, body)
    for call in CALLS:
        with pytest.raises(StorageError if status < 500 or status in {501, 507} else StorageUnreachable) as caught:
            call(storage)
        assert "()" not in str(caught.value)
        assert ": :" not in str(caught.value)
        assert not str(caught.value).rstrip().endswith(":")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SignatureDoesNotMatch", CredentialsRefused),
        ("InvalidAccessKeyId", CredentialsRefused),
        ("RequestTimeTooSkewed", CredentialsRefused),
        ("AccessDenied", BucketNotOurs),
    ],
)
def test_reason_of_a_403_is_told_where_sts_is_missing(
    storage: Storage, wire: Wire, code: str, kind: type[ShorelineError]
) -> None:
    wire.answer = lambda *_: (403, {}, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
    with pytest.raises(kind):
        storage.exists()
    assert all("bucket" in asked for asked in wire.asked)


@pytest.mark.parametrize(("status", "token"), [(501, "offer"), (507, "room")])
def test_refusal_names_what_the_store_lacks(storage: Storage, wire: Wire, status: int, token: str) -> None:
    wire.answer = lambda *_: (status, {}, b"")
    with pytest.raises(StorageError, match=token) as caught:
        storage.put("key", b"x")
    assert caught.value.exit_code == 10


def test_object_with_another_checksum_is_damaged(storage: Storage, wire: Wire) -> None:
    wire.answer = lambda *_: (200, {**DATED, "ETag": '"a"', "x-amz-checksum-crc32": "AAAAAA=="}, b"content")
    for read in (storage.read, storage.stamped, lambda key: storage.read(key, max_bytes=100)):
        with pytest.raises(ObjectDamaged, match="key") as caught:
            read("key")
        assert caught.value.exit_code == 13
    with pytest.raises(BackupDamaged, match="key"):
        list(download(storage, "key", len(b"content")))


def test_only_the_beginning_of_a_huge_object_is_read(storage: Storage, wire: Wire) -> None:
    wire.answer = lambda *_: (200, {**DATED, "ETag": '"a"', "x-amz-checksum-crc32": "AAAAAA=="}, b"content")
    found = storage.stamped("key", max_bytes=4)
    assert found is not None
    assert found.body == storage.read("key", max_bytes=4) == b"cont"
