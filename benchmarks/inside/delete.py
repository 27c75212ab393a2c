"""The store's own speed of deleting: known keys, a thousand a request, one request after the other, then the bucket.

python -m benchmarks.inside.delete BUCKET OBJECTS
"""

from __future__ import annotations

import os
import sys

import boto3


def main() -> None:
    """Deletes without looking: the keys are those that the benchmark wrote."""
    bucket, objects = sys.argv[1], int(sys.argv[2])
    s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    for start in range(0, objects, 1000):
        numbers = range(start, min(start + 1000, objects))
        keys = [{"Key": f"datalake/orders/{number:06}.parquet"} for number in numbers]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})  # type: ignore[typeddict-item]
    s3.delete_bucket(Bucket=bucket)


if __name__ == "__main__":
    main()
