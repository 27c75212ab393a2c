"""What S3 is asked, in headers: nothing that costs a round trip or a second hash for nothing."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from services.s3.client import Aws, AwsAccess, Identity
from services.s3.objects import Storage

DIGEST = hashlib.sha256(b"rows").digest()
LARGE = bytes(2 * 1024 * 1024)


class Body(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        return iter([self.getvalue()])


class Asked:
    """A store that answers every request at once, and remembers its headers."""

    def __init__(self, **access: Any) -> None:
        where: dict[str, Any] = {
            "endpoint_url": "http://127.0.0.1:9",
            "access_key_id": "test",
            "secret_access_key": "t",
        }
        aws = Aws(AwsAccess("us-east-1", **where, **access))
        aws.__dict__["identity"] = Identity("000000000000", "arn:aws:iam::000000000000:user/me", "000000000000")
        events: Any = aws.s3.meta.events
        events.register_last("before-send.s3", self._answer)
        self.storage = Storage(aws, "bucket")

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        found = {name.lower(): value for name, value in request.headers.items()}
        self.headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}
        headers: Any = {"Content-Length": "0", "ETag": '"e"'}
        return AWSResponse(request.url, 200, headers, Body())


def test_a_small_file_goes_in_one_round_trip() -> None:
    asked = Asked()
    asked.storage.put("key", b"rows")
    assert "expect" not in asked.headers


@pytest.mark.parametrize("sha256", [None, hashlib.sha256(LARGE).digest()])
def test_a_large_body_is_not_sent_before_the_store_takes_it(sha256: bytes | None) -> None:
    asked = Asked()
    asked.storage.put("key", LARGE, sha256=sha256)
    assert asked.headers["expect"] == "100-continue"


def test_a_body_that_goes_with_its_digest_is_held_to_it_by_the_signature() -> None:
    asked = Asked()
    asked.storage.put("key", b"rows", sha256=DIGEST)
    assert asked.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert "x-amz-checksum-sha256" in asked.headers["authorization"]


@pytest.mark.parametrize("sha256", [None, DIGEST])
def test_a_body_without_a_digest_that_the_store_checks_is_signed(sha256: bytes | None) -> None:
    asked = Asked(request_checksums="when_required" if sha256 else "when_supported")
    asked.storage.put("key", b"rows", sha256=sha256)
    assert asked.headers["x-amz-content-sha256"] == DIGEST.hex()


def test_every_request_names_the_program_and_its_run() -> None:
    asked = Asked(run_id="r1")
    asked.storage.put("key", b"rows")
    assert asked.headers["user-agent"].startswith("shoreline/")
    assert " run/r1 " in asked.headers["user-agent"]
