"""The meter counts what goes over the wire: a real boto3 client against a small HTTP server."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError, EndpointConnectionError

from services.costs.bill import AthenaScan, Call, Tally, Usage
from services.costs.meter import Meter
from services.errors import BudgetExceeded
from tests.wire import Answer, Wire, serving

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@pytest.fixture
def wire() -> Iterator[Wire]:
    with serving() as wire:
        yield wire


class Limit:
    """A gate that counts something of each tally as dollars, and lets no more than `most` through."""

    def __init__(self, of: Callable[[Tally], int], most: int) -> None:
        self._of, self._most = of, most

    def price(self, call: Call, tally: Tally) -> Decimal:  # noqa: ARG002
        return Decimal(self._of(tally))

    def price_scan(self, scan: AthenaScan) -> Decimal:
        return Decimal(scan.billed_bytes)

    def check(self, cost: Decimal) -> None:
        if cost > self._most:
            raise BudgetExceeded(f"{self._most} are enough")


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def test_a_request_is_counted_with_the_bytes_of_its_body(wire: Wire) -> None:
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    client.put_object(Bucket="b", Key="k", Body=b"x" * 1000)
    assert meter.snapshot() == Usage({Call("s3", "PutObject"): Tally(1, 1, 1, 1000, 0)})


def test_attaching_twice_counts_once(wire: Wire) -> None:
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    meter.attach(client)
    client.delete_object(Bucket="b", Key="k")
    assert meter.snapshot().total == Tally(calls=1, attempts=1, billable=1)


def test_two_meters_on_one_client_count_the_same(wire: Wire) -> None:
    first, second = Meter(), Meter()
    client = wire.client("s3")
    first.attach(client)
    second.attach(client)
    client.delete_object(Bucket="b", Key="k")
    assert first.snapshot() == second.snapshot() != Usage()


@pytest.mark.usefixtures("no_backoff")
def test_answers_of_5xx_are_attempts_that_are_not_billed(wire: Wire) -> None:
    answers: Iterator[Answer] = iter([(503, {}, b""), (500, {}, b""), (200, {}, b"")])
    wire.answer = lambda *_: next(answers)
    meter = Meter()
    client = wire.client("s3", attempts=5)
    meter.attach(client)
    client.put_object(Bucket="b", Key="k", Body=b"12345")
    tally = meter.snapshot().tallies[Call("s3", "PutObject")]
    assert (tally.calls, tally.attempts, tally.billable, tally.bytes_sent) == (1, 3, 1, 15)


def test_a_missing_object_is_billed_and_counted_as_a_call(wire: Wire) -> None:
    wire.answer = lambda *_: (404, {}, b"<Error><Code>NoSuchKey</Code></Error>")
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    with pytest.raises(ClientError):
        client.get_object(Bucket="b", Key="k")
    tally = meter.snapshot().tallies[Call("s3", "GetObject")]
    assert (tally.calls, tally.attempts, tally.billable) == (1, 1, 1)


@pytest.mark.usefixtures("no_backoff")
def test_a_connection_that_fails_is_an_attempt_without_a_bill(wire: Wire) -> None:
    meter = Meter()
    client = wire.client("s3", attempts=3)
    meter.attach(client)
    wire.server.server_close()
    with pytest.raises(EndpointConnectionError):
        client.head_object(Bucket="b", Key="k")
    assert meter.snapshot().total == Tally(calls=1, attempts=3, billable=0)


def test_download_counts_announced_bytes_and_head_none(wire: Wire) -> None:
    wire.answer = lambda *_: (200, {}, b"y" * 4096)
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    client.head_object(Bucket="b", Key="k")
    client.get_object(Bucket="b", Key="k")["Body"].read()
    tallies = meter.snapshot().tallies
    assert tallies[Call("s3", "HeadObject")].bytes_received == 0
    assert tallies[Call("s3", "GetObject")].bytes_received == 4096


def test_requests_are_counted_by_the_storage_class_of_their_object(wire: Wire) -> None:
    wire.answer = lambda handler, _: (
        (200, {"x-amz-storage-class": "GLACIER_IR"}, b"1") if handler.command == "GET" else (200, {}, b"")
    )
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    client.put_object(Bucket="b", Key="k", Body=b"1", StorageClass="STANDARD_IA")
    client.get_object(Bucket="b", Key="k")
    counted = meter.snapshot().tallies
    assert counted[Call("s3", "PutObject", "STANDARD_IA")].calls == 1
    assert counted[Call("s3", "GetObject", "GLACIER_IR")] == Tally(1, 1, 1, 0, 1)
    assert len(counted) == 2


@pytest.mark.parametrize(("named", "parts"), [("STANDARD_IA", "STANDARD_IA"), ("DEEP_ARCHIVE", "STANDARD")])
def test_a_multipart_upload_is_counted_part_by_part_in_its_class(wire: Wire, named: str, parts: str) -> None:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> Answer:
        if handler.command == "PUT":
            return 200, {"ETag": '"e"'}, b""
        tag = "InitiateMultipartUploadResult" if "uploads" in handler.path else "CompleteMultipartUploadResult"
        return 200, {}, f'<{tag} xmlns="{NAMESPACE}"><UploadId>u1</UploadId></{tag}>'.encode()

    wire.answer = answer
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    part = 5 * 2**20
    client.upload_fileobj(
        io.BytesIO(b"z" * (2 * part + 1)),
        "b",
        "k",
        ExtraArgs={"StorageClass": named},
        Config=TransferConfig(part, multipart_chunksize=part, preferred_transfer_client="classic"),
    )
    counted = meter.snapshot().tallies
    assert counted[Call("s3", "CreateMultipartUpload", parts)].billable == 1
    assert counted[Call("s3", "UploadPart", parts)] == Tally(3, 3, 3, 2 * part + 1, 0)
    assert counted[Call("s3", "CompleteMultipartUpload", named)].billable == 1


def test_a_streamed_checksum_does_not_add_to_the_bytes_sent(wire: Wire) -> None:
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    client.put_object(Bucket="b", Key="k", Body=io.BytesIO(b"x" * 1000), ChecksumAlgorithm="SHA256")
    assert meter.snapshot().total.bytes_sent == 1000


def _execution(state: str, scanned: int, kind: str = "DML", name: str = "q1") -> dict[str, Any]:
    statistics = {"DataScannedInBytes": scanned}
    return {
        "QueryExecution": {
            "QueryExecutionId": name,
            "StatementType": kind,
            "Status": {"State": state},
            "Statistics": statistics,
        }
    }


def _athena(wire: Wire, *polls: dict[str, Any]) -> Any:
    answers = iter([{"QueryExecutionId": "q1"}, *polls])
    wire.answer = lambda *_: (200, {}, json.dumps(next(answers)).encode())
    return wire.client("athena")


def test_a_query_is_billed_once_however_often_it_is_asked_about(wire: Wire) -> None:
    meter = Meter()
    ended = _execution("SUCCEEDED", 12_000_001)
    client = _athena(wire, _execution("RUNNING", 5), ended, ended)
    meter.attach(client)
    client.start_query_execution(QueryString="SELECT 1")
    for _ in range(3):
        client.get_query_execution(QueryExecutionId="q1")
    assert meter.snapshot().scan == AthenaScan(1, scanned_bytes=12_000_001, billed_bytes=13_000_000)


def test_a_query_that_was_billed_counts_towards_the_limit(wire: Wire) -> None:
    meter = Meter(Limit(lambda tally: tally.billable, 10_000_002))
    client = _athena(wire, _execution("SUCCEEDED", 1), {}, {})
    meter.attach(client)
    client.start_query_execution(QueryString="SELECT 1")
    client.get_query_execution(QueryExecutionId="q1")
    with pytest.raises(BudgetExceeded):
        client.list_work_groups()


def test_a_query_of_someone_else_is_not_billed_to_this_run(wire: Wire) -> None:
    meter = Meter()
    client = _athena(wire, _execution("SUCCEEDED", 10**9, name="theirs"))
    meter.attach(client)
    client.start_query_execution(QueryString="SELECT 1")
    client.get_query_execution(QueryExecutionId="theirs")
    assert meter.snapshot().scan == AthenaScan()


def test_the_gate_stops_a_request_before_it_is_sent(wire: Wire) -> None:
    meter = Meter(Limit(lambda tally: tally.billable, 2))
    client = wire.client("s3", attempts=5)
    meter.attach(client)
    client.head_object(Bucket="b", Key="1")
    client.head_object(Bucket="b", Key="2")
    with pytest.raises(BudgetExceeded, match="2 are enough"):
        client.head_object(Bucket="b", Key="3")
    assert len(wire.asked) == 2
    assert meter.snapshot().total.attempts == 2


def test_the_gate_counts_requests_that_are_under_way(wire: Wire) -> None:
    def head(number: int) -> bool:
        try:
            client.head_object(Bucket="b", Key=str(number))
        except BudgetExceeded:
            return False
        return True

    meter = Meter(Limit(lambda tally: tally.billable, 5))
    client = wire.client("s3")
    meter.attach(client)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(head, range(64))) == 5
    assert len(wire.asked) == 5


def test_the_gate_stops_a_download_before_its_body_is_read(wire: Wire) -> None:
    wire.answer = lambda *_: (200, {}, b"y" * 4096)
    meter = Meter(Limit(lambda tally: tally.bytes_received, 1000))
    client = wire.client("s3", attempts=5)
    meter.attach(client)
    with pytest.raises(BudgetExceeded):
        client.get_object(Bucket="b", Key="k")
    assert meter.snapshot().total == Tally(calls=1, attempts=1, billable=1, bytes_received=0)


def test_counts_hold_when_many_threads_use_many_clients(wire: Wire) -> None:
    meter = Meter()
    clients = [wire.client("s3") for _ in range(2)]
    for client in clients:
        meter.attach(client)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: clients[n % 2].put_object(Bucket="b", Key=str(n), Body=b"12"), range(200)))
    assert meter.snapshot().total == Tally(200, 200, 200, 400, 0)
    assert len(wire.asked) == 200


def test_a_snapshot_stays_as_it_was_and_two_subtract(wire: Wire) -> None:
    meter = Meter()
    client = wire.client("s3")
    meter.attach(client)
    client.put_object(Bucket="b", Key="1", Body=b"1")
    before = meter.snapshot()
    client.put_object(Bucket="b", Key="2", Body=b"22")
    assert before.total.calls == 1
    assert (meter.snapshot() - before).total == Tally(1, 1, 1, 2, 0)
