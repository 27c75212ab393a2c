"""The objects that a run wrote to S3 and did not delete again, by its own requests.

An overwritten object counts in full, as its size before is unknown: the result is what the run's writes cost a month.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from services.costs.bill import STANDARD
from services.costs.meter import length_sent

_PARAMS = "shoreline-ledger"
_Object = tuple[str, str]


class Ledger:
    """The objects that the attached clients wrote, without those that they deleted. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._objects: dict[_Object, tuple[str, int]] = {}
        self._uploads: dict[str, tuple[str, dict[int, int]]] = {}

    def attach(self, client: Any) -> None:
        """Follow an S3 client's writes from now on. Other clients write no objects."""
        if client.meta.service_model.service_name != "s3":
            return
        handlers = {
            "before-parameter-build": self._remember,
            "before-send": self._measure,
            "after-call": self._record,
        }
        for event, handler in handlers.items():
            client.meta.events.register(f"{event}.s3", handler, unique_id=f"shoreline-ledger-{id(self)}-{event}")

    def left(self) -> tuple[int, dict[str, int]]:
        """Return the number of remaining objects, and bytes by storage class, with the parts of open uploads."""
        with self._lock:
            sizes: dict[str, int] = {}
            for storage_class, size in self._objects.values():
                sizes[storage_class] = sizes.get(storage_class, 0) + size
            for _, parts in self._uploads.values():
                sizes[STANDARD] = sizes.get(STANDARD, 0) + sum(parts.values())
            return len(self._objects), {name: size for name, size in sizes.items() if size}

    def _remember(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_PARAMS] = {name: value for name, value in params.items() if name != "Body"}

    def _measure(self, request: Any, **_: Any) -> None:
        self._thread.length = length_sent(request)

    def _record(
        self, http_response: Any, parsed: Mapping[str, Any], context: Mapping[str, Any], event_name: str, **_: Any
    ) -> None:
        note = _NOTES.get(event_name.rpartition(".")[2])
        if note is None or http_response.status_code >= 300:
            return
        with self._lock:
            note(self, context[_PARAMS], parsed)

    def _put(self, params: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        self._objects[_name(params)] = params.get("StorageClass", STANDARD), self._thread.length

    def _copy(self, params: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        source = params["CopySource"]
        if isinstance(source, str):
            bucket, _slash, key = source.lstrip("/").partition("/")
            source = {"Bucket": bucket, "Key": key}
        size = self._objects.get((source["Bucket"], source["Key"]), ("", 0))[1]
        self._objects[_name(params)] = params.get("StorageClass", STANDARD), size

    def _begin(self, params: Mapping[str, Any], parsed: Mapping[str, Any]) -> None:
        self._uploads[parsed["UploadId"]] = params.get("StorageClass", STANDARD), {}

    def _part(self, params: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        if params["UploadId"] in self._uploads:
            self._uploads[params["UploadId"]][1][params["PartNumber"]] = self._thread.length

    def _complete(self, params: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        storage_class, parts = self._uploads.pop(params["UploadId"], (STANDARD, {}))
        self._objects[_name(params)] = storage_class, sum(parts.values())

    def _abort(self, params: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        self._uploads.pop(params["UploadId"], None)

    def _delete(self, params: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        self._objects.pop(_name(params), None)

    def _delete_many(self, params: Mapping[str, Any], parsed: Mapping[str, Any]) -> None:
        kept = {error.get("Key") for error in parsed.get("Errors", [])}
        for entry in params["Delete"]["Objects"]:
            if entry["Key"] not in kept:
                self._objects.pop((params["Bucket"], entry["Key"]), None)


_NOTES = {
    "PutObject": Ledger._put,
    "CopyObject": Ledger._copy,
    "CreateMultipartUpload": Ledger._begin,
    "UploadPart": Ledger._part,
    "CompleteMultipartUpload": Ledger._complete,
    "AbortMultipartUpload": Ledger._abort,
    "DeleteObject": Ledger._delete,
    "DeleteObjects": Ledger._delete_many,
}


def _name(params: Mapping[str, Any]) -> _Object:
    return params["Bucket"], params["Key"]
