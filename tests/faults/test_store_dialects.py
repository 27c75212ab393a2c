"""Stores that lack STS, or compare ETags in their own way, are worked with; AWS itself stays as strict."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from services.errors import CredentialsRefused, StorageUnreachable
from services.iam.preflight import find_caller
from services.s3.client import Aws, AwsAccess
from services.s3.objects import PreconditionFailed, Storage
from tests.conftest import Shoreline
from tests.faults.proxy import Answer, Asked, Fault, FaultProxy
from tests.wire import Answer as WireAnswer
from tests.wire import Wire, serving

WITHOUT_STS = [
    (501, b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>"),
    (405, b""),
    (503, b""),
    (403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
    (400, b"<ErrorResponse><Error><Code>InvalidAction</Code><Message>no</Message></Error></ErrorResponse>"),
    (200, b"<!DOCTYPE html><html></html>"),
    (200, b""),
]


class StoreWithoutSts:
    """A store that writes objects and answers nothing else."""

    def __init__(self, sts: WireAnswer) -> None:
        self.sts = sts
        self.owners: list[str | None] = []
        self.sts_requests = 0

    def __call__(self, request: BaseHTTPRequestHandler, body: bytes) -> WireAnswer:
        if b"GetCallerIdentity" in body:
            self.sts_requests += 1
            return self.sts
        self.owners.append(request.headers.get("x-amz-expected-bucket-owner"))
        return 200, {"ETag": '"1"'}, b""


@pytest.fixture
def wire() -> Iterator[Wire]:
    with serving() as server:
        yield server


def storage_of(wire: Wire, owner: str | None = None) -> Storage:
    return Storage(Aws(AwsAccess("us-east-1", endpoint_url=wire.url, bucket_owner=owner, attempts=1)), "bucket")


@pytest.mark.parametrize(("status", "body"), WITHOUT_STS)
def test_store_without_sts_has_an_unknown_account(wire: Wire, status: int, body: bytes) -> None:
    wire.answer = store = StoreWithoutSts((status, {}, body))
    storage = storage_of(wire)
    storage.put("key", b"x")
    Storage(storage.aws.again(lambda _: None), "bucket").put("key", b"x")
    assert storage.aws.account_id == f"unknown account at {wire.url}"
    assert find_caller(storage.aws).account_id == storage.aws.account_id
    assert store.owners == [None, None]
    assert store.sts_requests == 1


def test_account_of_the_settings_stands_in_for_sts(wire: Wire) -> None:
    wire.answer = store = StoreWithoutSts((501, {}, b""))
    storage = storage_of(wire, "123456789012")
    storage.put("key", b"x")
    assert storage.aws.account_id == "123456789012"
    assert store.owners == ["123456789012"]


def test_identity_is_required_of_aws_itself(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AwsAccess, "foreign", False)
    wire.answer = StoreWithoutSts(
        (403, {}, b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>")
    )
    access = AwsAccess("us-east-1", endpoint_url=wire.url, access_key_id="a", secret_access_key="b", attempts=1)
    with pytest.raises(CredentialsRefused):
        Storage(Aws(access), "bucket").put("key", b"x")


def test_endpoint_that_does_not_answer_is_unreachable() -> None:
    with serving() as gone:
        storage = storage_of(gone)
    with pytest.raises(StorageUnreachable):
        _ = storage.aws.account_id


class CephStore:
    """A store with one object, which compares If-Match with its ETag without quotes."""

    def __init__(self, etag: str) -> None:
        self.etag = etag
        self.conditions: list[str | None] = []

    def __call__(self, request: BaseHTTPRequestHandler, _: bytes) -> WireAnswer:
        if request.command == "HEAD":
            dated = {"Last-Modified": "Sat, 28 Nov 2026 09:00:00 GMT", "Content-Length": "1"}
            return 200, {"ETag": f'"{self.etag}"', **dated}, b""
        self.conditions.append(request.headers.get("If-Match"))
        if self.conditions[-1] != self.etag:
            return 412, {}, b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>"
        return 200, {"ETag": '"new"'}, b""


def test_unquoted_etag_is_tried_when_the_object_has_it(wire: Wire) -> None:
    wire.answer = store = CephStore("abc")
    assert storage_of(wire, "000000000000").put("key", b"x", only_if_etag='"abc"') == '"new"'
    assert store.conditions == ['"abc"', "abc"]


def test_unquoted_etag_is_not_tried_when_the_object_changed(wire: Wire) -> None:
    wire.answer = store = CephStore("changed")
    with pytest.raises(PreconditionFailed):
        storage_of(wire, "000000000000").put("key", b"x", only_if_etag='"abc"')
    assert store.conditions == ['"abc"']


def test_jobs_succeed_on_a_store_without_sts(shoreline: Shoreline, proxy: FaultProxy, database: object) -> None:
    def refuse(asked: Asked) -> Fault | None:
        return (
            Answer(501, b"<Error><Code>NotImplemented</Code></Error>") if b"GetCallerIdentity" in asked.body else None
        )

    proxy.decide = refuse
    env = {"AWS_ENDPOINT_URL": proxy.url, "AWS_EXPECTED_ACCOUNT_ID": ""}
    for arguments in (["setup"], ["backup"], ["preflight", "backup"], ["status"], ["cleanup", "--dry-run"]):
        outcome = shoreline(*arguments, env=env)
        assert outcome.exit_code == 0, outcome.errors
        assert outcome.errors.count("does not say whose account") <= 1
    assert f"unknown account at {proxy.url}" in shoreline("setup", env=env).output
    assert proxy.faults
