"""Buckets filled with everything that a bucket can hold, fast: 15,000 versions in well under a minute."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

from services.s3.objects import Storage

_PLACES = (
    "backups/postgres/2025/06/10/backup_{:05d}.sql.gz",
    "datalake/orders/year=2025/month=01/day=10/part-{:05d}.parquet",
    "athena-results/{:05d}.csv",
)
_UNCHECKED = "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def fill(storage: Storage, *, objects: int, versions: int, uploads: int, workers: int = 4) -> None:
    """Puts `objects` keys under Shoreline's prefixes, each in `versions` versions below a delete marker.

    A bucket of one version a key gets neither versions nor markers. `uploads` are left unfinished, with a part each.
    """
    s3 = storage.aws.s3
    keys = [_PLACES[number % len(_PLACES)].format(number) for number in range(objects)]
    if versions > 1:
        s3.put_bucket_versioning(Bucket=storage.bucket, VersioningConfiguration={"Status": "Enabled"})
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda share: _put(storage, keys[share::workers], versions), range(workers)))
        list(pool.map(lambda number: _begin(storage, number), range(uploads)))
    if versions > 1:
        storage.delete(keys)


def _put(storage: Storage, keys: Iterable[str], versions: int) -> None:
    """Puts objects over one connection, without boto3's work for each: LocalStack checks no signature."""
    endpoint = urlsplit(storage.aws.access.endpoint_url or "")
    connection = http.client.HTTPConnection(endpoint.netloc, timeout=60)
    for key in keys:
        for version in range(versions):
            path = f"/{storage.bucket}/{quote(key)}"
            connection.request("PUT", path, body=f"version {version}", headers={"Authorization": _UNCHECKED})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == http.client.OK
    connection.close()


def _begin(storage: Storage, number: int) -> None:
    key = f"backups/postgres/unfinished-{number}.sql.gz"
    upload = storage.start_upload(key, content_type="application/gzip")
    upload.send(1, b"part")


def neighbour_of(storage: Storage) -> Storage:
    """A bucket whose name begins like that of `storage`, tagged like it, with one object at a key of Shoreline's."""
    made = Storage(storage.aws, f"{storage.bucket}-2")
    made.aws.s3.create_bucket(Bucket=made.bucket)
    tags = [{"Key": "project", "Value": "shoreline"}]
    made.aws.s3.put_bucket_tagging(Bucket=made.bucket, Tagging={"TagSet": tags})  # type: ignore[typeddict-item]
    made.put("datalake/orders/year=2025/month=01/day=10/data.parquet", b"the neighbour's")
    return made
