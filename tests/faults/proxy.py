"""An HTTP proxy before LocalStack that answers 503, resets, stalls or lies, as it is told for each request."""

from __future__ import annotations

import http.client
import itertools
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host"}
_SLOW_DOWN = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code>"
    b"<Message>Please reduce your request rate.</Message><RequestId>fault</RequestId></Error>"
)


@dataclass(frozen=True)
class Asked:
    """One request that reached the proxy: `number` counts from 0."""

    number: int
    method: str
    path: str
    query: dict[str, list[str]]
    body: bytes
    target: str = ""  # the operation of AWS's JSON protocols, such as 'AWSGlue.GetTables'
    credential: str = ""  # the access key id that signed it

    @property
    def is_delete_objects(self) -> bool:
        """Whether it deletes many objects."""
        return self.method == "POST" and "delete" in self.query

    @property
    def is_part(self) -> bool:
        """Whether it brings a part of a multipart upload."""
        return self.method == "PUT" and "partNumber" in self.query


@dataclass(frozen=True)
class Answer:
    """Answer this, without asking LocalStack."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/xml"})


@dataclass(frozen=True)
class Reset:
    """Close the connection with a TCP reset. With `after_asking`, LocalStack has done the work by then."""

    after_asking: bool = False


@dataclass(frozen=True)
class Stall:
    """Answer nothing until `released` is set (the proxy's end sets it too), then reset."""

    released: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Cut:
    """Send half of LocalStack's answer, then close the connection."""


Fault = Answer | Reset | Stall | Cut
SLOW_DOWN = Answer(503, _SLOW_DOWN)


def every(share: int, fault: Fault = SLOW_DOWN) -> Callable[[Asked], Fault | None]:
    """One request in `share` fails: not in step with retries, so that none fails for ever."""

    def decide(asked: Asked) -> Fault | None:
        return fault if (asked.number * 2654435761 >> 7) % share == 0 else None

    return decide


class FaultProxy:
    """Listens on the loopback interface inside `with`. `decide` says what becomes of a request; None: pass it on.

    `skew` is by how much the clock of the store that it shows is ahead.
    """

    def __init__(self, upstream: str, decide: Callable[[Asked], Fault | None] = lambda _: None) -> None:
        self._upstream = urlsplit(upstream).netloc
        self.decide = decide
        self.asked: list[Asked] = []
        self.faults = 0
        self.skew = timedelta()
        self._numbers = itertools.count()
        self._ending = threading.Event()
        self._server = _server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The endpoint to give to a client."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Carries out what `decide` says about one request."""
        asked = self._read(request)
        self.asked.append(asked)
        fault = self.decide(asked)
        if fault is not None:
            self.faults += 1
        if isinstance(fault, Answer):
            _answer(request, fault.status, list(fault.headers.items()), fault.body)
        elif isinstance(fault, Stall):
            while not fault.released.wait(0.1) and not self._ending.is_set():
                pass
            _reset(request)
        elif isinstance(fault, Reset) and not fault.after_asking:
            _reset(request)
        else:
            status, headers, body = self._ask(request, asked)
            if isinstance(fault, Reset):
                _reset(request)
            elif isinstance(fault, Cut):
                _cut(request, status, headers, body)
            else:
                _answer(request, status, self._shifted(headers), body, head=asked.method == "HEAD")

    def _shifted(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [
            (name, format_datetime(parsedate_to_datetime(value) + self.skew, usegmt=True))
            if name.lower() in {"date", "last-modified"}
            else (name, value)
            for name, value in headers
        ]

    def _read(self, request: BaseHTTPRequestHandler) -> Asked:
        if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
            body = b"".join(_chunks(request))
        else:
            body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        address = urlsplit(request.path)
        query = parse_qs(address.query, keep_blank_values=True)
        signed = request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        target = request.headers.get("X-Amz-Target", "")
        return Asked(next(self._numbers), request.command, address.path, query, body, target, signed)

    def _ask(self, request: BaseHTTPRequestHandler, asked: Asked) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers["Content-Length"] = str(len(asked.body))
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(asked.method, request.path, body=asked.body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def _chunks(request: BaseHTTPRequestHandler) -> list[bytes]:
    found: list[bytes] = []
    while size := int(request.rfile.readline().split(b";")[0], 16):
        found.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return found


def _answer(
    request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes, *, head: bool = False
) -> None:
    request.send_response_only(status)
    for name, value in headers:
        if name.lower() not in _HOP_BY_HOP and (head or name.lower() != "content-length"):
            request.send_header(name, value)
    if not head:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def _cut(request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    _answer(request, status, headers, body[: len(body) // 2], head=True)
    request.wfile.flush()
    _reset(request)


def _reset(request: BaseHTTPRequestHandler) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.close_connection = True
    request.connection.close()


def _server(proxy: FaultProxy) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            proxy.handle(self)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: a test's output is its own."""

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):  # the client went away, or the connection was reset on purpose
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server
