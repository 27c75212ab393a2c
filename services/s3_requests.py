"""How botocore puts its requests to S3, where its own way costs more than it gives."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from botocore.handlers import add_expect_header, set_list_objects_encoding_type_url
from botocore.utils import determine_content_length

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

_ASK_FIRST = 2 * 1024 * 1024  # bytes of a body; source: the threshold of AWS's SDKs for Go and Java


def adapt(client: S3Client, *, plain_listings: bool) -> None:
    """Changes how the client asks; for a store that lists percent-encoded keys wrongly, plain listings too."""
    events: Any = client.meta.events
    events.unregister("before-call.s3", add_expect_header)
    events.register("before-call.s3", _ask_before_large_bodies)
    _hash_bodies_once(client)
    if plain_listings:
        _list_in_plain_text(client)


def _ask_before_large_bodies(model: OperationModel, params: dict[str, Any], **_: Any) -> None:
    """Waits for S3's leave only before a body that is dear to send in vain.

    botocore waits before every body: a round trip more for each small file.
    """
    body = params.get("body")
    if hasattr(body, "read"):
        length = determine_content_length(body)
        if length is None or length >= _ASK_FIRST:
            add_expect_header(model, params)


def _hash_bodies_once(client: S3Client) -> None:
    """Signs the SHA-256 that goes with a body, to which S3 holds the body, and does not hash that again to sign it.

    A store that knows no such checksums has the body's signature only, and keeps it.
    """
    unsigned: Any = copy(client.meta.config)
    unsigned.s3 = {**(unsigned.s3 or {}), "payload_signing_enabled": False}

    def trust_checksum(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if "ChecksumSHA256" in params:
            context["client_config"] = unsigned

    if unsigned.request_checksum_calculation == "when_supported":
        client.meta.events.register("before-parameter-build.s3", trust_checksum)


def _list_in_plain_text(client: S3Client) -> None:
    """Lists keys as they are, not percent-encoded.

    LocalStack compares encoded keys with decoded markers: from the second page on it leaves out keys that hold a '=',
    as all of a Hive layout do.
    """
    for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        client.meta.events.unregister(f"before-parameter-build.s3.{operation}", set_list_objects_encoding_type_url)
