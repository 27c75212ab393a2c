"""The request ids of what was asked of AWS: what AWS's support needs to look a call up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One answered call: its HTTP status and AWS's id of it."""

    service: str
    operation: str
    status: int
    request_id: str


class Trail:
    """Keeps the request ids of every call of the clients that it is attached to.

    Appending to a list is safe from many threads.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def attach(self, client: Any) -> None:
        """Keep the client's request ids from now on. Attaching it again changes nothing."""
        client.meta.events.register("after-call", self._after_call, unique_id=f"shoreline-trail-{id(self)}")

    def _after_call(self, parsed: Mapping[str, Any], event_name: str, **_: Any) -> None:
        _event, service, operation = event_name.split(".")
        answer = parsed.get("ResponseMetadata", {})
        self.requests.append(Request(service, operation, answer.get("HTTPStatusCode", 0), answer.get("RequestId", "")))
