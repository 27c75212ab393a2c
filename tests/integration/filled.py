"""Buckets filled with everything that a bucket can hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from services.storage import Storage

_PLACES = (
    "backups/postgres/2025/06/10/backup_{:05d}.sql.gz",
    "datalake/orders/year=2025/month=01/day=10/part-{:05d}.parquet",
    "athena-results/{:05d}.csv",
)


def fill(storage: Storage, *, objects: int, versions: int, uploads: int, workers: int = 8) -> None:
    """Puts `objects` keys under Shoreline's prefixes, each in `versions` versions below a delete marker.

    A bucket of one version a key gets neither versions nor markers. `uploads` are left unfinished, with a part each.
    """
    s3 = storage.aws.s3
    if versions > 1:
        s3.put_bucket_versioning(Bucket=storage.bucket, VersioningConfiguration={"Status": "Enabled"})

    def put(number: int) -> None:
        key = _PLACES[number % len(_PLACES)].format(number)
        for version in range(versions):
            s3.put_object(Bucket=storage.bucket, Key=key, Body=f"{number} in version {version}".encode())
        if versions > 1:
            s3.delete_object(Bucket=storage.bucket, Key=key)

    def begin(number: int) -> None:
        key = f"backups/postgres/unfinished-{number}.sql.gz"
        upload = storage.start_upload(key, content_type="application/gzip")
        storage.upload_part(key, upload, 1, b"part")

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(put, range(objects)))
        list(pool.map(begin, range(uploads)))


def neighbour_of(storage: Storage) -> Storage:
    """A bucket whose name begins like that of `storage`, tagged like it, with one object at a key of Shoreline's."""
    made = Storage(storage.aws, f"{storage.bucket}-2")
    made.aws.s3.create_bucket(Bucket=made.bucket)
    tags = [{"Key": "project", "Value": "shoreline"}]
    made.aws.s3.put_bucket_tagging(Bucket=made.bucket, Tagging={"TagSet": tags})  # type: ignore[typeddict-item]
    made.put("datalake/orders/year=2025/month=01/day=10/data.parquet", b"the neighbour's")
    return made
