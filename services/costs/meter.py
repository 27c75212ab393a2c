"""Counts the requests of boto3 clients, through botocore's events.

It sees every attempt of the clients that it is attached to, retries apart. It does not see programs that are
started, Athena's own reads of S3, calls that botocore makes to find credentials (STS, free), nor the CRT
transfer client: clients that are counted transfer with `preferred_transfer_client='classic'`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from services.costs.bill import STANDARD, AthenaScan, Call, Tally, Usage, athena_billed_bytes, class_of_part


class Gate(Protocol):
    """Prices requests, and stops the one that would exceed the limit."""

    def price(self, call: Call, tally: Tally) -> Decimal:
        """Return the cost of these requests."""

    def price_scan(self, scan: AthenaScan) -> Decimal:
        """Return the cost of these queries."""

    def check(self, cost: Decimal) -> None:
        """Check the cost of everything with the next request. Raises BudgetExceeded to stop it."""


_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class Meter:
    """Thread-safe counts of every client that it is attached to."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate
        self._lock = threading.RLock()
        self._counted = _Counts()
        self._thread = threading.local()
        self._upload_classes: dict[str, str] = {}
        self._queries: set[str] = set()
        self._spent = Decimal(0)
        self._under_way = Decimal(0)

    def attach(self, client: Any) -> None:
        """Count the client's requests from now on. Attaching it again changes nothing."""
        handlers = {
            "before-send": self._before_send,
            "response-received": self._response_received,
            "after-call": self._after_call,
            "after-call-error": self._after_call_error,
        }
        for event, handler in handlers.items():
            client.meta.events.register(event, handler, unique_id=f"shoreline-meter-{id(self)}-{event}")

    def snapshot(self) -> Usage:
        """Return the counts so far, as a value that no longer changes; two of them can be subtracted."""
        with self._lock:
            return self._counted.usage()

    def _before_send(self, request: Any, event_name: str, **_: Any) -> None:
        """Count an attempt before it is sent. Returns None: anything else would replace the answer."""
        call = self._call(event_name, request)
        tally = Tally(attempts=1, billable=1, bytes_sent=length_sent(request))
        with self._lock:
            cost = self._checked(call, tally)
            self._under_way += cost
        self._thread.sent = call, tally, cost

    def _response_received(
        self,
        response_dict: Mapping[str, Any] | None,
        parsed_response: Mapping[str, Any] | None,
        **_: Any,
    ) -> None:
        """Count the end of an attempt, with or without an answer. One that the gate stopped was never sent."""
        sent: tuple[Call, Tally, Decimal] | None = getattr(self._thread, "sent", None)
        if sent is None:
            return
        self._thread.sent = None
        call, expected, cost = sent
        tally, received = replace(expected, billable=0), Tally()
        if response_dict is not None:
            call = _answered(call, response_dict["headers"])
            tally = replace(expected, billable=int(response_dict["status_code"] < 500))
            received = Tally(bytes_received=_length_received(response_dict))
            self._remember_upload(call, parsed_response or {})
        self._thread.answered = call
        with self._lock:
            self._under_way -= cost
            self._spent += self._price(call, tally)
            self._counted.add(call, tally)
            # The headers say how much is coming, so a download that is too expensive stops before its body is read.
            # The answer to any other request is here already: stopping then would lose it, an upload's id for one.
            if call.operation == "GetObject":
                self._checked(call, received)
            self._spent += self._price(call, received)
            self._counted.add(call, received)

    def _after_call(self, parsed: Mapping[str, Any], event_name: str, **_: Any) -> None:
        call = self._ended(event_name)
        with self._lock:
            self._counted.add(call, Tally(calls=1))
            if call.service != "athena":
                return
            if call.operation == "StartQueryExecution" and "QueryExecutionId" in parsed:
                self._queries.add(parsed["QueryExecutionId"])
            for execution in _executions(parsed):
                self._count_query(execution)

    def _after_call_error(self, event_name: str, **_: Any) -> None:
        call = self._ended(event_name)
        with self._lock:
            self._counted.add(call, Tally(calls=1))

    def _checked(self, call: Call, tally: Tally) -> Decimal:
        """The cost of this, once the gate has agreed to it with all that was counted and is under way."""
        cost = self._price(call, tally)
        if self.gate is not None and cost:
            self.gate.check(self._spent + self._under_way + cost)
        return cost

    def _price(self, call: Call, tally: Tally) -> Decimal:
        return Decimal(0) if self.gate is None else self.gate.price(call, tally)

    def _ended(self, event_name: str) -> Call:
        """The call that ended on this thread, in the storage class that its attempts were counted in."""
        _, service, operation = event_name.split(".")
        answered: Call | None = getattr(self._thread, "answered", None)
        self._thread.answered = None
        if answered is not None and (answered.service, answered.operation) == (service, operation):
            return answered
        return Call(service, operation)

    def _count_query(self, execution: Mapping[str, Any]) -> None:
        """Count a query that this program started, once, when it has ended."""
        state = execution.get("Status", {}).get("State", "")
        name = execution.get("QueryExecutionId", "")
        if name not in self._queries or state not in _ENDED:
            return
        self._queries.remove(name)
        statistics = execution.get("Statistics", {})
        scanned = int(statistics.get("DataScannedInBytes", 0))
        billed = athena_billed_bytes(
            scanned,
            statement_type=execution.get("StatementType", "DML"),
            state=state,
            reused=statistics.get("ResultReuseInformation", {}).get("ReusedPreviousResult", False),
        )
        scan = AthenaScan(queries=1, scanned_bytes=scanned, billed_bytes=billed)
        self._counted.scan += scan
        if self.gate is not None:
            self._spent += self.gate.price_scan(scan)

    def _call(self, event_name: str, request: Any) -> Call:
        _, service, operation = event_name.split(".")
        if service != "s3":
            return Call(service, operation)
        named = _header(request.headers, "x-amz-storage-class")
        if operation == "CreateMultipartUpload":
            self._thread.begun = named or STANDARD
            return Call(service, operation, class_of_part(named or STANDARD))
        if named is None and self._upload_classes:
            upload = parse_qs(urlsplit(request.url).query).get("uploadId", [""])[0]
            named = self._upload_classes.get(upload, STANDARD)
            if operation.startswith("UploadPart"):
                named = class_of_part(named)
        return Call(service, operation, named or STANDARD)

    def _remember_upload(self, call: Call, parsed: Mapping[str, Any]) -> None:
        if call.operation == "CreateMultipartUpload" and self._thread.begun != STANDARD:
            self._upload_classes[parsed.get("UploadId", "")] = self._thread.begun


class _Counts:
    """The running sums behind a usage."""

    def __init__(self) -> None:
        self.tallies: dict[Call, Tally] = {}
        self.scan = AthenaScan()

    def add(self, call: Call, tally: Tally) -> None:
        self.tallies[call] = self.tallies.get(call, Tally()) + tally

    def usage(self) -> Usage:
        return Usage(self.tallies, self.scan)


def _answered(call: Call, headers: Mapping[str, str]) -> Call:
    """The call with the storage class that the answer names; S3 names none for Standard."""
    if call.service != "s3" or call.operation not in {"GetObject", "HeadObject"}:
        return call
    return Call(call.service, call.operation, headers.get("x-amz-storage-class") or STANDARD)


def _executions(parsed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    one = parsed.get("QueryExecution")
    return [one] if one else list(parsed.get("QueryExecutions", []))


def _header(headers: Mapping[str, Any], name: str) -> str | None:
    value = headers.get(name)
    return value.decode() if isinstance(value, bytes) else value


def length_sent(request: Any) -> int:
    """Bytes of the body, without the framing that a streamed checksum adds."""
    for name in ("x-amz-decoded-content-length", "content-length"):
        value = _header(request.headers, name)
        if value is not None:
            return int(value)
    return 0


def _length_received(response_dict: Mapping[str, Any]) -> int:
    """Bytes of the body: what was read, or for one that is still to be streamed, what was announced."""
    body = response_dict["body"]
    if isinstance(body, bytes):
        return len(body)
    return int(response_dict["headers"].get("content-length") or 0)
