"""The client's side of 10,000 requests that a store answers at once: with the meter, or without.

python -m benchmarks.inside.requests with|without REQUESTS

The answers come from a handler of `before-send`, so that neither a network nor a server is in the figure.
"""

from __future__ import annotations

import io
import json
import sys
import time
from decimal import Decimal
from typing import Any

from botocore.awsrequest import AWSResponse

from services.costs.account import Account
from services.costs.bill import Biller
from services.costs.prices import load_prices
from services.s3.client import Aws, AwsAccess

_OWNER = "000000000000"


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        return iter([self.getvalue()])


def main() -> None:
    """Sends HEAD requests and reports the seconds. With the meter, the run's limit is held before each, as on AWS."""
    metered, requests = sys.argv[1] == "with", int(sys.argv[2])
    biller = Biller(load_prices(), "us-east-1", "internet")
    account = Account(biller, limit=Decimal(1000), enforced=True, billed=True)
    access = AwsAccess("us-east-1", endpoint_url="http://127.0.0.1:9", access_key_id="test", secret_access_key="test")  # noqa: S106
    aws = Aws(access, account.attach if metered else lambda _: None)
    aws.__dict__["account_id"] = _OWNER
    events: Any = aws.s3.meta.events
    events.register_last("before-send.s3", _answer)
    aws.s3.head_object(Bucket="bench", Key="first")
    began = time.perf_counter()
    for number in range(requests):
        aws.s3.head_object(Bucket="bench", Key=f"key-{number}")
    seconds = time.perf_counter() - began
    assert account.meter.snapshot().total.billable == (requests + 1 if metered else 0)
    print(json.dumps({"seconds": seconds, "each_microseconds": seconds / requests * 1e6}))


def _answer(request: Any, **_: Any) -> AWSResponse:
    headers: Any = {"Content-Length": "1", "ETag": '"e"', "Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}
    return AWSResponse(request.url, 200, headers, _Body())


if __name__ == "__main__":
    main()
